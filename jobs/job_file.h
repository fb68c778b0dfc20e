// The reader of job files: YAML, keys at the top for the whole run, a section for each profile.
#ifndef LAM_JOB_FILE_H
#define LAM_JOB_FILE_H

#include "job.h"

// Reads the job file at path. sets are "section.key=value" texts that override it, output, unless
// NULL, its output (both relative to the current folder; the file's paths are relative to its
// folder). registry holds the profiles there are, ended by NULL. Errors name file and line: LAM_IO
// if it cannot be read, LAM_USAGE for anything wrong in it. Everything in *job is owned by arena.
LAM_CHECKED lam_code lam_job_read(const char *path, const lam_strings *sets, const char *output,
                                  const lam_profile *const *registry, lam_job *job,
                                  lam_arena *arena, lam_error *error);

// The same for a text of length bytes that is already in memory. name stands for the file in
// messages; folder is what its paths are relative to, NULL for the current one.
LAM_CHECKED lam_code lam_job_parse(const char *text, size_t length, const char *name,
                                   const char *folder, const lam_strings *sets, const char *output,
                                   const lam_profile *const *registry, lam_job *job,
                                   lam_arena *arena, lam_error *error);

#endif
