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

void lam_plan_print(const lam_plan *plan, FILE *out) {
    char text[32], more[32], yet[32];
    fprintf(out, "%s: %lld layers, %lld tokens; %d rank%s of %d thread%s on %d node%s\n",
            plan->model, (long long)plan->layers, (long long)plan->tokens, plan->ranks,
            plural(plan->ranks), plan->threads, plural(plan->threads), plan->nodes,
            plural(plan->nodes));
    print_ranks(plan, out);
    fprintf(out, "\ndisk: result at most %s, run folder up to %s, exported autoencoders %s\n",
            bytes_text(plan->disk_result, text), bytes_text(plan->disk_run, more),
            bytes_text(plan->disk_export, yet));
    fprintf(out, "sent: %s in all, of which the residual in %.0f messages %s\n",
            bytes_text(plan->sent, text), plan->messages, bytes_text(plan->message_bytes, more));
    fprintf(out, "\nfloating-point operations: %.3g\n", plan->all_operations);
    for (size_t i = 0; i < plan->operation_count; i++)
        fprintf(out, "  %-16s %9.3g\n", plan->operations[i].name, plan->operations[i].value);
    print_time(plan, out);
    print_scale(plan, out);
    fprintf(out, "\n%s\n", plan->command);
}
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

static bool fill(const lam_plan *plan, json_t *made) {
    const struct {
        const char *key;
        json_t *value;
    } values[] = {
        {"model", json_string(plan->model)},
        {"output", json_string(plan->output)},
        {"layers", json_integer(plan->layers)},
        {"tokens", json_integer(plan->tokens)},
        {"ranks", json_integer(plan->ranks)},
        {"nodes", json_integer(plan->nodes)},
        {"threads", json_integer(plan->threads)},
        {"rank", ranks_of(plan)},
        {"memory_largest_rank", json_real(plan->memory_most)},
        {"memory_all_ranks", json_real(plan->memory_all)},
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
    bool good = true;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        good = add(made, values[i].key, values[i].value) && good;
    return good;
}

lam_code lam_plan_print_json(const lam_plan *plan, FILE *out, lam_error *error) {
    json_t *made = json_object();
    const bool good = made && fill(plan, made) && json_dumpf(made, out, JSON_INDENT(1)) == 0;
    json_decref(made);
    if (!good) return lam_fail(error, LAM_MEMORY, "memory for the plan's JSON was refused");
    fputc('\n', out);
    return LAM_OK;
}
