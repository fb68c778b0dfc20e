// Training on rows that come in buffers: which rows are taken when, what an epoch is, memory that
// is lent for a while.
#include "autoencoder_fixture.h"

enum { WIDTH = 24, BUFFERS = 3, ROWS = 300, EPOCHS = 2, BATCH = 64, LAYER = 5, SEED = 9 };

static lam_error error;
static float *rows; // [BUFFERS * ROWS, WIDTH]

// The last buffer is smaller.
static int64_t rows_of(int64_t buffer) {
    return buffer < BUFFERS - 1 ? ROWS : ROWS - 110;
}

static const float *buffer_of(int64_t buffer) {
    return rows + buffer * ROWS * WIDTH;
}

static lam_autoencoder_options options_of(int64_t buffers) {
    lam_autoencoder_options o = lam_autoencoder_defaults(WIDTH);
    o.latents = 300;
    o.batch = BATCH;
    o.epochs = EPOCHS;
    o.buffers = buffers;
    return o;
}

typedef struct trained {
    lam_arena arena;
    lam_autoencoder *a;
    double curve[3][EPOCHS], buffer[3][EPOCHS * BUFFERS];
    lam_autoencoder_curves curves;
} trained;

static void begin(trained *t, const lam_autoencoder_options *o, bool equipped) {
    *t = (trained){0};
    if (equipped)
        t->a = make_autoencoder(o, &t->arena);
    else
        succeed(lam_autoencoder_create_unequipped(&t->a, o, &lam_team_alone, &t->arena, &error),
                &error);
    t->curves = (lam_autoencoder_curves){.loss = t->curve[0],
                                         .mse = t->curve[1],
                                         .density = t->curve[2],
                                         .buffer_loss = t->buffer[0],
                                         .buffer_mse = t->buffer[1],
                                         .buffer_density = t->buffer[2]};
    succeed(lam_curves_begin(&t->curves, ROWS, 0, EPOCHS, &error), &error);
}

static bool stop_after(void *left, const lam_autoencoder_position *position) {
    (void)position;
    return --*(int *)left != 0;
}

// All buffers of all epochs; every: steps after which the training stops, to go on at once.
static void train(trained *t, bool lend, int every) {
    for (int64_t i = 0; i < EPOCHS * t->a->options.buffers; i++) {
        lam_arena work = {0};
        const int64_t buffer = i % t->a->options.buffers;
        if (lend) succeed(lam_autoencoder_equip(t->a, &work, &error), &error);
        if (i == 0) lam_autoencoder_start(t->a, buffer_of(0), rows_of(0), SEED, LAYER);
        const int64_t epoch = t->a->position.epoch, at = t->a->position.buffer;
        while (t->a->position.epoch == epoch && t->a->position.buffer == at) {
            int left = every;
            lam_autoencoder_progress progress = {stop_after, &left};
            t->curves.status = LAM_AUTOENCODER_TRAINED;
            succeed(lam_autoencoder_train_buffer(t->a, buffer_of(buffer), rows_of(buffer), SEED,
                                                 LAYER, every ? &progress : NULL, &t->curves,
                                                 &error),
                    &error);
        }
        lam_arena_destroy(&work);
    }
}

static void assert_same(const lam_autoencoder *a, const lam_autoencoder *b) {
    const size_t weights = (size_t)(a->own_latents * a->stride) * sizeof(float);
    assert_memory_equal(a->encoder, b->encoder, weights);
    assert_memory_equal(a->decoder, b->decoder, weights);
    assert_memory_equal(a->decoder_bias.value, b->decoder_bias.value,
                        (size_t)a->stride * sizeof(float));
    assert_int_equal(a->position.steps, b->position.steps);
}

// Every buffer's rows once an epoch, in a permutation of its number; its batches' means.
static void test_order(void **state) {
    (void)state;
    trained t, plain;
    const lam_autoencoder_options o = options_of(BUFFERS);
    begin(&t, &o, true);
    train(&t, false, 0);
    begin(&plain, &o, true);
    lam_autoencoder_start(plain.a, rows, ROWS, SEED, LAYER);
    for (int64_t e = 0, number = 0; e < EPOCHS; e++) {
        double epoch_loss = 0, batches = 0;
        for (int64_t b = 0; b < BUFFERS; b++, number++) {
            int64_t order[ROWS], count = 0;
            double loss = 0;
            bool seen[ROWS] = {0};
            lam_random random = lam_random_key(SEED, LAM_RANDOM_SAE_ORDER, LAYER, (uint32_t)number);
            lam_random_permutation(&random, rows_of(b), order);
            for (int64_t i = 0; i < rows_of(b); i++) {
                assert_false(seen[order[i]]);
                seen[order[i]] = true;
            }
            for (int64_t first = 0; first < rows_of(b); first += BATCH, count++) {
                lam_autoencoder_trace trace;
                const int64_t now = lam_least(rows_of(b) - first, BATCH);
                succeed(
                    lam_autoencoder_step(plain.a, buffer_of(b), order + first, now, &trace, &error),
                    &error);
                loss += trace.loss;
            }
            assert_true(t.curves.buffer_loss[number] == loss / (double)count);
            epoch_loss += loss;
            batches += (double)count;
        }
        assert_true(t.curves.loss[e] == epoch_loss / batches);
    }
    assert_same(t.a, plain.a);
    assert_int_equal(t.a->position.epoch, EPOCHS);
    assert_int_equal(t.a->position.buffer, 0);
    lam_arena_destroy(&t.arena);
    lam_arena_destroy(&plain.arena);
}

// One buffer is the training of rows that are all at hand.
static void test_one_buffer(void **state) {
    (void)state;
    trained t, whole;
    const lam_autoencoder_options o = options_of(1);
    begin(&t, &o, true);
    train(&t, false, 0);
    begin(&whole, &o, true);
    lam_autoencoder_start(whole.a, rows, ROWS, SEED, LAYER);
    succeed(
        lam_autoencoder_train(whole.a, rows, rows_of(0), SEED, LAYER, NULL, &whole.curves, &error),
        &error);
    assert_same(t.a, whole.a);
    assert_memory_equal(t.curve, whole.curve, sizeof t.curve);
    lam_arena_destroy(&t.arena);
    lam_arena_destroy(&whole.arena);
}

// Memory that is lent for a buffer, and a training that is stopped within it, leave the bits.
static void test_lent_and_stopped(void **state) {
    (void)state;
    static const lam_autoencoder_kind kinds[] = {LAM_AUTOENCODER_RELU, LAM_AUTOENCODER_BATCHTOPK,
                                                 LAM_AUTOENCODER_GATED};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        trained t, other;
        lam_autoencoder_options o = options_of(BUFFERS);
        o.kind = kinds[k];
        o.dead_after = 100;
        o.resample = 2;
        begin(&t, &o, true);
        train(&t, false, 0);
        begin(&other, &o, false);
        train(&other, true, 2);
        assert_same(t.a, other.a);
        assert_memory_equal(t.buffer, other.buffer, sizeof t.buffer);
        assert_true(other.arena.used < t.arena.used);
        lam_arena_destroy(&t.arena);
        lam_arena_destroy(&other.arena);
    }
}

static int make(void **state) {
    (void)state;
    rows = make_rows(BUFFERS * ROWS, WIDTH, 3);
    return rows ? 0 : -1;
}

static int drop(void **state) {
    (void)state;
    free(rows);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_one_buffer),
        cmocka_unit_test(test_lent_and_stopped),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
