#include "src/rsa_resample.h"

#include "src/arena.h"
#include "src/random.h"
#include "src/similarity.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rsa_fixture.h"

static const double levels[2] = {0.025, 0.975};

// Cosines of words around a centre of their category: the more distance, the more selective. The
// components share a part of their words' rows.
static lam_rsa_layer layer_of(const lam_categories *c, double distance, double shared,
                              uint32_t step) {
    enum { WIDTH = 12 };
    lam_rsa_layer layer = {.categories = c, .components = LAM_RSA_COMPONENTS};
    lam_random random = lam_random_key(3, LAM_RANDOM_SYNTH, 0, step);
    for (int k = 0; k < LAM_RSA_COMPONENTS; k++) {
        double *x = get(c->words * WIDTH, sizeof *x);
        for (int64_t i = 0; i < c->words * WIDTH; i++) {
            const uint64_t own = (uint64_t)(i + (k + 1) * c->words * WIDTH);
            const uint64_t centre = (uint64_t)(1000000 + c->of[i / WIDTH] * WIDTH + i % WIDTH);
            x[i] = 0.6 + (double)lam_random_normal(&random, own) +
                   shared * (double)lam_random_normal(&random, (uint64_t)i) +
                   distance * (double)lam_random_normal(&random, centre);
        }
        int64_t undirected;
        double *pairs = get(lam_pair_count(c->words), sizeof *pairs);
        assert_int_equal(lam_similarity(LAM_COSINE, x, c->words, WIDTH, pairs, &undirected,
                                        &lam_team_alone, &error),
                         LAM_OK);
        lam_standardise(pairs, lam_pair_count(c->words), &layer.was[k]);
        layer.pairs[k] = pairs;
    }
    return layer;
}

static int64_t told;

static bool tell(void *user, int64_t resamples) {
    assert_ptr_equal(user, &told);
    assert_true(resamples >= 0);
    told += resamples;
    return true;
}

static lam_resampling resampling(uint64_t seed, int64_t count) {
    told = 0;
    return (lam_resampling){.seed = seed,
                            .layer = 7,
                            .count = count,
                            .team = &lam_team_alone,
                            .done = tell,
                            .user = &told};
}

static double pair_at(const lam_rsa_layer *layer, int k, int64_t i, int64_t j) {
    return layer->pairs[k][lam_pair_row(layer->categories->words, i < j ? i : j) + (i < j ? j : i)];
}

// rsa of pair p, or the difference of component k, with words in another order, by definition.
static double permuted_rsa(const lam_rsa_layer *layer, int p, const int64_t *order) {
    double sum = 0;
    for (int64_t i = 0; i < layer->categories->words; i++)
        for (int64_t j = i + 1; j < layer->categories->words; j++)
            sum += pair_at(layer, lam_rsa_pair[p][0], i, j) *
                   pair_at(layer, lam_rsa_pair[p][1], order[i], order[j]);
    return sum;
}

static double permuted_difference(const lam_rsa_layer *layer, int k, const int64_t *order) {
    const lam_categories *c = layer->categories;
    double *pairs = get(lam_pair_count(c->words), sizeof *pairs);
    double *own = get(c->count, sizeof *own), *others = get(c->count, sizeof *others);
    for (int64_t i = 0, at = 0; i < c->words; i++)
        for (int64_t j = i + 1; j < c->words; j++)
            pairs[at++] = pair_at(layer, k, order[i], order[j]);
    lam_contrast contrast;
    lam_contrast_of(c, pairs, &contrast, own, others);
    return contrast.difference;
}

static int next_permutation(int64_t *order, int64_t n) { // in the order of the alphabet
    int64_t i = n - 2, j = n - 1;
    while (i >= 0 && order[i] > order[i + 1]) i--;
    if (i < 0) return 0;
    while (order[j] < order[i]) j--;
    int64_t kept = order[i];
    order[i] = order[j], order[j] = kept;
    for (int64_t a = i + 1, b = n - 1; a < b; a++, b--)
        kept = order[a], order[a] = order[b], order[b] = kept;
    return 1;
}

// A share found by drawing against the exact one over all permutations, within 5 standard errors.
static void check_share(double p, double exact, int64_t count) {
    const double bound = 5 * sqrt(exact * (1 - exact) / (double)count) + 2 / (double)count;
    if (fabs(p - exact) > bound) fail_msg("p %g, but %g of all permutations", p, exact);
}

// To Q, all words but the first become alike: permutations of them give the same sum in another
// order.
static void make_alike(lam_rsa_layer *layer) {
    const int64_t words = layer->categories->words;
    double *pairs = get(lam_pair_count(words), sizeof *pairs);
    for (int64_t i = 0, at = 0; i < words; i++)
        for (int64_t j = i + 1; j < words; j++) pairs[at++] = i == 0 ? 0.7 : 0.3;
    assert_true(lam_standardise(pairs, lam_pair_count(words), &layer->was[0]));
    layer->pairs[0] = pairs;
}

// Six words: all 720 permutations can be looked at. Those that give the very same value count as
// reached.
static void test_exact(void **state) {
    (void)state;
    enum { COUNT = 20000, WORDS = 6 };
    static const int64_t size[] = {2, 4};
    const lam_categories c = categories_of(size, 2);
    for (uint32_t step = 0; step < 6; step++) {
        lam_rsa_layer layer = layer_of(&c, 0.7, 0.5, step);
        if (step >= 3) make_alike(&layer);
        const lam_resampling how = resampling(1, COUNT);
        double rsa[3], nearer[3], farther[3], reached[9] = {0};
        assert_int_equal(lam_rsa_permute(&layer, &how, false, rsa, nearer, &error), LAM_OK);
        assert_int_equal(told, COUNT);
        assert_int_equal(lam_rsa_permute(&layer, &how, true, rsa, farther, &error), LAM_OK);
        const int64_t same[WORDS] = {0, 1, 2, 3, 4, 5};
        int64_t order[WORDS] = {0, 1, 2, 3, 4, 5};
        do {
            for (int p = 0; p < 3; p++) {
                const double difference =
                    permuted_difference(&layer, p, order) - permuted_difference(&layer, p, same);
                reached[p] +=
                    permuted_rsa(&layer, p, order) >= permuted_rsa(&layer, p, same) - 1e-9;
                reached[3 + p] += difference >= -1e-9;
                reached[6 + p] += difference <= 1e-9;
            }
        } while (next_permutation(order, WORDS));
        for (int p = 0; p < 3; p++) {
            check_share(rsa[p], reached[p] / 720, COUNT);
            check_share(nearer[p], reached[3 + p] / 720, COUNT);
            check_share(farther[p], reached[6 + p] / 720, COUNT);
        }
    }
}

// What no permutation reaches has the least p there is; what all reach has 1.
static void test_extremes(void **state) {
    (void)state;
    static const int64_t size[] = {12, 15, 9};
    const lam_categories c = categories_of(size, 3);
    lam_rsa_layer layer = layer_of(&c, 4, 3, 9);
    const lam_resampling how = resampling(1, 99);
    double rsa[3], contrast[3];
    assert_int_equal(lam_rsa_permute(&layer, &how, false, rsa, contrast, &error), LAM_OK);
    for (int p = 0; p < 3; p++) assert_true(rsa[p] == 0.01 && contrast[p] == 0.01);
    assert_int_equal(lam_rsa_permute(&layer, &how, true, rsa, contrast, &error), LAM_OK);
    for (int p = 0; p < 3; p++) assert_true(contrast[p] == 1);
    double *alike = get(lam_pair_count(c.words), sizeof *alike);
    for (int k = 0; k < 3; k++) layer.pairs[k] = alike;
    assert_int_equal(lam_rsa_permute(&layer, &how, false, rsa, contrast, &error), LAM_OK);
    for (int p = 0; p < 3; p++) assert_true(rsa[p] == 1 && contrast[p] == 1);
}

// Without an effect, p is below 0.1 in about a tenth of the cases.
static void test_null(void **state) {
    (void)state;
    enum { CASES = 300 };
    static const int64_t size[] = {5, 6, 4};
    const lam_categories c = categories_of(size, 3);
    int few[2] = {0};
    for (uint32_t i = 0; i < CASES; i++) {
        const lam_rsa_layer layer = layer_of(&c, 0, 0, 100 + i);
        const lam_resampling how = resampling(i, 99);
        double rsa[3], contrast[3];
        assert_int_equal(lam_rsa_permute(&layer, &how, false, rsa, contrast, &error), LAM_OK);
        few[0] += rsa[0] <= 0.1, few[1] += contrast[0] <= 0.1;
    }
    for (int i = 0; i < 2; i++) check_share((double)few[i] / CASES, 0.1, CASES);
}

typedef struct resampled {
    double rsa[3], selectivity[3];
} resampled;

// One resample by its definition: words drawn, the matrix of the drawn put together, pairs of a
// word with itself left out. false: a category of one word alone.
static bool draw_plain(const lam_rsa_layer *layer, const lam_random *random, uint64_t *next,
                       resampled *out) {
    const lam_categories *c = layer->categories;
    int64_t drawn[64];
    for (int64_t g = 0; g < c->count; g++) {
        bool several = false;
        for (int64_t i = c->start[g]; i < c->start[g + 1]; i++) {
            drawn[i] = c->start[g] + (int64_t)(lam_random_uniform_double(random, (*next)++) *
                                               (double)(c->start[g + 1] - c->start[g]));
            several = several || drawn[i] != drawn[c->start[g]];
        }
        if (!several) return false;
    }
    for (int k = 0; k < 3; k++) {
        double sum[8][8] = {{0}}, number[8][8] = {{0}}, within = 0, between = 0;
        for (int64_t i = 0; i < c->words; i++)
            for (int64_t j = i + 1; j < c->words; j++) {
                if (drawn[i] == drawn[j]) continue;
                sum[c->of[i]][c->of[j]] +=
                    layer->was[k].mean +
                    layer->was[k].scale * pair_at(layer, k, drawn[i], drawn[j]);
                number[c->of[i]][c->of[j]]++;
            }
        for (int64_t g = 0; g < c->count; g++) {
            within += sum[g][g] / number[g][g] / (double)c->count;
            for (int64_t h = g + 1; h < c->count; h++)
                between += sum[g][h] / number[g][h] * 2 / (double)(c->count * (c->count - 1));
        }
        out->selectivity[k] = within / between;
    }
    for (int p = 0; p < 3; p++) {
        double n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0;
        for (int64_t i = 0; i < c->words; i++)
            for (int64_t j = i + 1; j < c->words; j++) {
                if (drawn[i] == drawn[j]) continue;
                const double x = pair_at(layer, lam_rsa_pair[p][0], drawn[i], drawn[j]);
                const double y = pair_at(layer, lam_rsa_pair[p][1], drawn[i], drawn[j]);
                n++, a += x, b += y, aa += x * x, bb += y * y, ab += x * y;
            }
        out->rsa[p] = (ab - a * b / n) / sqrt((aa - a * a / n) * (bb - b * b / n));
    }
    return true;
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The share of plain resamples below each bound is the bound's level, within 5 standard errors of
// the two draws' difference.
static void check_bounds(double *plain, int64_t count, const double bound[2], int64_t drawn) {
    qsort(plain, (size_t)count, sizeof *plain, ascending);
    for (int b = 0; b < 2; b++) {
        int64_t below = 0;
        while (below < count && plain[below] < bound[b]) below++;
        const double share = (double)below / (double)count;
        const double variance = levels[b] * (1 - levels[b]);
        if (fabs(share - levels[b]) > 5 * sqrt(variance / (double)count + variance / (double)drawn))
            fail_msg("%g of plain resamples lie below the bound of level %g", share, levels[b]);
    }
}

static void test_bootstrap(void **state) {
    (void)state;
    enum { COUNT = 4003, PLAIN = 4000 };
    static const int64_t size[] = {2, 5, 9};
    const lam_categories c = categories_of(size, 3);
    const lam_rsa_layer layer = layer_of(&c, 0.8, 0.8, 21);
    const lam_resampling how = resampling(4, COUNT);
    lam_rsa_intervals made;
    assert_int_equal(lam_rsa_bootstrap(&layer, &how, levels, &made, &error), LAM_OK);
    assert_int_equal(told, COUNT);
    const lam_random random = lam_random_key(99, LAM_RANDOM_SYNTH, 1, 0);
    uint64_t next = 0;
    double *rsa[3], *selectivity[3];
    for (int k = 0; k < 3; k++) {
        rsa[k] = get(PLAIN, sizeof(double));
        selectivity[k] = get(PLAIN, sizeof(double));
    }
    for (int64_t i = 0; i < PLAIN;) {
        resampled one;
        if (!draw_plain(&layer, &random, &next, &one)) continue;
        for (int k = 0; k < 3; k++) rsa[k][i] = one.rsa[k], selectivity[k][i] = one.selectivity[k];
        i++;
    }
    for (int k = 0; k < 3; k++) {
        assert_int_equal(made.rsa_left_out[k], 0);
        assert_int_equal(made.selectivity_left_out[k], 0);
        check_bounds(rsa[k], PLAIN, made.rsa[k], COUNT);
        check_bounds(selectivity[k], PLAIN, made.selectivity[k], COUNT);
    }
}

// Pairs need not be about 0 for the intervals to be theirs.
static void test_shifted(void **state) {
    (void)state;
    static const int64_t size[] = {4, 5, 3};
    const lam_categories c = categories_of(size, 3);
    const lam_rsa_layer layer = layer_of(&c, 0.8, 0.8, 22);
    lam_rsa_layer shifted = layer;
    for (int k = 0; k < LAM_RSA_COMPONENTS; k++) {
        double *pairs = get(lam_pair_count(c.words), sizeof *pairs);
        for (int64_t p = 0; p < lam_pair_count(c.words); p++) pairs[p] = layer.pairs[k][p] + 0.5;
        shifted.pairs[k] = pairs;
        shifted.was[k].mean -= 0.5 * layer.was[k].scale;
    }
    const lam_resampling how = resampling(4, 200);
    lam_rsa_intervals a, b;
    assert_int_equal(lam_rsa_bootstrap(&layer, &how, levels, &a, &error), LAM_OK);
    assert_int_equal(lam_rsa_bootstrap(&shifted, &how, levels, &b, &error), LAM_OK);
    for (int k = 0; k < 3; k++)
        for (int bound = 0; bound < 2; bound++) {
            assert_true(fabs(a.rsa[k][bound] - b.rsa[k][bound]) <= 1e-10);
            assert_true(fabs(a.selectivity[k][bound] - b.selectivity[k][bound]) <= 1e-10);
        }
}

// Two words a category: a draw of one word alone would leave nothing within it.
static void test_smallest(void **state) {
    (void)state;
    static const int64_t size[] = {2, 2};
    const lam_categories c = categories_of(size, 2);
    const lam_rsa_layer layer = layer_of(&c, 1, 1, 30);
    const lam_resampling how = resampling(5, 500);
    lam_rsa_intervals made;
    assert_int_equal(lam_rsa_bootstrap(&layer, &how, levels, &made, &error), LAM_OK);
    // Both words of both are drawn each time: every resample is the data itself.
    for (int p = 0; p < 3; p++) {
        const double r = lam_correlation(layer.pairs[lam_rsa_pair[p][0]],
                                         layer.pairs[lam_rsa_pair[p][1]], lam_pair_count(4));
        assert_true(fabs(made.rsa[p][0] - r) <= 1e-12 && fabs(made.rsa[p][1] - r) <= 1e-12);
        assert_int_equal(made.rsa_left_out[p] + made.selectivity_left_out[p], 0);
        assert_true(isfinite(made.selectivity[p][0]));
    }
}

// All pairs alike, at 0.4 and at 0: what is not defined is counted, not passed off.
static void test_alike(void **state) {
    (void)state;
    static const int64_t size[] = {3, 4};
    const lam_categories c = categories_of(size, 2);
    lam_rsa_layer layer = layer_of(&c, 1, 1, 31);
    layer.pairs[1] = layer.pairs[2] = get(lam_pair_count(7), sizeof(double));
    layer.was[1] = (lam_standard){0.4, 0};
    layer.was[2] = (lam_standard){0, 0};
    const lam_resampling how = resampling(5, 101);
    lam_rsa_intervals made;
    assert_int_equal(lam_rsa_bootstrap(&layer, &how, levels, &made, &error), LAM_OK);
    for (int p = 0; p < 3; p++) {
        assert_int_equal(made.rsa_left_out[p], 101);
        assert_true(isnan(made.rsa[p][0]) && isnan(made.rsa[p][1]));
    }
    assert_true(made.selectivity[1][0] == 1 && made.selectivity[1][1] == 1);
    assert_int_equal(made.selectivity_left_out[1], 0);
    assert_int_equal(made.selectivity_left_out[2], 101);
    assert_true(isnan(made.selectivity[2][0]));
}

// Threads do not show; seed and layer do; one component alone gives what it gives among three.
static void test_keys(void **state) {
    (void)state;
    static const int64_t size[] = {6, 7, 8};
    const lam_categories c = categories_of(size, 3);
    const lam_rsa_layer layer = layer_of(&c, 0.4, 0.4, 40);
    const int threads = omp_get_max_threads();
    double rsa[4][3], contrast[4][3];
    lam_rsa_intervals made[4];
    memset(made, 0, sizeof made);
    for (int run = 0; run < 4; run++) {
        lam_resampling how = resampling(run == 2 ? 9 : 8, 1001);
        if (run == 3) how.layer = 1;
        how.done = NULL;
        omp_set_num_threads(run == 0 ? 1 : 4);
        assert_int_equal(lam_rsa_permute(&layer, &how, false, rsa[run], contrast[run], &error),
                         LAM_OK);
        assert_int_equal(lam_rsa_bootstrap(&layer, &how, levels, &made[run], &error), LAM_OK);
    }
    assert_memory_equal(rsa[0], rsa[1], sizeof rsa[0]);
    assert_memory_equal(contrast[0], contrast[1], sizeof contrast[0]);
    assert_memory_equal(&made[0], &made[1], sizeof made[0]);
    for (int run = 2; run < 4; run++) {
        assert_memory_not_equal(contrast[0], contrast[run], sizeof contrast[0]);
        assert_memory_not_equal(&made[0], &made[run], sizeof made[0]);
    }
    lam_rsa_layer one = layer;
    one.components = 1;
    const lam_resampling how = resampling(8, 1001);
    double untouched[3] = {-1, -1, -1}, alone[3];
    lam_rsa_intervals single;
    assert_int_equal(lam_rsa_permute(&one, &how, false, untouched, alone, &error), LAM_OK);
    assert_int_equal(lam_rsa_bootstrap(&one, &how, levels, &single, &error), LAM_OK);
    omp_set_num_threads(threads);
    assert_true(alone[0] == contrast[0][0] && untouched[0] == -1);
    assert_memory_equal(single.selectivity[0], made[0].selectivity[0], sizeof levels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact),   cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_null),    cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_shifted), cmocka_unit_test(test_smallest),
        cmocka_unit_test(test_alike),   cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, destroy);
}
