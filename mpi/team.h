// The team of a layer (src/team.h) over MPI.
#ifndef LAM_MPI_TEAM_H
#define LAM_MPI_TEAM_H

#include "comm.h"
#include "layout.h"
#include "src/team.h"

// *team becomes this rank's, for lam_team_destroy; layout is the same on every rank. Collective
// over all ranks, and ends in an agreement. LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_team_create(const lam_comm *comm, const lam_layout *layout, lam_team *team,
                                     lam_error *error);

// Collective over the team. What create did not make, {0}, is left alone.
void lam_team_destroy(lam_team *team);

#endif
