// The functions of BLAS and LAPACK that are used, as Fortran has them: everything by address,
// matrices column-major. info: 0 done, below 0 a wrong argument, above 0 as each one says.
#ifndef LAM_LAPACK_H
#define LAM_LAPACK_H

// c = alpha op(a) op(a)' + beta c, c [n, n], the triangle named; op(a) is [n, k].
void dsyrk_(const char *triangle, const char *transpose, const int *n, const int *k,
            const double *alpha, const double *a, const int *a_stride, const double *beta,
            double *c, const int *c_stride);

// c = alpha op(a) op(b) + beta c, c [m, n]; op(a) is [m, k].
void dgemm_(const char *transpose_a, const char *transpose_b, const int *m, const int *n,
            const int *k, const double *alpha, const double *a, const int *a_stride,
            const double *b, const int *b_stride, const double *beta, double *c,
            const int *c_stride);

// a = L L'. info > 0: not positive definite. Then L L' x = b for right sides of b.
void dpotrf_(const char *triangle, const int *n, double *a, const int *a_stride, int *info);
void dpotrs_(const char *triangle, const int *n, const int *right_sides, const double *a,
             const int *a_stride, double *b, const int *b_stride, int *info);

// Eigenvalues, ascending, and with vectors "V" the eigenvectors in a's place. work_size -1 asks for
// the sizes of work and integers, which are put in their first places. info > 0: no convergence.
void dsyevd_(const char *vectors, const char *triangle, const int *n, double *a,
             const int *a_stride, double *values, double *work, const int *work_size, int *integers,
             const int *integer_size, int *info);

// Those numbered first .. last (range "I", from 1) of a z = value b z (kind 1), z' b z = 1. info up
// to n: no convergence; above n: b is not positive definite.
void dsygvx_(const int *kind, const char *vectors, const char *range, const char *triangle,
             const int *n, double *a, const int *a_stride, double *b, const int *b_stride,
             const double *from, const double *to, const int *first, const int *last,
             const double *tolerance, int *found, double *values, double *z, const int *z_stride,
             double *work, const int *work_size, int *integers, int *failed, int *info);

#endif
