// What the layers have of the sequences that pass, kept as generations and found again: for
// jobs/run_passes.c.
#ifndef LAM_RUN_RESUME_H
#define LAM_RUN_RESUME_H

#include "jobs/run_state.h"

// Whether any of this rank's layers still needs a pass.
bool lam_run_needs(const lam_run_state *r, size_t pass);

// Collective: begins to keep what all layers have of the sequences of a pass that have passed;
// kept: the position that was kept last, -1: none, which stays until this one is there.
LAM_CHECKED lam_code lam_run_keep_pass(lam_run_state *r, size_t pass, int64_t kept);

// Collective: puts all layers to the latest position of which all were kept, and sets r->passed;
// where there is none, they have seen nothing.
LAM_CHECKED lam_code lam_run_resume_pass(lam_run_state *r, size_t pass);

#endif
