// Dense matrices in double precision that may be larger than one rank can hold, as the mathematics
// sees them. The ranks form a grid, and blocks of rows and columns are dealt to it in turn
// (block-cyclic); a rank by itself is a grid of one, which holds all. Work on the entries is
// written for this rank's own; products and factorisations are the grid's. Matrices are
// column-major; of symmetric ones the lower triangle counts.
//
// All functions of a grid are collective: what one rank alone may fail in goes through agree first,
// so that none waits for another in vain. The grid of one gives the same bits for any number of
// threads; a grid of several gives results that depend on its shape within rounding.
#ifndef LAM_GRID_H
#define LAM_GRID_H

#include "arena.h"
#include "error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lam_matrix {
    int64_t rows, columns;         // of all ranks together
    int64_t own_rows, own_columns; // of this rank
    int64_t stride;                // from column to column of own
    double *own;                   // [own_columns, stride]
} lam_matrix;

typedef struct lam_grid lam_grid;
struct lam_grid {
    int rows, columns, row, column; // ranks, and this rank's place
    int64_t block;                  // rows and columns of a block
    const char *library;            // "LAPACK", "ScaLAPACK"

    // The lowest failing rank's code and text, on all ranks.
    lam_code (*agree)(const lam_grid *grid, lam_code code, lam_error *error);
    // values [count] summed over the ranks; all get the same bits.
    lam_code (*sum)(const lam_grid *grid, double *values, int64_t count, lam_error *error);
    // to = from [rows, columns], row-major without gaps, given on the rank that has it: the others
    // pass NULL.
    lam_code (*scatter)(const lam_grid *grid, const float *from, lam_matrix *to, lam_error *error);
    // c = op(a) op(a)', op(a) being a' where transposed.
    lam_code (*gram)(const lam_grid *grid, bool transposed, const lam_matrix *a, lam_matrix *c,
                     lam_error *error);
    // c = op(a) b, b being the columns first .. first + c->columns - 1 of the one given.
    lam_code (*product)(const lam_grid *grid, bool transposed, const lam_matrix *a,
                        const lam_matrix *b, int64_t first, lam_matrix *c, lam_error *error);
    // a becomes L, a = L L'; *definite: whether it is positive definite.
    lam_code (*factor)(const lam_grid *grid, lam_matrix *a, bool *definite, lam_error *error);
    // b, of one column, becomes the solution x of L L' x = b.
    lam_code (*solve)(const lam_grid *grid, const lam_matrix *l, lam_matrix *b, lam_error *error);
    // All eigenvalues of a in ascending order, on all ranks; with vectors, unless NULL, z's columns
    // are the eigenvectors. a is used up. LAM_NUMERIC where they do not converge.
    lam_code (*eigen)(const lam_grid *grid, lam_matrix *a, double *values, lam_matrix *z,
                      lam_error *error);
    // The largest value with a z = value b z, z' b z = 1, z of one column; a and b are used up.
    // *definite: whether b is positive definite; else nothing is found.
    lam_code (*top)(const lam_grid *grid, lam_matrix *a, lam_matrix *b, double *value,
                    lam_matrix *z, bool *definite, lam_error *error);
    void *state;
};

// A rank by itself.
extern const lam_grid lam_grid_alone;

// The largest order of a matrix: LAPACK counts its workspace, twice the square of it, in 32 bits.
enum { LAM_GRID_ALONE_MOST = 32000 };

// Of the matrix's own row i the row's number in the whole; the same for columns.
static inline int64_t lam_grid_row(const lam_grid *grid, int64_t i) {
    return (i / grid->block * grid->rows + grid->row) * grid->block + i % grid->block;
}
static inline int64_t lam_grid_column(const lam_grid *grid, int64_t j) {
    return (j / grid->block * grid->columns + grid->column) * grid->block + j % grid->block;
}

// Of n rows or columns dealt to so many ranks, those of one of them.
int64_t lam_grid_count(const lam_grid *grid, int64_t n, int ranks, int rank);

// A matrix of zeros; own is owned by arena. LAM_MEMORY, not agreed upon; LAM_INPUT where a rank's
// part would outgrow 32-bit counts. Not collective.
LAM_CHECKED lam_code lam_matrix_create(const lam_grid *grid, int64_t rows, int64_t columns,
                                       lam_matrix *matrix, lam_arena *arena, lam_error *error);

// Column j of own.
static inline double *lam_matrix_column(const lam_matrix *matrix, int64_t j) {
    return matrix->own + j * matrix->stride;
}

// values [columns] = each column's sum over the rows chosen: weight [rows] of the whole. On all
// ranks. The same for rows: values [rows] = a weight, weight [columns].
LAM_CHECKED lam_code lam_matrix_sum_rows(const lam_grid *grid, const lam_matrix *a,
                                         const double *weight, double *values, lam_error *error);
LAM_CHECKED lam_code lam_matrix_sum_columns(const lam_grid *grid, const lam_matrix *a,
                                            const double *weight, double *values, lam_error *error);

// values [rows] = the matrix of one column, on all ranks; and back.
LAM_CHECKED lam_code lam_matrix_to_vector(const lam_grid *grid, const lam_matrix *a, double *values,
                                          lam_error *error);
void lam_matrix_from_vector(const lam_grid *grid, const double *values, lam_matrix *a);

// values [rows] = the diagonal of a square matrix, on all ranks; and value added to it, from row
// first on.
LAM_CHECKED lam_code lam_matrix_diagonal(const lam_grid *grid, const lam_matrix *a, double *values,
                                         lam_error *error);
void lam_matrix_add_diagonal(const lam_grid *grid, lam_matrix *a, int64_t first, double value);

#endif
