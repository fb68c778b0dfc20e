// How the profiles of attention take their sequences: a short text is one passage.
#ifndef LAM_PASSAGE_H
#define LAM_PASSAGE_H

#include "jobs/profile.h"

// Checks the input and the option bandwidth (lam_bandwidth_parse) against what a passage needs, and
// makes the input one sequence in published mode, which is of one passage. LAM_USAGE names the key.
LAM_CHECKED lam_code lam_passage_resolve(const lam_profile_run *run, const char *bandwidth,
                                         lam_error *error);

// The sequences that the input asks for, out of the text without the white space around it; but a
// text of fewer tokens than one sequence is taken whole, as one. Owned by arena. LAM_INPUT for
// fewer than three tokens, or fewer than are asked for.
LAM_CHECKED lam_code lam_passage_take(const lam_profile_run *run, const lam_source *source,
                                      lam_sequences *sequences, lam_arena *arena, lam_error *error);

#endif
