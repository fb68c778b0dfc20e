#include "autoencoder_work.h"

#include <math.h>
#include <string.h>

// Adds what rows [count, width], a batch at most, say of the fit and of this rank's latents.
static lam_code add_batch(lam_autoencoder *a, const float *rows, int64_t count, lam_fit *fit,
                          lam_error *error) {
    lam_autoencoder_work *w = a->work;
    const int64_t pieces = lam_pieces(count, LAM_RESIDUAL_ROWS), width = a->options.width;
    lam_autoencoder_gather(a, rows, NULL, count);
    LAM_TRY(lam_autoencoder_encode(a, count, false, error));
    LAM_TRY(lam_autoencoder_rebuild(a, &w->path[0], count, error));
#pragma omp parallel for schedule(dynamic) num_threads(w->threads)
    for (int64_t i = 0; i < pieces; i++) {
        const int64_t end = lam_least(count, (i + 1) * LAM_RESIDUAL_ROWS);
        w->fits[i] = (lam_fit){0};
        for (int64_t row = i * LAM_RESIDUAL_ROWS; row < end; row++) {
            float *y = w->path[0].residual + row * a->stride;
            for (int64_t c = 0; c < width; c++) y[c] += a->decoder_bias.value[c];
            lam_fit_add(&w->fits[i], width, rows + row * width, y);
        }
    }
    for (int64_t i = 0; i < pieces; i++) lam_fit_join(fit, &w->fits[i]);

    double *values = w->latent_values + 2 * a->first_block * LAM_LATENT_BLOCK;
    for (int64_t j = 0; j < a->own_latents; j++)
        for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++) {
            const lam_piece *piece = lam_autoencoder_piece(a, &w->path[0], j / LAM_LATENT_BLOCK, i);
            values[2 * j] += piece->active[j % LAM_LATENT_BLOCK];
            values[2 * j + 1] += piece->sum[j % LAM_LATENT_BLOCK];
        }
    return LAM_OK;
}

lam_code lam_autoencoder_measure(lam_autoencoder *a, const float *rows, int64_t count,
                                 lam_autoencoder_measures *measures, lam_error *error) {
    if (count < 1)
        return lam_fail(error, LAM_INPUT, "there are no activations to measure an autoencoder on");
    const int64_t width = a->options.width, size = a->options.batch;
    double *values = a->work->latent_values;
    lam_fit fit = {0};
    memset(values, 0, (size_t)(2 * a->blocks * LAM_LATENT_BLOCK) * sizeof *values);
    for (int64_t row = 0; row < count; row += size)
        LAM_TRY(add_batch(a, rows + row * width, lam_least(count - row, size), &fit, error));
    LAM_TRY(a->team->share(a->team, a->blocks, values, 2 * LAM_LATENT_BLOCK, error));

    return lam_measure(&fit, rows, count, width, values, a->options.latents, measures, error);
}
