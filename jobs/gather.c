#include "jobs/gather.h"

#include <string.h>

// Sequences first .. end - 1, and where in data each begins.
typedef struct lam_gathering {
    const lam_profile_run *run;
    int64_t first, end, left_out;
    bool by_token; // else a sequence has one row
    size_t size;   // bytes of a row
} lam_gathering;

static size_t begin_of(const lam_gathering *g, int64_t sequence) {
    const int64_t *start = g->run->sequences->start, number = sequence - g->first;
    const int64_t tokens = start[sequence] - start[g->first];
    return (size_t)(g->by_token ? tokens - number * g->left_out : number) * g->size;
}

// A part is a micro-batch: they go round the members in their order (mpi/layout.h), those before
// first, which have nothing here, too.
static lam_code gather_parts(const lam_gathering *g, void *data, lam_arena *arena,
                             lam_error *error) {
    const lam_team *team = g->run->team;
    size_t *start;
    int64_t parts = 0;
    LAM_ALLOC(start, arena, g->end + 1, error);
    for (int64_t s = 0; s < g->end;) {
        s += lam_batch_from(g->run->sequences, s).count;
        start[++parts] = s <= g->first ? 0 : begin_of(g, s < g->end ? s : g->end);
    }
    return team->gather(team, data, parts, start, error);
}

static lam_code gather(const lam_gathering *g, void *data, lam_error *error) {
    lam_arena arena = {0};
    const lam_code code = gather_parts(g, data, &arena, error);
    lam_arena_destroy(&arena);
    return code;
}

lam_code lam_gather_sequences(const lam_profile_run *run, int64_t first, int64_t end, void *data,
                              size_t size, lam_error *error) {
    if (run->team->members == 1) return LAM_OK;
    const lam_gathering g = {.run = run, .first = first, .end = end, .size = size};
    return gather(&g, data, error);
}

lam_code lam_gather_tokens(const lam_profile_run *run, int64_t left_out, int64_t first, int64_t end,
                           void *rows, size_t size, lam_error *error) {
    if (run->team->members == 1) return LAM_OK;
    const lam_gathering g = {.run = run,
                             .first = first,
                             .end = end,
                             .left_out = left_out,
                             .by_token = true,
                             .size = size};
    return gather(&g, rows, error);
}

lam_code lam_gather_text(const lam_team *team, lam_sequences *sequences, lam_arena *arena,
                         lam_error *error) {
    lam_sequences *q = sequences;
    const size_t start[] = {0, (size_t)q->start[q->count] * sizeof *q->token};
    uint32_t *token;
    if (team->members == 1) return LAM_OK;
    LAM_ALLOC(token, arena, q->start[q->count], error);
    for (int64_t s = 0; team->member == 0 && s < q->count; s++)
        memcpy(token + q->start[s], lam_sequences_tokens(q, s),
               (size_t)(q->start[s + 1] - q->start[s]) * sizeof *token);
    q->token = token, q->place = NULL;
    return team->gather(team, token, 1, start, error);
}

// A state's common part, then its blocks, one behind the other; with bytes NULL they are counted.
static size_t move_state(lam_state *state, char *bytes, bool back) {
    size_t at = 0;
    for (int64_t block = LAM_STATE_COMMON; block < state->blocks; block++)
        at += state->copy(state->of, block, bytes ? bytes + at : NULL, back);
    return at;
}

static lam_code pass_state(const lam_team *team, lam_state *state, lam_arena *arena,
                           lam_error *error) {
    const size_t start[] = {0, move_state(state, NULL, false)};
    char *bytes;
    LAM_ALLOC(bytes, arena, start[1], error);
    if (team->member == 0) move_state(state, bytes, false);
    LAM_TRY(team->gather(team, bytes, 1, start, error));
    if (team->member > 0) move_state(state, bytes, true);
    return LAM_OK;
}

lam_code lam_gather_state(const lam_team *team, lam_state *state, bool *found, lam_error *error) {
    LAM_TRY(team->any(team, found, error));
    if (!*found) return LAM_OK;
    lam_arena arena = {0};
    const lam_code code = pass_state(team, state, &arena, error);
    lam_arena_destroy(&arena);
    return code;
}
