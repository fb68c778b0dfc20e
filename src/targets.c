#include "targets.h"

#include "strip.h"
#include "utf8.h"
#include "wording.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

enum {
    SIGMA = 0x3A3,
    FINAL_SIGMA = 0x3C2,
    I_WITH_DOT = 0x130,
    DOT_ABOVE = 0x307,
    REPLACEMENT = 0xFFFD
};

static bool is_cased(int32_t code) {
    utf8proc_category_t is = utf8proc_category(code);
    return is == UTF8PROC_CATEGORY_LU || is == UTF8PROC_CATEGORY_LL || is == UTF8PROC_CATEGORY_LT;
}

// What stands between letters without ending a word, for the final sigma.
static bool is_case_ignorable(int32_t code) {
    static const int32_t marks[] = {'\'', '.', ':', 0xB7, 0x2019, 0x2024, 0x2027};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (code == marks[i]) return true;
    utf8proc_category_t is = utf8proc_category(code);
    return is == UTF8PROC_CATEGORY_MN || is == UTF8PROC_CATEGORY_ME || is == UTF8PROC_CATEGORY_CF ||
           is == UTF8PROC_CATEGORY_LM || is == UTF8PROC_CATEGORY_SK;
}

// A capital sigma ends a word if a letter with case comes before it and none after it (the Unicode
// Standard, table 3-17, Final_Sigma).
static bool is_final_sigma(const int32_t *code, size_t count, size_t at) {
    size_t before = at, after = at + 1;
    while (before > 0 && is_case_ignorable(code[before - 1])) before--;
    while (after < count && is_case_ignorable(code[after])) after++;
    return before > 0 && is_cased(code[before - 1]) && !(after < count && is_cased(code[after]));
}

// The only code points whose lower case has two, or depends on what is around them, are these.
static char *lower(const int32_t *code, size_t count, lam_arena *arena, lam_error *error) {
    char *word, *to;
    word = to = lam_arena_alloc(arena, 4 * count + 1, 1, error);
    if (!word) return NULL;
    for (size_t i = 0; i < count; i++) {
        int32_t is = utf8proc_tolower(code[i]);
        if (code[i] == SIGMA && is_final_sigma(code, count, i)) is = FINAL_SIGMA;
        if (code[i] == I_WITH_DOT) is = 'i';
        if (code[i] == 0) is = REPLACEMENT; // it would end the word
        to += utf8proc_encode_char(is, (uint8_t *)to);
        if (code[i] == I_WITH_DOT) to += utf8proc_encode_char(DOT_ABOVE, (uint8_t *)to);
    }
    return word;
}

char *lam_target_word(const char *text, size_t bytes, bool strip, lam_arena *arena,
                      lam_error *error) {
    char *whole = lam_arena_alloc(arena, 3 * bytes + 1, 1, error);
    int32_t *code = lam_arena_alloc(arena, bytes + 1, sizeof *code, error);
    if (!whole || !code) return NULL;
    size_t length = lam_utf8_replace(text, bytes, whole, NULL), first = 0, count = 0;
    for (size_t at = 0; at < length; count++)
        at += (size_t)utf8proc_iterate((const uint8_t *)whole + at, (utf8proc_ssize_t)(length - at),
                                       &code[count]);
    while (strip && first < count && lam_is_space(code[first])) first++;
    while (strip && count > first && lam_is_space(code[count - 1])) count--;
    return lower(code + first, count - first, arena, error);
}

// What is known of a token of the vocabulary, found when it is first met.
enum { KNOWN = 1, OF_CLASS = 2, NOT_AFTER = 8, AFTER_SPACE = 32 }; // of label 1: shifted by 1

typedef struct search {
    const lam_target_rule *rule;
    lam_strings words[2], contains[2]; // in lower case
    const lam_tokenizer *tokenizer;
    const uint32_t *token;
    int64_t count;
    uint8_t *flags; // [vocabulary]
    lam_arena *arena;
    lam_error *error;
} search;

static lam_code lower_all(const lam_strings *from, bool strip, lam_strings *to, lam_arena *arena,
                          lam_error *error) {
    to->count = from->count;
    LAM_ALLOC(to->item, arena, from->count, error);
    for (size_t i = 0; i < from->count; i++) {
        to->item[i] = lam_target_word(from->item[i], strlen(from->item[i]), strip, arena, error);
        if (!to->item[i]) return LAM_MEMORY;
    }
    return LAM_OK;
}

static bool is_one_of(const lam_strings *list, const char *text) {
    for (size_t i = 0; i < list->count; i++)
        if (!strcmp(list->item[i], text)) return true;
    return false;
}

static bool contains_one_of(const lam_strings *list, const char *text) {
    for (size_t i = 0; i < list->count; i++)
        if (strstr(text, list->item[i])) return true;
    return false;
}

// The flags of the token at a position.
static lam_code look_up(search *s, int64_t position, int *flags) {
    uint32_t id = s->token[position];
    size_t bytes;
    const char *piece = lam_tokenizer_piece(s->tokenizer, id, &bytes);
    if (!piece)
        return lam_fail(s->error, LAM_INPUT,
                        "the tokenizer in the model's folder has no token %u, which is token %lld "
                        "of the text: use the tokenizer that made the token file",
                        (unsigned)id, (long long)position);
    *flags = s->flags[id];
    if (*flags) return LAM_OK;
    lam_arena arena = {0};
    char *word = lam_target_word(piece, bytes, true, &arena, s->error);
    char *text = lam_arena_alloc(&arena, 3 * bytes + 1, 1, s->error);
    if (text && word) {
        lam_utf8_replace(piece, bytes, text, NULL);
        *flags = KNOWN | (text[0] == ' ' ? AFTER_SPACE : 0);
        for (int c = 0; c < 2; c++) {
            if (is_one_of(&s->words[c], word) || contains_one_of(&s->contains[c], word))
                *flags |= OF_CLASS << c;
            if (is_one_of(&s->rule->class[c].not_before, text)) *flags |= NOT_AFTER << c;
        }
        s->flags[id] = (uint8_t)*flags;
    }
    lam_arena_destroy(&arena);
    return text && word ? LAM_OK : LAM_MEMORY;
}

// The class of the token at a position, -1 if it is no target.
static lam_code classify(search *s, int64_t position, int *class) {
    int flags, next;
    *class = -1;
    LAM_TRY(look_up(s, position, &flags));
    if (!(flags & (OF_CLASS | OF_CLASS << 1))) return LAM_OK;
    LAM_TRY(look_up(s, position + 1, &next));
    if (!(next & AFTER_SPACE)) return LAM_OK;
    for (int c = 0; c < 2; c++) {
        if (!(flags & OF_CLASS << c) || next & NOT_AFTER << c) continue;
        if (*class >= 0) {
            size_t bytes;
            char text[64];
            const char *piece = lam_tokenizer_piece(s->tokenizer, s->token[position], &bytes);
            snprintf(text, sizeof text, "%.*s", bytes < 40 ? (int)bytes : 40, piece);
            return lam_fail(s->error, LAM_INPUT,
                            "token %lld of the text, '%s', is of both classes: "
                            "take its word out of one of them",
                            (long long)position, text);
        }
        *class = c;
    }
    return LAM_OK;
}

static lam_code check_text(const search *s, const lam_running *text, int64_t window) {
    int64_t longest = 0;
    for (int64_t d = 0; d < text->documents; d++) {
        int64_t length = text->document[d + 1] - text->document[d];
        if (length > longest) longest = length;
    }
    if (!s->tokenizer)
        return lam_fail(s->error, LAM_INPUT,
                        "targets are found by their words, and the model's folder has no "
                        "tokenizer: put its tokenizer.json, or vocab.json and merges.txt, there");
    if (longest < window)
        return lam_fail(s->error, LAM_INPUT,
                        "the %s has %lld tokens, fewer than a target's window of %lld: "
                        "choose a longer text, or a smaller before or after",
                        text->documents > 1 ? "longest document" : "text", (long long)longest,
                        (long long)window);
    return LAM_OK;
}

static lam_code check_found(const search *s, const int64_t count[2]) {
    if (count[0] && count[1]) return LAM_OK;
    if (!count[0] && !count[1])
        return lam_fail(s->error, LAM_INPUT,
                        "no target of either class among the %lld tokens of the text: "
                        "choose a longer text or other words",
                        (long long)s->count);
    int none = count[0] ? 1 : 0;
    const lam_strings *words = &s->rule->class[none].words;
    return lam_fail(s->error, LAM_INPUT,
                    "all %lld targets are of the %s class and none is of the %s one (%s%s): "
                    "choose a longer text or other words",
                    (long long)count[1 - none], none ? "negative" : "positive",
                    none ? "positive" : "negative",
                    words->count ? lam_excerpt_of(words->item[0]).text : "no words",
                    words->count > 1 ? ", ..." : "");
}

lam_code lam_targets_find(const lam_target_rule *rule, const lam_tokenizer *tokenizer,
                          const lam_running *text, lam_targets *targets, lam_arena *arena,
                          lam_error *error) {
    const int64_t count = text->document[text->documents];
    search s = {.rule = rule,
                .tokenizer = tokenizer,
                .token = text->token,
                .count = count,
                .arena = arena,
                .error = error};
    LAM_TRY(check_text(&s, text, rule->before + 1 + rule->after));
    for (int c = 0; c < 2; c++) {
        LAM_TRY(lower_all(&rule->class[c].words, true, &s.words[c], arena, error));
        LAM_TRY(lower_all(&rule->class[c].contains, false, &s.contains[c], arena, error));
    }
    LAM_ALLOC(s.flags, arena, lam_tokenizer_vocabulary(tokenizer), error);
    int8_t *class_of;
    LAM_ALLOC(class_of, arena, count, error);
    memset(class_of, -1, (size_t)count);
    // The next token must be there to be looked at.
    int64_t behind = rule->after > 0 ? rule->after : 1, found[2] = {0};
    for (int64_t d = 0; d < text->documents; d++)
        for (int64_t i = text->document[d] + rule->before; i < text->document[d + 1] - behind;
             i++) {
            int class;
            LAM_TRY(classify(&s, i, &class));
            class_of[i] = (int8_t) class;
            if (class >= 0) found[class]++;
        }
    LAM_TRY(check_found(&s, found));
    *targets = (lam_targets){.count = {found[0], found[1]}};
    LAM_ALLOC(targets->position, arena, found[0] + found[1], error);
    int64_t at = 0;
    for (int c = 0; c < 2; c++)
        for (int64_t i = 0; i < count; i++)
            if (class_of[i] == c) targets->position[at++] = i;
    return LAM_OK;
}

lam_code lam_targets_windows(const lam_target_rule *rule, const lam_targets *targets,
                             const uint32_t *token, lam_sequences *sequences, lam_arena *arena,
                             lam_error *error) {
    int64_t count = targets->count[0] + targets->count[1], window = rule->before + 1 + rule->after;
    LAM_TRY(lam_sequences_create(sequences, count, token, arena, error));
    for (int64_t i = 0; i < count; i++) {
        sequences->start[i + 1] = (i + 1) * window;
        sequences->label[i] = i >= targets->count[0];
        sequences->place[i] = targets->position[i] - rule->before;
    }
    return LAM_OK;
}
