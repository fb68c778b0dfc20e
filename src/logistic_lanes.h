// The sums of a logistic regression with one predictor, for several units at once: a unit a lane.
#ifndef LAM_LOGISTIC_LANES_H
#define LAM_LOGISTIC_LANES_H

#include <stdbool.h>
#include <stdint.h>

enum { LAM_LANES = 8 };

// One value of each unit: a vector register of the widest set, whatever the machine has.
typedef double lam_lanes __attribute__((vector_size(LAM_LANES * sizeof(double)), may_alias));

// At eta = intercept + slope x, p = 1 / (1 + exp(-eta)), w = p (1 - p), over all rows.
typedef struct lam_logistic_sums {
    lam_lanes log_likelihood;
    lam_lanes score[2];       // of y - p times 1, x
    lam_lanes information[3]; // of w times 1, x, x^2
    lam_lanes moment[4];      // of w (1/2 - p) times 1, x, x^2, x^3; only where asked for
} lam_logistic_sums;

// x [row] of units; sign [row] is 1 where y is 1, -1 where y is 0. A lane's sums depend on that
// lane alone. Each value is good to a few units in its last place (p and 1 - p both, also near 0),
// the log-likelihood to 1e-16 a row; exp(-|eta|) is taken as exp(-708) beyond that.
void lam_logistic_sum(const lam_lanes *x, const double *sign, int64_t rows,
                      const lam_lanes *intercept, const lam_lanes *slope, bool moments,
                      lam_logistic_sums *sums);

// How many rows are told rightly by y = (intercept + slope x > 0).
void lam_logistic_hits(const lam_lanes *x, const double *sign, int64_t rows,
                       const lam_lanes *intercept, const lam_lanes *slope, lam_lanes *hits);

// What is known of the units before any fit.
typedef struct lam_logistic_range {
    lam_lanes least[2], most[2]; // of x, over rows of y 0 and y 1; infinities where there are none
    lam_lanes total[2];          // of x, likewise
} lam_logistic_range;

void lam_logistic_look(const lam_lanes *x, const double *sign, int64_t rows,
                       lam_logistic_range *range);

// *squares = the sum of (x - mean)^2.
void lam_logistic_spread(const lam_lanes *x, int64_t rows, const lam_lanes *mean,
                         lam_lanes *squares);

#endif
