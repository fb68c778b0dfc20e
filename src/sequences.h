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

// Running text: tokens, and the documents that nothing taken from it may cross.
typedef struct lam_running {
    const uint32_t *token;   // [document[documents]]
    const int64_t *document; // [documents + 1] where each begins, the number of tokens last
    int64_t documents;       // 1: all is one
} lam_running;

// Takes count sequences of length tokens, each within one document, in the text's order: the first
// that fit, or ones drawn by seed. How many of those a document gives is drawn first, each of the
// whole sequences that fit into it with the same chance; then where they lie in it, without
// overlap. Owned by arena. LAM_INPUT if not so many fit, LAM_MEMORY.
LAM_CHECKED lam_code lam_sequences_take(lam_sequences *sequences, const lam_running *text,
                                        int64_t count, int64_t length, bool random, uint64_t seed,
                                        lam_arena *arena, lam_error *error);

// Whether both are the same sequences of the same tokens and labels.
bool lam_sequences_equal(const lam_sequences *a, const lam_sequences *b);

#endif
