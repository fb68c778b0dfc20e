// p and q values, and stratified folds, against known values and plain definitions.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "src/folds.h"
#include "src/random.h"
#include "src/significance.h"

static lam_error error;

// erfc(z / sqrt 2) to 20 digits, by mpmath.
static void normal_p(void **state) {
    (void)state;
    static const double cases[][2] = {
        {0, 1},
        {1, 0.31731050786291410283},
        {1.959963984540054, 0.050000000000000027531},
        {8.25, 1.5839452629284954682e-16},
        {20, 5.5072482372124673902e-89},
        {37.25, 1.0595777559854537681e-303},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int sign = -1; sign <= 1; sign += 2) {
            double p = lam_normal_p(sign * cases[i][0]);
            // An ulp of z / sqrt 2 moves p by z^2 ulps.
            double bound = 4e-16 * (1 + cases[i][0] * cases[i][0]);
            if (fabs(p / cases[i][1] - 1) > bound) fail_msg("z %g: p %.17g", cases[i][0], p);
        }
    assert_true(lam_normal_p(100) == 0);
}

static void discover(const double *p, int64_t count, double *q) {
    lam_arena arena = {0};
    assert_int_equal(lam_false_discovery(p, count, q, &arena, &error), LAM_OK);
    lam_arena_destroy(&arena);
}

// q by its definition: the least level alpha = p (j) m / j, of those at which i is rejected.
static void discovery(void **state) {
    (void)state;
    for (uint32_t seed = 0; seed < 40; seed++) {
        enum { MOST = 60 };
        double p[MOST], q[MOST];
        int64_t count = seed % 7 == 0 ? 1 : 3 + seed;
        lam_random key = lam_random_key(seed, LAM_RANDOM_SYNTH, 0, 0);
        for (int64_t i = 0; i < count; i++) {
            p[i] = lam_random_uniform_double(&key, (uint64_t)i);
            if (i % 3 == 0) p[i] *= 1e-3;
            if (i % 5 == 4) p[i] = p[i - 2];          // ties
            if (i % 11 == 10) p[i] = (double)(i % 2); // 0 and 1
        }
        discover(p, count, q);
        for (int64_t i = 0; i < count; i++) {
            double least = 1;
            for (int64_t j = 0; j < count; j++) {
                if (p[j] < p[i]) continue;
                int64_t below = 0;
                for (int64_t k = 0; k < count; k++) below += p[k] <= p[j];
                least = fmin(least, p[j] * (double)count / (double)below);
            }
            if (fabs(q[i] - least) > 1e-15 * least)
                fail_msg("q of p %g is %.17g, not %.17g", p[i], q[i], least);
        }
    }
}

// The example of Benjamini and Hochberg 1995, section 3.2: at 0.05, four of fifteen.
static void published_example(void **state) {
    (void)state;
    static const double p[15] = {0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
                                 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.000};
    double q[15];
    discover(p, 15, q);
    for (int i = 0; i < 15; i++) assert_int_equal(q[i] <= 0.05, i < 4);
}

static void folds(void **state) {
    (void)state;
    for (int64_t count = 4; count < 90; count += 5)
        for (int32_t k = 2; k < 8; k++) {
            enum { MOST = 100 };
            int32_t label[MOST], fold[MOST], again[MOST], other[MOST];
            int64_t size[2][8] = {{0}}, moved = 0;
            lam_arena arena = {0};
            for (int64_t i = 0; i < count; i++) label[i] = i % 3 == 1;
            assert_int_equal(lam_folds_deal(label, count, k, 7, fold, &arena, &error), LAM_OK);
            assert_int_equal(lam_folds_deal(label, count, k, 7, again, &arena, &error), LAM_OK);
            assert_int_equal(lam_folds_deal(label, count, k, 8, other, &arena, &error), LAM_OK);
            for (int64_t i = 0; i < count; i++) {
                assert_in_range(fold[i], 0, k - 1);
                assert_int_equal(fold[i], again[i]);
                moved += fold[i] != other[i];
                size[label[i]][fold[i]]++;
            }
            assert_true(count < 20 || moved > 0);
            for (int32_t f = 0; f < k; f++)
                for (int32_t g = 0; g < f; g++) {
                    assert_true(llabs(size[0][f] - size[0][g]) <= 1);
                    assert_true(llabs(size[1][f] - size[1][g]) <= 1);
                    assert_true(llabs(size[0][f] + size[1][f] - size[0][g] - size[1][g]) <= 1);
                }
            lam_arena_destroy(&arena);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_p),
        cmocka_unit_test(discovery),
        cmocka_unit_test(published_example),
        cmocka_unit_test(folds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
