// Text before it is tokenized: valid UTF-8, and composed (NFC) where the tokenizer asks for it.
// Both as the library `tokenizers` has it, so that ids agree.
#ifndef LAM_NORMALIZER_H
#define LAM_NORMALIZER_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Bytes that grow; starts as {0}.
typedef struct lam_utf8 {
    uint8_t *data;
    size_t count, room;
} lam_utf8;

void lam_utf8_destroy(lam_utf8 *text);

// How many leading bytes of text are valid UTF-8: all of them, or those before the first fault.
size_t lam_utf8_valid(const uint8_t *text, size_t bytes);

// Appends text with U+FFFD in the place of what is not UTF-8, one for each maximal part of a
// sequence that is well-formed so far (Unicode 15, section 3.9, table 3-8), as Python's
// bytes.decode("utf-8", errors="replace") reads. LAM_MEMORY.
LAM_CHECKED lam_code lam_utf8_repair(const uint8_t *text, size_t bytes, lam_utf8 *repaired,
                                     lam_error *error);

// The code point of the character that begins at text, which must be valid UTF-8, and its bytes.
int32_t lam_utf8_decode(const uint8_t *text, size_t *bytes);

// Whether text may not be in normal form C yet; false is certain.
bool lam_nfc_needed(const uint8_t *text, size_t bytes);

// Appends the normal form C (Unicode Standard Annex 15) of text, which must be valid UTF-8. It
// knows the characters of Unicode 9.0 and leaves all later ones alone, as the library's NFC does.
// Takes time in proportion to bytes, also for endless runs of combining marks. LAM_MEMORY.
LAM_CHECKED lam_code lam_nfc(const uint8_t *text, size_t bytes, lam_utf8 *composed,
                             lam_error *error);

#endif
