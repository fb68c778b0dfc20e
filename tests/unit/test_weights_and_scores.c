// What the profiles of attention make of weights and projections, against plain sums.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/head_scores.h"
#include "src/module_order.h"
#include "src/random.h"
#include "src/weight_sums.h"

static void fill(float *value, int64_t count, uint32_t step) {
    lam_random random = lam_random_key(9, LAM_RANDOM_SYNTH, 0, step);
    lam_random_fill_normal(&random, 0, count, 1, value);
}

enum { LENGTH = 150, BLOCK = 64, STRIDE = LENGTH + 3 };
static float square[LENGTH * STRIDE];

// Row i sums to 1 over its first i + 1 keys, from even to all on one of them.
static void fill_weights(void) {
    fill(square, LENGTH * STRIDE, 1);
    for (int i = 0; i < LENGTH; i++) {
        float *row = square + i * STRIDE, sum = 0;
        for (int j = 0; j <= i; j++) sum += row[j] = expf((row[j] - 4) * (float)(i % 25));
        for (int j = 0; j < STRIDE; j++) row[j] = j <= i ? row[j] / sum : 0;
    }
}

// In blocks as the forward pass shows them: each with the keys up to its last query.
static void each_block(void (*add)(void *sums, const lam_view *view), void *sums) {
    for (int first = 0; first < LENGTH; first += BLOCK) {
        int rows = LENGTH - first < BLOCK ? LENGTH - first : BLOCK;
        lam_view view = {.length = LENGTH,
                         .first_token = first,
                         .rows = rows,
                         .width = first + rows,
                         .row_stride = STRIDE,
                         .data = square + first * STRIDE};
        add(sums, &view);
    }
}

static void add_weights(void *sums, const lam_view *view) {
    lam_weight_sums_add(sums, view);
}

static void add_scores(void *sums, const lam_view *view) {
    lam_causal_sums_add(sums, view);
}

static void test_weight_sums(void **state) {
    (void)state;
    fill_weights();
    lam_weight_sums want = {0}, got = {0};
    for (int i = 1; i < LENGTH; i++) {
        want.self += (double)square[i * STRIDE + i];
        want.first += (double)square[i * STRIDE];
        want.previous += (double)square[i * STRIDE + i - 1];
        for (int j = 0; j <= i; j++) {
            double w = (double)square[i * STRIDE + j];
            if (w > 0) want.entropy -= w * log(w);
        }
    }
    each_block(add_weights, &got);
    assert_true(fabs(got.self - want.self) < 1e-12 * want.self);
    assert_true(fabs(got.first - want.first) < 1e-12 * want.first);
    assert_true(fabs(got.previous - want.previous) < 1e-12 * want.previous);
    // Each term is rounded to single precision.
    assert_true(fabs(got.entropy - want.entropy) < 2e-7 * want.entropy);
    square[70 * STRIDE + 30] = NAN;
    each_block(add_weights, &got);
    assert_true(isnan(got.entropy));
}

static void test_causal_sums(void **state) {
    (void)state;
    fill(square, LENGTH * STRIDE, 2);
    lam_causal_sums want = {0}, got = {0};
    for (int i = 0; i < LENGTH; i++)
        for (int j = 0; j < STRIDE; j++) {
            if (j > i) {
                square[i * STRIDE + j] = NAN; // not defined beyond the mask
                continue;
            }
            want.score += (double)square[i * STRIDE + j];
            want.negative += square[i * STRIDE + j] < 0;
        }
    each_block(add_scores, &got);
    assert_true(fabs(got.score - want.score) < 1e-10);
    assert_int_equal(got.negative, want.negative);
}

enum { HEADS = 3, HEAD = 10, WIDTH = HEADS * HEAD, ROW = 3 * WIDTH + 2 };
static const lam_model_config config = {
    .family = LAM_GPT_NEOX, .heads = HEADS, .head_width = HEAD, .width = WIDTH};
static float qkv[LENGTH * ROW];

typedef struct plain {
    double count, sum, squares, negative;
} plain;

static void take(plain *p, double value) {
    p->count++;
    p->sum += value;
    p->squares += value * value;
    p->negative += value < 0;
}

static void compare(const lam_moments *got, const plain *want) {
    double mean = want->sum / want->count;
    double variance = (want->squares - want->count * mean * mean) / (want->count - 1);
    assert_int_equal(got->count, (int64_t)want->count);
    // Scores are kept in single precision: each is off by up to 6e-8 of itself.
    assert_true(fabs(got->mean - mean) < 1e-7 * sqrt(variance));
    assert_true(fabs(lam_moments_deviation(got) - sqrt(variance)) < 1e-7 * sqrt(variance));
}

// Sequences of three tokens, of one chunk and of more, one after the other.
static void test_head_scores(void **state) {
    (void)state;
    lam_error error;
    lam_arena arena = {0};
    lam_head_scores scores;
    lam_head_sums sums[HEADS] = {0};
    lam_pair_sums pairs = {0};
    static const int lengths[] = {3, 66, 67, LENGTH};
    plain q[HEADS] = {0}, k[HEADS] = {0}, same[HEADS] = {0}, different = {0};
    double lowest = INFINITY;
    assert_int_equal(lam_head_scores_create(&scores, &config, &arena, &error), LAM_OK);
    for (uint32_t s = 0; s < sizeof lengths / sizeof *lengths; s++) {
        int length = lengths[s];
        fill(qkv, LENGTH * ROW, 3 + s);
        assert_int_equal(lam_head_scores_add(&scores, sums, &pairs, qkv, length, ROW, &error),
                         LAM_OK);
        for (int t = 1; t < length; t++)
            for (int i = 0; i < WIDTH; i++) {
                take(&q[i / HEAD], (double)qkv[t * ROW + i]);
                take(&k[i / HEAD], (double)qkv[t * ROW + WIDTH + i]);
            }
        for (int t = 1; t < length - 1; t++)
            for (int i = 0; i < HEADS; i++)
                for (int j = 0; j < HEADS; j++) {
                    double dot = 0;
                    for (int e = 0; e < HEAD; e++)
                        dot += (double)qkv[(length - 1) * ROW + i * HEAD + e] *
                               (double)qkv[t * ROW + WIDTH + j * HEAD + e];
                    take(i == j ? &same[i] : &different, dot);
                    if (i == j) lowest = fmin(lowest, dot);
                }
    }
    for (int h = 0; h < HEADS; h++) {
        compare(&sums[h].q, &q[h]);
        compare(&sums[h].k, &k[h]);
        compare(&sums[h].same, &same[h]);
        assert_int_equal(sums[h].same_negative, (int64_t)same[h].negative);
    }
    compare(&pairs.different, &different);
    assert_int_equal(pairs.negative, (int64_t)different.negative);
    assert_int_equal(scores.same_scores.count, (int64_t)(3 * same[0].count));
    assert_int_equal(scores.different_scores.count, (int64_t)different.count);
    assert_true(fabs(lam_histogram_lowest(&scores.same_scores) / lowest - 1) < 1e-7);
    lam_arena_destroy(&arena);
}

static void refuse(int place, float value, const char *says) {
    lam_error error = {0};
    lam_arena arena = {0};
    lam_head_scores scores;
    lam_head_sums sums[HEADS] = {0};
    lam_pair_sums pairs = {0};
    fill(qkv, LENGTH * ROW, 3);
    qkv[place] = value;
    if (place == (LENGTH - 1) * ROW) qkv[5 * ROW + WIDTH] = value;
    assert_int_equal(lam_head_scores_create(&scores, &config, &arena, &error), LAM_OK);
    assert_int_equal(lam_head_scores_add(&scores, sums, &pairs, qkv, LENGTH, ROW, &error),
                     LAM_NUMERIC);
    if (!strstr(error.text, says)) fail_msg("'%s' does not say '%s'", error.text, says);
    lam_arena_destroy(&arena);
}

static void test_not_finite(void **state) {
    (void)state;
    refuse(7 * ROW + HEAD, NAN, "queries of head 1");
    refuse(7 * ROW + WIDTH + 2 * HEAD, INFINITY, "keys of head 2");
    // Finite both, but not their product.
    refuse((LENGTH - 1) * ROW, 1e30f, "scores of head 0");
}

// Place by place: column c of head h's part p stands at [h, p, c] in NeoX's module.
static void test_module_order(void **state) {
    (void)state;
    enum { ROWS = 4 };
    float to[ROWS * 3 * WIDTH];
    lam_model_config gpt2 = config;
    gpt2.family = LAM_GPT2;
    fill(qkv, LENGTH * ROW, 4);
    lam_module_order(&config, qkv, ROWS, ROW, to);
    for (int t = 0; t < ROWS; t++)
        for (int p = 0; p < 3; p++)
            for (int h = 0; h < HEADS; h++)
                for (int c = 0; c < HEAD; c++)
                    assert_true(to[t * 3 * WIDTH + (h * 3 + p) * HEAD + c] ==
                                qkv[t * ROW + p * WIDTH + h * HEAD + c]);
    lam_module_order(&gpt2, qkv, ROWS, ROW, to);
    for (int t = 0; t < ROWS; t++)
        assert_memory_equal(to + t * 3 * WIDTH, qkv + t * ROW, 3 * WIDTH * sizeof *to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weight_sums),  cmocka_unit_test(test_causal_sums),
        cmocka_unit_test(test_head_scores),  cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_module_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
