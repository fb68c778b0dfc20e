// The result of a run as a netCDF-4 file: root dimensions layer, head and component with their
// coordinates (run, in the summary of a sweep), one group a profile ("tuning/qkv": a group in a
// group), definitions from the schemas.
#ifndef LAM_RESULT_FILE_H
#define LAM_RESULT_FILE_H

#include "src/error.h"
#include "src/schema.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lam_result {
    const char *title, *summary, *history, *source, *date; // of the root; NULL is written as ""
    const lam_attribute *attributes; // of the root, after those: version, job, mode...
    size_t attribute_count;
    int64_t layers, heads;   // of the model
    int64_t runs;            // of a sweep's summary (io/sweep_file.h), which has no model; else 0
    const lam_group *groups; // each with all layers
    size_t group_count;
} lam_result;

// Writes the result; path appears whole, by lam_replace_file, or not at all. The writer adds
// Conventions, profile_sha256 (lam_result_hash) and, as the last thing, complete = 1. Texts that
// are not UTF-8 get U+FFFD in the bad places. Variables of 1 MB or more are shuffled and deflated.
// The file is made in memory first, about as large as the values. Not collective: rank 0's, after
// collection. LAM_IO, with the remedy, as lam_replace_file; LAM_INTERNAL for groups that contradict
// each other or the model (a size, a name twice, layers missing); LAM_MEMORY.
LAM_CHECKED lam_code lam_result_write(const char *path, const lam_result *result, lam_error *error);

// Whether a result could be written to path now: for before hours of work. Errors as
// lam_replace_check, and LAM_IO where path is a file that is no result: a job file, say.
LAM_CHECKED lam_code lam_result_check_output(const char *path, lam_error *error);

#endif
