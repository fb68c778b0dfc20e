// How fast this machine is at a job: one layer of the model's shape with random weights and random
// activations goes through the very functions that a run calls, for a few seconds in all.
#ifndef LAM_CALIBRATE_H
#define LAM_CALIBRATE_H

#include "jobs/run_state.h"

typedef struct lam_speeds {
    double *token; // [pass] seconds a token of that pass takes in one layer, with what profiles see
    double *layer; // [part] seconds of drain and finish of one layer, on one rank
    double head;   // seconds of a token: final norm, head and loss; 0 where no profile needs it
    double byte;   // seconds of a byte of stored weights: read, hashed, converted
} lam_speeds;

// Measures with as many threads as OpenMP now gives, of a run that has its sequences
// (lam_run_sequences) and, alone, layer 0 with its groups. speeds is owned by the run's arena.
// LAM_MEMORY, LAM_INTERRUPTED and what the profiles fail with.
LAM_CHECKED lam_code lam_calibrate(lam_run_state *r, lam_speeds *speeds, lam_error *error);

#endif
