// What is to be run: the keys that stand for the whole run, and a section for every profile that
// is wanted. A job comes from a job file (job_file.h) or from the command line of one profile.
#ifndef LAM_JOB_H
#define LAM_JOB_H

#include "arguments.h"
#include "input.h"
#include "profile.h"
#include "src/arena.h"
#include "src/error.h"
#include "src/option.h"

#include <stdint.h>
#include <stdio.h>

typedef struct lam_job_globals {
    lam_strings model; // checkpoint folders, at least one
    int mode;          // lam_mode
    int64_t seed;
    const char *output;
    int64_t threads; // a rank; LAM_AUTO_INTEGER: as bound
    double watchdog; // seconds of silence; 0: never
    int64_t distribute;
    double checkpoint; // seconds between two states of a layer under way; 0: never
    lam_input input;   // for the sections that have none of their own
} lam_job_globals;

extern const lam_option lam_global_options[]; // of lam_job_globals, without input
extern const lam_option lam_input_options[];  // of lam_input

typedef struct lam_job_section {
    const lam_profile *profile;
    lam_input input; // resolved: the job's, but for the keys given in the section
    void *options;   // the struct of profile->options
} lam_job_section;

// Everything in a job is owned by the arena it was made in.
typedef struct lam_job {
    lam_job_globals globals;
    lam_job_section *section; // of the wanted profiles, in the registry's order
    size_t section_count;
} lam_job;

// The job of "laminar PROFILE ...", argv beginning after the profile's name: every key of the
// profile, of the input and of the run is an option. With arguments->help or ->version set the job
// is not to be used. LAM_USAGE for a wrong command line or a missing model.
LAM_CHECKED lam_code lam_job_from_arguments(const lam_profile *profile, int argc,
                                            const char *const *argv, lam_arguments *arguments,
                                            lam_job *job, lam_arena *arena, lam_error *error);

// The help of "laminar PROFILE".
void lam_job_help(FILE *out, const lam_profile *profile);

// The job as resolved, as the text of a job file that gives the same job when it is read from the
// current folder: keys in the tables' order, those without a value left out. NULL: no memory.
char *lam_job_yaml(const lam_job *job, lam_arena *arena, lam_error *error);

// The pieces that the job file's reader shares. Defaults for everything and no section.
LAM_CHECKED lam_code lam_job_begin(lam_job *job, size_t most_sections, lam_arena *arena,
                                   lam_error *error);

// A section for the profile, with the profile's defaults.
LAM_CHECKED lam_code lam_job_add_section(lam_job *job, const lam_profile *profile, lam_arena *arena,
                                         lam_error *error);

// The option of that name in a section (NULL: at the top of the job file) and in *base the struct
// it is set in; NULL if there is none.
const lam_option *lam_job_find(lam_job *job, lam_job_section *section, const char *name,
                               void **base);

// Fails with LAM_USAGE for a name that is not known in a section (NULL: at the top), saying where
// it belongs, or the nearest name that is known, or all of them. what: "key" or "profile".
LAM_CHECKED lam_code lam_job_unknown(const lam_job_section *section, const char *what,
                                     const char *name, const lam_profile *const *registry,
                                     lam_error *error);

// Applies those of the "section.key=value" texts that belong to the section (NULL: those without a
// section; the others' sections are checked then). Paths are relative to the current folder.
LAM_CHECKED lam_code lam_job_apply_sets(lam_job *job, lam_job_section *section,
                                        const lam_strings *sets, const lam_profile *const *registry,
                                        lam_arena *arena, lam_error *error);

#endif
