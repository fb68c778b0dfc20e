// The summary of a sweep: what each of its runs came to, as a netCDF file like a result's, with the
// dimension run. Group "sweep", by run: model, text, result, status, message, profile_sha256,
// layers, seconds. Then a group for each of the results' ("sae", "tuning/qkv"), by run: of every
// variable with one number a layer its mean over the layers, under the variable's name.
#ifndef LAM_SWEEP_FILE_H
#define LAM_SWEEP_FILE_H

#include "src/error.h"
#include "src/schema.h"

#include <stddef.h>

// One run: a model on a text.
typedef struct lam_sweep_run {
    const char *model, *text; // as the job has them; text NULL: none
    const char *name;         // "gpt2-LED": what its output's name has more; "" for a single run
    const char *output;       // the result file
    const char *failure;      // the line it ended with; NULL: it went well
    double seconds;           // wall
} lam_sweep_run;

typedef struct lam_sweep_about {
    const char *command, *source;    // the command line; program and version
    const lam_attribute *attributes; // of the root
    size_t attribute_count;
} lam_sweep_about;

// Reads the results of the runs that went well and writes the summary; path appears whole or not at
// all. Means leave out missing values and are missing where there are no others, or no result.
// Not collective: rank 0's. Errors as lam_result_open, lam_result_load and lam_result_write.
LAM_CHECKED lam_code lam_sweep_write(const char *path, const lam_sweep_run *runs, size_t count,
                                     const lam_sweep_about *about, lam_error *error);

#endif
