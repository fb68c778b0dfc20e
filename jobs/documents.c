#include "jobs/documents.h"

#include "io/corpus.h"
#include "io/dump_index.h"
#include "io/text.h"
#include "src/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// A block ends with the document that fills it, or is a stream of a dump.
enum { BLOCK_DOCUMENTS = 64, BLOCK_BYTES = 1 << 20, TAG = 7 };

typedef struct deal {
    const lam_comm *comm;
    int rank, size;
    const lam_documents *documents;
    const lam_tokenizer *tokenizer;
    const lam_token_sink *sink;
    lam_documents_about *about;
    int64_t end_of_text; // id, or -1
    int64_t block;       // the one that is being filled
    size_t in_block, bytes;
    lam_ids ids;      // of this rank's block of the round
    uint64_t *length; // [lengths] of its documents, in tokens
    size_t lengths, room;
    uint64_t replaced; // places that were not UTF-8: of the round; on rank 0 of all
    bool begun;        // the sink has a document
    bool agreed;       // the code is all ranks' already
    lam_arena *arena;
} deal;

static lam_code tokenize(deal *d, const char *text, size_t bytes, lam_error *error) {
    size_t before = d->ids.count;
    if (d->lengths == d->room) {
        size_t room = 2 * d->room + BLOCK_DOCUMENTS;
        uint64_t *length = realloc(d->length, room * sizeof *length);
        if (!length) return lam_fail(error, LAM_MEMORY, "no memory for %zu documents", room);
        d->length = length;
        d->room = room;
    }
    LAM_TRY(lam_tokenizer_encode(d->tokenizer, text, bytes, &d->ids, error));
    d->length[d->lengths++] = d->ids.count - before;
    return LAM_OK;
}

static lam_code tokenize_article(deal *d, const lam_dump_article *article, lam_error *error) {
    char *text;
    size_t bytes;
    LAM_TRY(
        lam_wikitext_plain(article->wikitext, article->bytes, article->site, &text, &bytes, error));
    lam_code code = tokenize(d, text, bytes, error);
    free(text);
    return code;
}

// On rank 0: a block goes to the sink.
static lam_code deliver(deal *d, const uint32_t *id, const uint64_t *length, size_t lengths,
                        lam_error *error) {
    const lam_token_sink *sink = d->sink;
    uint32_t end = (uint32_t)d->end_of_text;
    for (size_t i = 0; i < lengths; id += length[i++]) {
        if (d->begun && d->end_of_text >= 0) LAM_TRY(sink->put(sink->user, &end, 1, error));
        if (d->begun) LAM_TRY(sink->end_document(sink->user, error));
        d->begun = true;
        LAM_TRY(sink->put(sink->user, id, (size_t)length[i], error));
    }
    return LAM_OK;
}

static lam_code send_block(const deal *d, lam_error *error) {
    uint64_t size[3] = {d->lengths, d->ids.count, d->replaced};
    LAM_TRY(lam_comm_send(d->comm, size, sizeof size, 0, TAG, error));
    LAM_TRY(lam_comm_send(d->comm, d->length, d->lengths * sizeof *d->length, 0, TAG, error));
    return lam_comm_send(d->comm, d->ids.id, d->ids.count * sizeof *d->ids.id, 0, TAG, error);
}

// On rank 0. What cannot be kept is received nevertheless, so that no rank waits: *kept says how it
// went; the result is not LAM_OK only if the ranks have lost each other.
static lam_code receive_block(deal *d, int from, lam_code *kept, lam_error *error) {
    uint64_t size[3];
    LAM_TRY(lam_comm_receive(d->comm, size, sizeof size, from, TAG, error));
    d->replaced += size[2];
    lam_ids ids = {0};
    uint64_t *length = malloc((size_t)(size[0] + 1) * sizeof *length);
    lam_code code = LAM_OK;
    if (!length || lam_ids_reserve(&ids, (size_t)size[1], error) != LAM_OK)
        code = lam_fail(error, LAM_PEER, "no memory for the %llu tokens of a block of rank %d",
                        (unsigned long long)size[1], from);
    if (code == LAM_OK)
        code =
            lam_comm_receive(d->comm, length, (size_t)size[0] * sizeof *length, from, TAG, error);
    if (code == LAM_OK)
        code =
            lam_comm_receive(d->comm, ids.id, (size_t)size[1] * sizeof *ids.id, from, TAG, error);
    if (code == LAM_OK && *kept == LAM_OK)
        *kept = deliver(d, ids.id, length, (size_t)size[0], error);
    lam_ids_destroy(&ids);
    free(length);
    return code;
}

// Collective: every rank's block of the round goes to rank 0.
static lam_code end_round(deal *d, lam_error *error) {
    lam_code code = LAM_OK;
    if (d->size > 1) {
        code = lam_comm_agree(d->comm, LAM_OK, error);
        d->agreed = code != LAM_OK;
        LAM_TRY(code);
    }
    if (d->rank == 0)
        code = deliver(d, d->ids.id, d->length, (size_t)d->lengths, error);
    else
        LAM_TRY(send_block(d, error));
    for (int from = 1; d->rank == 0 && from < d->size; from++)
        LAM_TRY(receive_block(d, from, &code, error));
    if (d->size > 1) {
        code = lam_comm_follow(d->comm, code, error);
        d->agreed = code != LAM_OK;
    }
    d->ids.count = 0;
    d->lengths = 0;
    if (d->rank != 0) d->replaced = 0;
    return code;
}

static bool is_mine(const deal *d) {
    return d->block % d->size == d->rank;
}

// Counts a document, whoever tokenized it, as so many bytes. Collective where that ends a round.
static lam_code count_document(deal *d, size_t bytes, lam_error *error) {
    d->bytes += bytes;
    if (++d->in_block < BLOCK_DOCUMENTS && d->bytes < BLOCK_BYTES) return LAM_OK;
    d->in_block = d->bytes = 0;
    return ++d->block % d->size == 0 ? end_round(d, error) : LAM_OK;
}

// Collective: the blocks begin anew.
static lam_code flush(deal *d, lam_error *error) {
    d->block = 0;
    d->in_block = d->bytes = 0;
    return end_round(d, error);
}

// --- dumps

static lam_code take(void *user, const lam_dump_article *article, bool *stop, lam_error *error) {
    (void)stop;
    deal *d = user;
    if (is_mine(d)) LAM_TRY(tokenize_article(d, article, error));
    return count_document(d, article->bytes, error);
}

// Of this rank's own streams, each a block.
static lam_code take_own(void *user, const lam_dump_article *article, bool *stop,
                         lam_error *error) {
    (void)stop;
    deal *d = user;
    for (; (size_t)d->block < article->stream / (size_t)d->size; d->block++)
        LAM_TRY(end_round(d, error));
    return tokenize_article(d, article, error);
}

// What the ranks found each in their streams, together.
static lam_code any(void *user, lam_code code, bool *flag, size_t count, lam_error *error) {
    deal *d = user;
    code = lam_comm_agree(d->comm, code, error);
    d->agreed = code != LAM_OK;
    LAM_TRY(code);
    for (size_t at = 0, piece; at < count; at += piece) {
        piece = count - at < 1 << 30 ? count - at : 1 << 30;
        LAM_TRY(lam_comm_check(
            MPI_Allreduce(MPI_IN_PLACE, flag + at, (int)piece, MPI_C_BOOL, MPI_LOR, d->comm->mpi),
            "drawing articles", error));
    }
    return LAM_OK;
}

static lam_code read_streams(deal *d, const lam_dump_plan *plan, int64_t *count, lam_error *error) {
    size_t size = (size_t)d->size, rounds = (plan->streams + size - 1) / size;
    LAM_TRY(flush(d, error));
    LAM_TRY(lam_dump_plan_read(plan, (size_t)d->rank, size, take_own, d, count, error));
    for (; (size_t)d->block < rounds; d->block++) LAM_TRY(end_round(d, error));
    d->block = 0;
    if (d->size == 1) return LAM_OK;
    lam_code code =
        lam_comm_check(MPI_Allreduce(MPI_IN_PLACE, count, 1, MPI_INT64_T, MPI_SUM, d->comm->mpi),
                       "counting", error);
    return code;
}

// index: of the dump; NULL: it may lie beside it.
static lam_code read_dump(deal *d, const char *path, const char *index, lam_error *error) {
    const lam_dump_share share = {(size_t)d->rank, (size_t)d->size, any, d};
    lam_dump_plan plan;
    int64_t count = 0;
    lam_code code = lam_dump_plan_create(path, index, &d->documents->choice,
                                         d->size > 1 ? &share : NULL, &plan, error);
    if (code == LAM_OK)
        code = plan.streams ? read_streams(d, &plan, &count, error)
                            : lam_dump_plan_read(&plan, 0, 1, take, d, &count, error);
    lam_dump_plan_destroy(&plan);
    return code == LAM_OK && count == 0 ? lam_dump_no_article(path, error) : code;
}

// --- texts and manifests

static bool is_page(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && (!strcasecmp(dot, ".html") || !strcasecmp(dot, ".htm"));
}

// sha256: of the file as stored, where this rank reads it; else left alone.
static lam_code read_text(deal *d, const char *path, size_t bytes, char sha256[LAM_SHA256_TEXT],
                          lam_error *error) {
    if (is_mine(d)) {
        lam_text text;
        LAM_TRY(lam_text_read(path, d->documents->html, &text, error));
        memcpy(sha256, text.sha256, LAM_SHA256_TEXT);
        d->replaced += text.replaced;
        lam_code code = tokenize(d, text.data, text.bytes, error);
        lam_text_destroy(&text);
        LAM_TRY(code);
    }
    return count_document(d, bytes, error);
}

static lam_code check_digest(const lam_corpus_entry *entry, const char *path, const char *sha256,
                             lam_error *error) {
    if (strcmp(sha256, entry->sha256) == 0) return LAM_OK;
    return lam_fail(error, LAM_INPUT,
                    "%s (%s) is not what was fetched: remove this file and fetch it again", path,
                    entry->url);
}

// On rank 0, which need not be the one that reads it.
static lam_code verify(const deal *d, const lam_corpus_entry *entry, const char *path,
                       lam_error *error) {
    char sha256[LAM_SHA256_TEXT];
    if (d->rank != 0) return LAM_OK;
    LAM_TRY(lam_sha256_of_file(path, sha256, error));
    return check_digest(entry, path, sha256, error);
}

// *index = the path of a dump's index where the manifest has that too, else NULL.
static lam_code find_index(const deal *d, const lam_corpus *corpus, const lam_corpus_entry *dump,
                           const char **index, lam_error *error) {
    char *url;
    *index = NULL;
    LAM_TRY(lam_dump_index_name(dump->url, &url, d->arena, error));
    for (size_t i = 0; url && i < corpus->count; i++) {
        const lam_corpus_entry *entry = &corpus->entry[i];
        if (strcmp(entry->url, url) != 0) continue;
        LAM_TRY(lam_corpus_locate(corpus, entry, index, d->arena, error));
        return verify(d, entry, *index, error);
    }
    return LAM_OK;
}

static lam_code read_entry(deal *d, const lam_corpus *corpus, const lam_corpus_entry *entry,
                           bool *pages, bool *dumps, lam_error *error) {
    const char *path, *index;
    LAM_TRY(lam_corpus_locate(corpus, entry, &path, d->arena, error));
    if (lam_dump_named(path)) {
        *dumps = true;
        LAM_TRY(verify(d, entry, path, error));
        LAM_TRY(find_index(d, corpus, entry, &index, error));
        return read_dump(d, path, index, error);
    }
    char sha256[LAM_SHA256_TEXT];
    memcpy(sha256, entry->sha256, sizeof sha256);
    *pages |= is_page(path);
    LAM_TRY(read_text(d, path, (size_t)entry->size, sha256, error));
    return check_digest(entry, path, sha256, error);
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

// An index goes with its dump.
static bool is_text(const lam_corpus_entry *entry) {
    return !lam_dump_index_named(entry->url);
}

static lam_code read_manifest(const char *path, lam_corpus *corpus, lam_arena *arena,
                              lam_error *error) {
    LAM_TRY(lam_corpus_read(path, corpus, arena, error));
    for (size_t i = 0; i < corpus->count; i++)
        if (is_text(&corpus->entry[i])) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "%s: lists no text: add some by laminar fetch", path);
}

static lam_code read_corpus(deal *d, bool *pages, bool *dumps, lam_error *error) {
    lam_corpus corpus;
    char *digests;
    uint8_t digest[LAM_SHA256_BYTES];
    LAM_TRY(read_manifest(d->documents->path, &corpus, d->arena, error));
    LAM_ALLOC(digests, d->arena, corpus.count * LAM_SHA256_TEXT, error);
    for (size_t i = 0; i < corpus.count; i++) {
        if (is_text(&corpus.entry[i]))
            LAM_TRY(read_entry(d, &corpus, &corpus.entry[i], pages, dumps, error));
        sprintf(digests + i * LAM_SHA256_TEXT, "%s", corpus.entry[i].sha256);
        digests[(i + 1) * LAM_SHA256_TEXT - 1] = '\n';
    }
    LAM_TRY(lam_sha256_of(digests, corpus.count * LAM_SHA256_TEXT, digest, error));
    lam_sha256_text(digest, d->about->sha256);
    d->about->source = sources_of(d->documents->path, &corpus, d->arena, error);
    return d->about->source ? LAM_OK : LAM_MEMORY;
}

// --- all of them

static lam_code describe(deal *d, bool pages, bool dumps, lam_error *error) {
    const lam_documents *documents = d->documents;
    const lam_dump_choice *choice = &documents->choice;
    const char *html = documents->html == LAM_HTML_CLIP ? "clip" : "article";
    char chosen[96] = "";
    if (dumps && choice->limit > 0)
        snprintf(chosen, sizeof chosen, ", limit: %lld", (long long)choice->limit);
    if (dumps && choice->sample > 0)
        snprintf(chosen, sizeof chosen, ", sample: %lld, seed: %llu", (long long)choice->sample,
                 (unsigned long long)choice->seed);
    d->about->html_mode = pages ? html : "none";
    d->about->options =
        lam_arena_format(d->arena, error, "%s%s%s%s%s%s", pages ? "html: " : "", pages ? html : "",
                         pages && dumps ? ", " : "", dumps ? "dump: articles" : "", chosen,
                         !documents->end_of_text ? ""
                         : pages || dumps        ? ", end_of_text: yes"
                                                 : "end_of_text: yes");
    return d->about->options ? LAM_OK : LAM_MEMORY;
}

static lam_code read_all(deal *d, lam_error *error) {
    const char *path = d->documents->path;
    bool pages = false, dumps = lam_dump_named(path);
    d->about->source = path;
    if (dumps) {
        if (d->rank == 0) LAM_TRY(lam_sha256_of_file(path, d->about->sha256, error));
        LAM_TRY(read_dump(d, path, NULL, error));
    } else if (lam_corpus_is(path)) {
        LAM_TRY(read_corpus(d, &pages, &dumps, error));
    } else {
        pages = is_page(path);
        LAM_TRY(read_text(d, path, 0, d->about->sha256, error));
    }
    if (!dumps && (d->documents->choice.limit > 0 || d->documents->choice.sample > 0))
        return lam_fail(error, LAM_USAGE,
                        "%s holds no dump (.xml, .bz2), whose articles limit and sample choose: "
                        "leave them out",
                        path);
    LAM_TRY(describe(d, pages, dumps, error));
    return flush(d, error);
}

bool lam_documents_single(const char *path) {
    return !lam_dump_named(path) && !lam_corpus_is(path);
}

static lam_code find_end_of_text(deal *d, lam_error *error) {
    static const char text[] = "<|endoftext|>";
    d->end_of_text = lam_tokenizer_find(d->tokenizer, text, strlen(text));
    if (d->end_of_text >= 0) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "the tokenizer has no token %s: leave end_of_text away",
                    text);
}

lam_code lam_documents_read(const lam_comm *comm, const lam_documents *documents,
                            const lam_tokenizer *tokenizer, const lam_token_sink *sink,
                            lam_documents_about *about, lam_arena *arena, lam_error *error) {
    deal d = {.comm = comm,
              .rank = comm ? comm->rank : 0,
              .size = comm ? comm->size : 1,
              .documents = documents,
              .tokenizer = tokenizer,
              .sink = sink,
              .about = about,
              .end_of_text = -1,
              .arena = arena};
    bool many = d.size > 1;
    *about = (lam_documents_about){0};
    lam_code code = LAM_OK;
    if (documents->end_of_text && !lam_documents_single(documents->path))
        code = find_end_of_text(&d, error);
    if (code == LAM_OK) code = read_all(&d, error);
    lam_ids_destroy(&d.ids);
    free(d.length);
    // The other ranks come to agree at the end of their round, or here.
    if (many && code != LAM_OK && code != LAM_PEER && !d.agreed)
        return lam_comm_agree(comm, code, error);
    if (code != LAM_OK) return code;
    if (d.replaced > 0)
        lam_log(LAM_NORMAL, "warning: %s: %llu places are not UTF-8 and are read as U+FFFD",
                documents->path, (unsigned long long)d.replaced);
    if (d.rank == 0) code = sink->end_document(sink->user, error);
    return many ? lam_comm_follow(comm, code, error) : code;
}

// --- before a sweep

static lam_code leave(void *user, const lam_dump_article *article, bool *stop, lam_error *error) {
    (void)user, (void)article, (void)stop, (void)error;
    return LAM_OK;
}

static lam_code check_file(const char *path, lam_html_mode html, lam_error *error) {
    const lam_dump_choice first = {.limit = 1};
    lam_text text;
    if (lam_dump_named(path)) return lam_dump_read(path, &first, leave, NULL, error);
    LAM_TRY(lam_text_read(path, html, &text, error));
    lam_text_destroy(&text);
    return LAM_OK;
}

lam_code lam_documents_check(const lam_documents *documents, lam_error *error) {
    if (!lam_corpus_is(documents->path)) return check_file(documents->path, documents->html, error);
    lam_arena arena = {0};
    lam_corpus corpus;
    lam_code code = read_manifest(documents->path, &corpus, &arena, error);
    for (size_t i = 0; code == LAM_OK && i < corpus.count; i++) {
        const char *path;
        code = lam_corpus_locate(&corpus, &corpus.entry[i], &path, &arena, error);
        if (code == LAM_OK && is_text(&corpus.entry[i]))
            code = check_file(path, documents->html, error);
    }
    lam_arena_destroy(&arena);
    return code;
}
