// The text a profile runs on. Its keys stand at the top of the job file for all profiles, or in a
// section for that profile alone.
#ifndef LAM_INPUT_H
#define LAM_INPUT_H

#include "src/option.h"

#include <stdbool.h>
#include <stdint.h>

// The choices of html and select. Auto: clip and first in published mode, article and random in
// standard mode.
typedef enum lam_job_html {
    LAM_JOB_HTML_AUTO,
    LAM_JOB_HTML_CLIP,
    LAM_JOB_HTML_ARTICLE,
} lam_job_html;

typedef enum lam_job_select {
    LAM_JOB_SELECT_AUTO,
    LAM_JOB_SELECT_RANDOM,
    LAM_JOB_SELECT_FIRST,
} lam_job_select;

typedef enum lam_job_documents {
    LAM_JOB_DOCUMENTS_JOIN,
    LAM_JOB_DOCUMENTS_WITHIN,
} lam_job_documents;

typedef struct lam_input {
    lam_strings text;  // of a run one, or none; in a job a list sweeps them
    int html, select;  // lam_job_html, lam_job_select
    int64_t sequences; // 0: all
    int64_t length;    // tokens; LAM_AUTO_INTEGER: the smaller of 1024 and the model's positions
    // Of a dump: the first so many articles, or so many drawn; 0 and 0: all.
    int64_t limit, sample;
    bool end_of_text; // <|endoftext|> between documents
    int documents;    // lam_job_documents
} lam_input;

// The text of a run; NULL: none is given.
static inline const char *lam_input_text(const lam_input *input) {
    return input->text.count ? input->text.item[0] : NULL;
}

#endif
