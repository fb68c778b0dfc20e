// GPT-2's split of a text into pieces that are then tokenized one by one: the matches, from left to
// right, of
//     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", its released code).
#ifndef LAM_PRETOKENIZER_H
#define LAM_PRETOKENIZER_H

#include <stddef.h>
#include <stdint.h>

typedef enum lam_character { LAM_SPACE, LAM_LETTER, LAM_NUMBER, LAM_OTHER } lam_character;

// Of the expression's four kinds, the one a code point is: \s (White_Space), \p{L}, \p{N} or none
// of these, by Unicode 16.0.
lam_character lam_character_of(int32_t code);

// The end of the piece that begins at start < bytes. Text must be valid UTF-8 and start the end of
// the piece before, or 0. All pieces of a text together take time in proportion to bytes.
size_t lam_pretokenizer_next(const uint8_t *text, size_t bytes, size_t start);

#endif
