#include "bpe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

// Open addressing, at most half full, a power of two slots.
typedef struct pair_slot {
    uint64_t pair; // left << 32 | right; no pair is all ones
    uint32_t rank, result;
} pair_slot;

// Whole tokens that encode to themselves, by their bytes: most pieces of plain text are one.
typedef struct whole_slot {
    uint32_t tag, id; // of the hash; NONE: empty
} whole_slot;

struct lam_bpe {
    const lam_token_bytes *token;
    uint32_t byte_token[256];
    pair_slot *pair;
    whole_slot *whole;
    unsigned pair_shift, whole_shift; // 64 - log2 of the slots
    size_t longest_whole;
};

void lam_ids_destroy(lam_ids *ids) {
    free(ids->id);
    *ids = (lam_ids){0};
}

lam_code lam_ids_reserve(lam_ids *ids, size_t more, lam_error *error) {
    if (more <= ids->room - ids->count) return LAM_OK;
    size_t room = ids->count + more + ids->count / 2 + 256;
    uint32_t *id = more > SIZE_MAX / 8 ? NULL : realloc(ids->id, room * sizeof *id);
    if (!id)
        return lam_fail(error, LAM_MEMORY, "no memory for %zu tokens: use shorter texts", room);
    ids->id = id;
    ids->room = room;
    return LAM_OK;
}

static uint64_t mix(uint64_t value) {
    value *= 0x9E3779B97F4A7C15; // 2^64 / golden ratio
    return (value ^ value >> 32) * 0xD6E8FEB86659FD93;
}

static uint64_t hash_of(const uint8_t *data, size_t bytes) {
    uint64_t hash = bytes, word = 0;
    uint32_t first, last;
    for (; bytes > 8; bytes -= 8, data += 8) {
        memcpy(&word, data, 8);
        hash = mix(hash ^ word);
    }
    if (bytes >= 4) { // two words that may overlap
        memcpy(&first, data, 4);
        memcpy(&last, data + bytes - 4, 4);
        word = (uint64_t)first << 32 | last;
    } else {
        word = (uint64_t)data[0] << 16 | (uint64_t)data[bytes / 2] << 8 | data[bytes - 1];
    }
    return mix(hash ^ word);
}

// The shift that leaves an index into at least twice count slots.
static unsigned shift_for(size_t count) {
    unsigned shift = 60;
    while (shift > 1 && (UINT64_C(1) << (64 - shift)) < 2 * (uint64_t)count) shift--;
    return shift;
}

static size_t slots(unsigned shift) {
    return (size_t)1 << (64 - shift);
}

// The slot of a pair, or the empty one where it would stand.
static inline pair_slot *find_pair(const lam_bpe *bpe, uint32_t left, uint32_t right) {
    uint64_t pair = (uint64_t)left << 32 | right;
    size_t mask = slots(bpe->pair_shift) - 1, i = (size_t)(mix(pair) >> bpe->pair_shift);
    while (bpe->pair[i].pair != pair && bpe->pair[i].rank != NONE) i = (i + 1) & mask;
    return &bpe->pair[i];
}

static inline whole_slot *find_whole(const lam_bpe *bpe, const uint8_t *data, size_t bytes,
                                     uint64_t hash) {
    size_t mask = slots(bpe->whole_shift) - 1, i = (size_t)(hash >> bpe->whole_shift);
    for (;; i = (i + 1) & mask) {
        whole_slot *slot = &bpe->whole[i];
        if (slot->id == NONE) return slot;
        const lam_token_bytes *token = &bpe->token[slot->id];
        if (slot->tag == (uint32_t)hash && token->bytes == bytes &&
            memcmp(token->data, data, bytes) == 0)
            return slot;
    }
}

// Pieces up to this length are scanned for the first pair again after each merge.
enum { SHORT = 48 };

static size_t encode_short(const lam_bpe *bpe, const uint8_t *piece, size_t bytes, uint32_t *id) {
    uint32_t rank[SHORT]; // of token i with token i + 1
    size_t count = bytes;
    for (size_t i = 0; i < count; i++) id[i] = bpe->byte_token[piece[i]];
    for (size_t i = 0; i + 1 < count; i++) rank[i] = find_pair(bpe, id[i], id[i + 1])->rank;
    while (count > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < count; i++)
            if (rank[i] < rank[best]) best = i;
        if (rank[best] == NONE) break;
        id[best] = find_pair(bpe, id[best], id[best + 1])->result;
        count--;
        size_t after = count - best - 1; // tokens after the merged one
        memmove(id + best + 1, id + best + 2, after * sizeof *id);
        memmove(rank + best, rank + best + 1, after * sizeof *rank);
        if (after) rank[best] = find_pair(bpe, id[best], id[best + 1])->rank;
        if (best) rank[best - 1] = find_pair(bpe, id[best - 1], id[best])->rank;
    }
    return count;
}

// A long piece: its tokens in a doubly linked list, and a heap of rank << 32 | position, the least
// first. An entry whose token is gone or has another pair by now is passed over when it comes up.
typedef struct long_piece {
    uint32_t *id, *next, *previous; // [bytes]; an id of NONE: merged into one before
    uint64_t *heap;
    size_t heap_count;
} long_piece;

static void sift_down(long_piece *p, size_t i) {
    uint64_t entry = p->heap[i];
    for (size_t child; (child = 2 * i + 1) < p->heap_count; i = child) {
        if (child + 1 < p->heap_count && p->heap[child + 1] < p->heap[child]) child++;
        if (p->heap[child] >= entry) break;
        p->heap[i] = p->heap[child];
    }
    p->heap[i] = entry;
}

static void push(long_piece *p, uint64_t entry) {
    size_t i = p->heap_count++;
    for (; i > 0 && p->heap[(i - 1) / 2] > entry; i = (i - 1) / 2)
        p->heap[i] = p->heap[(i - 1) / 2];
    p->heap[i] = entry;
}

static uint64_t pop(long_piece *p) {
    uint64_t first = p->heap[0];
    p->heap[0] = p->heap[--p->heap_count];
    if (p->heap_count) sift_down(p, 0);
    return first;
}

static void push_pair(const lam_bpe *bpe, long_piece *p, uint32_t left, uint32_t right) {
    uint32_t rank = find_pair(bpe, p->id[left], p->id[right])->rank;
    if (rank != NONE) push(p, (uint64_t)rank << 32 | left);
}

static void merge_all(const lam_bpe *bpe, long_piece *p) {
    while (p->heap_count) {
        uint64_t first = pop(p);
        uint32_t left = (uint32_t)first, right = p->next[left];
        if (p->id[left] == NONE || right == NONE) continue;
        const pair_slot *slot = find_pair(bpe, p->id[left], p->id[right]);
        if (slot->rank != first >> 32) continue;
        p->id[left] = slot->result;
        p->id[right] = NONE;
        uint32_t after = p->next[left] = p->next[right];
        if (after != NONE) {
            p->previous[after] = left;
            push_pair(bpe, p, left, after);
        }
        if (p->previous[left] != NONE) push_pair(bpe, p, p->previous[left], left);
    }
}

// The ids are made in place, in id [bytes].
static lam_code encode_long(const lam_bpe *bpe, const uint8_t *piece, size_t bytes, uint32_t *id,
                            size_t *count, lam_error *error) {
    // A merge takes one entry and makes two at most, and there are fewer merges than bytes.
    long_piece p = {.id = id,
                    .next = malloc(bytes * sizeof *p.next),
                    .previous = malloc(bytes * sizeof *p.previous),
                    .heap = malloc(2 * bytes * sizeof *p.heap)};
    lam_code code = LAM_OK;
    *count = 0;
    if (p.next && p.previous && p.heap) {
        for (size_t i = 0; i < bytes; i++) {
            id[i] = bpe->byte_token[piece[i]];
            p.previous[i] = i ? (uint32_t)(i - 1) : NONE;
            p.next[i] = i + 1 < bytes ? (uint32_t)(i + 1) : NONE;
        }
        for (uint32_t i = 0; i + 1 < bytes; i++) push_pair(bpe, &p, i, i + 1);
        merge_all(bpe, &p);
        for (size_t i = 0; i < bytes; i++)
            if (id[i] != NONE) id[(*count)++] = id[i];
    } else {
        code = lam_fail(error, LAM_MEMORY,
                        "no memory to tokenize %zu bytes without a space between them", bytes);
    }
    free(p.next);
    free(p.previous);
    free(p.heap);
    return code;
}

static lam_code encode(const lam_bpe *bpe, const uint8_t *piece, size_t bytes, lam_ids *ids,
                       lam_error *error) {
    if (bytes >= NONE)
        return lam_fail(error, LAM_INPUT, "a text of %zu bytes without a space cannot be tokenized",
                        bytes);
    for (size_t i = 0; i < bytes; i++)
        if (bpe->byte_token[piece[i]] == NONE)
            return lam_fail(error, LAM_INPUT, "the tokenizer has no token for the byte 0x%02X",
                            piece[i]);
    LAM_TRY(lam_ids_reserve(ids, bytes, error));
    uint32_t *id = ids->id + ids->count;
    size_t count = 0;
    if (bytes <= SHORT)
        count = encode_short(bpe, piece, bytes, id);
    else
        LAM_TRY(encode_long(bpe, piece, bytes, id, &count, error));
    ids->count += count;
    return LAM_OK;
}

lam_code lam_bpe_encode(const lam_bpe *bpe, const uint8_t *piece, size_t bytes, lam_ids *ids,
                        lam_error *error) {
    if (bytes == 0) return LAM_OK;
    if (bytes <= bpe->longest_whole) {
        const whole_slot *slot = find_whole(bpe, piece, bytes, hash_of(piece, bytes));
        if (slot->id != NONE) {
            LAM_TRY(lam_ids_reserve(ids, 1, error));
            ids->id[ids->count++] = slot->id;
            return LAM_OK;
        }
    }
    return encode(bpe, piece, bytes, ids, error);
}

static lam_code set_byte_tokens(lam_bpe *bpe, size_t count, lam_error *error) {
    for (int byte = 0; byte < 256; byte++) bpe->byte_token[byte] = NONE;
    for (size_t i = 0; i < count; i++)
        if (bpe->token[i].bytes == 1) bpe->byte_token[bpe->token[i].data[0]] = (uint32_t)i;
    for (int byte = 0; byte < 256; byte++) {
        bool in_utf8 = byte != 0xC0 && byte != 0xC1 && byte < 0xF5;
        if (in_utf8 && bpe->byte_token[byte] == NONE)
            return lam_fail(error, LAM_INPUT,
                            "the vocabulary has no token for the byte 0x%02X: it is not that of a "
                            "byte-level tokenizer",
                            (unsigned)byte);
    }
    return LAM_OK;
}

static bool is_made_of(const lam_bpe *bpe, size_t count, const lam_merge *merge) {
    if (merge->left >= count || merge->right >= count || merge->result >= count) return false;
    const lam_token_bytes *left = &bpe->token[merge->left], *right = &bpe->token[merge->right];
    const lam_token_bytes *result = &bpe->token[merge->result];
    return left->data && right->data && result->data &&
           result->bytes == left->bytes + right->bytes &&
           memcmp(result->data, left->data, left->bytes) == 0 &&
           memcmp(result->data + left->bytes, right->data, right->bytes) == 0;
}

static lam_code set_merges(lam_bpe *bpe, size_t count, const lam_merge *merge, size_t merge_count,
                           lam_error *error) {
    for (size_t i = 0; i < slots(bpe->pair_shift); i++) bpe->pair[i].rank = NONE;
    for (size_t i = 0; i < merge_count; i++) {
        if (!is_made_of(bpe, count, &merge[i]))
            return lam_fail(error, LAM_INPUT,
                            "merge %zu (tokens %u and %u to %u) does not join its two tokens",
                            i + 1, merge[i].left, merge[i].right, merge[i].result);
        pair_slot *slot = find_pair(bpe, merge[i].left, merge[i].right);
        *slot = (pair_slot){(uint64_t)merge[i].left << 32 | merge[i].right, (uint32_t)i,
                            merge[i].result};
    }
    return LAM_OK;
}

// Tokens that no merge makes of their own bytes are left to encode().
static lam_code set_whole_tokens(lam_bpe *bpe, size_t count, lam_error *error) {
    lam_ids ids = {0};
    lam_code code = LAM_OK;
    for (size_t i = 0; i < slots(bpe->whole_shift); i++) bpe->whole[i].id = NONE;
    for (size_t i = 0; i < count && code == LAM_OK; i++) {
        const lam_token_bytes *token = &bpe->token[i];
        bool spelled = token->bytes > 0;
        for (size_t j = 0; j < token->bytes; j++)
            spelled = spelled && bpe->byte_token[token->data[j]] != NONE;
        if (!spelled) continue;
        ids.count = 0;
        code = encode(bpe, token->data, token->bytes, &ids, error);
        if (code != LAM_OK || ids.count != 1 || ids.id[0] != i) continue;
        uint64_t hash = hash_of(token->data, token->bytes);
        *find_whole(bpe, token->data, token->bytes, hash) = (whole_slot){(uint32_t)hash, ids.id[0]};
        if (token->bytes > bpe->longest_whole) bpe->longest_whole = token->bytes;
    }
    lam_ids_destroy(&ids);
    return code;
}

lam_code lam_bpe_create(const lam_token_bytes *token, size_t count, const lam_merge *merge,
                        size_t merge_count, lam_arena *arena, lam_bpe **bpe, lam_error *error) {
    lam_bpe *made;
    LAM_ALLOC(made, arena, 1, error);
    if (merge_count > LAM_MOST_MERGES || count >= NONE)
        return lam_fail(error, LAM_INPUT, "%zu tokens with %zu merges are too many", count,
                        merge_count);
    made->token = token;
    made->pair_shift = shift_for(merge_count);
    made->whole_shift = shift_for(count);
    LAM_ALLOC(made->pair, arena, slots(made->pair_shift), error);
    LAM_ALLOC(made->whole, arena, slots(made->whole_shift), error);
    LAM_TRY(set_byte_tokens(made, count, error));
    LAM_TRY(set_merges(made, count, merge, merge_count, error));
    LAM_TRY(set_whole_tokens(made, count, error));
    *bpe = made;
    return LAM_OK;
}
