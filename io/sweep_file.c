#include "io/sweep_file.h"

#include "io/info_parts.h"
#include "io/result_file.h"
#include "io/result_read.h"
#include "src/arena.h"

#include <math.h>
#include <string.h>
#include <time.h>

static const lam_variable run_variables[] = {
    {"model", LAM_STRING, {"run"}, "checkpoint folder", NULL, NULL},
    {"text", LAM_STRING, {"run"}, "text of the sweep, empty where it has none", NULL, NULL},
    {"result", LAM_STRING, {"run"}, "result file, empty where the run failed", NULL, NULL},
    {"status", LAM_BYTE, {"run"}, "how the run ended", "1", "ok failed"},
    {"message", LAM_STRING, {"run"}, "why the run failed", NULL, NULL},
    {"profile_sha256", LAM_STRING, {"run"}, "digest of the result's values", NULL, NULL},
    {"layers", LAM_INT64, {"run"}, "layers of the model, 0 where the run failed", "1", NULL},
    {"seconds", LAM_DOUBLE, {"run"}, "wall time of the run", "s", NULL},
    {NULL},
};

// A variable of the results' with one number a layer.
typedef struct measure {
    const char *group;
    lam_variable variable; // of the summary
    double *mean;          // [run]
    struct measure *next;
} measure;

typedef struct summary {
    const lam_sweep_run *runs;
    size_t count;
    lam_dimension dimension[1];
    measure *measures; // in the order they are met
    lam_group *groups;
    size_t group_count;
    lam_arena *arena;
    lam_error *error;
} summary;

// "undefined" is a sum of reasons and status a name: neither has a mean.
static bool has_mean(const lam_variable *variable) {
    return lam_variable_has_layer(variable) && !variable->dimensions[1] &&
           variable->type != LAM_STRING && !variable->flag_meanings &&
           strcmp(variable->name, "undefined") != 0;
}

static const char *copy(const summary *s, const char *text) {
    return lam_arena_text(s->arena, text ? text : "", text ? strlen(text) : 0, s->error);
}

static lam_code measure_of(summary *s, const char *group, const lam_variable *variable,
                           measure **found) {
    measure **at = &s->measures;
    for (; *at; at = &(*at)->next)
        if (strcmp((*at)->group, group) == 0 && strcmp((*at)->variable.name, variable->name) == 0)
            return *found = *at, LAM_OK;
    measure *made;
    LAM_ALLOC(made, s->arena, 1, s->error);
    LAM_ALLOC(made->mean, s->arena, s->count, s->error);
    for (size_t i = 0; i < s->count; i++) made->mean[i] = NAN;
    made->group = copy(s, group);
    made->variable = (lam_variable){.name = copy(s, variable->name),
                                    .type = LAM_DOUBLE,
                                    .dimensions = {"run"},
                                    .units = copy(s, variable->units)};
    made->variable.long_name =
        lam_arena_format(s->arena, s->error, "mean over layers: %s", variable->long_name);
    if (!made->group || !made->variable.name || !made->variable.units || !made->variable.long_name)
        return LAM_MEMORY;
    *found = *at = made;
    return LAM_OK;
}

static double mean_over_layers(const lam_group *group, size_t variable) {
    double sum = 0;
    int64_t count = 0;
    for (int64_t layer = 0; layer < group->layers; layer++) {
        double value = lam_group_value(group, variable, layer);
        if (isnan(value)) continue;
        sum += value;
        count++;
    }
    return count ? sum / (double)count : NAN;
}

static lam_code read_group(summary *s, size_t run, const lam_result_file *file, size_t index,
                           lam_arena *scratch) {
    lam_group group;
    LAM_TRY(lam_result_load(file, index, &group, scratch, s->error));
    for (size_t i = 0; i < group.variable_count; i++) {
        measure *found;
        if (!has_mean(&group.variables[i])) continue;
        LAM_TRY(measure_of(s, group.name, &group.variables[i], &found));
        found->mean[run] = mean_over_layers(&group, i);
    }
    return LAM_OK;
}

static lam_code read_opened(summary *s, size_t run, const lam_result_file *file) {
    lam_group *runs = &s->groups[0];
    const lam_attribute *digest = lam_result_attribute(file, "profile_sha256");
    const char *text = copy(s, digest ? digest->text : NULL);
    if (!text) return LAM_MEMORY;
    ((const char **)lam_group_row(runs, "profile_sha256", 0))[run] = text;
    for (size_t i = 0; i < file->dimension_count; i++)
        if (strcmp(file->dimensions[i].name, "layer") == 0)
            ((int64_t *)lam_group_row(runs, "layers", 0))[run] = file->dimensions[i].size;
    for (size_t i = 0; i < file->group_count; i++) {
        lam_arena scratch = {0};
        lam_code code = read_group(s, run, file, i, &scratch);
        lam_arena_destroy(&scratch);
        LAM_TRY(code);
    }
    return LAM_OK;
}

static lam_code read_run(summary *s, size_t run) {
    const lam_sweep_run *from = &s->runs[run];
    lam_group *runs = &s->groups[0];
    ((const char **)lam_group_row(runs, "model", 0))[run] = from->model;
    ((const char **)lam_group_row(runs, "text", 0))[run] = from->text;
    ((const char **)lam_group_row(runs, "message", 0))[run] = from->failure;
    ((double *)lam_group_row(runs, "seconds", 0))[run] = from->seconds;
    ((int8_t *)lam_group_row(runs, "status", 0))[run] = from->failure != NULL;
    if (from->failure) return LAM_OK;
    ((const char **)lam_group_row(runs, "result", 0))[run] = from->output;
    lam_result_file file;
    lam_code code = lam_result_open(from->output, &file, s->error);
    if (code == LAM_OK) code = read_opened(s, run, &file);
    lam_result_close(&file);
    return code;
}

static lam_code make_group(summary *s, const char *name, const lam_variable *variables) {
    return lam_group_create(&s->groups[s->group_count++], name, variables, s->dimension, 1, 0, 0,
                            s->arena, s->error);
}

// Turns the measures of one group, of which first is the first, into the summary's.
static lam_code gather_group(summary *s, const measure *first) {
    size_t count = 0;
    lam_variable *variables;
    for (const measure *m = first; m; m = m->next) count += strcmp(m->group, first->group) == 0;
    LAM_ALLOC(variables, s->arena, count + 1, s->error);
    count = 0;
    for (const measure *m = first; m; m = m->next)
        if (strcmp(m->group, first->group) == 0) variables[count++] = m->variable;
    LAM_TRY(make_group(s, first->group, variables));
    const lam_group *made = &s->groups[s->group_count - 1];
    count = 0;
    for (const measure *m = first; m; m = m->next)
        if (strcmp(m->group, first->group) == 0)
            memcpy(made->data[count++], m->mean, s->count * sizeof *m->mean);
    return LAM_OK;
}

static lam_code gather(summary *s) {
    size_t most = 1;
    for (const measure *m = s->measures; m; m = m->next) most++;
    lam_group *groups;
    LAM_ALLOC(groups, s->arena, most, s->error);
    groups[0] = s->groups[0];
    s->groups = groups;
    for (const measure *m = s->measures; m; m = m->next) {
        bool known = false;
        for (size_t i = 0; i < s->group_count; i++)
            known = known || strcmp(s->groups[i].name, m->group) == 0;
        if (!known) LAM_TRY(gather_group(s, m));
    }
    return LAM_OK;
}

static lam_code write_summary(summary *s, const char *path, const lam_sweep_about *about) {
    LAM_ALLOC(s->groups, s->arena, 1, s->error);
    LAM_TRY(make_group(s, "sweep", run_variables));
    for (size_t i = 0; i < s->count; i++) LAM_TRY(read_run(s, i));
    LAM_TRY(gather(s));
    char date[32] = "";
    time_t seconds = time(NULL);
    struct tm utc;
    if (gmtime_r(&seconds, &utc)) strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    lam_result result = {.title = "laminar sweep",
                         .summary = "What each run of a sweep came to, and of every measure by "
                                    "layer its mean over the layers",
                         .source = about->source,
                         .date = date,
                         .attributes = about->attributes,
                         .attribute_count = about->attribute_count,
                         .runs = (int64_t)s->count,
                         .groups = s->groups,
                         .group_count = s->group_count};
    result.history = lam_arena_format(s->arena, s->error, "%s %s", date, about->command);
    if (!result.history) return LAM_MEMORY;
    return lam_result_write(path, &result, s->error);
}

lam_code lam_sweep_write(const char *path, const lam_sweep_run *runs, size_t count,
                         const lam_sweep_about *about, lam_error *error) {
    lam_arena arena = {0};
    summary s = {.runs = runs,
                 .count = count,
                 .dimension = {{"run", (int64_t)count}},
                 .arena = &arena,
                 .error = error};
    lam_code code = write_summary(&s, path, about);
    lam_arena_destroy(&arena);
    return code;
}
