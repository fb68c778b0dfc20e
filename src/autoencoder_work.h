// What the files of the autoencoder share: the memory of one batch and the stages of a step.
#ifndef LAM_AUTOENCODER_WORK_H
#define LAM_AUTOENCODER_WORK_H

#include "autoencoder.h"
#include "autoencoder_kernels.h"

enum {
    LAM_COLUMN_PART = 2 * LAM_COLUMN_TILE, // columns of one unit of work
    LAM_RESIDUAL_ROWS = 64,                // rows of one unit of the residual
    LAM_BLOCK_ACTIVE = 0,                  // in block_values: latents active,
    LAM_BLOCK_SUM,                         // their sum,
    LAM_BLOCK_PULLBACK,                    // and slope_sum W_enc [stride]
};

// Blocks are this rank's, in order; "piece" is LAM_ROW_PIECE rows of the batch.
typedef struct lam_autoencoder_work {
    int threads;
    int64_t parts; // of columns
    int64_t pieces; // of a full batch
    float *centred;  // [batch, stride] x - b_dec
    float *residual; // [node, batch, stride] W_dec z by node; then the first is y - x, scaled
    float *tiles;    // [tile, batch, 2, LAM_COLUMN_TILE] residual and centred, side by side
    // [block, batch, LAM_LATENT_BLOCK] z; in a sparse block, later its lists by latent
    float *latents;
    // [block, batch, LAM_LATENT_BLOCK] the values of the lists by row; in a dense block, later the
    // slopes
    float *slopes;
    uint8_t *list_latent;  // [block, batch, LAM_LATENT_BLOCK]
    uint16_t *list_count;  // [block, batch]
    uint16_t *active;      // [block, piece, LAM_LATENT_BLOCK] rows in which each latent is active
    int64_t *piece_active; // [block, piece]
    double *piece_sum;     // [block, piece]
    bool *sparse;          // [block]
    int32_t *next;         // [block, piece, LAM_LATENT_BLOCK] where a piece's next entry goes
    int32_t *start;        // [block, LAM_LATENT_BLOCK + 1]
    float *slope_part;     // [block, piece, LAM_LATENT_BLOCK]
    float *slope_sum;      // [block, LAM_LATENT_BLOCK]
    float *pullback;       // [block, stride]
    double *block_values;  // [all blocks, LAM_BLOCK_PULLBACK + stride]
    double *squares;       // [residual piece]
    float *residual_sum;   // [residual piece, stride] sums over rows
    float *bias_gradient;  // [stride]
    float *scratch;        // [thread, scratch_size]
    int64_t scratch_size;
} lam_autoencoder_work;

// centred = rows index[0 .. count - 1], or rows 0 .. count - 1 where index is NULL, minus b_dec.
void lam_autoencoder_gather(lam_autoencoder *autoencoder, const float *rows, const int64_t *index,
                            int64_t count);

// latents, their lists and counts from centred; chooses the sparse blocks.
lam_code lam_autoencoder_encode(lam_autoencoder *autoencoder, int64_t count, lam_error *error);

// residual [count, stride] = W_dec z, summed over the team.
lam_code lam_autoencoder_rebuild(lam_autoencoder *autoencoder, int64_t count, lam_error *error);

#endif
