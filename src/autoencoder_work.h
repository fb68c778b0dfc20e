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
    LAM_BLOCK_SECOND,                              // the sum of the second path's,
    LAM_BLOCK_PULLBACK,                            // and slope_sum W_enc [stride]
};

// Latents and what they rebuild. Every kind has the path of z; topk and batchtopk a second one of
// dead latents, gated one of the open gates. Blocks are this rank's, in order; a piece is
// LAM_ROW_PIECE rows of the batch.
typedef struct lam_path {
    lam_piece *piece; // [block, piece]
    // [node, batch, stride] W_dec z by node; then the first is what it is off the path's target,
    // scaled to the derivative of the path's part of the loss
    float *residual;
    float *tiles;        // [tile, batch, 2, LAM_COLUMN_TILE] residual and centred, side by side
    double *squares;     // [residual piece]
    float *residual_sum; // [residual piece, stride] sums over rows
    float *slope_sum;    // [block, LAM_LATENT_BLOCK]
} lam_path;

// What the choice of the largest values needs.
typedef struct lam_choice {
    double *counts;  // [all blocks, batch, LAM_KEY_LEVELS]
    double *kept;    // [batch] how many stay, by row; the first: in the batch
    uint32_t *least; // [pieces * LAM_ROW_PIECE] bits of the least that stays
    int32_t *quota;  // [block, pieces * LAM_ROW_PIECE] how many of those that equal it
} lam_choice;

typedef struct lam_autoencoder_work {
    int threads;
    int64_t pieces;     // of a full batch
    int64_t node_count; // of the team's tree, this rank's
    lam_team_node nodes[LAM_TEAM_NODES];
    float *centred; // [batch, stride] x - b_dec
    lam_path path[2];
    int paths;             // in use in this step
    lam_choice choice;     // of topk and batchtopk
    float *target;         // [batch, stride] of theirs: x - y
    float least_active;    // of batchtopk: the least z of the batch that is above 0; 0: none
    lam_row_bits *near;    // [block, piece, LAM_LATENT_BLOCK] of jumprelu: near the threshold
    double *near_sums;     // [block, piece, LAM_LATENT_BLOCK, 2] see lam_autoencoder_near_slopes
    float *slope_sum;      // [block, LAM_LATENT_BLOCK] both paths', by p
    float *along;          // [block, LAM_LATENT_BLOCK] see lam_tile_update
    float *gradient;       // [3, own_latents] of encoder_bias and of the kind's own parameters
    float *pullback;       // [block, stride]
    double *block_values;  // [all blocks, LAM_BLOCK_PULLBACK + stride]
    double *block_pairs;   // [all blocks, 2]
    double *latent_values; // [all latents, 2], see lam_latent_measures
    lam_fit *fits;         // [residual piece]
    float *bias_gradient;  // [stride]
    float *scratch;        // [thread, scratch_size]
    int64_t scratch_size;
} lam_autoencoder_work;

// Where jumprelu's thresholds begin: the logarithm of 1e-3 (Rajamanoharan et al. 2024b, appendix).
#define LAM_LOG_THRESHOLD (-6.9077553f)

// Latents of one of this rank's blocks: fewer than LAM_LATENT_BLOCK in the last one.
static inline int64_t lam_autoencoder_latents_of(const lam_autoencoder *autoencoder,
                                                 int64_t block) {
    return lam_least(autoencoder->own_latents - block * LAM_LATENT_BLOCK, LAM_LATENT_BLOCK);
}

// centred = rows index[0 .. count - 1], or rows 0 .. count - 1 where index is NULL, minus b_dec.
void lam_autoencoder_gather(lam_autoencoder *autoencoder, const float *rows, const int64_t *index,
                            int64_t count);

static inline lam_piece *lam_autoencoder_piece(const lam_autoencoder *autoencoder,
                                               const lam_path *path, int64_t block, int64_t piece) {
    return &path->piece[block * autoencoder->work->pieces + piece];
}

// At most so many active values of a piece make lists of it.
static inline int64_t lam_autoencoder_most(const lam_autoencoder *autoencoder, int64_t latents,
                                           int64_t rows) {
    return (int64_t)(autoencoder->options.sparse_share * (double)(rows * latents));
}

// LAM_OK, or the error that a product's code stands for.
LAM_CHECKED lam_code lam_autoencoder_product_failed(int code, lam_error *error);

// The first path's pieces from centred, up to their lists; LAM_BLOCK_ACTIVE and LAM_BLOCK_SUM of
// this rank's blocks. In training also the second path's of kind gated.
LAM_CHECKED lam_code lam_autoencoder_encode(lam_autoencoder *autoencoder, int64_t count,
                                            bool training, lam_error *error);

// The same for the two kinds that choose: of relu(p) in the path's pieces only the k largest stay,
// of every row or of the batch; where values are equal, those of the lower latent in a row, and in
// a batch of the lower block of latents, then row, then latent. Collective.
LAM_CHECKED lam_code lam_autoencoder_choose(lam_autoencoder *autoencoder, const lam_path *path,
                                            int64_t count, int64_t k, bool of_batch,
                                            lam_error *error);

// The least value of the batch that lam_autoencoder_choose, of_batch, has kept; 0 if none.
float lam_autoencoder_least_chosen(const lam_autoencoder *autoencoder);

// Notes which latents the batch has activated, and makes the second path's pieces from those that
// are dead; paths says whether there are any. Collective.
LAM_CHECKED lam_code lam_autoencoder_revive(lam_autoencoder *autoencoder, int64_t count,
                                            lam_error *error);

// The path's residual [count, stride] = W_dec z, summed over the team.
LAM_CHECKED lam_code lam_autoencoder_rebuild(lam_autoencoder *autoencoder, const lam_path *path,
                                             int64_t count, lam_error *error);

// From both paths' slopes: the gradients of all that is [latent], and slope_sum.
void lam_autoencoder_gather_slopes(lam_autoencoder *autoencoder, int64_t count);

// A step of all that is [latent], from those gradients; and of the running threshold.
void lam_autoencoder_update_latents(lam_autoencoder *autoencoder, const lam_adam_rates *rates);

// threshold of jumprelu and batchtopk, from what is learnt.
void lam_autoencoder_set_threshold(lam_autoencoder *autoencoder);

// Brings the rows of W_dec to norm 1; a row of zeros stays.
void lam_autoencoder_unit_decoder(lam_autoencoder *autoencoder);

// The learning rates of the next step.
lam_adam_rates lam_autoencoder_rates(const lam_autoencoder *autoencoder);

// Before a buffer: starts dead latents anew, where the options want it then. Collective.
LAM_CHECKED lam_code lam_autoencoder_resample(lam_autoencoder *autoencoder, const float *rows,
                                              int64_t count, uint64_t seed, uint16_t layer,
                                              lam_error *error);

#endif
