// A dump's articles as tokens, shared by the ranks.
#ifndef LAM_DUMP_TOKENS_H
#define LAM_DUMP_TOKENS_H

#include "io/dump.h"
#include "mpi/comm.h"
#include "src/tokenizer.h"

// Where the tokens go, in the order of the dump.
typedef struct lam_token_sink {
    lam_code (*put)(void *user, const uint32_t *id, size_t count, lam_error *error);
    lam_code (*end_document)(void *user, lam_error *error); // NULL: it does not matter
    void *user;
} lam_token_sink;

// Reads the wanted articles of a dump, makes each plain text and tokenizes it by itself; with
// end_of_text, the model's token <|endoftext|> ends each but the last. Every rank reads the dump;
// blocks of documents, which do not depend on the number of ranks, are converted and tokenized by
// the ranks in turn and collected by rank 0, whose sink alone is used. Collective over comm, all
// ranks return the same code; comm NULL: this process by itself. LAM_INPUT if the tokenizer has no
// <|endoftext|>; errors as lam_dump_read, the tokenizer and the sink.
LAM_CHECKED lam_code lam_dump_tokens(const lam_comm *comm, const char *path,
                                     const lam_dump_choice *choice, const lam_tokenizer *tokenizer,
                                     bool end_of_text, const lam_token_sink *sink,
                                     lam_error *error);

// How the dump was read, for a manifest: "dump: articles, sample: 100, seed: 1". Owned by arena;
// NULL: no memory.
char *lam_dump_options_text(const lam_dump_choice *choice, bool end_of_text, lam_arena *arena,
                            lam_error *error);

#endif
