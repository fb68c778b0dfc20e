// Unicode's normal form C as the library `tokenizers` has it, so that ids agree.
#ifndef LAM_NORMALIZER_H
#define LAM_NORMALIZER_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Normalized text, which grows; starts as {0}.
typedef struct lam_normalized {
    uint8_t *data;
    size_t count, room;
} lam_normalized;

void lam_normalized_destroy(lam_normalized *text);

// The code point of the character that begins at text, which must be valid UTF-8, and its bytes.
int32_t lam_utf8_decode(const uint8_t *text, size_t *bytes);

// Whether text may not be in normal form C yet; false is certain.
bool lam_nfc_needed(const uint8_t *text, size_t bytes);

// Appends the normal form C (Unicode Standard Annex 15) of text, which must be valid UTF-8. It
// knows the characters of Unicode 9.0 and leaves all later ones alone, as the library's NFC does.
// Takes time in proportion to bytes, also for endless runs of combining marks. LAM_MEMORY.
LAM_CHECKED lam_code lam_nfc(const uint8_t *text, size_t bytes, lam_normalized *composed,
                             lam_error *error);

#endif
