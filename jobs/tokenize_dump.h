// What "laminar tokenize" does with a dump.
#ifndef LAM_TOKENIZE_DUMP_H
#define LAM_TOKENIZE_DUMP_H

#include "io/dump.h"
#include "src/tokenizer.h"

// What to do with each document of a dump's tokens, where they are printed.
typedef void (*lam_print_ids)(const lam_tokenizer *tokenizer, const uint32_t *id, size_t count,
                              size_t first);

typedef struct lam_tokenize_dump {
    const char *source, *output; // output NULL: print only
    const char *model;           // the tokenizer's folder
    lam_dump_choice choice;
    bool end_of_text;
    lam_print_ids print; // NULL: do not
    int log_level;       // lam_log_level
} lam_tokenize_dump;

// Collective over all ranks, MPI included from start to end; all return the same code. *speaks:
// whether this rank prints the error.
LAM_CHECKED lam_code lam_tokenize_dump_run(const lam_tokenize_dump *request, bool *speaks,
                                           lam_error *error);

#endif
