#include "jobs/rsa.h"
#include "src/wording.h"

#include <stdlib.h>
#include <string.h>

int64_t lam_rsa_word_count(const rsa_options *o) {
    size_t count = 0;
    for (size_t g = 0; g < o->categories.count; g++) count += o->categories.words[g].count;
    return (int64_t)count;
}

int64_t lam_rsa_sample_size(const rsa_options *o) {
    const int64_t words = lam_rsa_word_count(o);
    return words < LAM_RSA_MANY_WORDS ? words : LAM_RSA_MANY_WORDS;
}

static lam_code check_template(const char *template, lam_error *error) {
    const char *place = strstr(template, "{}");
    if (place && !strstr(place + 2, "{}")) return LAM_OK;
    return lam_fail(error, LAM_USAGE,
                    "rsa.template: '%s' has %s: write {} once, where the word goes",
                    lam_excerpt_of(template).text, place ? "more than one {}" : "no {}");
}

static lam_code check_categories(const lam_word_lists *lists, lam_error *error) {
    if (lists->count < 2)
        return lam_fail(error, LAM_USAGE,
                        "rsa.categories: %zu %s given, but words are compared within and between "
                        "categories: give two or more",
                        lists->count, lists->count == 1 ? "category is" : "categories are");
    for (size_t g = 0; g < lists->count; g++) {
        const lam_excerpt name = lam_excerpt_of(lists->name[g]);
        if (lists->words[g].count < 2)
            return lam_fail(error, LAM_USAGE,
                            "rsa.categories: '%s' has %zu word%s, which makes no pair: "
                            "give two or more",
                            name.text, lists->words[g].count,
                            lists->words[g].count == 1 ? "" : "s");
        for (size_t i = 0; i < lists->words[g].count; i++)
            if (!*lists->words[g].item[i])
                return lam_fail(error, LAM_USAGE, "rsa.categories: word %zu of '%s' is empty",
                                i + 1, name.text);
    }
    return LAM_OK;
}

typedef struct placed_word {
    const char *text, *category;
} placed_word;

static int by_text(const void *a, const void *b) {
    return strcmp(((const placed_word *)a)->text, ((const placed_word *)b)->text);
}

static lam_code check_twins(const rsa_options *o, lam_error *error) {
    const lam_word_lists *lists = &o->categories;
    const size_t count = (size_t)lam_rsa_word_count(o);
    lam_arena scratch = {0};
    size_t n = 0;
    lam_code code = LAM_OK;
    placed_word *word = lam_arena_alloc(&scratch, count, sizeof *word, error);
    if (!word) return LAM_MEMORY;
    for (size_t g = 0; g < lists->count; g++)
        for (size_t i = 0; i < lists->words[g].count; i++)
            word[n++] = (placed_word){lists->words[g].item[i], lists->name[g]};
    qsort(word, count, sizeof *word, by_text);
    for (size_t i = 1; i < count && code == LAM_OK; i++) {
        const placed_word *a = &word[i - 1], *b = &word[i];
        if (strcmp(a->text, b->text)) continue;
        if (a->category == b->category)
            code = lam_fail(error, LAM_USAGE, "rsa.categories: '%s' is twice in '%s'",
                            lam_excerpt_of(a->text).text, lam_excerpt_of(a->category).text);
        else
            code = lam_fail(error, LAM_USAGE, "rsa.categories: '%s' is in '%s' and in '%s'",
                            lam_excerpt_of(a->text).text, lam_excerpt_of(a->category).text,
                            lam_excerpt_of(b->category).text);
    }
    lam_arena_destroy(&scratch);
    return code;
}

lam_code lam_rsa_check_words(const rsa_options *o, lam_error *error) {
    const int64_t words = lam_rsa_word_count(o);
    LAM_TRY(check_template(o->template, error));
    LAM_TRY(check_categories(&o->categories, error));
    if (words > LAM_RSA_MOST_WORDS)
        return lam_fail(error, LAM_USAGE, "rsa.categories: %lld words, but %d are the most",
                        (long long)words, LAM_RSA_MOST_WORDS);
    return check_twins(o, error);
}

// The prompts as they are tokenized, one after the other.
typedef struct rsa_prompts {
    const lam_tokenizer *tokenizer;
    const char *before, *after; // the template's two sides of {}
    size_t before_bytes;        // as given
    size_t word_begin;          // the same, as the tokenizer has it
    lam_ids ids;
} rsa_prompts;

// The bytes of tokens first .. end - 1: of the text as the tokenizer has it.
static size_t bytes_of(const rsa_prompts *p, size_t first, size_t end) {
    size_t sum = 0, bytes = 0;
    for (size_t i = first; i < end; i++)
        if (lam_tokenizer_piece(p->tokenizer, p->ids.id[i], &bytes)) sum += bytes;
    return sum;
}

// Appends the tokens of the first bytes of text, and takes them away again; returns their bytes.
static lam_code try_text(rsa_prompts *p, const char *text, size_t bytes, size_t *encoded,
                         lam_error *error) {
    const size_t first = p->ids.count;
    LAM_TRY(lam_tokenizer_encode(p->tokenizer, text, bytes, &p->ids, error));
    *encoded = bytes_of(p, first, p->ids.count);
    p->ids.count = first;
    return LAM_OK;
}

// Of the tokens from first on, those that hold a byte of [begin, end).
static int32_t count_tokens(const rsa_prompts *p, size_t first, size_t begin, size_t end) {
    int32_t count = 0;
    size_t at = 0;
    for (size_t i = first; i < p->ids.count; i++) {
        const size_t next = at + bytes_of(p, i, i + 1);
        count += at < end && next > begin;
        at = next;
    }
    return count;
}

// Appends one prompt; *tokens is how many of its tokens hold a part of the word.
static lam_code add_prompt(rsa_prompts *p, const char *word, int64_t positions, int32_t *tokens,
                           lam_arena *arena, lam_error *error) {
    const size_t first = p->ids.count, bytes = p->before_bytes + strlen(word);
    size_t word_end;
    const char *text = lam_arena_format(arena, error, "%s%s%s", p->before, word, p->after);
    if (!text) return LAM_MEMORY;
    LAM_TRY(try_text(p, text, bytes, &word_end, error));
    LAM_TRY(lam_tokenizer_encode(p->tokenizer, text, strlen(text), &p->ids, error));
    if (p->ids.count == first || p->ids.count - first > (size_t)positions)
        return lam_fail(error, LAM_INPUT,
                        "rsa: the prompt for '%s' has %zu tokens, the model %lld positions: "
                        "shorten the word or the template",
                        lam_excerpt_of(word).text, p->ids.count - first, (long long)positions);
    *tokens = count_tokens(p, first, p->word_begin, word_end);
    return LAM_OK;
}

static lam_code begin_prompts(const lam_profile_run *run, const lam_source *source,
                              rsa_prompts *prompts, lam_arena *arena, lam_error *error) {
    const char *template = ((const rsa_options *)run->options)->template;
    const char *place = strstr(template, "{}");
    *prompts = (rsa_prompts){.tokenizer = source->tokenizer,
                             .before_bytes = (size_t)(place - template),
                             .after = place + 2};
    prompts->before = lam_arena_text(arena, template, prompts->before_bytes, error);
    if (!prompts->before) return LAM_MEMORY;
    return try_text(prompts, prompts->before, prompts->before_bytes, &prompts->word_begin, error);
}

static lam_code add_prompts(const lam_profile_run *run, rsa_prompts *prompts, int64_t *start,
                            int32_t *tokens, lam_arena *arena, lam_error *error) {
    const lam_word_lists *lists = &((const rsa_options *)run->options)->categories;
    int64_t n = 0;
    for (size_t g = 0; g < lists->count; g++)
        for (size_t i = 0; i < lists->words[g].count; i++, n++) {
            LAM_TRY(add_prompt(prompts, lists->words[g].item[i], run->model->positions, &tokens[n],
                               arena, error));
            start[n + 1] = (int64_t)prompts->ids.count;
        }
    return LAM_OK;
}

lam_code lam_rsa_take(const lam_profile_run *run, const lam_source *source,
                      lam_sequences *sequences, lam_arena *arena, lam_error *error) {
    const int64_t words = lam_rsa_word_count(run->options);
    int64_t *start;
    int32_t *tokens;
    rsa_prompts prompts;
    LAM_ALLOC(start, arena, words + 1, error);
    LAM_ALLOC(tokens, arena, words, error);
    lam_code code = begin_prompts(run, source, &prompts, arena, error);
    if (code == LAM_OK) code = add_prompts(run, &prompts, start, tokens, arena, error);
    uint32_t *token = NULL;
    if (code == LAM_OK) {
        token = lam_arena_alloc(arena, (size_t)start[words], sizeof *token, error);
        code = token ? lam_sequences_create(sequences, words, token, arena, error) : LAM_MEMORY;
    }
    if (code == LAM_OK) {
        memcpy(token, prompts.ids.id, (size_t)start[words] * sizeof *token);
        memcpy(sequences->start, start, (size_t)(words + 1) * sizeof *start);
        memcpy(sequences->place, start, (size_t)words * sizeof *start);
        memcpy(sequences->label, tokens, (size_t)words * sizeof *tokens);
    }
    lam_ids_destroy(&prompts.ids);
    return code;
}
