// ranks: 1 2 3 5
// The ranks of one layer share the work of its analyses: results are one rank's to the last bit,
// and no member does what is another's.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mpi/team.h"
#include "src/autoencoder_published.h"
#include "src/folds.h"
#include "src/logistic.h"
#include "src/product.h"
#include "src/random.h"
#include "src/ridge_logistic.h"
#include "src/rsa_resample.h"
#include "src/similarity.h"
#include "src/spectrum.h"

static lam_comm comm;
static lam_team team; // of all ranks
static lam_error error;

// --- a team that watches over what is brought to it

static struct {
    size_t own, all; // bytes that this member has brought and that all have
    bool spoils;     // others' parts, where memory is used again and again
} brought;

static bool is_untouched(const char *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (data[i]) return false;
    return true;
}

// Memory is zero where nobody has worked: a member that fills another's part is found.
static lam_code watched_gather(const lam_team *spy, void *data, int64_t parts, const size_t *start,
                               lam_error *why) {
    for (int64_t i = 0; i < parts; i++) {
        const size_t bytes = start[i + 1] - start[i];
        brought.all += bytes;
        if (i % spy->members == spy->member)
            brought.own += bytes;
        else if (brought.spoils)
            memset((char *)data + start[i], 255, bytes);
        else if (!is_untouched((char *)data + start[i], bytes))
            fail_msg("member %d has done the work of another: part %lld", spy->member,
                     (long long)i);
    }
    return team.gather(&team, data, parts, start, why);
}

static lam_code watched_share(const lam_team *spy, int64_t blocks, double *values, int64_t length,
                              lam_error *why) {
    const size_t row = (size_t)length * sizeof *values;
    int64_t first, count;
    spy->own(spy, blocks, &first, &count);
    brought.all += (size_t)blocks * row, brought.own += (size_t)count * row;
    if (!is_untouched((char *)values, (size_t)first * row) ||
        !is_untouched((char *)(values + (first + count) * length),
                      (size_t)(blocks - first - count) * row))
        fail_msg("member %d has done the work of another", spy->member);
    return team.share(&team, blocks, values, length, why);
}

static lam_team watched(void) {
    lam_team spy = team;
    spy.gather = watched_gather, spy.share = watched_share;
    memset(&brought, 0, sizeof brought);
    return spy;
}

// That about a member's share was brought, not all of it by each. small: bytes beside the work.
static void check_shared(size_t small) {
    const size_t members = (size_t)team.members;
    assert_true(brought.all > 0);
    if (brought.own > brought.all / members + brought.all / 4 + small)
        fail_msg("member %d brought %zu of %zu bytes", team.member, brought.own, brought.all);
}

static void succeed(lam_code code) {
    if (code != LAM_OK) fail_msg("%s", error.text);
}

static const lam_team *of(int run, const lam_team *spy) {
    return run ? spy : &lam_team_alone;
}

static void *get(lam_arena *arena, int64_t count, size_t size) {
    void *made = lam_arena_alloc(arena, (size_t)count, size, &error);
    assert_non_null(made);
    return made;
}

static double normal(uint64_t index) {
    const lam_random key = lam_random_key(9, LAM_RANDOM_SYNTH, 0, 0);
    return (double)lam_random_normal(&key, index);
}

// --- regressions

enum { ROWS = 60, UNITS = 10 * LAM_LOGISTIC_BLOCK + 5, FOLDS = 5 };

typedef struct targets {
    int32_t label[ROWS], fold[ROWS];
    float x[ROWS * UNITS];
} targets;

static lam_logistic_rows make_targets(targets *t, lam_arena *arena) {
    for (int i = 0; i < ROWS; i++) t->label[i] = i % 5 < 2;
    for (int i = 0; i < ROWS * UNITS; i++)
        t->x[i] = (float)(normal((uint64_t)i) + t->label[i / UNITS] * 0.1 * (i % UNITS % 20));
    succeed(lam_folds_deal(t->label, ROWS, FOLDS, 1, t->fold, arena, &error));
    return (lam_logistic_rows){ROWS, t->label, t->fold, FOLDS};
}

// units: fewer than there are members have blocks, a ragged last one, several each.
static void check_fits(lam_logistic_kind kind, int64_t units) {
    lam_arena arena = {0};
    targets *t = get(&arena, 1, sizeof *t);
    const lam_logistic_rows rows = make_targets(t, &arena);
    lam_logistic *logistic;
    succeed(lam_logistic_create(&logistic, &rows, kind, &arena, &error));
    lam_logistic_fit *fit[2];
    const lam_team spy = watched();
    for (int i = 0; i < 2; i++) {
        fit[i] = get(&arena, units, sizeof **fit);
        succeed(lam_logistic_fit_units(logistic, t->x, UNITS, units, fit[i], of(i, &spy), &arena,
                                       &error));
    }
    for (int64_t u = 0; u < units; u++) {
        assert_true(fit[0][u].status == fit[1][u].status);
        assert_true(fit[0][u].failed == fit[1][u].failed);
        assert_memory_equal(&fit[0][u].intercept, &fit[1][u].intercept, 7 * sizeof(double));
    }
    check_shared(2 * LAM_LOGISTIC_BLOCK * sizeof **fit);
    lam_arena_destroy(&arena);
}

static void test_fits(void **state) {
    (void)state;
    for (lam_logistic_kind kind = LAM_LOGISTIC_MAXIMUM; kind <= LAM_LOGISTIC_PLAIN; kind++) {
        check_fits(kind, 3);
        check_fits(kind, LAM_LOGISTIC_BLOCK + 1);
        check_fits(kind, UNITS);
    }
}

// Rows of folds that two members told, or none, would make the accuracy another.
static void test_joint(void **state) {
    (void)state;
    lam_arena arena = {0};
    targets *t = get(&arena, 1, sizeof *t);
    const lam_logistic_rows rows = make_targets(t, &arena);
    for (int64_t units = 7; units <= UNITS; units += UNITS - 7) { // by units and by rows
        lam_ridge_fit fit[2];
        const lam_team spy = watched();
        for (int i = 0; i < 2; i++)
            succeed(lam_ridge_logistic(&rows, t->x, UNITS, units, 1, &fit[i], NULL, of(i, &spy),
                                       &arena, &error));
        assert_true(fit[0].converged && fit[1].converged);
        assert_memory_equal(&fit[0].intercept, &fit[1].intercept, 4 * sizeof(double));
        assert_true(brought.all > 0);
    }
    lam_arena_destroy(&arena);
}

// The fits of a separation: to all rows, and for each fold.
static void test_separation(void **state) {
    (void)state;
    enum { COLUMNS = 12 };
    static const lam_separation_rule rule = {0.99, 0.01};
    lam_arena arena = {0};
    targets *t = get(&arena, 1, sizeof *t);
    make_targets(t, &arena);
    const lam_separation_rows rows = {{ROWS, COLUMNS, t->x}, t->label, t->fold, FOLDS};
    const lam_team spy = watched();
    lam_separation made[2];
    memset(made, 0, sizeof made);
    for (int i = 0; i < 2; i++)
        succeed(lam_spectrum_separate(&lam_grid_alone, &rows, &rule, &made[i], of(i, &spy), &arena,
                                      &error));
    assert_int_equal(made[0].flags, 0);
    assert_memory_equal(&made[0], &made[1], sizeof made[0]);
    check_shared((ROWS + 4) * sizeof(double));
    lam_arena_destroy(&arena);
}

// --- words

enum { WIDTH = 19 };

// pairs [lam_pair_count(words)] of made-up rows.
static double *compare(lam_similarity_kind kind, int64_t words, uint64_t key, const lam_team *by,
                       lam_arena *arena) {
    double *x = get(arena, words * WIDTH, sizeof *x),
           *pairs = get(arena, lam_pair_count(words), sizeof *pairs);
    int64_t undirected;
    for (int64_t i = 0; i < words * WIDTH; i++) x[i] = normal(key + (uint64_t)i);
    succeed(lam_similarity(kind, x, words, WIDTH, pairs, &undirected, by, &error));
    assert_int_equal(undirected, 0);
    return pairs;
}

static void test_similarity(void **state) {
    (void)state;
    static const int64_t sizes[] = {2, 25, 64, 301};
    for (lam_similarity_kind kind = LAM_COSINE; kind <= LAM_EUCLIDEAN; kind++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            lam_arena arena = {0};
            const lam_team spy = watched();
            const double *want = compare(kind, sizes[s], 0, &lam_team_alone, &arena),
                         *got = compare(kind, sizes[s], 0, &spy, &arena);
            assert_memory_equal(want, got, (size_t)lam_pair_count(sizes[s]) * sizeof *want);
            check_shared(25 * (size_t)sizes[s] * sizeof *want);
            lam_arena_destroy(&arena);
        }
}

// Fewer groups of resamples than members, a ragged last one, many.
static void test_resamples(void **state) {
    (void)state;
    enum { WORDS = 12, CATEGORIES = 3 };
    static const int64_t start[] = {0, 4, 7, WORDS}, counts[] = {3, 15, 8 * 64 * 6 + 1};
    static const double levels[2] = {0.025, 0.975};
    lam_arena arena = {0};
    int32_t category[WORDS];
    for (int g = 0; g < CATEGORIES; g++)
        for (int64_t i = start[g]; i < start[g + 1]; i++) category[i] = g;
    const lam_categories c = {WORDS, CATEGORIES, start, category};
    lam_rsa_layer layer = {.categories = &c, .components = 3};
    for (int k = 0; k < 3; k++) {
        double *pairs = compare(LAM_COSINE, WORDS, (uint64_t)k << 20, &lam_team_alone, &arena);
        assert_true(lam_standardise(pairs, lam_pair_count(WORDS), &layer.was[k]));
        layer.pairs[k] = pairs;
    }
    for (size_t s = 0; s < sizeof counts / sizeof *counts; s++) {
        const lam_team spy = watched();
        double rsa[2][3], contrast[2][3];
        lam_rsa_intervals interval[2];
        memset(interval, 0, sizeof interval);
        for (int i = 0; i < 2; i++) {
            const lam_resampling how = {.seed = 3, .count = counts[s], .team = of(i, &spy)};
            succeed(lam_rsa_permute(&layer, &how, false, rsa[i], contrast[i], &error));
            succeed(lam_rsa_bootstrap(&layer, &how, levels, &interval[i], &error));
        }
        assert_memory_equal(rsa[0], rsa[1], sizeof rsa[0]);
        assert_memory_equal(contrast[0], contrast[1], sizeof contrast[0]);
        assert_memory_equal(&interval[0], &interval[1], sizeof interval[0]);
        check_shared(2 * 6 * 8 * sizeof(double));
    }
    lam_arena_destroy(&arena);
}

// --- the published autoencoder

// So many rows make fewer pieces than members, or a ragged last one; latents likewise.
static void check_published(int64_t count, int64_t latents) {
    enum { INPUTS = 24, EPOCHS = 3 };
    lam_arena arena = {0};
    float *rows = get(&arena, count * INPUTS, sizeof *rows);
    for (int64_t i = 0; i < count * INPUTS; i++) rows[i] = (float)normal((uint64_t)i);
    lam_published_options options = lam_published_defaults(INPUTS);
    options.latents = latents, options.kept = latents / 3, options.epochs = EPOCHS;
    const lam_team spy = watched();
    brought.spoils = true;
    lam_published *made[2];
    double curve[2][3][EPOCHS];
    lam_autoencoder_measures measures[2];
    float *again[2];
    memset(measures, 0, sizeof measures);
    for (int i = 0; i < 2; i++) {
        lam_autoencoder_curves curves = {
            .loss = curve[i][0], .mse = curve[i][1], .density = curve[i][2]};
        again[i] = get(&arena, count * INPUTS, sizeof **again);
        memcpy(again[i], rows, (size_t)(count * INPUTS) * sizeof *rows);
        succeed(lam_published_create(&made[i], &options, of(i, &spy), &arena, &error));
        lam_published_start(made[i], 1, 2);
        succeed(lam_published_train(made[i], rows, count, NULL, &curves, &error));
        succeed(lam_published_measure(made[i], rows, count, &measures[i], &error));
        succeed(lam_published_reconstruct(made[i], again[i], count, again[i], &error));
    }
    const size_t weights = (size_t)(latents * INPUTS) * sizeof(float);
    assert_memory_equal(made[0]->weight.value, made[1]->weight.value, weights);
    assert_memory_equal(made[0]->weight.first, made[1]->weight.first, weights);
    assert_memory_equal(made[0]->weight.second, made[1]->weight.second, weights);
    assert_memory_equal(curve[0], curve[1], sizeof curve[0]);
    assert_memory_equal(&measures[0], &measures[1], sizeof measures[0]);
    assert_memory_equal(again[0], again[1], (size_t)(count * INPUTS) * sizeof *rows);
    if (count >= 10 * LAM_PUBLISHED_ROWS) check_shared(0);
    lam_arena_destroy(&arena);
}

static void test_published(void **state) {
    (void)state;
    check_published(100, 48);
    check_published(LAM_PUBLISHED_ROWS + 1, 3 * LAM_PRODUCT_ROWS);
    check_published(10 * LAM_PUBLISHED_ROWS + 77, LAM_PRODUCT_ROWS + 9);
}

int main(int argc, char **argv) {
    lam_arena arena = {0};
    lam_layout layout;
    if (lam_comm_create(&comm, &argc, &argv, &error) ||
        lam_layout_create(&layout, 1, comm.size, NULL, &arena, &error) ||
        lam_team_create(&comm, &layout, &team, &error))
        return fprintf(stderr, "%s\n", error.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),       cmocka_unit_test(test_joint),
        cmocka_unit_test(test_separation), cmocka_unit_test(test_similarity),
        cmocka_unit_test(test_resamples),  cmocka_unit_test(test_published),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_team_destroy(&team);
    lam_arena_destroy(&arena);
    lam_comm_destroy(&comm);
    return failed;
}
