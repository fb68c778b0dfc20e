// Seconds an epoch of the standard autoencoder, by matrix products alone and as it chooses by
// itself, in alternation, at several densities of active latents.
//
//     bench_autoencoder [rows [width [latents [batch [epochs]]]]]
//
// Rows have a falling spectrum and sparse factors, as a layer's activations do. A density is set by
// the encoder's bias before each epoch, whatever training would have made of it.
#include "src/autoencoder.h"
#include "src/product.h"
#include "src/random.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct size {
    int64_t rows, width, latents, batch, epochs;
} size;

static float *make_rows(const size *s) {
    const int64_t factors = s->width < 256 ? s->width : 256;
    float *rows = calloc((size_t)(s->rows * s->width), sizeof *rows);
    float *basis = malloc((size_t)(factors * s->width) * sizeof *basis);
    float *factor = malloc((size_t)(s->rows * factors) * sizeof *factor);
    if (!rows || !basis || !factor) return NULL;
    lam_random random = lam_random_key(1, LAM_RANDOM_SYNTH, 0, 1);
    lam_random_fill_normal(&random, 0, factors * s->width, 1, basis);
    random = lam_random_key(1, LAM_RANDOM_SYNTH, 0, 2);
    lam_random_fill_normal(&random, 0, s->rows * factors, 1, factor);
    for (int64_t i = 0; i < s->rows * factors; i++) { // the first few always, the others at times
        const int64_t f = i % factors;
        factor[i] =
            (f < 8 ? factor[i] : fmaxf(factor[i] - 1.2f, 0)) * 0.6f / sqrtf(1 + 0.1f * (float)f);
    }
    lam_error error;
    lam_product product = {.m = s->rows, .n = s->width, .k = factors, .alpha = 1};
    product.a = factor, product.a_stride = factors;
    product.b = basis, product.b_stride = s->width;
    product.c = rows, product.c_stride = s->width;
    const lam_code code = lam_product_run(&product, &error);
    free(basis);
    free(factor);
    return code == LAM_OK ? rows : NULL;
}

typedef struct timing {
    double seconds, density;
} timing;

// One epoch from the start with that bias.
static timing time_epoch(lam_autoencoder *a, const size *s, const float *rows, float bias,
                         double sparse_share) {
    double curve[3];
    lam_autoencoder_curves curves = {.loss = curve, .mse = curve + 1, .density = curve + 2};
    lam_error error;
    lam_autoencoder_start(a, rows, s->rows, 1, 0);
    for (int64_t j = 0; j < s->latents; j++) a->encoder_bias.value[j] = bias;
    a->options.sparse_share = sparse_share;
    const double before = omp_get_wtime();
    const lam_code code = lam_autoencoder_train(a, rows, s->rows, 1, 0, NULL, &curves, &error);
    if (code != LAM_OK) fprintf(stderr, "%s\n", error.text);
    return (timing){omp_get_wtime() - before, curve[2]};
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int64_t count) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

int main(int argc, char **argv) {
    size s = {10230, 768, 3072, 1024, 5};
    int64_t *const fields[] = {&s.rows, &s.width, &s.latents, &s.batch, &s.epochs};
    for (int i = 1; i < argc && i <= 5; i++) *fields[i - 1] = strtoll(argv[i], NULL, 10);
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder_options options = lam_autoencoder_defaults(s.width);
    options.latents = s.latents, options.batch = s.batch, options.epochs = 1;
    const double share = options.sparse_share;
    lam_autoencoder *a;
    if (lam_autoencoder_create(&a, &options, &lam_team_alone, &arena, &error) != LAM_OK) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    float *rows = s.epochs > 0 ? make_rows(&s) : NULL;
    double *seconds[2] = {malloc((size_t)s.epochs * sizeof(double)),
                          malloc((size_t)s.epochs * sizeof(double))};
    if (!rows || !seconds[0] || !seconds[1]) return 1;
    printf("%lld rows, %lld -> %lld, batch %lld, %d threads, %s, %.1f MB\n", (long long)s.rows,
           (long long)s.width, (long long)s.latents, (long long)s.batch, omp_get_max_threads(),
           lam_product_name(), (double)arena.used / 1e6);
    printf("density  products  chosen  (seconds an epoch, median of %lld)\n", (long long)s.epochs);
    static const float biases[] = {0, -1, -2, -3, -4, -5, -7};
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++) {
        timing last = {0};
        for (int64_t e = 0; e < s.epochs; e++) {
            seconds[0][e] = time_epoch(a, &s, rows, biases[i], 0).seconds;
            last = time_epoch(a, &s, rows, biases[i], share);
            seconds[1][e] = last.seconds;
        }
        printf("%7.4f  %8.3f  %6.3f\n", last.density, median(seconds[0], s.epochs),
               median(seconds[1], s.epochs));
    }
    free(rows);
    free(seconds[0]);
    free(seconds[1]);
    lam_arena_destroy(&arena);
    return 0;
}
