// One logistic regression on all units of a layer together, with a ridge penalty: the intercept and
// weights that minimise
//     sum over rows of log(1 + exp(-(2 y - 1) eta)) + ridge / 2 |weights|^2,
// eta = intercept + weights . z, z the units centred and scaled to a standard deviation of 1 over
// all rows (units that do not vary are 0). The intercept is not penalised. The scaling knows no
// labels; else a fold's fit knows nothing of the rows it holds out.
#ifndef LAM_RIDGE_LOGISTIC_H
#define LAM_RIDGE_LOGISTIC_H

#include "arena.h"
#include "error.h"
#include "grid.h"
#include "logistic.h"
#include "team.h"

#include <stdbool.h>

typedef struct lam_ridge_fit {
    bool converged; // all of the fits; else the numbers are those of the last step
    double intercept, loss, accuracy; // of the fit to all rows; loss: mean of the sum's first part
    double held_out_accuracy;         // fold by fold
} lam_ridge_fit;

// Fits units 0 .. units - 1 of x [row, stride], finite values, by Newton's method with halved
// steps, over all threads, in double precision. Systems are of as many unknowns as there are rows
// (the weights are a sum of rows: Rasmussen and Williams 2006, section 3.4), or units and the
// intercept where those are fewer. eta [rows], unless NULL, receives that of the fit to all rows.
// rows has folds, whose fits the team's members share; the fit to all rows each makes alike.
// Collective over the team. Memory comes from arena: 8 bytes x (rows x units + (2 + threads) x
// unknowns^2), and where units are fewer rows x units again for each thread. LAM_MEMORY; the team's
// errors.
LAM_CHECKED lam_code lam_ridge_logistic(const lam_logistic_rows *rows, const float *x,
                                        int64_t stride, int64_t units, double ridge,
                                        lam_ridge_fit *fit, double *eta, const lam_team *team,
                                        lam_arena *arena, lam_error *error);

// The same over a grid of ranks, always with the units as unknowns, by its products and
// factorisations. x [rows, units] without gaps is given on the rank that the grid scatters from,
// the others pass NULL; rows are known to all. eta may be NULL. Collective; all get the fit. Memory
// comes from arena: shared by the ranks 8 bytes x (2 x rows x units + units^2), and on the rank
// that has x a copy of it. Errors are those of the grid.
LAM_CHECKED lam_code lam_ridge_logistic_shared(const lam_grid *grid, const lam_logistic_rows *rows,
                                               const float *x, int64_t units, double ridge,
                                               lam_ridge_fit *fit, double *eta, lam_arena *arena,
                                               lam_error *error);

#endif
