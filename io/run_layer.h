// Finished layers of profiles in a run folder, a file each ("sae-3").
#ifndef LAM_RUN_LAYER_H
#define LAM_RUN_LAYER_H

#include "io/run_file.h"
#include "src/schema.h"

// What the files of a profile's layer are called by.
void lam_run_layer_name(const char *profile, int64_t layer, char name[LAM_RUN_FILE_NAME]);
void lam_run_seen_name(const char *profile, int64_t layer, char name[LAM_RUN_FILE_NAME]);

// Makes the file of the layer's rows of the profile's groups. LAM_MEMORY.
LAM_CHECKED lam_code lam_run_layer_pack(const char *profile, int64_t layer, const lam_group *groups,
                                        size_t count, lam_run_file *file, lam_error *error);

// Puts the rows back. *found is false where there are none, or what is there is damaged or another
// run's, of which a line tells: the layer is to be done again. LAM_MEMORY.
LAM_CHECKED lam_code lam_run_layer_load(const lam_run_folder *folder, const char *profile,
                                        int64_t layer, lam_group *groups, size_t count, bool *found,
                                        lam_error *error);

#endif
