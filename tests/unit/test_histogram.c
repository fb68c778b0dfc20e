#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/histogram.h"
#include "src/random.h"

enum { SIZE = 200000 };

static float value[SIZE];

// Of many magnitudes and both signs, with zeros and repeats.
static void fill(void) {
    lam_random random = lam_random_key(5, LAM_RANDOM_SYNTH, 0, 0);
    for (int i = 0; i < SIZE; i++) {
        float x = lam_random_normal(&random, (uint64_t)i);
        value[i] = i % 7 == 0 ? 0 : i % 3 == 0 ? ldexpf(x, -i % 140) : roundf(x * 1000) / 1000;
        if (i % 11 == 0) value[i] = -value[i];
    }
}

static lam_histogram histogram_of(const float *from, int64_t size, int64_t part, int64_t most,
                                  lam_arena *arena) {
    lam_histogram histogram;
    lam_error error;
    assert_int_equal(lam_histogram_create(&histogram, most, most == 0, arena, &error), LAM_OK);
    for (int64_t i = 0; i < size; i += part)
        assert_int_equal(
            lam_histogram_add(&histogram, from + i, size - i < part ? size - i : part, &error),
            LAM_OK);
    return histogram;
}

static lam_sample sample_of(lam_histogram *histogram, lam_arena *arena) {
    lam_error error;
    lam_sample sample;
    assert_int_equal(lam_histogram_sample(histogram, &sample, arena, &error), LAM_OK);
    return sample;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// In any order and split, and whatever was looked at in between, the bins are the same.
static void test_order_does_not_matter(void **state) {
    (void)state;
    static const int64_t most[] = {0, 512, 600, 5000, LAM_DEFAULT_BINS};
    static const int64_t part[] = {1, 77, 10000, SIZE};
    for (size_t m = 0; m < sizeof most / sizeof *most; m++) {
        lam_arena arena = {0};
        fill();
        lam_histogram first = histogram_of(value, SIZE, SIZE, most[m], &arena);
        lam_sample want = sample_of(&first, &arena);
        for (size_t p = 0; p < sizeof part / sizeof *part; p++) {
            qsort(value, SIZE / (p + 1), sizeof *value, ascending);
            lam_histogram other = histogram_of(value, SIZE / 2, part[p], most[m], &arena);
            (void)sample_of(&other, &arena);
            lam_error error;
            assert_int_equal(lam_histogram_add(&other, value + SIZE / 2, SIZE - SIZE / 2, &error),
                             LAM_OK);
            lam_sample got = sample_of(&other, &arena);
            assert_int_equal(got.size, want.size);
            assert_int_equal(got.total, SIZE);
            assert_int_equal(other.level, first.level);
            assert_memory_equal(got.value, want.value, (size_t)got.size * sizeof *got.value);
            assert_memory_equal(got.count, want.count, (size_t)got.size * sizeof *got.count);
        }
        if (most[m]) assert_true(want.size <= most[m]);
        lam_arena_destroy(&arena);
    }
}

// Exact, and with room enough, every value has its own bin; joined bins keep count and mean, and
// lie in ascending order.
static void test_bins_hold_what_was_added(void **state) {
    (void)state;
    lam_arena arena = {0};
    fill();
    lam_histogram exact = histogram_of(value, SIZE, SIZE, 0, &arena);
    lam_sample all = sample_of(&exact, &arena);
    qsort(value, SIZE, sizeof *value, ascending);
    double sum = 0;
    for (int64_t i = 0, at = 0; i < all.size; i++)
        for (int64_t c = 0; c < all.count[i]; c++, at++)
            assert_true(all.value[i] == (double)value[at]);
    for (int64_t i = 0; i < SIZE; i++) sum += (double)value[i];
    assert_true(lam_histogram_lowest(&exact) == (double)value[0]);
    assert_true(lam_histogram_highest(&exact) == (double)value[SIZE - 1]);

    lam_histogram joined = histogram_of(value, SIZE, 1000, 2000, &arena);
    lam_sample bins = sample_of(&joined, &arena);
    assert_true(joined.level > 0 && bins.size <= 2000 && bins.size > 1000);
    int64_t first = 0;
    for (int64_t i = 0; i < bins.size; i++) {
        double mean = 0;
        for (int64_t c = 0; c < bins.count[i]; c++) mean += (double)value[first + c];
        mean /= (double)bins.count[i];
        assert_true(fabs(bins.value[i] - mean) <= 1e-12 * fabs(mean));
        assert_true(i == 0 || bins.value[i] >= bins.value[i - 1]);
        first += bins.count[i];
    }
    assert_int_equal(first, SIZE);
    assert_true(fabs(lam_sample_mean(&bins) - sum / SIZE) < 1e-12);
    // Joined bins lose the variance within them: here at most (1/4)^2 / 12 of a value squared.
    assert_true(joined.level <= 21);
    assert_true(fabs(lam_sample_variance(&bins) / lam_sample_variance(&all) - 1) < 0.0053);
    lam_arena_destroy(&arena);
}

static void test_quantiles(void **state) {
    (void)state;
    static const double level[] = {0, 0.05, 0.25, 0.5, 0.75, 0.95, 1};
    lam_arena arena = {0};
    lam_random random = lam_random_key(6, LAM_RANDOM_SYNTH, 0, 0);
    for (int i = 0; i < SIZE; i++) value[i] = lam_random_uniform(&random, (uint64_t)i);
    for (int size = 1; size <= SIZE; size = size * 5 + 2) {
        lam_histogram exact = histogram_of(value, size, size, 0, &arena);
        lam_histogram joined = histogram_of(value, size, size, 4096, &arena);
        float *sorted = malloc((size_t)size * sizeof *sorted);
        assert_non_null(sorted);
        memcpy(sorted, value, (size_t)size * sizeof *sorted);
        qsort(sorted, (size_t)size, sizeof *sorted, ascending);
        for (size_t l = 0; l < sizeof level / sizeof *level; l++) {
            double position = level[l] * (size - 1);
            int rank = (int)position, next = rank + 1 < size ? rank + 1 : rank;
            double want = (double)sorted[rank] +
                          (position - rank) * ((double)sorted[next] - (double)sorted[rank]);
            assert_true(fabs(lam_histogram_quantile(&exact, level[l]) - want) < 1e-15);
            assert_true(fabs(lam_histogram_quantile(&joined, level[l]) - want) < 1e-3);
        }
        free(sorted);
    }
    lam_histogram none = histogram_of(value, 0, 1, 4096, &arena);
    assert_true(isnan(lam_histogram_quantile(&none, 0.5)));
    lam_arena_destroy(&arena);
}

// The ends of the range of single precision.
static void test_extremes(void **state) {
    (void)state;
    static const float extreme[] = {0.0f, -0.0f, 0x1p-149f, -0x1p-149f, 3.4e38f, -3.4e38f, 1.0f};
    lam_arena arena = {0};
    lam_histogram histogram = histogram_of(extreme, 7, 1, 512, &arena);
    lam_sample sample = sample_of(&histogram, &arena);
    assert_int_equal(sample.size, 7);
    assert_true(sample.value[0] == (double)-3.4e38f && sample.value[6] == (double)3.4e38f);
    assert_true(sample.value[1] == (double)-0x1p-149f && sample.value[4] == (double)0x1p-149f);
    assert_true(sample.value[2] == 0 && sample.value[3] == 0);
    lam_arena_destroy(&arena);
}

// Kept after a part of the values, and put back into another, which adds the rest: the same.
static void test_kept_and_put_back(void **state) {
    (void)state;
    static const int64_t most[] = {0, 512, LAM_DEFAULT_BINS};
    for (size_t m = 0; m < sizeof most / sizeof *most; m++)
        for (int64_t part = 0; part <= SIZE; part += SIZE / 4) {
            lam_arena arena = {0};
            lam_error error;
            fill();
            lam_histogram whole = histogram_of(value, SIZE, SIZE, most[m], &arena),
                          from = histogram_of(value, part, SIZE, most[m], &arena),
                          to = histogram_of(value + 5, 3, 3, most[m], &arena);
            const int64_t bins = lam_histogram_settle(&from);
            lam_state_cursor size = {0};
            assert_int_equal(lam_histogram_move(&from, bins, &size, &error), LAM_OK);
            char *bytes = malloc(size.at);
            lam_state_cursor out = {.bytes = bytes}, in = {.bytes = bytes, .back = true};
            assert_int_equal(lam_histogram_move(&from, bins, &out, &error), LAM_OK);
            assert_int_equal(lam_histogram_move(&to, bins, &in, &error), LAM_OK);
            assert_int_equal(in.at, size.at);
            free(bytes);
            assert_int_equal(lam_histogram_add(&to, value + part, SIZE - part, &error), LAM_OK);
            lam_sample a = sample_of(&whole, &arena), b = sample_of(&to, &arena);
            assert_int_equal(a.size, b.size);
            assert_int_equal(a.total, b.total);
            assert_memory_equal(a.value, b.value, (size_t)a.size * sizeof *a.value);
            assert_memory_equal(a.count, b.count, (size_t)a.size * sizeof *a.count);
            assert_int_equal(whole.lowest, to.lowest);
            assert_int_equal(whole.highest, to.highest);
            lam_arena_destroy(&arena);
        }
}

static void test_moments(void **state) {
    (void)state;
    fill();
    for (int i = 0; i < SIZE; i++) value[i] = value[i] + 100;
    long double mean = 0, squares = 0;
    for (int i = 0; i < SIZE; i++) mean += value[i];
    mean /= SIZE;
    for (int i = 0; i < SIZE; i++) squares += (value[i] - mean) * (value[i] - mean);
    lam_moments moments = {0};
    lam_moments_add(&moments, value, 0, 10, 10);
    assert_true(isnan(lam_moments_deviation(&moments)));
    lam_moments_add(&moments, value, 1, 1, 1);
    assert_true(isnan(lam_moments_deviation(&moments)));
    lam_moments_add(&moments, value + 1, 1, 999, 999);
    for (int i = 1000; i < SIZE; i += 1000) { // columns in two parts
        lam_moments_add(&moments, value + i, 10, 40, 100);
        lam_moments_add(&moments, value + i + 40, 10, 60, 100);
    }
    assert_int_equal(moments.count, SIZE);
    assert_true(fabs(moments.mean - (double)mean) < 1e-10);
    assert_true(fabs(lam_moments_deviation(&moments) / sqrt((double)squares / (SIZE - 1)) - 1) <
                1e-10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_does_not_matter),
        cmocka_unit_test(test_bins_hold_what_was_added),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_kept_and_put_back),
        cmocka_unit_test(test_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
