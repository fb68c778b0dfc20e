// A text file as it goes to the tokenizer.
#ifndef LAM_TEXT_H
#define LAM_TEXT_H

#include "io/html.h"
#include "io/sha256.h"
#include "src/error.h"

#include <stddef.h>

// UTF-8, a NUL after its bytes (NULs may be among them).
typedef struct lam_text {
    char *data;
    size_t bytes;
    size_t replaced;              // U+FFFD that stand for what was not UTF-8: worth a warning
    char sha256[LAM_SHA256_TEXT]; // of the file as stored
} lam_text;

// Reads a text; its name's ending says what it is, in any case of letters:
// - .txt: as it is. A byte-order mark and line ends are kept, and what is not UTF-8 becomes U+FFFD,
//   as Python's decode("utf-8", errors="replace") has it, so that tokens are those of the
//   reference.
// - .html, .htm: LAM_HTML_CLIP, the published cut, likewise; LAM_HTML_ARTICLE, the readable text of
//   the page (io/html.h says which, and in what encoding).
// The caller destroys *text; after a failure there is nothing to destroy. Not collective. Errors
// name the file: LAM_IO if it cannot be read, LAM_INPUT if it is of another kind, empty, nothing
// but white space, UTF-16, or lacks what mode wants of it; LAM_MEMORY.
LAM_CHECKED lam_code lam_text_read(const char *path, lam_html_mode mode, lam_text *text,
                                   lam_error *error);

// Frees the text and leaves it as {0}.
void lam_text_destroy(lam_text *text);

#endif
