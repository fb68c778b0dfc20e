#include "cholesky.h"

#include "vector.h"

#include <math.h>

enum {
    LANES = LAM_CHOLESKY_ALIGN,
    TILE = 4,             // rows and columns of c that registers hold
    BLOCK = LANES,        // columns factored at once
    DEPTH = 64 * LANES,   // of a product's sums, so that all rows' pieces stay in cache
    WORTH_SHARING = 1024, // rows from which a factorisation is spread over threads
};

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), may_alias));

#define INLINE __attribute__((always_inline)) static inline

int64_t lam_cholesky_stride(int64_t n) {
    return (n + LANES - 1) / LANES * LANES;
}

INLINE double sum_of(const lanes *x) {
    return (((*x)[0] + (*x)[4]) + ((*x)[2] + (*x)[6])) +
           (((*x)[1] + (*x)[5]) + ((*x)[3] + (*x)[7]));
}

// c [rows, columns] += sign a b', k values a row.
INLINE void tile(const double *a, const double *b, int64_t stride, int rows, int columns, int64_t k,
                 double sign, double *c, int64_t c_stride) {
    lanes sum[TILE][TILE] = {0};
    for (int64_t d = 0; d < k; d += LANES)
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                sum[i][j] +=
                    *(const lanes *)(a + i * stride + d) * *(const lanes *)(b + j * stride + d);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) c[i * c_stride + j] += sign * sum_of(&sum[i][j]);
}

// The same for up to TILE rows and any number of columns; k is a multiple of LANES. A full tile's
// sums and a single value's are formed alike, so that the edge does not show.
LAM_VECTORISED
static void strip(const double *a, const double *b, int64_t stride, int64_t rows, int64_t columns,
                  int64_t k, double sign, double *c, int64_t c_stride) {
    int64_t whole = rows == TILE ? columns - columns % TILE : 0;
    for (int64_t j = 0; j < whole; j += TILE)
        tile(a, b + j * stride, stride, TILE, TILE, k, sign, c + j, c_stride);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = whole; j < columns; j++)
            tile(a + i * stride, b + j * stride, stride, 1, 1, k, sign, c + i * c_stride + j,
                 c_stride);
}

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

void lam_gram(const double *x, int64_t n, int64_t stride, double *c, int64_t c_stride) {
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) c[i * c_stride + j] = 0;
    for (int64_t d = 0; d < stride; d += DEPTH) {
#pragma omp parallel for schedule(dynamic)
        for (int64_t i = 0; i < n; i += TILE) {
            int64_t rows = least(TILE, n - i);
            strip(x + i * stride + d, x + d, stride, rows, i + rows, least(DEPTH, stride - d), 1,
                  c + i * c_stride, c_stride);
        }
    }
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) c[j * c_stride + i] = c[i * c_stride + j];
}

// Columns first .. end - 1 of rows i .. i + rows - 1 below them, which hold a less what the columns
// before make up.
INLINE void finish_rows(double *a, int64_t stride, int64_t i, int rows, int64_t first,
                        int64_t end) {
    double *row = a + i * stride;
    for (int64_t j = first; j < end; j++) {
        const double *other = a + j * stride;
        double value[TILE];
        for (int r = 0; r < rows; r++) value[r] = row[r * stride + j];
        for (int64_t d = first; d < j; d++)
            for (int r = 0; r < rows; r++) value[r] -= row[r * stride + d] * other[d];
        for (int r = 0; r < rows; r++) row[r * stride + j] = value[r] / other[j];
    }
}

// The same of row i itself, up to the diagonal. False if that is not positive.
static bool finish_diagonal(double *a, int64_t stride, int64_t i, int64_t first) {
    finish_rows(a, stride, i, 1, first, i);
    double *row = a + i * stride, value = row[i];
    for (int64_t d = first; d < i; d++) value -= row[d] * row[d];
    row[i] = sqrt(value);
    return value > 0;
}

bool lam_cholesky_factor(double *a, int64_t n, int64_t stride) {
    for (int64_t first = 0; first < n; first += BLOCK) {
        int64_t end = least(first + BLOCK, n);
        // The block's own rows: what is above the diagonal must stay as it is.
        for (int64_t i = first; i < end; i++) {
            strip(a + i * stride, a + first * stride, stride, 1, i + 1 - first, first, -1,
                  a + i * stride + first, stride);
            if (!finish_diagonal(a, stride, i, first)) return false;
        }
#pragma omp parallel for schedule(static) if (n >= WORTH_SHARING)
        for (int64_t i = end; i < n; i += TILE) {
            int64_t rows = least(TILE, n - i);
            strip(a + i * stride, a + first * stride, stride, rows, end - first, first, -1,
                  a + i * stride + first, stride);
            if (rows == TILE)
                finish_rows(a, stride, i, TILE, first, end);
            else
                for (int64_t r = 0; r < rows; r++) finish_rows(a, stride, i + r, 1, first, end);
        }
    }
    return true;
}

LAM_VECTORISED
void lam_cholesky_solve(const double *l, int64_t n, int64_t stride, double *b) {
    for (int64_t i = 0; i < n; i++) {
        double value = 0;
#pragma omp simd reduction(+ : value)
        for (int64_t j = 0; j < i; j++) value += l[i * stride + j] * b[j];
        b[i] = (b[i] - value) / l[i * stride + i];
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        double value = b[i] /= l[i * stride + i];
#pragma omp simd
        for (int64_t j = 0; j < i; j++) b[j] -= value * l[i * stride + j];
    }
}

LAM_VECTORISED
void lam_matrix_vector(const double *a, int64_t n, int64_t k, int64_t stride, const double *x,
                       double *y) {
    for (int64_t i = 0; i < n; i++) {
        double value = 0;
#pragma omp simd reduction(+ : value)
        for (int64_t j = 0; j < k; j++) value += a[i * stride + j] * x[j];
        y[i] = value;
    }
}
