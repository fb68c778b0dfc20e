#include "jobs/tokenize.h"

#include "io/tokenizer_file.h"
#include "io/tokens.h"
#include "lam_version.h"
#include "src/log.h"

#include <signal.h>
#include <stdio.h>
#include <time.h>

enum { SECONDS_BETWEEN_LINES = 10, WATCHDOG = 300 };

// Rank 0's: where the tokens go.
typedef struct output {
    const lam_tokenize *request;
    const lam_tokenizer *tokenizer;
    lam_token_writer *writer; // NULL: nothing is written
    bool single;              // one document, which needs no boundaries
    size_t tokens, documents;
    time_t said; // when it was last said how far it is
} output;

static lam_code put(void *user, const uint32_t *id, size_t count, lam_error *error) {
    output *out = user;
    if (out->request->print) out->request->print(out->tokenizer, id, count, out->tokens);
    out->tokens += count;
    return out->writer ? lam_token_writer_add(out->writer, id, count, error) : LAM_OK;
}

static lam_code end_document(void *user, lam_error *error) {
    output *out = user;
    time_t now = time(NULL);
    out->documents++;
    if (now - out->said >= SECONDS_BETWEEN_LINES) {
        out->said = now;
        lam_log(LAM_NORMAL, "%zu documents, %zu tokens", out->documents, out->tokens);
    }
    if (!out->writer || out->single) return LAM_OK;
    return lam_token_writer_end_document(out->writer, error);
}

static lam_code commit(output *out, const lam_documents_about *about, lam_error *error) {
    const char *path = out->request->output;
    const lam_token_manifest manifest = {.source = out->request->documents.path,
                                         .source_sha256 = about->sha256,
                                         .tokenizer_sha256 = lam_tokenizer_digest(out->tokenizer),
                                         .text_options = about->options,
                                         .laminar = LAM_VERSION};
    lam_token_writer *writer = out->writer;
    out->writer = NULL;
    LAM_TRY(lam_token_writer_commit(writer, &manifest, error));
    if (out->single)
        lam_log(LAM_NORMAL, "wrote %s: %zu tokens", path, out->tokens);
    else
        lam_log(LAM_NORMAL, "wrote %s: %zu tokens of %zu documents", path, out->tokens,
                out->documents);
    return LAM_OK;
}

static lam_code tokenize(const lam_tokenize *request, const lam_comm *comm, lam_arena *arena,
                         lam_error *error) {
    lam_tokenizer *tokenizer = NULL;
    LAM_TRY(lam_comm_agree(comm, lam_tokenizer_load(request->model, &tokenizer, error), error));
    output out = {.request = request,
                  .tokenizer = tokenizer,
                  .single = lam_documents_single(request->documents.path),
                  .said = time(NULL)};
    const lam_token_sink sink = {put, end_document, &out};
    lam_documents_about about;
    lam_code code = LAM_OK;
    if (comm->rank == 0 && request->output)
        code = lam_token_writer_open(request->output, lam_tokenizer_vocabulary(tokenizer),
                                     !out.single, &out.writer, error);
    code = lam_comm_follow(comm, code, error);
    if (code == LAM_OK)
        code =
            lam_documents_read(comm, &request->documents, tokenizer, &sink, &about, arena, error);
    if (code == LAM_OK) {
        if (out.writer) code = commit(&out, &about, error);
        code = lam_comm_follow(comm, code, error);
    }
    lam_token_writer_discard(out.writer);
    lam_tokenizer_destroy(tokenizer);
    return code;
}

lam_code lam_tokenize_run(const lam_tokenize *request, bool *speaks, lam_error *error) {
    lam_comm comm;
    lam_arena arena = {0};
    LAM_TRY(lam_comm_create(&comm, NULL, NULL, error));
    signal(SIGPIPE, SIG_IGN); // whoever read what is printed may go; the tokens are written
    *speaks = comm.rank == 0;
    lam_log_open((lam_log_level)request->log_level, *speaks);
    lam_code code = lam_comm_watch(&comm, WATCHDOG, error);
    if (code == LAM_OK) code = tokenize(request, &comm, &arena, error);
    if (code == LAM_PEER) {
        fprintf(stderr, "laminar: error: %s\n", error->text);
        lam_comm_abort(&comm, code);
    }
    lam_arena_destroy(&arena);
    lam_comm_destroy(&comm);
    return code;
}
