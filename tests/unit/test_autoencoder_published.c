// The published autoencoder against its golden case and plain loops in double precision.
#include "autoencoder_fixture.h"

#include "src/autoencoder_published.h"
#include "src/autoencoder_state.h"

static lam_published *make_published(const lam_published_options *options, lam_arena *arena) {
    lam_error error;
    lam_published *p;
    const size_t before = arena->used;
    succeed(lam_published_create(&p, options, &lam_team_alone, arena, &error), &error);
    assert_int_equal(arena->used - before, lam_published_bytes(options, 1, omp_get_max_threads()));
    return p;
}

// 75 steps from the given weights: every loss, the weights at the end, and the measures. The bound
// is the oracle's own for single precision.
static void test_golden(void **state) {
    (void)state;
    lam_error error;
    lam_safetensors *file;
    succeed(lam_safetensors_open(golden_path("sae_published.safetensors"), &file, &error), &error);
    const lam_tensor *x = lam_safetensors_find(file, "x");
    const int64_t count = x->shape[0], width = x->shape[1];
    int64_t steps;
    double *values = golden(file, "x", NULL), *start = golden(file, "start", NULL);
    double *losses = golden(file, "losses", &steps), *end = golden(file, "end", NULL);
    double *density = golden(file, "density", NULL);
    double *density_activation = golden(file, "density_activation", NULL);

    lam_published_options options = lam_published_defaults(width);
    assert_int_equal(options.latents, lam_safetensors_find(file, "start")->shape[0]);
    options.epochs = steps;
    const int64_t size = options.latents * width;
    float *rows = malloc((size_t)(count * width) * sizeof *rows);
    for (int64_t i = 0; i < count * width; i++) rows[i] = (float)values[i];
    lam_arena arena = {0};
    lam_published *p = make_published(&options, &arena);
    for (int64_t i = 0; i < size; i++) p->weight.value[i] = (float)start[i];

    curve_memory memory;
    succeed(lam_published_train(p, rows, count, NULL, make_curves(&memory), &error), &error);
    assert_int_equal(memory.curves.status, LAM_AUTOENCODER_TRAINED);
    for (int64_t s = 0; s < steps; s++)
        assert_near("loss", s, memory.values[0][s], losses[s], 1e-3 * losses[s]);
    assert_true(memory.curves.last_loss == memory.values[0][steps - 1]);
    double *got = malloc((size_t)size * sizeof *got);
    for (int64_t i = 0; i < size; i++) got[i] = (double)p->weight.value[i];
    assert_all_near("end", size, got, end, 1e-3);
    lam_autoencoder_measures m;
    succeed(lam_published_measure(p, rows, count, &m, &error), &error);
    assert_near("density", 0, 100 * m.density, *density, 1e-3 * *density); // there in percent
    assert_near("density_activation", 0, m.density_activation, *density_activation,
                1e-3 * *density_activation);
    assert_int_equal(m.flags, 0);
    free(got);
    free(rows);
    free(values);
    free(start);
    free(losses);
    free(end);
    free(density);
    free(density_activation);
    lam_safetensors_close(file);
    lam_arena_destroy(&arena);
}

// ---------------------------------------------------------------- plain loops

static int descending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

// The loss, and with which latents kept; those are given where kept is not NULL.
static double plain_loss(const lam_published *p, const double *weight, const float *rows,
                         int64_t count, bool *kept, bool given, double *active) {
    const int64_t width = p->options.width, latents = p->options.latents;
    double *z = malloc((size_t)latents * sizeof *z), *sorted = malloc((size_t)latents * sizeof *z);
    double squares = 0, sum = 0;
    *active = 0;
    for (int64_t i = 0; i < count; i++) {
        const float *x = rows + i * width;
        bool *keep = kept + i * latents;
        for (int64_t j = 0; j < latents; j++) {
            z[j] = 0;
            for (int64_t c = 0; c < width; c++) z[j] += weight[j * width + c] * (double)x[c];
            z[j] = z[j] > 0 ? z[j] : 0;
        }
        memcpy(sorted, z, (size_t)latents * sizeof *z);
        qsort(sorted, (size_t)latents, sizeof *z, descending);
        for (int64_t j = 0; j < latents; j++) {
            if (!given) keep[j] = z[j] > 0 && z[j] >= sorted[p->options.kept - 1];
            if (!keep[j]) z[j] = 0;
            sum += z[j];
            *active += z[j] > 0;
        }
        for (int64_t c = 0; c < width; c++) {
            double y = 0;
            for (int64_t j = 0; j < latents; j++) y += z[j] * weight[j * width + c];
            squares += (y - (double)x[c]) * (y - (double)x[c]);
        }
    }
    free(z);
    free(sorted);
    return squares / (double)(count * width) + sum / (double)(count * latents);
}

// The gradient (a tenth of it is Adam's first mean after one step) against finite differences.
static void check_gradient(int64_t width, int64_t latents, int64_t keep, int64_t count) {
    float *rows = make_rows(count, width, 2);
    lam_arena arena = {0};
    lam_error error;
    lam_published_options options = lam_published_defaults(width);
    options.latents = latents, options.kept = keep;
    lam_published *p = make_published(&options, &arena);
    lam_published_start(p, 4, 1);
    double *weight = malloc((size_t)(latents * width) * sizeof *weight);
    bool *kept = calloc((size_t)(count * latents), sizeof *kept);
    for (int64_t i = 0; i < latents * width; i++) weight[i] = (double)p->weight.value[i];
    double active, other;
    const double loss = plain_loss(p, weight, rows, count, kept, false, &active);
    lam_autoencoder_trace trace;
    bool stopped;
    succeed(lam_published_step(p, rows, count, NULL, &trace, &stopped, &error), &error);
    assert_false(stopped);
    assert_near("loss", 0, trace.loss, loss, 1e-5 * loss);
    assert_near("density", 0, trace.density, active / (double)(count * latents), 1e-4);
    for (int pick = 0; pick < 12; pick++) {
        const int64_t i = pick * 131 % (latents * width);
        const double step = 1e-5, at = weight[i];
        weight[i] = at + step;
        const double above = plain_loss(p, weight, rows, count, kept, true, &other);
        weight[i] = at - step;
        const double below = plain_loss(p, weight, rows, count, kept, true, &other);
        weight[i] = at;
        const double slope = (above - below) / (2 * step);
        assert_near("W", i, (double)p->weight.first[i] * 10, slope, 2e-4 * fabs(slope) + 2e-7);
    }
    free(weight);
    free(kept);
    free(rows);
    lam_arena_destroy(&arena);
}

static void test_gradients(void **state) {
    (void)state;
    check_gradient(1, 1, 1, 1);
    check_gradient(30, 60, 20, 50);
    check_gradient(17, 41, 1, 9);
    check_gradient(17, 41, 41, 9);
    check_gradient(20, 48, 3, 1100); // several pieces, the last one ragged
}

// ---------------------------------------------------------------- the largest of a row

// Rows that are columns of the identity, so that z is what the weights say.
static void check_kept(const float *z, int64_t latents, int64_t keep, const bool *stays) {
    lam_arena arena = {0};
    lam_error error;
    lam_published_options options = lam_published_defaults(1);
    options.latents = latents, options.kept = keep;
    lam_published *p = make_published(&options, &arena);
    memcpy(p->weight.value, z, (size_t)latents * sizeof *z);
    const float row = 1;
    lam_autoencoder_measures m;
    succeed(lam_published_measure(p, &row, 1, &m, &error), &error);
    for (int64_t j = 0; j < latents; j++)
        if (p->piece[0].values[j] != (stays[j] ? z[j] : 0))
            fail_msg("entry %lld of %lld, %lld kept: %g became %g", (long long)j,
                     (long long)latents, (long long)keep, (double)z[j],
                     (double)p->piece[0].values[j]);
    lam_arena_destroy(&arena);
}

// Against sorting, with ties, zeros, negative numbers, and neighbours in the last bit.
static void test_largest_stay(void **state) {
    (void)state;
    enum { LATENTS = 300 };
    for (int kind = 0; kind < 5; kind++) {
        float z[LATENTS];
        lam_random random = lam_random_key((uint64_t)kind, LAM_RANDOM_SYNTH, 5, 0);
        for (uint64_t j = 0; j < LATENTS; j++) {
            const float normal = lam_random_normal(&random, j);
            z[j] = kind == 0   ? normal
                   : kind == 1 ? rintf(normal * 2)                 // many ties
                   : kind == 2 ? nextafterf(1, normal)             // two neighbouring values
                   : kind == 3 ? ldexpf(1, (int)(normal * 40))     // all sizes
                               : (j % 3 ? -1 : 0) * fabsf(normal); // nothing above 0
        }
        double sorted[LATENTS];
        for (int j = 0; j < LATENTS; j++) sorted[j] = z[j] > 0 ? (double)z[j] : 0;
        qsort(sorted, LATENTS, sizeof *sorted, descending);
        for (int64_t keep = 1; keep <= LATENTS; keep += keep < 10 ? 1 : 29) {
            bool stays[LATENTS];
            for (int j = 0; j < LATENTS; j++)
                stays[j] = z[j] > 0 && (double)z[j] >= sorted[keep - 1];
            check_kept(z, LATENTS, keep, stays);
        }
    }
}

// ---------------------------------------------------------------- bits and limits

static void train_with(int threads, const float *rows, int64_t count, const float **weights,
                       curve_memory *memory, lam_autoencoder_measures *m, lam_arena *arena) {
    lam_error error;
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    lam_published_options options = lam_published_defaults(90);
    options.epochs = 3;
    lam_published *p = make_published(&options, arena);
    lam_published_start(p, 8, 2);
    *memory = (curve_memory){0};
    succeed(lam_published_train(p, rows, count, NULL, make_curves(memory), &error), &error);
    succeed(lam_published_measure(p, rows, count, m, &error), &error);
    *weights = p->weight.value;
    omp_set_num_threads(before);
}

static void test_threads(void **state) {
    (void)state;
    enum { COUNT = 700 };
    float *rows = make_rows(COUNT, 90, 3);
    lam_arena arena = {0};
    const float *one, *more;
    curve_memory one_memory, memory;
    lam_autoencoder_measures one_measures, measures;
    train_with(1, rows, COUNT, &one, &one_memory, &one_measures, &arena);
    assert_true(one_memory.values[0][2] < one_memory.values[0][0]);
    for (int threads = 2; threads <= 4; threads++) {
        train_with(threads, rows, COUNT, &more, &memory, &measures, &arena);
        assert_memory_equal(one, more, 90 * 180 * sizeof *one);
        assert_memory_equal(one_memory.values, memory.values, sizeof memory.values);
        assert_memory_equal(&one_measures, &measures, sizeof measures);
    }
    free(rows);
    lam_arena_destroy(&arena);
}

static bool stop_every_third(void *state, const lam_autoencoder_position *position) {
    (void)position;
    return ++*(int *)state % 3 != 0;
}

// Stopped within a step, nothing of it has happened: the whole ends in the same weights.
static void test_stops_and_goes_on(void **state) {
    (void)state;
    enum { COUNT = 1200, WIDTH = 12, EPOCHS = 4 };
    float *rows = make_rows(COUNT, WIDTH, 3);
    lam_arena arena = {0};
    lam_error error;
    lam_published_options options = lam_published_defaults(WIDTH);
    options.epochs = EPOCHS;
    lam_published *whole = make_published(&options, &arena);
    lam_published *pieces = make_published(&options, &arena);
    lam_published_start(whole, 8, 2);
    lam_published_start(pieces, 8, 2);
    curve_memory a, b;
    int calls = 0, stops = -1;
    lam_autoencoder_progress progress = {stop_every_third, &calls};
    succeed(lam_published_train(whole, rows, COUNT, NULL, make_curves(&a), &error), &error);
    make_curves(&b);
    do {
        stops++;
        succeed(lam_published_train(pieces, rows, COUNT, &progress, &b.curves, &error), &error);
    } while (b.curves.status == LAM_AUTOENCODER_STOPPED && stops < 100);
    assert_true(stops > 0 && stops < 100);
    assert_int_equal(pieces->position.epoch, EPOCHS);
    assert_memory_equal(whole->weight.value, pieces->weight.value,
                        2 * WIDTH * WIDTH * sizeof(float));
    for (int e = 0; e < EPOCHS; e++) assert_true(a.values[0][e] == b.values[0][e]);
    free(rows);
    lam_arena_destroy(&arena);
}

// What was kept within a step, put into another one: the whole ends in the same bits.
static void test_kept(void **state) {
    (void)state;
    enum { COUNT = 1200, WIDTH = 160, EPOCHS = 4, LATENTS = 2 * WIDTH };
    float *rows = make_rows(COUNT, WIDTH, 3);
    lam_arena arena = {0};
    lam_error error;
    lam_published_options options = lam_published_defaults(WIDTH);
    options.epochs = EPOCHS;
    lam_published *whole = make_published(&options, &arena);
    curve_memory memory[2];
    lam_published_start(whole, 8, 2);
    succeed(lam_published_train(whole, rows, COUNT, NULL, make_curves(&memory[0]), &error), &error);

    int calls = 0;
    lam_autoencoder_progress progress = {stop_every_third, &calls};
    lam_training now = {.published = make_published(&options, &arena),
                        .curves = make_curves(&memory[1])};
    lam_published_start(now.published, 8, 2);
    while (true) {
        succeed(lam_published_train(now.published, rows, COUNT, &progress, now.curves, &error),
                &error);
        if (now.curves->status != LAM_AUTOENCODER_STOPPED) break;
        curve_memory other;
        lam_training next = {.published = make_published(&options, &arena),
                             .curves = make_curves(&other)};
        const lam_state from = lam_training_state(&now), to = lam_training_state(&next);
        assert_int_equal(from.blocks, 2);
        for (int64_t block = LAM_STATE_COMMON; block < from.blocks; block++) {
            const size_t bytes = from.copy(from.of, block, NULL, false);
            char *between = malloc(bytes);
            assert_int_equal(from.copy(from.of, block, between, false), bytes);
            assert_int_equal(to.copy(to.of, block, between, true), bytes);
            free(between);
        }
        memory[1] = other;
        now = next;
        now.curves = make_curves(&memory[1]);
    }
    assert_int_equal(calls, EPOCHS * 3 - 1 + (EPOCHS * 3 - 1) / 2 / 3);
    assert_memory_equal(whole->weight.value, now.published->weight.value,
                        LATENTS * WIDTH * sizeof(float));
    for (int e = 0; e < EPOCHS; e++) assert_true(memory[0].values[0][e] == memory[1].values[0][e]);
    free(rows);
    lam_arena_destroy(&arena);
}

static void test_limits(void **state) {
    (void)state;
    enum { WIDTH = 9, COUNT = 40 };
    float *rows = make_rows(COUNT, WIDTH, 3);
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder_measures m;
    curve_memory memory;
    lam_published_options options = lam_published_defaults(WIDTH);
    options.epochs = 5;
    lam_published *p = make_published(&options, &arena);
    lam_published_start(p, 1, 0);
    assert_int_equal(lam_published_train(p, rows, 0, NULL, make_curves(&memory), &error),
                     LAM_INPUT);
    assert_int_equal(lam_published_measure(p, rows, 0, &m, &error), LAM_INPUT);

    rows[17] = NAN;
    succeed(lam_published_train(p, rows, COUNT, NULL, make_curves(&memory), &error), &error);
    assert_int_equal(memory.curves.status, LAM_AUTOENCODER_DIVERGED);
    assert_int_equal(p->position.steps, 0);
    for (int64_t i = 0; i < 2 * WIDTH * WIDTH; i++) assert_true(isfinite(p->weight.value[i]));
    succeed(lam_published_measure(p, rows, COUNT, &m, &error), &error);
    assert_int_equal(m.flags, LAM_MEASURE_NOT_FINITE);

    memset(rows, 0, COUNT * WIDTH * sizeof *rows);
    succeed(lam_published_train(p, rows, COUNT, NULL, make_curves(&memory), &error), &error);
    assert_int_equal(memory.curves.status, LAM_AUTOENCODER_TRAINED);
    assert_true(memory.curves.last_loss == 0);
    succeed(lam_published_measure(p, rows, COUNT, &m, &error), &error);
    assert_int_equal(m.flags,
                     LAM_MEASURE_NO_VARIANCE | LAM_MEASURE_NO_DIRECTION | LAM_MEASURE_FLAT);
    free(rows);
    lam_arena_destroy(&arena);
}

static void refuse(lam_published_options options, const char *part) {
    lam_arena arena = {0};
    lam_error error;
    lam_published *p;
    assert_int_equal(lam_published_create(&p, &options, &lam_team_alone, &arena, &error),
                     LAM_USAGE);
    assert_non_null(strstr(error.text, part));
    assert_int_equal(lam_published_bytes(&options, 1, 1), 0);
    lam_arena_destroy(&arena);
}

static void test_options(void **state) {
    (void)state;
    lam_published_options o = lam_published_defaults(10);
    assert_true(o.latents == 20 && o.kept == 6);
    o.width = 0, refuse(o, "width 0"), o = lam_published_defaults(10);
    o.latents = 0, refuse(o, "sae.latents is 0"), o = lam_published_defaults(10);
    o.kept = 0, refuse(o, "0 of 20"), o = lam_published_defaults(10);
    o.kept = 21, refuse(o, "21 of 20"), o = lam_published_defaults(10);
    o.epochs = -1, refuse(o, "sae.epochs"), o = lam_published_defaults(10);
    o.adam.beta1 = 1, refuse(o, "betas");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_largest_stay),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_stops_and_goes_on),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
