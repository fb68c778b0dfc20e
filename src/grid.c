#include "grid.h"

#include "blas.h"
#include "vector.h"

#include <limits.h>
#include <string.h>

int64_t lam_grid_count(const lam_grid *grid, int64_t n, int ranks, int rank) {
    int64_t blocks = n / grid->block, mine = blocks / ranks * grid->block;
    int64_t left = blocks % ranks;
    if (rank < left) return mine + grid->block;
    return mine + (rank == left ? n % grid->block : 0);
}

lam_code lam_matrix_create(const lam_grid *grid, int64_t rows, int64_t columns, lam_matrix *matrix,
                           lam_arena *arena, lam_error *error) {
    *matrix = (lam_matrix){.rows = rows, .columns = columns};
    matrix->own_rows = lam_grid_count(grid, rows, grid->rows, grid->row);
    matrix->own_columns = lam_grid_count(grid, columns, grid->columns, grid->column);
    matrix->stride = matrix->own_rows > 0 ? matrix->own_rows : 1;
    int64_t values = matrix->stride * (matrix->own_columns > 0 ? matrix->own_columns : 1);
    if (values > INT_MAX || rows > INT_MAX || columns > INT_MAX)
        return lam_fail(error, LAM_INPUT,
                        "a matrix of %lld x %lld is too large for %d ranks: use more of them",
                        (long long)rows, (long long)columns, grid->rows * grid->columns);
    LAM_ALLOC(matrix->own, arena, values, error);
    lam_blas_use_one_thread();
    return LAM_OK;
}

LAM_VECTORISED
static double product_of(const double *a, const double *b, int64_t count) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

LAM_VECTORISED
static void add_multiple(double factor, const double *a, int64_t count, double *to) {
#pragma omp simd
    for (int64_t i = 0; i < count; i++) to[i] += factor * a[i];
}

// own [count] = whole at this rank's rows, or the other way round, a run of a block at a time.
static void pick(const lam_grid *grid, const double *whole, int64_t count, double *own) {
    for (int64_t i = 0; i < count; i++) own[i] = whole[lam_grid_row(grid, i)];
}

lam_code lam_matrix_sum_rows(const lam_grid *grid, const lam_matrix *a, const double *weight,
                             double *values, lam_error *error) {
    lam_arena scratch = {0};
    double *own = lam_arena_alloc(&scratch, (size_t)a->own_rows, sizeof *own, error);
    lam_code code = grid->agree(grid, own ? LAM_OK : LAM_MEMORY, error);
    if (code == LAM_OK) {
        pick(grid, weight, a->own_rows, own);
        memset(values, 0, (size_t)a->columns * sizeof *values);
        for (int64_t j = 0; j < a->own_columns; j++)
            values[lam_grid_column(grid, j)] =
                product_of(lam_matrix_column(a, j), own, a->own_rows);
        code = grid->sum(grid, values, a->columns, error);
    }
    lam_arena_destroy(&scratch);
    return code;
}

lam_code lam_matrix_sum_columns(const lam_grid *grid, const lam_matrix *a, const double *weight,
                                double *values, lam_error *error) {
    lam_arena scratch = {0};
    double *own = lam_arena_alloc(&scratch, (size_t)a->own_rows, sizeof *own, error);
    lam_code code = grid->agree(grid, own ? LAM_OK : LAM_MEMORY, error);
    if (code == LAM_OK) {
        for (int64_t j = 0; j < a->own_columns; j++)
            add_multiple(weight[lam_grid_column(grid, j)], lam_matrix_column(a, j), a->own_rows,
                         own);
        memset(values, 0, (size_t)a->rows * sizeof *values);
        for (int64_t i = 0; i < a->own_rows; i++) values[lam_grid_row(grid, i)] = own[i];
        code = grid->sum(grid, values, a->rows, error);
    }
    lam_arena_destroy(&scratch);
    return code;
}

lam_code lam_matrix_to_vector(const lam_grid *grid, const lam_matrix *a, double *values,
                              lam_error *error) {
    memset(values, 0, (size_t)a->rows * sizeof *values);
    for (int64_t i = 0; i < a->own_rows && a->own_columns > 0; i++)
        values[lam_grid_row(grid, i)] = a->own[i];
    return grid->sum(grid, values, a->rows, error);
}

void lam_matrix_from_vector(const lam_grid *grid, const double *values, lam_matrix *a) {
    if (a->own_columns > 0) pick(grid, values, a->own_rows, a->own);
}

// Where own column j meets the diagonal, or NULL where that is another rank's.
static double *diagonal_at(const lam_grid *grid, const lam_matrix *a, int64_t j) {
    const int64_t row = lam_grid_column(grid, j), dealt = row / grid->block;
    if (dealt % grid->rows != grid->row) return NULL;
    return lam_matrix_column(a, j) + dealt / grid->rows * grid->block + row % grid->block;
}

lam_code lam_matrix_diagonal(const lam_grid *grid, const lam_matrix *a, double *values,
                             lam_error *error) {
    memset(values, 0, (size_t)a->rows * sizeof *values);
    for (int64_t j = 0; j < a->own_columns; j++) {
        const double *at = diagonal_at(grid, a, j);
        if (at) values[lam_grid_column(grid, j)] = *at;
    }
    return grid->sum(grid, values, a->rows, error);
}

void lam_matrix_add_diagonal(const lam_grid *grid, lam_matrix *a, int64_t first, double value) {
    for (int64_t j = 0; j < a->own_columns; j++) {
        double *at = diagonal_at(grid, a, j);
        if (at && lam_grid_column(grid, j) >= first) *at += value;
    }
}
