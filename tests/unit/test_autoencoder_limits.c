// The standard autoencoder on input at the edge of sense, its measures, its options and its memory.
#include "autoencoder_fixture.h"

enum { WIDTH = 20, LATENTS = 70, EPOCHS = 6 };

static lam_autoencoder_options options_of(void) {
    lam_autoencoder_options options = lam_autoencoder_defaults(WIDTH);
    options.latents = LATENTS, options.batch = 64, options.epochs = EPOCHS;
    return options;
}

// Trains on rows [count, WIDTH] and measures.
static lam_autoencoder_measures learn(const lam_autoencoder_options *options, const float *rows,
                                      int64_t count, curve_memory *memory) {
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder_measures measures;
    lam_autoencoder *a = make_autoencoder(options, &arena);
    lam_autoencoder_start(a, rows, count, 1, 0);
    succeed(lam_autoencoder_train(a, rows, count, 1, 0, NULL, make_curves(memory), &error), &error);
    succeed(lam_autoencoder_measure(a, rows, count, &measures, &error), &error);
    lam_arena_destroy(&arena);
    return measures;
}

static void assert_curves_finite(const curve_memory *memory) {
    assert_int_equal(memory->curves.status, LAM_AUTOENCODER_TRAINED);
    assert_true(isfinite(memory->curves.last_loss));
    for (int i = 0; i < 3; i++)
        for (int e = 0; e < EPOCHS; e++) assert_true(isfinite(memory->values[i][e]));
}

// Rows without variance are rebuilt by b_dec alone: nothing is active, nothing is learnt.
static void test_constant_rows(void **state) {
    (void)state;
    float rows[100 * WIDTH];
    for (int i = 0; i < 100 * WIDTH; i++) rows[i] = 0.1f * (float)(i % WIDTH + 1);
    curve_memory memory;
    lam_autoencoder_options options = options_of();
    lam_autoencoder_measures m = learn(&options, rows, 100, &memory);
    assert_curves_finite(&memory);
    assert_true(isnan(m.fvu) && isnan(m.density_activation));
    assert_int_equal(m.flags, LAM_MEASURE_NO_VARIANCE | LAM_MEASURE_FLAT);
    assert_true(m.mse < 1e-6);
    assert_near("cosine", 0, m.cosine, 1, 1e-5);
}

static void test_zero_rows(void **state) {
    (void)state;
    float rows[100 * WIDTH] = {0};
    curve_memory memory;
    lam_autoencoder_options options = options_of();
    lam_autoencoder_measures m = learn(&options, rows, 100, &memory);
    assert_curves_finite(&memory);
    assert_true(isnan(m.fvu) && isnan(m.cosine) && isnan(m.density_activation));
    assert_int_equal(m.flags,
                     LAM_MEASURE_NO_VARIANCE | LAM_MEASURE_NO_DIRECTION | LAM_MEASURE_FLAT);
    assert_true(m.mse == 0 && m.density == 0 && m.l0 == 0 && m.dead_share == 1);
}

// Some zero rows among others: left out of the cosine, and no more.
static void test_some_zero_rows(void **state) {
    (void)state;
    float *rows = make_rows(100, WIDTH, 4);
    memset(rows, 0, 10 * WIDTH * sizeof *rows);
    curve_memory memory;
    lam_autoencoder_options options = options_of();
    lam_autoencoder_measures m = learn(&options, rows, 100, &memory);
    assert_curves_finite(&memory);
    assert_int_equal(m.flags, 0);
    assert_true(m.cosine > 0.2 && m.cosine <= 1);
    free(rows);
}

static void test_one_row(void **state) {
    (void)state;
    float *rows = make_rows(1, WIDTH, 4);
    curve_memory memory;
    lam_autoencoder_options options = options_of();
    lam_autoencoder_measures m = learn(&options, rows, 1, &memory);
    assert_curves_finite(&memory);
    assert_true(m.flags & LAM_MEASURE_NO_VARIANCE);
    assert_near("cosine", 0, m.cosine, 1, 1e-3);
    free(rows);
}

// Without rows there is nothing to train or measure: an error, not a division by 0.
static void test_no_row(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_error error;
    float row[WIDTH] = {0};
    curve_memory memory;
    lam_autoencoder_options options = options_of();
    lam_autoencoder *a = make_autoencoder(&options, &arena);
    lam_autoencoder_measures m;
    lam_autoencoder_start(a, row, 0, 1, 0);
    assert_int_equal(lam_autoencoder_train(a, row, 0, 1, 0, NULL, make_curves(&memory), &error),
                     LAM_INPUT);
    assert_int_equal(lam_autoencoder_measure(a, row, 0, &m, &error), LAM_INPUT);
    lam_arena_destroy(&arena);
}

static void test_without_penalty(void **state) {
    (void)state;
    float *rows = make_rows(300, WIDTH, 4);
    curve_memory memory;
    lam_autoencoder_options options = options_of();
    options.l1 = 0;
    lam_autoencoder_measures m = learn(&options, rows, 300, &memory);
    assert_curves_finite(&memory);
    for (int e = 0; e < EPOCHS; e++) assert_true(memory.values[0][e] == memory.values[1][e]);
    assert_true(memory.values[0][EPOCHS - 1] < memory.values[0][0]);
    assert_int_equal(m.flags, 0);
    free(rows);
}

// A penalty beyond measure kills every latent. Their means of the gradient then decay for a
// thousand steps: they must end as zeros, not as subnormal numbers.
static void test_all_dead(void **state) {
    (void)state;
    float *rows = make_rows(64, WIDTH, 4);
    curve_memory memory;
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder_measures m;
    lam_autoencoder_options options = options_of();
    options.l1 = 1e6, options.adam.learning_rate = 0.05;
    lam_autoencoder *a = make_autoencoder(&options, &arena);
    lam_autoencoder_start(a, rows, 64, 1, 0);
    succeed(lam_autoencoder_train(a, rows, 64, 1, 0, NULL, make_curves(&memory), &error), &error);
    int64_t index[64];
    for (int i = 0; i < 64; i++) index[i] = i;
    lam_autoencoder_trace trace = {0};
    for (int s = 0; s < 1000; s++)
        succeed(lam_autoencoder_step(a, rows, index, 64, &trace, &error), &error);
    succeed(lam_autoencoder_measure(a, rows, 64, &m, &error), &error);
    assert_curves_finite(&memory);
    assert_true(isfinite(trace.loss) && trace.density == 0);
    assert_true(m.density == 0 && m.l0 == 0 && m.dead_share == 1);
    assert_int_equal(m.flags, LAM_MEASURE_FLAT);
    assert_true(isfinite(m.fvu) && isfinite(m.cosine));
    for (int64_t j = 0; j < LATENTS; j++)
        for (int64_t c = 0; c < WIDTH; c++) {
            assert_true(moments_of(a, j, c)->encoder_first[c] == 0);
            assert_true(moments_of(a, j, c)->decoder_first[c] == 0);
        }
    free(rows);
    lam_arena_destroy(&arena);
}

// One value that is not finite: training ends at the first batch that holds it, with the weights
// from before; the measures say that they are undefined.
static void test_not_finite(void **state) {
    (void)state;
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        float *rows = make_rows(300, WIDTH, 4);
        lam_arena arena = {0};
        lam_error error;
        curve_memory memory;
        lam_autoencoder_measures m;
        lam_autoencoder_options options = options_of();
        lam_autoencoder *a = make_autoencoder(&options, &arena);
        lam_autoencoder_start(a, rows, 300, 1, 0);
        rows[123 * WIDTH + 7] = wrong[i];
        succeed(lam_autoencoder_train(a, rows, 300, 1, 0, NULL, make_curves(&memory), &error),
                &error);
        assert_int_equal(memory.curves.status, LAM_AUTOENCODER_DIVERGED);
        assert_int_equal(a->position.epoch, 0);
        assert_int_equal(a->position.steps, a->position.batch);
        assert_false(isfinite(memory.curves.last_loss));
        for (int e = 0; e < EPOCHS; e++) assert_true(isnan(memory.values[0][e]));
        for (int64_t k = 0; k < LATENTS * a->stride; k++) assert_true(isfinite(a->encoder[k]));
        succeed(lam_autoencoder_measure(a, rows, 300, &m, &error), &error);
        assert_int_equal(m.flags, LAM_MEASURE_NOT_FINITE);
        assert_true(isnan(m.mse) && isnan(m.density) && isnan(m.density_activation));
        rows[123 * WIDTH + 7] = 0;
        succeed(lam_autoencoder_measure(a, rows, 300, &m, &error), &error);
        assert_int_equal(m.flags, 0);
        free(rows);
        lam_arena_destroy(&arena);
    }
}

// A rate that lets the weights run away until they overflow.
static void test_diverges(void **state) {
    (void)state;
    float *rows = make_rows(64, WIDTH, 4);
    curve_memory memory;
    lam_autoencoder_options options = options_of();
    options.adam.learning_rate = 1e18;
    lam_autoencoder_measures m = learn(&options, rows, 64, &memory);
    assert_int_equal(memory.curves.status, LAM_AUTOENCODER_DIVERGED);
    assert_int_equal(m.flags, LAM_MEASURE_NOT_FINITE);
    free(rows);
}

// The measures by plain loops, of weights that are anything but trained.
static void test_measures(void **state) {
    (void)state;
    enum { COUNT = 150 };
    float *rows = make_rows(COUNT, WIDTH, 6);
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder_options options = options_of();
    lam_autoencoder *a = make_autoencoder(&options, &arena);
    lam_autoencoder_start(a, rows, COUNT, 3, 1);
    for (int64_t j = 0; j < LATENTS; j++)
        a->encoder_bias.value[j] = j == 4 ? -100 : -0.03f * (float)j;
    double often[LATENTS] = {0}, strength[LATENTS] = {0}, mean[WIDTH] = {0};
    double squares = 0, spread = 0, cosines = 0, active = 0, dead = 0;
    for (int64_t i = 0; i < COUNT; i++)
        for (int64_t c = 0; c < WIDTH; c++) mean[c] += (double)rows[i * WIDTH + c] / COUNT;
    for (int64_t i = 0; i < COUNT; i++) {
        const float *x = rows + i * WIDTH;
        double y[WIDTH], xx = 0, xy = 0, yy = 0;
        for (int64_t c = 0; c < WIDTH; c++) y[c] = (double)a->decoder_bias.value[c];
        for (int64_t j = 0; j < LATENTS; j++) {
            double z = (double)a->encoder_bias.value[j];
            for (int64_t c = 0; c < WIDTH; c++)
                z += (double)a->encoder[j * a->stride + c] *
                     ((double)x[c] - (double)a->decoder_bias.value[c]);
            if (z <= 0) continue;
            often[j] += 1, strength[j] += z;
            for (int64_t c = 0; c < WIDTH; c++) y[c] += z * (double)a->decoder[j * a->stride + c];
        }
        for (int64_t c = 0; c < WIDTH; c++) {
            squares += (y[c] - (double)x[c]) * (y[c] - (double)x[c]);
            spread += ((double)x[c] - mean[c]) * ((double)x[c] - mean[c]);
            xx += (double)x[c] * (double)x[c], xy += (double)x[c] * y[c], yy += y[c] * y[c];
        }
        cosines += xy / sqrt(xx * yy);
    }
    double low[2] = {1e9, 1e9}, high[2] = {0, 0}, product = 0;
    for (int64_t j = 0; j < LATENTS; j++) {
        active += often[j], dead += often[j] == 0;
        strength[j] = often[j] > 0 ? strength[j] / often[j] : 0;
        low[0] = fmin(low[0], often[j]), high[0] = fmax(high[0], often[j]);
        low[1] = fmin(low[1], strength[j]), high[1] = fmax(high[1], strength[j]);
    }
    for (int64_t j = 0; j < LATENTS; j++)
        product += (often[j] - low[0]) / (high[0] - low[0]) * (strength[j] - low[1]) /
                   (high[1] - low[1]) / LATENTS;
    lam_autoencoder_measures m;
    succeed(lam_autoencoder_measure(a, rows, COUNT, &m, &error), &error);
    assert_near("density", 0, m.density, active / (COUNT * LATENTS), 1e-12);
    assert_near("l0", 0, m.l0, active / COUNT, 1e-9);
    assert_near("dead", 0, m.dead_share, dead / LATENTS, 1e-12);
    assert_true(dead >= 1);
    assert_near("mse", 0, m.mse, squares / (COUNT * WIDTH), 1e-5 * m.mse);
    assert_near("fvu", 0, m.fvu, squares / spread, 1e-5 * m.fvu);
    assert_near("cosine", 0, m.cosine, cosines / COUNT, 1e-6);
    assert_near("density_activation", 0, m.density_activation, product, 1e-5);
    assert_int_equal(m.flags, 0);
    free(rows);
    lam_arena_destroy(&arena);
}

// Latents and reconstructions of more rows than a batch, from the parameters by plain loops.
static void test_applied(void **state) {
    (void)state;
    enum { COUNT = 150 };
    float *rows = make_rows(COUNT, WIDTH, 6), z[COUNT * LATENTS], y[COUNT * WIDTH];
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder_options options = options_of();
    lam_autoencoder *a = make_autoencoder(&options, &arena);
    lam_autoencoder_start(a, rows, COUNT, 3, 1);
    for (int64_t j = 0; j < LATENTS; j++) a->encoder_bias.value[j] = -0.03f * (float)j;
    for (int sparse = 0; sparse < 2; sparse++) {
        a->options.sparse_share = sparse;
        succeed(lam_autoencoder_latents(a, rows, COUNT, z, &error), &error);
        succeed(lam_autoencoder_reconstruct(a, rows, COUNT, y, &error), &error);
        const lam_autoencoder_parameters p = lam_autoencoder_get(a);
        assert_int_equal(p.latents, LATENTS);
        for (int64_t i = 0; i < COUNT; i++) {
            double rebuilt[WIDTH];
            for (int64_t c = 0; c < WIDTH; c++) rebuilt[c] = (double)p.decoder_bias[c];
            for (int64_t j = 0; j < LATENTS; j++) {
                double sum = (double)p.encoder_bias[j];
                for (int64_t c = 0; c < WIDTH; c++) {
                    sum += (double)p.encoder[j * p.stride + c] *
                           (double)(rows[i * WIDTH + c] - p.decoder_bias[c]);
                    rebuilt[c] += (double)z[i * LATENTS + j] * (double)p.decoder[j * p.stride + c];
                }
                assert_near("z", i * LATENTS + j, (double)z[i * LATENTS + j], fmax(sum, 0), 1e-5);
            }
            for (int64_t c = 0; c < WIDTH; c++)
                assert_near("y", i * WIDTH + c, (double)y[i * WIDTH + c], rebuilt[c], 1e-5);
        }
    }
    free(rows);
    lam_arena_destroy(&arena);
}

// ---------------------------------------------------------------- options and memory

static void refuse(lam_autoencoder_options options, const char *part) {
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder *a;
    assert_int_equal(lam_autoencoder_create(&a, &options, &lam_team_alone, &arena, &error),
                     LAM_USAGE);
    assert_non_null(strstr(error.text, part));
    assert_int_equal(lam_autoencoder_bytes(&options, &lam_team_alone, 1), 0);
    lam_arena_destroy(&arena);
}

static void test_options(void **state) {
    (void)state;
    lam_autoencoder_options o = options_of();
    o.width = 0, refuse(o, "width 0"), o = options_of();
    o.latents = 0, refuse(o, "sae.latents is 0"), o = options_of();
    o.latents = INT64_MAX, refuse(o, "sae.latents"), o = options_of();
    o.batch = 0, refuse(o, "sae.batch is 0"), o = options_of();
    o.batch = -1, refuse(o, "sae.batch is -1"), o = options_of();
    o.epochs = -1, refuse(o, "sae.epochs"), o = options_of();
    o.l1 = -1, refuse(o, "sae.l1 is -1"), o = options_of();
    o.l1 = NAN, refuse(o, "sae.l1"), o = options_of();
    o.l1 = INFINITY, refuse(o, "sae.l1"), o = options_of();
    o.warmup = -0.1, refuse(o, "sae.warmup"), o = options_of();
    o.decay = NAN, refuse(o, "sae.decay"), o = options_of();
    o.warmup = 0.7, o.decay = 0.4, refuse(o, "together"), o = options_of();
    o.resample = -1, refuse(o, "sae.resample"), o = options_of();
    o.kind = LAM_AUTOENCODER_TOPK, o.k = 0, refuse(o, "sae.k is 0"), o = options_of();
    o.kind = LAM_AUTOENCODER_BATCHTOPK, o.k = 71, refuse(o, "sae.k is 71"), o = options_of();
    o.kind = LAM_AUTOENCODER_TOPK, o.aux_coefficient = -1, refuse(o, "sae.aux_coefficient");
    o = options_of();
    o.kind = LAM_AUTOENCODER_TOPK, o.dead_after = 0, refuse(o, "sae.dead_after"), o = options_of();
    o.kind = LAM_AUTOENCODER_JUMPRELU, o.l0 = NAN, refuse(o, "sae.l0"), o = options_of();
    o.kind = LAM_AUTOENCODER_JUMPRELU, o.bandwidth = 0, refuse(o, "sae.bandwidth");
    o = options_of();
    o.adam.learning_rate = -1, refuse(o, "rate"), o = options_of();
    o.adam.learning_rate = NAN, refuse(o, "rate"), o = options_of();
    o.adam.beta1 = 1, refuse(o, "betas"), o = options_of();
    o.adam.beta2 = -0.1, refuse(o, "betas"), o = options_of();
    o.adam.epsilon = 0, refuse(o, "epsilon");
}

static void test_no_epoch(void **state) {
    (void)state;
    float *rows = make_rows(30, WIDTH, 4);
    curve_memory memory;
    lam_autoencoder_options options = options_of();
    options.epochs = 0;
    lam_autoencoder_measures m = learn(&options, rows, 30, &memory);
    assert_int_equal(memory.curves.status, LAM_AUTOENCODER_TRAINED);
    assert_true(isnan(memory.curves.last_loss) && m.flags == 0);
    free(rows);
}

// GPT-2 large's width with four times as many latents: six arrays of weights and Adam's means are
// 157 MB, z and its slopes 42 MB, and the rest is small.
static void test_memory(void **state) {
    (void)state;
    lam_autoencoder_options options = lam_autoencoder_defaults(1280);
    assert_in_range(lam_autoencoder_bytes(&options, &lam_team_alone, 2), 157000000, 230000000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_rows),  cmocka_unit_test(test_zero_rows),
        cmocka_unit_test(test_some_zero_rows), cmocka_unit_test(test_one_row),
        cmocka_unit_test(test_no_row),         cmocka_unit_test(test_without_penalty),
        cmocka_unit_test(test_all_dead),       cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_diverges),       cmocka_unit_test(test_measures),
        cmocka_unit_test(test_applied),        cmocka_unit_test(test_options),
        cmocka_unit_test(test_no_epoch),       cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
