// NumPy's array files (format 1.0, numpy.lib.format), one dimension of unsigned little-endian
// numbers, written piece by piece.
#ifndef LAM_NPY_H
#define LAM_NPY_H

#include "io/sha256.h"
#include "src/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lam_npy_writer lam_npy_writer;

// Begins path, which appears at commit (replace_file.h); path must outlive the writer. width: bytes
// a number, 2, 4 or 8. Not collective. LAM_IO, LAM_MEMORY, here and below.
LAM_CHECKED lam_code lam_npy_open(const char *path, size_t width, lam_npy_writer **writer,
                                  lam_error *error);

// Appends one number, which must fit.
LAM_CHECKED lam_code lam_npy_add(lam_npy_writer *writer, uint64_t number, lam_error *error);

// Writes what is due and the header, and gives the SHA-256 of the file in hexadecimal. Nothing can
// be added after.
LAM_CHECKED lam_code lam_npy_finish(lam_npy_writer *writer, char sha256[LAM_SHA256_TEXT],
                                    lam_error *error);

size_t lam_npy_count(const lam_npy_writer *writer);

// After finish: the file takes its name. Frees the writer, as discard does (NULL is left alone).
LAM_CHECKED lam_code lam_npy_commit(lam_npy_writer *writer, lam_error *error);
void lam_npy_discard(lam_npy_writer *writer);

#endif
