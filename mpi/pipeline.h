// The forward pass over all ranks: micro-batches of the residual stream from team to team. In a
// team's layers a micro-batch has one worker, lam_layout_worker, who alone sees its sequences.
#ifndef LAM_PIPELINE_H
#define LAM_PIPELINE_H

#include "comm.h"
#include "layout.h"
#include "src/forward.h"

// Several passes, each right behind the one before, so that no rank waits between them. A pass may
// leave out the first teams.
typedef struct lam_passes {
    int64_t count;
    const int *entry; // [count] the team where each begins, never lower than the one before
    // All that a rank does with a micro-batch of a pass. residual [rows, width] comes from the team
    // before; in the team of entry it is not set. It goes on to the next team.
    lam_code (*work)(void *user, lam_forward *forward, int64_t pass, const lam_batch *batch,
                     float *residual, lam_error *error);
} lam_passes;

typedef struct lam_pipeline {
    const lam_comm *comm;
    const lam_layout *layout;
    const lam_model *model;         // this rank's part: those of the first team have the embedding
    const lam_sequences *sequences; // the same on every rank; those of the first team have their
                                    // tokens
    int64_t first;                  // the first of them to pass, where a micro-batch begins
    const lam_hooks *hooks;         // NULL: none
    // Called in the last team, by the micro-batch's worker, with the residual after the last layer,
    // [rows, width], which it may change; NULL: not called.
    lam_code (*finish)(void *user, lam_forward *forward, const lam_batch *batch, float *residual,
                       lam_error *error);
    const lam_passes *passes; // NULL: one, from the embedding through all layers to finish
    void (*tick)(void *user, int64_t tokens); // a micro-batch has passed this rank; NULL: none
    void *user;
} lam_pipeline;

// Streams every sequence from first on through all layers, in every pass. Collective over all
// ranks, and ends in an agreement: all return the same code.
LAM_CHECKED lam_code lam_pipeline_run(const lam_pipeline *pipeline, lam_error *error);

#endif
