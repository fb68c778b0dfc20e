// The functions of BLACS, PBLAS and ScaLAPACK that are used; their packages bring no header. As
// Fortran has them: everything by address, i and j from 1, a descriptor after every matrix. info as
// in src/lapack.h.
#ifndef LAM_SCALAPACK_H
#define LAM_SCALAPACK_H

#include <mpi.h>

// --- BLACS, from C

// A communicator as BLACS knows it; *context starts as that and becomes the grid made of its ranks,
// in the order "Row" or "Col".
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int *context, const char *order, int rows, int columns);
void Cblacs_gridexit(int context);

// LAM_BLACS_REPEATABLE 1: sums and broadcasts take one way, and their bits are the same every time.
enum { LAM_BLACS_REPEATABLE = 15 };
void Cblacs_set(int context, int what, const int *value);

// --- PBLAS

enum { LAM_DESCRIPTOR = 9 }; // ints of a matrix's descriptor

void pdsyrk_(const char *triangle, const char *transpose, const int *n, const int *k,
             const double *alpha, const double *a, const int *ia, const int *ja, const int *a_is,
             const double *beta, double *c, const int *ic, const int *jc, const int *c_is);
void pdgemm_(const char *transpose_a, const char *transpose_b, const int *m, const int *n,
             const int *k, const double *alpha, const double *a, const int *ia, const int *ja,
             const int *a_is, const double *b, const int *ib, const int *jb, const int *b_is,
             const double *beta, double *c, const int *ic, const int *jc, const int *c_is);

// --- ScaLAPACK

void pdpotrf_(const char *triangle, const int *n, double *a, const int *ia, const int *ja,
              const int *a_is, int *info);
void pdpotrs_(const char *triangle, const int *n, const int *right_sides, const double *a,
              const int *ia, const int *ja, const int *a_is, double *b, const int *ib,
              const int *jb, const int *b_is, int *info);

// vectors has to be "V": ScaLAPACK has no variant that finds the values alone ("N" is an error of
// the first argument).
void pdsyevd_(const char *vectors, const char *triangle, const int *n, double *a, const int *ia,
              const int *ja, const int *a_is, double *values, double *z, const int *iz,
              const int *jz, const int *z_is, double *work, const int *work_size, int *integers,
              const int *integer_size, int *info);

// info is a sum of bits: 1 no convergence, 2 and 4 vectors not orthogonal or not all found for want
// of room, 8 values not found, 16 b is not positive definite.
void pdsygvx_(const int *kind, const char *vectors, const char *range, const char *triangle,
              const int *n, double *a, const int *ia, const int *ja, const int *a_is, double *b,
              const int *ib, const int *jb, const int *b_is, const double *from, const double *to,
              const int *first, const int *last, const double *tolerance, int *found,
              int *found_vectors, double *values, const double *orthogonal, double *z,
              const int *iz, const int *jz, const int *z_is, double *work, const int *work_size,
              int *integers, const int *integer_size, int *failed, int *clusters, double *gaps,
              int *info);

#endif
