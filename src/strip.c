#include "strip.h"

#include "pretokenizer.h"

#include <string.h>
#include <utf8proc.h>

bool lam_is_space(int32_t code) {
    // The separators of ASCII are white space to Python, but not to Unicode.
    return (code >= 0x1C && code <= 0x1F) || lam_character_of(code) == LAM_SPACE;
}

// The text without white space around it is at [*first, *end); both are bytes if there is none.
static void find_text(const char *text, size_t bytes, size_t *first, size_t *end) {
    *first = *end = bytes;
    for (size_t at = 0, step; at < bytes; at += step) {
        int32_t code;
        size_t left = bytes - at < 4 ? bytes - at : 4;
        utf8proc_ssize_t length =
            utf8proc_iterate((const uint8_t *)text + at, (utf8proc_ssize_t)left, &code);
        step = length > 0 ? (size_t)length : 1;
        if (length > 0 && lam_is_space(code)) continue;
        if (*first == bytes) *first = at;
        *end = at + step;
    }
}

// The text the tokens stand for, and where each begins: start [count + 1]. *text is NULL if one of
// them is unknown.
static lam_code text_of(const lam_tokenizer *tokenizer, const uint32_t *token, int64_t count,
                        char **text, size_t *start, lam_arena *arena, lam_error *error) {
    *text = NULL;
    for (int64_t i = 0; i < count; i++) {
        size_t bytes;
        if (!lam_tokenizer_piece(tokenizer, token[i], &bytes)) return LAM_OK;
        start[i + 1] = start[i] + bytes;
    }
    LAM_ALLOC(*text, arena, start[count] + 1, error);
    for (int64_t i = 0; i < count; i++) {
        size_t bytes;
        const char *piece = lam_tokenizer_piece(tokenizer, token[i], &bytes);
        memcpy(*text + start[i], piece, bytes);
    }
    return LAM_OK;
}

// Enough tokens for any white space that a text begins or ends with; and the bytes of a character,
// which may lie in several of them.
enum { ENDS = 4096, MOST_BYTES = 4 };

// Whether the tokens [*from, *to) alone are the text without the white space around it, as the ends
// of a long text tell: not where an end is all white space, or cut within a token.
static lam_code strip_ends(const lam_tokenizer *tokenizer, const uint32_t *token, int64_t count,
                           int64_t *from, int64_t *to, bool *found, lam_arena *arena,
                           lam_error *error) {
    *found = false;
    if (count < 2 * ENDS) return LAM_OK;
    char *text;
    size_t *start, first, end;
    LAM_ALLOC(start, arena, ENDS + 1, error);
    LAM_TRY(text_of(tokenizer, token, ENDS, &text, start, arena, error));
    if (!text) return LAM_OK;
    find_text(text, start[ENDS], &first, &end);
    if (first + MOST_BYTES >= start[ENDS]) return LAM_OK;
    for (*from = 0; start[*from] < first;) ++*from;
    if (start[*from] != first) return LAM_OK;
    LAM_TRY(text_of(tokenizer, token + count - ENDS, ENDS, &text, start, arena, error));
    if (!text) return LAM_OK;
    find_text(text, start[ENDS], &first, &end);
    if (first == start[ENDS] || end <= MOST_BYTES) return LAM_OK;
    for (*to = ENDS; start[*to] > end;) --*to;
    *found = start[*to] == end;
    *to += count - ENDS;
    return LAM_OK;
}

lam_code lam_tokens_strip(const lam_tokenizer *tokenizer, const uint32_t *token, int64_t count,
                          const uint32_t **stripped, int64_t *stripped_count, lam_arena *arena,
                          lam_error *error) {
    *stripped = token, *stripped_count = count;
    if (!tokenizer) return LAM_OK;
    int64_t from = 0, to = count;
    bool found;
    LAM_TRY(strip_ends(tokenizer, token, count, &from, &to, &found, arena, error));
    if (found) {
        *stripped = token + from, *stripped_count = to - from;
        return LAM_OK;
    }
    char *text;
    size_t *start, first, end;
    LAM_ALLOC(start, arena, count + 1, error);
    LAM_TRY(text_of(tokenizer, token, count, &text, start, arena, error));
    if (!text) return LAM_OK;
    find_text(text, start[count], &first, &end);
    from = 0, to = count;
    while (from < count && start[from] < first) from++;
    while (to > from && start[to] > end) to--;
    if (start[from] == first && start[to] == end) {
        *stripped = token + from, *stripped_count = to - from;
        return LAM_OK;
    }
    lam_ids ids = {0};
    lam_code code = lam_tokenizer_encode(tokenizer, text + first, end - first, &ids, error);
    uint32_t *made = code == LAM_OK ? lam_arena_alloc(arena, ids.count, sizeof *made, error) : NULL;
    if (made) memcpy(made, ids.id, ids.count * sizeof *made);
    *stripped = made, *stripped_count = (int64_t)ids.count;
    lam_ids_destroy(&ids);
    return made ? LAM_OK : code == LAM_OK ? LAM_MEMORY : code;
}
