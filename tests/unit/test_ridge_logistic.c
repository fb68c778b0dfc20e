// The joint ridge regression: that it solves its equations, in either space, and its parts.
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/cholesky.h"
#include "src/folds.h"
#include "src/random.h"
#include "src/ridge_logistic.h"

static lam_error error;

static double normal(uint64_t index) {
    lam_random key = lam_random_key(11, LAM_RANDOM_SYNTH, 0, 0);
    return (double)lam_random_normal(&key, index);
}

enum { MOST_ROWS = 90, MOST_UNITS = 150, FOLDS = 4 };

typedef struct data {
    int64_t rows, units;
    int32_t label[MOST_ROWS], fold[MOST_ROWS];
    float x[MOST_ROWS * MOST_UNITS];
    double z[MOST_ROWS][MOST_UNITS]; // centred, variance 1, or 0
} data;

// Units of many scales and offsets, every ninth constant, the last ones for nothing; apart: how far
// the classes are from each other.
static data *make(int64_t rows, int64_t units, double apart) {
    data *d = calloc(1, sizeof *d);
    assert_non_null(d);
    d->rows = rows, d->units = units;
    for (int64_t i = 0; i < rows; i++) d->label[i] = i % 5 < 2;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t u = 0; u < units; u++) {
            double value = normal((uint64_t)(i * MOST_UNITS + u)) + apart * d->label[i] * (u < 10);
            d->x[i * units + u] = u % 9 == 8 ? 7 : (float)(value * pow(10, (double)(u % 4)) + 20);
        }
    for (int64_t u = 0; u < units; u++) {
        double mean = 0, squares = 0;
        for (int64_t i = 0; i < rows; i++) mean += (double)d->x[i * units + u] / (double)rows;
        for (int64_t i = 0; i < rows; i++) {
            d->z[i][u] = (double)d->x[i * units + u] - mean;
            squares += d->z[i][u] * d->z[i][u];
        }
        for (int64_t i = 0; i < rows; i++)
            d->z[i][u] = u % 9 == 8 ? 0 : d->z[i][u] / sqrt(squares / (double)rows);
    }
    lam_arena arena = {0};
    assert_int_equal(lam_folds_deal(d->label, rows, FOLDS, 1, d->fold, &arena, &error), LAM_OK);
    lam_arena_destroy(&arena);
    return d;
}

static lam_ridge_fit fit(const data *d, double ridge, double *eta) {
    lam_arena arena = {0};
    lam_logistic_rows rows = {d->rows, d->label, d->fold, FOLDS};
    lam_ridge_fit made;
    assert_int_equal(lam_ridge_logistic(&rows, d->x, d->units, d->units, ridge, &made, eta,
                                        &lam_team_alone, &arena, &error),
                     LAM_OK);
    lam_arena_destroy(&arena);
    assert_true(made.converged);
    return made;
}

// At the minimum the residuals r sum to 0 and ridge x weights = z' r, so eta is intercept +
// z z' r / ridge.
// The same over a grid, here of one rank.
static void same_shared(void **state) {
    (void)state;
    static const int64_t sizes[][2] = {{90, 3}, {90, 89}, {50, 120}, {8, 1}};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        data *d = make(sizes[s][0], sizes[s][1], 0.5);
        double want[MOST_ROWS], got[MOST_ROWS];
        const lam_ridge_fit alone = fit(d, 2, want);
        lam_ridge_fit shared;
        lam_arena arena = {0};
        const lam_logistic_rows rows = {d->rows, d->label, d->fold, FOLDS};
        assert_int_equal(lam_ridge_logistic_shared(&lam_grid_alone, &rows, d->x, d->units, 2,
                                                   &shared, got, &arena, &error),
                         LAM_OK);
        lam_arena_destroy(&arena);
        assert_true(shared.converged);
        for (int64_t i = 0; i < d->rows; i++) assert_true(fabs(got[i] - want[i]) < 1e-8);
        assert_true(fabs(shared.loss - alone.loss) < 1e-8 * alone.loss);
        assert_true(fabs(shared.intercept - alone.intercept) < 1e-8);
        assert_true(shared.accuracy == alone.accuracy);
        assert_true(shared.held_out_accuracy == alone.held_out_accuracy);
        free(d);
    }
}

static void solves(void **state) {
    (void)state;
    static const int64_t sizes[][2] = {{90, 3}, {90, 89}, {90, 90}, {50, 120}, {37, 150}, {8, 1}};
    static const double ridges[] = {1e-3, 1, 100}, aparts[] = {0, 0.5, 40};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int k = 0; k < 9; k++) {
            data *d = make(sizes[s][0], sizes[s][1], aparts[k / 3]);
            double eta[MOST_ROWS], weight[MOST_UNITS] = {0}, sum = 0, loss = 0, right = 0;
            lam_ridge_fit f = fit(d, ridges[k % 3], eta);
            for (int64_t i = 0; i < d->rows; i++) {
                double r = d->label[i] - 1 / (1 + exp(-eta[i]));
                sum += r;
                for (int64_t u = 0; u < d->units; u++) weight[u] += d->z[i][u] * r / ridges[k % 3];
                loss += log1p(exp(d->label[i] ? -eta[i] : eta[i])) / (double)d->rows;
                right += (eta[i] > 0) == d->label[i];
            }
            assert_true(fabs(sum) < 1e-9 * (double)d->rows);
            for (int64_t i = 0; i < d->rows; i++) {
                double want = f.intercept;
                for (int64_t u = 0; u < d->units; u++) want += d->z[i][u] * weight[u];
                // A rounding of r is units / ridge times as large in eta.
                assert_true(fabs(eta[i] - want) < 1e-7 * (1 + fabs(want)));
            }
            assert_true(fabs(f.loss - loss) < 1e-12 * (1 + loss));
            assert_true(f.accuracy == right / (double)d->rows);
            free(d);
        }
}

// Constant units change nothing but the space in which the system is solved.
static void either_space(void **state) {
    (void)state;
    data *few = make(60, 30, 0.6), *many = calloc(1, sizeof *many);
    memcpy(many, few, sizeof *many);
    many->units = 70;
    for (int64_t i = 0; i < 60; i++)
        for (int64_t u = 0; u < 70; u++) many->x[i * 70 + u] = u < 30 ? few->x[i * 30 + u] : -2;
    double eta[2][MOST_ROWS];
    lam_ridge_fit a = fit(few, 3, eta[0]), b = fit(many, 3, eta[1]);
    for (int i = 0; i < 60; i++) assert_true(fabs(eta[0][i] - eta[1][i]) < 1e-9);
    assert_true(fabs(a.intercept - b.intercept) < 1e-9);
    assert_true(a.held_out_accuracy == b.held_out_accuracy);
    assert_true(a.held_out_accuracy > 0.6);
    free(few);
    free(many);
}

// Each fold again by gradient descent in plain code: no Newton, no kernel.
static double plain_held_out(const data *d, double ridge) {
    int64_t right = 0;
    for (int32_t fold = 0; fold < FOLDS; fold++) {
        double weight[MOST_UNITS] = {0}, intercept = 0, rate = 1.0 / (double)(d->rows * d->units);
        for (int step = 0; step < 20000; step++) {
            double gradient[MOST_UNITS], intercept_gradient = 0;
            for (int64_t u = 0; u < d->units; u++) gradient[u] = -ridge * weight[u];
            for (int64_t i = 0; i < d->rows; i++) {
                if (d->fold[i] == fold) continue;
                double eta = intercept;
                for (int64_t u = 0; u < d->units; u++) eta += weight[u] * d->z[i][u];
                double r = d->label[i] - 1 / (1 + exp(-eta));
                intercept_gradient += r;
                for (int64_t u = 0; u < d->units; u++) gradient[u] += r * d->z[i][u];
            }
            intercept += 4 * rate * intercept_gradient;
            for (int64_t u = 0; u < d->units; u++) weight[u] += 4 * rate * gradient[u];
        }
        for (int64_t i = 0; i < d->rows; i++) {
            double eta = intercept;
            for (int64_t u = 0; u < d->units; u++) eta += weight[u] * d->z[i][u];
            right += d->fold[i] == fold && (eta > 0) == d->label[i];
        }
    }
    return (double)right / (double)d->rows;
}

static void held_out(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        data *d = make(40, k ? 50 : 12, 0.4);
        double got = fit(d, 5, NULL).held_out_accuracy;
        assert_true(got == plain_held_out(d, 5));
        assert_true(got < fit(d, 5, NULL).accuracy);
        free(d);
    }
}

static void same_bits(void **state) {
    (void)state;
    for (int k = 0; k < 2; k++) {
        data *d = make(90, k ? 40 : 140, 0.3);
        double eta[3][MOST_ROWS];
        lam_ridge_fit f[3];
        memset(f, 0, sizeof f);
        for (int t = 0; t < 3; t++) {
            omp_set_num_threads(t + 1);
            f[t] = fit(d, 40, eta[t]);
            assert_memory_equal(eta[t], eta[0], 90 * sizeof(double));
            assert_true(f[t].held_out_accuracy == f[0].held_out_accuracy);
            assert_true(f[t].loss == f[0].loss && f[t].intercept == f[0].intercept);
        }
        free(d);
    }
}

static void cholesky(void **state) {
    (void)state;
    for (int64_t n = 1; n < 70; n += n < 20 ? 1 : 7) {
        lam_arena arena = {0};
        int64_t stride = lam_cholesky_stride(n), k = n + 3, x_stride = lam_cholesky_stride(k);
        double *x = lam_arena_alloc(&arena, (size_t)(n * x_stride), sizeof *x, &error),
               *a = lam_arena_alloc(&arena, (size_t)(n * stride), sizeof *a, &error),
               *l = lam_arena_alloc(&arena, (size_t)(n * stride), sizeof *l, &error),
               *b = lam_arena_alloc(&arena, (size_t)n, sizeof *b, &error),
               *back = lam_arena_alloc(&arena, (size_t)n, sizeof *back, &error);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < k; j++) x[i * x_stride + j] = normal((uint64_t)(i * 100 + j));
        lam_gram(x, n, x_stride, a, stride);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++) {
                double want = 0;
                for (int64_t d = 0; d < k; d++) want += x[i * x_stride + d] * x[j * x_stride + d];
                assert_true(fabs(a[i * stride + j] - want) < 1e-12 * (double)k);
            }
        memcpy(l, a, (size_t)(n * stride) * sizeof *l);
        assert_true(lam_cholesky_factor(l, n, stride));
        for (int64_t i = 0; i < n; i++) b[i] = normal((uint64_t)(7000 + i));
        memcpy(back, b, (size_t)n * sizeof *b);
        lam_cholesky_solve(l, n, stride, b);
        for (int64_t i = 0; i < n; i++) {
            double sum = 0, size = 0;
            for (int64_t j = 0; j < n; j++) {
                sum += a[i * stride + j] * b[j], size += fabs(a[i * stride + j] * b[j]);
                if (j > i) assert_true(l[i * stride + j] == a[i * stride + j]);
            }
            assert_true(fabs(sum - back[i]) < 1e-13 * (1 + size) * (double)n);
        }
        memcpy(l, a, (size_t)(n * stride) * sizeof *l);
        l[(n - 1) * (stride + 1)] -= 2 * l[(n - 1) * (stride + 1)]; // no longer positive definite
        assert_false(lam_cholesky_factor(l, n, stride));
        lam_arena_destroy(&arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cholesky),     cmocka_unit_test(solves),   cmocka_unit_test(same_shared),
        cmocka_unit_test(either_space), cmocka_unit_test(held_out), cmocka_unit_test(same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
