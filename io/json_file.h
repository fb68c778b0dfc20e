// A whole JSON file, read with limits.
#ifndef LAM_JSON_FILE_H
#define LAM_JSON_FILE_H

#include "src/error.h"

#include <jansson.h>
#include <stddef.h>

// Parses the JSON object in a regular file of at most limit bytes; names must not repeat within an
// object. The object is the caller's to json_decref. LAM_IO if it cannot be read, LAM_INPUT if it
// is too large, no JSON (with line and column) or no object. Each line names the file.
LAM_CHECKED lam_code lam_json_read(const char *path, size_t limit, json_t **object,
                                   lam_error *error);

// Writes the object, indented and in the order of its keys, and syncs it. LAM_IO as for any file;
// what was written is then removed.
LAM_CHECKED lam_code lam_json_write(const char *path, const json_t *object, lam_error *error);

#endif
