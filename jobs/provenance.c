#include "jobs/provenance.h"

#include "lam_version.h"
#include "src/blas.h"
#include "src/product.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void lam_seconds_begin(lam_seconds *seconds) {
    *seconds = (lam_seconds){.began = MPI_Wtime()};
}

double *lam_seconds_of(lam_seconds *seconds, const char *stage) {
    size_t i = seconds->count < LAM_MAX_STAGES ? seconds->count++ : LAM_MAX_STAGES - 1;
    seconds->stage[i] = stage;
    return &seconds->seconds[i];
}

// "{load: 0.21, forward: 1.32, total: 9.80}"
static char *seconds_text(const lam_seconds *seconds, lam_arena *arena, lam_error *error) {
    char *text = lam_arena_text(arena, "{", 1, error);
    for (size_t i = 0; text && i < seconds->count; i++)
        text = lam_arena_format(arena, error, "%s%s: %.3f, ", text, seconds->stage[i],
                                seconds->seconds[i]);
    return text ? lam_arena_format(arena, error, "%stotal: %.3f}", text,
                                   MPI_Wtime() - seconds->began)
                : NULL;
}

const char *lam_cpu_name(lam_arena *arena, lam_error *error) {
    char line[256];
    const char *name = "unknown";
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (!file) return name;
    while (fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon) continue;
        name = lam_arena_text(arena, colon + 2, strcspn(colon + 2, "\n"), error);
        break;
    }
    fclose(file);
    return name;
}

const char *lam_cpu_features(lam_arena *arena, lam_error *error) {
#if defined(__x86_64__)
    return lam_arena_format(arena, error, "x86-64%s%s%s%s%s%s",
                            __builtin_cpu_supports("avx2") ? " avx2" : "",
                            __builtin_cpu_supports("fma") ? " fma" : "",
                            __builtin_cpu_supports("avx512f") ? " avx512f" : "",
                            __builtin_cpu_supports("avx512vl") ? " avx512vl" : "",
                            __builtin_cpu_supports("avx512vnni") ? " avx512vnni" : "",
                            __builtin_cpu_supports("avx512bf16") ? " avx512bf16" : "");
#else
    return lam_arena_text(arena, "not x86-64", 10, error);
#endif
}

static const char *now_text(lam_arena *arena, lam_error *error) {
    char text[32] = "";
    time_t seconds = time(NULL);
    struct tm utc;
    if (gmtime_r(&seconds, &utc)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return lam_arena_text(arena, text, strlen(text), error);
}

// The paths, or the digests, of all texts, "; " between them.
static const char *join_texts(const lam_texts *texts, bool digests, lam_arena *arena,
                              lam_error *error) {
    char *all = lam_arena_text(arena, "", 0, error);
    for (size_t i = 0; all && i < texts->count; i++)
        all = lam_arena_format(arena, error, "%s%s%s", all, i ? "; " : "",
                               digests ? texts->item[i].text_sha256 : texts->item[i].source);
    return all;
}

lam_code lam_provenance_result(const lam_provenance *about, lam_result *result, lam_arena *arena,
                               lam_error *error) {
    const lam_model_config *c = about->config;
    const char *slash = strrchr(about->model, '/');
    const char *model = slash && slash[1] ? slash + 1 : about->model;
    const char *mode = about->job->globals.mode == LAM_PUBLISHED ? "published" : "standard";
    const char *date = now_text(arena, error);
    if (!date) return LAM_MEMORY;
    *result = (lam_result){.date = date, .layers = c->layers, .heads = c->heads};
    result->title = lam_arena_format(arena, error, "laminar profile of %s", model);
    result->summary =
        lam_arena_format(arena, error,
                         "Measures of every layer of a %s language model (%lld layers, width %lld, "
                         "%lld heads) against depth, %s procedure",
                         lam_family_name(c->family), (long long)c->layers, (long long)c->width,
                         (long long)c->heads, mode);
    result->history = lam_arena_format(arena, error, "%s %s", date, about->command);
    result->source =
        lam_arena_format(arena, error, "laminar " LAM_VERSION ", %s", lam_product_name());
    const lam_attribute attributes[] = {
        {.name = "laminar_version", .text = LAM_VERSION},
        {.name = "job", .text = lam_job_yaml(about->job, arena, error)},
        {.name = "mode", .text = mode},
        {.name = "model", .text = about->model},
        {.name = "model_type", .text = lam_family_name(c->family)},
        {.name = "model_sha256", .text = about->model_sha256},
        {.name = "run_sha256", .text = about->run_sha256},
        {.name = "tokenizer_sha256", .text = about->texts->tokenizer_sha256},
        {.name = "text_sha256", .text = join_texts(about->texts, true, arena, error)},
        {.name = "text_source", .text = join_texts(about->texts, false, arena, error)},
        {.name = "ranks", .number = about->comm->size, .integer = true},
        {.name = "threads_per_rank", .number = omp_get_max_threads(), .integer = true},
        {.name = "cpu", .text = lam_cpu_name(arena, error)},
        {.name = "cpu_features", .text = lam_cpu_features(arena, error)},
        {.name = "blas_kernels", .text = lam_blas_kernels()},
        {.name = "seconds", .text = seconds_text(about->seconds, arena, error)},
    };
    size_t count = sizeof attributes / sizeof *attributes;
    lam_attribute *copy;
    LAM_ALLOC(copy, arena, count, error);
    memcpy(copy, attributes, sizeof attributes);
    result->attributes = copy;
    result->attribute_count = count;
    if (!result->title || !result->summary || !result->history || !result->source)
        return LAM_MEMORY;
    for (size_t i = 0; i < count; i++)
        if (!copy[i].text && !copy[i].integer) return LAM_MEMORY;
    return LAM_OK;
}

// Whether a line of a job, given without its indent, says where something lies or who works on it.
static bool is_circumstance(const char *line) {
    static const char *const keys[] = {
        "model:", "text:", "output:", "threads:", "watchdog:", "checkpoint:"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strncmp(line, keys[i], strlen(keys[i])) == 0) return true;
    return false;
}

char *lam_provenance_identity(const lam_provenance *about, lam_arena *arena, lam_error *error) {
    const char *job = lam_job_yaml(about->job, arena, error);
    const char *features = lam_cpu_features(arena, error);
    const char *texts = join_texts(about->texts, true, arena, error);
    if (!job || !features || !texts) return NULL;
    char *kept =
        lam_arena_format(arena, error,
                         "laminar: " LAM_VERSION
                         "\nproducts: %s\nblas_kernels: %s\ncpu_features: %s\nmodel_sha256: %s\n"
                         "tokenizer_sha256: %s\ntext_sha256: %s\n%s",
                         lam_product_name(), lam_blas_kernels(), features, about->model_sha256,
                         about->texts->tokenizer_sha256, texts, job);
    if (!kept) return NULL;
    char *to = kept;
    for (const char *line = kept; *line;) { // drops lines in place
        size_t length = strcspn(line, "\n") + 1;
        if (!is_circumstance(line + strspn(line, " "))) memmove(to, line, length), to += length;
        line += length;
    }
    *to = '\0';
    return kept;
}

lam_code lam_provenance_input(lam_group *group, const lam_input *input, const lam_text_tokens *text,
                              const lam_sequences *sequences, lam_error *error) {
    LAM_TRY(lam_group_number(group, "sequences", (double)sequences->count, true, error));
    LAM_TRY(
        lam_group_number(group, "tokens", (double)sequences->start[sequences->count], true, error));
    if (!text) return LAM_OK;
    LAM_TRY(lam_group_text(group, "text", text->path, error));
    LAM_TRY(lam_group_text(group, "text_sha256", text->text_sha256, error));
    LAM_TRY(lam_group_text(group, "html", text->html_mode, error));
    LAM_TRY(lam_group_text(group, "select",
                           input->select == LAM_JOB_SELECT_FIRST ? "first" : "random", error));
    if (input->documents == LAM_JOB_DOCUMENTS_WITHIN)
        LAM_TRY(lam_group_number(group, "documents", (double)text->documents, true, error));
    return lam_group_number(group, "text_tokens", (double)text->ids.count, true, error);
}
