// Which tokens go through the model: sequences of one length, taken from a text.
#ifndef LAM_SEQUENCES_H
#define LAM_SEQUENCES_H

#include "arena.h"

#include <stdbool.h>
#include <stdint.h>

// Sequences of tokens, one after the other, of any lengths.
typedef struct lam_sequences {
    int64_t count;
    int64_t *start;  // [count + 1] first token of each; start[count] is the number of tokens
    uint32_t *token; // [start[count]]; of a run's sequences, rank 0 alone has them
    int32_t *label;  // [count] what a profile knows a sequence by (a class, a category); or zeros
} lam_sequences;

// Makes *sequences for so many sequences and tokens in all, zeroed, owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_sequences_create(lam_sequences *sequences, int64_t count, int64_t tokens,
                                          lam_arena *arena, lam_error *error);

// Takes count sequences of length tokens out of token [tokens]: the first, or ones drawn by seed so
// that every placement without overlap is equally likely, in the order of the text. Owned by
// arena. LAM_INPUT if the text is too short for them, LAM_MEMORY.
LAM_CHECKED lam_code lam_sequences_take(lam_sequences *sequences, const uint32_t *token,
                                        int64_t tokens, int64_t count, int64_t length, bool random,
                                        uint64_t seed, lam_arena *arena, lam_error *error);

// Whether both are the same sequences of the same tokens and labels.
bool lam_sequences_equal(const lam_sequences *a, const lam_sequences *b);

#endif
