// Elementary functions in single precision that a compiler can put in vector lanes: plain
// arithmetic, no calls, no branches, so that they give the same bits in every lane and thread.
#ifndef LAM_VECTOR_MATH_H
#define LAM_VECTOR_MATH_H

#include <stdint.h>
#include <string.h>

// exp(x) to 2 units in the last place on [-87, highest], highest at most 88; x is clamped to that
// range, so that the result is never zero, subnormal or infinite. Cody and Waite's reduction, then
// a polynomial fitted to 2^f on [-1/2, 1/2] (relative error 4e-9).
static inline float lam_exp_clamped(float x, float highest) {
    x = x < -87.0f ? -87.0f : x;
    x = x > highest ? highest : x;
    const float shift =
        12582912.0f; // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
    float shifted = x * 1.44269504f + shift;
    uint32_t bits; // unsigned, as those of a NaN may be any
    memcpy(&bits, &shifted, sizeof bits);
    float n = shifted - shift;
    // ln 2 in two parts: the remainder keeps its low bits
    float f = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    f *= 1.44269504f;
    float p = 1.53325013e-4f;
    p = p * f + 1.33947066e-3f;
    p = p * f + 9.61849107e-3f;
    p = p * f + 5.55034227e-2f;
    p = p * f + 2.40226474e-1f;
    p = p * f + 6.93147199e-1f;
    p = p * f + 1.0f;
    uint32_t power = (bits - 0x4B400000u + 127u) << 23;
    float scale;
    memcpy(&scale, &power, sizeof scale);
    return p * scale;
}

static inline float lam_exp(float x) {
    return lam_exp_clamped(x, 88.0f);
}

// x * Phi(x), Phi the normal distribution: GELU (Hendrycks and Gimpel 2016, eq. 1). The tail
// erfc(t) exp(t^2) is a polynomial in 1 / (1 + 0.4 t), fitted on t in [0, 10] (relative error
// 1.3e-7, the form of Abramowitz and Stegun 7.1.26).
static inline float lam_gelu(float x) {
    float t = (x < 0.0f ? -x : x) * 0.707106781f;
    float s = 1.0f / (1.0f + 0.4f * t);
    float p = 3.32162287e-2f;
    p = p * s - 9.69973256e-2f;
    p = p * s - 1.65823647e-2f;
    p = p * s + 2.19605727e-1f;
    p = p * s - 2.70510442e-2f;
    p = p * s + 2.48964718e-1f;
    p = p * s + 1.83385401e-1f;
    p = p * s + 2.30238073e-1f;
    p = p * s + 2.25199529e-1f;
    p = p * s + 2.11847067e-5f;
    float tail = 0.5f * p * lam_exp(-t * t);
    return x * (x < 0.0f ? tail : 1.0f - tail);
}

// GELU by tanh (Hendrycks and Gimpel 2016, section 2): x (1 + tanh(u)) / 2 = x / (1 + exp(-2 u)).
// The exponent stops at 60, where the value is below 1e-25 x: compilers divide in all lanes by the
// largest denominator too, and a subnormal quotient, dropped or not, costs a hundred cycles.
static inline float lam_gelu_tanh(float x) {
    float u = 0.7978845608f * x * (1.0f + 0.044715f * x * x);
    return x / (1.0f + lam_exp_clamped(-2.0f * u, 60.0f));
}

#endif
