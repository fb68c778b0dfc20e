#include "ridge_logistic_work.h"

#include <math.h>
#include <string.h>

// A standard deviation below this, against the mean, is rounding: the unit does not vary.
static const double alike = 1e-12;

typedef struct shared_fit {
    const lam_grid *grid;
    lam_matrix z;      // [row, 1 + unit], ones first
    lam_matrix scaled; // times the root of each row's weight
    lam_matrix hessian, step;
    double *mean, *squares; // [1 + unit]
    lam_code code;          // of a step that failed
    lam_error *error;
} shared_fit;

// Newton's step, as step_by_units has it. The vectors are the same on all ranks.
static lam_code find_step(shared_fit *s, const lam_ridge_problem *p, lam_ridge_work *w,
                          bool *found) {
    const lam_grid *grid = s->grid;
    double *right = w->part[0], *step = w->part[1];
    for (int64_t j = 0; j < s->z.own_columns; j++)
        for (int64_t i = 0; i < s->z.own_rows; i++)
            lam_matrix_column(&s->scaled, j)[i] =
                lam_matrix_column(&s->z, j)[i] * sqrt(w->weight[lam_grid_row(grid, i)]);
    LAM_TRY(grid->gram(grid, true, &s->scaled, &s->hessian, s->error));
    lam_matrix_add_diagonal(grid, &s->hessian, 1, p->ridge);
    LAM_TRY(lam_matrix_sum_rows(grid, &s->z, w->residual, right, s->error));
    for (int64_t u = 1; u < p->size; u++) right[u] -= p->ridge * w->unknown[u];
    LAM_TRY(grid->factor(grid, &s->hessian, found, s->error));
    if (!*found) return LAM_OK;
    lam_matrix_from_vector(grid, right, &s->step);
    LAM_TRY(grid->solve(grid, &s->hessian, &s->step, s->error));
    LAM_TRY(lam_matrix_to_vector(grid, &s->step, step, s->error));
    for (int64_t u = 0; u < p->size; u++) w->next[u] = w->unknown[u] + step[u];
    LAM_TRY(lam_matrix_sum_columns(grid, &s->z, w->next, w->next_eta, s->error));
    w->next_intercept = w->next[0];
    *found = isfinite(w->next_intercept);
    return LAM_OK;
}

static bool step_shared(const lam_ridge_problem *p, lam_ridge_work *w) {
    shared_fit *s = p->user;
    bool found = false;
    if (s->code == LAM_OK) s->code = find_step(s, p, w, &found);
    return s->code == LAM_OK && found;
}

// Makes z of the rows as they came, but for the first column, which stays of ones.
static lam_code standardise(shared_fit *s, const double *ones) {
    const lam_grid *grid = s->grid;
    const int64_t size = s->z.columns;
    const double rows = (double)s->z.rows;
    LAM_TRY(lam_matrix_sum_rows(grid, &s->z, ones, s->mean, s->error));
    memset(s->squares, 0, (size_t)size * sizeof *s->squares);
    for (int64_t j = 0; j < s->z.own_columns; j++) {
        const int64_t unit = lam_grid_column(grid, j);
        double *z = lam_matrix_column(&s->z, j);
        for (int64_t i = 0; i < s->z.own_rows && unit > 0; i++) {
            z[i] -= s->mean[unit] / rows;
            s->squares[unit] += z[i] * z[i];
        }
    }
    LAM_TRY(grid->sum(grid, s->squares, size, s->error));
    for (int64_t j = 0; j < s->z.own_columns; j++) {
        const int64_t unit = lam_grid_column(grid, j);
        const double deviation = sqrt(s->squares[unit] / rows);
        const double factor = deviation > alike * fabs(s->mean[unit] / rows) ? 1 / deviation : 0;
        for (int64_t i = 0; i < s->z.own_rows && unit > 0; i++)
            lam_matrix_column(&s->z, j)[i] *= factor;
    }
    return LAM_OK;
}

// x with a first column of ones, on the rank that has it; NULL on the others.
static lam_code put_ones(const float *x, int64_t rows, int64_t units, float **to, lam_arena *arena,
                         lam_error *error) {
    *to = NULL;
    if (!x) return LAM_OK;
    LAM_ALLOC(*to, arena, rows * (units + 1), error);
    for (int64_t i = 0; i < rows; i++) {
        float *row = *to + i * (units + 1);
        row[0] = 1;
        memcpy(row + 1, x + i * units, (size_t)units * sizeof *x);
    }
    return LAM_OK;
}

typedef struct shared_memory {
    lam_ridge_problem problem;
    lam_ridge_work all, fold;
    double *sign, *ones; // [row]
    float *x;
} shared_memory;

static lam_code prepare(shared_fit *s, const lam_logistic_rows *rows, const float *x, int64_t units,
                        double ridge, shared_memory *m, lam_arena *arena, lam_error *error) {
    const lam_grid *grid = s->grid;
    const int64_t size = units + 1;
    LAM_ALLOC(m->sign, arena, rows->count, error);
    LAM_ALLOC(m->ones, arena, rows->count, error);
    for (int64_t i = 0; i < rows->count; i++) m->sign[i] = rows->label[i] ? 1 : -1, m->ones[i] = 1;
    m->problem = (lam_ridge_problem){.rows = rows->count,
                                     .size = size,
                                     .ridge = ridge,
                                     .sign = m->sign,
                                     .step = step_shared,
                                     .user = s};
    LAM_TRY(lam_ridge_vectors(&m->problem, &m->all, arena, error));
    LAM_TRY(lam_ridge_vectors(&m->problem, &m->fold, arena, error));
    LAM_ALLOC(s->mean, arena, size, error);
    LAM_ALLOC(s->squares, arena, size, error);
    LAM_TRY(lam_matrix_create(grid, rows->count, size, &s->z, arena, error));
    LAM_TRY(lam_matrix_create(grid, rows->count, size, &s->scaled, arena, error));
    LAM_TRY(lam_matrix_create(grid, size, size, &s->hessian, arena, error));
    LAM_TRY(lam_matrix_create(grid, size, 1, &s->step, arena, error));
    return put_ones(x, rows->count, units, &m->x, arena, error);
}

lam_code lam_ridge_logistic_shared(const lam_grid *grid, const lam_logistic_rows *rows,
                                   const float *x, int64_t units, double ridge, lam_ridge_fit *fit,
                                   double *eta, lam_arena *arena, lam_error *error) {
    shared_fit s = {.grid = grid, .error = error};
    shared_memory m;
    LAM_TRY(grid->agree(grid, prepare(&s, rows, x, units, ridge, &m, arena, error), error));
    LAM_TRY(grid->scatter(grid, m.x, &s.z, error));
    LAM_TRY(standardise(&s, m.ones));
    lam_ridge_fit_all(&m.problem, rows, &m.all);
    bool converged = m.all.converged;
    int64_t held_right = 0;
    for (int32_t f = 0; f < rows->folds && s.code == LAM_OK; f++) {
        held_right += lam_ridge_hold_out(&m.problem, rows, f, &m.all, &m.fold);
        converged = converged && m.fold.converged;
    }
    if (s.code != LAM_OK) return s.code;
    *fit = lam_ridge_result(&m.problem, rows, &m.all, held_right, converged);
    if (eta) memcpy(eta, m.all.eta, (size_t)rows->count * sizeof *eta);
    return LAM_OK;
}
