// What "laminar tokenize" does.
#ifndef LAM_TOKENIZE_H
#define LAM_TOKENIZE_H

#include "jobs/documents.h"

// What to do with tokens where they are printed. first: the number of the first of them.
typedef void (*lam_print_ids)(const lam_tokenizer *tokenizer, const uint32_t *id, size_t count,
                              size_t first);

typedef struct lam_tokenize {
    lam_documents documents;
    const char *output;  // NULL: print only
    const char *model;   // the tokenizer's folder
    lam_print_ids print; // NULL: do not
    int log_level;       // lam_log_level
} lam_tokenize;

// Collective over all ranks, MPI included from start to end; all return the same code. *speaks:
// whether this rank prints the error.
LAM_CHECKED lam_code lam_tokenize_run(const lam_tokenize *request, bool *speaks, lam_error *error);

#endif
