// How alike rows are, each to each, in double precision.
#ifndef LAM_SIMILARITY_H
#define LAM_SIMILARITY_H

#include "error.h"
#include "team.h"

#include <stdint.h>

typedef enum lam_similarity_kind {
    LAM_COSINE,      // x.y / (|x| |y|), not centred
    LAM_CORRELATION, // Pearson: the cosine of rows from which their own means are taken
    LAM_EUCLIDEAN,   // |x - y|: a distance, large where the others are small
} lam_similarity_kind;

// Pairs i < j of so many rows. They are held as the strict upper triangle, row by row: (0, 1),
// (0, 2), ..., (1, 2), ...
static inline int64_t lam_pair_count(int64_t rows) {
    return rows * (rows - 1) / 2;
}

// Where the pairs of row i begin, so that pair (i, j) is at lam_pair_row(rows, i) + j. May be
// negative by itself.
static inline int64_t lam_pair_row(int64_t rows, int64_t i) {
    return i * (2 * rows - i - 1) / 2 - i - 1;
}

// pairs [lam_pair_count(rows)] = the measure for every two rows of x [rows, width], which is used
// up (its rows are centred and scaled). Values have to be finite; Euclidean ones below 1e150.
// *undirected = rows that are all zero (LAM_COSINE) or all one value (LAM_CORRELATION), whose pairs
// are not defined and given as 0. A value is summed in the order of the columns, so equal rows give
// equal values, and threads do not change them; nor do the members of the team, who share the rows
// and all get all pairs. Collective over it. LAM_MEMORY; the team's errors.
LAM_CHECKED lam_code lam_similarity(lam_similarity_kind kind, double *x, int64_t rows,
                                    int64_t width, double *pairs, int64_t *undirected,
                                    const lam_team *team, lam_error *error);

#endif
