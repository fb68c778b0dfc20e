// Tests of many hypotheses at once.
#ifndef LAM_SIGNIFICANCE_H
#define LAM_SIGNIFICANCE_H

#include "arena.h"
#include "error.h"

#include <stdint.h>

// The two-sided p value of z under the normal distribution: erfc(|z| / sqrt 2), to a few units in
// the last place down to 1e-307, and 0 where it is below what a double holds.
double lam_normal_p(double z);

// q[i] = the smallest false discovery rate at which hypothesis i is rejected (Benjamini and
// Hochberg 1995): the least p (j) count / j over ranks j from i's on, at most 1. p [count] without
// NaN; scratch memory comes from arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_false_discovery(const double *p, int64_t count, double *q,
                                         lam_arena *arena, lam_error *error);

#endif
