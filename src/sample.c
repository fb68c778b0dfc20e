#include "sample.h"

#include "vector.h"

#include <math.h>

double lam_sample_mean(const lam_sample *sample) {
    double sum = 0;
    for (int64_t i = 0; i < sample->size; i++) sum += (double)sample->count[i] * sample->value[i];
    return sum / (double)sample->total;
}

double lam_sample_variance(const lam_sample *sample) {
    if (sample->total < 2) return NAN;
    // Rounding of the mean would leave a trace of variance.
    if (sample->value[0] == sample->value[sample->size - 1]) return 0;
    double mean = lam_sample_mean(sample), sum = 0;
    for (int64_t i = 0; i < sample->size; i++) {
        double deviation = sample->value[i] - mean;
        sum += (double)sample->count[i] * deviation * deviation;
    }
    return sum / (double)(sample->total - 1);
}

LAM_VECTORISED
static double row_sum(const float *value, int64_t width) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++) sum += (double)value[i];
    return sum;
}

LAM_VECTORISED
static double row_squares(const float *value, int64_t width, double mean) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++)
        sum += ((double)value[i] - mean) * ((double)value[i] - mean);
    return sum;
}

void lam_moments_add(lam_moments *moments, const float *value, int64_t rows, int64_t width,
                     int64_t stride) {
    lam_moments part = {.count = rows * width};
    if (part.count == 0) return;
    for (int64_t i = 0; i < rows; i++) part.mean += row_sum(value + i * stride, width);
    part.mean /= (double)part.count;
    for (int64_t i = 0; i < rows; i++)
        part.squares += row_squares(value + i * stride, width, part.mean);
    lam_moments_join(moments, &part);
}

void lam_moments_join(lam_moments *moments, const lam_moments *other) {
    if (other->count == 0) return;
    double mine = (double)moments->count, theirs = (double)other->count;
    double apart = other->mean - moments->mean, share = theirs / (mine + theirs);
    moments->count += other->count;
    moments->mean += apart * share;
    moments->squares += other->squares + apart * apart * mine * share;
}

double lam_moments_deviation(const lam_moments *moments) {
    return moments->count < 2 ? NAN : sqrt(moments->squares / (double)(moments->count - 1));
}
