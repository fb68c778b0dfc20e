// The standard autoencoder against golden cases and plain loops in double precision.
#include "autoencoder_fixture.h"

#include "src/autoencoder_work.h"

// ---------------------------------------------------------------- the plain reference

// Weights as doubles: encoder and decoder [latents, width].
typedef struct plain {
    int64_t width, latents;
    double l1;
    double *encoder, *decoder, *encoder_bias, *decoder_bias;
} plain;

static plain plain_of(const lam_autoencoder *a) {
    const int64_t width = a->options.width, latents = a->options.latents;
    plain p = {width, latents, a->options.l1, 0, 0, 0, 0};
    p.encoder = malloc((size_t)(latents * width) * sizeof(double));
    p.decoder = malloc((size_t)(latents * width) * sizeof(double));
    p.encoder_bias = malloc((size_t)latents * sizeof(double));
    p.decoder_bias = malloc((size_t)width * sizeof(double));
    for (int64_t j = 0; j < latents; j++) {
        p.encoder_bias[j] = (double)a->encoder_bias.value[j];
        for (int64_t c = 0; c < width; c++) {
            p.encoder[j * width + c] = (double)a->encoder[j * a->stride + c];
            p.decoder[j * width + c] = (double)a->decoder[j * a->stride + c];
        }
    }
    for (int64_t c = 0; c < width; c++) p.decoder_bias[c] = (double)a->decoder_bias.value[c];
    return p;
}

static void plain_free(plain *p) {
    free(p->encoder);
    free(p->decoder);
    free(p->encoder_bias);
    free(p->decoder_bias);
}

// z [latents] and y [width] of one row.
static void plain_forward(const plain *p, const float *x, double *z, double *y) {
    for (int64_t c = 0; c < p->width; c++) y[c] = p->decoder_bias[c];
    for (int64_t j = 0; j < p->latents; j++) {
        double sum = p->encoder_bias[j];
        for (int64_t c = 0; c < p->width; c++)
            sum += p->encoder[j * p->width + c] * ((double)x[c] - p->decoder_bias[c]);
        z[j] = sum > 0 ? sum : 0;
        for (int64_t c = 0; c < p->width; c++) y[c] += z[j] * p->decoder[j * p->width + c];
    }
}

static lam_autoencoder_trace plain_loss(const plain *p, const float *rows, const int64_t *index,
                                        int64_t count) {
    double *z = malloc((size_t)p->latents * sizeof *z), *y = malloc((size_t)p->width * sizeof *y);
    double squares = 0, sum = 0, active = 0;
    for (int64_t i = 0; i < count; i++) {
        const float *x = rows + index[i] * p->width;
        plain_forward(p, x, z, y);
        for (int64_t c = 0; c < p->width; c++)
            squares += (y[c] - (double)x[c]) * (y[c] - (double)x[c]);
        for (int64_t j = 0; j < p->latents; j++) {
            sum += z[j];
            active += z[j] > 0;
        }
    }
    free(z);
    free(y);
    lam_autoencoder_trace trace = {.mse = squares / (double)(count * p->width),
                                   .density = active / (double)(count * p->latents)};
    trace.loss = trace.mse + p->l1 * sum / (double)count;
    return trace;
}

// The loss's derivative by one weight, from its values a little to both sides.
static double plain_slope(const plain *p, double *weight, const float *rows, const int64_t *index,
                          int64_t count) {
    const double step = 1e-6, at = *weight;
    *weight = at + step;
    const double above = plain_loss(p, rows, index, count).loss;
    *weight = at - step;
    const double below = plain_loss(p, rows, index, count).loss;
    *weight = at;
    return (above - below) / (2 * step);
}

// ---------------------------------------------------------------- golden

typedef struct golden_case {
    lam_safetensors *file;
    float *rows;
    double *order;
    int64_t count, width, latents, batch, steps;
    double hyper[5]; // l1, rate, beta1, beta2, epsilon
} golden_case;

static golden_case open_golden(void) {
    golden_case g = {0};
    lam_error error;
    succeed(lam_safetensors_open(golden_path("sae.safetensors"), &g.file, &error), &error);
    const lam_tensor *x = lam_safetensors_find(g.file, "x");
    const lam_tensor *order = lam_safetensors_find(g.file, "order");
    g.count = x->shape[0], g.width = x->shape[1];
    g.steps = order->shape[0], g.batch = order->shape[1];
    g.latents = lam_safetensors_find(g.file, "start.w_enc")->shape[0];
    double *values = golden(g.file, "x", NULL), *hyper = golden(g.file, "hyper", NULL);
    memcpy(g.hyper, hyper, sizeof g.hyper);
    g.rows = malloc((size_t)(g.count * g.width) * sizeof *g.rows);
    for (int64_t i = 0; i < g.count * g.width; i++) g.rows[i] = (float)values[i];
    g.order = golden(g.file, "order", NULL);
    free(values);
    free(hyper);
    return g;
}

static void set_weights(lam_autoencoder *a, const golden_case *g) {
    double *encoder = golden(g->file, "start.w_enc", NULL);
    double *decoder = golden(g->file, "start.w_dec", NULL); // [width, latents]
    double *encoder_bias = golden(g->file, "start.b_enc", NULL);
    double *decoder_bias = golden(g->file, "start.b_dec", NULL);
    for (int64_t j = 0; j < g->latents; j++) {
        a->encoder_bias.value[j] = (float)encoder_bias[j];
        for (int64_t c = 0; c < g->width; c++) {
            a->encoder[j * a->stride + c] = (float)encoder[j * g->width + c];
            a->decoder[j * a->stride + c] = (float)decoder[c * g->latents + j];
        }
    }
    for (int64_t c = 0; c < g->width; c++) a->decoder_bias.value[c] = (float)decoder_bias[c];
    free(encoder);
    free(decoder);
    free(encoder_bias);
    free(decoder_bias);
}

static void compare_end(const lam_autoencoder *a, const golden_case *g) {
    plain p = plain_of(a);
    double *encoder = golden(g->file, "end.w_enc", NULL);
    double *decoder = golden(g->file, "end.w_dec", NULL);
    double *turned = malloc((size_t)(g->width * g->latents) * sizeof *turned);
    for (int64_t j = 0; j < g->latents; j++)
        for (int64_t c = 0; c < g->width; c++)
            turned[j * g->width + c] = decoder[c * g->latents + j];
    double *encoder_bias = golden(g->file, "end.b_enc", NULL);
    double *decoder_bias = golden(g->file, "end.b_dec", NULL);
    assert_all_near("end.w_enc", g->latents * g->width, p.encoder, encoder, 1e-3);
    assert_all_near("end.w_dec", g->latents * g->width, p.decoder, turned, 1e-3);
    assert_all_near("end.b_enc", g->latents, p.encoder_bias, encoder_bias, 1e-3);
    assert_all_near("end.b_dec", g->width, p.decoder_bias, decoder_bias, 1e-3);
    free(encoder);
    free(decoder);
    free(turned);
    free(encoder_bias);
    free(decoder_bias);
    plain_free(&p);
}

static void compare_measures(lam_autoencoder *a, const golden_case *g) {
    lam_error error;
    lam_autoencoder_measures m;
    succeed(lam_autoencoder_measure(a, g->rows, g->count, &m, &error), &error);
    static const char *const names[] = {"density", "mse", "fvu"};
    const double got[] = {m.density, m.mse, m.fvu};
    for (int i = 0; i < 3; i++) {
        double *want = golden(g->file, names[i], NULL);
        assert_near(names[i], 0, got[i], *want, 1e-3 * fabs(*want));
        free(want);
    }
    assert_int_equal(m.flags, 0);
}

// 200 steps in the given order: every step's loss, mse and density, the weights at the end, and the
// measures. The bound is the oracle's own for single precision.
static void test_golden(void **state) {
    (void)state;
    golden_case g = open_golden();
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder_options options = lam_autoencoder_defaults(g.width);
    options.latents = g.latents, options.batch = g.batch, options.l1 = g.hyper[0];
    options.adam = (lam_adam){g.hyper[1], g.hyper[2], g.hyper[3], g.hyper[4]};
    lam_autoencoder *a = make_autoencoder(&options, &arena);
    set_weights(a, &g);
    double *trace = golden(g.file, "trace", NULL);
    int64_t *index = malloc((size_t)g.batch * sizeof *index);
    // A latent within rounding of 0 may fall on either side: one of a batch's values is allowed.
    const double one = 1 / (double)(g.batch * g.latents);
    for (int64_t s = 0; s < g.steps; s++) {
        for (int64_t i = 0; i < g.batch; i++) index[i] = (int64_t)g.order[s * g.batch + i];
        lam_autoencoder_trace got;
        succeed(lam_autoencoder_step(a, g.rows, index, g.batch, &got, &error), &error);
        const double *want = trace + 3 * s;
        assert_near("loss", s, got.loss, want[0], 1e-3 * want[0]);
        assert_near("mse", s, got.mse, want[1], 1e-3 * want[1]);
        assert_near("density", s, got.density, want[2], 1e-3 * want[2] + 1.01 * one);
    }
    compare_end(a, &g);
    compare_measures(a, &g);
    free(trace);
    free(index);
    free(g.rows);
    free(g.order);
    lam_safetensors_close(g.file);
    lam_arena_destroy(&arena);
}

// ---------------------------------------------------------------- gradients

typedef enum paths { PRODUCTS, LISTS, BOTH } paths;

typedef struct shape {
    int64_t width, latents, count;
    double sparse_share;
    float bias;  // of the encoder: the lower, the fewer latents are active
    paths paths; // that the batch takes
} shape;

// Widths and latents that fill tiles, parts and blocks and that do not; batches of one row, less
// than a piece, and several pieces; lists, products, and both in one batch.
static const shape shapes[] = {
    {24, 64, 32, 0, 0, PRODUCTS},       {24, 64, 32, 1, -0.6f, LISTS},
    {1, 1, 1, 0, 0, PRODUCTS},          {7, 3, 5, 1, -0.5f, LISTS},
    {64, 256, 512, 0, 0, PRODUCTS},     {64, 256, 512, 1, -1, LISTS},
    {130, 300, 33, 0, 0, PRODUCTS},     {130, 300, 33, 1, -1, LISTS},
    {37, 700, 530, 0, -0.5f, PRODUCTS}, {37, 700, 530, 1, -0.9f, LISTS},
    {192, 513, 16, 1, -1, LISTS},       {450, 40, 17, 0, 0, PRODUCTS},
    {450, 40, 17, 1, -1, LISTS},        {20, 800, 700, 0.28, -0.6f, BOTH},
    {80, 300, 1100, 0.27, -0.6f, BOTH}, {16, 2000, 40, 0.2, -0.55f, BOTH},
};

static paths paths_of(const lam_autoencoder *a) {
    int64_t lists = 0;
    const int64_t pieces = a->own_blocks * a->work->pieces;
    for (int64_t i = 0; i < pieces; i++) lists += a->work->path[0].piece[i].sparse;
    return lists == 0 ? PRODUCTS : lists == pieces ? LISTS : BOTH;
}

static lam_autoencoder *start_shape(const shape *s, const float *rows, lam_arena *arena) {
    lam_autoencoder_options options = lam_autoencoder_defaults(s->width);
    options.latents = s->latents, options.batch = s->count, options.l1 = 0.02;
    options.sparse_share = s->sparse_share;
    lam_autoencoder *a = make_autoencoder(&options, arena);
    lam_autoencoder_start(a, rows, s->count, 5, 3);
    lam_random random = lam_random_key(9, LAM_RANDOM_SYNTH, 3, 0);
    for (int64_t j = 0; j < s->latents; j++)
        a->encoder_bias.value[j] = s->bias * (1 + lam_random_uniform(&random, (uint64_t)j)) *
                                   (s->paths == BOTH && j / LAM_LATENT_BLOCK % 2 ? 2 : 1);
    for (int64_t c = 0; c < s->width; c++) // so that it is not the mean
        a->decoder_bias.value[c] += 0.1f * lam_random_normal(&random, (uint64_t)(5000000 + c));
    for (int64_t j = 0; j < s->latents; j++) // so that it is not the encoder's transpose
        for (int64_t c = 0; c < s->width; c++)
            a->decoder[j * a->stride + c] +=
                0.3f * lam_random_normal(&random, (uint64_t)(1000 + j * s->width + c));
    return a;
}

static int64_t *in_turn(int64_t count) {
    int64_t *index = malloc((size_t)count * sizeof *index);
    for (int64_t i = 0; i < count; i++) index[i] = count - 1 - i;
    return index;
}

// After Adam's first step, its first mean is a tenth of the gradient: compared with finite
// differences of the plain loss, at weights picked from every block and tile.
static void check_gradient(const shape *s) {
    float *rows = make_rows(s->count, s->width, 7);
    for (int64_t i = 0; s->paths == BOTH && i < s->count / 2 * s->width; i++) rows[i] *= 3;
    int64_t *index = in_turn(s->count);
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder *a = start_shape(s, rows, &arena);
    plain p = plain_of(a);
    lam_autoencoder_trace got, want = plain_loss(&p, rows, index, s->count);
    succeed(lam_autoencoder_step(a, rows, index, s->count, &got, &error), &error);
    assert_int_equal(paths_of(a), s->paths);
    assert_near("loss", 0, got.loss, want.loss, 1e-5 * want.loss);
    assert_near("mse", 0, got.mse, want.mse, 1e-5 * want.mse);
    assert_near("density", 0, got.density, want.density, 1e-4);

    // 1e-6 of a loss of the order of 1 is what the differences themselves are good for.
    const double bound = 2e-4, floor = 2e-7;
    const double work = (double)s->width * (double)s->latents * (double)s->count;
    const int picks = work > 1e7 ? 3 : work > 1e6 ? 8 : 24;
    for (int pick = 0; pick < picks; pick++) {
        const int64_t j = pick * 277 % s->latents, c = pick * 71 % s->width;
        const lam_moments *m = moments_of(a, j, c);
        const double slopes[] = {
            plain_slope(&p, &p.encoder[j * s->width + c], rows, index, s->count),
            plain_slope(&p, &p.decoder[j * s->width + c], rows, index, s->count),
            plain_slope(&p, &p.encoder_bias[j], rows, index, s->count),
            plain_slope(&p, &p.decoder_bias[c], rows, index, s->count)};
        const float firsts[] = {m->encoder_first[c % LAM_COLUMN_TILE],
                                m->decoder_first[c % LAM_COLUMN_TILE], a->encoder_bias.first[j],
                                a->decoder_bias.first[c]};
        static const char *const names[] = {"W_enc", "W_dec", "b_enc", "b_dec"};
        for (int i = 0; i < 4; i++)
            assert_near(names[i], j * 1000 + c, (double)firsts[i] * 10, slopes[i],
                        bound * fabs(slopes[i]) + floor);
    }
    plain_free(&p);
    free(rows);
    free(index);
    lam_arena_destroy(&arena);
}

static void test_gradients(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        print_message("width %lld, latents %lld, rows %lld, lists below %g\n",
                      (long long)shapes[i].width, (long long)shapes[i].latents,
                      (long long)shapes[i].count, shapes[i].sparse_share);
        check_gradient(&shapes[i]);
    }
}

// ---------------------------------------------------------------- lists and products

static lam_autoencoder *trained(const shape *s, const float *rows, int64_t count, double share,
                                lam_autoencoder_curves *curves, lam_arena *arena) {
    lam_error error;
    shape with = *s;
    with.sparse_share = share;
    lam_autoencoder *a = start_shape(&with, rows, arena);
    a->options.epochs = 3;
    succeed(lam_autoencoder_train(a, rows, count, 5, 3, NULL, curves, &error), &error);
    assert_int_equal(curves->status, LAM_AUTOENCODER_TRAINED);
    return a;
}

// The same training by lists, by products and by both: the order of additions differs, no more.
static void test_lists_and_products_agree(void **state) {
    (void)state;
    const shape s = {100, 600, 300, 0, -0.8f, PRODUCTS};
    const int64_t count = 700;
    float *rows = make_rows(count, s.width, 3);
    lam_arena arena = {0};
    static const double shares[] = {0, 0.07, 1};
    plain p[3];
    curve_memory memory[3];
    for (int i = 0; i < 3; i++)
        p[i] = plain_of(trained(&s, rows, count, shares[i], make_curves(&memory[i]), &arena));
    assert_true(memory[0].curves.density[2] > 0.02 && memory[0].curves.density[2] < 0.3);
    for (int i = 1; i < 3; i++) {
        assert_all_near("loss", 3, memory[i].curves.loss, memory[0].curves.loss, 1e-5);
        // Where a gradient is nearly 0, Adam's first steps turn its rounding into whole steps of
        // 1e-3: a few weights differ by one or two of them.
        assert_all_near("W_enc", s.latents * s.width, p[i].encoder, p[0].encoder, 5e-3);
        assert_all_near("W_dec", s.latents * s.width, p[i].decoder, p[0].decoder, 5e-3);
    }
    for (int i = 0; i < 3; i++) plain_free(&p[i]);
    free(rows);
    lam_arena_destroy(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_lists_and_products_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
