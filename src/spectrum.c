#include "spectrum.h"

#include <math.h>
#include <string.h>

// A variance below this, against the squares that it is a difference of, is rounding.
static const double alike = 1e-24;

int64_t lam_spectrum_order(int64_t count, int64_t width) {
    return count < width ? count : width;
}

double lam_spectrum_participation(const double *values, int64_t count) {
    double sum = 0, squares = 0;
    // Against the largest: no square overflows or vanishes.
    for (int64_t i = 0; i < count && values[0] > 0; i++) {
        sum += values[i] / values[0];
        squares += values[i] / values[0] * (values[i] / values[0]);
    }
    return squares > 0 ? sum * sum / squares : 0;
}

int64_t lam_spectrum_components(const double *values, int64_t count, double share) {
    double all = 0, sum = 0;
    for (int64_t i = 0; i < count; i++) all += values[i];
    int64_t n = 0;
    while (n < count && all > 0 && sum < share * all) sum += values[n++];
    return n;
}

static double sum_of(const double *x, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i];
    return sum;
}

static double squares_of(const double *x, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += x[i] * x[i];
    return sum;
}

// values [n], ascending as they were found for so many rows less their mean [width], in descending
// order; 0 where they are below, or all where they are but rounding of the mean.
static void put_descending(double *values, int64_t n, double rows, const double *mean,
                           int64_t width) {
    for (int64_t i = 0; i < n - 1 - i; i++) {
        const double other = values[i];
        values[i] = values[n - 1 - i];
        values[n - 1 - i] = other;
    }
    const bool none = sum_of(values, n) <= alike * rows * squares_of(mean, width);
    for (int64_t i = 0; i < n; i++) values[i] = values[i] > 0 && !none ? values[i] : 0;
}

// to = from, each row less mean [columns] and times weight [rows].
static void centre(const lam_grid *grid, const lam_matrix *from, const double *mean,
                   const double *weight, lam_matrix *to) {
    for (int64_t j = 0; j < from->own_columns; j++) {
        const double *x = lam_matrix_column(from, j), middle = mean[lam_grid_column(grid, j)];
        double *y = lam_matrix_column(to, j);
        for (int64_t i = 0; i < from->own_rows; i++)
            y[i] = (x[i] - middle) * weight[lam_grid_row(grid, i)];
    }
}

// mean [columns] over the rows of weight 1, so many.
static lam_code mean_of(const lam_grid *grid, const lam_matrix *x, const double *weight,
                        double count, double *mean, lam_error *error) {
    LAM_TRY(lam_matrix_sum_rows(grid, x, weight, mean, error));
    for (int64_t j = 0; j < x->columns; j++) mean[j] /= count;
    return LAM_OK;
}

// --- eigenvalues

typedef struct spectrum_work {
    lam_matrix x, gram;
    double *weight, *mean;
} spectrum_work;

static lam_code make_work(const lam_grid *grid, const lam_spectrum_rows *rows, spectrum_work *w,
                          lam_arena *arena, lam_error *error) {
    const int64_t order = lam_spectrum_order(rows->count, rows->width);
    LAM_TRY(lam_matrix_create(grid, rows->count, rows->width, &w->x, arena, error));
    LAM_TRY(lam_matrix_create(grid, order, order, &w->gram, arena, error));
    LAM_ALLOC(w->weight, arena, rows->count, error);
    LAM_ALLOC(w->mean, arena, rows->width, error);
    for (int64_t i = 0; i < rows->count; i++) w->weight[i] = 1;
    return LAM_OK;
}

lam_code lam_spectrum_eigenvalues(const lam_grid *grid, const lam_spectrum_rows *rows,
                                  double *values, lam_arena *arena, lam_error *error) {
    const int64_t order = lam_spectrum_order(rows->count, rows->width);
    spectrum_work w;
    LAM_TRY(grid->agree(grid, make_work(grid, rows, &w, arena, error), error));
    LAM_TRY(grid->scatter(grid, rows->x, &w.x, error));
    LAM_TRY(mean_of(grid, &w.x, w.weight, (double)rows->count, w.mean, error));
    centre(grid, &w.x, w.mean, w.weight, &w.x);
    LAM_TRY(grid->gram(grid, rows->width <= rows->count, &w.x, &w.gram, error));
    LAM_TRY(grid->eigen(grid, &w.gram, values, NULL, error));
    put_descending(values, order, (double)rows->count, w.mean, rows->width);
    for (int64_t i = 0; i < order; i++) values[i] /= (double)(rows->count - 1);
    for (int64_t i = order; i < rows->width; i++) values[i] = 0;
    return LAM_OK;
}

// --- two classes

typedef struct separation_work {
    const lam_grid *grid;
    const lam_separation_rows *of;
    const lam_separation_rule *rule;
    lam_matrix x, centred;      // [row, unit] as they came; less their mean
    double *all, *weight;       // [row] ones; 1 where the fit sees the row
    double *side[2];            // [row] 1 where it does, and the row is of this class
    double *mean;               // [unit], then [component]
    double *values;             // [order]
    double *score, *held_score; // [row]
    double *filter;             // [component]
    double *fits;               // [fold + 1, fit_length], that to all rows first
    lam_arena *fit;             // of one fit
    lam_error *error;
} separation_work;

// Student's t of the scores of class 1 against class 0's, over the rows of weight 1. False where
// neither class varies.
static bool student(const int32_t *label, const double *weight, const double *score, int64_t count,
                    double *t) {
    double n[2] = {0}, sum[2] = {0}, squares = 0;
    for (int64_t i = 0; i < count; i++)
        if (weight[i] > 0) n[label[i]]++, sum[label[i]] += score[i];
    const double mean[2] = {sum[0] / n[0], sum[1] / n[1]};
    for (int64_t i = 0; i < count; i++) {
        const double apart = score[i] - mean[label[i]];
        if (weight[i] > 0) squares += apart * apart;
    }
    const double variance = squares / (n[0] + n[1] - 2);
    *t = (mean[1] - mean[0]) / sqrt(variance * (1 / n[0] + 1 / n[1]));
    return variance > 0;
}

// The rows outside of a fold (-1: all).
static void choose(separation_work *w, int32_t fold) {
    for (int64_t i = 0; i < w->of->rows.count; i++) {
        w->weight[i] = w->of->fold[i] != fold;
        for (int c = 0; c < 2; c++) w->side[c][i] = w->weight[i] * (w->of->label[i] == c);
    }
}

// The principal axes of the rows that w->centred holds: columns *first .. *first + *components - 1
// of axes, the largest last.
static lam_code find_axes(separation_work *w, lam_matrix *axes, int64_t *first,
                          int64_t *components) {
    const lam_grid *grid = w->grid;
    const int64_t count = w->centred.rows, width = w->centred.columns,
                  order = lam_spectrum_order(count, width);
    lam_matrix gram, vectors;
    lam_code code = lam_matrix_create(grid, order, order, &gram, w->fit, w->error);
    if (code == LAM_OK) code = lam_matrix_create(grid, order, order, &vectors, w->fit, w->error);
    LAM_TRY(grid->agree(grid, code, w->error));
    LAM_TRY(grid->gram(grid, width <= count, &w->centred, &gram, w->error));
    LAM_TRY(grid->eigen(grid, &gram, w->values, &vectors, w->error));
    put_descending(w->values, order, sum_of(w->weight, count), w->mean, width);
    const int64_t n = *components = lam_spectrum_components(w->values, order, w->rule->share);
    *axes = vectors, *first = order - n;
    if (width <= count || n == 0) return LAM_OK;
    // By rows: an axis is the sum of the rows by an eigenvector of their products, over the root of
    // its eigenvalue.
    LAM_TRY(grid->agree(grid, lam_matrix_create(grid, width, n, axes, w->fit, w->error), w->error));
    LAM_TRY(grid->product(grid, true, &w->centred, &vectors, *first, axes, w->error));
    *first = 0;
    for (int64_t j = 0; j < axes->own_columns; j++) {
        const double length = sqrt(w->values[n - 1 - lam_grid_column(grid, j)]);
        double *axis = lam_matrix_column(axes, j);
        for (int64_t i = 0; i < axes->own_rows; i++) axis[i] /= length;
    }
    return LAM_OK;
}

// covariance [component, component] of a class's rows that the fit sees, about their own mean.
static lam_code covariance_of(separation_work *w, const lam_matrix *parts, int class,
                              lam_matrix *deviations, lam_matrix *covariance) {
    const lam_grid *grid = w->grid;
    const double count = sum_of(w->side[class], w->of->rows.count);
    LAM_TRY(mean_of(grid, parts, w->side[class], count, w->mean, w->error));
    centre(grid, parts, w->mean, w->side[class], deviations);
    LAM_TRY(grid->gram(grid, true, deviations, covariance, w->error));
    for (int64_t j = 0; j < covariance->own_columns; j++)
        for (int64_t i = 0; i < covariance->own_rows; i++)
            lam_matrix_column(covariance, j)[i] /= count - 1;
    return LAM_OK;
}

static lam_code variance_of(separation_work *w, const lam_matrix *covariance, double *variance) {
    double *diagonal = w->mean; // [component], free now
    LAM_TRY(lam_matrix_diagonal(w->grid, covariance, diagonal, w->error));
    *variance = sum_of(diagonal, covariance->rows);
    return LAM_OK;
}

// The scores of all rows, from parts [row, component] of theirs; *found is false where there are
// none.
static lam_code score_rows(separation_work *w, const lam_matrix *parts, double *value,
                           bool *found) {
    const lam_grid *grid = w->grid;
    const int64_t n = parts->columns;
    lam_matrix deviations, covariance[2], top;
    lam_code code = lam_matrix_create(grid, parts->rows, n, &deviations, w->fit, w->error);
    for (int c = 0; c < 2 && code == LAM_OK; c++)
        code = lam_matrix_create(grid, n, n, &covariance[c], w->fit, w->error);
    if (code == LAM_OK) code = lam_matrix_create(grid, n, 1, &top, w->fit, w->error);
    LAM_TRY(grid->agree(grid, code, w->error));
    const double least = alike * sum_of(w->values, lam_spectrum_order(w->x.rows, w->x.columns));
    double variance[2];
    *found = true;
    for (int c = 0; c < 2; c++) {
        LAM_TRY(covariance_of(w, parts, c, &deviations, &covariance[c]));
        LAM_TRY(variance_of(w, &covariance[c], &variance[c]));
        *found = *found && variance[c] > least;
    }
    if (!*found) return LAM_OK;
    lam_matrix_add_diagonal(grid, &covariance[0], 0, w->rule->shrinkage * variance[0] / (double)n);
    LAM_TRY(grid->top(grid, &covariance[1], &covariance[0], value, &top, found, w->error));
    if (!*found) return LAM_OK;
    LAM_TRY(lam_matrix_to_vector(grid, &top, w->filter, w->error));
    return lam_matrix_sum_columns(grid, parts, w->filter, w->score, w->error);
}

// The fit to the rows outside of a fold (-1: all), and the scores of all rows by it, turned.
// *found is false where a class does not vary.
static lam_code fit_one(separation_work *w, int32_t fold, lam_separation *to, bool *found) {
    const lam_grid *grid = w->grid;
    const int64_t count = w->of->rows.count;
    lam_matrix axes, parts;
    int64_t first;
    *found = false;
    choose(w, fold);
    LAM_TRY(mean_of(grid, &w->x, w->weight, sum_of(w->weight, count), w->mean, w->error));
    centre(grid, &w->x, w->mean, w->weight, &w->centred);
    LAM_TRY(find_axes(w, &axes, &first, &to->components));
    if (to->components == 0) return LAM_OK;
    centre(grid, &w->x, w->mean, w->all, &w->centred);
    LAM_TRY(grid->agree(
        grid, lam_matrix_create(grid, count, to->components, &parts, w->fit, w->error), w->error));
    LAM_TRY(grid->product(grid, false, &w->centred, &axes, first, &parts, w->error));
    LAM_TRY(score_rows(w, &parts, &to->top_eigenvalue, found));
    if (!*found) return LAM_OK;
    *found = student(w->of->label, w->weight, w->score, count, &to->training_t);
    for (int64_t i = 0; i < count && to->training_t < 0; i++) w->score[i] = -w->score[i];
    to->training_t = fabs(to->training_t);
    return LAM_OK;
}

// What a fit gives, in a row of numbers: these, then the scores of all rows.
enum { FIT_FOUND, FIT_COMPONENTS, FIT_TOP, FIT_T, FIT_SCORES };

static int64_t fit_length(const separation_work *w) {
    return FIT_SCORES + w->of->rows.count;
}

static lam_code make_separation(separation_work *w, lam_arena *arena) {
    const lam_spectrum_rows *rows = &w->of->rows;
    LAM_TRY(lam_matrix_create(w->grid, rows->count, rows->width, &w->x, arena, w->error));
    LAM_TRY(lam_matrix_create(w->grid, rows->count, rows->width, &w->centred, arena, w->error));
    double **by_row[] = {&w->all, &w->weight, &w->side[0], &w->side[1], &w->score, &w->held_score};
    double **by_unit[] = {&w->mean, &w->values, &w->filter};
    for (size_t i = 0; i < sizeof by_row / sizeof *by_row; i++)
        LAM_ALLOC(*by_row[i], arena, rows->count, w->error);
    for (size_t i = 0; i < sizeof by_unit / sizeof *by_unit; i++)
        LAM_ALLOC(*by_unit[i], arena, rows->width, w->error);
    LAM_ALLOC(w->fits, arena, (w->of->folds + 1) * fit_length(w), w->error);
    for (int64_t i = 0; i < rows->count; i++) w->all[i] = 1;
    return LAM_OK;
}

// The fits, that to all rows first, by the team's members.
static lam_code fit_all(separation_work *w, const lam_team *team) {
    const int64_t fits = w->of->folds + 1, length = fit_length(w);
    int64_t first, count;
    team->own(team, fits, &first, &count);
    for (int64_t f = first; f < first + count; f++) {
        double *row = w->fits + f * length;
        lam_separation made = {0};
        bool found;
        LAM_TRY(fit_one(w, (int32_t)f - 1, &made, &found));
        lam_arena_destroy(w->fit);
        row[FIT_FOUND] = found, row[FIT_COMPONENTS] = (double)made.components;
        row[FIT_TOP] = made.top_eigenvalue, row[FIT_T] = made.training_t;
        memcpy(row + FIT_SCORES, w->score, (size_t)w->of->rows.count * sizeof *row);
    }
    return team->share(team, fits, w->fits, length, w->error);
}

static void conclude(separation_work *w, lam_separation *to) {
    const lam_separation_rows *of = w->of;
    const double *row = w->fits;
    to->components = (int64_t)row[FIT_COMPONENTS];
    if (row[FIT_FOUND] == 0) {
        *to = (lam_separation){to->components, NAN, NAN, NAN, LAM_SEPARATION_FLAT};
        return;
    }
    to->top_eigenvalue = row[FIT_TOP], to->training_t = row[FIT_T], to->held_out_t = NAN;
    for (int32_t f = 0; f < of->folds; f++) {
        row += fit_length(w);
        if (row[FIT_FOUND] == 0) to->flags |= LAM_SEPARATION_FOLD_FLAT;
        for (int64_t i = 0; i < of->rows.count; i++)
            if (of->fold[i] == f) w->held_score[i] = row[FIT_SCORES + i];
    }
    if (to->flags) return;
    if (!student(of->label, w->all, w->held_score, of->rows.count, &to->held_out_t)) {
        to->held_out_t = NAN;
        to->flags |= LAM_SEPARATION_FOLD_FLAT;
    }
}

lam_code lam_spectrum_separate(const lam_grid *grid, const lam_separation_rows *rows,
                               const lam_separation_rule *rule, lam_separation *separation,
                               const lam_team *team, lam_arena *arena, lam_error *error) {
    lam_arena fit = {0};
    separation_work w = {.grid = grid, .of = rows, .rule = rule, .fit = &fit, .error = error};
    *separation = (lam_separation){0};
    lam_code code = grid->agree(grid, make_separation(&w, arena), error);
    if (code == LAM_OK) code = grid->scatter(grid, rows->rows.x, &w.x, error);
    if (code == LAM_OK) code = fit_all(&w, team);
    if (code == LAM_OK) conclude(&w, separation);
    lam_arena_destroy(&fit);
    return code;
}
