#include "sequences.h"

#include "random.h"

#include <stdlib.h>
#include <string.h>

static int compare_offsets(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

lam_code lam_sequences_create(lam_sequences *sequences, int64_t count, const uint32_t *token,
                              lam_arena *arena, lam_error *error) {
    *sequences = (lam_sequences){.count = count, .token = token};
    LAM_ALLOC(sequences->start, arena, count + 1, error);
    LAM_ALLOC(sequences->place, arena, count, error);
    LAM_ALLOC(sequences->label, arena, count, error);
    return LAM_OK;
}

// How many whole sequences fit into a document.
static int64_t fit(const lam_running *text, int64_t document, int64_t length) {
    return (text->document[document + 1] - text->document[document]) / length;
}

static lam_code check_fit(const lam_running *text, int64_t fitting, int64_t count, int64_t length,
                          lam_error *error) {
    if (count <= fitting) return LAM_OK;
    int64_t tokens = text->document[text->documents];
    if (text->documents == 1)
        return lam_fail(error, LAM_INPUT,
                        "%lld tokens, fewer than the %lld x %lld asked for: "
                        "choose fewer sequences, a smaller length or a longer text",
                        (long long)tokens, (long long)count, (long long)length);
    return lam_fail(error, LAM_INPUT,
                    "%lld sequences of %lld tokens lie within its %lld documents (%lld tokens), "
                    "fewer than the %lld asked for: choose fewer sequences, a smaller length or "
                    "'documents: join'",
                    (long long)fitting, (long long)length, (long long)text->documents,
                    (long long)tokens, (long long)count);
}

// How many of the whole sequences that fit into a document are taken, those before it being so many
// of all; each with the same chance (selection sampling: Knuth, volume 2, algorithm S).
static int64_t draw_count(const lam_random *key, int64_t before, int64_t fitting, int64_t all,
                          int64_t wanted) {
    int64_t taken = 0;
    for (int64_t i = before; i < before + fitting && taken < wanted; i++)
        taken += (int64_t)lam_random_below(key, (uint64_t)i, (uint64_t)(all - i)) < wanted - taken;
    return taken;
}

lam_code lam_sequences_take(lam_sequences *sequences, const lam_running *text, int64_t count,
                            int64_t length, bool random, uint64_t seed, lam_arena *arena,
                            lam_error *error) {
    const lam_random choice = lam_random_key(seed, LAM_RANDOM_SEQUENCES, 0, 1);
    const lam_random within = lam_random_key(seed, LAM_RANDOM_SEQUENCES, 0, 0);
    int64_t all = 0, before = 0;
    for (int64_t d = 0; d < text->documents; d++) all += fit(text, d, length);
    if (count == 0) count = all > 0 ? all : 1;
    LAM_TRY(check_fit(text, all, count, length, error));
    LAM_TRY(lam_sequences_create(sequences, count, text->token, arena, error));
    int64_t *place = sequences->place;
    for (int64_t d = 0, first = 0, taken; first < count; d++, first += taken) {
        int64_t fitting = fit(text, d, length), left = count - first;
        taken = random           ? draw_count(&choice, before, fitting, all, left)
                : fitting < left ? fitting
                                 : left;
        before += fitting;
        // Tokens left out before each sequence: sorted draws from the slack.
        uint64_t slack = (uint64_t)(text->document[d + 1] - text->document[d] - taken * length);
        for (int64_t i = first; random && i < first + taken; i++)
            place[i] = (int64_t)lam_random_below(&within, (uint64_t)i, slack + 1);
        qsort(place + first, (size_t)taken, sizeof *place, compare_offsets);
        for (int64_t i = 0; i < taken; i++) place[first + i] += text->document[d] + i * length;
    }
    for (int64_t i = 0; i < count; i++) sequences->start[i + 1] = (i + 1) * length;
    return LAM_OK;
}

bool lam_sequences_equal(const lam_sequences *a, const lam_sequences *b) {
    if (a->count != b->count) return false;
    size_t starts = (size_t)(a->count + 1) * sizeof *a->start;
    if (memcmp(a->start, b->start, starts) != 0) return false;
    if (memcmp(a->label, b->label, (size_t)a->count * sizeof *a->label) != 0) return false;
    for (int64_t i = 0; i < a->count; i++) {
        const uint32_t *x = lam_sequences_tokens(a, i), *y = lam_sequences_tokens(b, i);
        const size_t length = (size_t)(a->start[i + 1] - a->start[i]);
        if (x != y && memcmp(x, y, length * sizeof *x) != 0) return false;
    }
    return true;
}
