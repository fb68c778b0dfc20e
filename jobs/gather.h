// What the members of a team have, above all what each has seen of its own micro-batches, to all of
// them.
#ifndef LAM_GATHER_H
#define LAM_GATHER_H

#include "jobs/profile.h"

// Of data, size bytes for each of sequences first .. end - 1. Collective over the run's team.
// LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_gather_sequences(const lam_profile_run *run, int64_t first, int64_t end,
                                          void *data, size_t size, lam_error *error);

// The same of rows, size bytes for each of their tokens but for the first left_out of a sequence.
LAM_CHECKED lam_code lam_gather_tokens(const lam_profile_run *run, int64_t left_out, int64_t first,
                                       int64_t end, void *rows, size_t size, lam_error *error);

// For seen (profile.h): a state of one block, the first member's, beside what is common to all.
static inline lam_state
lam_gathered_state(const lam_profile_run *run, int64_t passed,
                   size_t (*copy)(void *of, int64_t block, char *bytes, bool back), void *of) {
    return (lam_state){.team = run->team, .blocks = 1, .position = passed, .copy = copy, .of = of};
}

// Of sequences that pass in several rounds, how many it has seen at all that sees the first.
static inline int64_t lam_seen_sequences(const lam_profile_run *run, int64_t passed) {
    return passed < run->sequences->count ? passed : run->sequences->count;
}

// A state that was found, on the first member, to all; all know whether it was. Collective over the
// team. LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_gather_state(const lam_team *team, lam_state *state, bool *found,
                                      lam_error *error);

// The tokens of sequences, which the first member has, to all: where there are several members,
// copies of them, owned by arena, take the text's place. Collective over the team. LAM_MEMORY,
// LAM_PEER.
LAM_CHECKED lam_code lam_gather_text(const lam_team *team, lam_sequences *sequences,
                                     lam_arena *arena, lam_error *error);

#endif
