// The states of unfinished layers in a run folder (src/state.h): a file for each rank's blocks,
// "sae-3.120.0" for those from block 0 of layer 3 of sae as it stood at position 120. A position is
// whole where its files together hold all blocks; whoever wrote them, any rank reads its own. What
// is common to all lies with block 0. What a layer has of the sequences that pass the model has a
// name of its own, "seen-sae-3".
#ifndef LAM_RUN_STATE_H
#define LAM_RUN_STATE_H

#include "io/run_file.h"
#include "src/state.h"

// Before the name of a layer, for what it has of the sequences that pass the model.
#define LAM_RUN_SEEN "seen-"

// Makes the file of this rank's blocks, of which there must be some; name is the layer's ("sae-3").
// LAM_MEMORY.
LAM_CHECKED lam_code lam_run_state_pack(const lam_state *state, const char *name,
                                        lam_run_file *file, lam_error *error);

// The greatest position below limit of which there is a file; -1: none.
int64_t lam_run_state_latest(const lam_run_folder *folder, const char *name, int64_t limit);

// Puts this rank's blocks of that position back. *found is false where some are missing or damaged,
// of which a line says which; then the state is half of this, half of that. LAM_MEMORY.
LAM_CHECKED lam_code lam_run_state_load(const lam_run_folder *folder, const char *name,
                                        int64_t position, lam_state *state, bool *found,
                                        lam_error *error);

// Removes the layer's states but those of the two positions; -1: none stays.
void lam_run_state_remove(const lam_run_folder *folder, const char *name, int64_t but,
                          int64_t or_but);

// Whether a file's name in a run folder is a state's.
bool lam_run_state_is_name(const char *file);

#endif
