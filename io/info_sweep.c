#include "io/info_parts.h"

#include <math.h>
#include <string.h>

enum { NAME = 25, NUMBER = 11, RUNS_A_LINE = (LAM_INFO_COLUMNS - NAME) / NUMBER, MOST_WIDTH = 26 };

bool lam_info_is_sweep(const lam_result_file *file) {
    for (size_t i = 0; i < file->dimension_count; i++)
        if (strcmp(file->dimensions[i].name, "run") == 0) return true;
    return false;
}

static bool by_run(const lam_variable *variable, lam_type type) {
    return variable->type == type && variable->dimensions[0] && !variable->dimensions[1] &&
           strcmp(variable->dimensions[0], "run") == 0;
}

// The values of a variable by run; NULL where the group has none of that name and type.
static const void *find(const lam_group *group, const char *name, lam_type type) {
    int64_t index = lam_group_find(group, name);
    return index >= 0 && by_run(&group->variables[index], type) ? group->data[index] : NULL;
}

static const char *text_of(const void *texts, int64_t run) {
    return texts && ((const char *const *)texts)[run] ? ((const char *const *)texts)[run] : "";
}

// A path's last part.
static const char *tail_of(const void *paths, int64_t run, size_t *length) {
    const char *path = text_of(paths, run);
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    *length = end - begin < MOST_WIDTH ? end - begin : MOST_WIDTH;
    return path + begin;
}

static int widest(const void *paths, int64_t runs, const char *title) {
    size_t width = strlen(title), length;
    for (int64_t run = 0; run < runs; run++) {
        tail_of(paths, run, &length);
        if (length > width) width = length;
    }
    return (int)width;
}

static void put_tail(const lam_info_page *to, const void *paths, int64_t run, int width) {
    size_t length;
    const char *tail = tail_of(paths, run, &length);
    fputs("  ", to->out);
    int used = lam_info_put(to, tail, length);
    fprintf(to->out, "%*s", used < width ? width - used : 0, "");
}

static void print_runs(const lam_info_page *to, const lam_group *group) {
    int64_t runs = lam_group_dimension(group, "run");
    const void *models = find(group, "model", LAM_STRING), *texts = find(group, "text", LAM_STRING);
    const void *results = find(group, "result", LAM_STRING);
    const void *messages = find(group, "message", LAM_STRING);
    const int8_t *status = find(group, "status", LAM_BYTE);
    const int64_t *layers = find(group, "layers", LAM_INT64);
    const double *seconds = find(group, "seconds", LAM_DOUBLE);
    int model = widest(models, runs, "model"), text = widest(texts, runs, "text");
    fprintf(to->out, "\n  run  %-*s  %-*s  layers  seconds  result\n", model, "model", text,
            "text");
    for (int64_t run = 0; run < runs; run++) {
        fprintf(to->out, "  %3lld", (long long)run + 1);
        put_tail(to, models, run, model);
        put_tail(to, texts, run, text);
        bool failed = status && status[run];
        fprintf(to->out, "  %6lld  %7.1f  %s", layers ? (long long)layers[run] : 0LL,
                seconds ? seconds[run] : 0, failed ? "failed: " : "");
        const char *rest = text_of(failed ? messages : results, run);
        lam_info_put(to, rest, strlen(rest));
        fputc('\n', to->out);
    }
}

// A line a measure, a column a run, as many of them as the page holds side by side.
static void print_means(const lam_info_page *to, const lam_group *group) {
    int64_t runs = lam_group_dimension(group, "run");
    for (int64_t first = 0; first < runs; first += RUNS_A_LINE) {
        int64_t last = first + RUNS_A_LINE < runs ? first + RUNS_A_LINE : runs;
        fputc('\n', to->out);
        int column = lam_info_put(to, group->name, strlen(group->name));
        fprintf(to->out, "%*s", column < NAME ? NAME - column : 0, "");
        for (int64_t run = first; run < last; run++) {
            char title[NUMBER + 16];
            snprintf(title, sizeof title, "run %lld", (long long)run + 1);
            fprintf(to->out, "%*s", NUMBER, title);
        }
        fputc('\n', to->out);
        for (size_t i = 0; i < group->variable_count; i++) {
            if (!by_run(&group->variables[i], LAM_DOUBLE)) continue;
            const double *mean = group->data[i];
            fputs("  ", to->out);
            column =
                2 + lam_info_put(to, group->variables[i].name, strlen(group->variables[i].name));
            fprintf(to->out, "%*s", column < NAME ? NAME - column : 0, "");
            for (int64_t run = first; run < last; run++)
                if (isnan(mean[run]))
                    fprintf(to->out, "%*s", NUMBER, "-");
                else
                    fprintf(to->out, " %*.4g", NUMBER - 1, mean[run]);
            fputc('\n', to->out);
        }
    }
}

lam_code lam_info_print_sweep(const lam_info_page *to, lam_error *error) {
    const lam_result_file *file = to->file;
    bool headed = false;
    for (size_t i = 0; i < file->group_count; i++) {
        lam_arena arena = {0};
        lam_group group;
        lam_code code = lam_result_load(file, i, &group, &arena, error);
        if (code == LAM_OK && strcmp(group.name, "sweep") == 0)
            print_runs(to, &group);
        else if (code == LAM_OK && lam_group_dimension(&group, "run") > 0) {
            if (!headed) fputs("\nMeans over the layers\n", to->out);
            headed = true;
            print_means(to, &group);
        }
        lam_arena_destroy(&arena);
        LAM_TRY(code);
    }
    return LAM_OK;
}
