// How well an autoencoder rebuilds its rows, and what its latents do: the measures that are the
// same for every kind.
#ifndef LAM_RECONSTRUCTION_H
#define LAM_RECONSTRUCTION_H

#include "error.h"

#include <stdint.h>

static inline int64_t lam_least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

// How many pieces of size make up count.
static inline int64_t lam_pieces(int64_t count, int64_t size) {
    return (count + size - 1) / size;
}

// Why a measure is undefined; it is NaN then.
typedef enum lam_measure_flag {
    LAM_MEASURE_NO_VARIANCE = 1,  // all rows are equal: no fvu
    LAM_MEASURE_NO_DIRECTION = 2, // every row is zero: no cosine
    LAM_MEASURE_FLAT = 4,         // all latents alike in density or strength: no density_activation
    LAM_MEASURE_NOT_FINITE = 8,   // rows or weights are not finite: nothing is defined
} lam_measure_flag;

typedef struct lam_autoencoder_measures {
    double density;    // share of latents > 0
    double l0;         // active latents a row, mean
    double mse;        // mean over rows and columns of (y - x)^2
    double fvu;        // sum of (y - x)^2 / sum of (x - mean of x by column)^2
    double cosine;     // mean of cos(x, y) over the rows that are not zero; 0 where y is zero
    double dead_share; // share of latents that are active in no row
    // Mean over latents of s(share of rows in which it is active) * s(mean of its values > 0),
    // where s scales each quantity over all latents to [0, 1], as in the published study.
    double density_activation;
    unsigned flags; // of lam_measure_flag
} lam_autoencoder_measures;

// Sums over rows x and what became of them, y.
typedef struct lam_fit {
    double squares; // of y - x
    double cosines;
    double directed; // rows that are not zero
} lam_fit;

void lam_fit_add(lam_fit *fit, int64_t width, const float *x, const float *y);
void lam_fit_join(lam_fit *fit, const lam_fit *other);

// The measures of an autoencoder on rows [count, width], count not 0: from the sums over all rows,
// and from values [latents, 2], in how many rows each latent was active and the sum of its values.
// LAM_MEMORY if that is refused.
LAM_CHECKED lam_code lam_measure(const lam_fit *fit, const float *rows, int64_t count,
                                 int64_t width, const double *values, int64_t latents,
                                 lam_autoencoder_measures *measures, lam_error *error);

#endif
