// profile_sha256: one digest over all values of all groups of a result, the same for any number of
// ranks and threads, and the same again from the file.
//
// SHA-256 of, in this order, where a number is 8 bytes, little-endian, and a text is its length in
// bytes as a number followed by the bytes:
//   the text "laminar profile 1"; then, for each group in the order of its full name's bytes
//   ("sae", "tuning/qkv"; groups without variables are left out):
//     the group's name as a text; the number of its variables; then, for each of them in the order
//     of its name's bytes:
//       name and type ("double", "float", "int", "int64", "byte", "string") as texts; the number of
//       its dimensions; for each dimension, outermost first, its name as a text and its size; all
//       values, row-major: numbers little-endian in their own width, strings as texts.
// Every NaN counts as the quiet NaN without sign or payload (0x7ff8000000000000, 0x7fc00000): a
// missing value has no bits of its own. -0.0 keeps its sign: equal digests mean equal bits.
// Attributes are left out: they say who made the values, and when.
#ifndef LAM_RESULT_HASH_H
#define LAM_RESULT_HASH_H

#include "io/result_read.h"
#include "io/sha256.h"
#include "src/error.h"
#include "src/schema.h"

// Of groups in memory, each with all its layers. LAM_INTERNAL if a group has not all layers, or two
// have one name; LAM_MEMORY. Not collective: rank 0's, after collection.
LAM_CHECKED lam_code lam_result_hash(const lam_group *groups, size_t count,
                                     char text[LAM_SHA256_TEXT], lam_error *error);

// Of the values in a result file, read group by group. Errors as lam_result_open and
// lam_result_load.
LAM_CHECKED lam_code lam_result_hash_opened(const lam_result_file *file, char text[LAM_SHA256_TEXT],
                                            lam_error *error);
LAM_CHECKED lam_code lam_result_hash_file(const char *path, char text[LAM_SHA256_TEXT],
                                          lam_error *error);

#endif
