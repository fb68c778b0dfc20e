// A folder that synth fills: files are gathered in a subfolder with a temporary name and move to
// their places together.
#ifndef LAM_SYNTH_FOLDER_H
#define LAM_SYNTH_FOLDER_H

#include "io/synth.h"
#include "src/error.h"
#include "src/model.h"

typedef struct lam_synth_folder lam_synth_folder;

// Makes the folder if need be, and the subfolder. LAM_USAGE if the folder holds anything that no
// earlier synth put there.
LAM_CHECKED lam_code lam_synth_folder_begin(const char *path, lam_synth_folder **folder,
                                            lam_error *error);

// *path = where to write the file that will be called name; owned by folder. The last one added is
// the last to be moved.
LAM_CHECKED lam_code lam_synth_folder_add(lam_synth_folder *folder, const char *name,
                                          const char **path, lam_error *error);

// Adds copies of a folder's tokenizer files; NULL: nothing. LAM_USAGE if it has no tokenizer.
LAM_CHECKED lam_code lam_synth_folder_tokenizer(lam_synth_folder *folder, const char *source,
                                                lam_error *error);

// Removes what an earlier synth left, moves the files in, writes laminar-synth.json and frees the
// folder; on failure too.
LAM_CHECKED lam_code lam_synth_folder_finish(lam_synth_folder *folder,
                                             const lam_model_config *config,
                                             const lam_synth_options *options, lam_error *error);

// Frees the folder and removes all that was written, the folder too if it was made here.
void lam_synth_folder_abandon(lam_synth_folder *folder);

#endif
