#include "logistic.h"

#include "logistic_newton.h"

#include <math.h>
#include <omp.h>
#include <string.h>

// Squares of the last step, in standard errors, at which a fit ends: the step is still taken, so
// what is left is about the square of that. Held-out rows need no more than the right side of 1/2.
static const double fit_tolerance = 1e-20, fold_tolerance = 1e-8;

enum { FIRST_PLAIN_STEPS = 40 }; // units that need more are gathered into lanes of their own

// Where a unit's plain steps are.
typedef struct plain_unit {
    double intercept, slope;
    int steps;
    bool done;
} plain_unit;

struct lam_logistic {
    int64_t rows;
    lam_logistic_kind kind;
    const double *sign; // [rows] 1 where y is 1, -1 where it is 0
    int64_t ones;
    int32_t folds;
    // [folds][rows] the rows that fold f's fit sees, trained[f] of them, then those it does not.
    const int64_t *order;
    const double *order_sign;
    const int64_t *trained;
};

static lam_code fold_rows(lam_logistic *l, const lam_logistic_rows *rows, lam_arena *arena,
                          lam_error *error) {
    int64_t n = rows->count, *order, *trained;
    double *sign;
    LAM_ALLOC(order, arena, n * rows->folds, error);
    LAM_ALLOC(sign, arena, n * rows->folds, error);
    LAM_ALLOC(trained, arena, rows->folds, error);
    for (int32_t f = 0; f < rows->folds; f++) {
        int64_t at = 0, ones = 0;
        for (int held = 0; held < 2; held++) {
            for (int64_t i = 0; i < n; i++)
                if ((rows->fold[i] == f) == held) order[f * n + at++] = i;
            if (!held) trained[f] = at;
        }
        for (int64_t i = 0; i < n; i++) sign[f * n + i] = l->sign[order[f * n + i]];
        for (int64_t i = 0; i < trained[f]; i++) ones += sign[f * n + i] > 0;
        if (ones == 0 || ones == trained[f])
            return lam_fail(error, LAM_INPUT, "all rows outside of fold %d are of one class",
                            (int)f + 1);
    }
    l->order = order, l->order_sign = sign, l->trained = trained;
    return LAM_OK;
}

lam_code lam_logistic_create(lam_logistic **logistic, const lam_logistic_rows *rows,
                             lam_logistic_kind kind, lam_arena *arena, lam_error *error) {
    lam_logistic *l;
    double *sign;
    LAM_ALLOC(l, arena, 1, error);
    LAM_ALLOC(sign, arena, rows->count, error);
    *l = (lam_logistic){.rows = rows->count, .kind = kind, .sign = sign};
    for (int64_t i = 0; i < rows->count; i++) {
        sign[i] = rows->label[i] ? 1 : -1;
        l->ones += sign[i] > 0;
    }
    if (l->ones == 0 || l->ones == l->rows)
        return lam_fail(error, LAM_INPUT, "all %lld rows are of one class", (long long)l->rows);
    l->folds = rows->fold ? rows->folds : 0;
    if (l->folds) LAM_TRY(fold_rows(l, rows, arena, error));
    *logistic = l;
    return LAM_OK;
}

static lam_logistic_status status_of(const lam_logistic_range *r, int k) {
    double least = fmin(r->least[0][k], r->least[1][k]), most = fmax(r->most[0][k], r->most[1][k]);
    if (least == most) return LAM_LOGISTIC_CONSTANT;
    if (r->most[0][k] <= r->least[1][k] || r->most[1][k] <= r->least[0][k])
        return LAM_LOGISTIC_SEPARATED;
    return LAM_LOGISTIC_FITTED;
}

// How a lane's values were brought to unit scale: z = (x - origin) / scale.
typedef struct lane_scales {
    lam_lanes origin, scale;
} lane_scales;

// Scales x in place, by its standard deviation. Its origin is the middle of what the classes share:
// where the weight of a nearly separated unit lies, so that its information stays well conditioned.
static void standardise(lam_lanes *x, int64_t rows, const lam_logistic_range *r,
                        lane_scales *scales) {
    lam_lanes mean = (r->total[0] + r->total[1]) / (double)rows, squares;
    lam_logistic_spread(x, rows, &mean, &squares);
    for (int k = 0; k < LAM_LANES; k++) {
        bool constant = status_of(r, k) == LAM_LOGISTIC_CONSTANT;
        scales->scale[k] = constant ? 1 : sqrt(squares[k] / (double)rows);
        scales->origin[k] =
            fmax(r->least[0][k], r->least[1][k]) / 2 + fmin(r->most[0][k], r->most[1][k]) / 2;
    }
    lam_lanes factor = 1.0 / scales->scale;
    for (int64_t i = 0; i < rows; i++) x[i] = (x[i] - scales->origin) * factor;
}

// The start: no slope, whose objective is known, with a first step to the line that a linear
// discriminant with one variance for both classes would give.
static void start(const lam_logistic *l, const lam_logistic_range *r, const lane_scales *scales,
                  lam_climb *climb) {
    double n = (double)l->rows, p = (double)l->ones / n, odds = log(p / (1 - p));
    double objective = n * (p * log(p) + (1 - p) * log(1 - p));
    if (l->kind == LAM_LOGISTIC_FIRTH) objective += log(n * p * (1 - p));
    for (int k = 0; k < LAM_LANES; k++) {
        double mean0 = r->total[0][k] / (n - (double)l->ones) - scales->origin[k],
               mean1 = r->total[1][k] / (double)l->ones - scales->origin[k];
        mean0 /= scales->scale[k], mean1 /= scales->scale[k];
        double apart = mean1 - mean0, within = 1 - p * (1 - p) * apart * apart;
        double slope = apart / fmax(within, 1e-3);
        climb->intercept[k] = odds, climb->slope[k] = 0;
        climb->objective[k] = objective;
        climb->slope_step[k] = slope;
        climb->intercept_step[k] = -slope * (mean0 + mean1) / 2;
    }
    climb->tolerance = fit_tolerance;
}

static void take_fit(const lam_climb *climb, const lane_scales *scales, int k,
                     lam_logistic_fit *fit) {
    const lam_covariance *c = &climb->covariance[k];
    double scale = scales->scale[k], at = scales->origin[k] / scale;
    fit->slope = climb->slope[k] / scale;
    fit->intercept = climb->intercept[k] - climb->slope[k] * at;
    fit->slope_error = sqrt(c->slope) / scale;
    fit->intercept_error = sqrt(c->intercept - 2 * at * c->both + at * at * c->slope);
    fit->log_likelihood = climb->log_likelihood[k];
}

// Where a fold's rows allow no fit, what its estimate tends to: a threshold in the middle of the
// gap between the classes; the more frequent class, 0 of equals, for equal values.
static void limit_of(const lam_logistic_range *r, int k, int64_t ones, int64_t rows,
                     lam_climb *climb) {
    if (status_of(r, k) == LAM_LOGISTIC_CONSTANT) {
        climb->slope[k] = 0, climb->intercept[k] = 2 * ones > rows ? 1 : -1;
        return;
    }
    bool rising = r->most[0][k] <= r->least[1][k];
    int below = rising ? 0 : 1;
    climb->slope[k] = rising ? 1 : -1;
    climb->intercept[k] = -climb->slope[k] * (r->most[below][k] / 2 + r->least[1 - below][k] / 2);
}

// Held-out accuracy of the lanes that fit says are fitted, from x at unit scale; full is their fit.
static void hold_out(const lam_logistic *l, const lam_lanes *x, lam_lanes *scratch,
                     const lam_climb *full, lam_logistic_fit *fit) {
    lam_lanes right = {0};
    bool firth = l->kind == LAM_LOGISTIC_FIRTH;
    for (int32_t f = 0; f < l->folds; f++) {
        const int64_t *order = l->order + f * l->rows, trained = l->trained[f];
        const double *sign = l->order_sign + f * l->rows;
        int64_t ones = 0;
        for (int64_t i = 0; i < l->rows; i++) scratch[i] = x[order[i]];
        for (int64_t i = 0; i < trained; i++) ones += sign[i] > 0;
        lam_logistic_range range;
        lam_logistic_look(scratch, sign, trained, &range);
        lam_climb climb = {
            .intercept = full->intercept, .slope = full->slope, .tolerance = fold_tolerance};
        for (int k = 0; k < LAM_LANES; k++) {
            lam_logistic_status status = status_of(&range, k);
            climb.active[k] =
                fit[k].status == LAM_LOGISTIC_FITTED &&
                (status == LAM_LOGISTIC_FITTED || (firth && status == LAM_LOGISTIC_SEPARATED));
            climb.objective[k] = -INFINITY;
            if (!climb.active[k]) limit_of(&range, k, ones, trained, &climb);
        }
        lam_logistic_climb(scratch, sign, trained, firth, &climb);
        lam_lanes hits;
        lam_logistic_hits(scratch + trained, sign + trained, l->rows - trained, &climb.intercept,
                          &climb.slope, &hits);
        right += hits;
    }
    for (int k = 0; k < LAM_LANES && l->folds; k++)
        if (fit[k].status == LAM_LOGISTIC_FITTED)
            fit[k].held_out_accuracy = right[k] / (double)l->rows;
}

static void fit_scaled(const lam_logistic *l, lam_lanes *x, lam_lanes *scratch,
                       lam_logistic_fit *fit) {
    lam_logistic_range range;
    lam_logistic_look(x, l->sign, l->rows, &range);
    lane_scales scales;
    standardise(x, l->rows, &range, &scales);
    lam_climb climb = {.intercept = {0}};
    start(l, &range, &scales, &climb);
    bool firth = l->kind == LAM_LOGISTIC_FIRTH;
    for (int k = 0; k < LAM_LANES; k++) {
        lam_logistic_status status = status_of(&range, k);
        if (firth && status == LAM_LOGISTIC_SEPARATED) status = LAM_LOGISTIC_FITTED;
        fit[k] = (lam_logistic_fit){status, false, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
        climb.active[k] = status == LAM_LOGISTIC_FITTED;
    }
    lam_logistic_climb(x, l->sign, l->rows, firth, &climb);
    lam_lanes hits;
    lam_logistic_hits(x, l->sign, l->rows, &climb.intercept, &climb.slope, &hits);
    for (int k = 0; k < LAM_LANES; k++) {
        if (!climb.active[k]) continue;
        if (!climb.converged[k]) {
            fit[k].status = LAM_LOGISTIC_NOT_CONVERGED;
            continue;
        }
        take_fit(&climb, &scales, k, &fit[k]);
        fit[k].accuracy = hits[k] / (double)l->rows;
    }
    hold_out(l, x, scratch, &climb, fit);
}

// Puts where the plain steps ended into the fits of the lanes that are done, keeping status and
// held-out accuracy. x as given, not scaled.
static void take_plain(const lam_logistic *l, const lam_lanes *x, const lam_plain *plain,
                       lam_logistic_fit *const fit[LAM_LANES]) {
    lam_logistic_sums sums;
    lam_lanes hits;
    lam_logistic_sum(x, l->sign, l->rows, &plain->intercept, &plain->slope, false, &sums);
    lam_logistic_hits(x, l->sign, l->rows, &plain->intercept, &plain->slope, &hits);
    for (int k = 0; k < LAM_LANES; k++) {
        if (!fit[k] || !plain->done[k]) continue;
        lam_covariance c;
        bool constant = fit[k]->status == LAM_LOGISTIC_CONSTANT;
        // Weights are never 0 here: below this, statsmodels' all are.
        bool all_sure = sums.information[0][k] < 1e-290;
        if (constant || all_sure || !lam_logistic_invert(&sums, k, &c)) {
            if (!constant && fit[k]->status != LAM_LOGISTIC_SEPARATED)
                fit[k]->status = LAM_LOGISTIC_NOT_CONVERGED;
            *fit[k] = (lam_logistic_fit){
                fit[k]->status, true, NAN, NAN, NAN, NAN, NAN, NAN, fit[k]->held_out_accuracy};
            continue;
        }
        fit[k]->intercept = plain->intercept[k], fit[k]->slope = plain->slope[k];
        fit[k]->intercept_error = sqrt(c.intercept), fit[k]->slope_error = sqrt(c.slope);
        fit[k]->log_likelihood = sums.log_likelihood[k];
        fit[k]->accuracy = hits[k] / (double)l->rows;
    }
}

void lam_logistic_fit_lanes(const lam_logistic *logistic, lam_lanes *x, lam_lanes *scratch,
                            lam_logistic_fit *fit) {
    fit_scaled(logistic, x, scratch, fit);
}

// What the threads of lam_logistic_fit_units share.
typedef struct fit_call {
    const lam_logistic *logistic;
    const float *x; // [row, stride]
    int64_t stride, units;
    lam_lanes *scratch; // [thread][2][row]
    lam_logistic_fit *fit;
} fit_call;

static void fit_block(const fit_call *call, int64_t first) {
    int64_t rows = call->logistic->rows;
    lam_lanes *x = call->scratch + 2 * rows * omp_get_thread_num();
    int64_t count = call->units - first < LAM_LANES ? call->units - first : LAM_LANES;
    for (int64_t i = 0; i < rows; i++)
        for (int k = 0; k < LAM_LANES; k++) // lanes left over repeat the last unit
            x[i][k] = (double)call->x[i * call->stride + first + (k < count ? k : count - 1)];
    lam_logistic_fit fit[LAM_LANES];
    fit_scaled(call->logistic, x, x + rows, fit);
    memcpy(call->fit + first, fit, (size_t)count * sizeof *fit);
}

// Plain steps of the units listed, from where the state of each is, at most so many more.
static void plain_block(const fit_call *call, const int64_t *unit, int64_t count, int steps,
                        plain_unit *state) {
    int64_t rows = call->logistic->rows;
    lam_lanes *x = call->scratch + 2 * rows * omp_get_thread_num();
    lam_plain plain = {.steps = {0}};
    lam_logistic_fit *fit[LAM_LANES] = {NULL};
    for (int k = 0; k < LAM_LANES; k++) {
        int64_t u = unit[k < count ? k : count - 1];
        for (int64_t i = 0; i < rows; i++) x[i][k] = (double)call->x[i * call->stride + u];
        plain.done[k] = k >= count || call->fit[u].status == LAM_LOGISTIC_CONSTANT;
        if (k >= count) continue;
        fit[k] = &call->fit[u];
        plain.intercept[k] = state[u].intercept, plain.slope[k] = state[u].slope;
        plain.steps[k] = state[u].steps;
    }
    lam_logistic_plain(x, call->logistic->sign, rows, steps, &plain);
    take_plain(call->logistic, x, &plain, fit);
    for (int k = 0; k < count; k++)
        state[unit[k]] =
            (plain_unit){plain.intercept[k], plain.slope[k], plain.steps[k], plain.done[k]};
}

// The units whose steps have not ended go on in lanes without those that have.
static lam_code fit_plain(const fit_call *call, lam_arena *arena, lam_error *error) {
    int64_t *unit, count = call->units;
    plain_unit *state;
    LAM_ALLOC(unit, arena, call->units, error);
    LAM_ALLOC(state, arena, call->units, error);
    for (int64_t u = 0; u < count; u++) unit[u] = u;
    for (int steps = FIRST_PLAIN_STEPS; count > 0; steps = LAM_PLAIN_STEPS) {
#pragma omp parallel for schedule(dynamic)
        for (int64_t first = 0; first < count; first += LAM_LANES)
            plain_block(call, unit + first, count - first < LAM_LANES ? count - first : LAM_LANES,
                        steps, state);
        int64_t left = 0;
        for (int64_t i = 0; i < count; i++)
            if (!state[unit[i]].done) unit[left++] = unit[i];
        count = left;
    }
    return LAM_OK;
}

static lam_code fit_run(const lam_logistic *logistic, const float *x, int64_t stride, int64_t units,
                        lam_logistic_fit *fit, lam_arena *arena, lam_error *error) {
    fit_call call = {logistic, x, stride, units, NULL, fit};
    LAM_ALLOC(call.scratch, arena, 2 * logistic->rows * omp_get_max_threads(), error);
#pragma omp parallel for schedule(dynamic, 2) // two share x's cache lines
    for (int64_t first = 0; first < units; first += LAM_LANES) fit_block(&call, first);
    return logistic->kind == LAM_LOGISTIC_PLAIN ? fit_plain(&call, arena, error) : LAM_OK;
}

lam_code lam_logistic_fit_units(const lam_logistic *logistic, const float *x, int64_t stride,
                                int64_t units, lam_logistic_fit *fit, const lam_team *team,
                                lam_arena *arena, lam_error *error) {
    const int64_t block = LAM_LOGISTIC_BLOCK;
    int64_t first, count;
    size_t *start;
    team->own(team, (units + block - 1) / block, &first, &count);
    const int64_t end = (first + count) * block < units ? (first + count) * block : units;
    first = first * block < units ? first * block : units, count = end - first;
    LAM_TRY(fit_run(logistic, x + first, stride, count, fit + first, arena, error));
    LAM_TRY(lam_team_starts(team, (size_t)count * sizeof *fit, &start, arena, error));
    return team->gather(team, fit, team->members, start, error);
}
