// What the kinds and options add to a step: dead latents, the gradients of what is [latent], the
// threshold, the decoder's norm, the learning rate.
#include "autoencoder_work.h"

#include <math.h>
#include <string.h>

static bool fired(const lam_autoencoder *a, int64_t count, int64_t j) {
    for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++)
        if (lam_autoencoder_piece(a, &a->work->path[0], j / LAM_LATENT_BLOCK, i)
                ->active[j % LAM_LATENT_BLOCK])
            return true;
    return false;
}

// Of the second path only dead latents stay.
static void clear_living(lam_autoencoder *a, int64_t count) {
    const lam_autoencoder_work *w = a->work;
#pragma omp parallel for schedule(static) num_threads(w->threads)
    for (int64_t j = 0; j < a->own_latents; j++)
        for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++)
            if (a->since_active[j] < a->options.dead_after)
                memset(lam_autoencoder_piece(a, &w->path[1], j / LAM_LATENT_BLOCK, i)->z +
                           j % LAM_LATENT_BLOCK * LAM_ROW_PIECE,
                       0, LAM_ROW_PIECE * sizeof(float));
}

lam_code lam_autoencoder_revive(lam_autoencoder *a, int64_t count, lam_error *error) {
    lam_autoencoder_work *w = a->work;
    double *dead = w->block_pairs, total = 0;
    memset(dead, 0, (size_t)a->blocks * sizeof *dead);
    for (int64_t j = 0; j < a->own_latents; j++) {
        a->since_active[j] = fired(a, count, j) ? 0 : a->since_active[j] + count;
        dead[a->first_block + j / LAM_LATENT_BLOCK] += a->since_active[j] >= a->options.dead_after;
    }
    if (!w->target || !w->path[1].piece) return LAM_OK;
    LAM_TRY(a->team->share(a->team, a->blocks, dead, 1, error));
    for (int64_t block = 0; block < a->blocks; block++) total += dead[block];
    if (total == 0) return LAM_OK;
    clear_living(a, count);
    const int64_t half = a->options.width / 2;
    LAM_TRY(lam_autoencoder_choose(a, &w->path[1], count, half > 0 ? half : 1, false, error));
    w->paths = 2;
    return LAM_OK;
}

typedef struct sums { // of one latent, over all rows
    double value;     // of its z
    double product;   // of z times its slope
} sums;

static sums sums_of(const lam_autoencoder *a, const lam_path *path, int64_t count, int64_t j) {
    sums s = {0};
    for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++) {
        const lam_piece *piece = lam_autoencoder_piece(a, path, j / LAM_LATENT_BLOCK, i);
        s.value += piece->sum[j % LAM_LATENT_BLOCK];
        s.product += lam_autoencoder_dot(piece, j % LAM_LATENT_BLOCK,
                                         lam_least(count - i * LAM_ROW_PIECE, LAM_ROW_PIECE));
    }
    return s;
}

// W_dec's gradient along a latent's own row of norm 1: the slope without the penalty is residual .
// W_dec, so that z times it, summed over rows, is that component.
static void gather_along(lam_autoencoder *a, int64_t count, int64_t j) {
    lam_autoencoder_work *w = a->work;
    const sums first = sums_of(a, &w->path[0], count, j);
    double along = first.product;
    if (a->options.kind == LAM_AUTOENCODER_RELU)
        along -= (double)(float)(a->options.l1 / (double)count) * first.value;
    if (w->paths == 2 && a->options.kind != LAM_AUTOENCODER_GATED)
        along += sums_of(a, &w->path[1], count, j).product;
    w->along[j] = (float)along;
}

// Of kind gated, with p = W_enc (x - b_dec): z = exp(r) p + b_mag, so that r's gradient is the sum
// of (z - b_mag) times the slope, and p's slope is exp(r) times z's. The second path's W_dec is
// held fixed: its values have done their part, and become 0.
static void gather_gated(lam_autoencoder *a, int64_t count, int64_t j) {
    lam_autoencoder_work *w = a->work;
    const float scale = (float)exp((double)a->magnitude_scale.value[j]);
    const double slopes = (double)w->path[0].slope_sum[j];
    const double product = sums_of(a, &w->path[0], count, j).product;
    w->gradient[j] = w->path[1].slope_sum[j];
    w->gradient[a->own_latents + j] =
        (float)(product - (double)a->magnitude_bias.value[j] * slopes);
    w->gradient[2 * a->own_latents + j] = w->path[0].slope_sum[j];
    w->slope_sum[j] = w->path[0].slope_sum[j] * scale + w->path[1].slope_sum[j];
    for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++) {
        const int64_t rows = lam_least(count - i * LAM_ROW_PIECE, LAM_ROW_PIECE);
        const int64_t block = j / LAM_LATENT_BLOCK, latent = j % LAM_LATENT_BLOCK;
        lam_autoencoder_scale(lam_autoencoder_piece(a, &w->path[0], block, i), latent, rows, 1,
                              scale);
        lam_autoencoder_scale(lam_autoencoder_piece(a, &w->path[1], block, i), latent, rows, 0, 1);
    }
}

// Of kind jumprelu, by the threshold t: - t / bandwidth of the loss's slope by z, and - l0 /
// bandwidth, from every value near it; t times that by its logarithm.
static void gather_threshold(lam_autoencoder *a, int64_t count, int64_t j) {
    const lam_autoencoder_work *w = a->work;
    const double threshold = (double)a->threshold[j], price = a->options.l0 / (double)count;
    double slope = 0, near = 0;
    for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++) {
        const double *found =
            w->near_sums + 2 * (((j / LAM_LATENT_BLOCK) * w->pieces + i) * LAM_LATENT_BLOCK +
                                j % LAM_LATENT_BLOCK);
        slope += found[0];
        near += found[1];
    }
    // A threshold beyond all numbers has nothing near it, and stays.
    w->gradient[a->own_latents + j] =
        near > 0 ? (float)(-threshold / a->options.bandwidth * (threshold * slope + price * near))
                 : 0;
}

void lam_autoencoder_gather_slopes(lam_autoencoder *a, int64_t count) {
    lam_autoencoder_work *w = a->work;
#pragma omp parallel for schedule(static) num_threads(w->threads)
    for (int64_t j = 0; j < a->own_latents; j++) {
        if (a->options.unit_decoder) gather_along(a, count, j);
        if (a->options.kind == LAM_AUTOENCODER_GATED) {
            gather_gated(a, count, j);
            continue;
        }
        w->slope_sum[j] = w->path[0].slope_sum[j];
        if (w->paths == 2) w->slope_sum[j] += w->path[1].slope_sum[j];
        w->gradient[j] = w->slope_sum[j];
        if (a->options.kind == LAM_AUTOENCODER_JUMPRELU) gather_threshold(a, count, j);
    }
}

static void update(const lam_adam_rates *rates, int64_t count, const float *gradient,
                   lam_parameter *parameter) {
    lam_adam_update(rates, count, gradient, parameter->value, parameter->first, parameter->second);
}

// The weight of a batch in the running threshold, as in SAELens; unlike there, the mean is
// corrected for its start at 0, so that a short training has one too.
static const double mean_rate = 0.01;

void lam_autoencoder_set_threshold(lam_autoencoder *a) {
    if (a->options.kind == LAM_AUTOENCODER_BATCHTOPK) {
        const double weight = 1 - pow(1 - mean_rate, (double)a->mean_count);
        const float mean = a->mean_count ? (float)(a->mean_threshold / weight) : 0;
        for (int64_t j = 0; j < a->own_latents; j++) a->threshold[j] = mean;
    }
    if (a->options.kind == LAM_AUTOENCODER_JUMPRELU)
        for (int64_t j = 0; j < a->own_latents; j++)
            a->threshold[j] = (float)exp((double)a->log_threshold.value[j]);
}

void lam_autoencoder_update_latents(lam_autoencoder *a, const lam_adam_rates *rates) {
    const lam_autoencoder_work *w = a->work;
    const int64_t own = a->own_latents;
    update(rates, own, w->gradient, &a->encoder_bias);
    if (a->log_threshold.value) update(rates, own, w->gradient + own, &a->log_threshold);
    if (a->magnitude_scale.value) update(rates, own, w->gradient + own, &a->magnitude_scale);
    if (a->magnitude_bias.value) update(rates, own, w->gradient + 2 * own, &a->magnitude_bias);
    if (w->least_active > 0) {
        a->mean_threshold += mean_rate * ((double)w->least_active - a->mean_threshold);
        a->mean_count++;
    }
    lam_autoencoder_set_threshold(a);
    if (a->options.unit_decoder) lam_autoencoder_unit_decoder(a);
}

void lam_autoencoder_unit_decoder(lam_autoencoder *a) {
    const int64_t stride = a->stride;
#pragma omp parallel for schedule(static) num_threads(a->work->threads)
    for (int64_t j = 0; j < a->own_latents; j++) {
        float *row = a->decoder + j * stride;
        double squares = 0;
#pragma omp simd reduction(+ : squares)
        for (int64_t c = 0; c < stride; c++) squares += (double)row[c] * (double)row[c];
        const float scale = squares > 0 ? (float)(1 / sqrt(squares)) : 1;
        for (int64_t c = 0; c < stride; c++) row[c] *= scale;
    }
}

lam_adam_rates lam_autoencoder_rates(const lam_autoencoder *a) {
    lam_adam adam = a->options.adam;
    const double step = (double)a->position.steps, total = (double)a->total_steps;
    const double rising = a->options.warmup * total, falling = a->options.decay * total;
    double share = 1;
    if (step + 1 < rising) share = (step + 1) / rising;
    if (falling > 0 && total - step < falling) share = (total - step) / falling;
    adam.learning_rate *= share;
    return lam_adam_rates_at(&adam, a->position.steps + 1);
}
