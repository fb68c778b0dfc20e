// Files that appear whole or not at all.
#ifndef LAM_REPLACE_FILE_H
#define LAM_REPLACE_FILE_H

#include "src/error.h"

#include <stddef.h>

// Writes bytes of data to a new file under a temporary name in path's folder, syncs it, renames it
// to path and syncs the folder: whoever reads path sees the old file or the new one, whole. A
// symbolic link is followed. On any failure the temporary file is gone and the old one untouched.
// Not collective. LAM_IO, with the remedy, if path's folder is missing or takes no file, path is a
// folder, a device or write-protected, the disk or the quota is full, or a limit on file sizes is
// in the way (for which SIGXFSZ must be ignored: by default it ends the process); LAM_MEMORY.
LAM_CHECKED lam_code lam_replace_file(const char *path, const void *data, size_t bytes,
                                      lam_error *error);

// The same for a file that is there already, under another name on the same file system: syncs it,
// renames it to path and syncs the folder. On a failure before the rename it stays where it is.
LAM_CHECKED lam_code lam_replace_by(const char *path, const char *file, lam_error *error);

// Whether lam_replace_file could write path now, tried with an empty temporary file: for before
// hours of work. Errors as above.
LAM_CHECKED lam_code lam_replace_check(const char *path, lam_error *error);

// The same for a file that is written piece by piece. path must outlive *file; errors as above.
// Either commit or discard ends it (NULL is left alone).
typedef struct lam_replacement lam_replacement;
LAM_CHECKED lam_code lam_replacement_open(const char *path, lam_replacement **file,
                                          lam_error *error);
LAM_CHECKED lam_code lam_replacement_write(lam_replacement *file, const void *data, size_t bytes,
                                           lam_error *error);
// What is written next overwrites the beginning.
LAM_CHECKED lam_code lam_replacement_rewind(lam_replacement *file, lam_error *error);
// Where it lies until then, to be read; owned by file.
const char *lam_replacement_temporary(const lam_replacement *file);
LAM_CHECKED lam_code lam_replacement_commit(lam_replacement *file, lam_error *error);
void lam_replacement_discard(lam_replacement *file);

#endif
