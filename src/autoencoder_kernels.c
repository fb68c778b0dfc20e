#include "autoencoder_kernels.h"

#include "vector.h"

#include <string.h>

// One vector register of the widest set, whatever the machine has.
typedef float lanes __attribute__((vector_size(LAM_LANES * sizeof(float)), may_alias));

typedef int32_t lane_bits __attribute__((vector_size(LAM_LANES * sizeof(int32_t)), may_alias));

enum { TILE_LANES = LAM_COLUMN_TILE / LAM_LANES };

#define INLINE __attribute__((always_inline)) static inline

// f(n, ...) with n = columns in registers, a constant in each call so that its loops unroll.
#define WITH_CONSTANT_LANES(f, columns, ...)                                                       \
    switch ((columns) / LAM_LANES) {                                                               \
    case 1: f(1, __VA_ARGS__); break;                                                              \
    case 2: f(2, __VA_ARGS__); break;                                                              \
    case 3: f(3, __VA_ARGS__); break;                                                              \
    default: f(TILE_LANES, __VA_ARGS__); break;                                                    \
    }

INLINE float sum_of_lanes(const lanes *x)
{
    float part[LAM_LANES], sum = 0;
    memcpy(part, x, sizeof part);
    for (int half = LAM_LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) part[i] += part[i + half];
    sum = part[0];
    return sum;
}

// Bit g of word [lane] says that z[g * LAM_LANES + lane] is not zero. Four lanes' 16 bits make one
// 64-bit word, whose bits are then visited one by one.
LAM_VECTORISED
int64_t lam_autoencoder_relu(int64_t rows, const float *bias, float *z, lam_row_lists lists,
                             uint16_t *latent_active, double *sum)
{
    enum { GROUPS = LAM_LATENT_BLOCK / LAM_LANES };
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
        uint32_t word[LAM_LANES];
        memcpy(word, &words, sizeof word);
        uint8_t *latent = lists.latent + i * LAM_LATENT_BLOCK;
        float *value = lists.value + i * LAM_LATENT_BLOCK;
        uint16_t n = 0;
        for (int first = 0; first < LAM_LANES; first += 4) {
            uint64_t bits = word[first] | (uint64_t)word[first + 1] << 16 |
                            (uint64_t)word[first + 2] << 32 | (uint64_t)word[first + 3] << 48;
            for (; bits; bits &= bits - 1) {
                int bit = __builtin_ctzll(bits);
                int j = bit % 16 * LAM_LANES + first + bit / 16;
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

INLINE void decode_lanes(const int n, int64_t rows, lam_row_lists lists, const float *decoder,
                         int64_t decoder_stride, float *out, int64_t out_stride)
{
    for (int64_t i = 0; i < rows; i++) {
        const uint8_t *latent = lists.latent + i * LAM_LATENT_BLOCK;
        const float *value = lists.value + i * LAM_LATENT_BLOCK;
        lanes sum[TILE_LANES] = {0};
        for (int e = 0; e < lists.count[i]; e++) {
            const lanes *weight = (const lanes *)(decoder + latent[e] * decoder_stride);
            for (int v = 0; v < n; v++) sum[v] += weight[v] * value[e];
        }
        for (int v = 0; v < n; v++) ((lanes *)(out + i * out_stride))[v] = sum[v];
    }
}

LAM_VECTORISED
void lam_autoencoder_decode(int64_t rows, int64_t columns, lam_row_lists lists,
                            const float *decoder, int64_t decoder_stride, float *out,
                            int64_t out_stride)
{
    WITH_CONSTANT_LANES(decode_lanes, columns, rows, lists, decoder, decoder_stride, out,
                        out_stride)
}

LAM_VECTORISED
void lam_autoencoder_add(int64_t rows, int64_t columns, float *low, int64_t low_stride,
                         const float *high, int64_t high_stride)
{
    for (int64_t i = 0; i < rows; i++) {
        float *restrict to = low + i * low_stride;
        const float *restrict from = high + i * high_stride;
#pragma omp simd
        for (int64_t c = 0; c < columns; c++) to[c] += from[c];
    }
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
        for (int64_t c = 0; c < stride; c += LAM_COLUMN_TILE) {
            float *tile = tiles + c / LAM_COLUMN_TILE * tile_step + i * 2 * LAM_COLUMN_TILE;
            int64_t columns = stride - c < LAM_COLUMN_TILE ? stride - c : LAM_COLUMN_TILE;
            memcpy(tile, r + c, (size_t)columns * sizeof *tile);
            memcpy(tile + LAM_COLUMN_TILE, x + c, (size_t)columns * sizeof *tile);
        }
    }
    return squares;
}

// a . b, in two chains of additions so that neither waits for the other.
INLINE float dot(const float *a, const float *b, int64_t stride)
{
    const lanes *x = (const lanes *)a, *y = (const lanes *)b;
    const int64_t n = stride / LAM_LANES;
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

// The lines of one latent's parameters that the sparse update is about to touch, while it still
// computes: they lie in six arrays, too far apart for the machine to foresee.
INLINE void fetch_ahead(const lam_block_update *u, int64_t at, int64_t columns)
{
    for (int64_t c = 0; c < columns; c += 16) {
        __builtin_prefetch(u->encoder->value + at + c, 1);
        __builtin_prefetch(u->encoder->first + at + c, 1);
        __builtin_prefetch(u->encoder->second + at + c, 1);
        __builtin_prefetch(u->decoder->value + at + c, 1);
        __builtin_prefetch(u->decoder->first + at + c, 1);
        __builtin_prefetch(u->decoder->second + at + c, 1);
    }
}

INLINE void update_lanes(const int n, const lam_block_update *u, int64_t column,
                         const lam_latent_entry *entries, const int32_t *start, const float *tile)
{
    lanes pullback[TILE_LANES] = {0};
    for (int64_t j = 0; j < u->latents; j++) {
        const int64_t at = u->offset + j * u->stride + column;
        if (j + 1 < u->latents) fetch_ahead(u, at + u->stride, n * LAM_LANES);
        lanes decoder[TILE_LANES] = {0}, encoder[TILE_LANES] = {0};
        for (int32_t e = start[j]; e < start[j + 1]; e++) {
            const lanes *row = (const lanes *)(tile + (int64_t)entries[e].row * 2 * LAM_COLUMN_TILE);
            for (int v = 0; v < n; v++) decoder[v] += row[v] * entries[e].value;
            for (int v = 0; v < n; v++) encoder[v] += row[TILE_LANES + v] * entries[e].slope;
        }
        const lanes *weight = (const lanes *)(u->encoder->value + at);
        for (int v = 0; v < n; v++) pullback[v] += weight[v] * u->slope_sum[j];
        lam_adam_update(u->rates, (const float *)decoder, u->decoder, at, n * LAM_LANES);
        lam_adam_update(u->rates, (const float *)encoder, u->encoder, at, n * LAM_LANES);
    }
    for (int v = 0; v < n; v++) ((lanes *)(u->pullback + column))[v] += pullback[v];
}

LAM_VECTORISED
void lam_autoencoder_update_sparse(const lam_block_update *update, int64_t column, int64_t columns,
                                   const lam_latent_entry *entries, const int32_t *start,
                                   const float *tile)
{
    WITH_CONSTANT_LANES(update_lanes, columns, update, column, entries, start, tile)
}

LAM_VECTORISED
void lam_autoencoder_update_decoder(const lam_block_update *u, int64_t column, int64_t columns,
                                    const float *gradient)
{
    for (int64_t j = 0; j < u->latents; j++)
        lam_adam_update(u->rates, gradient + j * columns, u->decoder,
                        u->offset + j * u->stride + column, columns);
}

LAM_VECTORISED
void lam_autoencoder_update_encoder(const lam_block_update *u, int64_t column, int64_t columns,
                                    const float *gradient)
{
    for (int64_t j = 0; j < u->latents; j++) {
        const int64_t at = u->offset + j * u->stride + column;
        const float *restrict weight = u->encoder->value + at;
        float *restrict pullback = u->pullback + column;
#pragma omp simd
        for (int64_t c = 0; c < columns; c++) pullback[c] += weight[c] * u->slope_sum[j];
        lam_adam_update(u->rates, gradient + j * columns, u->encoder, at, columns);
    }
}
