// The inner loops of an autoencoder's step on one block of latents and one piece of the batch, each
// on the calling thread. Where few latents of a block are active in a batch, only those are
// visited: by row, from a list of the row's active latents, and by latent, from a list of the rows
// in which it is active.
#ifndef LAM_AUTOENCODER_KERNELS_H
#define LAM_AUTOENCODER_KERNELS_H

#include "adam.h"

#include <stdint.h>

enum {
    LAM_LATENT_BLOCK = 256, // latents that are one leaf of the team's sums, and one owner's
    LAM_ROW_PIECE = 256,    // rows of a batch that one thread works on at a time
    LAM_COLUMN_TILE = 64,   // columns of the sparse loops: what they visit stays in the cache
};

// The active latents of each row, in one block: latent and value [row, LAM_LATENT_BLOCK], of which
// the first count[row] are set, in a fixed order that is not ascending.
typedef struct lam_row_lists {
    uint8_t *latent;
    float *value;
    uint16_t *count;
} lam_row_lists;

// A row in which a latent is active, its value there and the loss's derivative by it.
typedef struct lam_latent_entry {
    uint32_t row;
    float value, slope;
} lam_latent_entry;

// z [rows, LAM_LATENT_BLOCK] = relu(z + bias), NaN kept; lists of what is active; latent_active
// [LAM_LATENT_BLOCK] = rows in which each latent is. Returns how many are active in all, and their
// sum in *sum.
int64_t lam_autoencoder_relu(int64_t rows, const float *bias, float *z, lam_row_lists lists,
                             uint16_t *latent_active, double *sum);

// out [rows, LAM_COLUMN_TILE], in rows of out_stride, = z W_dec over one block and tile of columns,
// from the lists. decoder points at the tile's first column of the block's first latent; packed
// [LAM_LATENT_BLOCK, LAM_COLUMN_TILE] is scratch for a copy of the tile: its rows, far apart in
// memory, would get in each other's way in the cache.
void lam_autoencoder_decode(int64_t rows, int64_t latents, lam_row_lists lists,
                            const float *decoder, int64_t stride, float *packed, float *out,
                            int64_t out_stride);

// low [count] += high.
void lam_autoencoder_add(int64_t count, float *low, const float *high);

// residual [rows, stride] = (residual - centred) * scale. column_sum [stride] = its sums over rows.
// Its copy and that of centred go side by side into tile t of columns: tiles + t * tile_step is
// [row, 2, LAM_COLUMN_TILE]. Returns the sum of squares before the scale.
double lam_autoencoder_residual(int64_t rows, int64_t stride, float scale, const float *centred,
                                float *residual, float *column_sum, float *tiles,
                                int64_t tile_step);

// The slopes of one block's active latents, residual . W_dec + penalty, from the lists of rows
// first_row ..., put into the lists by latent: entries[next[latent]++]. slope_sum [LAM_LATENT_BLOCK]
// += each latent's slopes. residual [rows, stride], decoder [LAM_LATENT_BLOCK, stride].
void lam_autoencoder_slopes(int64_t rows, int64_t first_row, int64_t stride, lam_row_lists lists,
                            const float *residual, const float *decoder, float penalty,
                            lam_latent_entry *entries, int32_t *next, float *slope_sum);

// The same where all latents of the block were multiplied: slope [rows, LAM_LATENT_BLOCK] is
// residual . W_dec on entry, and is made 0 where z is.
void lam_autoencoder_mask(int64_t rows, const float *z, float penalty, float *slope,
                          float *slope_sum);

// Adam's means of one latent and tile of columns, side by side: those of the weights are kept as
// [block, tile, latent] of these, in the order in which a step passes over them.
typedef struct lam_moments {
    float encoder_first[LAM_COLUMN_TILE], encoder_second[LAM_COLUMN_TILE];
    float decoder_first[LAM_COLUMN_TILE], decoder_second[LAM_COLUMN_TILE];
} lam_moments;

// What one step changes in one block and tile of columns.
typedef struct lam_tile_update {
    const lam_adam_rates *rates;
    int64_t latents, stride;
    float *encoder, *decoder; // the tile's first column of weights [latent, stride]
    lam_moments *moments;     // [latent]
    const float *slope_sum;   // [latent], over all rows: the gradient of the encoder's bias
    float *pullback;          // [LAM_COLUMN_TILE] = slope_sum W_enc, before the step
} lam_tile_update;

// Gradient and Adam from the block's lists by latent: those of latent j are entries[start[j]] ..
// entries[start[j + 1] - 1]. tile [row, 2, LAM_COLUMN_TILE] holds residual and centred rows.
void lam_autoencoder_update_sparse(const lam_tile_update *update, const lam_latent_entry *entries,
                                   const int32_t *start, const float *tile);

// Adam from gradients [latent, gradient_stride].
void lam_autoencoder_update_dense(const lam_tile_update *update, const float *encoder_gradient,
                                  const float *decoder_gradient, int64_t gradient_stride);

#endif
