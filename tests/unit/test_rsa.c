#include "src/rsa.h"

#include "io/safetensors.h"
#include "src/arena.h"
#include "src/random.h"
#include "src/similarity.h"
#include "tests/unit/fixture.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rsa_fixture.h"

static double *random_pairs(int64_t count, uint32_t step) {
    lam_random random = lam_random_key(2, LAM_RANDOM_SYNTH, 0, step);
    double *pairs = get(count, sizeof *pairs);
    for (int64_t i = 0; i < count; i++) pairs[i] = lam_random_uniform_double(&random, (uint64_t)i);
    return pairs;
}

static bool is_near(double got, double want, double bound) {
    if (fabs(got - want) <= bound) return true;
    print_error("%.17g where %.17g is expected\n", got, want);
    return false;
}

static const lam_tensor *tensor_of(const lam_safetensors *golden, const char *format, char a,
                                   int b) {
    char name[64];
    snprintf(name, sizeof name, format, a, b);
    const lam_tensor *tensor = lam_safetensors_find(golden, name);
    if (!tensor) fail_msg("no %s", name);
    return tensor;
}

static double number_of(const lam_safetensors *golden, const char *format, char a, int b) {
    return *(const double *)tensor_of(golden, format, a, b)->data;
}

static void test_golden(void **state) {
    (void)state;
    lam_safetensors *golden;
    if (lam_safetensors_open(golden_path("rsa.safetensors"), &golden, &error))
        fail_msg("%s", error.text);
    const lam_tensor *category = tensor_of(golden, "category", 0, 0);
    const int32_t *of = category->data;
    int64_t size[64] = {0}, count = 0, words = category->shape[0];
    for (int64_t i = 0; i < words; i++) {
        size[of[i]]++;
        if (of[i] >= count) count = of[i] + 1;
    }
    const lam_categories c = categories_of(size, count);
    assert_memory_equal(c.of, of, (size_t)words * sizeof *of);
    const int64_t pairs = lam_pair_count(words);
    double *value[3];
    int32_t *rank[3];
    for (int k = 0; k < 3; k++) {
        const char name = "qkv"[k];
        const lam_tensor *tensor = tensor_of(golden, "%c.x", name, 0);
        double *x = get(words * tensor->shape[1], sizeof *x);
        memcpy(x, tensor->data, tensor->bytes);
        int64_t undirected;
        value[k] = get(pairs, sizeof(double));
        rank[k] = get(pairs, sizeof(int32_t));
        assert_int_equal(lam_similarity(LAM_COSINE, x, words, tensor->shape[1], value[k],
                                        &undirected, &lam_team_alone, &error),
                         LAM_OK);
        lam_contrast contrast;
        double within[64], between[64];
        lam_contrast_of(&c, value[k], &contrast, within, between);
        for (int g = 0; g < count; g++) {
            assert_true(is_near(within[g], number_of(golden, "%c.within.%d", name, g), 1e-10));
            assert_true(is_near(between[g], number_of(golden, "%c.between.%d", name, g), 1e-10));
        }
        assert_true(is_near(contrast.pair_within, number_of(golden, "%c.within", name, 0), 1e-10));
        assert_true(
            is_near(contrast.pair_between, number_of(golden, "%c.between", name, 0), 1e-10));
        assert_int_equal(contrast.flags, 0);
        lam_standard was;
        assert_int_equal(lam_ranks(value[k], pairs, rank[k], &error), LAM_OK);
        assert_true(lam_standardise(value[k], pairs, &was));
    }
    static const char *const pair[] = {"qk", "qv", "kv"};
    for (int p = 0, a = 0; a < 3; a++)
        for (int b = a + 1; b < 3; b++, p++) {
            char name[64];
            snprintf(name, sizeof name, "rsa.pearson.%s", pair[p]);
            assert_true(is_near(lam_correlation(value[a], value[b], pairs),
                                number_of(golden, name, 0, 0), 1e-10));
            snprintf(name, sizeof name, "rsa.spearman.%s", pair[p]);
            assert_true(is_near(lam_rank_correlation(rank[a], rank[b], pairs),
                                number_of(golden, name, 0, 0), 1e-10));
        }
    lam_safetensors_close(golden);
}

// Block means and Cohen's d by their definitions, pair by pair, with categories of uneven sizes.
static void test_contrast(void **state) {
    (void)state;
    static const int64_t size[] = {2, 7, 3, 12, 5};
    enum { CATEGORIES = 5 };
    const lam_categories c = categories_of(size, CATEGORIES);
    const double *pairs = random_pairs(lam_pair_count(c.words), 1);
    double sum[CATEGORIES][CATEGORIES] = {{0}}, within = 0, between = 0;
    double total[2] = {0}, squares[2] = {0}, number[2] = {0};
    const double *at = pairs;
    for (int64_t i = 0; i < c.words; i++)
        for (int64_t j = i + 1; j < c.words; j++, at++) {
            sum[c.of[i]][c.of[j]] += *at;
            const int kind = c.of[i] != c.of[j];
            total[kind] += *at, squares[kind] += *at * *at, number[kind]++;
        }
    lam_contrast contrast;
    double own[CATEGORIES], others[CATEGORIES];
    lam_contrast_of(&c, pairs, &contrast, own, others);
    for (int g = 0; g < CATEGORIES; g++) {
        const double mean = sum[g][g] / (double)lam_pair_count(size[g]);
        double out = 0;
        within += mean / CATEGORIES;
        for (int h = g + 1; h < CATEGORIES; h++)
            between += sum[g][h] / (double)(size[g] * size[h]) / 10; // 10 pairs of categories
        for (int h = 0; h < CATEGORIES; h++) out += h == g ? 0 : sum[g][h] + sum[h][g];
        assert_true(is_near(own[g], mean, 1e-13));
        assert_true(is_near(others[g], out / (double)(size[g] * (c.words - size[g])), 1e-13));
    }
    double pooled = 0, mean[2];
    for (int kind = 0; kind < 2; kind++) {
        mean[kind] = total[kind] / number[kind];
        pooled += squares[kind] - number[kind] * mean[kind] * mean[kind];
    }
    const double sd = sqrt(pooled / (number[0] + number[1] - 2));
    assert_true(is_near(contrast.within, within, 1e-13));
    assert_true(is_near(contrast.between, between, 1e-13));
    assert_true(is_near(contrast.difference, within - between, 1e-13));
    assert_true(is_near(contrast.selectivity, within / between, 1e-13));
    assert_true(is_near(contrast.pair_within, mean[0], 1e-13));
    assert_true(is_near(contrast.pair_between, mean[1], 1e-13));
    assert_true(is_near(contrast.cohens_d, (mean[0] - mean[1]) / sd, 1e-11));
    assert_int_equal(contrast.flags, 0);
}

// What cannot be said is flagged, and what can be is still said.
static void test_contrast_flags(void **state) {
    (void)state;
    static const int64_t size[] = {2, 3};
    const lam_categories c = categories_of(size, 2);
    double pairs[10], own[2], others[2];
    lam_contrast contrast;
    for (int i = 0; i < 10; i++) pairs[i] = 0.7;
    lam_contrast_of(&c, pairs, &contrast, own, others);
    assert_int_equal(contrast.flags, LAM_RSA_SPREAD);
    assert_true(isnan(contrast.cohens_d) && is_near(contrast.selectivity, 1, 1e-15));
    // 1 within, 0 between: no ratio, and no spread to measure the difference by.
    for (int64_t i = 0; i < 5; i++)
        for (int64_t j = i + 1; j < 5; j++) pairs[lam_pair_row(5, i) + j] = c.of[i] == c.of[j];
    lam_contrast_of(&c, pairs, &contrast, own, others);
    assert_int_equal(contrast.flags, LAM_RSA_SPREAD | LAM_RSA_RATIO);
    assert_true(isnan(contrast.selectivity) && contrast.difference == 1);
    // Below 0 between: a ratio, but a word of warning.
    pairs[1] = -0.5;
    lam_contrast_of(&c, pairs, &contrast, own, others);
    assert_int_equal(contrast.flags, LAM_RSA_RATIO);
    assert_true(contrast.selectivity < 0 && isfinite(contrast.cohens_d));
}

static void test_standardise(void **state) {
    (void)state;
    enum { COUNT = 10001 };
    double *pairs = random_pairs(COUNT, 2), *shifted = random_pairs(COUNT, 2);
    for (int i = 0; i < COUNT; i++) shifted[i] = 1e6 - 3 * shifted[i];
    lam_standard was;
    const double first = pairs[0];
    assert_true(lam_standardise(pairs, COUNT, &was));
    double sum = 0, squares = 0;
    for (int i = 0; i < COUNT; i++) sum += pairs[i], squares += pairs[i] * pairs[i];
    assert_true(is_near(sum, 0, 1e-10));
    assert_true(is_near(squares, 1, 1e-12));
    assert_true(is_near(was.mean + was.scale * pairs[0], first, 1e-14));
    assert_true(lam_standardise(shifted, COUNT, &was));
    assert_true(is_near(lam_correlation(pairs, shifted, COUNT), -1, 1e-8));
    assert_true(is_near(lam_correlation(pairs, pairs, COUNT), 1, 1e-12));
}

// Values that only rounding tells apart are alike; so is one value.
static void test_standardise_alike(void **state) {
    (void)state;
    double pairs[] = {0.3, 0.3, 0.3 + 0x1p-53, 0.3 - 0x1p-52};
    lam_standard was;
    assert_false(lam_standardise(pairs, 4, &was));
    for (int i = 0; i < 4; i++) assert_true(pairs[i] == 0);
    assert_true(was.mean == 0.3 && was.scale == 0);
    double zero[] = {0.0, -0.0}, one[] = {5}, few[] = {1, 1 + 1e-9};
    assert_false(lam_standardise(zero, 2, &was));
    assert_false(lam_standardise(one, 1, &was));
    assert_true(lam_standardise(few, 2, &was));
}

// Twice the number of smaller values and the number of others that are equal, plus 2, less count
// + 1.
static void check_ranks(const double *value, int64_t count) {
    int32_t *rank = get(count, sizeof *rank);
    assert_int_equal(lam_ranks(value, count, rank, &error), LAM_OK);
    for (int64_t i = 0; i < count; i++) {
        int64_t smaller = 0, equal = 0;
        for (int64_t j = 0; j < count; j++)
            smaller += value[j] < value[i], equal += value[j] == value[i];
        assert_int_equal(rank[i], 2 * smaller + equal + 1 - (count + 1));
    }
}

static void test_ranks(void **state) {
    (void)state;
    double *value = random_pairs(700, 3);
    for (int i = 0; i < 700; i++) value[i] -= 0.5;
    check_ranks(value, 700);
    for (int i = 0; i < 700; i++) value[i] = floor(value[i] * 20) / 20; // many ties
    check_ranks(value, 700);
    static const double odd[] = {0.0,    -0.0,     1e-310,   -1e-310, INFINITY, -INFINITY, 1e308,
                                 -1e308, 0x1p-149, INFINITY, -3,      -3,       -2.5,      0.0};
    check_ranks(odd, sizeof odd / sizeof *odd);
    check_ranks(odd, 1);
    check_ranks(odd, 0);
}

// As many as threads share: each the opposite of its rank in the mirrored values, for any threads.
static void test_many_ranks(void **state) {
    (void)state;
    enum { COUNT = 100000 };
    const int threads = omp_get_max_threads();
    double *value = random_pairs(COUNT, 4), *mirrored = get(COUNT, sizeof *mirrored);
    for (int i = 0; i < COUNT; i++) mirrored[i] = -value[i];
    int32_t *rank = get(COUNT, sizeof *rank), *opposite = get(COUNT, sizeof *opposite);
    int32_t *shared = get(COUNT, sizeof *shared);
    omp_set_num_threads(1);
    assert_int_equal(lam_ranks(value, COUNT, rank, &error), LAM_OK);
    omp_set_num_threads(3);
    assert_int_equal(lam_ranks(value, COUNT, shared, &error), LAM_OK);
    assert_int_equal(lam_ranks(mirrored, COUNT, opposite, &error), LAM_OK);
    omp_set_num_threads(threads);
    assert_memory_equal(rank, shared, COUNT * sizeof *rank);
    int64_t sum = 0;
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(rank[i], -opposite[i]);
        sum += rank[i];
    }
    assert_int_equal(sum, 0);
    assert_true(is_near(lam_rank_correlation(rank, opposite, COUNT), -1, 1e-14));
}

static void test_rank_correlation_of_ties(void **state) {
    (void)state;
    static const int32_t tied[3] = {0, 0, 0}, other[3] = {-2, 0, 2};
    assert_true(isnan(lam_rank_correlation(tied, other, 3)));
    assert_true(is_near(lam_rank_correlation(other, other, 3), 1, 1e-15));
}

static void test_too_many(void **state) {
    (void)state;
    assert_int_equal(lam_ranks(NULL, INT64_C(1) << 31, NULL, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "use fewer words"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_contrast),
        cmocka_unit_test(test_contrast_flags),
        cmocka_unit_test(test_standardise),
        cmocka_unit_test(test_standardise_alike),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_many_ranks),
        cmocka_unit_test(test_rank_correlation_of_ties),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, destroy);
}
