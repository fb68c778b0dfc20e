#include "jobs/dump_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A block ends with the document that fills it.
enum { BLOCK_DOCUMENTS = 64, BLOCK_BYTES = 1 << 20, TAG = 7 };

typedef struct deal {
    const lam_comm *comm;
    int rank, size;
    const lam_tokenizer *tokenizer;
    const lam_token_sink *sink;
    int64_t end_of_text; // id, or -1
    int64_t block;       // the one that is being filled
    size_t documents, bytes;
    lam_ids ids; // of this rank's block of the round
    uint64_t length[BLOCK_DOCUMENTS];
    uint64_t lengths;
    bool begun;  // the sink has a document
    bool agreed; // the code is all ranks' already
} deal;

static lam_code tokenize(deal *d, const lam_dump_article *article, lam_error *error) {
    char *text;
    size_t bytes, before = d->ids.count;
    LAM_TRY(
        lam_wikitext_plain(article->wikitext, article->bytes, article->site, &text, &bytes, error));
    lam_code code = lam_tokenizer_encode(d->tokenizer, text, bytes, &d->ids, error);
    free(text);
    d->length[d->lengths++] = d->ids.count - before;
    return code;
}

// On rank 0: a block goes to the sink.
static lam_code deliver(deal *d, const uint32_t *id, const uint64_t *length, size_t lengths,
                        lam_error *error) {
    const lam_token_sink *sink = d->sink;
    uint32_t end = (uint32_t)d->end_of_text;
    for (size_t i = 0; i < lengths; id += length[i++]) {
        if (d->begun && d->end_of_text >= 0) LAM_TRY(sink->put(sink->user, &end, 1, error));
        if (d->begun && sink->end_document) LAM_TRY(sink->end_document(sink->user, error));
        d->begun = true;
        LAM_TRY(sink->put(sink->user, id, (size_t)length[i], error));
    }
    return LAM_OK;
}

static lam_code send_block(const deal *d, lam_error *error) {
    uint64_t size[2] = {d->lengths, d->ids.count};
    LAM_TRY(lam_comm_send(d->comm, size, sizeof size, 0, TAG, error));
    LAM_TRY(lam_comm_send(d->comm, d->length, d->lengths * sizeof *d->length, 0, TAG, error));
    return lam_comm_send(d->comm, d->ids.id, d->ids.count * sizeof *d->ids.id, 0, TAG, error);
}

// On rank 0. What cannot be kept is received nevertheless, so that no rank waits: *kept says how it
// went; the result is not LAM_OK only if the ranks have lost each other.
static lam_code receive_block(deal *d, int from, lam_code *kept, lam_error *error) {
    uint64_t size[2], length[BLOCK_DOCUMENTS];
    lam_ids ids = {0};
    LAM_TRY(lam_comm_receive(d->comm, size, sizeof size, from, TAG, error));
    LAM_TRY(lam_comm_receive(d->comm, length, (size_t)size[0] * sizeof *length, from, TAG, error));
    if (lam_ids_reserve(&ids, (size_t)size[1], error) != LAM_OK)
        return lam_fail(error, LAM_PEER, "no memory for the %llu tokens of a block of rank %d",
                        (unsigned long long)size[1], from);
    lam_code code =
        lam_comm_receive(d->comm, ids.id, (size_t)size[1] * sizeof *ids.id, from, TAG, error);
    if (code == LAM_OK && *kept == LAM_OK)
        *kept = deliver(d, ids.id, length, (size_t)size[0], error);
    lam_ids_destroy(&ids);
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
    return code;
}

static lam_code take(void *user, const lam_dump_article *article, bool *stop, lam_error *error) {
    (void)stop;
    deal *d = user;
    if (d->block % d->size == d->rank) LAM_TRY(tokenize(d, article, error));
    d->bytes += article->bytes;
    if (++d->documents < BLOCK_DOCUMENTS && d->bytes < BLOCK_BYTES) return LAM_OK;
    d->documents = d->bytes = 0;
    return ++d->block % d->size == 0 ? end_round(d, error) : LAM_OK;
}

static lam_code find_end_of_text(deal *d, lam_error *error) {
    static const char text[] = "<|endoftext|>";
    d->end_of_text = lam_tokenizer_find(d->tokenizer, text, strlen(text));
    if (d->end_of_text >= 0) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "the tokenizer has no token %s: leave end_of_text away",
                    text);
}

lam_code lam_dump_tokens(const lam_comm *comm, const char *path, const lam_dump_choice *choice,
                         const lam_tokenizer *tokenizer, bool end_of_text,
                         const lam_token_sink *sink, lam_error *error) {
    deal d = {.comm = comm,
              .rank = comm ? comm->rank : 0,
              .size = comm ? comm->size : 1,
              .tokenizer = tokenizer,
              .sink = sink,
              .end_of_text = -1};
    bool many = d.size > 1;
    lam_code code = end_of_text ? find_end_of_text(&d, error) : LAM_OK;
    if (code == LAM_OK) code = lam_dump_read(path, choice, take, &d, error);
    if (code == LAM_OK) code = end_round(&d, error);
    lam_ids_destroy(&d.ids);
    // The other ranks come to agree at the end of their round, or here.
    if (many && code != LAM_OK && code != LAM_PEER && !d.agreed)
        return lam_comm_agree(comm, code, error);
    if (code != LAM_OK) return code;
    if (d.rank == 0 && sink->end_document) code = sink->end_document(sink->user, error);
    return many ? lam_comm_follow(comm, code, error) : code;
}

char *lam_dump_options_text(const lam_dump_choice *choice, bool end_of_text, lam_arena *arena,
                            lam_error *error) {
    char chosen[96] = "";
    if (choice->limit > 0)
        snprintf(chosen, sizeof chosen, ", limit: %lld", (long long)choice->limit);
    if (choice->sample > 0)
        snprintf(chosen, sizeof chosen, ", sample: %lld, seed: %llu", (long long)choice->sample,
                 (unsigned long long)choice->seed);
    return lam_arena_format(arena, error, "dump: articles%s%s", chosen,
                            end_of_text ? ", end_of_text: yes" : "");
}
