// What the fits of ridge_logistic.h share, on one rank or on a grid of them.
#ifndef LAM_RIDGE_LOGISTIC_WORK_H
#define LAM_RIDGE_LOGISTIC_WORK_H

#include "ridge_logistic.h"

typedef struct lam_ridge_problem lam_ridge_problem;
typedef struct lam_ridge_work lam_ridge_work;

// What all fits share. By rows: kernel [rows, rows] = z z', unknowns are one a row. By units: z
// [1 + units, rows], ones first, unknowns are intercept and weights.
struct lam_ridge_problem {
    int64_t rows, size, stride; // size: unknowns of the Newton system; stride: of its matrix
    bool by_rows;
    double ridge;
    const double *sign;   // [rows]
    const double *kernel; // by rows, [rows, stride]; else, and on a grid, NULL
    const double *z;      // by units, [size, z_stride]; on a grid NULL
    int64_t z_stride;
    // Newton's step from w: next, next_eta and next_intercept. False: there is none.
    bool (*step)(const lam_ridge_problem *p, lam_ridge_work *w);
    void *user; // of step
};

// One fit and its scratch memory.
struct lam_ridge_work {
    int64_t *row; // [rows] the rows that the fit sees, so many
    int64_t count;
    double intercept;
    double *unknown;           // [size] by rows: alpha, weights = z' alpha; by units: all
    double *eta;               // [rows]
    double *weight, *residual; // [rows] p (1 - p), y - p; 0 for rows not seen
    double *next, *next_eta;   // [size], [rows] where the whole step leads
    double next_intercept;
    double *matrix;  // [size, stride]; on a grid NULL
    double *scaled;  // [size, z_stride], by units; on a grid NULL
    double *part[5]; // [max(size, rows)]
    double objective;
    bool converged;
};

// The vectors of a work, all zero; not its matrices. Owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_ridge_vectors(const lam_ridge_problem *p, lam_ridge_work *w,
                                       lam_arena *arena, lam_error *error);

// The fit to all rows, from zeros.
void lam_ridge_fit_all(const lam_ridge_problem *p, const lam_logistic_rows *rows,
                       lam_ridge_work *all);

// A fold's fit from where the fit to all rows ended; how many held-out rows it tells rightly.
int64_t lam_ridge_hold_out(const lam_ridge_problem *p, const lam_logistic_rows *rows, int32_t fold,
                           const lam_ridge_work *all, lam_ridge_work *w);

// What is said of the fit to all rows, and the folds' held-out rows.
lam_ridge_fit lam_ridge_result(const lam_ridge_problem *p, const lam_logistic_rows *rows,
                               const lam_ridge_work *all, int64_t held_right, bool converged);

#endif
