#include "sequences.h"

#include "random.h"

#include <stdlib.h>
#include <string.h>

static int compare_offsets(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

lam_code lam_sequences_create(lam_sequences *sequences, int64_t count, int64_t tokens,
                              lam_arena *arena, lam_error *error) {
    *sequences = (lam_sequences){.count = count};
    LAM_ALLOC(sequences->start, arena, count + 1, error);
    LAM_ALLOC(sequences->token, arena, tokens, error);
    LAM_ALLOC(sequences->label, arena, count, error);
    return LAM_OK;
}

lam_code lam_sequences_take(lam_sequences *sequences, const uint32_t *token, int64_t tokens,
                            int64_t count, int64_t length, bool random, uint64_t seed,
                            lam_arena *arena, lam_error *error) {
    if (count > tokens / length)
        return lam_fail(error, LAM_INPUT,
                        "%lld tokens, fewer than the %lld x %lld asked for: "
                        "choose fewer sequences, a smaller length or a longer text",
                        (long long)tokens, (long long)count, (long long)length);
    int64_t *gap;
    LAM_ALLOC(gap, arena, count, error);
    LAM_TRY(lam_sequences_create(sequences, count, count * length, arena, error));
    // Tokens left out before each sequence: sorted draws from the slack.
    if (random) {
        lam_random key = lam_random_key(seed, LAM_RANDOM_SEQUENCES, 0, 0);
        uint64_t slack = (uint64_t)(tokens - count * length);
        for (int64_t i = 0; i < count; i++)
            gap[i] = (int64_t)lam_random_below(&key, (uint64_t)i, slack + 1);
        qsort(gap, (size_t)count, sizeof *gap, compare_offsets);
    }
    for (int64_t i = 0; i < count; i++) {
        sequences->start[i + 1] = (i + 1) * length;
        memcpy(sequences->token + i * length, token + gap[i] + i * length,
               (size_t)length * sizeof *token);
    }
    return LAM_OK;
}

bool lam_sequences_equal(const lam_sequences *a, const lam_sequences *b) {
    if (a->count != b->count) return false;
    size_t starts = (size_t)(a->count + 1) * sizeof *a->start;
    if (memcmp(a->start, b->start, starts) != 0) return false;
    if (memcmp(a->label, b->label, (size_t)a->count * sizeof *a->label) != 0) return false;
    return memcmp(a->token, b->token, (size_t)a->start[a->count] * sizeof *a->token) == 0;
}
