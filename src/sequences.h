// Which tokens go through the model: sequences of one length, taken from a text.
#ifndef LAM_SEQUENCES_H
#define LAM_SEQUENCES_H

#include "arena.h"

#include <stdbool.h>
#include <stdint.h>

// Sequences of tokens, of any lengths. They are numbered one after the other; where they lie in the
// text is another matter.
typedef struct lam_sequences {
    int64_t count;
    int64_t *start; // [count + 1] number of the first token of each; the last one is that of all
    const uint32_t *token; // of the text; of a run's sequences, rank 0 alone has them
    int64_t *place;        // [count] where each one's tokens begin there; NULL: at start
    int32_t *label; // [count] what a profile knows a sequence by (a class, a category); or zeros
} lam_sequences;

// Makes *sequences for so many, with zeros for all but token, which is kept by reference; owned by
// arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_sequences_create(lam_sequences *sequences, int64_t count,
                                          const uint32_t *token, lam_arena *arena,
                                          lam_error *error);

// The tokens of a sequence.
static inline const uint32_t *lam_sequences_tokens(const lam_sequences *sequences, int64_t number) {
    return sequences->token + (sequences->place ? sequences->place : sequences->start)[number];
}

// Running text: tokens, and the documents that nothing taken from it may cross.
typedef struct lam_running {
    const uint32_t *token;   // [document[documents]]
    const int64_t *document; // [documents + 1] where each begins, the number of tokens last
    int64_t documents;       // 1: all is one
} lam_running;

// Takes count sequences of length tokens (0: as many as fit), each within one document, in the
// text's order, whose tokens are kept by reference: the first that fit, or ones drawn by seed. How
// many of those a document gives is drawn first, each of the whole sequences that fit into it with
// the same chance; then where they lie in it, without overlap. Owned by arena. LAM_INPUT if not so
// many fit, LAM_MEMORY.
LAM_CHECKED lam_code lam_sequences_take(lam_sequences *sequences, const lam_running *text,
                                        int64_t count, int64_t length, bool random, uint64_t seed,
                                        lam_arena *arena, lam_error *error);

// Whether both are the same sequences of the same tokens and labels.
bool lam_sequences_equal(const lam_sequences *a, const lam_sequences *b);

#endif
