// What each kind of autoencoder promises of its latents, and what the options do to a training.
#include "autoencoder_fixture.h"

#include "src/autoencoder_work.h"

enum { WIDTH = 20, LATENTS = 600, COUNT = 700, K = 9 }; // three blocks, two pieces

static lam_autoencoder_options options_of(lam_autoencoder_kind kind) {
    lam_autoencoder_options options = lam_autoencoder_defaults(WIDTH);
    options.kind = kind;
    options.latents = LATENTS, options.batch = COUNT, options.k = K, options.epochs = 3;
    return options;
}

typedef struct scene {
    lam_arena arena;
    float *rows;
    lam_autoencoder *a;
    float *z; // [COUNT, LATENTS]
} scene;

static void begin(scene *s, const lam_autoencoder_options *options) {
    *s = (scene){.rows = make_rows(COUNT, WIDTH, 2)};
    s->z = malloc((size_t)COUNT * LATENTS * sizeof *s->z);
    s->a = make_autoencoder(options, &s->arena);
    lam_autoencoder_start(s->a, s->rows, COUNT, 6, 1);
}

static void end(scene *s) {
    free(s->rows);
    free(s->z);
    lam_arena_destroy(&s->arena);
}

static void train(scene *s) {
    lam_error error;
    curve_memory memory;
    succeed(lam_autoencoder_train(s->a, s->rows, COUNT, 6, 1, NULL, make_curves(&memory), &error),
            &error);
    assert_int_equal(memory.curves.status, LAM_AUTOENCODER_TRAINED);
}

static void encode(scene *s) {
    lam_error error;
    succeed(lam_autoencoder_latents(s->a, s->rows, COUNT, s->z, &error), &error);
}

// relu(p) in single precision, as the program has it: topk with all latents.
static float *rectified(const scene *s) {
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder_options options = options_of(LAM_AUTOENCODER_RELU);
    lam_autoencoder *a = make_autoencoder(&options, &arena);
    float *z = malloc((size_t)COUNT * LATENTS * sizeof *z);
    memcpy(a->encoder, s->a->encoder, (size_t)(LATENTS * a->stride) * sizeof(float));
    memcpy(a->encoder_bias.value, s->a->encoder_bias.value, LATENTS * sizeof(float));
    memcpy(a->decoder_bias.value, s->a->decoder_bias.value, WIDTH * sizeof(float));
    succeed(lam_autoencoder_latents(a, s->rows, COUNT, z, &error), &error);
    lam_arena_destroy(&arena);
    return z;
}

static int64_t active_in(const float *z, int64_t count) {
    int64_t active = 0;
    for (int64_t i = 0; i < count; i++) active += z[i] != 0;
    return active;
}

// Of every row exactly k stay, and none that is left out is larger than one that stays.
static void check_largest(const float *z, const float *all) {
    for (int64_t i = 0; i < COUNT; i++, z += LATENTS, all += LATENTS) {
        float least = INFINITY, left = 0;
        assert_int_equal(active_in(z, LATENTS), K);
        for (int64_t j = 0; j < LATENTS; j++) {
            assert_true(z[j] == 0 || z[j] == all[j]);
            if (z[j] != 0)
                least = fminf(least, z[j]);
            else
                left = fmaxf(left, all[j]);
        }
        assert_true(left <= least);
    }
}

static void test_topk(void **state) {
    (void)state;
    scene s;
    lam_autoencoder_options options = options_of(LAM_AUTOENCODER_TOPK);
    for (int share = 0; share < 2; share++) {
        options.sparse_share = share;
        begin(&s, &options);
        train(&s);
        encode(&s);
        float *all = rectified(&s);
        check_largest(s.z, all);
        free(all);
        end(&s);
    }
}

// Fewer than k are above 0: those stay, and no more.
static void test_fewer_than_k(void **state) {
    (void)state;
    scene s;
    lam_autoencoder_options options = options_of(LAM_AUTOENCODER_TOPK);
    begin(&s, &options);
    for (int64_t j = 0; j < LATENTS; j++) s.a->encoder_bias.value[j] = j % 300 ? -1e6f : 1e3f;
    encode(&s);
    for (int64_t i = 0; i < COUNT; i++) {
        assert_int_equal(active_in(s.z + i * LATENTS, LATENTS), 2);
        assert_true(s.z[i * LATENTS] > 0 && s.z[i * LATENTS + 300] > 0);
    }
    end(&s);
}

// Equal values: the lower latents stay, across blocks too.
static void test_ties(void **state) {
    (void)state;
    scene s;
    lam_autoencoder_options options = options_of(LAM_AUTOENCODER_TOPK);
    begin(&s, &options);
    memset(s.a->encoder, 0, (size_t)(LATENTS * s.a->stride) * sizeof(float));
    // 4 of value 2 from latent 255 on, 400 of value 1 from latent 250 on; the others 0.
    for (int64_t j = 0; j < LATENTS; j++)
        s.a->encoder_bias.value[j] = j >= 255 && j < 259 ? 2 : j >= 250 && j < 654 ? 1 : 0;
    encode(&s);
    for (int64_t i = 0; i < COUNT; i++)
        for (int64_t j = 0; j < LATENTS; j++)
            assert_true(s.z[i * LATENTS + j] == (j >= 255 && j < 259   ? 2
                                                 : j >= 250 && j < 255 ? 1
                                                                       : 0));
    end(&s);
}

// One step says how many of the batch were active; after training the threshold decides.
static void test_batchtopk(void **state) {
    (void)state;
    scene s;
    lam_error error;
    lam_autoencoder_trace trace;
    lam_autoencoder_options options = options_of(LAM_AUTOENCODER_BATCHTOPK);
    begin(&s, &options);
    int64_t index[COUNT];
    for (int64_t i = 0; i < COUNT; i++) index[i] = i;
    float *all = rectified(&s), least = INFINITY;
    succeed(lam_autoencoder_step(s.a, s.rows, index, COUNT, &trace, &error), &error);
    assert_near("active", 0, trace.density * COUNT * LATENTS, K * COUNT, 1e-6);
    // The first step's least value is the threshold: found by counting.
    least = s.a->threshold[0];
    int64_t above = 0, equal = 0;
    for (int64_t i = 0; i < COUNT * LATENTS; i++) {
        above += all[i] > least;
        equal += all[i] == least;
    }
    assert_true(above < K * COUNT && above + equal >= K * COUNT);
    free(all);
    train(&s);
    encode(&s);
    all = rectified(&s);
    const lam_autoencoder_parameters p = lam_autoencoder_get(s.a);
    assert_int_equal(p.kind, LAM_AUTOENCODER_JUMPRELU);
    for (int64_t i = 0; i < COUNT * LATENTS; i++)
        assert_true(s.z[i] == (all[i] > p.threshold[i % LATENTS] ? all[i] : 0));
    const double l0 = (double)active_in(s.z, COUNT * LATENTS) / COUNT;
    assert_true(l0 > 0.5 * K && l0 < 2 * K);
    free(all);
    end(&s);
}

static void test_jumprelu(void **state) {
    (void)state;
    scene s;
    lam_autoencoder_options options = options_of(LAM_AUTOENCODER_JUMPRELU);
    options.bandwidth = 0.5, options.l0 = 0.1, options.adam.learning_rate = 0.05;
    begin(&s, &options);
    for (int64_t j = 0; j < LATENTS; j++) s.a->log_threshold.value[j] = logf(0.3f);
    s.a->log_threshold.value[5] = 200; // more than a float holds
    lam_autoencoder_set_threshold(s.a);
    train(&s);
    encode(&s);
    float *all = rectified(&s);
    const lam_autoencoder_parameters p = lam_autoencoder_get(s.a);
    int64_t moved = 0, dropped = 0;
    for (int64_t i = 0; i < COUNT * LATENTS; i++) {
        assert_true(s.z[i] == (all[i] > p.threshold[i % LATENTS] ? all[i] : 0));
        dropped += all[i] != 0 && s.z[i] == 0;
    }
    for (int64_t j = 0; j < LATENTS; j++) moved += p.threshold[j] > 0.3f;
    assert_true(isinf(p.threshold[5]) && s.a->log_threshold.value[5] == 200);
    assert_true(dropped > 0 && moved > LATENTS / 2); // the price of active latents raises them
    free(all);
    end(&s);
}

// Dead latents learn by the second loss alone, and come to explain some of what the others leave.
static void test_second_loss(void **state) {
    (void)state;
    for (int with = 0; with < 2; with++) {
        scene s;
        lam_error error;
        curve_memory memory;
        lam_autoencoder_options options = options_of(LAM_AUTOENCODER_TOPK);
        options.aux_coefficient = with, options.dead_after = 1, options.epochs = 20;
        options.batch = 100, options.adam.learning_rate = 1e-2;
        begin(&s, &options);
        for (int64_t j = 0; j < LATENTS; j++) s.a->encoder_bias.value[j] = j < 40 ? 5 : 0;
        float before[WIDTH];
        memcpy(before, s.a->encoder + 500 * s.a->stride, sizeof before);
        succeed(lam_autoencoder_train(s.a, s.rows, COUNT, 6, 1, NULL, make_curves(&memory), &error),
                &error);
        const double *loss = memory.curves.loss, *mse = memory.curves.mse;
        const bool moved = memcmp(before, s.a->encoder + 500 * s.a->stride, sizeof before) != 0;
        assert_true(moved == with);
        // The mean square of what the dead leave, over that of what they were given.
        const double left = (loss[19] - mse[19]) / mse[19];
        print_message("second loss over the first: %.3f\n", left);
        assert_true(with ? left > 0 && left < 0.95 : left == 0);
        end(&s);
    }
}

// All but a few latents of each kind are dead; they start anew before the second epoch.
static void test_resample(void **state) {
    (void)state;
    for (int kind = LAM_AUTOENCODER_RELU; kind <= LAM_AUTOENCODER_GATED; kind++) {
        scene s;
        lam_error error;
        lam_autoencoder_options options = options_of((lam_autoencoder_kind)kind);
        options.resample = 1, options.aux_coefficient = 0;
        options.epochs = 1;
        begin(&s, &options);
        for (int64_t j = 0; j < LATENTS; j++) s.a->encoder_bias.value[j] = j < 40 ? 0 : -1e4f;
        train(&s);
        for (int64_t j = 40; j < LATENTS; j++) assert_int_equal(s.a->since_active[j], COUNT);
        double norm = 0, living = 0;
        for (int64_t j = 0; j < 40; j++) {
            double squares = 0;
            const float *row = s.a->encoder + j * s.a->stride;
            if (s.a->since_active[j]) continue;
            for (int c = 0; c < WIDTH; c++) squares += (double)row[c] * (double)row[c];
            norm += sqrt(squares);
            living++;
        }
        float before[WIDTH];
        memcpy(before, s.a->encoder, sizeof before);
        succeed(lam_autoencoder_resample(s.a, s.rows, COUNT, 6, 1, &error), &error);
        assert_memory_equal(before, s.a->encoder, sizeof before); // latent 0 lives
        for (int64_t j = 40; j < LATENTS; j++) {
            double squares = 0, decoder = 0;
            for (int c = 0; c < WIDTH; c++) {
                squares += pow((double)s.a->encoder[j * s.a->stride + c], 2);
                decoder += pow((double)s.a->decoder[j * s.a->stride + c], 2);
                assert_true(moments_of(s.a, j, c)->encoder_second[c % LAM_COLUMN_TILE] == 0);
            }
            assert_near("encoder", j, sqrt(squares), 0.2 * norm / living, 1e-5);
            assert_near("decoder", j, sqrt(decoder), 1, 1e-5);
            assert_true(s.a->encoder_bias.value[j] == 0 && s.a->since_active[j] == 0);
        }
        s.a->options.kind = LAM_AUTOENCODER_RELU; // without rivals and thresholds, all answer
        encode(&s);
        int64_t answering = 0;
        for (int64_t j = 40; j < LATENTS; j++)
            for (int64_t i = 0; i < COUNT; i++)
                if (s.z[i * LATENTS + j] > 0) {
                    answering++;
                    break;
                }
        assert_int_equal(answering, LATENTS - 40);
        s.a->options.kind = (lam_autoencoder_kind)kind;
        end(&s);
    }
}

static void test_learning_rate(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_autoencoder_options options = lam_autoencoder_defaults(4);
    options.warmup = 0.4, options.decay = 0.3, options.adam.beta1 = 0;
    lam_autoencoder *a = make_autoencoder(&options, &arena);
    a->total_steps = 10;
    static const double shares[] = {0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 2.0 / 3, 1.0 / 3};
    for (int64_t step = 0; step < 10; step++) {
        a->position.steps = step;
        assert_near("rate", step, (double)lam_autoencoder_rates(a).step, shares[step] * 1e-3, 1e-9);
    }
    lam_arena_destroy(&arena);
}

static void test_unit_decoder(void **state) {
    (void)state;
    for (int kind = LAM_AUTOENCODER_RELU; kind <= LAM_AUTOENCODER_GATED; kind++) {
        scene s;
        lam_autoencoder_options options = options_of((lam_autoencoder_kind)kind);
        options.unit_decoder = true;
        begin(&s, &options);
        train(&s);
        for (int64_t j = 0; j < LATENTS; j++) {
            double squares = 0;
            for (int c = 0; c < WIDTH; c++)
                squares += pow((double)s.a->decoder[j * s.a->stride + c], 2);
            assert_near("norm", j, squares, 1, 1e-6);
        }
        end(&s);
    }
}

// Rows that are not finite end the training of every kind before a weight changes; rows that are
// all zero do no harm.
static void test_hostile_rows(void **state) {
    (void)state;
    for (int kind = LAM_AUTOENCODER_RELU; kind <= LAM_AUTOENCODER_GATED; kind++)
        for (int zero = 0; zero < 2; zero++) {
            scene s;
            lam_error error;
            curve_memory memory;
            lam_autoencoder_measures m;
            lam_autoencoder_options options = options_of((lam_autoencoder_kind)kind);
            options.unit_decoder = true, options.resample = 1;
            begin(&s, &options);
            if (zero)
                memset(s.rows, 0, (size_t)COUNT * WIDTH * sizeof(float));
            else
                s.rows[77] = NAN;
            succeed(
                lam_autoencoder_train(s.a, s.rows, COUNT, 6, 1, NULL, make_curves(&memory), &error),
                &error);
            assert_int_equal(memory.curves.status,
                             zero ? LAM_AUTOENCODER_TRAINED : LAM_AUTOENCODER_DIVERGED);
            for (int64_t i = 0; i < LATENTS * s.a->stride; i++)
                assert_true(isfinite(s.a->encoder[i]) && isfinite(s.a->decoder[i]));
            succeed(lam_autoencoder_measure(s.a, s.rows, COUNT, &m, &error), &error);
            assert_true(zero ? isfinite(m.mse) : m.flags == LAM_MEASURE_NOT_FINITE);
            end(&s);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_topk),         cmocka_unit_test(test_fewer_than_k),
        cmocka_unit_test(test_ties),         cmocka_unit_test(test_batchtopk),
        cmocka_unit_test(test_jumprelu),     cmocka_unit_test(test_second_loss),
        cmocka_unit_test(test_resample),     cmocka_unit_test(test_learning_rate),
        cmocka_unit_test(test_unit_decoder), cmocka_unit_test(test_hostile_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
