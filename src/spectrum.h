// How a site's activations are spread: the eigenvalues of their covariance, and the direction that
// tells two classes of rows apart by their variance. In double precision, over a grid of ranks
// (grid.h): all functions are collective over it.
#ifndef LAM_SPECTRUM_H
#define LAM_SPECTRUM_H

#include "arena.h"
#include "error.h"
#include "grid.h"
#include "team.h"

// Rows of finite values. count and width are known to all ranks, x to the one that has it.
typedef struct lam_spectrum_rows {
    int64_t count, width;
    const float *x; // [count, width]; NULL on the others
} lam_spectrum_rows;

// The smaller side of the rows: the order of the matrices whose eigenvalues are looked for.
int64_t lam_spectrum_order(int64_t count, int64_t width);

// values [width] = the eigenvalues of the rows' covariance (about their mean, over count - 1), in
// descending order, those below 0 by rounding as 0, on all ranks. At least two rows. Where rows are
// fewer than units, by the rows' products, which have the same eigenvalues. Memory comes from
// arena: 8 bytes x (rows x width + 2 or, on a grid of several, 3 x the smaller side squared),
// shared by the ranks. LAM_NUMERIC where they do not converge; LAM_MEMORY.
LAM_CHECKED lam_code lam_spectrum_eigenvalues(const lam_grid *grid, const lam_spectrum_rows *rows,
                                              double *values, lam_arena *arena, lam_error *error);

// Of eigenvalues [count], descending: (sum)^2 / sum of squares, the effective number of dimensions;
// 0 where all are 0.
double lam_spectrum_participation(const double *values, int64_t count);

// The fewest of them, the largest ones, that sum up to share of all; 0 where all are 0.
int64_t lam_spectrum_components(const double *values, int64_t count, double share);

// Rows of two classes, and who holds which out. Known to all ranks.
typedef struct lam_separation_rows {
    lam_spectrum_rows rows;
    const int32_t *label; // [count] 0 or 1
    const int32_t *fold;  // [count] below folds: where the row is held out
    int32_t folds;
} lam_separation_rows;

typedef struct lam_separation_rule {
    double share;     // of the variance that the components keep which the rows are projected to
    double shrinkage; // of the mean eigenvalue of class 0's covariance, added to its diagonal
} lam_separation_rule;

// Why a separation is missing, as a sum of these.
enum {
    LAM_SEPARATION_FLAT = 1,      // a class does not vary
    LAM_SEPARATION_FOLD_FLAT = 2, // without the rows of one of the folds
};

typedef struct lam_separation {
    int64_t components;    // that the fit to all rows kept
    double top_eigenvalue; // of class 1's covariance against class 0's
    double training_t;     // Student's t of the two classes' scores, never below 0
    double held_out_t;     // the same, each row's score by the fit that did not see it
    int flags;             // what is missing is NaN
} lam_separation;

// The generalized eigenproblem S w = value R w of the two classes: rows are centred and projected
// to the principal components that hold rule->share of their variance, S and R are the covariances
// of class 1 and class 0 there, each about its own mean, and shrinkage x trace(R) / components is
// added to R's diagonal. A row's score is w' its components, w that of the largest value, w' R w =
// 1, turned so that class 1's mean is the larger. Once for all rows; then for each fold from the
// rows that it does not hold out, for the held-out scores. Every class has two rows or more outside
// of every fold. The members of the team share the fits; on a grid of several ranks it is
// lam_team_alone. Collective over it. Memory comes from arena: as for the eigenvalues, rows x
// components, twice, and 8 bytes x rows a fit. LAM_NUMERIC, LAM_MEMORY; the team's errors.
LAM_CHECKED lam_code lam_spectrum_separate(const lam_grid *grid, const lam_separation_rows *rows,
                                           const lam_separation_rule *rule,
                                           lam_separation *separation, const lam_team *team,
                                           lam_arena *arena, lam_error *error);

#endif
