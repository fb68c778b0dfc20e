// What `laminar info` says of a result file.
#ifndef LAM_INFO_H
#define LAM_INFO_H

#include "src/error.h"

#include <stdio.h>

// For people, at 80 columns: where the result comes from, whether its values are those it was
// written with (profile_sha256), and of each group every variable's lowest, median and highest
// value, with a line of the median of each layer in block characters where the locale has them,
// else in digits 1 to 8; of a sweep's summary its runs and a table of their means instead. LAM_IO
// if path cannot be read or out not written; LAM_INPUT if it is not a result, or damaged, also
// where all was printed but the values do not match profile_sha256; LAM_MEMORY.
LAM_CHECKED lam_code lam_info_result(const char *path, FILE *out, lam_error *error);

// The same for programs: one JSON object with path, bytes, profile_sha256 {stored, computed,
// verified}, attributes, and groups [{name, attributes, dimensions, variables [{name, type,
// dimensions, shape, long_name, units, minimum, median, maximum, missing, values}]}]; values are
// there for variables of at most one dimension, missing ones null. Errors as above.
LAM_CHECKED lam_code lam_info_result_json(const char *path, FILE *out, lam_error *error);

#endif
