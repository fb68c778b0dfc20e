// A weighted sample and its moments, in double precision.
#ifndef LAM_SAMPLE_H
#define LAM_SAMPLE_H

#include <stdint.h>

// Values in ascending order, each so many times.
typedef struct lam_sample {
    const double *value;  // [size]
    const int64_t *count; // [size], above 0
    int64_t size;
    int64_t total; // sum of count
} lam_sample;

// NaN where the sample is empty; the variance, with n - 1, also where it is of one value.
double lam_sample_mean(const lam_sample *sample);
double lam_sample_variance(const lam_sample *sample); // exactly 0 where all values are equal

// Count, mean and sum of squared deviations of numbers that come in parts.
typedef struct lam_moments {
    int64_t count;
    double mean, squares;
} lam_moments;

// Adds value [rows, width], row i at value + i * stride, in a fixed order: two passes over them,
// then joined to what is there (Chan, Golub and LeVeque 1983).
void lam_moments_add(lam_moments *moments, const float *value, int64_t rows, int64_t width,
                     int64_t stride);

void lam_moments_join(lam_moments *moments, const lam_moments *other);

// With n - 1; NaN below two values.
double lam_moments_deviation(const lam_moments *moments);

#endif
