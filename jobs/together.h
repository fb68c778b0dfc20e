// The part of a profile's layer function that all ranks work on together, because a matrix of it
// outgrows one of them (profile.h, src/grid.h).
#ifndef LAM_TOGETHER_H
#define LAM_TOGETHER_H

#include "jobs/profile.h"
#include "mpi/comm.h"
#include "mpi/layout.h"

typedef struct lam_together_request {
    const lam_comm *comm;
    const lam_layout *layout;
    const lam_profile_run *run;
    void *const *state; // [own layer] of the profile
    const bool *kept;   // [own layer] finished by an earlier run
    lam_group *groups;  // of the profile, this rank's layers
    // A layer of this rank's is done; NULL: no call.
    void (*done)(void *user, int64_t layer);
    void *user;
} lam_together_request;

// Layer by layer, all that finish left. Collective, and ends in an agreement. Errors are those of
// the profile; LAM_INTERRUPTED between two layers.
LAM_CHECKED lam_code lam_together(const lam_together_request *request, lam_error *error);

// How near what is worked out together comes to what one rank alone would find, relative to the
// largest: the bits depend on the number of ranks.
#define LAM_TOGETHER_TOLERANCE 1e-8

// Says so in the group's attributes: which variables it is about, or nothing where there are none.
LAM_CHECKED lam_code lam_together_describe(lam_group *group, const char *variables,
                                           lam_error *error);

#endif
