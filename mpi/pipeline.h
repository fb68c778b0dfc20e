// The forward pass over all ranks: micro-batches of the residual stream from rank to rank.
#ifndef LAM_PIPELINE_H
#define LAM_PIPELINE_H

#include "comm.h"
#include "layout.h"
#include "src/forward.h"

// Several passes, each right behind the one before, so that no rank waits between them. A pass may
// leave out the first ranks.
typedef struct lam_passes {
    int64_t count;
    const int *entry; // [count] the rank where each begins, never lower than the one before
    // All that a rank does with a micro-batch of a pass. residual [rows, width] comes from the rank
    // before; on the rank of entry it is not set. It goes on to the next rank.
    lam_code (*work)(void *user, lam_forward *forward, int64_t pass, const lam_batch *batch,
                     float *residual, lam_error *error);
} lam_passes;

typedef struct lam_pipeline {
    const lam_comm *comm;
    lam_layout layout;
    const lam_model *model;         // this rank's part: the first has the embedding
    const lam_sequences *sequences; // the same on every rank; the first rank has their tokens
    int64_t first;                  // the first of them to pass, where a micro-batch begins
    const lam_hooks *hooks;         // NULL: none
    // Called on the last active rank with the residual after the last layer, [rows, width], which
    // it may change; NULL: not called.
    lam_code (*finish)(void *user, lam_forward *forward, const lam_batch *batch, float *residual,
                       lam_error *error);
    const lam_passes *passes; // NULL: one, from the embedding through all layers to finish
    void (*tick)(void *user, int64_t tokens); // a micro-batch has passed this rank; NULL: none
    void *user;
} lam_pipeline;

// Streams every sequence from first on through all layers, in every pass. Collective over all
// ranks, those without layers included, and ends in an agreement: all return the same code.
LAM_CHECKED lam_code lam_pipeline_run(const lam_pipeline *pipeline, lam_error *error);

#endif
