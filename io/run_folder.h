// The folder of an unfinished run, NAME.run beside the result NAME.nc: what is finished already, so
// that a run that was ended can go on. It holds the file "identity", what the run is of; "lock",
// which the run that works in it has locked; a file a finished layer of a profile ("sae-3",
// run_layer.h); and the states of layers under way ("sae-4.120.0", "seen-sae-4.96.0", run_state.h),
// each written whole or not at all. All ranks use the one folder: it lies where all of them see it.
#ifndef LAM_RUN_FOLDER_H
#define LAM_RUN_FOLDER_H

#include "io/sha256.h"
#include "src/arena.h"
#include "src/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_run_folder {
    const char *path;
    uint8_t identity[LAM_SHA256_BYTES]; // of the identity's text
    bool locked;                        // by this process, as it works in it
    int lock;                           // then: the open file
} lam_run_folder;

// Names the folder of a result; path is owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_run_folder_name(lam_run_folder *folder, const char *output,
                                         lam_arena *arena, lam_error *error);

// For before the work: LAM_USAGE where the folder is there and resume was not asked for.
LAM_CHECKED lam_code lam_run_folder_check(lam_run_folder *folder, bool resume, lam_error *error);

// Makes the folder, or finds that it is of the same run: identity is lines of a job file ("key:
// value", sections indented), and LAM_USAGE names the first key that differs. *found: whether there
// was one. Sets folder->identity, which rank 0 gives to the others. Locks the folder until close,
// where its file system has locks; while another run has it, waits for 15 seconds, then LAM_USAGE
// says so. LAM_IO, LAM_MEMORY, LAM_INTERRUPTED.
LAM_CHECKED lam_code lam_run_folder_open(lam_run_folder *folder, const char *identity, bool *found,
                                         lam_error *error);

// Unlocks it.
void lam_run_folder_close(lam_run_folder *folder);

// Whether any layer, finished or not, is stored in the folder.
bool lam_run_folder_holds(const lam_run_folder *folder);

// Removes the folder and what laminar wrote in it; anything else stays, and the folder with it.
void lam_run_folder_remove(const lam_run_folder *folder);

#endif
