#include "grid.h"

#include "lapack.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static lam_code agree_alone(const lam_grid *grid, lam_code code, lam_error *error) {
    (void)grid, (void)error;
    return code;
}

static lam_code sum_alone(const lam_grid *grid, double *values, int64_t count, lam_error *error) {
    (void)grid, (void)values, (void)count, (void)error;
    return LAM_OK;
}

static lam_code scatter_alone(const lam_grid *grid, const float *from, lam_matrix *to,
                              lam_error *error) {
    (void)grid, (void)error;
    for (int64_t i = 0; i < to->rows; i++)
        for (int64_t j = 0; j < to->columns; j++)
            to->own[j * to->stride + i] = (double)from[i * to->columns + j];
    return LAM_OK;
}

static lam_code gram_alone(const lam_grid *grid, bool transposed, const lam_matrix *a,
                           lam_matrix *c, lam_error *error) {
    (void)grid, (void)error;
    const int n = (int)c->rows, k = (int)(transposed ? a->rows : a->columns);
    const int a_stride = (int)a->stride, c_stride = (int)c->stride;
    const double one = 1, zero = 0;
    dsyrk_("L", transposed ? "T" : "N", &n, &k, &one, a->own, &a_stride, &zero, c->own, &c_stride);
    return LAM_OK;
}

static lam_code product_alone(const lam_grid *grid, bool transposed, const lam_matrix *a,
                              const lam_matrix *b, int64_t first, lam_matrix *c, lam_error *error) {
    (void)grid, (void)error;
    const int m = (int)c->rows, n = (int)c->columns, k = (int)b->rows;
    const int a_stride = (int)a->stride, b_stride = (int)b->stride, c_stride = (int)c->stride;
    const double one = 1, zero = 0;
    dgemm_(transposed ? "T" : "N", "N", &m, &n, &k, &one, a->own, &a_stride,
           lam_matrix_column(b, first), &b_stride, &zero, c->own, &c_stride);
    return LAM_OK;
}

// A wrong argument is a fault of the program; what info says above 0 is the caller's matter.
static lam_code check(const char *function, int info, lam_error *error) {
    if (info >= 0) return LAM_OK;
    return lam_fail(error, LAM_INTERNAL, "LAPACK's %s refused argument %d", function, -info);
}

static lam_code factor_alone(const lam_grid *grid, lam_matrix *a, bool *definite,
                             lam_error *error) {
    (void)grid;
    const int n = (int)a->rows, stride = (int)a->stride;
    int info;
    dpotrf_("L", &n, a->own, &stride, &info);
    *definite = info == 0;
    return check("dpotrf", info, error);
}

static lam_code solve_alone(const lam_grid *grid, const lam_matrix *l, lam_matrix *b,
                            lam_error *error) {
    (void)grid;
    const int n = (int)l->rows, one = 1, stride = (int)l->stride, b_stride = (int)b->stride;
    int info;
    dpotrs_("L", &n, &one, l->own, &stride, b->own, &b_stride, &info);
    return check("dpotrs", info, error);
}

static lam_code check_order(int64_t n, lam_error *error) {
    if (n <= LAM_GRID_ALONE_MOST) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "a matrix of order %lld is more than LAPACK's 32 bits count",
                    (long long)n);
}

static lam_code eigen_alone(const lam_grid *grid, lam_matrix *a, double *values, lam_matrix *z,
                            lam_error *error) {
    (void)grid;
    LAM_TRY(check_order(a->rows, error));
    const char *vectors = z ? "V" : "N";
    const int n = (int)a->rows, stride = (int)a->stride, ask = -1;
    int info, integer_size, *integers;
    double size, *work;
    dsyevd_(vectors, "L", &n, a->own, &stride, values, &size, &ask, &integer_size, &ask, &info);
    LAM_TRY(check("dsyevd", info, error));
    const int work_size = (int)ceil(size);
    lam_arena scratch = {0};
    work = lam_arena_alloc(&scratch, (size_t)work_size, sizeof *work, error);
    integers = lam_arena_alloc(&scratch, (size_t)integer_size, sizeof *integers, error);
    if (work && integers)
        dsyevd_(vectors, "L", &n, a->own, &stride, values, work, &work_size, integers,
                &integer_size, &info);
    lam_arena_destroy(&scratch);
    if (!work || !integers) return LAM_MEMORY;
    LAM_TRY(check("dsyevd", info, error));
    if (info > 0)
        return lam_fail(error, LAM_NUMERIC, "the eigenvalues of a matrix of %d do not converge", n);
    if (z) memcpy(z->own, a->own, (size_t)(z->columns * z->stride) * sizeof *z->own);
    return LAM_OK;
}

static lam_code top_alone(const lam_grid *grid, lam_matrix *a, lam_matrix *b, double *value,
                          lam_matrix *z, bool *definite, lam_error *error) {
    (void)grid;
    LAM_TRY(check_order(a->rows, error));
    const int n = (int)a->rows, kind = 1, ask = -1, a_stride = (int)a->stride,
              b_stride = (int)b->stride, z_stride = (int)z->stride;
    const double unused = 0, tolerance = 0; // the default
    int info, found, failed, *integers;
    double size, *work, *values;
    lam_arena scratch = {0};
    values = lam_arena_alloc(&scratch, (size_t)n, sizeof *values, error);
    integers = lam_arena_alloc(&scratch, 5 * (size_t)n, sizeof *integers, error);
    dsygvx_(&kind, "V", "I", "L", &n, a->own, &a_stride, b->own, &b_stride, &unused, &unused, &n,
            &n, &tolerance, &found, values, z->own, &z_stride, &size, &ask, integers, &failed,
            &info);
    const int work_size = (int)ceil(size);
    work = lam_arena_alloc(&scratch, (size_t)work_size, sizeof *work, error);
    const bool room = values && integers && work;
    if (room && info == 0)
        dsygvx_(&kind, "V", "I", "L", &n, a->own, &a_stride, b->own, &b_stride, &unused, &unused,
                &n, &n, &tolerance, &found, values, z->own, &z_stride, work, &work_size, integers,
                &failed, &info);
    if (room && info == 0) *value = values[0];
    lam_arena_destroy(&scratch);
    if (!room) return LAM_MEMORY;
    LAM_TRY(check("dsygvx", info, error));
    *definite = info <= n;
    if (info > 0 && info <= n)
        return lam_fail(error, LAM_NUMERIC, "the eigenvalues of two matrices of %d do not converge",
                        n);
    return LAM_OK;
}

const lam_grid lam_grid_alone = {.rows = 1,
                                 .columns = 1,
                                 .block = 64,
                                 .library = "LAPACK",
                                 .agree = agree_alone,
                                 .sum = sum_alone,
                                 .scatter = scatter_alone,
                                 .gram = gram_alone,
                                 .product = product_alone,
                                 .factor = factor_alone,
                                 .solve = solve_alone,
                                 .eigen = eigen_alone,
                                 .top = top_alone};
