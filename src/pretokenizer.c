#include "pretokenizer.h"

#include "normalizer.h"

#include <stdbool.h>
#include <utf8proc.h>

// Letters and numbers that Unicode 15.1 and 16.0 added: for utf8proc before 2.10, whose tables are
// older than those of the library `tokenizers`.
static const struct {
    int32_t first, last;
    lam_character is;
} later[] = {
    {0x01C89, 0x01C8A, LAM_LETTER}, {0x0A7CB, 0x0A7CD, LAM_LETTER}, {0x0A7DA, 0x0A7DC, LAM_LETTER},
    {0x105C0, 0x105F3, LAM_LETTER}, {0x10D40, 0x10D49, LAM_NUMBER}, {0x10D4A, 0x10D65, LAM_LETTER},
    {0x10D6F, 0x10D85, LAM_LETTER}, {0x10EC2, 0x10EC4, LAM_LETTER}, {0x11380, 0x11389, LAM_LETTER},
    {0x1138B, 0x1138B, LAM_LETTER}, {0x1138E, 0x1138E, LAM_LETTER}, {0x11390, 0x113B5, LAM_LETTER},
    {0x113B7, 0x113B7, LAM_LETTER}, {0x113D1, 0x113D1, LAM_LETTER}, {0x113D3, 0x113D3, LAM_LETTER},
    {0x116D0, 0x116E3, LAM_NUMBER}, {0x11BC0, 0x11BE0, LAM_LETTER}, {0x11BF0, 0x11BF9, LAM_NUMBER},
    {0x13460, 0x143FA, LAM_LETTER}, {0x16100, 0x1611D, LAM_LETTER}, {0x16130, 0x16139, LAM_NUMBER},
    {0x16D40, 0x16D6C, LAM_LETTER}, {0x16D70, 0x16D79, LAM_NUMBER}, {0x18CFF, 0x18CFF, LAM_LETTER},
    {0x1CCF0, 0x1CCF9, LAM_NUMBER}, {0x1E5D0, 0x1E5ED, LAM_LETTER}, {0x1E5F0, 0x1E5F0, LAM_LETTER},
    {0x1E5F1, 0x1E5FA, LAM_NUMBER}, {0x2EBF0, 0x2EE5D, LAM_LETTER},
};

static bool is_space(int32_t code) {
    return (code >= 0x09 && code <= 0x0D) || code == 0x20 || code == 0x85 || code == 0xA0 ||
           code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 ||
           code == 0x2029 || code == 0x202F || code == 0x205F || code == 0x3000;
}

lam_character lam_character_of(int32_t code) {
    if (is_space(code)) return LAM_SPACE;
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return LAM_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return LAM_NUMBER;
    case UTF8PROC_CATEGORY_CN:
        break; // unassigned
    default:
        return LAM_OTHER;
    }
    for (size_t i = 0; i < sizeof later / sizeof later[0]; i++)
        if (code >= later[i].first && code <= later[i].last) return later[i].is;
    return LAM_OTHER;
}

#define O LAM_OTHER
#define S LAM_SPACE
#define L LAM_LETTER
#define N LAM_NUMBER
static const uint8_t ascii[128] = {
    O, O, O, O, O, O, O, O, O, S, S, S, S, S, O, O, //
    O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, //
    S, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, //
    N, N, N, N, N, N, N, N, N, N, O, O, O, O, O, O, //
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, //
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O, //
    O, L, L, L, L, L, L, L, L, L, L, L, L, L, L, L, //
    L, L, L, L, L, L, L, L, L, L, L, O, O, O, O, O, //
};
#undef O
#undef S
#undef L
#undef N

static inline lam_character character(const uint8_t *text, size_t *bytes) {
    if (text[0] < 0x80) return *bytes = 1, (lam_character)ascii[text[0]];
    return lam_character_of(lam_utf8_decode(text, bytes));
}

// The end of the characters of one kind from start on; *last is where the last of them begins.
static size_t run_of(lam_character kind, const uint8_t *text, size_t bytes, size_t start,
                     size_t *last) {
    size_t length;
    for (*last = start; start < bytes; start += length) {
        if (character(text + start, &length) != kind) break;
        *last = start;
    }
    return start;
}

// Bytes of the English contraction after an apostrophe and with it, or 0.
static size_t contraction(const uint8_t *text, size_t bytes) {
    if (bytes < 2) return 0;
    uint8_t a = text[1], b = bytes > 2 ? text[2] : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return 3;
    return 0;
}

size_t lam_pretokenizer_next(const uint8_t *text, size_t bytes, size_t start) {
    size_t length, last, first = start;
    if (text[start] == '\'') {
        length = contraction(text + start, bytes - start);
        if (length) return start + length;
    } else if (text[start] == ' ' && start + 1 < bytes) {
        first++; // the blank that a word may begin with
    }
    lam_character kind = character(text + first, &length);
    if (kind != LAM_SPACE) return run_of(kind, text, bytes, first, &last);
    // The last of several spaces before a word is left to the word.
    size_t end = run_of(LAM_SPACE, text, bytes, start, &last);
    return end == bytes || last == start ? end : last;
}
