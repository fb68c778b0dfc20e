// A sparse autoencoder of one layer's activations:
//
//     p = W_enc (x - b_dec) + b_enc        z by kind        y = W_dec z + b_dec
//
// relu       z = relu(p). loss = mse + l1 * mean over rows of the sum of z (Bricken et al. 2023,
//            "Towards monosemanticity")
// topk       z = relu(p) where p is among the k largest of its row, else 0. loss = mse +
//            aux_coefficient * mean of (y' - (x - y))^2, where y' is rebuilt without b_dec from the
//            width / 2 largest relu(p) of dead latents, x - y held fixed (Gao et al. 2024, "Scaling
//            and evaluating sparse autoencoders", 2.3 and A.2; without the division by the rows'
//            variance, as in SAELens)
// batchtopk  the same with the k * rows largest of the batch; after training z = p where it is
//            above a threshold, the mean over training's batches of the least z above 0 (Bussmann
//            et al. 2024, "BatchTopK sparse autoencoders", section 3)
// jumprelu   z = p where p is above the latent's threshold, else 0. loss = mse + l0 * mean over
//            rows of the number of z that are not 0. The threshold is learnt by its logarithm,
//            through a rectangle of a given bandwidth in place of the step's derivative
//            (Rajamanoharan et al. 2024b, "Jumping ahead", equations 10 to 12; as in SAELens, p is
//            not rectified first)
// gated      g = W_enc (x - b_dec) + b_gate; z = relu(exp(r_mag) W_enc (x - b_dec) + b_mag) where
//            g is above 0, else 0. loss = mse + l1 * mean over rows of the sum of relu(g) + mean of
//            (y' - x)^2, where y' is rebuilt from relu(g), W_dec and b_dec held fixed
//            (Rajamanoharan et al. 2024a, "Improving dictionary learning with gated sparse
//            autoencoders", equations 6 to 8)
//
// mse is the mean over rows and columns of (y - x)^2. Trained by Adam on batches of rows in a new
// random order each epoch. The ranks of a team share one autoencoder by its latents, in blocks of
// LAM_LATENT_BLOCK. The bits of every value are the same for any number of threads and ranks.
#ifndef LAM_AUTOENCODER_H
#define LAM_AUTOENCODER_H

#include "adam.h"
#include "arena.h"
#include "error.h"
#include "reconstruction.h"
#include "team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lam_autoencoder_kind {
    LAM_AUTOENCODER_RELU,
    LAM_AUTOENCODER_TOPK,
    LAM_AUTOENCODER_BATCHTOPK,
    LAM_AUTOENCODER_JUMPRELU,
    LAM_AUTOENCODER_GATED,
} lam_autoencoder_kind;

typedef struct lam_autoencoder_options {
    lam_autoencoder_kind kind;
    int64_t width, latents;
    int64_t batch; // rows a step at most
    int64_t epochs;
    int64_t buffers;        // of rows that make up an epoch, see lam_autoencoder_train_buffer; or 1
    double l1;              // of relu and gated
    int64_t k;              // of topk and batchtopk: latents a row, batchtopk's on average
    double aux_coefficient; // of theirs; 0: none
    int64_t dead_after;     // rows in which a latent has not been active: it counts as dead
    double l0, bandwidth;   // of jumprelu
    // The learning rate rises in equal steps over the first share of training, and falls to 0 over
    // the last.
    double warmup, decay;
    // Each latent's row of W_dec has norm 1: put right after every step, whose gradient is taken
    // across that row alone (Bricken et al. 2023, "Optimization").
    bool unit_decoder;
    // Every so many buffers the latents that were active in none of them start anew; 0: never.
    int64_t resample;
    lam_adam adam;
    // A block of 256 latents over 512 rows with at most this share of its values active is computed
    // from lists of those, else by matrix products. More than a third counts as a third.
    double sparse_share;
} lam_autoencoder_options;

// Kind relu, 4 * width latents, batch 1024, 75 epochs of one buffer, l1 1e-3, Adam with rate 1e-3;
// for the other kinds k 32, aux_coefficient 1/32, dead_after 10240, l0 1e-3, bandwidth 1e-3.
lam_autoencoder_options lam_autoencoder_defaults(int64_t width);

// Where a training stands: what comes next.
typedef struct lam_autoencoder_position {
    int64_t epoch, buffer, batch; // buffer within the epoch, batch within the buffer
    int64_t steps;                // Adam's, done
    int64_t since_resample;       // rows trained on since latents last started anew
    double loss, mse, density;    // sums over the batches of this buffer that are done
    // The same of the buffers of this epoch that are done, and their batches.
    double epoch_loss, epoch_mse, epoch_density;
    int64_t epoch_batches;
} lam_autoencoder_position;

// The whole state. Weights are [latent, stride]: stride is width up to a multiple of 64, and the
// columns beyond width stay zero. The latents are those of this rank's blocks.
typedef struct lam_autoencoder {
    lam_autoencoder_options options;
    const lam_team *team;
    int64_t stride;
    int64_t blocks, first_block, own_blocks; // of LAM_LATENT_BLOCK latents, the last one's fewer
    int64_t own_latents;
    float *encoder, *decoder;    // [own_latents, stride]
    struct lam_moments *moments; // Adam's of both, [block, tile of 64 columns, latent]
    lam_parameter encoder_bias;  // [own_latents]; in kind gated b_gate
    lam_parameter decoder_bias;  // [stride]
    // [own_latents] of jumprelu, and of gated (r_mag, b_mag); else not there.
    lam_parameter log_threshold, magnitude_scale, magnitude_bias;
    float *threshold;      // [own_latents] of jumprelu and batchtopk: above it z is kept
    double mean_threshold; // of batchtopk: running mean, as Adam's means not yet corrected
    int64_t mean_count;    // batches that it is made of
    int64_t *since_active; // [own_latents] rows trained on since the latent was active
    int64_t total_steps;   // of the whole training, for the learning rate; 0: not known
    lam_autoencoder_position position;
    struct lam_autoencoder_work *work; // nothing in it outlives a call
} lam_autoencoder;

// Bytes that lam_autoencoder_create will take from its arena, for the rank that team speaks for and
// that many threads. 0 where the options are unusable.
size_t lam_autoencoder_bytes(const lam_autoencoder_options *options, const lam_team *team,
                             int threads);

// Makes an autoencoder whose weights are all zero, for as many threads as OpenMP now gives. team is
// kept by reference; all else is owned by arena. LAM_USAGE names an option out of range.
LAM_CHECKED lam_code lam_autoencoder_create(lam_autoencoder **autoencoder,
                                            const lam_autoencoder_options *options,
                                            const lam_team *team, lam_arena *arena,
                                            lam_error *error);

// The same in two parts, for autoencoders that take turns: one without the memory that the calls
// below work in, and that memory, which is arena's. Nothing in it outlives a call: it may go when
// the call is over, and another equip comes before the next one.
LAM_CHECKED lam_code lam_autoencoder_create_unequipped(lam_autoencoder **autoencoder,
                                                       const lam_autoencoder_options *options,
                                                       const lam_team *team, lam_arena *arena,
                                                       lam_error *error);
LAM_CHECKED lam_code lam_autoencoder_equip(lam_autoencoder *autoencoder, lam_arena *arena,
                                           lam_error *error);

// Begins a new training: W_enc normal with deviation 1 / sqrt(width), W_dec its transpose (its rows
// brought to norm 1 where unit_decoder), b_enc, r_mag and b_mag 0, thresholds 1e-3, b_dec the mean
// of rows [count, width]. The numbers depend on seed and layer alone.
void lam_autoencoder_start(lam_autoencoder *autoencoder, const float *rows, int64_t count,
                           uint64_t seed, uint16_t layer);

// What a step found before it changed the weights.
typedef struct lam_autoencoder_trace {
    double loss, mse;
    double density; // share of latents > 0
} lam_autoencoder_trace;

// One step of Adam on the rows index[0 .. count - 1] of rows [any, width]; count is at most the
// options' batch. Collective. Where the loss is not finite, the weights stay as they were; see
// trace->loss.
LAM_CHECKED lam_code lam_autoencoder_step(lam_autoencoder *autoencoder, const float *rows,
                                          const int64_t *index, int64_t count,
                                          lam_autoencoder_trace *trace, lam_error *error);

typedef enum lam_autoencoder_status {
    LAM_AUTOENCODER_TRAINED,
    LAM_AUTOENCODER_DIVERGED, // the loss of a batch was not finite; weights are those before it
    LAM_AUTOENCODER_STOPPED,  // the caller asked for it; training can go on
} lam_autoencoder_status;

// What training leaves. Means over an epoch's batches, each taken before its step; NaN for epochs
// that did not end. loss is the last batch's, before its step.
typedef struct lam_autoencoder_curves {
    double *loss, *mse, *density; // [epochs], the caller's
    // [epochs * buffers] the same over each buffer's batches; set as buffers end. NULL: not wanted.
    double *buffer_loss, *buffer_mse, *buffer_density;
    double last_loss;
    lam_autoencoder_status status; // and position says where
} lam_autoencoder_curves;

// Makes the curves those of a training that goes on at epoch first: LAM_INPUT if there are no rows.
// Past the last epoch the last loss stays, too.
LAM_CHECKED lam_code lam_curves_begin(lam_autoencoder_curves *curves, int64_t rows, int64_t first,
                                      int64_t epochs, lam_error *error);

// Called after every step with the position of what comes next; false stops the training there.
typedef struct lam_autoencoder_progress {
    bool (*step)(void *state, const lam_autoencoder_position *position);
    void *state;
} lam_autoencoder_progress;

// Trains from the autoencoder's position to the last epoch, where all rows are at hand (options'
// buffers is 1). rows [count, width], the same at every call of one training, as are seed and
// layer, which decide the order of rows. The curves' entries of epochs already done are left alone.
// progress may be NULL. Collective.
LAM_CHECKED lam_code lam_autoencoder_train(lam_autoencoder *autoencoder, const float *rows,
                                           int64_t count, uint64_t seed, uint16_t layer,
                                           const lam_autoencoder_progress *progress,
                                           lam_autoencoder_curves *curves, lam_error *error);

// Trains on the rest of one buffer: the rows that the position is in, where an epoch's rows come in
// several portions. Each is given once an epoch, in the same order, and its rows are taken in an
// order that seed, layer and its number since the start decide. An epoch of one buffer is one of
// lam_autoencoder_train. For a schedule of learning rates, total_steps is set beforehand; the
// curves are made by lam_curves_begin beforehand. progress may be NULL. Collective.
LAM_CHECKED lam_code lam_autoencoder_train_buffer(lam_autoencoder *autoencoder, const float *rows,
                                                  int64_t count, uint64_t seed, uint16_t layer,
                                                  const lam_autoencoder_progress *progress,
                                                  lam_autoencoder_curves *curves, lam_error *error);

// The calls below are of the weights as they are. Latents follow the rule that the kind has after
// training. Collective; they use the batch's memory.

// The measures of rows [count, width]; count is any but 0 (LAM_INPUT).
LAM_CHECKED lam_code lam_autoencoder_measure(lam_autoencoder *autoencoder, const float *rows,
                                             int64_t count, lam_autoencoder_measures *measures,
                                             lam_error *error);

// latents [count, own_latents] = z of rows [count, width]: those of this rank. Any count.
LAM_CHECKED lam_code lam_autoencoder_latents(lam_autoencoder *autoencoder, const float *rows,
                                             int64_t count, float *latents, lam_error *error);

// reconstruction [count, width] = y of rows [count, width]. Any count; the two may be the same
// memory.
LAM_CHECKED lam_code lam_autoencoder_reconstruct(lam_autoencoder *autoencoder, const float *rows,
                                                 int64_t count, float *reconstruction,
                                                 lam_error *error);

// What encodes and decodes after training, of this rank's latents. The arrays are the
// autoencoder's: they hold until its next step. In brackets the field's short names.
typedef struct lam_autoencoder_parameters {
    lam_autoencoder_kind kind; // of the rule after training: a trained batchtopk is a jumprelu
    int64_t width, latents, stride;
    int64_t k;                 // of topk; else 0
    const float *encoder;      // [latents, stride] (the transpose of W_enc)
    const float *decoder;      // [latents, stride] (W_dec)
    const float *encoder_bias; // [latents] (b_enc); NULL in gated
    const float *decoder_bias; // [width] (b_dec): subtracted before the encoder, added at the end
    const float *threshold;    // [latents] of jumprelu: z is kept above it; else NULL
    // [latents] of gated (b_gate, r_mag, b_mag); else NULL
    const float *gate_bias, *magnitude_scale, *magnitude_bias;
} lam_autoencoder_parameters;

lam_autoencoder_parameters lam_autoencoder_get(const lam_autoencoder *autoencoder);

// The same of all ranks' latents. Arrays are the autoencoder's, or arena's where there are several
// ranks. Collective. LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_autoencoder_get_all(const lam_autoencoder *autoencoder,
                                             lam_autoencoder_parameters *parameters,
                                             lam_arena *arena, lam_error *error);

#endif
