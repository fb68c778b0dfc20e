// Logistic regressions with one predictor, one a unit: P(y = 1) = 1 / (1 + exp(-eta)), eta =
// intercept + slope x, over the same rows for all units. Double precision throughout.
#ifndef LAM_LOGISTIC_H
#define LAM_LOGISTIC_H

#include "arena.h"
#include "error.h"
#include "logistic_lanes.h"
#include "team.h"

typedef enum lam_logistic_status {
    LAM_LOGISTIC_FITTED,
    LAM_LOGISTIC_CONSTANT,     // all values are equal: there is no slope
    LAM_LOGISTIC_SEPARATED,    // a threshold parts the classes (values on it may be of both): the
                               // likelihood has no maximum
    LAM_LOGISTIC_NOT_CONVERGED // Newton's steps did not end
} lam_logistic_status;

typedef enum lam_logistic_kind {
    LAM_LOGISTIC_MAXIMUM, // maximum likelihood, by Newton's method with halved steps
    LAM_LOGISTIC_FIRTH,   // the likelihood times Jeffreys' prior (Firth 1993, Biometrika 80:27;
                          // Heinze and Schemper 2002): separated units have an estimate too
    LAM_LOGISTIC_PLAIN // as statsmodels' Logit does it: Newton from zero in the data's own units,
                       // full steps, 1e-10 on the diagonal of the mean information, until
                       // no parameter moves by more than 1e-8, at most 3,000 times
} lam_logistic_kind;

// What one unit's regression gives. Unless fitted, all numbers are NaN; but PLAIN leaves numbers
// for separated units too (where its steps happened to end), and status then says so.
typedef struct lam_logistic_fit {
    lam_logistic_status status;
    bool failed; // of PLAIN: where statsmodels ends in an error; numbers are NaN
    double intercept, slope;
    double intercept_error, slope_error; // standard errors, from the inverse of the information
    double log_likelihood;               // without the prior
    double accuracy;                     // share of rows with (P(y = 1) > 1/2) = y
    double held_out_accuracy; // the same of rows that the fit did not see, fold by fold; NaN
                              // without folds. Always with steps of MAXIMUM or FIRTH.
} lam_logistic_fit;

// The rows that all units share.
typedef struct lam_logistic_rows {
    int64_t count;
    const int32_t *label; // [count] 0 or 1
    const int32_t *fold;  // [count] 0 .. folds - 1; NULL: no held-out accuracy
    int32_t folds;
} lam_logistic_rows;

typedef struct lam_logistic lam_logistic;

// What fitting needs of the rows; owned by arena. LAM_INPUT if the rows, or those outside of a
// fold, are all of one label; LAM_MEMORY.
LAM_CHECKED lam_code lam_logistic_create(lam_logistic **logistic, const lam_logistic_rows *rows,
                                         lam_logistic_kind kind, lam_arena *arena,
                                         lam_error *error);

// Fits units 0 .. units - 1 of x [row, stride], finite values, over all threads, LAM_LANES units at
// a time; a unit's results depend on its own values alone. fit [units]. The members of the team fit
// a run of units each, LAM_LOGISTIC_BLOCK at least, and all get all fits; collective over it.
// Scratch memory, two columns a thread, comes from arena. LAM_MEMORY; the team's errors.
enum { LAM_LOGISTIC_BLOCK = 2 * LAM_LANES };
LAM_CHECKED lam_code lam_logistic_fit_units(const lam_logistic *logistic, const float *x,
                                            int64_t stride, int64_t units, lam_logistic_fit *fit,
                                            const lam_team *team, lam_arena *arena,
                                            lam_error *error);

// The same on the calling thread for LAM_LANES units at once, of PLAIN as of MAXIMUM: x [row] is
// overwritten, scratch [row] too. fit [LAM_LANES].
void lam_logistic_fit_lanes(const lam_logistic *logistic, lam_lanes *x, lam_lanes *scratch,
                            lam_logistic_fit *fit);

#endif
