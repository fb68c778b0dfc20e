// Dead latents that start anew (Bricken et al. 2023, "Neuron resampling"): each takes the direction
// of a row, drawn with a chance in proportion to the square of the row's squared error.
#include "autoencoder_work.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double squares_of(const float *x, int64_t count) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < count; c++) sum += (double)x[c] * (double)x[c];
    return sum;
}

// up_to [row] = the sum over rows 0 .. row of the square of each one's squared error.
static lam_code weigh_rows(lam_autoencoder *a, const float *rows, int64_t count, double *up_to,
                           lam_error *error) {
    const lam_autoencoder_work *w = a->work;
    for (int64_t first = 0; first < count; first += a->options.batch) {
        const int64_t size = lam_least(count - first, a->options.batch);
        lam_autoencoder_gather(a, rows + first * a->options.width, NULL, size);
        LAM_TRY(lam_autoencoder_encode(a, size, false, error));
        LAM_TRY(lam_autoencoder_rebuild(a, &w->path[0], size, error));
#pragma omp parallel for schedule(static) num_threads(w->threads)
        for (int64_t i = 0; i < size; i++) {
            float *off = w->path[0].residual + i * a->stride;
            for (int64_t c = 0; c < a->stride; c++) off[c] -= w->centred[i * a->stride + c];
            const double squares = squares_of(off, a->stride);
            up_to[first + i] = squares * squares;
        }
    }
    for (int64_t i = 1; i < count; i++) up_to[i] += up_to[i - 1];
    return LAM_OK;
}

// The first row whose sum is above point.
static int64_t row_at(const double *up_to, int64_t count, double point) {
    int64_t low = 0, high = count - 1;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (up_to[middle] > point)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

// The mean norm of the encoder's rows of latents that are not dead; 1 if all are.
static lam_code living_norm(lam_autoencoder *a, const bool *dead, double *norm, lam_error *error) {
    double *pairs = a->work->block_pairs, sum = 0, living = 0;
    memset(pairs, 0, (size_t)(2 * a->blocks) * sizeof *pairs);
    for (int64_t j = 0; j < a->own_latents; j++) {
        double *pair = pairs + 2 * (a->first_block + j / LAM_LATENT_BLOCK);
        if (dead[j]) continue;
        pair[0] += sqrt(squares_of(a->encoder + j * a->stride, a->stride));
        pair[1]++;
    }
    LAM_TRY(a->team->share(a->team, a->blocks, pairs, 2, error));
    for (int64_t block = 0; block < a->blocks; block++) {
        sum += pairs[2 * block];
        living += pairs[2 * block + 1];
    }
    *norm = living > 0 ? sum / living : 1;
    return LAM_OK;
}

static void begin(lam_parameter *parameter, int64_t j, float value) {
    if (!parameter->value) return;
    parameter->value[j] = value;
    parameter->first[j] = parameter->second[j] = 0;
}

// W_dec's row: the direction of row - b_dec, which the latent then answers to; the encoder's: a
// fifth of the living ones' norm along it. Biases and thresholds as at the start.
static void restart(lam_autoencoder *a, int64_t j, const float *row, double living) {
    const int64_t width = a->options.width, tiles = a->stride / LAM_COLUMN_TILE;
    const int64_t block = j / LAM_LATENT_BLOCK, latents = lam_autoencoder_latents_of(a, block);
    float *decoder = a->decoder + j * a->stride, *encoder = a->encoder + j * a->stride;
    for (int64_t c = 0; c < width; c++) decoder[c] = row[c] - a->decoder_bias.value[c];
    const double squares = squares_of(decoder, width);
    const double scale = squares > 0 ? 1 / sqrt(squares) : 0;
    for (int64_t c = 0; c < width; c++) {
        encoder[c] = (float)(0.2 * living * scale * (double)decoder[c]);
        decoder[c] = (float)(scale * (double)decoder[c]);
    }
    lam_moments *moments = a->moments + block * LAM_LATENT_BLOCK * tiles + j % LAM_LATENT_BLOCK;
    for (int64_t tile = 0; tile < tiles; tile++)
        memset(moments + tile * latents, 0, sizeof *moments);
    begin(&a->encoder_bias, j, 0);
    begin(&a->log_threshold, j, LAM_LOG_THRESHOLD);
    begin(&a->magnitude_scale, j, 0);
    begin(&a->magnitude_bias, j, 0);
    a->since_active[j] = 0;
}

// up_to [count] and dead [own_latents] are room to work in.
static lam_code resample(lam_autoencoder *a, const float *rows, int64_t count,
                         const lam_random *random, double *up_to, bool *dead, lam_error *error) {
    double living;
    LAM_TRY(weigh_rows(a, rows, count, up_to, error));
    if (!(up_to[count - 1] > 0) || !isfinite(up_to[count - 1])) return LAM_OK;
    for (int64_t j = 0; j < a->own_latents; j++)
        dead[j] = a->since_active[j] >= a->position.since_resample;
    LAM_TRY(living_norm(a, dead, &living, error));
    for (int64_t j = 0; j < a->own_latents; j++) {
        const uint64_t latent = (uint64_t)(a->first_block * LAM_LATENT_BLOCK + j);
        if (!dead[j]) continue;
        const double point = lam_random_uniform_double(random, latent) * up_to[count - 1];
        restart(a, j, rows + row_at(up_to, count, point) * a->options.width, living);
    }
    lam_autoencoder_set_threshold(a);
    return LAM_OK;
}

lam_code lam_autoencoder_resample(lam_autoencoder *a, const float *rows, int64_t count,
                                  uint64_t seed, uint16_t layer, lam_error *error) {
    const lam_autoencoder_position *at = &a->position;
    const int64_t number = at->epoch * a->options.buffers + at->buffer;
    if (!a->options.resample || at->batch || !number || number % a->options.resample) return LAM_OK;
    double *up_to = malloc((size_t)count * sizeof *up_to);
    bool *dead = malloc((size_t)(a->own_latents ? a->own_latents : 1) * sizeof *dead);
    const lam_random random =
        lam_random_key(seed, LAM_RANDOM_SAE_RESAMPLE, layer, (uint32_t)number);
    lam_code code = LAM_OK;
    if (up_to && dead)
        code = resample(a, rows, count, &random, up_to, dead, error);
    else
        code = lam_fail(error, LAM_MEMORY, "memory to resample latents was refused");
    a->position.since_resample = 0;
    free(up_to);
    free(dead);
    return code;
}
