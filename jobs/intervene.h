// The model once more, with one site of one layer changed at a time: what a profile's interventions
// (jobs/profile.h) do to its predictions.
#ifndef LAM_INTERVENE_H
#define LAM_INTERVENE_H

#include "io/checkpoint.h"
#include "jobs/profile.h"
#include "mpi/comm.h"
#include "mpi/layout.h"

typedef struct lam_intervene_request {
    const lam_comm *comm;
    const lam_layout *layout;
    const lam_checkpoint *checkpoint;
    const lam_profile_run *run;
    const lam_intervention *asked;
    void *const *state; // [own layer] of the profile
    lam_group *groups;  // of the profile, this rank's layers
    // A micro-batch has passed this rank's layers, with this layer changed: so many steps are done.
    void (*tick)(void *user, int64_t steps, int64_t layer);
    void *user;
} lam_intervene_request;

// Steps over all ranks, of one token through one layer each; and those of one token.
int64_t lam_intervene_steps(const lam_intervene_request *request);
int64_t lam_intervene_steps_each(const lam_intervene_request *request);

// Loads the model's weights anew, the final norm and the head with the last layers, runs the
// sequences once as the model is and once for every layer and change, all passes one behind the
// other, and hands the losses to the profile. A changed pass begins in the layer's own team, from
// the residual that the first pass brought there. Collective, and ends in an agreement. The values
// do not depend on ranks and threads. Errors are those of loading and LAM_MEMORY.
LAM_CHECKED lam_code lam_intervene(const lam_intervene_request *request, lam_error *error);

#endif
