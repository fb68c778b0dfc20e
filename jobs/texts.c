#include "jobs/texts.h"

#include "io/tokenizer_file.h"
#include "io/tokens.h"
#include "jobs/documents.h"
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

static lam_html_mode html_mode(int html) {
    return html == LAM_JOB_HTML_CLIP ? LAM_HTML_CLIP : LAM_HTML_ARTICLE;
}

// What a text's tokens are collected in.
typedef struct collected {
    lam_text_tokens *item;
    int64_t room; // of item->document
    lam_arena *arena;
} collected;

static lam_code put(void *user, const uint32_t *id, size_t count, lam_error *error) {
    lam_ids *ids = &((collected *)user)->item->ids;
    LAM_TRY(lam_ids_reserve(ids, count, error));
    if (count) memcpy(ids->id + ids->count, id, count * sizeof *id);
    ids->count += count;
    return LAM_OK;
}

static lam_code end_document(void *user, lam_error *error) {
    collected *c = user;
    lam_text_tokens *item = c->item;
    if (item->documents == c->room) { // what is outgrown stays with the arena
        int64_t *larger;
        c->room = 2 * c->room + 64;
        LAM_ALLOC(larger, c->arena, c->room + 1, error);
        if (item->documents)
            memcpy(larger, item->document, (size_t)(item->documents + 1) * sizeof *larger);
        item->document = larger;
    }
    item->document[++item->documents] = (int64_t)item->ids.count;
    return LAM_OK;
}

// A text, the articles of a dump, or the documents of a manifest. Collective; comm NULL: this
// process by itself.
static lam_code tokenize(lam_texts *texts, const lam_comm *comm, const char *model,
                         const lam_input *input, const lam_model_config *config,
                         lam_text_tokens *item, lam_error *error) {
    collected c = {.item = item, .arena = &texts->arena};
    const lam_token_sink sink = {put, end_document, &c};
    const lam_documents documents = {.path = item->path,
                                     .html = html_mode(input->html),
                                     .choice = {input->limit, input->sample, texts->seed},
                                     .end_of_text = input->end_of_text};
    lam_documents_about about;
    lam_code code = lam_texts_tokenizer(texts, model, config, error);
    if (comm) code = lam_comm_agree(comm, code, error);
    LAM_TRY(code);
    code =
        lam_documents_read(comm, &documents, texts->tokenizer, &sink, &about, &texts->arena, error);
    if (code == LAM_OK) {
        item->html_mode = about.html_mode;
        item->source = about.source;
        memcpy(item->text_sha256, about.sha256, sizeof item->text_sha256);
    }
    return code;
}

// Where the documents of a token file begin; of one without any, all of it is one.
static lam_code read_documents(const lam_tokens *file, lam_text_tokens *item, lam_arena *arena,
                               lam_error *error) {
    item->documents = file->document ? (int64_t)file->manifest.documents : 1;
    LAM_ALLOC(item->document, arena, item->documents + 1, error);
    for (int64_t i = 0; file->document && i <= item->documents; i++)
        item->document[i] = (int64_t)lam_tokens_document(file, (size_t)i);
    if (!file->document) item->document[1] = (int64_t)file->count;
    return LAM_OK;
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
        code = lam_ids_reserve(&item->ids, file.count, error);
    }
    if (code == LAM_OK) {
        lam_tokens_copy(&file, 0, file.count, item->ids.id);
        item->ids.count = file.count;
        code = read_documents(&file, item, &texts->arena, error);
    }
    lam_tokens_close(&file);
    for (size_t i = 0; code == LAM_OK && i < item->ids.count; i++)
        if (item->ids.id[i] >= config->vocabulary)
            code = lam_fail(error, LAM_INPUT,
                            "%s: token %u is beyond the %lld rows of the model's embedding: "
                            "the file was made for another model",
                            path, item->ids.id[i], (long long)config->vocabulary);
    return code;
}

// What is one document rank 0 reads by itself.
static lam_code read_alone(lam_texts *texts, const lam_comm *comm, const char *model,
                           const lam_input *input, const lam_model_config *config,
                           lam_text_tokens *item, lam_error *error) {
    if (comm->rank != 0) return LAM_OK;
    if (ends_with(item->path, ".npy")) return read_tokens(texts, model, config, item, error);
    return tokenize(texts, NULL, model, input, config, item, error);
}

lam_code lam_texts_get(lam_texts *texts, const lam_comm *comm, const char *model,
                       const lam_input *input, const lam_model_config *config,
                       const lam_text_tokens **text, lam_error *error) {
    const char *path = lam_input_text(input);
    *text = NULL;
    if (!path)
        return lam_fail(error, LAM_USAGE,
                        "no text is given: add 'text: FILE' to the job, or --text FILE");
    for (size_t i = 0; i < texts->count; i++) {
        const lam_text_tokens *known = &texts->item[i];
        if (strcmp(known->path, path) == 0 && known->html == input->html &&
            known->limit == input->limit && known->sample == input->sample &&
            known->end_of_text == input->end_of_text) {
            if (comm->rank == 0) *text = known;
            return LAM_OK;
        }
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
    if (lam_documents_single(path))
        LAM_TRY(lam_comm_follow(comm, read_alone(texts, comm, model, input, config, item, error),
                                error));
    else
        LAM_TRY(tokenize(texts, comm, model, input, config, item, error));
    item->whole[1] = (int64_t)item->ids.count;
    texts->count++;
    if (comm->rank == 0) *text = item;
    return LAM_OK;
}

lam_running lam_texts_running(const lam_text_tokens *text, const lam_input *input) {
    if (input->documents == LAM_JOB_DOCUMENTS_WITHIN)
        return (lam_running){text->ids.id, text->document, text->documents};
    return (lam_running){text->ids.id, text->whole, 1};
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
    bool clip = input->html == LAM_JOB_HTML_CLIP ||
                (input->html == LAM_JOB_HTML_AUTO && mode == LAM_PUBLISHED);
    const lam_documents documents = {.path = path, .html = clip ? LAM_HTML_CLIP : LAM_HTML_ARTICLE};
    return lam_documents_check(&documents, error);
}

void lam_texts_destroy(lam_texts *texts) {
    for (size_t i = 0; i < LAM_MAX_TEXTS; i++) lam_ids_destroy(&texts->item[i].ids);
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
