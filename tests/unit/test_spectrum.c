// Spectra: against scipy.linalg, and rows that have none.
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "spectrum_fixture.h"
#include "src/random.h"

static lam_error error;

// Double precision's rounding, times the condition of the problems.
static const double bound = 1e-10;

static void test_golden(void **state) {
    (void)state;
    check_golden_spectrum(&lam_grid_alone, "tall", true, bound);
    check_golden_spectrum(&lam_grid_alone, "wide", true, bound);
}

static void test_measures(void **state) {
    (void)state;
    const double even[] = {3, 3, 3, 3}, one[] = {1e300, 0, 0, 0}, none[] = {0, 0, 0, 0},
                 some[] = {90, 9, 0.5, 0.5}, huge[] = {1e200, 1e200, 0, 0};
    assert_true(lam_spectrum_participation(even, 4) == 4);
    assert_true(lam_spectrum_participation(one, 4) == 1);
    assert_true(lam_spectrum_participation(none, 4) == 0);
    assert_true(lam_spectrum_participation(huge, 4) == 2);
    assert_int_equal(lam_spectrum_components(even, 4, 0.99), 4);
    assert_int_equal(lam_spectrum_components(even, 4, 0.5), 2);
    assert_int_equal(lam_spectrum_components(one, 4, 0.99), 1);
    assert_int_equal(lam_spectrum_components(none, 4, 0.99), 0);
    assert_int_equal(lam_spectrum_components(some, 4, 0.99), 2);
}

enum { ROWS = 24, UNITS = 7, FOLDS = 3 };

typedef struct data {
    float x[ROWS * UNITS];
    int32_t label[ROWS], fold[ROWS];
} data;

static data make(void) {
    data d;
    const lam_random random = lam_random_key(5, LAM_RANDOM_SYNTH, 0, 0);
    lam_random_fill_normal(&random, 0, ROWS * UNITS, 1, d.x);
    for (int i = 0; i < ROWS; i++) {
        d.label[i] = i % 2, d.fold[i] = i / 2 % FOLDS;
        for (int u = 0; u < UNITS; u++) d.x[i * UNITS + u] += 7.3F;
    }
    return d;
}

static void eigenvalues(const float *x, int64_t rows, int64_t units, double *values) {
    lam_arena arena = {0};
    const lam_spectrum_rows of = {rows, units, x};
    assert_int_equal(lam_spectrum_eigenvalues(&lam_grid_alone, &of, values, &arena, &error),
                     LAM_OK);
    lam_arena_destroy(&arena);
}

static lam_separation separate(const data *d) {
    lam_arena arena = {0};
    const lam_separation_rows of = {{ROWS, UNITS, d->x}, d->label, d->fold, FOLDS};
    lam_separation made;
    assert_int_equal(lam_spectrum_separate(&lam_grid_alone, &of, &golden_rule, &made,
                                           &lam_team_alone, &arena, &error),
                     LAM_OK);
    lam_arena_destroy(&arena);
    return made;
}

// The rows and their transpose's products have the same eigenvalues where the mean is 0 both ways;
// and the sum is the variance.
static void test_sides(void **state) {
    (void)state;
    data d = make();
    double tall[UNITS], wide[ROWS * UNITS] = {0}, sum = 0, variance = 0;
    static float twice[ROWS * UNITS * ROWS];
    eigenvalues(d.x, ROWS, UNITS, tall);
    for (int u = 0; u < UNITS; u++) {
        double mean = 0;
        for (int i = 0; i < ROWS; i++) mean += (double)d.x[i * UNITS + u] / ROWS;
        for (int i = 0; i < ROWS; i++) {
            const double apart = (double)d.x[i * UNITS + u] - mean;
            variance += apart * apart / (ROWS - 1);
        }
        sum += tall[u];
        assert_true(u == 0 || tall[u] <= tall[u - 1]);
    }
    assert_true(fabs(sum - variance) < 1e-12 * variance);
    // The same rows among more units, all 0: now by rows.
    for (int i = 0; i < ROWS; i++)
        memcpy(twice + i * ROWS * 2, d.x + i * UNITS, UNITS * sizeof *twice);
    eigenvalues(twice, ROWS, ROWS * 2, wide);
    for (int u = 0; u < ROWS * 2; u++)
        assert_true(fabs(wide[u] - (u < UNITS ? tall[u] : 0)) < 1e-12 * tall[0]);
}

static void test_alike(void **state) {
    (void)state;
    data d = make();
    double values[UNITS];
    for (int i = 0; i < ROWS * UNITS; i++) d.x[i] = 7.3F + (float)(i % UNITS);
    eigenvalues(d.x, ROWS, UNITS, values);
    for (int u = 0; u < UNITS; u++) assert_true(values[u] == 0);
    lam_separation made = separate(&d);
    assert_int_equal(made.flags, LAM_SEPARATION_FLAT);
    assert_int_equal(made.components, 0);
    assert_true(isnan(made.top_eigenvalue) && isnan(made.training_t) && isnan(made.held_out_t));
}

// One class without variance; or one that has some in the rows of one fold alone.
static void test_class_alike(void **state) {
    (void)state;
    for (int c = 0; c < 2; c++) {
        data d = make();
        for (int i = 0; i < ROWS * UNITS; i++)
            if (d.label[i / UNITS] == c) d.x[i] = 0.1F * (float)(i % UNITS);
        lam_separation made = separate(&d);
        assert_int_equal(made.flags, LAM_SEPARATION_FLAT);
        assert_true(isnan(made.top_eigenvalue) && isnan(made.training_t) && isnan(made.held_out_t));
        d.x[c * UNITS] += 1; // row c is in fold 0
        made = separate(&d);
        assert_int_equal(made.flags, LAM_SEPARATION_FOLD_FLAT);
        assert_true(isfinite(made.top_eigenvalue) && made.training_t > 0);
        assert_true(isnan(made.held_out_t));
    }
}

// Classes that lie apart where they vary apart: the held-out rows show it too, and a mirror image
// is the same.
static void test_turned(void **state) {
    (void)state;
    data d = make();
    for (int i = 0; i < ROWS; i++)
        if (d.label[i]) d.x[i * UNITS + 3] = 9 * d.x[i * UNITS + 3] - 30;
    lam_separation made = separate(&d);
    assert_int_equal(made.flags, 0);
    assert_true(made.top_eigenvalue > 10 && made.training_t > 3 && made.held_out_t > 3);
    for (int i = 0; i < ROWS * UNITS; i++) d.x[i] = -d.x[i];
    const lam_separation mirrored = separate(&d);
    assert_true(fabs(mirrored.training_t / made.training_t - 1) < 1e-9);
    assert_true(fabs(mirrored.held_out_t / made.held_out_t - 1) < 1e-9);
}

static void test_threads(void **state) {
    (void)state;
    const data d = make();
    const int threads = omp_get_max_threads();
    double one[UNITS], two[UNITS];
    omp_set_num_threads(1);
    eigenvalues(d.x, ROWS, UNITS, one);
    const lam_separation first = separate(&d);
    omp_set_num_threads(3);
    eigenvalues(d.x, ROWS, UNITS, two);
    const lam_separation second = separate(&d);
    omp_set_num_threads(threads);
    assert_memory_equal(one, two, sizeof one);
    assert_true(first.held_out_t == second.held_out_t);
    assert_true(first.top_eigenvalue == second.top_eigenvalue);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),      cmocka_unit_test(test_measures),
        cmocka_unit_test(test_sides),       cmocka_unit_test(test_alike),
        cmocka_unit_test(test_class_alike), cmocka_unit_test(test_turned),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
