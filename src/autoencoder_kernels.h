// The inner loops of an autoencoder's step on one block of latents and one piece of the batch, each
// on the calling thread. Where few of a piece's values are active, only those are visited: from a
// list by row and a list by latent, which lie where the values and their slopes would.
#ifndef LAM_AUTOENCODER_KERNELS_H
#define LAM_AUTOENCODER_KERNELS_H

#include "adam.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    LAM_LATENT_BLOCK = 256, // latents that are one leaf of the team's sums, and one owner's
    LAM_ROW_PIECE = 512,    // rows of a batch that are worked on at a time
    LAM_COLUMN_TILE = 64,   // columns of the loops over lists; widths are padded to a multiple
    LAM_PIECE_CELLS = LAM_LATENT_BLOCK * LAM_ROW_PIECE,
    LAM_PIECE_ENTRIES = LAM_PIECE_CELLS / 3, // of a list by latent, in the memory of the slopes
};

// An active latent of a row, and where it stands in the list by latent.
typedef struct lam_row_entry {
    float value;
    uint32_t latent : 8, place : 24;
} lam_row_entry;

// A row of the batch in which a latent is active, and the loss's derivative by the value there.
typedef struct lam_latent_entry {
    float value, slope;
    uint32_t row;
} lam_latent_entry;

// The latents of one block over one piece of the batch: values z and slopes [latent,
// LAM_ROW_PIECE], or the lists in their place.
typedef struct lam_piece {
    bool sparse;
    union {
        float *z;
        lam_row_entry *by_row; // of row i: row_start[i] .. row_start[i + 1] - 1
    };
    union {
        float *slopes;
        lam_latent_entry *by_latent; // as by_row
    };
    int32_t row_start[LAM_ROW_PIECE + 1], latent_start[LAM_LATENT_BLOCK + 1];
    int32_t active[LAM_LATENT_BLOCK];  // rows in which each latent is active
    double sum[LAM_LATENT_BLOCK];      // of each latent's values
    float slope_sum[LAM_LATENT_BLOCK]; // of each latent's slopes
} lam_piece;

// z = relu(z + bias), NaN kept, for rows first_row .. first_row + rows - 1 of the batch; sets
// sparse, active and sum. Where at most `most` values are active (at most LAM_PIECE_ENTRIES), the
// lists take the place of z and of the slopes.
void lam_autoencoder_activate(int64_t latents, int64_t first_row, int64_t rows, const float *bias,
                              int64_t most, lam_piece *piece);

// Rows of a piece in which a latent has a property: bit row % 32 of word row / 32.
typedef struct lam_row_bits {
    uint32_t word[LAM_ROW_PIECE / 32];
} lam_row_bits;

// The stages of lam_autoencoder_activate for the kinds that are more than relu. Each makes z of one
// latent from products, adds the bias, keeps NaN, and leaves 0 in the rows after the last.
//
// z = relu(z + bias).
void lam_autoencoder_rectify(int64_t rows, float bias, float *z);
// z = z + bias where above threshold, else 0; near, unless NULL: the rows in which it is less than
// half a bandwidth from the threshold.
void lam_autoencoder_jump(int64_t rows, float bias, float threshold, float bandwidth, float *z,
                          lam_row_bits *near);
// gate = relu(z + gate_bias); z = relu(z * scale + bias) where z + gate_bias is above 0, else 0.
void lam_autoencoder_gate(int64_t rows, float gate_bias, float scale, float bias, float *z,
                          float *gate);

// The bits of a value that is not negative are in its order; NaN comes last.
enum { LAM_KEY_LEVELS = 7, LAM_KEY_MOST = 0x7FFFFFFF };

// count [level, LAM_ROW_PIECE] = of each row, the values of z [latents, LAM_ROW_PIECE] whose bits
// are at least base[row] + (level + 1 << shift), which ends at LAM_KEY_MOST.
void lam_autoencoder_count(int64_t latents, int64_t rows, const float *z, const uint32_t *base,
                           int shift, int32_t *count);

// Of one latent's z, the values stay whose bits are above least[row], and those that equal it while
// quota[row] lasts.
void lam_autoencoder_keep(int64_t rows, const uint32_t *least, int32_t *quota, float *z);

// From z as it is: sets sparse, active, sum and the lists, as lam_autoencoder_activate.
void lam_autoencoder_list(int64_t latents, int64_t first_row, int64_t rows, int64_t most,
                          lam_piece *piece);

// out [rows, columns] = z W_dec, or += with add, for rows first .. first + rows - 1 of the piece,
// from the list by row. decoder points at the first of the columns of the block's first latent, in
// rows of stride; columns is a multiple of LAM_COLUMN_TILE.
void lam_autoencoder_decode(const lam_piece *piece, int64_t first, int64_t rows, int64_t columns,
                            const float *decoder, int64_t stride, bool add, float *out);

// low [count] += high.
void lam_autoencoder_add(int64_t count, float *low, const float *high);

// residual [rows, stride] = (residual - target) * scale. column_sum [stride] = its sums over rows.
// Its copy and that of centred go side by side into tile t of columns: tiles + t * tile_step is
// [row, 2, LAM_COLUMN_TILE]. Returns the sum of squares before the scale.
double lam_autoencoder_residual(int64_t rows, int64_t stride, float scale, const float *target,
                                const float *centred, float *residual, float *column_sum,
                                float *tiles, int64_t tile_step);

// Slopes residual . W_dec + penalty of the active latents, and slope_sum. residual [rows, stride],
// decoder [latent, stride]. In a dense piece the products are in slopes on entry, and where z is 0
// the slope becomes 0.
void lam_autoencoder_slopes(lam_piece *piece, int64_t latents, int64_t rows, int64_t stride,
                            const float *residual, const float *decoder, float penalty);

// sums [latent, 2] = of the rows in near, the sum of residual . W_dec and their number. To be
// called before lam_autoencoder_slopes, with the same arguments.
void lam_autoencoder_near_slopes(const lam_piece *piece, const lam_row_bits *near, int64_t latents,
                                 int64_t stride, const float *residual, const float *decoder,
                                 double *sums);

// The sum over rows of a latent's values times their slopes.
double lam_autoencoder_dot(const lam_piece *piece, int64_t latent, int64_t rows);

// A latent's values and slopes times a number each.
void lam_autoencoder_scale(lam_piece *piece, int64_t latent, int64_t rows, float values,
                           float slopes);

// Adam's means of one latent and tile of columns, side by side: those of the weights are kept as
// [block, tile, latent] of these, in the order in which a step passes over them.
typedef struct lam_moments {
    float encoder_first[LAM_COLUMN_TILE], encoder_second[LAM_COLUMN_TILE];
    float decoder_first[LAM_COLUMN_TILE], decoder_second[LAM_COLUMN_TILE];
} lam_moments;

// Pieces of one block, and what they rebuild.
typedef struct lam_tile_source {
    const lam_piece *piece; // [piece]
    const float *tile;      // [row of the batch, 2, LAM_COLUMN_TILE] residual, centred
} lam_tile_source;

// What one step changes in one block and tile of columns.
typedef struct lam_tile_update {
    const lam_adam_rates *rates;
    int64_t latents, stride;
    float *encoder, *decoder; // the tile's first column of weights [latent, stride]
    lam_moments *moments;     // [latent]
    const float *slope_sum;   // [latent], over all rows: the gradient of the encoder's bias
    float *pullback;          // [LAM_COLUMN_TILE] = slope_sum W_enc, before the step
    // [latent, gradient_stride] the gradients that dense pieces give, or NULL where there are none
    const float *encoder_gradient, *decoder_gradient;
    int64_t gradient_stride;
    const lam_tile_source *source; // [sources]
    int sources;
    // [latent] what to take from the decoder's gradient along the latent's own row, or NULL
    const float *along;
} lam_tile_update;

// Adds what the sparse pieces give to the gradients, and makes a step of Adam.
void lam_autoencoder_update(const lam_tile_update *update, int64_t pieces);

#endif
