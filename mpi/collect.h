// A result's layers, from the leads of the teams that own them to rank 0.
#ifndef LAM_COLLECT_H
#define LAM_COLLECT_H

#include "comm.h"
#include "layout.h"
#include "src/schema.h"

// On rank 0, whole (made for all layers) gets every layer's rows; elsewhere whole is not used.
// mine holds this rank's layers; that of a lead counts. Collective. LAM_PEER.
LAM_CHECKED lam_code lam_collect_group(const lam_comm *comm, const lam_layout *layout,
                                       const lam_group *mine, lam_group *whole, lam_error *error);

#endif
