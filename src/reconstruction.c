#include "reconstruction.h"

#include "vector.h"

#include <math.h>
#include <stdlib.h>

LAM_VECTORISED
void lam_fit_add(lam_fit *fit, int64_t width, const float *x, const float *y) {
    double squares = 0, xx = 0, xy = 0, yy = 0;
#pragma omp simd reduction(+ : squares, xx, xy, yy)
    for (int64_t c = 0; c < width; c++) {
        const double u = (double)x[c], v = (double)y[c];
        squares += (v - u) * (v - u);
        xx += u * u;
        xy += u * v;
        yy += v * v;
    }
    fit->squares += squares;
    fit->directed += xx > 0;
    fit->cosines += xx > 0 && yy > 0 ? xy / (sqrt(xx) * sqrt(yy)) : 0;
}

void lam_fit_join(lam_fit *fit, const lam_fit *other) {
    fit->squares += other->squares;
    fit->cosines += other->cosines;
    fit->directed += other->directed;
}

enum { COLUMNS = 16 };

// The squared differences of columns first .. first + columns - 1 from their means, by column.
// Taken from the first row on, so that columns of equal values give exactly 0.
static void spread_of(const float *rows, int64_t count, int64_t width, int64_t first,
                      int64_t columns, double *sum) {
    double mean[COLUMNS] = {0};
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < columns; c++)
            mean[c] += (double)rows[i * width + first + c] - (double)rows[first + c];
    for (int64_t c = 0; c < columns; c++) {
        mean[c] /= (double)count;
        sum[c] = 0;
    }
    for (int64_t i = 0; i < count; i++)
        for (int64_t c = 0; c < columns; c++) {
            double from_first = (double)rows[i * width + first + c] - (double)rows[first + c];
            sum[c] += (from_first - mean[c]) * (from_first - mean[c]);
        }
}

static lam_code spread(const float *rows, int64_t count, int64_t width, double *sum,
                       lam_error *error) {
    double *of_column = malloc((size_t)width * sizeof *of_column);
    if (!of_column)
        return lam_fail(error, LAM_MEMORY, "memory for the variance of %lld columns was refused",
                        (long long)width);
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < width; first += COLUMNS)
        spread_of(rows, count, width, first, width - first < COLUMNS ? width - first : COLUMNS,
                  of_column + first);
    *sum = 0;
    for (int64_t c = 0; c < width; c++) *sum += of_column[c];
    free(of_column);
    return LAM_OK;
}

// The strength of a latent: the mean of its values where it is active.
static double strength_of(const double values[2]) {
    return values[0] > 0 ? values[1] / values[0] : 0;
}

// density, l0, dead_share and density_activation.
static void measure_latents(const double *values, int64_t latents, int64_t count,
                            lam_autoencoder_measures *m) {
    double active = 0, dead = 0;
    double rarest = INFINITY, commonest = -INFINITY, weakest = INFINITY, strongest = -INFINITY;
    for (int64_t j = 0; j < latents; j++) {
        const double often = values[2 * j], strength = strength_of(values + 2 * j);
        active += often;
        dead += often == 0;
        rarest = fmin(rarest, often);
        commonest = fmax(commonest, often);
        weakest = fmin(weakest, strength);
        strongest = fmax(strongest, strength);
    }
    m->l0 = active / (double)count;
    m->density = m->l0 / (double)latents;
    m->dead_share = dead / (double)latents;
    if (!(rarest < commonest) || !(weakest < strongest)) {
        m->density_activation = NAN;
        m->flags |= LAM_MEASURE_FLAT;
        return;
    }
    double sum = 0;
    for (int64_t j = 0; j < latents; j++)
        sum += (values[2 * j] - rarest) / (commonest - rarest) *
               ((strength_of(values + 2 * j) - weakest) / (strongest - weakest));
    m->density_activation = sum / (double)latents;
}

lam_code lam_measure(const lam_fit *fit, const float *rows, int64_t count, int64_t width,
                     const double *values, int64_t latents, lam_autoencoder_measures *m,
                     lam_error *error) {
    double variation = 0;
    LAM_TRY(spread(rows, count, width, &variation, error));
    if (!isfinite(fit->squares) || !isfinite(variation)) {
        *m = (lam_autoencoder_measures){NAN, NAN, NAN, NAN, NAN, NAN, NAN, LAM_MEASURE_NOT_FINITE};
        return LAM_OK;
    }
    *m = (lam_autoencoder_measures){0};
    measure_latents(values, latents, count, m);
    m->mse = fit->squares / ((double)count * (double)width);
    m->fvu = variation > 0 ? fit->squares / variation : NAN;
    m->cosine = fit->directed > 0 ? fit->cosines / fit->directed : NAN;
    m->flags |= variation > 0 ? 0 : LAM_MEASURE_NO_VARIANCE;
    m->flags |= fit->directed > 0 ? 0 : LAM_MEASURE_NO_DIRECTION;
    return LAM_OK;
}
