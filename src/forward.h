// The forward pass of a part of a model over one micro-batch at a time.
#ifndef LAM_FORWARD_H
#define LAM_FORWARD_H

#include "arena.h"
#include "hooks.h"
#include "model.h"
#include "sequences.h"

// Micro-batches are runs of whole sequences that depend on the lengths alone, so that no product's
// shape depends on ranks or threads.

// Sequences first .. first + count - 1 of those given.
typedef struct lam_batch {
    const lam_sequences *sequences;
    int64_t first, count;
} lam_batch;

// Rows (tokens) of a batch.
int64_t lam_batch_rows(const lam_batch *batch);

// The micro-batch that starts at sequence first: whole sequences up to about 1,024 rows, at
// least one.
lam_batch lam_batch_from(const lam_sequences *sequences, int64_t first);

// How many sequences of one length make up a micro-batch, where there are enough.
int64_t lam_batch_sequences(int64_t length);

// Rows of the largest micro-batch and tokens of the longest sequence.
void lam_batch_limits(const lam_sequences *sequences, int64_t *rows, int64_t *length);

// Values of one token at a row site; 0 for scores and weights.
int64_t lam_site_width(const lam_model_config *config, lam_site site);

// Scratch memory for batches of up to so many rows and sequences of up to so many tokens.
typedef struct lam_forward lam_forward;

// Owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_forward_create(lam_forward **forward, const lam_model *model, int64_t rows,
                                        int64_t length, lam_arena *arena, lam_error *error);

// residual [rows, width] = the embedding of the batch's tokens. LAM_INPUT if a token or position is
// beyond the model's.
LAM_CHECKED lam_code lam_forward_embed(const lam_model *model, const lam_batch *batch,
                                       float *residual, lam_error *error);

// The model's own layers over residual [rows, width], in place, with hooks called on the way (NULL:
// none).
LAM_CHECKED lam_code lam_forward_layers(lam_forward *forward, const lam_batch *batch,
                                        float *residual, const lam_hooks *hooks, lam_error *error);

// The same for some of the model's own layers: first .. first + count - 1, global numbers.
LAM_CHECKED lam_code lam_forward_some_layers(lam_forward *forward, const lam_batch *batch,
                                             int64_t first, int64_t count, float *residual,
                                             const lam_hooks *hooks, lam_error *error);

// logits [rows, vocabulary] of residual [rows, width] after the last layer, and, in place, its
// final norm. Needs the model's final norm and head.
LAM_CHECKED lam_code lam_forward_logits(lam_forward *forward, int64_t rows, float *residual,
                                        float *logits, lam_error *error);

#endif
