// How the ranks that share one layer work together, as the mathematics sees it. Work is cut in
// numbered blocks; each rank owns a run of them, and what all need is put together in an order that
// the blocks' numbers alone decide, so that the owners never show in the result.
//
// Sums of arrays run over the blocks in a binary tree: a node of level k covers the blocks
// [i 2^k, (i + 1) 2^k) that there are, and is the sum of its left half and its right half, in
// single precision; a node without a right half is its left half.
#ifndef LAM_TEAM_H
#define LAM_TEAM_H

#include "error.h"

#include <stdint.h>

typedef struct lam_team lam_team;
struct lam_team {
    // The blocks of this rank: first .. first + count - 1 of all blocks. count may be 0.
    void (*own)(const lam_team *team, int64_t blocks, int64_t *first, int64_t *count);
    // Collective. parts [node, length] are the sums of this rank's nodes, as lam_team_nodes lists
    // them; the first one (there is room for one always) becomes the sum of all blocks.
    lam_code (*sum)(const lam_team *team, int64_t blocks, float *parts, int64_t length,
                    lam_error *error);
    // Collective. Of values [block, length], each rank has filled the rows of its own blocks; all
    // get all rows.
    lam_code (*share)(const lam_team *team, int64_t blocks, double *values, int64_t length,
                      lam_error *error);
    void *state;
};

// A rank by itself: it owns all blocks.
extern const lam_team lam_team_alone;

// A node of the tree: the blocks first .. first + count - 1.
typedef struct lam_team_node {
    int64_t first, count;
} lam_team_node;

enum { LAM_TEAM_NODES = 128 }; // more than any run of blocks needs

// The largest nodes that together make up the run first .. first + count - 1 of blocks, in order;
// returns how many there are.
int64_t lam_team_nodes(int64_t blocks, int64_t first, int64_t count,
                       lam_team_node nodes[LAM_TEAM_NODES]);

#endif
