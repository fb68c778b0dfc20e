#include "jobs/texts.h"

#include "io/corpus.h"
#include "io/dump.h"
#include "io/text.h"
#include "io/tokenizer_file.h"
#include "io/tokens.h"
#include "jobs/dump_tokens.h"
#include "src/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool ends_with(const char *path, const char *ending) {
    size_t length = strlen(path), end = strlen(ending);
    return length >= end && strcasecmp(path + length - end, ending) == 0;
}

lam_code lam_texts_tokenizer(lam_texts *texts, const char *model, const lam_model_config *config,
                             lam_error *error) {
    if (texts->tokenizer) return LAM_OK;
    LAM_TRY(lam_tokenizer_load(model, &texts->tokenizer, error));
    size_t vocabulary = lam_tokenizer_vocabulary(texts->tokenizer);
    if (vocabulary > (size_t)config->vocabulary)
        return lam_fail(error, LAM_INPUT,
                        "%s: the tokenizer has %zu tokens, the model's embedding %lld rows: "
                        "they are not of one model",
                        model, vocabulary, (long long)config->vocabulary);
    // Embeddings are padded to handy sizes, but not by a tenth.
    if (vocabulary < (size_t)config->vocabulary / 10 * 9)
        lam_log(LAM_NORMAL,
                "warning: %s: the tokenizer has %zu tokens, the model's embedding %lld rows: "
                "is it this model's?",
                model, vocabulary, (long long)config->vocabulary);
    memcpy(texts->tokenizer_sha256, lam_tokenizer_digest(texts->tokenizer),
           sizeof texts->tokenizer_sha256);
    return LAM_OK;
}

static bool is_page(const char *path) {
    return ends_with(path, ".html") || ends_with(path, ".htm");
}

static lam_html_mode html_mode(bool clip) {
    return clip ? LAM_HTML_CLIP : LAM_HTML_ARTICLE;
}

// Reads a text and appends its tokens. sha256: of the file as stored.
static lam_code add_text(lam_texts *texts, const char *model, const char *path, bool clip,
                         const lam_model_config *config, lam_ids *ids, char sha256[LAM_SHA256_TEXT],
                         lam_error *error) {
    lam_text text;
    LAM_TRY(lam_text_read(path, html_mode(clip), &text, error));
    memcpy(sha256, text.sha256, LAM_SHA256_TEXT);
    if (text.replaced)
        lam_log(LAM_NORMAL, "warning: %s: %zu places are not UTF-8 and are read as U+FFFD", path,
                text.replaced);
    lam_code code = lam_texts_tokenizer(texts, model, config, error);
    if (code == LAM_OK)
        code = lam_tokenizer_encode(texts->tokenizer, text.data, text.bytes, ids, error);
    lam_text_destroy(&text);
    return code;
}

static lam_code read_text(lam_texts *texts, const char *model, bool clip,
                          const lam_model_config *config, lam_text_tokens *item, lam_ids *ids,
                          lam_error *error) {
    item->html_mode = !is_page(item->path) ? "none" : clip ? "clip" : "article";
    return add_text(texts, model, item->path, clip, config, ids, item->text_sha256, error);
}

// "corpus.yaml: URL; URL; ...". A long list is cut: the digest stands for all of it.
static const char *sources_of(const char *path, const lam_corpus *corpus, lam_arena *arena,
                              lam_error *error) {
    enum { MOST_BYTES = 32 << 10 }; // what an attribute can hold in any netCDF-4 file
    char *text = lam_arena_alloc(arena, MOST_BYTES + 64, 1, error);
    if (!text) return NULL;
    size_t used = (size_t)snprintf(text, MOST_BYTES, "%s: ", path), i = 0;
    if (used >= MOST_BYTES) return path;
    for (; i < corpus->count && used + strlen(corpus->entry[i].url) + 2 < MOST_BYTES; i++)
        used += (size_t)sprintf(text + used, "%s%s", i ? "; " : "", corpus->entry[i].url);
    if (i < corpus->count) sprintf(text + used, "; and %zu more", corpus->count - i);
    return text;
}

// The texts of a manifest, one behind the other. Its digest is that of its entries' digests, a line
// each: it does not depend on when and where to they were fetched.
static lam_code read_corpus(lam_texts *texts, const char *model, bool clip,
                            const lam_model_config *config, lam_text_tokens *item, lam_ids *ids,
                            lam_error *error) {
    lam_corpus corpus;
    char *digests;
    uint8_t digest[LAM_SHA256_BYTES];
    item->html_mode = "none";
    LAM_TRY(lam_corpus_read(item->path, &corpus, &texts->arena, error));
    if (!corpus.count)
        return lam_fail(error, LAM_INPUT, "%s: lists no text: add some by laminar fetch",
                        item->path);
    LAM_ALLOC(digests, &texts->arena, corpus.count * LAM_SHA256_TEXT, error);
    for (size_t i = 0; i < corpus.count; i++) {
        const char *path;
        char *line = digests + i * LAM_SHA256_TEXT;
        LAM_TRY(lam_corpus_locate(&corpus, &corpus.entry[i], &path, &texts->arena, error));
        LAM_TRY(add_text(texts, model, path, clip, config, ids, line, error));
        if (strcmp(line, corpus.entry[i].sha256) != 0)
            return lam_fail(error, LAM_INPUT,
                            "%s (%s) is not what was fetched: remove this file and fetch it again",
                            path, corpus.entry[i].url);
        if (is_page(path)) item->html_mode = clip ? "clip" : "article";
        line[LAM_SHA256_TEXT - 1] = '\n';
    }
    LAM_TRY(lam_sha256_of(digests, corpus.count * LAM_SHA256_TEXT, digest, error));
    lam_sha256_text(digest, item->text_sha256);
    item->source = sources_of(item->path, &corpus, &texts->arena, error);
    return item->source ? LAM_OK : LAM_MEMORY;
}

static lam_code put(void *user, const uint32_t *id, size_t count, lam_error *error) {
    lam_ids *ids = user;
    LAM_TRY(lam_ids_reserve(ids, count, error));
    if (count) memcpy(ids->id + ids->count, id, count * sizeof *id);
    ids->count += count;
    return LAM_OK;
}

// The articles of a dump, one after the other: the tokens that laminar tokenize makes of it.
static lam_code read_dump(lam_texts *texts, const char *model, const lam_input *input,
                          const lam_model_config *config, lam_text_tokens *item, lam_ids *ids,
                          lam_error *error) {
    const lam_dump_choice choice = {input->limit, input->sample, texts->seed};
    const lam_token_sink sink = {.put = put, .user = ids};
    item->html_mode = "none";
    LAM_TRY(lam_sha256_of_file(item->path, item->text_sha256, error));
    LAM_TRY(lam_texts_tokenizer(texts, model, config, error));
    return lam_dump_tokens(NULL, item->path, &choice, texts->tokenizer, input->end_of_text, &sink,
                           error);
}

// A text, the articles of a dump, or the texts of a manifest.
static lam_code tokenize(lam_texts *texts, const char *model, const lam_input *input,
                         const lam_model_config *config, lam_text_tokens *item, lam_error *error) {
    bool clip = input->html == LAM_JOB_HTML_CLIP;
    lam_ids ids = {0};
    lam_code code =
        lam_dump_named(item->path)  ? read_dump(texts, model, input, config, item, &ids, error)
        : lam_corpus_is(item->path) ? read_corpus(texts, model, clip, config, item, &ids, error)
                                    : read_text(texts, model, clip, config, item, &ids, error);
    if (code == LAM_OK) {
        item->count = (int64_t)ids.count;
        item->token = lam_arena_alloc(&texts->arena, ids.count, sizeof *item->token, error);
        if (item->token)
            memcpy(item->token, ids.id, ids.count * sizeof *item->token);
        else
            code = LAM_MEMORY;
    }
    lam_ids_destroy(&ids);
    return code;
}

// A token file stands for the text it was made of. The tokenizer it names must be the model's; a
// model folder without one takes it at its word.
static lam_code read_tokens(lam_texts *texts, const char *model, const lam_model_config *config,
                            lam_text_tokens *item, lam_error *error) {
    const char *path = item->path;
    lam_tokens file = {0};
    lam_code code = lam_tokens_open(path, &file, error);
    lam_error none;
    if (code == LAM_OK && lam_texts_tokenizer(texts, model, config, &none) == LAM_OK &&
        strcmp(file.manifest.tokenizer_sha256, texts->tokenizer_sha256) != 0)
        code = lam_fail(error, LAM_INPUT,
                        "%s: made by a tokenizer other than that of %s: "
                        "make it again by 'laminar tokenize --model %s'",
                        path, model, model);
    if (code == LAM_OK && !texts->tokenizer)
        snprintf(texts->tokenizer_sha256, sizeof texts->tokenizer_sha256, "%s",
                 file.manifest.tokenizer_sha256);
    if (code == LAM_OK) {
        item->html_mode = "none";
        snprintf(item->text_sha256, sizeof item->text_sha256, "%s", file.manifest.source_sha256);
        item->count = (int64_t)file.count;
        item->token = lam_arena_alloc(&texts->arena, file.count, sizeof *item->token, error);
        if (item->token)
            lam_tokens_copy(&file, 0, file.count, item->token);
        else
            code = LAM_MEMORY;
    }
    lam_tokens_close(&file);
    for (int64_t i = 0; code == LAM_OK && i < item->count; i++)
        if (item->token[i] >= config->vocabulary)
            code = lam_fail(error, LAM_INPUT,
                            "%s: token %u is beyond the %lld rows of the model's embedding: "
                            "the file was made for another model",
                            path, item->token[i], (long long)config->vocabulary);
    return code;
}

lam_code lam_texts_get(lam_texts *texts, const char *model, const lam_input *input,
                       const lam_model_config *config, const lam_text_tokens **text,
                       lam_error *error) {
    const char *path = lam_input_text(input);
    if (!path)
        return lam_fail(error, LAM_USAGE,
                        "no text is given: add 'text: FILE' to the job, or --text FILE");
    for (size_t i = 0; i < texts->count; i++) {
        const lam_text_tokens *known = &texts->item[i];
        if (strcmp(known->path, path) == 0 && known->html == input->html &&
            known->limit == input->limit && known->sample == input->sample &&
            known->end_of_text == input->end_of_text)
            return *text = known, LAM_OK;
    }
    if (texts->count == LAM_MAX_TEXTS)
        return lam_fail(error, LAM_USAGE, "more than %d texts in one job", LAM_MAX_TEXTS);
    lam_text_tokens *item = &texts->item[texts->count];
    *item = (lam_text_tokens){.path = path,
                              .source = path,
                              .html = input->html,
                              .limit = input->limit,
                              .sample = input->sample,
                              .end_of_text = input->end_of_text};
    if (ends_with(path, ".npy"))
        LAM_TRY(read_tokens(texts, model, config, item, error));
    else
        LAM_TRY(tokenize(texts, model, input, config, item, error));
    texts->count++;
    *text = item;
    return LAM_OK;
}

static lam_code check_text(const char *path, bool clip, lam_error *error) {
    lam_text text;
    LAM_TRY(lam_text_read(path, html_mode(clip), &text, error));
    lam_text_destroy(&text);
    return LAM_OK;
}

static lam_code check_corpus(const char *path, bool clip, lam_arena *arena, lam_error *error) {
    lam_corpus corpus;
    LAM_TRY(lam_corpus_read(path, &corpus, arena, error));
    for (size_t i = 0; i < corpus.count; i++) {
        const char *file;
        LAM_TRY(lam_corpus_locate(&corpus, &corpus.entry[i], &file, arena, error));
        LAM_TRY(check_text(file, clip, error));
    }
    return LAM_OK;
}

static lam_code leave(void *user, const lam_dump_article *article, bool *stop, lam_error *error) {
    (void)user, (void)article, (void)stop, (void)error;
    return LAM_OK;
}

lam_code lam_texts_check(const lam_input *input, lam_mode mode, lam_error *error) {
    const char *path = lam_input_text(input);
    if (!path) return LAM_OK;
    if (ends_with(path, ".npy")) {
        lam_tokens tokens = {0};
        lam_code code = lam_tokens_open(path, &tokens, error);
        lam_tokens_close(&tokens);
        return code;
    }
    if (lam_dump_named(path)) {
        const lam_dump_choice first = {.limit = 1};
        return lam_dump_read(path, &first, leave, NULL, error);
    }
    bool clip = input->html == LAM_JOB_HTML_CLIP ||
                (input->html == LAM_JOB_HTML_AUTO && mode == LAM_PUBLISHED);
    if (!lam_corpus_is(path)) return check_text(path, clip, error);
    lam_arena arena = {0};
    lam_code code = check_corpus(path, clip, &arena, error);
    lam_arena_destroy(&arena);
    return code;
}

void lam_texts_destroy(lam_texts *texts) {
    lam_tokenizer_destroy(texts->tokenizer);
    lam_arena_destroy(&texts->arena);
    *texts = (lam_texts){0};
}

lam_code lam_input_resolve(lam_input *input, lam_mode mode, const lam_model_config *config,
                           const char *profile, lam_error *error) {
    bool published = mode == LAM_PUBLISHED;
    if (input->html == LAM_JOB_HTML_AUTO)
        input->html = published ? LAM_JOB_HTML_CLIP : LAM_JOB_HTML_ARTICLE;
    if (input->select == LAM_JOB_SELECT_AUTO)
        input->select = published ? LAM_JOB_SELECT_FIRST : LAM_JOB_SELECT_RANDOM;
    if (input->length == LAM_AUTO_INTEGER)
        input->length = config->positions < 1024 ? config->positions : 1024;
    if (input->length > config->positions)
        return lam_fail(error, LAM_USAGE, "%s: length is %lld, but the model has %lld positions",
                        profile, (long long)input->length, (long long)config->positions);
    return LAM_OK;
}
