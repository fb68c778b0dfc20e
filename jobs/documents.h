// The documents that a text names, as tokens, shared by the ranks: a text or a page is one, a
// manifest of laminar fetch has one a text, a wiki's dump (also one in a manifest) one an article.
#ifndef LAM_DOCUMENTS_H
#define LAM_DOCUMENTS_H

#include "io/dump.h"
#include "io/html.h"
#include "io/sha256.h"
#include "mpi/comm.h"
#include "src/arena.h"
#include "src/tokenizer.h"

// Where the tokens go, in the order of the documents.
typedef struct lam_token_sink {
    lam_code (*put)(void *user, const uint32_t *id, size_t count, lam_error *error);
    lam_code (*end_document)(void *user, lam_error *error);
    void *user;
} lam_token_sink;

typedef struct lam_documents {
    const char *path;
    lam_html_mode html;     // of pages
    lam_dump_choice choice; // of each dump
    bool end_of_text;       // the token <|endoftext|> ends each document but the last
} lam_documents;

// What was read, on rank 0.
typedef struct lam_documents_about {
    char sha256[LAM_SHA256_TEXT]; // of the file as stored; of a manifest: of its entries' digests,
                                  // a line each, so that it does not depend on when and where to
                                  // they were fetched
    const char *html_mode;        // "clip", "article"; "none" where there is no page
    const char *source;           // the path; of a manifest: path and the addresses in it
    const char *options;          // as a token file's manifest has them: "html: clip"; "dump:
                                  // articles, sample: 100, seed: 1, end_of_text: yes"; or ""
} lam_documents_about;

// Whether it is a single text or page: then there is nothing between documents.
bool lam_documents_single(const char *path);

// Reads the documents, makes each plain text and tokenizes it by itself. Blocks of documents, which
// do not depend on the number of ranks, are tokenized by the ranks in turn and collected by rank 0,
// whose sink alone is used; every rank reads all of a dump, but of a multistream dump with its
// index (beside it, or in the same manifest) only its own streams. What a manifest lists is
// verified as it is read. *about lies in arena. Collective over comm, all ranks return the same
// code; comm NULL: this process by itself. LAM_INPUT if the tokenizer has no <|endoftext|>, or a
// manifest's text is not what was fetched; errors as lam_text_read, lam_dump_read, lam_corpus_read,
// lam_corpus_locate, the tokenizer and the sink.
LAM_CHECKED lam_code lam_documents_read(const lam_comm *comm, const lam_documents *documents,
                                        const lam_tokenizer *tokenizer, const lam_token_sink *sink,
                                        lam_documents_about *about, lam_arena *arena,
                                        lam_error *error);

// Whether they can be read at all, by any model: for before the hours of a sweep. Not collective;
// of a dump the first article is read. Errors as above.
LAM_CHECKED lam_code lam_documents_check(const lam_documents *documents, lam_error *error);

#endif
