#include "io/npy.h"
#include "io/replace_file.h"
#include "io/sha256.h"
#include "io/tokens.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

lam_code lam_tokens_beside(const char *path, const char *ending, lam_arena *arena, char **beside,
                           lam_error *error) {
    size_t length = strlen(path);
    if (length < 4 || strcmp(path + length - 4, ".npy") != 0)
        return lam_fail(error, LAM_USAGE, "%s: a file of tokens must be named NAME.npy", path);
    *beside = lam_arena_format(arena, error, "%.*s%s", (int)(length - 4), path, ending);
    return *beside ? LAM_OK : LAM_MEMORY;
}

// --- the manifest

// What libyaml's emitter has written so far.
typedef struct text {
    unsigned char *data;
    size_t count;
} text;

static int append(void *to, unsigned char *data, size_t bytes) {
    text *made = to;
    unsigned char *longer = realloc(made->data, made->count + bytes);
    if (!longer) return 0;
    memcpy(longer + made->count, data, bytes);
    made->data = longer;
    made->count += bytes;
    return 1;
}

// Texts are quoted: a digest can look like a number.
static bool add(yaml_document_t *document, int mapping, const char *key, const char *value,
                bool quoted) {
    int left = yaml_document_add_scalar(document, NULL, (const yaml_char_t *)key, -1,
                                        YAML_PLAIN_SCALAR_STYLE);
    int right = yaml_document_add_scalar(document, NULL, (const yaml_char_t *)value, -1,
                                         quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                                : YAML_PLAIN_SCALAR_STYLE);
    return left && right && yaml_document_append_mapping_pair(document, mapping, left, right);
}

// False: no memory, or a text that is not UTF-8.
static bool fill(yaml_document_t *document, const lam_token_manifest *m) {
    char count[32], documents[32];
    snprintf(count, sizeof count, "%zu", m->tokens);
    snprintf(documents, sizeof documents, "%zu", m->documents);
    int mapping = yaml_document_add_mapping(document, NULL, YAML_BLOCK_MAPPING_STYLE);
    return mapping && add(document, mapping, "source", m->source, true) &&
           add(document, mapping, "source_sha256", m->source_sha256, true) &&
           add(document, mapping, "tokenizer_sha256", m->tokenizer_sha256, true) &&
           add(document, mapping, "text_options", m->text_options, true) &&
           add(document, mapping, "tokens", count, false) &&
           add(document, mapping, "dtype", m->dtype, false) &&
           add(document, mapping, "npy_sha256", m->npy_sha256, true) &&
           (!m->documents_sha256 ||
            (add(document, mapping, "documents", documents, false) &&
             add(document, mapping, "documents_sha256", m->documents_sha256, true))) &&
           add(document, mapping, "laminar", m->laminar, true);
}

// The manifest as YAML; made->data is to be freed, also on failure.
static lam_code make_manifest(const char *path, const lam_token_manifest *manifest, text *made,
                              lam_error *error) {
    yaml_emitter_t emitter;
    yaml_document_t document;
    if (!yaml_emitter_initialize(&emitter))
        return lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    yaml_emitter_set_output(&emitter, append, made);
    yaml_emitter_set_width(&emitter, -1);
    yaml_emitter_set_unicode(&emitter, 1);
    lam_code code = LAM_OK;
    if (!yaml_document_initialize(&document, NULL, NULL, NULL, 1, 1)) {
        code = lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    } else if (!fill(&document, manifest)) {
        yaml_document_delete(&document);
        code = lam_fail(
            error, LAM_INPUT,
            "%s cannot be written: the name of its source is not UTF-8: rename the source", path);
    } else if (!yaml_emitter_open(&emitter) || !yaml_emitter_dump(&emitter, &document) ||
               !yaml_emitter_close(&emitter)) { // dump deletes the document
        code = lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    }
    yaml_emitter_delete(&emitter);
    return code;
}

// --- the files

struct lam_token_writer {
    lam_arena arena;
    const char *path;
    char *beside, *boundaries; // the paths of the manifest and the documents
    lam_npy_writer *ids, *documents;
    size_t width;
};

lam_code lam_token_writer_open(const char *path, size_t vocabulary, bool documents,
                               lam_token_writer **writer, lam_error *error) {
    lam_token_writer *w = calloc(1, sizeof *w);
    if (!w) return lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    w->path = path;
    w->width = vocabulary <= 65536 ? 2 : 4;
    lam_code code = lam_tokens_beside(path, ".yaml", &w->arena, &w->beside, error);
    if (code == LAM_OK)
        code = lam_tokens_beside(path, ".documents.npy", &w->arena, &w->boundaries, error);
    if (code == LAM_OK) code = lam_replace_check(w->beside, error);
    if (code == LAM_OK) code = lam_npy_open(path, w->width, &w->ids, error);
    if (code == LAM_OK && documents) code = lam_npy_open(w->boundaries, 8, &w->documents, error);
    if (code == LAM_OK && documents) code = lam_npy_add(w->documents, 0, error);
    if (code == LAM_OK)
        *writer = w;
    else
        lam_token_writer_discard(w);
    return code;
}

lam_code lam_token_writer_add(lam_token_writer *writer, const uint32_t *id, size_t count,
                              lam_error *error) {
    for (size_t i = 0; i < count; i++) LAM_TRY(lam_npy_add(writer->ids, id[i], error));
    return LAM_OK;
}

lam_code lam_token_writer_end_document(lam_token_writer *writer, lam_error *error) {
    return lam_npy_add(writer->documents, lam_npy_count(writer->ids), error);
}

size_t lam_token_writer_count(const lam_token_writer *writer) {
    return lam_npy_count(writer->ids);
}

static lam_code commit_ids(lam_token_writer *w, lam_error *error) {
    lam_npy_writer *ids = w->ids;
    w->ids = NULL;
    return lam_npy_commit(ids, error);
}

static lam_code commit_documents(lam_token_writer *w, lam_error *error) {
    lam_npy_writer *documents = w->documents;
    w->documents = NULL;
    return documents ? lam_npy_commit(documents, error) : LAM_OK;
}

// All files take their names, the manifest last; none stays alone.
static lam_code commit_all(lam_token_writer *w, const lam_token_manifest *manifest,
                           lam_error *error) {
    text made = {0};
    bool documents = w->documents != NULL;
    lam_code code = make_manifest(w->beside, manifest, &made, error);
    if (code == LAM_OK) {
        code = commit_ids(w, error);
        bool first = code == LAM_OK;
        if (code == LAM_OK) code = commit_documents(w, error);
        bool second = code == LAM_OK && documents;
        if (code == LAM_OK) code = lam_replace_file(w->beside, made.data, made.count, error);
        if (code != LAM_OK && first) unlink(w->path);
        if (code != LAM_OK && second) unlink(w->boundaries);
    }
    free(made.data);
    return code;
}

lam_code lam_token_writer_commit(lam_token_writer *writer, const lam_token_manifest *manifest,
                                 lam_error *error) {
    char sha256[LAM_SHA256_TEXT], documents_sha256[LAM_SHA256_TEXT];
    lam_token_manifest full = *manifest;
    full.tokens = lam_npy_count(writer->ids);
    full.dtype = writer->width == 2 ? "uint16" : "uint32";
    full.npy_sha256 = sha256;
    full.documents = 0;
    full.documents_sha256 = NULL;
    lam_code code = lam_npy_finish(writer->ids, sha256, error);
    if (code == LAM_OK && writer->documents) {
        full.documents = lam_npy_count(writer->documents) - 1;
        full.documents_sha256 = documents_sha256;
        code = lam_npy_finish(writer->documents, documents_sha256, error);
    }
    if (code == LAM_OK) code = commit_all(writer, &full, error);
    lam_token_writer_discard(writer);
    return code;
}

void lam_token_writer_discard(lam_token_writer *writer) {
    if (!writer) return;
    lam_npy_discard(writer->ids);
    lam_npy_discard(writer->documents);
    lam_arena_destroy(&writer->arena);
    free(writer);
}

lam_code lam_tokens_write(const char *path, const uint32_t *id, size_t count,
                          const lam_token_manifest *manifest, lam_error *error) {
    size_t vocabulary = 0;
    lam_token_writer *writer;
    for (size_t i = 0; i < count; i++)
        vocabulary = id[i] >= vocabulary ? (size_t)id[i] + 1 : vocabulary;
    LAM_TRY(lam_token_writer_open(path, vocabulary, false, &writer, error));
    lam_code code = lam_token_writer_add(writer, id, count, error);
    if (code == LAM_OK) return lam_token_writer_commit(writer, manifest, error);
    lam_token_writer_discard(writer);
    return code;
}
