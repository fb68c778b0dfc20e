// Sequences in chunks that pass the model one after the other, for those who cannot keep what they
// see of all of them at once.
#ifndef LAM_CHUNKS_H
#define LAM_CHUNKS_H

#include "sequences.h"

typedef struct lam_chunks {
    int64_t count;  // 1 or more
    int64_t *first; // [count + 1] sequence of each; the last one is the number of all
} lam_chunks;

// Cuts sequences into chunks of whole micro-batches (forward.h), as equal as can be, of at most so
// many sequences each, but never less than a micro-batch; most 0: one chunk. So the cuts depend on
// the lengths and on most alone, and no activation depends on the cuts. Owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_chunks_cut(const lam_sequences *sequences, int64_t most,
                                    lam_chunks *chunks, lam_arena *arena, lam_error *error);

#endif
