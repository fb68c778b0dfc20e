// What a run takes, counted from shapes alone: operations, bytes of memory, bytes sent. Nothing
// here is measured, so that the same job has the same costs everywhere; `laminar plan` multiplies
// them by rates that it measures (jobs/calibrate.h), and the layout by lam_work_seconds'
// (mpi/layout.h).
#ifndef LAM_COST_H
#define LAM_COST_H

#include "forward.h"

// Kinds of work that run at rates of their own, and what is counted of each.
typedef enum lam_work_kind {
    LAM_WORK_PRODUCTS,  // operations of single-precision products, 2 m n k, but for the next two
    LAM_WORK_ATTENTION, // the same of scores and of weights times values
    LAM_WORK_TRAINING,  // the same of autoencoders' steps, as if every latent were active
    LAM_WORK_VALUES,    // values that are read, or written, one by one
    LAM_WORK_DOUBLES,   // operations in double precision: LAPACK's, regressions, resamples
    LAM_WORKS
} lam_work_kind;

typedef struct lam_work {
    double of[LAM_WORKS];
} lam_work;

// to += times x work.
void lam_work_add(lam_work *to, const lam_work *work, double times);

// Floating-point operations in all: a value counts as one.
double lam_work_operations(const lam_work *work);

// Seconds on a processor core as they were in 2023: what weighs kinds against each other where
// nothing is measured.
double lam_work_seconds(const lam_work *work);

// Adds one layer's pass over sequences first .. end - 1. Of the model's last layer, where nobody
// needs the residual, only what leads to the sites wanted is computed (hooks.h): needed are these;
// ~0: all.
void lam_cost_layer(const lam_model_config *config, const lam_sequences *sequences, int64_t first,
                    int64_t end, lam_site_set needed, lam_work *work);

// Adds the embedding of so many tokens, and the final norm, the head and the losses of them.
void lam_cost_embedding(const lam_model_config *config, int64_t tokens, lam_work *work);
void lam_cost_head(const lam_model_config *config, int64_t tokens, lam_work *work);

// Of sequences through any layers of a rank: bytes that lam_forward_create takes with so many
// threads, where fc_seen says whether a hook sees mlp_fc; and one message of the pipeline holds.
double lam_cost_forward_bytes(const lam_model_config *config, const lam_sequences *sequences,
                              int threads, bool fc_seen);
double lam_cost_message_bytes(const lam_model_config *config, const lam_sequences *sequences);

#endif
