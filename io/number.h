// The 16-bit floating-point formats of checkpoints, in plain integer arithmetic that a compiler can
// put in vector lanes and that needs no special CPU.
#ifndef LAM_NUMBER_H
#define LAM_NUMBER_H

#include <stdint.h>
#include <string.h>

static inline float lam_float_of_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t lam_bits_of_float(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

// The F32 bits of an F16 (IEEE 754 binary16), exactly: subnormals, infinities and NaN too.
static inline uint32_t lam_bits_of_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, rest = half & 0x7FFFu;
    uint32_t normal = (rest << 13) + (112u << 23);
    // 1/2 + rest 2^-24 has the fraction in its low bits, and the difference is exact
    uint32_t subnormal = lam_bits_of_float(lam_float_of_bits(0x3F000000u | rest) - 0.5f);
    uint32_t finite = rest < 0x0400u ? subnormal : normal;
    return sign | (rest < 0x7C00u ? finite : 0x7F800000u | rest << 13);
}

// The F32 bits of a BF16: its upper half.
static inline uint32_t lam_bits_of_bfloat(uint16_t bfloat) {
    return (uint32_t)bfloat << 16;
}

// The nearest F16, ties to even; what is too large becomes an infinity.
static inline uint16_t lam_half_of_float(float value) {
    uint32_t bits = lam_bits_of_float(value), sign = bits >> 16 & 0x8000u,
             rest = bits & 0x7FFFFFFFu;
    uint32_t normal = (rest - (112u << 23) + 0x0FFFu + (rest >> 13 & 1u)) >> 13;
    // adding 1/2 leaves multiples of 2^-24, rounded to nearest even by the addition itself
    uint32_t subnormal = lam_bits_of_float(lam_float_of_bits(rest) + 0.5f) - 0x3F000000u;
    uint32_t finite = rest < 0x38800000u ? subnormal : normal;         // below 2^-14
    uint32_t special = rest > 0x7F800000u ? 0x7E00u : 0x7C00u;         // NaN or infinite
    return (uint16_t)(sign | (rest < 0x477FF000u ? finite : special)); // below 65520
}

// The nearest BF16, ties to even.
static inline uint16_t lam_bfloat_of_float(float value) {
    uint32_t bits = lam_bits_of_float(value);
    uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? bits >> 16 | 0x40u : rounded);
}

#endif
