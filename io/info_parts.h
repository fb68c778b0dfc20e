// The parts of io/info.h: figures of many values, and the two ways to print a result.
#ifndef LAM_INFO_PARTS_H
#define LAM_INFO_PARTS_H

#include "io/result_read.h"
#include "io/sha256.h"
#include "src/error.h"
#include "src/schema.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct lam_info_digest {
    const char *stored; // "" where the file has none
    char computed[LAM_SHA256_TEXT];
    bool verified; // the two are one
} lam_info_digest;

// For people, to out. Errors as lam_result_load.
LAM_CHECKED lam_code lam_info_print(const lam_result_file *file, const lam_info_digest *digest,
                                    FILE *out, lam_error *error);

// As one JSON object, to out. Errors as lam_result_load.
LAM_CHECKED lam_code lam_info_print_json(const lam_result_file *file, const lam_info_digest *digest,
                                         FILE *out, lam_error *error);

enum { LAM_INFO_NARROWEST = 60, LAM_INFO_COLUMNS = 80 };

// Where people read it.
typedef struct lam_info_page {
    FILE *out;
    bool utf8;   // the locale's encoding
    int columns; // of the page
    const lam_result_file *file;
} lam_info_page;

// A text from a file as it may go to a terminal: nothing in it that moves the cursor. Returns the
// columns printed; length is in bytes.
int lam_info_put(const lam_info_page *to, const char *text, size_t length);

// Whether the file is the summary of a sweep (io/sweep_file.h).
bool lam_info_is_sweep(const lam_result_file *file);

// The runs of a summary, a line each, then a table of their means. Errors as lam_result_load.
LAM_CHECKED lam_code lam_info_print_sweep(const lam_info_page *to, lam_error *error);

typedef struct lam_summary {
    int64_t count, missing;          // missing: NaN, in count
    double minimum, median, maximum; // of the others; NaN where there are none
} lam_summary;

// Of values first .. first + count - 1 of a variable that is not of texts. LAM_MEMORY.
LAM_CHECKED lam_code lam_summarise(const lam_group *group, size_t variable, int64_t first,
                                   int64_t count, lam_summary *summary, lam_error *error);

// Value i of a variable that is not of texts.
double lam_group_value(const lam_group *group, size_t variable, int64_t i);

#endif
