// The texts of a run as tokens: each is read and tokenized once, whoever asks for it.
#ifndef LAM_TEXTS_H
#define LAM_TEXTS_H

#include "io/sha256.h"
#include "jobs/input.h"
#include "jobs/profile.h"
#include "mpi/comm.h"
#include "src/arena.h"
#include "src/model.h"
#include "src/tokenizer.h"

typedef struct lam_text_tokens {
    const char *path;
    const char *source;    // path, or of a manifest: path and the addresses in it
    int html;              // lam_job_html, as it was asked for
    int64_t limit, sample; // of a dump, likewise
    bool end_of_text;
    const char *html_mode; // "clip", "article"; "none" where the text is no page
    lam_ids ids;           // its tokens
    int64_t *document;     // [documents + 1] where each begins, the number of tokens last
    int64_t documents;
    int64_t whole[2];                  // the same where all is one: 0, all
    char text_sha256[LAM_SHA256_TEXT]; // of the file as stored; of a manifest: of its entries'
                                       // digests
} lam_text_tokens;

enum { LAM_MAX_TEXTS = 16 };

typedef struct lam_texts {
    lam_text_tokens item[LAM_MAX_TEXTS];
    size_t count;
    lam_tokenizer *tokenizer;               // of the model's folder, once a text needed it
    char tokenizer_sha256[LAM_SHA256_TEXT]; // "" until then
    uint64_t seed;                          // the job's: which articles of a dump are drawn
    lam_arena arena;
} lam_texts;

// The tokens of an input's text, as the tokenizer in the model's folder has them, its documents one
// behind the other (jobs/documents.h); or of a token file, which must have been made by that
// tokenizer. They are collected on rank 0: *text is NULL on the others, which take their part of a
// dump or a manifest. Nothing is asked of the network. Owned by texts. Collective. LAM_USAGE where
// no text is given; LAM_INPUT for a tokenizer that does not fit the model; and as
// lam_documents_read, lam_tokenizer_load, lam_tokens_open.
LAM_CHECKED lam_code lam_texts_get(lam_texts *texts, const lam_comm *comm, const char *model,
                                   const lam_input *input, const lam_model_config *config,
                                   const lam_text_tokens **text, lam_error *error);

// Loads the tokenizer in the model's folder, if that is not done, and checks it against the model.
// Errors as lam_tokenizer_load, and LAM_INPUT where it does not fit.
LAM_CHECKED lam_code lam_texts_tokenizer(lam_texts *texts, const char *model,
                                         const lam_model_config *config, lam_error *error);

// A text as sequences are taken from it: in one piece, or document by document, as the input says.
// It lies in *text.
lam_running lam_texts_running(const lam_text_tokens *text, const lam_input *input);

// Whether an input's text can be read at all, by any model: for before the hours of a sweep. An
// input without one is fine. Errors as lam_documents_check and lam_tokens_open.
LAM_CHECKED lam_code lam_texts_check(const lam_input *input, lam_mode mode, lam_error *error);

void lam_texts_destroy(lam_texts *texts);

// Fills in what an input left open: html and select by mode, length by the model. profile names the
// section in messages. LAM_USAGE for a length beyond the model's positions.
LAM_CHECKED lam_code lam_input_resolve(lam_input *input, lam_mode mode,
                                       const lam_model_config *config, const char *profile,
                                       lam_error *error);

#endif
