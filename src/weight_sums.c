#include "weight_sums.h"

#include "vector.h"

#include <string.h>

// The natural logarithm of a normal number to 2 units in the last place: with m in [sqrt(1/2),
// sqrt(2)) and s = (m - 1) / (m + 1), ln m = 2 (s + s^3 / 3 + s^5 / 5 + ...), of which the first
// term left out is below 7e-10. Of 0 and subnormal numbers something near -88.
static inline float log_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int32_t power = (bits - 0x3F3504F3) >> 23; // 0x3F3504F3: sqrt(1/2)
    bits -= (int32_t)((uint32_t)power << 23);
    float m;
    memcpy(&m, &bits, sizeof m);
    float s = (m - 1.0f) / (m + 1.0f), square = s * s;
    float p = 2.0f / 9.0f;
    p = p * square + 2.0f / 7.0f;
    p = p * square + 2.0f / 5.0f;
    p = p * square + 2.0f / 3.0f;
    p = p * square + 2.0f;
    return (float)power * 0.693147181f + s * p;
}

// -sum of w ln w.
LAM_VECTORISED
static double entropy_of(const float *weight, int64_t keys) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < keys; i++) sum -= (double)(weight[i] * log_of(weight[i]));
    return sum;
}

void lam_weight_sums_add(lam_weight_sums *sums, const lam_view *view) {
    for (int64_t i = view->first_token == 0 ? 1 : 0; i < view->rows; i++) {
        const float *row = view->data + i * view->row_stride;
        int64_t token = view->first_token + i;
        sums->self += (double)row[token];
        sums->first += (double)row[0];
        sums->previous += (double)row[token - 1];
        sums->entropy += entropy_of(row, token + 1);
    }
}
