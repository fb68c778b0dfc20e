// The autoencoder of the published study: tied weights, no biases, the k largest latents of each
// row.
//
//     z = relu(W x), of which the entries at or above the row's k-th largest stay (ties all stay)
//     y = W' z        loss = mean of (y - x)^2 + mean of z, both over all entries
//
// trained on all rows at once by Adam. The bits of every value are the same for any number of
// threads and of members of a team. Those take pieces of rows in turn, forward and back to the
// slopes of z, as the k largest are those of all latents. Each adds up the gradient of its own run
// of latents, over all pieces in their order; then all get all of it and take the step alike, which
// is less than a hundredth of the work, so that each holds the whole state. A step brings a member
// 4 bytes x (rows x (width + 2 latents) + latents x width), for 10 x rows x latents x width
// operations of all: 0.7 GB for 1,930 x 10^9 with 10,230 rows, width 3,072 and 6,144 latents.
#ifndef LAM_AUTOENCODER_PUBLISHED_H
#define LAM_AUTOENCODER_PUBLISHED_H

#include "arena.h"
#include "autoencoder.h"
#include "team.h"

typedef struct lam_published_options {
    int64_t width, latents;
    int64_t kept; // k
    int64_t epochs;
    lam_adam adam;
} lam_published_options;

// 2 * width latents, a third of them kept, 75 epochs, Adam with rate 1e-4.
lam_published_options lam_published_defaults(int64_t width);

// Of a piece, LAM_PUBLISHED_ROWS rows. They lie in one array, in this order.
typedef struct lam_published_piece {
    double *row_values;     // [piece, 3] a row's active latents, their sum, its squared error
    float *residual;        // [piece, width]
    float *values, *slopes; // [piece, latents] z and the loss's derivatives by it
} lam_published_piece;

// The whole state.
typedef struct lam_published {
    lam_published_options options;
    const lam_team *team;
    lam_parameter weight;              // [latents, width]
    lam_autoencoder_position position; // an epoch is one step; batch is not used
    int threads;
    int64_t first_latent, own_latents; // whose gradient this member adds up
    size_t *gradient_start;            // [member + 1] in bytes, for lam_team.gather
    size_t *piece_start;               // [member + 1] likewise, of the one piece that is brought
    // Nothing below outlives a call.
    float *gradient;              // [latents, width]
    lam_published_piece piece[2]; // this member's, and where there are others one of theirs
    uint32_t *candidates;         // [thread, latents]
    double *latent_values; // [latents, 2] rows in which a latent is active, the sum of its values
} lam_published;

enum { LAM_PUBLISHED_ROWS = 512 }; // taken at a time

// Bytes that lam_published_create will take from its arena. 0 where the options are unusable.
size_t lam_published_bytes(const lam_published_options *options, int members, int threads);

// Makes an autoencoder whose weights are all zero, for as many threads as OpenMP now gives. Owned
// by arena; team is kept. LAM_USAGE names an option out of range. This and all that is given rows
// is collective over the team, whose errors it may end in.
LAM_CHECKED lam_code lam_published_create(lam_published **published,
                                          const lam_published_options *options,
                                          const lam_team *team, lam_arena *arena, lam_error *error);

// Begins a new training: weights uniform in (-1 / sqrt(width), 1 / sqrt(width)), which depend on
// seed and layer alone.
void lam_published_start(lam_published *published, uint64_t seed, uint16_t layer);

// One step on all of rows [count, width]; trace as lam_autoencoder_step. progress may be NULL; it
// is called between pieces of rows, and where it says stop, nothing has changed and *stopped is
// true. The position's epoch is the caller's to advance.
LAM_CHECKED lam_code lam_published_step(lam_published *published, const float *rows, int64_t count,
                                        const lam_autoencoder_progress *progress,
                                        lam_autoencoder_trace *trace, bool *stopped,
                                        lam_error *error);

// Trains from the position to the last epoch; as lam_autoencoder_train.
LAM_CHECKED lam_code lam_published_train(lam_published *published, const float *rows, int64_t count,
                                         const lam_autoencoder_progress *progress,
                                         lam_autoencoder_curves *curves, lam_error *error);

// reconstruction [count, width] = y of rows [count, width] under the weights as they are. Any
// count; the two may be the same memory.
LAM_CHECKED lam_code lam_published_reconstruct(lam_published *published, const float *rows,
                                               int64_t count, float *reconstruction,
                                               lam_error *error);

// Of rows [count, width] under the weights as they are; count is not 0 (LAM_INPUT).
LAM_CHECKED lam_code lam_published_measure(lam_published *published, const float *rows,
                                           int64_t count, lam_autoencoder_measures *measures,
                                           lam_error *error);

// As the field's topk: W_enc and W_dec the one weight, no biases. The k largest of relu(W x) and
// relu of the k largest of W x differ only where values tie for the k-th place, which all stay here
// (lam_autoencoder_parameters). The arrays hold until the next step.
lam_autoencoder_parameters lam_published_get(const lam_published *published);

#endif
