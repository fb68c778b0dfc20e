// Newton's method for LAM_LANES logistic regressions at once. Each lane goes its own way: what it
// gives does not depend on the others.
#ifndef LAM_LOGISTIC_NEWTON_H
#define LAM_LOGISTIC_NEWTON_H

#include "logistic_lanes.h"

// The inverse of an information matrix: variances of intercept and slope, and their covariance.
typedef struct lam_covariance {
    double intercept, both, slope;
} lam_covariance;

// A climb's state. The caller sets the first five.
typedef struct lam_climb {
    bool active[LAM_LANES];
    lam_lanes intercept, slope;           // where the climb is; at first, where it starts
    lam_lanes objective;                  // the value there; -INFINITY: not known
    lam_lanes intercept_step, slope_step; // the step to be tried from there; at first, a guess
    double tolerance; // ends where the next step's square, in standard errors, is below
    lam_lanes length; // the part of the step that is tried
    lam_lanes log_likelihood;
    lam_covariance covariance[LAM_LANES];
    bool converged[LAM_LANES];
} lam_climb;

// Climbs the likelihood, or with firth the likelihood times the root of the information's
// determinant, in the active lanes, from the state given. Steps that lower it are halved. x should
// have about unit scale.
void lam_logistic_climb(const lam_lanes *x, const double *sign, int64_t rows, bool firth,
                        lam_climb *climb);

// The steps of LAM_LOGISTIC_PLAIN (logistic.h). Starts as zeros with done set for unwanted lanes.
typedef struct lam_plain {
    lam_lanes intercept, slope;
    int steps[LAM_LANES];
    bool done[LAM_LANES];
} lam_plain;

enum { LAM_PLAIN_STEPS = 3000 };

// Goes on until every lane is done or has gone so many steps.
void lam_logistic_plain(const lam_lanes *x, const double *sign, int64_t rows, int steps,
                        lam_plain *plain);

// The inverse of lane k's information. False if that is singular or not finite.
bool lam_logistic_invert(const lam_logistic_sums *sums, int lane, lam_covariance *covariance);

#endif
