#include "normalizer.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void lam_normalized_destroy(lam_normalized *text) {
    free(text->data);
    *text = (lam_normalized){0};
}

// Room for more bytes.
static lam_code reserve(lam_normalized *text, size_t more, lam_error *error) {
    if (more <= text->room - text->count) return LAM_OK;
    size_t room = text->count + more + text->count / 2 + 64;
    uint8_t *data = room < more ? NULL : realloc(text->data, room);
    if (!data)
        return lam_fail(error, LAM_MEMORY, "no memory for %zu bytes of text: use shorter texts",
                        room);
    text->data = data;
    text->room = room;
    return LAM_OK;
}

static lam_code append(lam_normalized *text, const uint8_t *data, size_t bytes, lam_error *error) {
    LAM_TRY(reserve(text, bytes, error));
    if (bytes) memcpy(text->data + text->count, data, bytes);
    text->count += bytes;
    return LAM_OK;
}

int32_t lam_utf8_decode(const uint8_t *text, size_t *bytes) {
    uint8_t lead = text[0];
    if (lead < 0x80) return *bytes = 1, lead;
    if (lead < 0xE0) return *bytes = 2, (lead & 0x1F) << 6 | (text[1] & 0x3F);
    if (lead < 0xF0)
        return *bytes = 3, (lead & 0x0F) << 12 | (text[1] & 0x3F) << 6 | (text[2] & 0x3F);
    *bytes = 4;
    return (lead & 0x07) << 18 | (text[1] & 0x3F) << 12 | (text[2] & 0x3F) << 6 | (text[3] & 0x3F);
}

// What NFC must leave alone. The library's tables are those of Unicode 9.0: here is each run of
// code points unassigned in it in which a later version put something with a combining class or a
// canonical decomposition. U+11A7 is no trailing consonant, but utf8proc composes it as one.
static const int32_t untouched[][2] = {
    {0x007FB, 0x007FF}, {0x0085F, 0x0089F}, {0x008BE, 0x008D3}, {0x009FC, 0x00A00},
    {0x00C3A, 0x00C3C}, {0x00D3B, 0x00D3C}, {0x00EBA, 0x00EBA}, {0x011A7, 0x011A7},
    {0x01715, 0x0171F}, {0x01ABF, 0x01AFF}, {0x01DF6, 0x01DFA}, {0x0A82C, 0x0A82F},
    {0x10570, 0x105FF}, {0x10D00, 0x10E5F}, {0x10E7F, 0x10FFF}, {0x11070, 0x1107E},
    {0x1133A, 0x1133B}, {0x11375, 0x113FF}, {0x1145E, 0x1147F}, {0x11740, 0x1189F},
    {0x11900, 0x11ABF}, {0x11CB7, 0x11FFF}, {0x14647, 0x167FF}, {0x16B90, 0x16EFF},
    {0x16FE1, 0x16FFF}, {0x1E02B, 0x1E7FF},
};

static bool is_untouched(int32_t code) {
    size_t low = 0, high = sizeof untouched / sizeof untouched[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > untouched[middle][1])
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof untouched / sizeof untouched[0] && code >= untouched[low][0];
}

// Every character below U+0300 is in normal form C by itself and composes with none before it;
// bytes from 0xCC on begin the others.
enum { FIRST_LEAD = 0xCC };

bool lam_nfc_needed(const uint8_t *text, size_t bytes) {
    uint8_t most = 0;
    for (size_t i = 0; i < bytes; i++) most = text[i] > most ? text[i] : most;
    return most >= FIRST_LEAD;
}

// Code points that grow, for the canonical decomposition of one run.
typedef struct run {
    int32_t *code;
    size_t count, room;
} run;

static lam_code run_reserve(run *r, size_t more, lam_error *error) {
    if (more <= r->room - r->count) return LAM_OK;
    size_t room = 2 * r->room + more + 64;
    int32_t *code = realloc(r->code, room * sizeof *code);
    if (!code)
        return lam_fail(error, LAM_MEMORY, "no memory to normalize %zu characters without a space",
                        room);
    r->code = code;
    r->room = room;
    return LAM_OK;
}

static int combining_class(int32_t code) {
    return utf8proc_get_property(code)->combining_class;
}

static int by_value(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

// The canonical order of count marks: by combining class, else as they stood.
static lam_code sort_marks(int32_t *mark, size_t count, lam_error *error) {
    bool sorted = true;
    for (size_t i = 1; i < count; i++)
        sorted = sorted && combining_class(mark[i - 1]) <= combining_class(mark[i]);
    if (sorted) return LAM_OK;
    uint64_t *key = malloc(count * sizeof *key); // class, place, code point: 8, 35 and 21 bits
    if (!key) return lam_fail(error, LAM_MEMORY, "no memory to sort %zu combining marks", count);
    for (size_t i = 0; i < count; i++)
        key[i] = (uint64_t)combining_class(mark[i]) << 56 | (uint64_t)i << 21 | (uint64_t)mark[i];
    qsort(key, count, sizeof *key, by_value);
    for (size_t i = 0; i < count; i++) mark[i] = (int32_t)(key[i] & 0x1FFFFF);
    free(key);
    return LAM_OK;
}

static lam_code sort_all_marks(run *r, lam_error *error) {
    for (size_t i = 0, end; i < r->count; i = end) {
        end = i + 1;
        if (combining_class(r->code[i]) == 0) continue;
        while (end < r->count && combining_class(r->code[end]) != 0) end++;
        LAM_TRY(sort_marks(r->code + i, end - i, error));
    }
    return LAM_OK;
}

// Sorts and composes what is in the run, appends it as UTF-8 and empties the run. utf8proc's own
// sorting takes time in the square of the marks in a row.
static lam_code flush(run *r, lam_normalized *composed, lam_error *error) {
    if (r->count == 0) return LAM_OK;
    LAM_TRY(sort_all_marks(r, error));
    utf8proc_ssize_t count = utf8proc_normalize_utf32(r->code, (utf8proc_ssize_t)r->count,
                                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    if (count < 0) return lam_fail(error, LAM_INTERNAL, "utf8proc: %s", utf8proc_errmsg(count));
    LAM_TRY(reserve(composed, 4 * (size_t)count, error));
    for (utf8proc_ssize_t i = 0; i < count; i++)
        composed->count +=
            (size_t)utf8proc_encode_char(r->code[i], composed->data + composed->count);
    r->count = 0;
    return LAM_OK;
}

// The canonical decomposition of one character, after what is in the run.
static lam_code decompose(run *r, int32_t code, lam_error *error) {
    enum { LONGEST = 8 }; // of Unicode's canonical decompositions: 4
    int boundary = 0;
    LAM_TRY(run_reserve(r, LONGEST, error));
    utf8proc_ssize_t count = utf8proc_decompose_char(
        code, r->code + r->count, LONGEST, UTF8PROC_STABLE | UTF8PROC_DECOMPOSE, &boundary);
    if (count < 0 || count > LONGEST)
        return lam_fail(error, LAM_INTERNAL, "utf8proc cannot decompose U+%04X", (unsigned)code);
    r->count += (size_t)count;
    return LAM_OK;
}

// A run is one character below U+0300, or none, and those above it that follow.
static lam_code compose_all(const uint8_t *text, size_t bytes, run *r, lam_normalized *composed,
                            lam_error *error) {
    for (size_t done = 0, length; done < bytes; done += length) {
        if (text[done] < FIRST_LEAD) { // only the last of such characters can compose
            size_t last = done;
            while (last < bytes && text[last] < FIRST_LEAD) last++;
            do last--;
            while ((text[last] & 0xC0) == 0x80);
            LAM_TRY(flush(r, composed, error));
            LAM_TRY(append(composed, text + done, last - done, error));
            done = last;
        }
        int32_t code = lam_utf8_decode(text + done, &length);
        if (is_untouched(code)) {
            LAM_TRY(flush(r, composed, error));
            LAM_TRY(append(composed, text + done, length, error));
        } else {
            LAM_TRY(decompose(r, code, error));
        }
    }
    return flush(r, composed, error);
}

lam_code lam_nfc(const uint8_t *text, size_t bytes, lam_normalized *composed, lam_error *error) {
    run r = {0};
    LAM_TRY(reserve(composed, bytes, error));
    lam_code code = compose_all(text, bytes, &r, composed, error);
    free(r.code);
    return code;
}
