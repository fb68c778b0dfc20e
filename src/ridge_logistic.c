#include "ridge_logistic.h"

#include "cholesky.h"
#include "ridge_logistic_work.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { MOST_STEPS = 100, MOST_HALVINGS = 30 };

// Of eta in the last step, which is still taken; held-out rows need no more than eta's sign.
static const double fit_tolerance = 1e-9, fold_tolerance = 1e-5;

static double log_loss(double m) {
    return (m < 0 ? -m : 0) + log1p(exp(-fabs(m)));
}

// The objective of the unknowns that have this eta.
static double objective_of(const lam_ridge_problem *p, const lam_ridge_work *w,
                           const double *unknown, double intercept, const double *eta) {
    double loss = 0, squares = 0;
    for (int64_t i = 0; i < w->count; i++) loss += log_loss(p->sign[w->row[i]] * eta[w->row[i]]);
    for (int64_t i = !p->by_rows; i < p->size; i++)
        squares += unknown[i] * (p->by_rows ? eta[i] - intercept : unknown[i]);
    return loss + p->ridge / 2 * squares;
}

static void weigh(const lam_ridge_problem *p, lam_ridge_work *w) {
    memset(w->weight, 0, (size_t)p->rows * sizeof *w->weight);
    memset(w->residual, 0, (size_t)p->rows * sizeof *w->residual);
    for (int64_t i = 0; i < w->count; i++) {
        int64_t r = w->row[i];
        double m = p->sign[r] * w->eta[r], e = exp(-fabs(m)), nearer = 1 / (1 + e);
        w->residual[r] = p->sign[r] * (m > 0 ? e * nearer : nearer);
        w->weight[r] = e * nearer * nearer;
    }
}

// to = (1 / ridge) (v - S B^-1 S K v), B = ridge I + S K S over the rows seen, whose factor is in
// w->matrix, S = W^1/2: the inverse of ridge I + W K (Rasmussen and Williams 2006, eq. 3.27).
static void solve_by_rows(const lam_ridge_problem *p, lam_ridge_work *w, const double *v,
                          double *to) {
    double *kv = w->part[0], *u = w->part[1];
    lam_matrix_vector(p->kernel, p->rows, p->rows, p->stride, v, kv);
    for (int64_t i = 0; i < w->count; i++) u[i] = sqrt(w->weight[w->row[i]]) * kv[w->row[i]];
    lam_cholesky_solve(w->matrix, w->count, p->stride, u);
    for (int64_t i = 0; i < p->rows; i++) to[i] = v[i] / p->ridge;
    for (int64_t i = 0; i < w->count; i++)
        to[w->row[i]] -= sqrt(w->weight[w->row[i]]) * u[i] / p->ridge;
}

// Newton's step: eta linearised, (ridge I + W K) alpha + W 1 intercept = y - p + W eta, and
// 1' alpha = 0.
static bool step_by_rows(const lam_ridge_problem *p, lam_ridge_work *w) {
    double *root = w->part[2];
    for (int64_t i = 0; i < w->count; i++) root[i] = sqrt(w->weight[w->row[i]]);
    for (int64_t i = 0; i < w->count; i++) {
        const double *from = p->kernel + w->row[i] * p->stride;
        double *to = w->matrix + i * p->stride;
        for (int64_t j = 0; j <= i; j++) to[j] = root[i] * root[j] * from[w->row[j]];
        to[i] += p->ridge;
    }
    if (!lam_cholesky_factor(w->matrix, w->count, p->stride)) return false;
    double *right = w->part[2], *free_part = w->part[3], *intercept_part = w->part[4];
    for (int64_t i = 0; i < p->rows; i++) right[i] = w->residual[i] + w->weight[i] * w->eta[i];
    solve_by_rows(p, w, right, free_part);
    solve_by_rows(p, w, w->weight, intercept_part);
    double above = 0, below = 0;
    for (int64_t i = 0; i < p->rows; i++) above += free_part[i], below += intercept_part[i];
    w->next_intercept = above / below;
    for (int64_t i = 0; i < p->rows; i++)
        w->next[i] = free_part[i] - w->next_intercept * intercept_part[i];
    lam_matrix_vector(p->kernel, p->rows, p->rows, p->stride, w->next, w->next_eta);
    for (int64_t i = 0; i < p->rows; i++) w->next_eta[i] += w->next_intercept;
    return isfinite(w->next_intercept);
}

// Newton's step: (Z W Z' + ridge) step = Z (y - p) - ridge weights.
static bool step_by_units(const lam_ridge_problem *p, lam_ridge_work *w) {
    for (int64_t i = 0; i < p->rows; i++) w->part[0][i] = sqrt(w->weight[i]);
    for (int64_t u = 0; u < p->size; u++)
        for (int64_t i = 0; i < p->rows; i++)
            w->scaled[u * p->z_stride + i] = p->z[u * p->z_stride + i] * w->part[0][i];
    lam_gram(w->scaled, p->size, p->z_stride, w->matrix, p->stride);
    double *right = w->part[1];
    lam_matrix_vector(p->z, p->size, p->rows, p->z_stride, w->residual, right);
    for (int64_t u = 1; u < p->size; u++) {
        w->matrix[u * p->stride + u] += p->ridge;
        right[u] -= p->ridge * w->unknown[u];
    }
    if (!lam_cholesky_factor(w->matrix, p->size, p->stride)) return false;
    lam_cholesky_solve(w->matrix, p->size, p->stride, right);
    memset(w->next_eta, 0, (size_t)p->rows * sizeof *w->next_eta);
    for (int64_t u = 0; u < p->size; u++) {
        w->next[u] = w->unknown[u] + right[u];
        for (int64_t i = 0; i < p->rows; i++)
            w->next_eta[i] += w->next[u] * p->z[u * p->z_stride + i];
    }
    w->next_intercept = w->next[0];
    return isfinite(w->next_intercept);
}

// Goes towards next, half as far again until the objective does not rise. False: it never did not.
static bool descend(const lam_ridge_problem *p, lam_ridge_work *w) {
    double slack = 1e-12 * (1 + fabs(w->objective));
    for (int i = 0; i < MOST_HALVINGS; i++) {
        double objective = objective_of(p, w, w->next, w->next_intercept, w->next_eta);
        if (objective <= w->objective + slack) {
            memcpy(w->unknown, w->next, (size_t)p->size * sizeof *w->unknown);
            memcpy(w->eta, w->next_eta, (size_t)p->rows * sizeof *w->eta);
            w->intercept = w->next_intercept, w->objective = objective;
            return true;
        }
        for (int64_t k = 0; k < p->size; k++) w->next[k] = (w->next[k] + w->unknown[k]) / 2;
        for (int64_t k = 0; k < p->rows; k++) w->next_eta[k] = (w->next_eta[k] + w->eta[k]) / 2;
        w->next_intercept = (w->next_intercept + w->intercept) / 2;
    }
    return false;
}

// From unknown, eta and intercept of any other fit of the same problem, or zeros.
static void fit_one(const lam_ridge_problem *p, double tolerance, lam_ridge_work *w) {
    w->converged = false;
    w->objective = objective_of(p, w, w->unknown, w->intercept, w->eta);
    for (int step = 0; step < MOST_STEPS && !w->converged; step++) {
        weigh(p, w);
        if (!p->step(p, w)) return;
        double most = 0;
        for (int64_t i = 0; i < p->rows; i++) most = fmax(most, fabs(w->next_eta[i] - w->eta[i]));
        if (!descend(p, w)) return;
        w->converged = most <= tolerance;
    }
}

// Rows of z: centred, unit variance; 0 for units that do not vary. [rows, stride] or, transposed
// and with a first row of ones, [1 + units, stride].
static void standardise(const float *x, int64_t x_stride, int64_t rows, int64_t units,
                        bool transposed, double *z, int64_t stride) {
    if (transposed)
        for (int64_t i = 0; i < rows; i++) z[i] = 1;
#pragma omp parallel for schedule(static)
    for (int64_t u = 0; u < units; u++) {
        double mean = 0, squares = 0, least = INFINITY, most = -INFINITY;
        for (int64_t i = 0; i < rows; i++) {
            double value = (double)x[i * x_stride + u];
            mean += value, least = fmin(least, value), most = fmax(most, value);
        }
        mean /= (double)rows;
        for (int64_t i = 0; i < rows; i++) {
            double apart = (double)x[i * x_stride + u] - mean;
            squares += apart * apart;
        }
        double factor = least < most ? 1 / sqrt(squares / (double)rows) : 0;
        for (int64_t i = 0; i < rows; i++)
            z[transposed ? (u + 1) * stride + i : i * stride + u] =
                ((double)x[i * x_stride + u] - mean) * factor;
    }
}

static lam_code make_problem(lam_ridge_problem *p, const lam_logistic_rows *rows, const float *x,
                             int64_t x_stride, int64_t units, double ridge, lam_arena *arena,
                             lam_error *error) {
    bool by_rows = rows->count <= units;
    int64_t size = by_rows ? rows->count : units + 1;
    *p = (lam_ridge_problem){.rows = rows->count,
                             .size = size,
                             .stride = lam_cholesky_stride(size),
                             .by_rows = by_rows,
                             .step = by_rows ? step_by_rows : step_by_units,
                             .ridge = ridge,
                             .z_stride = lam_cholesky_stride(by_rows ? units : rows->count)};
    double *sign, *z, *kernel;
    LAM_ALLOC(sign, arena, p->rows, error);
    for (int64_t i = 0; i < p->rows; i++) sign[i] = rows->label[i] ? 1 : -1;
    LAM_ALLOC(z, arena, size * p->z_stride, error);
    standardise(x, x_stride, p->rows, units, !by_rows, z, p->z_stride);
    p->sign = sign, p->z = z;
    if (!by_rows) return LAM_OK;
    LAM_ALLOC(kernel, arena, size * p->stride, error);
    lam_gram(z, size, p->z_stride, kernel, p->stride);
    p->kernel = kernel;
    return LAM_OK;
}

lam_code lam_ridge_vectors(const lam_ridge_problem *p, lam_ridge_work *w, lam_arena *arena,
                           lam_error *error) {
    *w = (lam_ridge_work){0};
    int64_t longer = p->size > p->rows ? p->size : p->rows;
    double **vector[] = {&w->unknown, &w->next,     &w->eta,     &w->next_eta,
                         &w->weight,  &w->residual, &w->part[0], &w->part[1],
                         &w->part[2], &w->part[3],  &w->part[4]};
    for (size_t i = 0; i < sizeof vector / sizeof *vector; i++)
        LAM_ALLOC(*vector[i], arena, longer, error);
    LAM_ALLOC(w->row, arena, p->rows, error);
    return LAM_OK;
}

static lam_code make_work(const lam_ridge_problem *p, lam_ridge_work *w, lam_arena *arena,
                          lam_error *error) {
    LAM_TRY(lam_ridge_vectors(p, w, arena, error));
    LAM_ALLOC(w->matrix, arena, p->size * p->stride, error);
    if (!p->by_rows) LAM_ALLOC(w->scaled, arena, p->size * p->z_stride, error);
    return LAM_OK;
}

// The rows outside of a fold (-1: all).
static void choose_rows(const lam_logistic_rows *rows, int32_t fold, lam_ridge_work *w) {
    w->count = 0;
    for (int64_t i = 0; i < rows->count; i++)
        if (fold < 0 || rows->fold[i] != fold) w->row[w->count++] = i;
}

void lam_ridge_fit_all(const lam_ridge_problem *p, const lam_logistic_rows *rows,
                       lam_ridge_work *all) {
    choose_rows(rows, -1, all);
    fit_one(p, fit_tolerance, all);
}

int64_t lam_ridge_hold_out(const lam_ridge_problem *p, const lam_logistic_rows *rows, int32_t fold,
                           const lam_ridge_work *all, lam_ridge_work *w) {
    memcpy(w->unknown, all->unknown, (size_t)p->size * sizeof *w->unknown);
    memcpy(w->eta, all->eta, (size_t)p->rows * sizeof *w->eta);
    w->intercept = all->intercept;
    choose_rows(rows, fold, w);
    fit_one(p, fold_tolerance, w);
    int64_t right = 0;
    for (int64_t i = 0; i < p->rows; i++)
        right += rows->fold[i] == fold && (w->eta[i] > 0) == (rows->label[i] != 0);
    return right;
}

lam_ridge_fit lam_ridge_result(const lam_ridge_problem *p, const lam_logistic_rows *rows,
                               const lam_ridge_work *all, int64_t held_right, bool converged) {
    int64_t right = 0;
    double loss = 0;
    for (int64_t i = 0; i < p->rows; i++) {
        loss += log_loss(p->sign[i] * all->eta[i]);
        right += (all->eta[i] > 0) == (rows->label[i] != 0);
    }
    return (lam_ridge_fit){converged, all->intercept, loss / (double)p->rows,
                           (double)right / (double)p->rows, (double)held_right / (double)p->rows};
}

// The held-out rows that this member's folds tell rightly, and how many of their fits did not end.
static lam_code hold_out(const lam_ridge_problem *p, const lam_logistic_rows *rows,
                         const lam_ridge_work *all, const lam_team *team, int64_t *right,
                         int64_t *open, lam_arena *arena, lam_error *error) {
    int64_t first, count, held_right = 0, not_ended = 0;
    lam_ridge_work *work;
    team->own(team, rows->folds, &first, &count);
    const int threads = omp_get_max_threads() < count ? omp_get_max_threads() : (int)count;
    LAM_ALLOC(work, arena, threads, error);
    for (int t = 0; t < threads; t++) LAM_TRY(make_work(p, &work[t], arena, error));
#pragma omp parallel for schedule(dynamic) num_threads(threads > 0 ? threads : 1) reduction(+ : held_right, not_ended)
    for (int64_t f = first; f < first + count; f++) {
        lam_ridge_work *w = &work[omp_get_thread_num()];
        held_right += lam_ridge_hold_out(p, rows, (int32_t)f, all, w);
        not_ended += !w->converged;
    }
    *right = held_right, *open = not_ended;
    return LAM_OK;
}

lam_code lam_ridge_logistic(const lam_logistic_rows *rows, const float *x, int64_t stride,
                            int64_t units, double ridge, lam_ridge_fit *fit, double *eta,
                            const lam_team *team, lam_arena *arena, lam_error *error) {
    lam_ridge_problem p;
    lam_ridge_work all;
    int64_t held[2]; // rightly told, and fits that did not end
    LAM_TRY(make_problem(&p, rows, x, stride, units, ridge, arena, error));
    LAM_TRY(make_work(&p, &all, arena, error));
    lam_ridge_fit_all(&p, rows, &all);
    LAM_TRY(hold_out(&p, rows, &all, team, &held[0], &held[1], arena, error));
    LAM_TRY(lam_team_add(team, held, 2, arena, error));
    *fit = lam_ridge_result(&p, rows, &all, held[0], all.converged && held[1] == 0);
    if (eta) memcpy(eta, all.eta, (size_t)p.rows * sizeof *eta);
    return LAM_OK;
}
