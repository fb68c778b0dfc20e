// UTF-8 as Python reads it: what is not UTF-8 becomes U+FFFD, one for each maximal subpart (the
// Unicode Standard, 3.9, "U+FFFD Substitution of Maximal Subparts"), exactly as
// bytes.decode("utf-8", errors="replace") has it. A byte-order mark and NULs are characters like
// any others and are kept.
#ifndef LAM_UTF8_H
#define LAM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

// Length of the first character of a text of bytes > 0 bytes (char or uint8_t, here and below), or,
// with *valid false, of the maximal subpart that stands for one U+FFFD. At least 1.
size_t lam_utf8_step(const void *text, size_t bytes, bool *valid);

// How many bytes at the beginning are valid UTF-8: bytes, if all are.
size_t lam_utf8_valid(const void *text, size_t bytes);

// Writes text with the replacements made to out and returns its length in bytes, at most 3 * bytes.
// out may be NULL, to learn the length. *replaced, unless NULL, receives the number of U+FFFD put
// in.
size_t lam_utf8_replace(const void *text, size_t bytes, char *out, size_t *replaced);

#endif
