// ranks: 1 2 3 4 6
// The losses of the golden models with one site of one layer changed, against those that
// golden/make_splice.py computed in double precision. The models have 5 and 3 layers.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/safetensors.h"
#include "jobs/intervene.h"
#include "tests/unit/fixture.h"

// Relative; the oracle's bound for single-precision programs.
static const double bound = 2e-5;

static lam_comm comm;

enum { MIX, ZERO, NOTHING, CHANGES };

// What of a model is changed, and what came of it.
typedef struct lam_case {
    lam_intervention asked;
    lam_layout layout;
    double clean, changed[8][CHANGES]; // of this rank's layers
    int64_t layers, steps;
} lam_case;

static lam_case now;

static void rewrite(const lam_profile_run *run, const void *state, int change, const lam_view *view,
                    float *rows) {
    (void)run, (void)state;
    for (int64_t t = change == MIX ? 1 : 0; change != NOTHING && t < view->rows; t++)
        for (int64_t u = 0; u < view->width; u++) {
            float *x = &rows[t * view->row_stride + u];
            *x = change == MIX ? 0.5f * *x + 0.1f : 0.0f;
        }
}

static void losses(const lam_profile_run *run, int64_t layer, double clean, const double *changed,
                   lam_group *groups) {
    (void)run, (void)groups;
    now.clean = clean;
    memcpy(now.changed[layer], changed, sizeof now.changed[layer]);
    now.layers++;
}

static void tick(void *user, int64_t steps, int64_t layer) {
    (void)user, (void)layer;
    now.steps += steps;
}

static const double *golden(const lam_safetensors *file, const char *model, const char *what) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", model, what);
    const lam_tensor *tensor = lam_safetensors_find(file, name);
    if (!tensor) fail_msg("there is no %s", name);
    return tensor->data;
}

static void check(const char *what, int64_t layer, double got, double want) {
    if (!(fabs(got / want - 1) <= bound))
        fail_msg("%s, layer %lld: the loss is %.9g, the reference has %.9g", what, (long long)layer,
                 got, want);
}

// One site of every layer.
static void check_site(const lam_checkpoint *checkpoint, const lam_sequences *sequences,
                       const char *model, lam_site site, const lam_safetensors *file) {
    lam_error error;
    const lam_model_config *config = lam_checkpoint_config(checkpoint);
    lam_profile_run run = {.model = config, .sequences = sequences};
    now = (lam_case){.asked = {.sequences = sequences->count,
                               .site = site,
                               .changes = CHANGES,
                               .rewrite = rewrite,
                               .losses = losses}};
    void *state[8] = {NULL};
    lam_arena arena = {0};
    lam_layout layout;
    if (lam_layout_create(&layout, config->layers, comm.size, NULL, &arena, &error))
        fail_msg("%s", error.text);
    lam_intervene_request request = {.comm = &comm,
                                     .layout = &layout,
                                     .checkpoint = checkpoint,
                                     .run = &run,
                                     .asked = &now.asked,
                                     .state = state,
                                     .tick = tick};
    if (lam_intervene(&request, &error)) fail_msg("%s", error.text);
    const lam_place place = lam_layout_place(&layout, comm.rank);
    int64_t first = place.first_layer, steps;
    assert_int_equal(now.layers, place.layer_count);
    MPI_Allreduce(&now.steps, &steps, 1, MPI_INT64_T, MPI_SUM, comm.mpi);
    assert_int_equal(steps, lam_intervene_steps(&request));
    const double *want = golden(file, model, lam_site_name(site)); // [layer, change]
    for (int64_t l = first; l < first + now.layers; l++) {
        check("clean", l, now.clean, golden(file, model, "clean")[0]);
        check(lam_site_name(site), l, now.changed[l][MIX], want[2 * l]);
        check(lam_site_name(site), l, now.changed[l][ZERO], want[2 * l + 1]);
        // To the last bit: a changed pass is the same computation otherwise.
        assert_true(now.changed[l][NOTHING] == now.clean);
    }
    lam_arena_destroy(&arena);
}

static void check_model(const char *model) {
    lam_error error;
    lam_arena arena = {0};
    lam_safetensors *file, *expected;
    lam_checkpoint *checkpoint;
    lam_sequences sequences;
    char path[4096];
    // Not LAMINAR_GOLDEN's: other seeds' cases have no such losses.
    if (lam_safetensors_open(LAM_TEST_GOLDEN "/splice.safetensors", &file, &error))
        fail_msg("%s", error.text);
    snprintf(path, sizeof path, "%s/%s/expected.safetensors", LAM_TEST_GOLDEN, model);
    if (lam_safetensors_open(path, &expected, &error)) fail_msg("%s", error.text);
    snprintf(path, sizeof path, "%s/%s", LAM_TEST_GOLDEN, model);
    if (lam_checkpoint_open(path, &checkpoint, &error)) fail_msg("%s", error.text);
    const lam_tensor *tokens = lam_safetensors_find(expected, "tokens"); // [sequence, token]
    assert_non_null(tokens);
    int64_t count = tokens->shape[0], length = tokens->shape[1];
    if (lam_sequences_create(&sequences, count, tokens->data, &arena, &error))
        fail_msg("%s", error.text);
    for (int64_t s = 0; s <= count; s++) sequences.start[s] = s * length;
    sequences.place = NULL;
    for (lam_site site = LAM_SITE_QKV; site < LAM_SITE_COUNT; site++)
        if (lam_site_width(lam_checkpoint_config(checkpoint), site) > 0)
            check_site(checkpoint, &sequences, model, site, file);
    lam_checkpoint_close(checkpoint);
    lam_safetensors_close(expected);
    lam_safetensors_close(file);
    lam_arena_destroy(&arena);
}

static void test_gpt2(void **state) {
    (void)state;
    check_model("gpt2-f32");
}

static void test_neox_parallel(void **state) {
    (void)state;
    check_model("neox-parallel");
}

static void test_neox_serial(void **state) {
    (void)state;
    check_model("neox-serial");
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_neox_parallel),
        cmocka_unit_test(test_neox_serial),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
