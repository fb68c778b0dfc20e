// A text's tokens without the white space around the text, as if it had been stripped before it was
// tokenized.
#ifndef LAM_STRIP_H
#define LAM_STRIP_H

#include "arena.h"
#include "tokenizer.h"

#include <stdbool.h>
#include <stdint.h>

// Whether Python's str.strip takes the character away.
bool lam_is_space(int32_t code);

// Leaves out the white space (Python's str.strip) before and after the text that token [count]
// stand for: *stripped [*stripped_count] are those of token in between where the text can be cut
// there, else (" The", one token, without its space) new ones of the text as it then is, owned by
// arena. An id that the tokenizer does not know, or no tokenizer at all (NULL), leaves all as they
// are. LAM_MEMORY, and errors as lam_tokenizer_encode.
LAM_CHECKED lam_code lam_tokens_strip(const lam_tokenizer *tokenizer, const uint32_t *token,
                                      int64_t count, const uint32_t **stripped,
                                      int64_t *stripped_count, lam_arena *arena, lam_error *error);

#endif
