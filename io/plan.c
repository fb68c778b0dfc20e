#include "io/plan.h"

#include <jansson.h>
#include <string.h>

static const char *plural(int64_t count) {
    return count == 1 ? "" : "s";
}

// A number of bytes in a few digits.
static const char *bytes_text(double bytes, char text[32]) {
    static const char *const unit[] = {"bytes", "kB", "MB", "GB", "TB"};
    int i = 0;
    for (; bytes >= 1000 && i < 4; i++) bytes /= 1000;
    snprintf(text, 32, i == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, unit[i]);
    return text;
}

static const char *seconds_text(double seconds, char text[32]) {
    if (seconds < 1000)
        snprintf(text, 32, seconds < 100 ? "%.1f s" : "%.0f s", seconds);
    else if (seconds < 6000)
        snprintf(text, 32, "%.0f min", seconds / 60);
    else
        snprintf(text, 32, "%.1f h", seconds / 3600);
    return text;
}

// Members of one team, or ranks of a team each that have as many layers and as much memory.
static bool is_alike(const lam_plan_rank *a, const lam_plan_rank *b) {
    const double apart = a->bytes > b->bytes ? a->bytes - b->bytes : b->bytes - a->bytes;
    if (a->layers != b->layers || a->members != b->members || apart > 0.005 * a->bytes)
        return false;
    return a->members == 1 || a->first_layer == b->first_layer;
}

static void print_ranks(const lam_plan *plan, FILE *out) {
    char text[32];
    fputs("\nranks          layers                memory\n", out);
    for (int first = 0, end; first < plan->ranks; first = end) {
        const lam_plan_rank *rank = &plan->rank[first];
        char ranks[32], layers[64];
        for (end = first + 1; end < plan->ranks && is_alike(rank, &plan->rank[end]);) end++;
        const lam_plan_rank *last = &plan->rank[end - 1];
        const int64_t to = last->first_layer + last->layers - 1;
        snprintf(ranks, sizeof ranks, end - first > 1 ? "%d to %d" : "%d", first, end - 1);
        int used = snprintf(layers, sizeof layers, to > rank->first_layer ? "%lld to %lld" : "%lld",
                            (long long)rank->first_layer, (long long)to);
        if (last != rank)
            snprintf(layers + used, sizeof layers - (size_t)used,
                     rank->members > 1 ? ", together" : ", %lld each", (long long)rank->layers);
        fprintf(out, "%-14s %-21s %s%s\n", ranks, layers, bytes_text(rank->bytes, text),
                last != rank ? " each" : "");
    }
    fprintf(out, "largest rank %s, ", bytes_text(plan->memory_most, text));
    fprintf(out, "all together %s\n", bytes_text(plan->memory_all, text));
    if (plan->memory_keeping > plan->memory_most)
        fprintf(out, "while what is kept of the text waits to be written, a rank may have %s\n",
                bytes_text(plan->memory_keeping, text));
}

static void print_scale(const lam_plan *plan, FILE *out) {
    char text[32];
    if (!plan->scale) return;
    fputs("\n        ", out);
    for (int n = 0; n < LAM_PLAN_NETWORKS; n++)
        fprintf(out, "%12.0f Gbit/s%20s", plan->gigabits[n], "");
    fputs("\nranks  ", out);
    for (int n = 0; n < LAM_PLAN_NETWORKS; n++) fputs("      time  working  waiting  network", out);
    for (size_t i = 0; i < plan->scale_count; i++) {
        fprintf(out, "\n%5d  ", plan->scale[i].ranks);
        for (int n = 0; n < LAM_PLAN_NETWORKS; n++)
            fprintf(out, "%10s %7.0f%% %7.0f%% %7.0f%%",
                    seconds_text(plan->scale[i].on[n].seconds, text),
                    100 * plan->scale[i].on[n].efficiency, 100 * plan->scale[i].on[n].waiting,
                    100 * plan->scale[i].on[n].network);
    }
    fputc('\n', out);
}

static void print_time(const lam_plan *plan, FILE *out) {
    char text[32];
    if (!plan->second_count) return;
    fprintf(out, "\ntime on nodes ");
    if (plan->faster != 1)
        fprintf(out, "%g times as fast as", plan->faster);
    else
        fputs("like", out);
    fprintf(out, " this one (%d core%s; measured in %.1f s): %s\n", plan->cores,
            plural(plan->cores), plan->calibration, seconds_text(plan->all_seconds, text));
    if (plan->crowding > 1)
        fprintf(out, "  where %.3g threads share a core: with cores enough it is less\n",
                plan->crowding);
    for (size_t i = 0; i < plan->second_count; i++)
        fprintf(out, "  %-16s %9s\n", plan->seconds[i].name,
                seconds_text(plan->seconds[i].value, text));
    fprintf(out, "beyond %d rank%s of %d thread%s nothing is gained: there it is %s\n",
            plan->useful_ranks, plural(plan->useful_ranks), plan->threads, plural(plan->threads),
            seconds_text(plan->useful_seconds, text));
}

static void print_one(const lam_plan *plan, FILE *out) {
    char text[32], more[32], yet[32];
    fprintf(out, "%s: %lld layers, %lld tokens; %d rank%s of %d thread%s on %d node%s\n",
            plan->model, (long long)plan->layers, (long long)plan->tokens, plan->ranks,
            plural(plan->ranks), plan->threads, plural(plan->threads), plan->nodes,
            plural(plan->nodes));
    print_ranks(plan, out);
    fprintf(out, "\ndisk: result at most %s, run folder up to %s, exported autoencoders %s\n",
            bytes_text(plan->disk_result, text), bytes_text(plan->disk_run, more),
            bytes_text(plan->disk_export, yet));
    fprintf(out, "sent: %s in all, of which the residual in %.0f message%s %s\n",
            bytes_text(plan->sent, text), plan->messages, plural((int64_t)plan->messages),
            bytes_text(plan->message_bytes, more));
    fprintf(out, "\nfloating-point operations: %.3g\n", plan->all_operations);
    for (size_t i = 0; i < plan->operation_count; i++)
        fprintf(out, "  %-16s %9.3g\n", plan->operations[i].name, plan->operations[i].value);
    print_time(plan, out);
    print_scale(plan, out);
    fprintf(out, "\n%s\n", plan->command);
}

// --- several runs, one after the other

static double larger(double a, double b) {
    return a > b ? a : b;
}

// What all take together: memory and the run folder of the largest, of the rest the sum.
static lam_plan sum_of(const lam_plans *plans) {
    lam_plan sum = {.command = plans->command};
    for (size_t i = 0; i < plans->count; i++) {
        const lam_plan *plan = &plans->plan[i];
        sum.memory_most = larger(sum.memory_most, plan->memory_most);
        sum.memory_keeping = larger(sum.memory_keeping, plan->memory_keeping);
        sum.memory_all = larger(sum.memory_all, plan->memory_all);
        sum.disk_run = larger(sum.disk_run, plan->disk_run);
        sum.disk_result += plan->disk_result;
        sum.disk_export += plan->disk_export;
        sum.sent += plan->sent;
        sum.all_operations += plan->all_operations;
        sum.second_count += plan->second_count;
        sum.all_seconds += plan->all_seconds;
        if (plan->useful_ranks > sum.useful_ranks) sum.useful_ranks = plan->useful_ranks;
    }
    return sum;
}

static void print_row(const lam_plan *plan, FILE *out) {
    char most[32], all[32], result[32], sent[32], time[32];
    fprintf(out, "%12s %10s %10s %10s %10.3g", bytes_text(plan->memory_most, most),
            bytes_text(plan->memory_all, all), bytes_text(plan->disk_result, result),
            bytes_text(plan->sent, sent), plan->all_operations);
    if (plan->second_count)
        fprintf(out, " %9s %7d", seconds_text(plan->all_seconds, time), plan->useful_ranks);
}

static void print_table(const lam_plans *plans, FILE *out) {
    char text[32], more[32];
    const lam_plan *first = plans->plan, sum = sum_of(plans);
    const bool timed = sum.second_count > 0;
    fprintf(out, "%zu runs, one after the other; %d rank%s of %d thread%s on %d node%s\n\n",
            plans->count, first->ranks, plural(first->ranks), first->threads,
            plural(first->threads), first->nodes, plural(first->nodes));
    fprintf(out,
            "        memory of\nrun  largest rank  all ranks     result       sent operations%s\n",
            timed ? "      time  enough" : "");
    for (size_t i = 0; i < plans->count; i++) {
        const lam_plan *plan = &plans->plan[i];
        fprintf(out, "%3zu  ", i + 1);
        print_row(plan, out);
        fprintf(out, "  %s%s%s\n", plan->model, *plan->text ? " on " : "", plan->text);
    }
    fputs("all  ", out);
    print_row(&sum, out);
    fputs("\n\n", out);
    if (timed) fputs("enough: the ranks beyond which nothing is gained\n", out);
    if (sum.memory_keeping > sum.memory_most)
        fprintf(out, "while what is kept of the text waits to be written, a rank may have %s\n",
                bytes_text(sum.memory_keeping, text));
    fprintf(out, "disk: besides results, run folder up to %s, exported autoencoders %s\n",
            bytes_text(sum.disk_run, text), bytes_text(sum.disk_export, more));
    fprintf(out, "--only N says more of a run\n\n%s\n", plans->command);
}

void lam_plans_print(const lam_plans *plans, FILE *out) {
    if (plans->count == 1)
        print_one(plans->plan, out);
    else
        print_table(plans, out);
}

// --- JSON

// jansson's setters take a NULL value as a failure.
static bool add(json_t *object, const char *key, json_t *value) {
    return json_object_set_new(object, key, value) == 0;
}

static json_t *parts_of(const lam_plan_part *part, size_t count, double all) {
    json_t *made = json_object();
    bool good = add(made, "all", json_real(all));
    for (size_t i = 0; i < count; i++)
        good = add(made, part[i].name, json_real(part[i].value)) && good;
    if (good) return made;
    json_decref(made);
    return NULL;
}

static json_t *ranks_of(const lam_plan *plan) {
    json_t *made = json_array();
    for (int r = 0; made && r < plan->ranks; r++) {
        const lam_plan_rank *rank = &plan->rank[r];
        json_t *one =
            json_pack("{s:I,s:I,s:i,s:i,s:f}", "first_layer", (json_int_t)rank->first_layer,
                      "layers", (json_int_t)rank->layers, "member", rank->member, "members",
                      rank->members, "memory", rank->bytes);
        if (json_array_append_new(made, one) == 0) continue;
        json_decref(made);
        return NULL;
    }
    return made;
}

static json_t *scale_of(const lam_plan *plan) {
    json_t *made = json_array();
    for (size_t i = 0; made && i < plan->scale_count * LAM_PLAN_NETWORKS; i++) {
        const size_t n = i % LAM_PLAN_NETWORKS;
        const lam_plan_scale *at = &plan->scale[i / LAM_PLAN_NETWORKS];
        json_t *one = json_pack("{s:i,s:f,s:f,s:f,s:f,s:f}", "ranks", at->ranks, "gigabits",
                                plan->gigabits[n], "seconds", at->on[n].seconds, "working",
                                at->on[n].efficiency, "waiting", at->on[n].waiting, "network",
                                at->on[n].network);
        if (json_array_append_new(made, one) == 0) continue;
        json_decref(made);
        return NULL;
    }
    return made;
}

// A value that could not be made is NULL, which is not added.
typedef struct lam_json_value {
    const char *key;
    json_t *value;
} lam_json_value;

static json_t *object_of(const lam_json_value *values, size_t count) {
    json_t *made = json_object();
    bool good = made;
    for (size_t i = 0; i < count; i++) good = add(made, values[i].key, values[i].value) && good;
    if (good) return made;
    json_decref(made);
    return NULL;
}

static json_t *plan_of(const lam_plan *plan) {
    const lam_json_value values[] = {
        {"model", json_string(plan->model)},
        {"text", json_string(plan->text)},
        {"output", json_string(plan->output)},
        {"layers", json_integer(plan->layers)},
        {"tokens", json_integer(plan->tokens)},
        {"ranks", json_integer(plan->ranks)},
        {"nodes", json_integer(plan->nodes)},
        {"threads", json_integer(plan->threads)},
        {"rank", ranks_of(plan)},
        {"memory_largest_rank", json_real(plan->memory_most)},
        {"memory_all_ranks", json_real(plan->memory_all)},
        {"memory_while_keeping", json_real(plan->memory_keeping)},
        {"disk_result", json_real(plan->disk_result)},
        {"disk_run_folder", json_real(plan->disk_run)},
        {"disk_export", json_real(plan->disk_export)},
        {"bytes_sent", json_real(plan->sent)},
        {"residual_messages", json_real(plan->messages)},
        {"residual_bytes", json_real(plan->message_bytes)},
        {"row_bytes", json_real(plan->row_bytes)},
        {"operations", parts_of(plan->operations, plan->operation_count, plan->all_operations)},
        {"seconds", parts_of(plan->seconds, plan->second_count, plan->all_seconds)},
        {"useful_ranks", json_integer(plan->useful_ranks)},
        {"useful_seconds", json_real(plan->useful_seconds)},
        {"command", json_string(plan->command)},
        {"scale", scale_of(plan)},
    };
    return object_of(values, sizeof values / sizeof *values);
}

static json_t *plans_of(const lam_plans *plans) {
    const lam_plan sum = sum_of(plans);
    json_t *runs = json_array();
    for (size_t i = 0; runs && i < plans->count; i++)
        if (json_array_append_new(runs, plan_of(&plans->plan[i])) != 0) {
            json_decref(runs);
            runs = NULL;
        }
    const lam_json_value values[] = {
        {"runs", runs},
        {"memory_largest_rank", json_real(sum.memory_most)},
        {"memory_all_ranks", json_real(sum.memory_all)},
        {"memory_while_keeping", json_real(sum.memory_keeping)},
        {"disk_results", json_real(sum.disk_result)},
        {"disk_run_folder", json_real(sum.disk_run)},
        {"disk_export", json_real(sum.disk_export)},
        {"bytes_sent", json_real(sum.sent)},
        {"operations", json_real(sum.all_operations)},
        {"seconds", json_real(sum.all_seconds)},
        {"useful_ranks", json_integer(sum.useful_ranks)},
        {"command", json_string(sum.command)},
    };
    return object_of(values, sizeof values / sizeof *values);
}

lam_code lam_plans_print_json(const lam_plans *plans, FILE *out, lam_error *error) {
    json_t *made = plans->count == 1 ? plan_of(plans->plan) : plans_of(plans);
    const bool good = made && json_dumpf(made, out, JSON_INDENT(1)) == 0;
    json_decref(made);
    if (!good) return lam_fail(error, LAM_MEMORY, "memory for the plan's JSON was refused");
    fputc('\n', out);
    return LAM_OK;
}
