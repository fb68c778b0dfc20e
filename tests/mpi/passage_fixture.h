// What the tests of the profiles of attention share: runs of the demo model, and their groups.
#ifndef LAM_PASSAGE_FIXTURE_H
#define LAM_PASSAGE_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/result_hash.h"
#include "io/result_read.h"
#include "io/safetensors.h"
#include "io/tokens.h"
#include "jobs/job_file.h"
#include "jobs/run.h"
#include "src/log.h"
#include "tests/unit/fixture.h"

#include <omp.h>

static lam_comm comm;

// Runs a model on a text; job_keys are further keys of the job and its sections. Collective over
// with's ranks.
static inline lam_code run_model(const lam_comm *with, const char *model, const char *text,
                                 const char *job_keys, const char *output, lam_error *error) {
    lam_arena arena = {0};
    char yaml[8192];
    int length = snprintf(yaml, sizeof yaml, "{model: '%s', text: '%s', output: '%s', %s}", model,
                          text, output, job_keys);
    lam_job job;
    lam_code code = lam_job_parse(yaml, (size_t)length, "test", NULL, NULL, NULL, lam_profiles,
                                  &job, &arena, error);
    if (code == LAM_OK) {
        lam_run_request request = {.comm = with,
                                   .job = &job,
                                   .model = job.globals.model.item[0],
                                   .output = job.globals.output,
                                   .command = "test",
                                   .progress = LAM_PROGRESS_NONE};
        code = lam_run(&request, error);
    }
    lam_arena_destroy(&arena);
    return code;
}

static inline lam_code run_demo(const lam_comm *with, const char *text, const char *job_keys,
                                const char *output, lam_error *error) {
    return run_model(with, LAM_TEST_DEMO, text, job_keys, output, error);
}

// A group of a result, in memory.
typedef struct loaded {
    lam_result_file file;
    lam_group group;
    lam_arena arena;
} loaded;

static inline void load_group(const char *path, const char *name, loaded *to) {
    lam_error error;
    *to = (loaded){0};
    if (lam_result_open(path, &to->file, &error)) fail_msg("%s", error.text);
    size_t index = 0;
    while (index < to->file.group_count && strcmp(to->file.groups[index].name, name) != 0) index++;
    if (index == to->file.group_count) fail_msg("%s has no group %s", path, name);
    if (lam_result_load(&to->file, index, &to->group, &to->arena, &error))
        fail_msg("%s", error.text);
}

static inline void unload(loaded *group) {
    lam_arena_destroy(&group->arena);
    lam_result_close(&group->file);
}

static inline const void *row(const loaded *from, const char *name, int64_t layer) {
    const void *values = lam_group_row(&from->group, name, layer);
    if (!values) fail_msg("there is no %s", name);
    return values;
}

static inline double number(const loaded *from, const char *name, int64_t layer) {
    return *(const double *)row(from, name, layer);
}

// The reference's answer for the demo model: not LAMINAR_GOLDEN's, as other seeds' cases have none.
static inline lam_safetensors *open_reference(const char *profile, const char *mode) {
    lam_error error;
    lam_safetensors *file;
    char path[4096];
    snprintf(path, sizeof path, "%s/demo/%s.%s.safetensors", LAM_TEST_GOLDEN, profile, mode);
    if (lam_safetensors_open(path, &file, &error)) fail_msg("%s", error.text);
    return file;
}

static inline const lam_tensor *reference(const lam_safetensors *file, const char *name) {
    const lam_tensor *tensor = lam_safetensors_find(file, name);
    if (!tensor) fail_msg("the reference has no %s", name);
    return tensor;
}

// A folder that all ranks know, for what rank 0 writes: they all read it and check the same, so
// that all fail together.
static inline char *result_folder(void) {
    char name[4096] = "";
    char *folder = comm.rank == 0 ? temp_dir() : NULL;
    if (folder) snprintf(name, sizeof name, "%s", folder);
    free(folder);
    MPI_Bcast(name, sizeof name, MPI_CHAR, 0, comm.mpi);
    return strdup(name);
}

static inline void drop_folder(char *folder) {
    MPI_Barrier(comm.mpi);
    if (comm.rank == 0) remove_tree(folder);
    free(folder);
}

static inline void digest_of(const char *path, char digest[LAM_SHA256_TEXT]) {
    lam_error error;
    if (lam_result_hash_file(path, digest, &error)) fail_msg("%s", error.text);
}

// The digest of a run on all ranks and threads, and on each rank alone with other numbers of
// threads, must be one.
static inline void check_same_bits(const char *text, const char *job_keys) {
    char *folder = result_folder(), path[4096], first[LAM_SHA256_TEXT], other[LAM_SHA256_TEXT];
    lam_error error;
    int threads = omp_get_max_threads();
    snprintf(path, sizeof path, "%s/result.nc", folder);
    if (run_demo(&comm, text, job_keys, path, &error)) fail_msg("%s", error.text);
    digest_of(path, first);
    lam_comm alone = comm;
    alone.mpi = MPI_COMM_SELF;
    alone.rank = 0;
    alone.size = alone.host_ranks = 1;
    snprintf(path, sizeof path, "%s/alone%d.nc", folder, comm.rank);
    for (int n = 1; n <= 3; n += 2) {
        omp_set_num_threads(n);
        lam_code code = run_demo(&alone, text, job_keys, path, &error);
        omp_set_num_threads(threads);
        if (code) fail_msg("%s", error.text);
        digest_of(path, other);
        assert_string_equal(first, other);
    }
    drop_folder(folder);
}

// A text in the folder.
static inline char *text_file(const char *folder, const char *text) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/text.txt", folder);
    FILE *file = comm.rank == 0 ? fopen(path, "w") : NULL;
    if (file) {
        fputs(text, file);
        fclose(file);
    }
    MPI_Barrier(comm.mpi);
    return path;
}

// The run ends with a code and a line that says so, on all ranks.
static inline void check_refused(const char *text, const char *job_keys, lam_code code,
                                 const char *says) {
    char *folder = result_folder(), path[4096];
    lam_error error = {0};
    snprintf(path, sizeof path, "%s/result.nc", folder);
    lam_code got = run_demo(&comm, text_file(folder, text), job_keys, path, &error);
    drop_folder(folder);
    if (got != code || !strstr(error.text, says))
        fail_msg("code %d and '%s', where '%s' is expected", got, error.text, says);
}

// A golden model, and what the reference says of its layers on two sequences of tokens.
typedef struct golden_model {
    lam_safetensors *expected;
    int64_t sequences, length, heads, width; // width of a head
    char *folder, tokens[4096], result[4096];
} golden_model;

static inline void open_model(const char *name, golden_model *model) {
    lam_error error;
    char path[4096];
    snprintf(path, sizeof path, "%s/expected.safetensors", golden_path(name));
    if (lam_safetensors_open(path, &model->expected, &error)) fail_msg("%s", error.text);
    const lam_tensor *token = reference(model->expected, "tokens");
    const lam_tensor *q = reference(model->expected, "layers.0.q");
    model->sequences = token->shape[0], model->length = token->shape[1];
    model->heads = q->shape[1], model->width = q->shape[3];
    model->folder = result_folder();
    snprintf(model->tokens, sizeof model->tokens, "%s/tokens.npy", model->folder);
    snprintf(model->result, sizeof model->result, "%s/result.nc", model->folder);
    char digest[LAM_SHA256_TEXT];
    memset(digest, '0', sizeof digest - 1);
    digest[sizeof digest - 1] = '\0';
    lam_token_manifest manifest = {.source = "test",
                                   .source_sha256 = digest,
                                   .tokenizer_sha256 = digest,
                                   .text_options = "",
                                   .laminar = "test"};
    if (comm.rank == 0 &&
        lam_tokens_write(model->tokens, token->data, (size_t)(model->sequences * model->length),
                         &manifest, &error))
        fail_msg("%s", error.text);
    MPI_Barrier(comm.mpi);
}

static inline void close_model(golden_model *model) {
    lam_safetensors_close(model->expected);
    drop_folder(model->folder);
}

// What the reference has of a layer: "layers.3.qkv".
static inline const float *of_layer(const golden_model *model, int64_t layer, const char *what) {
    char name[64];
    snprintf(name, sizeof name, "layers.%lld.%s", (long long)layer, what);
    return reference(model->expected, name)->data;
}

static inline void skip_without_passage(void) {
    if (shared_path("data/course/passage.txt")) return;
    print_message("skipped: the shared data is not beside the project\n");
    skip();
}

#endif
