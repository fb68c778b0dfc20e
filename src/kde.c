#include "kde.h"

#include "decimal.h"
#include "vector.h"

#include <math.h>
#include <string.h>

static const double cutoff = 9; // bandwidths: exp(-81 / 2) is 3e-18

bool lam_bandwidth_parse(const char *text, lam_bandwidth *bandwidth) {
    *bandwidth = (lam_bandwidth){.rule = LAM_SCOTT};
    if (strcmp(text, "scott") == 0) return true;
    bandwidth->rule = LAM_SILVERMAN;
    if (strcmp(text, "silverman") == 0) return true;
    bandwidth->rule = LAM_FIXED;
    // Beyond these the density itself would be beyond a double's range.
    return lam_real_parse(text, &bandwidth->fixed) && bandwidth->fixed >= 1e-30 &&
           bandwidth->fixed <= 1e30;
}

lam_kde_status lam_bandwidth_find(const lam_bandwidth *bandwidth, const lam_sample *sample,
                                  double *width) {
    double n = (double)sample->total;
    *width = NAN;
    if (sample->total < 2) return LAM_KDE_TOO_FEW;
    *width = bandwidth->fixed;
    if (bandwidth->rule == LAM_FIXED) return LAM_KDE_ESTIMATED;
    double factor = pow(bandwidth->rule == LAM_SCOTT ? n : n * 3 / 4, -0.2);
    *width = factor * sqrt(lam_sample_variance(sample));
    return *width > 0 ? LAM_KDE_ESTIMATED : LAM_KDE_NO_SPREAD;
}

// exp(x) for x in [-700, 0] to 1 unit in the last place: Cody and Waite's reduction, then Taylor's
// polynomial on [-ln 2 / 2, ln 2 / 2].
static inline double exp_of(double x) {
    const double shift = 0x1.8p52; // adding it leaves the nearest integer in the low bits
    double shifted = x * 1.4426950408889634 + shift;
    int64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    double n = shifted - shift;
    double f = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
    double p = 1.0 / 479001600;
    p = p * f + 1.0 / 39916800;
    p = p * f + 1.0 / 3628800;
    p = p * f + 1.0 / 362880;
    p = p * f + 1.0 / 40320;
    p = p * f + 1.0 / 5040;
    p = p * f + 1.0 / 720;
    p = p * f + 1.0 / 120;
    p = p * f + 1.0 / 24;
    p = p * f + 1.0 / 6;
    p = p * f + 0.5;
    p = p * f + 1.0;
    p = p * f + 1.0;
    int64_t power = (int64_t)((uint64_t)(bits - 0x4338000000000000 + 1023) << 52);
    double scale;
    memcpy(&scale, &power, sizeof scale);
    return p * scale;
}

// Sum of count exp(-((at - value) / bandwidth)^2 / 2).
LAM_VECTORISED
static double kernel_sum(const double *value, const double *count, int64_t size, double at,
                         double inverse) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < size; i++) {
        double z = (at - value[i]) * inverse;
        sum += count[i] * exp_of(-0.5 * z * z);
    }
    return sum;
}

// Kernels: where, and how many values each stands for.
typedef struct kernels {
    double *value, *count; // [size]
    int64_t size;
} kernels;

// The first kernel at or above x.
static int64_t first_above(const kernels *k, double x) {
    int64_t low = 0, high = k->size;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (k->value[middle] < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static double sum_at(const kernels *k, double at, double bandwidth) {
    int64_t first = first_above(k, at - cutoff * bandwidth);
    int64_t end = first_above(k, at + cutoff * bandwidth);
    return kernel_sum(k->value + first, k->count + first, end - first, at, 1 / bandwidth);
}

// Runs of values no further apart than reach, from the lowest up, become one kernel each.
static lam_code gather(const lam_sample *sample, double reach, kernels *k, lam_arena *arena,
                       lam_error *error) {
    LAM_ALLOC(k->value, arena, sample->size, error);
    LAM_ALLOC(k->count, arena, sample->size, error);
    for (int64_t i = 0, next; i < sample->size; i = next) {
        double low = sample->value[i], count = 0, above = 0;
        for (next = i; next < sample->size && sample->value[next] - low <= reach; next++) {
            count += (double)sample->count[next];
            above += (double)sample->count[next] * (sample->value[next] - low);
        }
        k->value[k->size] = low + above / count;
        k->count[k->size++] = count;
    }
    return LAM_OK;
}

lam_code lam_kde_evaluate(const lam_sample *sample, double bandwidth, bool exact,
                          const lam_kde_ends *ends, const double *at, int64_t points,
                          double *density, lam_arena *arena, lam_error *error) {
    kernels k = {0};
    LAM_TRY(gather(sample, exact ? 0 : bandwidth / 64, &k, arena, error));
    const double height = 0.3989422804014327 / bandwidth / (double)sample->total; // 1/sqrt(2 pi)
#pragma omp parallel for schedule(dynamic, 8)
    for (int64_t i = 0; i < points; i++) {
        double sum = sum_at(&k, at[i], bandwidth);
        if (ends->reflected)
            sum += sum_at(&k, 2 * ends->low - at[i], bandwidth) +
                   sum_at(&k, 2 * ends->high - at[i], bandwidth);
        density[i] = height * sum;
    }
    return LAM_OK;
}
