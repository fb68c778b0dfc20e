// Gaussian kernel density estimation of a weighted sample.
#ifndef LAM_KDE_H
#define LAM_KDE_H

#include "arena.h"
#include "sample.h"

#include <stdbool.h>
#include <stdint.h>

// How the bandwidth, the kernel's standard deviation, is found. With n values of variance s^2 (by
// n - 1): Scott's rule is n^(-1/5) s (Scott 1992, "Multivariate Density Estimation", eq. 6.44),
// Silverman's (3n/4)^(-1/5) s (Silverman 1986, "Density Estimation", eq. 3.28).
typedef enum lam_bandwidth_rule { LAM_SCOTT, LAM_SILVERMAN, LAM_FIXED } lam_bandwidth_rule;

typedef struct lam_bandwidth {
    lam_bandwidth_rule rule;
    double fixed; // in the values' units
} lam_bandwidth;

// Reads "scott", "silverman" or a number above 0; false for anything else.
bool lam_bandwidth_parse(const char *text, lam_bandwidth *bandwidth);

// The flag_meanings of a status variable for an estimate, and its values.
#define LAM_KDE_STATUS "estimated too_few no_spread"
typedef enum lam_kde_status {
    LAM_KDE_ESTIMATED,
    LAM_KDE_TOO_FEW,   // fewer values than two
    LAM_KDE_NO_SPREAD, // all values are equal: the rules' bandwidth is 0
} lam_kde_status;

// *width = the bandwidth for a sample; NaN where it is too small, 0 where a rule finds no spread.
lam_kde_status lam_bandwidth_find(const lam_bandwidth *bandwidth, const lam_sample *sample,
                                  double *width);

// Whether the curve is mended at the ends of [low, high], between which all values lie, by what the
// kernels lose there: reflected, density(x) + density(2 low - x) + density(2 high - x) (Silverman
// 1986, section 2.10).
typedef struct lam_kde_ends {
    bool reflected;
    double low, high;
} lam_kde_ends;

// Density at each of points; integrates to 1 over all reals (reflected: between the ends). Kernels
// are cut off at 9 bandwidths. exact: each value of the sample has a kernel of its own. Else
// neighbours that lie within a 64th of the bandwidth share one at their mean, where it is off by at
// most 1/64^2/8 = 3.1e-5 of its height: within 1e-4 of the curve's peak. The same bits for any
// number of threads. Scratch memory is taken from arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_kde_evaluate(const lam_sample *sample, double bandwidth, bool exact,
                                      const lam_kde_ends *ends, const double *at, int64_t points,
                                      double *density, lam_arena *arena, lam_error *error);

#endif
