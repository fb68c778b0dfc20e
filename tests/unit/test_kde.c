#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/safetensors.h"
#include "src/histogram.h"
#include "src/kde.h"
#include "src/random.h"

static const lam_kde_ends plain = {0}, reflected = {.reflected = true, .low = 0, .high = 1};

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The sample of doubles as they are.
static lam_sample sample_of(const double *from, int64_t size, lam_arena *arena) {
    lam_error error;
    double *value = lam_arena_alloc(arena, (size_t)size, sizeof *value, &error);
    int64_t *count = lam_arena_alloc(arena, (size_t)size, sizeof *count, &error);
    assert_true(value && count);
    memcpy(value, from, (size_t)size * sizeof *value);
    qsort(value, (size_t)size, sizeof *value, ascending);
    for (int64_t i = 0; i < size; i++) count[i] = 1;
    return (lam_sample){.value = value, .count = count, .size = size, .total = size};
}

// The sample by way of a histogram, as weights come: single precision, and most bins.
static lam_sample binned_sample(const double *from, int64_t size, int64_t most, lam_arena *arena) {
    lam_error error;
    lam_histogram histogram;
    lam_sample sample;
    float *value = lam_arena_alloc(arena, (size_t)size, sizeof *value, &error);
    assert_non_null(value);
    for (int64_t i = 0; i < size; i++) value[i] = (float)from[i];
    assert_int_equal(lam_histogram_create(&histogram, most, false, arena, &error), LAM_OK);
    assert_int_equal(lam_histogram_add(&histogram, value, size, &error), LAM_OK);
    assert_int_equal(lam_histogram_sample(&histogram, &sample, arena, &error), LAM_OK);
    return sample;
}

// The largest difference between the estimate of a sample and a curve, over the curve's peak.
static double difference(const lam_sample *sample, double bandwidth, bool exact, const double *at,
                         const double *want, int64_t points, lam_arena *arena) {
    lam_error error;
    double worst = 0, peak = 0;
    double *density = lam_arena_alloc(arena, (size_t)points, sizeof *density, &error);
    assert_non_null(density);
    assert_int_equal(
        lam_kde_evaluate(sample, bandwidth, exact, &plain, at, points, density, arena, &error),
        LAM_OK);
    for (int64_t i = 0; i < points; i++) {
        peak = fmax(peak, want[i]);
        worst = fmax(worst, fabs(density[i] - want[i]));
    }
    return worst / peak;
}

static const lam_tensor *find(const lam_safetensors *file, const char *name, int length,
                              const char *ending) {
    char full[128];
    snprintf(full, sizeof full, "%.*s.%s", length, name, ending);
    const lam_tensor *tensor = lam_safetensors_find(file, full);
    if (!tensor) fail_msg("no %s in the golden file", full);
    return tensor;
}

static void check_case(const lam_safetensors *file, const char *name, int length,
                       const char *rule) {
    lam_arena arena = {0};
    char ending[64];
    const lam_tensor *sample = find(file, name, length, "sample");
    snprintf(ending, sizeof ending, "%s.density", rule);
    const lam_tensor *density = find(file, name, length, ending);
    snprintf(ending, sizeof ending, "%s.bandwidth", rule);
    double wanted = *(const double *)find(file, name, length, ending)->data;
    const double *grid = lam_safetensors_find(file, "grid")->data;
    int64_t points = density->shape[0], size = sample->shape[0];
    lam_sample direct = sample_of(sample->data, size, &arena);
    lam_sample fine = binned_sample(sample->data, size, LAM_DEFAULT_BINS, &arena);
    lam_sample coarse = binned_sample(sample->data, size, 2048, &arena);
    lam_bandwidth bandwidth;
    double width, binned_width, coarse_width;
    assert_true(lam_bandwidth_parse(rule, &bandwidth));
    assert_int_equal(lam_bandwidth_find(&bandwidth, &direct, &width), LAM_KDE_ESTIMATED);
    assert_int_equal(lam_bandwidth_find(&bandwidth, &fine, &binned_width), LAM_KDE_ESTIMATED);
    assert_int_equal(lam_bandwidth_find(&bandwidth, &coarse, &coarse_width), LAM_KDE_ESTIMATED);
    double found[] = {
        fabs(width / wanted - 1),
        difference(&direct, width, true, grid, density->data, points, &arena),
        difference(&fine, binned_width, true, grid, density->data, points, &arena),
        difference(&fine, binned_width, false, grid, density->data, points, &arena),
        difference(&coarse, coarse_width, false, grid, density->data, points, &arena),
    };
    print_message("%.*s %s: bandwidth %.1e, direct %.1e, from floats %.1e, binned %.1e, 2048 bins "
                  "(%lld used) %.1e\n",
                  length, name, rule, found[0], found[1], found[2], found[3],
                  (long long)coarse.size, found[4]);
    assert_true(found[0] < 1e-12);
    assert_true(found[1] < 1e-12); // all in double: far within the 1e-6 that is asked for
    assert_true(found[2] < 1e-6);
    assert_true(found[3] < 1e-4);
    assert_true(found[4] < 1e-4);
    lam_arena_destroy(&arena);
}

static void test_golden(void **state) {
    (void)state;
    lam_error error;
    lam_safetensors *file;
    if (lam_safetensors_open(golden_path("kde.safetensors"), &file, &error))
        fail_msg("%s", error.text);
    int cases = 0;
    for (size_t i = 0; i < lam_safetensors_count(file); i++) {
        const char *name = lam_safetensors_at(file, i)->name, *dot = strrchr(name, '.');
        if (!dot || strcmp(dot, ".sample") != 0) continue;
        check_case(file, name, (int)(dot - name), "scott");
        check_case(file, name, (int)(dot - name), "silverman");
        cases++;
    }
    assert_true(cases > 0);
    lam_safetensors_close(file);
}

static double density_at(const lam_sample *sample, double bandwidth, const lam_kde_ends *ends,
                         double at) {
    lam_error error;
    lam_arena arena = {0};
    double density;
    assert_int_equal(
        lam_kde_evaluate(sample, bandwidth, false, ends, &at, 1, &density, &arena, &error), LAM_OK);
    lam_arena_destroy(&arena);
    return density;
}

// One value: the normal density itself, and its images.
static void test_one_value(void **state) {
    (void)state;
    double value = 0.1;
    int64_t count = 3;
    lam_sample sample = {.value = &value, .count = &count, .size = 1, .total = 3};
    double h = 0.25;
#define NORMAL(x) (exp(-0.5 * (x) * (x) / h / h) / h / sqrt(2 * 3.14159265358979323846))
    for (double at = -0.3; at < 1.4; at += 0.07) {
        double density = density_at(&sample, h, &plain, at);
        assert_true(fabs(density - NORMAL(at - 0.1)) < 1e-14);
        density = density_at(&sample, h, &reflected, at);
        double want = NORMAL(at - 0.1) + NORMAL(-at - 0.1) + NORMAL(2 - at - 0.1);
        assert_true(fabs(density - want) < 1e-14);
    }
#undef NORMAL
}

// Over a fine grid of [0, 1] a reflected curve integrates to 1, a plain one of values at the end
// does not; both fall to exactly 0 far away.
static void test_reflected_keeps_mass(void **state) {
    (void)state;
    enum { POINTS = 4001, SIZE = 1000 };
    lam_error error;
    lam_arena arena = {0};
    lam_random random = lam_random_key(3, LAM_RANDOM_SYNTH, 0, 0);
    double *from = lam_arena_alloc(&arena, SIZE, sizeof *from, &error);
    double *at = lam_arena_alloc(&arena, POINTS, sizeof *at, &error);
    double *density = lam_arena_alloc(&arena, POINTS, sizeof *density, &error);
    for (int i = 0; i < SIZE; i++) from[i] = 0.2 * lam_random_uniform_double(&random, (uint64_t)i);
    for (int i = 0; i < POINTS; i++) at[i] = i / (double)(POINTS - 1);
    lam_sample sample = sample_of(from, SIZE, &arena);
    double integral[2];
    for (int mended = 0; mended < 2; mended++) {
        assert_int_equal(lam_kde_evaluate(&sample, 0.02, false, mended ? &reflected : &plain, at,
                                          POINTS, density, &arena, &error),
                         LAM_OK);
        integral[mended] = -(density[0] + density[POINTS - 1]) / 2;
        for (int i = 0; i < POINTS; i++) integral[mended] += density[i];
        assert_true(density[POINTS / 2] == 0);
    }
    assert_true(fabs(integral[1] / (POINTS - 1) - 1) < 1e-6);
    assert_true(integral[0] / (POINTS - 1) < 0.98);
    lam_arena_destroy(&arena);
}

static void test_bandwidths(void **state) {
    (void)state;
    lam_bandwidth b;
    double width;
    assert_true(lam_bandwidth_parse("scott", &b) && b.rule == LAM_SCOTT);
    assert_true(lam_bandwidth_parse("silverman", &b) && b.rule == LAM_SILVERMAN);
    assert_true(lam_bandwidth_parse("0.01", &b) && b.rule == LAM_FIXED && b.fixed == 0.01);
    static const char *const wrong[] = {"", "Scott", "0", "-1", "nan", "inf", "1e-40", "1e40", "x"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_false(lam_bandwidth_parse(wrong[i], &b));

    double value[] = {0.1, 0.3};
    int64_t count[] = {5, 1};
    lam_sample none = {.value = value, .count = count}, one = {value, count + 1, 1, 1},
               equal = {value, count, 1, 5}, two = {value, count, 2, 6};
    assert_true(lam_bandwidth_parse("scott", &b));
    assert_int_equal(lam_bandwidth_find(&b, &none, &width), LAM_KDE_TOO_FEW);
    assert_true(isnan(width));
    assert_int_equal(lam_bandwidth_find(&b, &one, &width), LAM_KDE_TOO_FEW);
    assert_int_equal(lam_bandwidth_find(&b, &equal, &width), LAM_KDE_NO_SPREAD);
    assert_true(width == 0);
    assert_int_equal(lam_bandwidth_find(&b, &two, &width), LAM_KDE_ESTIMATED);
    assert_true(lam_bandwidth_parse("2e-3", &b));
    assert_int_equal(lam_bandwidth_find(&b, &one, &width), LAM_KDE_TOO_FEW);
    assert_int_equal(lam_bandwidth_find(&b, &equal, &width), LAM_KDE_ESTIMATED);
    assert_true(width == 2e-3);
}

// Bandwidths far below the spacing of the points, and far above the range of the values.
static void test_extremes(void **state) {
    (void)state;
    double value[] = {0, 1e-38, 0.5, 1};
    int64_t count[] = {1, (int64_t)1 << 40, 1, 1};
    lam_sample sample = {
        .value = value, .count = count, .size = 4, .total = ((int64_t)1 << 40) + 3};
    static const double width[] = {1e-30, 1e-9, 1, 1e9, 1e30};
    for (size_t i = 0; i < sizeof width / sizeof *width; i++)
        for (double at = 0; at <= 1; at += 0.125) {
            assert_true(isfinite(density_at(&sample, width[i], &plain, at)));
            assert_true(density_at(&sample, width[i], &reflected, at) >= 0);
        }
    assert_true(density_at(&sample, 1e-9, &plain, 0.25) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_one_value),
        cmocka_unit_test(test_reflected_keeps_mass),
        cmocka_unit_test(test_bandwidths),
        cmocka_unit_test(test_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
