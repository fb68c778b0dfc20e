#include "autoencoder_kernels.h"

#include "vector.h"

#include <math.h>
#include <string.h>

enum { LANES = 16, TAIL = LANES - 1 };

typedef int32_t lanes __attribute__((vector_size(LANES * sizeof(int32_t)), may_alias));

// What the kernels over whole registers read after the last row.
static void clear_tail(int64_t rows, float *z) {
    for (int64_t i = rows; i < ((rows + TAIL) & ~(int64_t)TAIL); i++) z[i] = 0;
}

LAM_VECTORISED
void lam_autoencoder_rectify(int64_t rows, float bias, float *z) {
#pragma omp simd
    for (int64_t i = 0; i < rows; i++) {
        const float p = z[i] + bias;
        z[i] = p < 0 ? 0 : p;
    }
    clear_tail(rows, z);
}

LAM_VECTORISED
void lam_autoencoder_jump(int64_t rows, float bias, float threshold, float bandwidth, float *z,
                          lam_row_bits *near) {
    int found = 0;
    const float half = bandwidth / 2;
    // Few are near: they are looked for one by one only where there are any.
#pragma omp simd reduction(| : found)
    for (int64_t i = 0; i < rows; i++) {
        z[i] += bias;
        found |= fabsf(z[i] - threshold) < half;
    }
    if (near) memset(near, 0, sizeof *near);
    for (int64_t i = 0; near && found && i < rows; i++)
        near->word[i / 32] |= (uint32_t)(fabsf(z[i] - threshold) < half) << i % 32;
#pragma omp simd
    for (int64_t i = 0; i < rows; i++) z[i] = z[i] <= threshold ? 0 : z[i];
    clear_tail(rows, z);
}

LAM_VECTORISED
void lam_autoencoder_gate(int64_t rows, float gate_bias, float scale, float bias, float *z,
                          float *gate) {
#pragma omp simd
    for (int64_t i = 0; i < rows; i++) {
        const float open = z[i] + gate_bias, magnitude = z[i] * scale + bias;
        gate[i] = open < 0 ? 0 : open;
        z[i] = open <= 0 || magnitude < 0 ? 0 : magnitude;
    }
    clear_tail(rows, z);
    clear_tail(rows, gate);
}

LAM_VECTORISED
void lam_autoencoder_count(int64_t latents, int64_t rows, const float *z, const uint32_t *base,
                           int shift, int32_t *count) {
    for (int64_t first = 0; first < rows; first += LANES) {
        lanes least[LAM_KEY_LEVELS], sum[LAM_KEY_LEVELS] = {0};
        for (int level = 0; level < LAM_KEY_LEVELS; level++)
            for (int i = 0; i < LANES; i++) {
                const uint32_t key = base[first + i] + ((uint32_t)(level + 1) << shift);
                least[level][i] = (int32_t)(key < LAM_KEY_MOST ? key : LAM_KEY_MOST);
            }
        for (int64_t j = 0; j < latents; j++) {
            const lanes key = *(const lanes *)(z + j * LAM_ROW_PIECE + first) & LAM_KEY_MOST;
#pragma GCC unroll 7
            for (int level = 0; level < LAM_KEY_LEVELS; level++) sum[level] -= key >= least[level];
        }
        for (int level = 0; level < LAM_KEY_LEVELS; level++)
            memcpy(count + level * LAM_ROW_PIECE + first, &sum[level], sizeof sum[level]);
    }
}

LAM_VECTORISED
void lam_autoencoder_keep(int64_t rows, const uint32_t *least, int32_t *quota, float *z) {
    for (int64_t first = 0; first < rows; first += LANES) {
        lanes *value = (lanes *)(z + first), *left = (lanes *)(quota + first);
        const lanes key = *value & LAM_KEY_MOST, edge = *(const lanes *)(least + first);
        const lanes tie = (key == edge) & (*left > 0);
        *left += tie;
        *value &= (key > edge) | tie;
    }
}
