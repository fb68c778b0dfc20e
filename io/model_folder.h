// Where a model lies that a job names by a path or, pinned, by its name on a model hub.
#ifndef LAM_MODEL_FOLDER_H
#define LAM_MODEL_FOLDER_H

#include "src/arena.h"
#include "src/error.h"

#include <stdbool.h>

// *folder = the folder of NAME@COMMIT in the cache (cache.h), where laminar fetch put it; any other
// text is a path, and is given back as it is. The network is never asked. Owned by arena, or model
// itself. Not collective. LAM_IO where the cache does not have it, with the command that fetches
// it; LAM_USAGE where nothing says which folder is the cache; LAM_MEMORY.
LAM_CHECKED lam_code lam_model_folder(const char *model, const char **folder, lam_arena *arena,
                                      lam_error *error);

// Whether the folder of a fetched model has all its files in their sizes. LAM_MEMORY.
LAM_CHECKED lam_code lam_model_folder_whole(const char *folder, bool *whole, lam_arena *arena,
                                            lam_error *error);

#endif
