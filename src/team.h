// How the ranks that share one layer work together, as the mathematics sees it. Work is cut in
// numbered blocks; each rank owns a run of them, and what all need is put together in an order that
// the blocks' numbers alone decide, so that the owners never show in the result.
//
// Sums of arrays run over the blocks in a binary tree: a node of level k covers the blocks
// [i 2^k, (i + 1) 2^k) that there are, and is the sum of its left half and its right half, in
// single precision; a node without a right half is its left half.
#ifndef LAM_TEAM_H
#define LAM_TEAM_H

#include "arena.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_team lam_team;
struct lam_team {
    int member, members; // this rank's number among those of the team, and how many they are

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
    // Collective. data is parts that follow each other: part i, the bytes start[i] .. start[i + 1]
    // - 1, is filled by member i modulo members; all get all parts.
    lam_code (*gather)(const lam_team *team, void *data, int64_t parts, const size_t *start,
                       lam_error *error);
    // Collective. *flag is set on all where it is on one.
    lam_code (*any)(const lam_team *team, bool *flag, lam_error *error);
    // Collective. Ends what the members do together: each brings its own code, and all leave with
    // LAM_OK, or none does. A member that failed calls nothing else; the others then fail in what
    // they call next, with an error that is passed on, and need no other word of it.
    lam_code (*close)(const lam_team *team, lam_code code, lam_error *error);
    void *state;
};

// A rank by itself: it owns all blocks.
extern const lam_team lam_team_alone;

// Collective: where each member's part of an array begins, for gather, when they follow each other:
// *start [members + 1], from the length of this member's own, mine. Owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_team_starts(const lam_team *team, size_t mine, size_t **start,
                                     lam_arena *arena, lam_error *error);

// Collective: value [count] becomes the sum of those of all members. LAM_MEMORY.
LAM_CHECKED lam_code lam_team_add(const lam_team *team, int64_t *value, int64_t count,
                                  lam_arena *arena, lam_error *error);

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
