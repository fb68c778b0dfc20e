#include "logistic_lanes.h"

#include "vector.h"

#include <math.h>

typedef int64_t lane_bits __attribute__((vector_size(LAM_LANES * sizeof(int64_t)), may_alias));

// The log-likelihood multiplies the terms 1 + exp(-|m|), each at most 2, of so many rows before it
// takes a logarithm.
enum { ROWS_A_LOGARITHM = 512 };

#define INLINE __attribute__((always_inline)) static inline

// *y = exp(x) for x <= 0, clamped at -708, to 1 unit in the last place. Cody and Waite's reduction
// by ln 2 in two parts; then 1 + f + f^2 q(f), q the Chebyshev fit of degree 9 on |f| <= ln 2 / 2
// (relative error 1.6e-17 of the whole).
INLINE void exp_lanes(const lam_lanes *x, lam_lanes *y) {
    static const double q[] = {0x1.0000000000001p-1,  0x1.5555555555556p-3,  0x1.5555555553d63p-5,
                               0x1.11111111109b3p-7,  0x1.6c16c1788bd90p-10, 0x1.a01a01a7c41d5p-13,
                               0x1.a019b90d2ae7ap-16, 0x1.71de0dae63bb3p-19, 0x1.289185613a3d6p-22,
                               0x1.af38a9b0ec855p-26};
    const double shift = 0x1.8p52; // adding it leaves the nearest integer in the low bits
    lane_bits within = *x > -708.0;
    lam_lanes least = {0};
    least -= 708.0;
    lam_lanes from = (lam_lanes)(((lane_bits)*x & within) | ((lane_bits)least & ~within));
    lam_lanes shifted = from * 0x1.71547652b82fep0 + shift;
    lam_lanes n = shifted - shift;
    lam_lanes f = (from - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
    lam_lanes p = f * q[9] + q[8];
#pragma GCC unroll 8
    for (int i = 7; i >= 0; i--) p = p * f + q[i];
    p = p * (f * f) + f + 1.0;
    lane_bits power = ((lane_bits)shifted + 1023) << 52;
    *y = p * (lam_lanes)power;
}

INLINE void sum(const lam_lanes *x, const double *sign, int64_t rows, const lam_lanes *intercept,
                const lam_lanes *slope, bool moments, lam_logistic_sums *sums) {
    const lam_lanes a = *intercept, b = *slope;
    const lane_bits no_sign = (lane_bits){0} + INT64_MAX;
    const lam_lanes zero = {0};
    lam_lanes score0 = zero, score1 = zero, info0 = zero, info1 = zero, info2 = zero;
    lam_lanes moment0 = zero, moment1 = zero, moment2 = zero, moment3 = zero;
    lam_lanes likelihood = zero;
    for (int64_t first = 0; first < rows; first += ROWS_A_LOGARITHM) {
        int64_t end = rows - first < ROWS_A_LOGARITHM ? rows : first + ROWS_A_LOGARITHM;
        lam_lanes product = zero + 1.0;
        for (int64_t i = first; i < end; i++) {
            // m is eta towards the right side: 1 - 1 / (1 + exp(-m)) is the residual's size, and
            // log(1 + exp(-m)) = max(-m, 0) + log(1 + exp(-|m|)).
            lam_lanes m = (a + b * x[i]) * sign[i];
            lam_lanes size = (lam_lanes)((lane_bits)m & no_sign), down = -size, e;
            exp_lanes(&down, &e);
            lam_lanes t = e + 1.0, nearer = 1.0 / t, farther = e * nearer;
            product *= t;
            lane_bits right = m > zero;
            likelihood += (lam_lanes)((lane_bits)m & ~right);
            lam_lanes residual =
                (lam_lanes)(((lane_bits)farther & right) | ((lane_bits)nearer & ~right));
            lam_lanes g = residual * sign[i], w = nearer * farther, wx = w * x[i];
            score0 += g;
            score1 += g * x[i];
            info0 += w;
            info1 += wx;
            info2 += wx * x[i];
            if (!moments) continue;
            lam_lanes v = w * ((residual - 0.5) * sign[i]), vx = v * x[i], vxx = vx * x[i];
            moment0 += v;
            moment1 += vx;
            moment2 += vxx;
            moment3 += vxx * x[i];
        }
        for (int k = 0; k < LAM_LANES; k++) likelihood[k] -= log(product[k]);
    }
    *sums = (lam_logistic_sums){.log_likelihood = likelihood,
                                .score = {score0, score1},
                                .information = {info0, info1, info2},
                                .moment = {moment0, moment1, moment2, moment3}};
}

LAM_VECTORISED
static void sum_plain(const lam_lanes *x, const double *sign, int64_t rows,
                      const lam_lanes *intercept, const lam_lanes *slope, lam_logistic_sums *sums) {
    sum(x, sign, rows, intercept, slope, false, sums);
}

LAM_VECTORISED
static void sum_moments(const lam_lanes *x, const double *sign, int64_t rows,
                        const lam_lanes *intercept, const lam_lanes *slope,
                        lam_logistic_sums *sums) {
    sum(x, sign, rows, intercept, slope, true, sums);
}

void lam_logistic_sum(const lam_lanes *x, const double *sign, int64_t rows,
                      const lam_lanes *intercept, const lam_lanes *slope, bool moments,
                      lam_logistic_sums *sums) {
    (moments ? sum_moments : sum_plain)(x, sign, rows, intercept, slope, sums);
}

LAM_VECTORISED
void lam_logistic_hits(const lam_lanes *x, const double *sign, int64_t rows,
                       const lam_lanes *intercept, const lam_lanes *slope, lam_lanes *hits) {
    const lam_lanes zero = {0}, a = *intercept, b = *slope;
    lane_bits count = {0};
    for (int64_t i = 0; i < rows; i++) {
        lane_bits above = a + b * x[i] > zero; // -1 where true
        count -= sign[i] > 0 ? above : ~above;
    }
    for (int k = 0; k < LAM_LANES; k++) (*hits)[k] = (double)count[k];
}

LAM_VECTORISED
void lam_logistic_look(const lam_lanes *x, const double *sign, int64_t rows,
                       lam_logistic_range *range) {
    const lam_lanes zero = {0};
    for (int c = 0; c < 2; c++) {
        lam_lanes least = zero + INFINITY, most = zero - INFINITY, total = zero;
        for (int64_t i = 0; i < rows; i++) {
            if ((sign[i] > 0) != c) continue;
            lane_bits less = x[i]<least, more = x[i]> most;
            least = (lam_lanes)(((lane_bits)x[i] & less) | ((lane_bits)least & ~less));
            most = (lam_lanes)(((lane_bits)x[i] & more) | ((lane_bits)most & ~more));
            total += x[i];
        }
        range->least[c] = least, range->most[c] = most, range->total[c] = total;
    }
}

LAM_VECTORISED
void lam_logistic_spread(const lam_lanes *x, int64_t rows, const lam_lanes *mean,
                         lam_lanes *squares) {
    const lam_lanes middle = *mean;
    lam_lanes total = {0};
    for (int64_t i = 0; i < rows; i++) total += (x[i] - middle) * (x[i] - middle);
    *squares = total;
}
