// What is put in a site's place, and what is made of the losses.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "jobs/sae_splice.h"
#include "src/autoencoder_published.h"

enum { SEQUENCES = 3, LENGTH = 4, WIDTH = 2, STRIDE = 5 };

static lam_error error;

// Rewrites sequence 1, a view of WIDTH columns of rows of STRIDE, whose values are 1000 + their
// index; the layer's own rows are 0, 1, 2...
static void rewrite(int64_t skip, int change, float to[LENGTH * STRIDE]) {
    int64_t start[SEQUENCES + 1];
    float row[SEQUENCES * LENGTH * WIDTH];
    for (int64_t s = 0; s <= SEQUENCES; s++) start[s] = s * LENGTH;
    for (int i = 0; i < SEQUENCES * LENGTH * WIDTH; i++) row[i] = (float)i;
    for (int i = 0; i < LENGTH * STRIDE; i++) to[i] = (float)(1000 + i);
    lam_sequences sequences = {.count = SEQUENCES, .start = start};
    lam_profile_run run = {.sequences = &sequences};
    sae_rows rows = {
        .spliced = row, .count = SEQUENCES * (LENGTH - skip), .width = WIDTH, .skip = skip};
    lam_view view = {
        .sequence = 1, .length = LENGTH, .rows = LENGTH, .width = WIDTH, .row_stride = STRIDE};
    lam_intervention asked = sae_splice_asked(LAM_SITE_Q, SEQUENCES);
    assert_int_equal(asked.sequences, SEQUENCES);
    assert_int_equal(asked.site, LAM_SITE_Q);
    assert_int_equal(asked.changes, 2);
    asked.rewrite(&run, &rows, change, &view, to);
}

static void check_rewritten(int64_t skip) {
    float spliced[LENGTH * STRIDE], zero[LENGTH * STRIDE];
    rewrite(skip, 0, spliced);
    rewrite(skip, 1, zero);
    for (int64_t t = 0; t < LENGTH; t++)
        for (int64_t c = 0; c < STRIDE; c++) {
            int64_t at = t * STRIDE + c, row = LENGTH - skip + t - skip;
            float kept = (float)(1000 + at), own = (float)(row * WIDTH + c);
            assert_true(spliced[at] == (c < WIDTH && t >= skip ? own : kept));
            assert_true(zero[at] == (c < WIDTH ? 0 : kept));
        }
}

static void test_rewrite(void **state) {
    (void)state;
    check_rewritten(0);
    check_rewritten(1);
}

// What the layer's row is for these losses.
static void check_losses(double clean, double spliced, double zero, double recovered, int status) {
    static const lam_variable variables[] = {SAE_SPLICE_VARIABLES, {NULL}};
    lam_arena arena = {0};
    lam_group group;
    lam_dimension layer = {"layer", 1};
    assert_int_equal(lam_group_create(&group, "sae", variables, &layer, 1, 0, 1, &arena, &error),
                     LAM_OK);
    assert_int_equal(group.variable_count, SAE_SPLICE_COUNT);
    sae_splice_asked(LAM_SITE_Q, 1).losses(NULL, 0, clean, (double[]){spliced, zero}, &group);
    const char *const names[] = {"loss_clean", "loss_spliced", "loss_zero", "loss_recovered"};
    const double want[] = {clean, spliced, zero, recovered};
    for (int i = 0; i < 4; i++) {
        double got = *(double *)lam_group_row(&group, names[i], 0);
        if (isfinite(want[i]))
            assert_true(got == want[i]);
        else
            assert_true(isnan(got));
    }
    assert_int_equal(*(int8_t *)lam_group_row(&group, "loss_status", 0), status);
    lam_arena_destroy(&arena);
}

static void test_losses(void **state) {
    (void)state;
    check_losses(3, 4, 7, 0.75, 0);
    check_losses(3, 3, 7, 1, 0);
    check_losses(3, 7, 7, 0, 0);
    check_losses(3, 2.5, 2, 0.5, 0); // a site that the model is better without
    check_losses(3, 4, 3, NAN, 1);
    check_losses(3, INFINITY, 4, NAN, 2);
    check_losses(3, 4, NAN, NAN, 2);
    check_losses(NAN, NAN, NAN, NAN, 2);
}

static void test_check(void **state) {
    (void)state;
    lam_input input = {.sequences = 5, .length = 2};
    lam_profile_run run = {.input = &input};
    assert_int_equal(sae_splice_check(&run, 0, input.sequences, &error), LAM_OK);
    assert_int_equal(sae_splice_check(&run, 5, input.sequences, &error), LAM_OK);
    assert_int_equal(sae_splice_check(&run, 6, input.sequences, &error), LAM_USAGE);
    assert_non_null(strstr(error.text, "sae.splice is 6"));
    input.length = 1;
    assert_int_equal(sae_splice_check(&run, 0, input.sequences, &error), LAM_OK);
    assert_int_equal(sae_splice_check(&run, 1, input.sequences, &error), LAM_USAGE);
    assert_non_null(strstr(error.text, "choose a larger length"));
}

// The published autoencoder's reconstruction has the error that its measures say, in place too.
static void test_published(void **state) {
    (void)state;
    enum { ROWS = 700, COLUMNS = 6 }; // more than are taken at a time
    static float rows[ROWS * COLUMNS], made[ROWS * COLUMNS];
    lam_arena arena = {0};
    lam_published_options options = lam_published_defaults(COLUMNS);
    lam_published *published;
    lam_autoencoder_measures measures;
    for (int i = 0; i < ROWS * COLUMNS; i++) rows[i] = sinf((float)i);
    assert_int_equal(lam_published_create(&published, &options, &lam_team_alone, &arena, &error),
                     LAM_OK);
    lam_published_start(published, 1, 0);
    assert_int_equal(lam_published_measure(published, rows, ROWS, &measures, &error), LAM_OK);
    assert_int_equal(lam_published_reconstruct(published, rows, ROWS, made, &error), LAM_OK);
    double squares = 0;
    for (int i = 0; i < ROWS * COLUMNS; i++)
        squares += ((double)made[i] - (double)rows[i]) * ((double)made[i] - (double)rows[i]);
    assert_true(fabs(squares / (ROWS * COLUMNS) / measures.mse - 1) < 1e-12);
    assert_int_equal(lam_published_reconstruct(published, rows, ROWS, rows, &error), LAM_OK);
    assert_memory_equal(rows, made, sizeof rows);
    assert_int_equal(lam_published_reconstruct(published, rows, 0, rows, &error), LAM_OK);
    assert_memory_equal(rows, made, sizeof rows);
    lam_arena_destroy(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
