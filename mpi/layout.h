// Which rank owns which layers. Ranks are grouped in teams, runs of ranks that follow each other;
// each team owns a run of layers. With fewer ranks than layers every rank is a team by itself, with
// more every layer has a team. Every rank is a member of one team, every team has a layer.
#ifndef LAM_LAYOUT_H
#define LAM_LAYOUT_H

#include "src/arena.h"
#include "src/error.h"

#include <stdint.h>

typedef struct lam_layout {
    int64_t layers;
    int ranks, teams;
    int64_t *layer; // [teams + 1] first layer of each team, then layers
    int *lead;      // [teams + 1] first rank of each team, then ranks; a team's lead speaks for it
} lam_layout;

// Where a rank stands.
typedef struct lam_place {
    int team, member, members; // number of its team, its own in it, how many they are
    int64_t first_layer, layer_count;
} lam_place;

// Makes the layout in which the costliest team costs least: cost [layers], above 0, in any unit, is
// what a layer takes of one rank, with what comes before the first and after the last of them;
// NULL: all alike. Of equally good ones that with the most even teams, larger slices and teams
// first, as later ranks wait longest for their first activations. Ranks beyond the layers go, one
// by one, to the team whose members have most to do. The same on every rank. Owned by arena.
// LAM_MEMORY.
LAM_CHECKED lam_code lam_layout_create(lam_layout *layout, int64_t layers, int ranks,
                                       const double *cost, lam_arena *arena, lam_error *error);

lam_place lam_layout_place(const lam_layout *layout, int rank);

// The team that owns a layer.
int lam_layout_owner(const lam_layout *layout, int64_t layer);

// The rank of a team that works on the micro-batch of that number, from 0 at the first sequence.
int lam_layout_worker(const lam_layout *layout, int team, int64_t batch);

#endif
