// Symmetric products and positive definite systems in double precision, of some hundreds to some
// thousands of rows, in plain blocked code. The bits do not depend on the number of threads.
// Matrices are row-major with a stride that is a multiple of LAM_CHOLESKY_ALIGN.
#ifndef LAM_CHOLESKY_H
#define LAM_CHOLESKY_H

#include <stdbool.h>
#include <stdint.h>

enum { LAM_CHOLESKY_ALIGN = 8 };

// n rounded up to LAM_CHOLESKY_ALIGN.
int64_t lam_cholesky_stride(int64_t n);

// c = x x', c [n, n] whole, x [n, k] with zeros from k up to its stride.
void lam_gram(const double *x, int64_t n, int64_t stride, double *c, int64_t c_stride);

// The lower triangle of a [n, n] becomes L, a = L L'; what is above is left alone. False if a is
// not positive definite.
bool lam_cholesky_factor(double *a, int64_t n, int64_t stride);

// b [n] becomes the solution of L L' x = b.
void lam_cholesky_solve(const double *l, int64_t n, int64_t stride, double *b);

// y [n] = a x, a [n, k], k values of x.
void lam_matrix_vector(const double *a, int64_t n, int64_t k, int64_t stride, const double *x,
                       double *y);

#endif
