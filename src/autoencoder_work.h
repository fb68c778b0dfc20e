// What the files of the autoencoder share: the memory of one batch and the stages of a step.
#ifndef LAM_AUTOENCODER_WORK_H
#define LAM_AUTOENCODER_WORK_H

#include "autoencoder.h"
#include "autoencoder_kernels.h"

enum {
    // Rows and columns that one thread reconstructs at a time: few columns suit the lists, more of
    // them the products. An update by products takes as many columns.
    LAM_SPARSE_ROWS = LAM_ROW_PIECE,
    LAM_SPARSE_COLUMNS = 2 * LAM_COLUMN_TILE,
    LAM_DENSE_ROWS = LAM_ROW_PIECE / 2,
    LAM_DENSE_COLUMNS = 6 * LAM_COLUMN_TILE,
    LAM_SLOT = LAM_DENSE_ROWS * LAM_DENSE_COLUMNS, // the larger of the two
    LAM_RESIDUAL_ROWS = 64,                        // rows of one unit of the residual
    LAM_BLOCK_ACTIVE = 0,                          // in block_values: latents active,
    LAM_BLOCK_SUM,                                 // their sum,
    LAM_BLOCK_PULLBACK,                            // and slope_sum W_enc [stride]
};

// Blocks are this rank's, in order; a piece is LAM_ROW_PIECE rows of the batch.
typedef struct lam_autoencoder_work {
    int threads;
    int64_t pieces;     // of a full batch
    int64_t node_count; // of the team's tree, this rank's
    lam_team_node nodes[LAM_TEAM_NODES];
    float *centred;        // [batch, stride] x - b_dec
    float *residual;       // [node, batch, stride] W_dec z by node; then the first is y - x, scaled
    float *tiles;          // [tile, batch, 2, LAM_COLUMN_TILE] residual and centred, side by side
    lam_piece *piece;      // [block, piece]
    float *slope_sum;      // [block, LAM_LATENT_BLOCK]
    float *pullback;       // [block, stride]
    double *block_values;  // [all blocks, LAM_BLOCK_PULLBACK + stride]
    double *latent_values; // [all latents, 2], see lam_latent_measures
    double *squares;       // [residual piece]
    lam_fit *fits;         // [residual piece]
    float *residual_sum;   // [residual piece, stride] sums over rows
    float *bias_gradient;  // [stride]
    float *scratch;        // [thread, scratch_size]
    int64_t scratch_size;
} lam_autoencoder_work;

// Latents of one of this rank's blocks: fewer than LAM_LATENT_BLOCK in the last one.
static inline int64_t lam_autoencoder_latents_of(const lam_autoencoder *autoencoder,
                                                 int64_t block) {
    return lam_least(autoencoder->own_latents - block * LAM_LATENT_BLOCK, LAM_LATENT_BLOCK);
}

// centred = rows index[0 .. count - 1], or rows 0 .. count - 1 where index is NULL, minus b_dec.
void lam_autoencoder_gather(lam_autoencoder *autoencoder, const float *rows, const int64_t *index,
                            int64_t count);

// The pieces from centred, up to their lists; LAM_BLOCK_ACTIVE and LAM_BLOCK_SUM of this rank's
// blocks.
LAM_CHECKED lam_code lam_autoencoder_encode(lam_autoencoder *autoencoder, int64_t count,
                                            lam_error *error);

// residual [count, stride] = W_dec z, summed over the team.
LAM_CHECKED lam_code lam_autoencoder_rebuild(lam_autoencoder *autoencoder, int64_t count,
                                             lam_error *error);

#endif
