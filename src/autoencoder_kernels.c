#include "autoencoder_kernels.h"

#include "vector.h"

#include <string.h>

enum { LANES = 16, TILE = LAM_COLUMN_TILE, TILE_LANES = TILE / LANES };
// One vector register of the widest set, whatever the machine has.
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), may_alias));

typedef int32_t lane_bits __attribute__((vector_size(LANES * sizeof(int32_t)), may_alias));

#define INLINE __attribute__((always_inline)) static inline

INLINE float sum_of_lanes(const lanes *x)
{
    float part[LANES], sum = 0;
    memcpy(part, x, sizeof part);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) part[i] += part[i + half];
    sum = part[0];
    return sum;
}

// Bit g of word [lane] says that z[g * LANES + lane] is not zero. Four lanes' 16 bits make one
// 64-bit word, whose bits are then visited one by one.
LAM_VECTORISED
int64_t lam_autoencoder_relu(int64_t rows, const float *bias, float *z, lam_row_lists lists,
                             uint16_t *latent_active, double *sum)
{
    enum { GROUPS = LAM_LATENT_BLOCK / LANES };
    int64_t active = 0;
    double total = 0;
    memset(latent_active, 0, LAM_LATENT_BLOCK * sizeof *latent_active);
    for (int64_t i = 0; i < rows; i++) {
        float *row = z + i * LAM_LATENT_BLOCK;
        lane_bits words = {0};
        for (int g = 0; g < GROUPS; g++) {
            lanes p = ((lanes *)row)[g] + ((const lanes *)bias)[g];
            p = (lanes)((lane_bits)p & ~(p < 0)); // 0 where negative
            words |= (p != 0) & (1 << g);
            ((lanes *)row)[g] = p;
        }
        uint32_t word[LANES];
        memcpy(word, &words, sizeof word);
        uint8_t *latent = lists.latent + i * LAM_LATENT_BLOCK;
        float *value = lists.value + i * LAM_LATENT_BLOCK;
        uint16_t n = 0;
        for (int first = 0; first < LANES; first += 4) {
            uint64_t bits = word[first] | (uint64_t)word[first + 1] << 16 |
                            (uint64_t)word[first + 2] << 32 | (uint64_t)word[first + 3] << 48;
            for (; bits; bits &= bits - 1) {
                int bit = __builtin_ctzll(bits);
                int j = bit % 16 * LANES + first + bit / 16;
                latent[n] = (uint8_t)j;
                value[n++] = row[j];
                latent_active[j]++;
                total += (double)row[j];
            }
        }
        lists.count[i] = n;
        active += n;
    }
    *sum = total;
    return active;
}

LAM_VECTORISED
void lam_autoencoder_decode(int64_t rows, int64_t latents, lam_row_lists lists,
                            const float *decoder, int64_t stride, float *packed, float *out,
                            int64_t out_stride)
{
    for (int64_t j = 0; j < latents; j++)
        memcpy(packed + j * TILE, decoder + j * stride, TILE * sizeof *packed);
    for (int64_t i = 0; i < rows; i++) {
        const uint8_t *latent = lists.latent + i * LAM_LATENT_BLOCK;
        const float *value = lists.value + i * LAM_LATENT_BLOCK;
        lanes sum[TILE_LANES] = {0};
        for (int e = 0; e < lists.count[i]; e++) {
            const lanes *weight = (const lanes *)(packed + latent[e] * TILE);
            for (int v = 0; v < TILE_LANES; v++) sum[v] += weight[v] * value[e];
        }
        for (int v = 0; v < TILE_LANES; v++) ((lanes *)(out + i * out_stride))[v] = sum[v];
    }
}

LAM_VECTORISED
void lam_autoencoder_add(int64_t count, float *low, const float *high)
{
    float *restrict to = low;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) to[i] += high[i];
}

LAM_VECTORISED
double lam_autoencoder_residual(int64_t rows, int64_t stride, float scale, const float *centred,
                                float *residual, float *column_sum, float *tiles,
                                int64_t tile_step)
{
    double squares = 0;
    memset(column_sum, 0, (size_t)stride * sizeof *column_sum);
    for (int64_t i = 0; i < rows; i++) {
        const float *restrict x = centred + i * stride;
        float *restrict r = residual + i * stride;
#pragma omp simd reduction(+ : squares)
        for (int64_t c = 0; c < stride; c++) {
            float difference = r[c] - x[c];
            squares += (double)difference * (double)difference;
            r[c] = difference * scale;
            column_sum[c] += r[c];
        }
        for (int64_t c = 0; c < stride; c += TILE) {
            float *tile = tiles + c / TILE * tile_step + i * 2 * TILE;
            memcpy(tile, r + c, TILE * sizeof *tile);
            memcpy(tile + TILE, x + c, TILE * sizeof *tile);
        }
    }
    return squares;
}

// a . b, in two chains of additions so that neither waits for the other.
INLINE float dot(const float *a, const float *b, int64_t stride)
{
    const lanes *x = (const lanes *)a, *y = (const lanes *)b;
    const int64_t n = stride / LANES;
    lanes even = {0}, odd = {0}, even2 = {0}, odd2 = {0};
    int64_t v = 0;
    for (; v + 4 <= n; v += 4) {
        even += x[v] * y[v];
        odd += x[v + 1] * y[v + 1];
        even2 += x[v + 2] * y[v + 2];
        odd2 += x[v + 3] * y[v + 3];
    }
    for (; v < n; v++) even += x[v] * y[v];
    even += odd;
    even2 += odd2;
    even += even2;
    return sum_of_lanes(&even);
}

LAM_VECTORISED
void lam_autoencoder_slopes(int64_t rows, int64_t first_row, int64_t stride, lam_row_lists lists,
                            const float *residual, const float *decoder, float penalty,
                            lam_latent_entry *entries, int32_t *next, float *slope_sum)
{
    for (int64_t i = 0; i < rows; i++) {
        const uint8_t *latent = lists.latent + i * LAM_LATENT_BLOCK;
        const float *value = lists.value + i * LAM_LATENT_BLOCK;
        for (int e = 0; e < lists.count[i]; e++) {
            int j = latent[e];
            float slope = dot(residual + i * stride, decoder + j * stride, stride) + penalty;
            slope_sum[j] += slope;
            entries[next[j]++] = (lam_latent_entry){(uint32_t)(first_row + i), value[e], slope};
        }
    }
}

LAM_VECTORISED
void lam_autoencoder_mask(int64_t rows, const float *z, float penalty, float *slope,
                          float *slope_sum)
{
    for (int64_t i = 0; i < rows; i++) {
        float *restrict row = slope + i * LAM_LATENT_BLOCK;
        const float *restrict active = z + i * LAM_LATENT_BLOCK;
#pragma omp simd
        for (int j = 0; j < LAM_LATENT_BLOCK; j++) {
            row[j] = active[j] != 0 ? row[j] + penalty : 0;
            slope_sum[j] += row[j];
        }
    }
}

// The weights of a latent that will soon be updated: they lie too far apart for the machine to
// foresee them.
INLINE void fetch_ahead(const lam_tile_update *u, int64_t j)
{
    for (int c = 0; c < TILE; c += 64 / (int)sizeof(float)) {
        __builtin_prefetch(u->encoder + j * u->stride + c, 1);
        __builtin_prefetch(u->decoder + j * u->stride + c, 1);
    }
}

INLINE void step_latent(const lam_tile_update *u, int64_t j, const float *encoder_gradient,
                        const float *decoder_gradient, lanes *pullback)
{
    float *encoder = u->encoder + j * u->stride, *decoder = u->decoder + j * u->stride;
    lam_moments *m = u->moments + j;
    for (int v = 0; v < TILE_LANES; v++) pullback[v] += ((lanes *)encoder)[v] * u->slope_sum[j];
    lam_adam_update(u->rates, TILE, decoder_gradient, decoder, m->decoder_first,
                    m->decoder_second);
    lam_adam_update(u->rates, TILE, encoder_gradient, encoder, m->encoder_first,
                    m->encoder_second);
}

LAM_VECTORISED
void lam_autoencoder_update_sparse(const lam_tile_update *u, const lam_latent_entry *entries,
                                   const int32_t *start, const float *tile)
{
    enum { AHEAD = 4 };
    lanes pullback[TILE_LANES] = {0};
    for (int64_t j = 0; j < u->latents; j++) {
        if (j + AHEAD < u->latents) fetch_ahead(u, j + AHEAD);
        lanes decoder[TILE_LANES] = {0}, encoder[TILE_LANES] = {0};
        for (int32_t e = start[j]; e < start[j + 1]; e++) {
            const lanes *row = (const lanes *)(tile + (int64_t)entries[e].row * 2 * TILE);
            for (int v = 0; v < TILE_LANES; v++) decoder[v] += row[v] * entries[e].value;
            for (int v = 0; v < TILE_LANES; v++)
                encoder[v] += row[TILE_LANES + v] * entries[e].slope;
        }
        step_latent(u, j, (const float *)encoder, (const float *)decoder, pullback);
    }
    memcpy(u->pullback, pullback, sizeof pullback);
}

LAM_VECTORISED
void lam_autoencoder_update_dense(const lam_tile_update *u, const float *encoder_gradient,
                                  const float *decoder_gradient, int64_t gradient_stride)
{
    lanes pullback[TILE_LANES] = {0};
    for (int64_t j = 0; j < u->latents; j++)
        step_latent(u, j, encoder_gradient + j * gradient_stride,
                    decoder_gradient + j * gradient_stride, pullback);
    memcpy(u->pullback, pullback, sizeof pullback);
}
