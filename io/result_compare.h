// Two results, value by value.
#ifndef LAM_RESULT_COMPARE_H
#define LAM_RESULT_COMPARE_H

#include "src/error.h"

#include <stdint.h>
#include <stdio.h>

typedef struct lam_comparison {
    int64_t values, variables;   // that both results have
    int64_t different_values;    // of those
    int64_t different_variables; // with such values, or another shape, or in one result only
    int64_t lone_groups;         // in one result only; their variables are not counted
    char first[512];             // the first that differs, "sae/mse at layer 3"; "" where none does
} lam_comparison;

// Compares all variables of two result files; attributes, which say who made the values and when,
// are left out. Values are equal if their bits are (missing ones always), or, where tolerance is
// above 0, if |a - b| is at most tolerance times the larger magnitude. Prints to out, unless NULL,
// a line for each variable that differs: how many values, the first one's place, and the largest
// relative difference; and one for each group that only one of them has. Errors as lam_result_open
// and lam_result_load. Not collective.
LAM_CHECKED lam_code lam_result_compare(const char *path, const char *other, double tolerance,
                                        FILE *out, lam_comparison *comparison, lam_error *error);

#endif
