// What the tests of the autoencoders share: rows like a layer's activations, golden tensors, and
// the loss and its gradient in double precision by plain loops.
#ifndef LAM_AUTOENCODER_FIXTURE_H
#define LAM_AUTOENCODER_FIXTURE_H

#include "fixture.h"

#include "io/safetensors.h"
#include "src/autoencoder.h"
#include "src/autoencoder_kernels.h"
#include "src/random.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// Fails the test with the error's text.
static inline void succeed(lam_code code, const lam_error *error) {
    if (code != LAM_OK) fail_msg("%s", error->text);
}

// Rows [count, width] of a few rectified factors of falling weight, on a common offset; their mean
// square is 1.
static inline float *make_rows(int64_t count, int64_t width, uint64_t seed) {
    const int64_t factors = width < 40 ? width : 40;
    float *rows = calloc((size_t)(count * width), sizeof *rows);
    float *factor = malloc((size_t)(count * factors) * sizeof *factor);
    float *basis = malloc((size_t)(factors * width) * sizeof *basis);
    lam_random random = lam_random_key(seed, LAM_RANDOM_SYNTH, 1, 0);
    lam_random_fill_normal(&random, 0, count * factors, 1, factor);
    random = lam_random_key(seed, LAM_RANDOM_SYNTH, 2, 0);
    lam_random_fill_normal(&random, 0, factors * width, 1, basis);
    for (int64_t i = 0; i < count; i++)
        for (int64_t f = 0; f < factors; f++) {
            const float strength = fmaxf(factor[i * factors + f], 0) / (1 + 0.2f * (float)f);
            for (int64_t c = 0; c < width; c++)
                rows[i * width + c] += strength * basis[f * width + c] + (f ? 0 : 0.3f);
        }
    double squares = 0;
    for (int64_t i = 0; i < count * width; i++) squares += (double)rows[i] * (double)rows[i];
    const float scale = (float)sqrt((double)(count * width) / squares);
    for (int64_t i = 0; i < count * width; i++) rows[i] *= scale;
    free(factor);
    free(basis);
    return rows;
}

// A golden tensor of doubles, or of 32-bit integers, as doubles; the caller frees it.
static inline double *golden(const lam_safetensors *file, const char *name, int64_t *count) {
    const lam_tensor *tensor = lam_safetensors_find(file, name);
    if (!tensor) fail_msg("%s has no %s", lam_safetensors_path(file), name);
    const size_t size = lam_dtype_size(tensor->dtype), n = tensor->bytes / size;
    double *values = malloc((n ? n : 1) * sizeof *values);
    for (size_t i = 0; i < n; i++) {
        const char *at = (const char *)tensor->data + i * size;
        int32_t integer;
        if (tensor->dtype == LAM_DTYPE_F64) {
            memcpy(&values[i], at, sizeof *values);
        } else {
            assert_int_equal(tensor->dtype, LAM_DTYPE_I32);
            memcpy(&integer, at, sizeof integer);
            values[i] = integer;
        }
    }
    if (count) *count = (int64_t)n;
    return values;
}

static inline void assert_near(const char *what, int64_t at, double got, double want,
                               double bound) {
    if (!(fabs(got - want) <= bound))
        fail_msg("%s [%lld]: %.9g, should be %.9g within %.2g", what, (long long)at, got, want,
                 bound);
}

// Every value within bound times the largest magnitude.
static inline void assert_all_near(const char *what, int64_t count, const double *got,
                                   const double *want, double bound) {
    double largest = 0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < count; i++) assert_near(what, i, got[i], want[i], bound * largest);
}

static inline lam_autoencoder *make_autoencoder(const lam_autoencoder_options *options,
                                                lam_arena *arena) {
    lam_error error;
    lam_autoencoder *autoencoder;
    succeed(lam_autoencoder_create(&autoencoder, options, &lam_team_alone, arena, &error), &error);
    return autoencoder;
}

// Where Adam's means of weight [latent, column] lie.
static inline const lam_moments *moments_of(const lam_autoencoder *a, int64_t latent,
                                            int64_t column) {
    const int64_t first = latent / LAM_LATENT_BLOCK * LAM_LATENT_BLOCK;
    const int64_t rest = a->own_latents - first;
    const int64_t latents = rest < LAM_LATENT_BLOCK ? rest : LAM_LATENT_BLOCK;
    return a->moments + first * (a->stride / LAM_COLUMN_TILE) + column / LAM_COLUMN_TILE * latents +
           (latent - first);
}

typedef struct curve_memory {
    double values[3][100];
    lam_autoencoder_curves curves;
} curve_memory;

static inline lam_autoencoder_curves *make_curves(curve_memory *memory) {
    memory->curves = (lam_autoencoder_curves){
        .loss = memory->values[0], .mse = memory->values[1], .density = memory->values[2]};
    return &memory->curves;
}

#endif
