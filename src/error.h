// Errors are values. Every fallible function returns a lam_code and takes, last, the lam_error it
// describes the failure in: one line that names the thing (file, key, tensor) and the remedy.
#ifndef LAM_ERROR_H
#define LAM_ERROR_H

#include <stdbool.h>

// Name, process exit status, what the manual says of it.
#define LAM_CODES(X)                                                                               \
    X(LAM_OK, 0, "success")                                                                        \
    X(LAM_INTERNAL, 1, "a fault in laminar itself")                                                \
    X(LAM_USAGE, 2, "a wrong command line or job file")                                            \
    X(LAM_INPUT, 3, "an unusable model, tokenizer or text")                                        \
    X(LAM_IO, 4, "a file, folder or server that cannot be read or written")                        \
    X(LAM_MEMORY, 5, "not enough memory")                                                          \
    X(LAM_NUMERIC, 6, "values that are not finite")                                                \
    X(LAM_PEER, 7, "another rank failed or cannot be reached")                                     \
    X(LAM_INTERRUPTED, 8, "ended by a signal, resumable")                                          \
    X(LAM_DIFFERENT, 9, "results that differ")                                                     \
    X(LAM_UNFIT, 10, "a place where runs would fail, as doctor found")

typedef enum lam_code {
#define X(name, status, text) name = status,
    LAM_CODES(X)
#undef X
} lam_code;

typedef struct lam_error {
    lam_code code;
    char text[1024]; // one line, no newline at its end
    bool passed_on;  // it only says that another rank has failed, which says why itself
} lam_error;

// What the manual says of a code.
const char *lam_code_text(lam_code code);

// Sets *error to code and the formatted line (line breaks and control characters in it become
// spaces) and returns code.
__attribute__((format(printf, 3, 4))) lam_code lam_fail(lam_error *error, lam_code code,
                                                        const char *format, ...);

// Puts "formatted: " before the text that is already in *error, and returns error->code. Where the
// work was asked to end (LAM_INTERRUPTED) it is no matter where, and the text stays.
__attribute__((format(printf, 2, 3))) lam_code lam_fail_within(lam_error *error, const char *format,
                                                               ...);

#define LAM_CHECKED __attribute__((warn_unused_result))

// Returns from the calling function, with its code, if the call failed.
#define LAM_TRY(call)                                                                              \
    do {                                                                                           \
        lam_code lam_try_code = (call);                                                            \
        if (lam_try_code != LAM_OK) return lam_try_code;                                           \
    } while (0)

#endif
