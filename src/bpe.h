// Byte-pair encoding: a piece of text starts as single bytes, and of all adjacent pairs the one
// that the list of merges ranks first, the leftmost of equals, is merged until none is in the list
// (Sennrich, Haddow and Birch 2016, arXiv:1508.07909; on bytes as GPT-2 does).
#ifndef LAM_BPE_H
#define LAM_BPE_H

#include "arena.h"
#include "error.h"

#include <stddef.h>
#include <stdint.h>

// Token ids that grow; starts as {0}.
typedef struct lam_ids {
    uint32_t *id;
    size_t count, room;
} lam_ids;

void lam_ids_destroy(lam_ids *ids);

// Makes room for more ids after count. LAM_MEMORY.
LAM_CHECKED lam_code lam_ids_reserve(lam_ids *ids, size_t more, lam_error *error);

// A token's bytes. data NULL: no such token.
typedef struct lam_token_bytes {
    const uint8_t *data;
    size_t bytes;
} lam_token_bytes;

typedef struct lam_merge {
    uint32_t left, right, result; // token ids; result's bytes are left's and right's
} lam_merge;

typedef struct lam_bpe lam_bpe;

enum { LAM_MOST_MERGES = 1 << 24 };

// An encoder of the tokens [count] that merging can make, with merges in order of rank (of two
// with the same pair the later counts). Tokens' bytes are kept by reference, all else is owned by
// arena. LAM_INPUT if a byte that UTF-8 text can hold is no token, if there are more than
// LAM_MOST_MERGES, or if a merge's result is not its parts.
LAM_CHECKED lam_code lam_bpe_create(const lam_token_bytes *token, size_t count,
                                    const lam_merge *merge, size_t merge_count, lam_arena *arena,
                                    lam_bpe **bpe, lam_error *error);

// Appends the ids of a piece, at most bytes of them. Time is in proportion to bytes, times the
// logarithm for long pieces (a heap of pairs). Safe for any number of threads at once. LAM_MEMORY;
// LAM_INPUT where a piece has 4 GiB or more or holds a byte that is no token.
LAM_CHECKED lam_code lam_bpe_encode(const lam_bpe *bpe, const uint8_t *piece, size_t bytes,
                                    lam_ids *ids, lam_error *error);

#endif
