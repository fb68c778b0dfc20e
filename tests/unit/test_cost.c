// What a run takes, counted from shapes, and the layout that this makes: contiguous slices whose
// costliest is the cheapest that an exhaustive search finds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "mpi/layout.h"
#include "src/cost.h"
#include "src/random.h"

#include <math.h>

static const lam_model_config small = {.layers = 12,
                                       .width = 768,
                                       .heads = 12,
                                       .head_width = 64,
                                       .mlp_width = 3072,
                                       .positions = 1024,
                                       .vocabulary = 50257};

static void assert_near(double found, double wanted, double apart) {
    if (fabs(found - wanted) > apart) fail_msg("%.17g, not %.17g", found, wanted);
}

static int64_t start[11];
static const lam_sequences sequences = {.count = 10, .start = start};

static int make_sequences(void **state) {
    (void)state;
    for (int i = 0; i <= 10; i++) start[i] = 1024 * i;
    return 0;
}

static lam_work layer_work(lam_site_set needed) {
    lam_work work = {0};
    lam_cost_layer(&small, &sequences, 0, 10, needed, &work);
    return work;
}

// A layer's weights are 12 width^2, and each row is multiplied by all of them. Scores and mixing
// are 4 operations a pair and unit, for pairs in blocks of 128 queries.
static void test_layer(void **state) {
    (void)state;
    const lam_work all = layer_work(~(lam_site_set)0);
    assert_near(12 * all.of[LAM_WORK_PRODUCTS], 1.7394617549e12, 1e3);
    double pairs = 0;
    for (int block = 1; block <= 8; block++) pairs += 128.0 * 128 * block;
    assert_near(all.of[LAM_WORK_ATTENTION], 10 * 4 * 768 * pairs, 1);
    assert_near(lam_work_operations(&all),
                all.of[LAM_WORK_PRODUCTS] + all.of[LAM_WORK_ATTENTION] + all.of[LAM_WORK_VALUES],
                1);
}

// Of the last layer, what lies beyond the last site that is wanted is not computed.
static void test_last_layer(void **state) {
    (void)state;
    static const struct {
        lam_site site;
        double weights; // in width^2
    } cases[] = {{LAM_SITE_RESID_PRE, 0}, {LAM_SITE_Q, 3},          {LAM_SITE_WEIGHTS, 3},
                 {LAM_SITE_ATTN_OUT, 4},  {LAM_SITE_MLP_FC, 8},     {LAM_SITE_MLP_ACT, 8},
                 {LAM_SITE_MLP_OUT, 12},  {LAM_SITE_RESID_POST, 12}};
    double before = -1;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const lam_work work = layer_work(LAM_SITE_BIT(cases[i].site));
        assert_near(work.of[LAM_WORK_PRODUCTS], cases[i].weights * 2 * 10240 * 768 * 768, 1e3);
        assert_true(lam_work_seconds(&work) >= before);
        before = lam_work_seconds(&work);
    }
    const lam_work weights = layer_work(LAM_SITE_BIT(LAM_SITE_WEIGHTS)),
                   out = layer_work(LAM_SITE_BIT(LAM_SITE_ATTN_OUT)),
                   fused = layer_work(LAM_SITE_BIT(LAM_SITE_QKV));
    assert_near(2 * weights.of[LAM_WORK_ATTENTION], out.of[LAM_WORK_ATTENTION], 1);
    assert_near(fused.of[LAM_WORK_ATTENTION], 0, 0);
}

static void test_head(void **state) {
    (void)state;
    lam_work work = {0};
    lam_cost_head(&small, 1000, &work);
    assert_near(work.of[LAM_WORK_PRODUCTS], 2.0 * 1000 * 768 * 50257, 1);
}

// The memory is what the forward pass takes.
static void test_forward_bytes(void **state) {
    (void)state;
    lam_model model = {.config = small};
    lam_arena arena = {0};
    lam_error error;
    lam_forward *forward;
    int64_t rows, length;
    lam_batch_limits(&sequences, &rows, &length);
    assert_int_equal(lam_forward_create(&forward, &model, rows, length, &arena, &error), LAM_OK);
    const double want = lam_cost_forward_bytes(&small, &sequences, 2, true);
    assert_near((double)arena.used / want, 1, 0.001);
    lam_arena_destroy(&arena);
}

// The least of the largest slice's costs over all ways to cut layers in so many slices.
static double best_split(const double *cost, int layers, int slices) {
    double best = -1;
    for (unsigned cuts = 0; cuts < 1u << (layers - 1); cuts++) {
        double most = 0, slice = 0;
        if (__builtin_popcount(cuts) != slices - 1) continue;
        for (int l = 0; l < layers; l++) {
            slice += cost[l];
            if (slice > most) most = slice;
            if (cuts >> l & 1) slice = 0;
        }
        if (best < 0 || most < best) best = most;
    }
    return best;
}

static double most_of(const lam_layout *layout, const double *cost) {
    double most = 0;
    for (int t = 0; t < layout->teams; t++) {
        double slice = 0;
        for (int64_t l = layout->layer[t]; l < layout->layer[t + 1]; l++) slice += cost[l];
        if (slice > most) most = slice;
    }
    return most;
}

static void test_balance(void **state) {
    (void)state;
    enum { LAYERS = 11 };
    const lam_random random = lam_random_key(7, 0, 0, 0);
    for (int trial = 0; trial < 20; trial++) {
        float drawn[LAYERS];
        double cost[LAYERS];
        lam_random_fill_uniform(&random, (uint64_t)(trial * LAYERS), LAYERS, drawn);
        for (int l = 0; l < LAYERS; l++) cost[l] = 0.05 + (double)drawn[l];
        // A layer like the others but for the first, the last, or splices: as runs have them.
        if (trial % 2)
            for (int l = 1; l < LAYERS; l++) cost[l] = trial % 4 == 1 ? 1 : 1 + 0.1 * l;
        for (int ranks = 1; ranks <= LAYERS; ranks++) {
            lam_arena arena = {0};
            lam_error error;
            lam_layout layout;
            assert_int_equal(lam_layout_create(&layout, LAYERS, ranks, cost, &arena, &error),
                             LAM_OK);
            const double want = best_split(cost, LAYERS, ranks), most = most_of(&layout, cost);
            if (most > want * (1 + 1e-8))
                fail_msg("trial %d, %d ranks: the costliest slice costs %g, not %g", trial, ranks,
                         most, want);
            lam_arena_destroy(&arena);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer),   cmocka_unit_test(test_last_layer),
        cmocka_unit_test(test_head),    cmocka_unit_test(test_forward_bytes),
        cmocka_unit_test(test_balance),
    };
    return cmocka_run_group_tests(tests, make_sequences, NULL);
}
