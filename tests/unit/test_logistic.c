// Regressions of one predictor against statsmodels (golden), known closed forms and plain code.
#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/safetensors.h"
#include "src/folds.h"
#include "src/logistic.h"
#include "src/random.h"
#include "src/significance.h"

static lam_error error;

static lam_logistic *make(const int32_t *label, int64_t rows, const int32_t *fold, int32_t folds,
                          lam_logistic_kind kind, lam_arena *arena) {
    lam_logistic_rows r = {rows, label, fold, folds};
    lam_logistic *logistic;
    if (lam_logistic_create(&logistic, &r, kind, arena, &error)) fail_msg("%s", error.text);
    return logistic;
}

// One unit in double precision, in every lane: all must agree to the bit.
static lam_logistic_fit fit_one(const lam_logistic *logistic, const double *x, int64_t rows,
                                lam_arena *arena) {
    lam_lanes *lanes = lam_arena_alloc(arena, (size_t)rows, sizeof *lanes, &error),
              *scratch = lam_arena_alloc(arena, (size_t)rows, sizeof *lanes, &error);
    for (int64_t i = 0; i < rows; i++) lanes[i] = (lam_lanes){0} + x[i];
    lam_logistic_fit fit[LAM_LANES];
    lam_logistic_fit_lanes(logistic, lanes, scratch, fit);
    for (int k = 1; k < LAM_LANES; k++)
        assert_memory_equal(&fit[k].intercept, &fit[0].intercept, 7 * sizeof(double));
    return fit[0];
}

static void assert_close(double got, double want, double bound, const char *what, int64_t unit) {
    if (!(fabs(got - want) <= bound * fabs(want)))
        fail_msg("%s of unit %lld is %.17g, expected %.17g", what, (long long)unit, got, want);
}

static const lam_tensor *tensor(const lam_safetensors *file, const char *name) {
    const lam_tensor *found = lam_safetensors_find(file, name);
    assert_non_null(found);
    return found;
}

// statsmodels' fits; status as the golden file numbers it: 0 fitted, 1 constant, 2 separated.
static void golden(void **state) {
    (void)state;
    const double bound = 1e-8;
    lam_arena arena = {0};
    lam_safetensors *file;
    if (lam_safetensors_open(golden_path("logit.safetensors"), &file, &error))
        fail_msg("%s", error.text);
    const lam_tensor *shape = tensor(file, "x");
    int64_t rows = shape->shape[0], units = shape->shape[1], seen[3] = {0};
    const double *x = shape->data, *y = tensor(file, "y")->data, *beta = tensor(file, "beta")->data,
                 *se = tensor(file, "se")->data, *p = tensor(file, "p")->data,
                 *accuracy = tensor(file, "accuracy")->data, *loglik = tensor(file, "loglik")->data;
    const int32_t *status = tensor(file, "status")->data;
    int32_t *label = lam_arena_alloc(&arena, (size_t)rows, sizeof *label, &error);
    double *column = lam_arena_alloc(&arena, (size_t)rows, sizeof *column, &error);
    for (int64_t i = 0; i < rows; i++) label[i] = y[i] > 0;
    lam_logistic *logistic = make(label, rows, NULL, 0, LAM_LOGISTIC_MAXIMUM, &arena);
    for (int64_t u = 0; u < units; u++) {
        for (int64_t i = 0; i < rows; i++) column[i] = x[i * units + u];
        lam_logistic_fit fit = fit_one(logistic, column, rows, &arena);
        assert_int_equal((int)fit.status, status[u]);
        seen[status[u]]++;
        assert_int_equal(isnan(fit.slope), status[u] != 0);
        assert_true(isnan(fit.held_out_accuracy));
        if (status[u]) continue;
        assert_close(fit.intercept, beta[2 * u], bound, "intercept", u);
        assert_close(fit.slope, beta[2 * u + 1], bound, "slope", u);
        assert_close(fit.intercept_error, se[2 * u], bound, "the intercept's error", u);
        assert_close(fit.slope_error, se[2 * u + 1], bound, "the slope's error", u);
        assert_close(lam_normal_p(fit.intercept / fit.intercept_error), p[2 * u], bound,
                     "the intercept's p", u);
        assert_close(lam_normal_p(fit.slope / fit.slope_error), p[2 * u + 1], bound,
                     "the slope's p", u);
        assert_close(fit.accuracy, accuracy[u], bound, "accuracy", u);
        assert_close(fit.log_likelihood, loglik[u], bound, "log-likelihood", u);
    }
    assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
    lam_safetensors_close(file);
    lam_arena_destroy(&arena);
}

enum { ROWS = 12 };
static const int32_t six_and_six[ROWS] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1};

// What statsmodels 0.15 gives for small cases with the published call (maxiter 3000): where it
// stops on separated data depends on rounding in its own 1 - p, hence the wide bound for those.
static void plain_as_statsmodels(void **state) {
    (void)state;
    static const struct {
        float x[ROWS];
        lam_logistic_status status;
        bool failed;
        double slope, error, bound;
    } cases[] = {
        {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
         LAM_LOGISTIC_SEPARATED,
         false,
         48.16431406369347,
         240161.64699710117,
         0.02},
        {{1, 2, 3, 4, 5, 6, 6, 8, 9, 10, 11, 12},
         LAM_LOGISTIC_SEPARATED,
         false,
         24.928358263455298,
         258889.6210147643,
         0.02},
        {{7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}, LAM_LOGISTIC_CONSTANT, true, 0, 0, 0},
        {{0}, LAM_LOGISTIC_CONSTANT, true, 0, 0, 0},
        {{1, 2, 3, 4, 5, 7, 6, 8, 9, 10, 11, 12},
         LAM_LOGISTIC_FITTED,
         false,
         1.3075157637938801,
         0.8318365844065283,
         1e-8},
        {{1, 2, 3, 4, 5, 7, 6, 8, 9, 10, 11, 100000},
         LAM_LOGISTIC_FITTED,
         false,
         1.3046124466833764,
         0.8358529821495236,
         1e-8},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    lam_arena arena = {0};
    float x[ROWS * CASES];
    for (int i = 0; i < ROWS; i++)
        for (int u = 0; u < CASES; u++) x[i * CASES + u] = cases[u].x[i];
    lam_logistic *logistic = make(six_and_six, ROWS, NULL, 0, LAM_LOGISTIC_PLAIN, &arena);
    lam_logistic_fit fit[CASES];
    assert_int_equal(
        lam_logistic_fit_units(logistic, x, CASES, CASES, fit, &lam_team_alone, &arena, &error), 0);
    for (int u = 0; u < CASES; u++) {
        assert_int_equal((int)fit[u].status, (int)cases[u].status);
        assert_int_equal(fit[u].failed, cases[u].failed);
        if (fit[u].failed) continue;
        assert_close(fit[u].slope, cases[u].slope, cases[u].bound, "slope", u);
        assert_close(fit[u].slope_error, cases[u].error, cases[u].bound, "error", u);
        assert_close(fit[u].accuracy, u < 1 ? 1 : 11.0 / ROWS + (u > 1 ? -1.0 / ROWS : 0), 1e-12,
                     "accuracy", u);
    }
    lam_arena_destroy(&arena);
}

// With one binary predictor Firth's estimate is that of the table with 1/2 added to every cell
// (Heinze and Schemper 2002, section 2): intercept and slope are logarithms of its odds.
static void firth_of_tables(void **state) {
    (void)state;
    static const int tables[][2][2] = {// [x][y]
                                       {{5, 3}, {2, 8}},
                                       {{10, 0}, {0, 7}},
                                       {{4, 9}, {6, 0}},
                                       {{1, 1}, {0, 30}},
                                       {{200, 3}, {5, 0}}};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
        lam_arena arena = {0};
        int32_t label[512];
        double x[512], half[2][2];
        int64_t n = 0;
        for (int a = 0; a < 2; a++)
            for (int y = 0; y < 2; y++) {
                half[a][y] = tables[t][a][y] + 0.5;
                for (int i = 0; i < tables[t][a][y]; i++, n++) label[n] = y, x[n] = a ? 30 : -0.5;
            }
        lam_logistic *logistic = make(label, n, NULL, 0, LAM_LOGISTIC_FIRTH, &arena);
        lam_logistic_fit fit = fit_one(logistic, x, n, &arena);
        assert_int_equal(fit.status, LAM_LOGISTIC_FITTED);
        double odds = log(half[0][1] / half[0][0]), step = log(half[1][1] / half[1][0]) - odds;
        assert_close(fit.slope, step / 30.5, 1e-8, "slope", (int64_t)t);
        assert_true(fabs(fit.intercept + fit.slope * -0.5 - odds) < 1e-8);
        lam_arena_destroy(&arena);
    }
}

// The equations whose solution Firth's estimate is, by plain code on any data: sum over rows of
// (y - p + h (1/2 - p)) times 1 and x is 0.
static void assert_firth_solves(const double *x, const int32_t *label, int64_t n,
                                const lam_logistic_fit *fit) {
    double i0 = 0, i1 = 0, i2 = 0, score0 = 0, score1 = 0, size = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < n; i++) {
            double p = 1 / (1 + exp(-fit->intercept - fit->slope * x[i])), w = p * (1 - p);
            if (pass == 0) {
                i0 += w, i1 += w * x[i], i2 += w * x[i] * x[i];
                continue;
            }
            double h = w * (i2 - 2 * i1 * x[i] + i0 * x[i] * x[i]) / (i0 * i2 - i1 * i1);
            double r = label[i] - p + h * (0.5 - p);
            score0 += r, score1 += r * x[i], size += fabs(x[i]);
        }
    assert_true(fabs(score0) < 1e-8);
    assert_true(fabs(score1) < 1e-8 * size);
    assert_close(fit->slope_error, sqrt(i0 / (i0 * i2 - i1 * i1)), 1e-7, "error", 0);
    assert_close(fit->intercept_error, sqrt(i2 / (i0 * i2 - i1 * i1)), 1e-7, "error", 0);
}

static void firth_is_finite(void **state) {
    (void)state;
    for (uint32_t seed = 0; seed < 60; seed++) {
        lam_arena arena = {0};
        enum { N = 40 };
        double x[N];
        int32_t label[N];
        lam_random key = lam_random_key(seed, LAM_RANDOM_SYNTH, 0, 0);
        double apart = seed % 6; // 5: nearly all separated
        for (int i = 0; i < N; i++) {
            label[i] = i % 5 < 2;
            x[i] = 3 + 0.1 * ((double)lam_random_normal(&key, (uint64_t)i) + apart * label[i]);
        }
        lam_logistic *logistic = make(label, N, NULL, 0, LAM_LOGISTIC_FIRTH, &arena);
        lam_logistic_fit fit = fit_one(logistic, x, N, &arena);
        assert_int_equal(fit.status, LAM_LOGISTIC_FITTED);
        assert_firth_solves(x, label, N, &fit);
        lam_arena_destroy(&arena);
    }
}

// Another opinion on held-out accuracy: plain Newton in long double on centred data.
static double plain_held_out(const double *x, const int32_t *label, const int32_t *fold, int64_t n,
                             int32_t folds) {
    int64_t right = 0;
    for (int32_t f = 0; f < folds; f++) {
        long double mean = 0, a = 0, b = 0;
        for (int64_t i = 0; i < n; i++) mean += x[i] / (long double)n;
        for (int step = 0; step < 60; step++) {
            long double g0 = 0, g1 = 0, i0 = 0, i1 = 0, i2 = 0;
            for (int64_t i = 0; i < n; i++) {
                if (fold[i] == f) continue;
                long double z = x[i] - mean, p = 1 / (1 + expl(-a - b * z)), w = p * (1 - p);
                g0 += label[i] - p, g1 += (label[i] - p) * z;
                i0 += w, i1 += w * z, i2 += w * z * z;
            }
            long double determinant = i0 * i2 - i1 * i1;
            a += (i2 * g0 - i1 * g1) / determinant, b += (i0 * g1 - i1 * g0) / determinant;
        }
        for (int64_t i = 0; i < n; i++)
            right += fold[i] == f && (a + b * (x[i] - mean) > 0) == label[i];
    }
    return (double)right / (double)n;
}

enum { N = 203, UNITS = 37, FOLDS = 5 };

typedef struct random_case {
    int32_t label[N], fold[N];
    float x[N * UNITS];
} random_case;

// Unit 4 is constant, 5 separated, 6 quasi-separated; effects, offsets and scales of many sizes.
static random_case *random_units(lam_arena *arena) {
    random_case *c = lam_arena_alloc(arena, 1, sizeof *c, &error);
    assert_non_null(c);
    lam_random key = lam_random_key(3, LAM_RANDOM_SYNTH, 0, 0);
    for (int i = 0; i < N; i++) c->label[i] = i >= N * 2 / 5;
    for (int i = 0; i < N; i++)
        for (int u = 0; u < UNITS; u++) {
            double z = (double)lam_random_normal(&key, (uint64_t)(i * UNITS + u));
            double value = u % 7 + (z + c->label[i] * (u % 5 - 2) * 0.7) * pow(10, u % 4 - 2);
            if (u == 4) value = -3.5;
            if (u == 5) value = c->label[i] ? 1 + fabs(z) : -fabs(z);
            if (u == 6) value = i % 50 == 0 ? 0 : c->label[i] ? fabs(z) : -fabs(z);
            c->x[i * UNITS + u] = (float)value;
        }
    if (lam_folds_deal(c->label, N, FOLDS, 1, c->fold, arena, &error)) fail_msg("%s", error.text);
    return c;
}

static void held_out(void **state) {
    (void)state;
    lam_arena arena = {0};
    random_case *c = random_units(&arena);
    lam_logistic *logistic = make(c->label, N, c->fold, FOLDS, LAM_LOGISTIC_MAXIMUM, &arena);
    lam_logistic_fit fit[UNITS];
    assert_int_equal(
        lam_logistic_fit_units(logistic, c->x, UNITS, UNITS, fit, &lam_team_alone, &arena, &error),
        0);
    for (int u = 0; u < UNITS; u++) {
        lam_logistic_status want = u == 4             ? LAM_LOGISTIC_CONSTANT
                                   : u == 5 || u == 6 ? LAM_LOGISTIC_SEPARATED
                                                      : LAM_LOGISTIC_FITTED;
        assert_int_equal((int)fit[u].status, (int)want);
        double x[N];
        for (int i = 0; i < N; i++) x[i] = (double)c->x[i * UNITS + u];
        if (want)
            assert_true(isnan(fit[u].held_out_accuracy));
        else
            assert_close(fit[u].held_out_accuracy, plain_held_out(x, c->label, c->fold, N, FOLDS),
                         1e-12, "held out", u);
    }
    lam_arena_destroy(&arena);
}

// Folds without a fit take its limit: one odd row makes the whole overlap, the fold that holds it
// out is separated without it and parts the rest at the middle of the gap.
static void held_out_limits(void **state) {
    (void)state;
    lam_arena arena = {0};
    static const double x[ROWS] = {0, 1, 2, 3, 4, 20, 10, 11, 12, 13, 14, 15};
    static const int32_t fold[ROWS] = {0, 0, 1, 1, 1, 2, 0, 0, 1, 1, 2, 2};
    lam_logistic *logistic = make(six_and_six, ROWS, fold, 3, LAM_LOGISTIC_MAXIMUM, &arena);
    lam_logistic_fit fit = fit_one(logistic, x, ROWS, &arena);
    assert_int_equal(fit.status, LAM_LOGISTIC_FITTED);
    // Fold 2 is parted at 7: its 20 is told wrongly, 14 and 15 rightly. Of the others, told in the
    // light of the 20, plain code says how many.
    double others = 0;
    for (int32_t f = 0; f < 2; f++) {
        int32_t two[ROWS];
        for (int i = 0; i < ROWS; i++) two[i] = fold[i] == f ? 0 : 1;
        others += plain_held_out(x, six_and_six, two, ROWS, 1) * ROWS;
    }
    assert_close(fit.held_out_accuracy, (others + 2) / ROWS, 1e-12, "held out", 0);

    // Constant outside of fold 0: the more frequent class, which is 1 there, and of 9, 1 (class 0)
    // and 3 (class 1) is right for the last.
    static const double flat[ROWS] = {9, 1, 5, 5, 5, 5, 3, 5, 5, 5, 5, 5};
    static const int32_t flat_fold[ROWS] = {0, 0, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1};
    static const int32_t fold_1[ROWS] = {1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0};
    logistic = make(six_and_six, ROWS, flat_fold, 2, LAM_LOGISTIC_MAXIMUM, &arena);
    fit = fit_one(logistic, flat, ROWS, &arena);
    assert_int_equal(fit.status, LAM_LOGISTIC_FITTED);
    double fold_1_right = plain_held_out(flat, six_and_six, fold_1, ROWS, 1);
    assert_close(fit.held_out_accuracy, fold_1_right + 1.0 / ROWS, 1e-12, "held out", 0);
    lam_arena_destroy(&arena);
}

// Neither the threads, nor the neighbours in the lanes, nor the seed of the folds show in a fit.
static void same_bits(void **state) {
    (void)state;
    for (lam_logistic_kind kind = LAM_LOGISTIC_MAXIMUM; kind <= LAM_LOGISTIC_PLAIN; kind++) {
        lam_arena arena = {0};
        random_case *c = random_units(&arena);
        lam_logistic *logistic = make(c->label, N, c->fold, FOLDS, kind, &arena);
        lam_logistic_fit one[UNITS] = {0}, two[UNITS] = {0}, turned[UNITS] = {0};
        omp_set_num_threads(1);
        assert_int_equal(lam_logistic_fit_units(logistic, c->x, UNITS, UNITS, one, &lam_team_alone,
                                                &arena, &error),
                         0);
        omp_set_num_threads(3);
        assert_int_equal(lam_logistic_fit_units(logistic, c->x, UNITS, UNITS, two, &lam_team_alone,
                                                &arena, &error),
                         0);
        float *x = lam_arena_alloc(&arena, (size_t)N * (UNITS + 3), sizeof *x, &error);
        for (int i = 0; i < N; i++)
            for (int u = 0; u < UNITS; u++)
                x[i * (UNITS + 3) + UNITS - 1 - u] = c->x[i * UNITS + u];
        assert_int_equal(lam_logistic_fit_units(logistic, x, UNITS + 3, UNITS, turned,
                                                &lam_team_alone, &arena, &error),
                         0);
        for (int u = 0; u < UNITS; u++) {
            assert_memory_equal(&one[u].intercept, &two[u].intercept, 7 * sizeof(double));
            assert_int_equal((int)one[u].status, (int)two[u].status);
            assert_memory_equal(&one[u].intercept, &turned[UNITS - 1 - u].intercept,
                                7 * sizeof(double));
            assert_int_equal((int)one[u].status, (int)turned[UNITS - 1 - u].status);
        }
        lam_arena_destroy(&arena);
    }
}

// Scales and offsets at the ends of single precision: the standardised fit is the same.
static void scales_and_offsets(void **state) {
    (void)state;
    lam_arena arena = {0};
    random_case *c = random_units(&arena);
    lam_logistic *logistic = make(c->label, N, NULL, 0, LAM_LOGISTIC_MAXIMUM, &arena);
    static const double factor[] = {1, 1e-38, 1e30, -3, 1e-3}, offset[] = {0, 0, 1e30, 5e5, 2e4};
    double x[N];
    lam_logistic_fit base = {0};
    for (size_t k = 0; k < sizeof factor / sizeof *factor; k++) {
        for (int i = 0; i < N; i++) x[i] = (double)c->x[i * UNITS + 7] * factor[k] + offset[k];
        lam_logistic_fit fit = fit_one(logistic, x, N, &arena);
        assert_int_equal(fit.status, LAM_LOGISTIC_FITTED);
        if (k == 0) base = fit;
        // What the offset costs in x itself: its rounding over the spread of x.
        double bound = 1e-9 + 1e-15 * fabs(offset[k] / factor[k]);
        assert_close(fit.slope * factor[k], base.slope, bound, "slope", (int64_t)k);
        assert_close(fit.slope_error * fabs(factor[k]), base.slope_error, bound, "error",
                     (int64_t)k);
        assert_close(fit.log_likelihood, base.log_likelihood, bound, "log-likelihood", (int64_t)k);
    }
    lam_arena_destroy(&arena);
}

// The classes overlap by a hair's breadth: the estimate is huge but there, or the unit is flagged.
static void nearly_separated(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_logistic *logistic = make(six_and_six, ROWS, NULL, 0, LAM_LOGISTIC_MAXIMUM, &arena);
    for (int power = 1; power <= 12; power++) {
        double hair = pow(10, -power);
        double x[ROWS] = {1, 2, 3, 4, 5, 6.5 + hair, 6.5, 8, 9, 10, 11, 12};
        lam_logistic_fit fit = fit_one(logistic, x, ROWS, &arena);
        assert_int_equal(fit.status, LAM_LOGISTIC_FITTED);
        assert_true(fit.slope > 0 && fit.slope_error > 0 && isfinite(fit.intercept_error));
        // The score at the estimate, by plain code in long double.
        long double g0 = 0, g1 = 0;
        for (int i = 0; i < ROWS; i++) {
            long double eta =
                fit.slope * ((long double)x[i] - 6.5L) + (fit.intercept + fit.slope * 6.5L);
            long double r = six_and_six[i] - 1 / (1 + expl(-eta));
            g0 += r, g1 += r * (x[i] - 6.5L);
        }
        // intercept + slope 6.5 cancels to the last digits of the intercept as stored.
        assert_true(fabsl(g0) < 1e-6 && fabsl(g1) < 1e-6);
    }
    lam_arena_destroy(&arena);
}

static void refused(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_logistic *logistic;
    static const int32_t ones[4] = {1, 1, 1, 1}, mixed[4] = {0, 1, 1, 1}, fold[4] = {0, 1, 1, 0};
    lam_logistic_rows rows = {4, ones, NULL, 0};
    assert_int_equal(lam_logistic_create(&logistic, &rows, LAM_LOGISTIC_MAXIMUM, &arena, &error),
                     LAM_INPUT);
    assert_non_null(strstr(error.text, "one class"));
    rows = (lam_logistic_rows){4, mixed, fold, 2};
    assert_int_equal(lam_logistic_create(&logistic, &rows, LAM_LOGISTIC_MAXIMUM, &arena, &error),
                     LAM_INPUT);
    assert_non_null(strstr(error.text, "fold 1"));
    lam_arena_destroy(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden),           cmocka_unit_test(plain_as_statsmodels),
        cmocka_unit_test(firth_of_tables),  cmocka_unit_test(firth_is_finite),
        cmocka_unit_test(held_out),         cmocka_unit_test(held_out_limits),
        cmocka_unit_test(same_bits),        cmocka_unit_test(scales_and_offsets),
        cmocka_unit_test(nearly_separated), cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
