// The forward pass over all ranks: micro-batches of the residual stream from rank to rank.
#ifndef LAM_PIPELINE_H
#define LAM_PIPELINE_H

#include "comm.h"
#include "layout.h"
#include "src/forward.h"

typedef struct lam_pipeline {
    const lam_comm *comm;
    lam_layout layout;
    const lam_model *model;         // this rank's part: the first has the embedding
    const lam_sequences *sequences; // the same on every rank
    const lam_hooks *hooks;         // NULL: none
    // Called on the last active rank with the residual after the last layer, [rows, width], which
    // it may change; NULL: not called.
    lam_code (*finish)(void *user, lam_forward *forward, const lam_batch *batch, float *residual,
                       lam_error *error);
    void (*tick)(void *user, int64_t tokens); // a micro-batch has passed this rank; NULL: none
    void *user;
} lam_pipeline;

// Streams every sequence through all layers. Collective over all ranks, those without layers
// included, and ends in an agreement: all return the same code.
LAM_CHECKED lam_code lam_pipeline_run(const lam_pipeline *pipeline, lam_error *error);

#endif
