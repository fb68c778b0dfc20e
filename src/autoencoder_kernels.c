#include "autoencoder_kernels.h"

#include "vector.h"

#include <string.h>

enum {
    LANES = 16,
    TILE = LAM_COLUMN_TILE,
    TILE_LANES = TILE / LANES,
    GROUPS = LAM_ROW_PIECE / LANES,
};

// One vector register of the widest set, whatever the machine has.
typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), may_alias));
typedef int32_t lane_bits __attribute__((vector_size(LANES * sizeof(int32_t)), may_alias));

// Bit g of word i says that row g * LANES + i is active.
typedef struct row_mask {
    uint32_t word[LANES];
} row_mask;

_Static_assert(GROUPS == 32, "a mask's words have a bit for each group of rows");

#define INLINE __attribute__((always_inline)) static inline

INLINE float sum_of_lanes(const lanes *x) {
    float part[LANES];
    memcpy(part, x, sizeof part);
    for (int half = LANES / 2; half; half /= 2)
        for (int i = 0; i < half; i++) part[i] += part[i + half];
    return part[0];
}

// relu of one latent's values; what lies after the last row counts as not active.
INLINE void relu(int64_t rows, float bias, float *z, row_mask *mask, int32_t *active, double *sum) {
    const int64_t groups = (rows + LANES - 1) / LANES;
    for (int64_t i = rows; i < groups * LANES; i++) z[i] = -__FLT_MAX__;
    lane_bits words = {0};
    double total = 0;
    for (int64_t g = 0; g < groups; g++) {
        lanes p = ((lanes *)z)[g] + bias;
        p = (lanes)((lane_bits)p & ~(p < 0)); // 0 where negative
        words |= (p != 0) & (int32_t)(1u << g);
        ((lanes *)z)[g] = p;
    }
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < rows; i++) total += (double)z[i];
    memcpy(mask, &words, sizeof *mask);
    int count = 0;
    for (int i = 0; i < LANES; i++) count += __builtin_popcount(mask->word[i]);
    *active = count;
    *sum = total;
}

// The same of values that are there, with 0 after the last row.
INLINE void mask_of(int64_t rows, const float *z, row_mask *mask, int32_t *active, double *sum) {
    const int64_t groups = (rows + LANES - 1) / LANES;
    lane_bits words = {0};
    double total = 0;
    for (int64_t g = 0; g < groups; g++) words |= (((const lanes *)z)[g] != 0) & (int32_t)(1u << g);
#pragma omp simd reduction(+ : total)
    for (int64_t i = 0; i < rows; i++) total += (double)z[i];
    memcpy(mask, &words, sizeof *mask);
    int count = 0;
    for (int i = 0; i < LANES; i++) count += __builtin_popcount(mask->word[i]);
    *active = count;
    *sum = total;
}

// Lists by latent from z, and the number of active latents of each row after its row's start.
INLINE void list_by_latent(int64_t latents, int64_t first_row, const row_mask *mask,
                           lam_piece *piece) {
    int32_t place = 0;
    memset(piece->row_start, 0, sizeof piece->row_start);
    for (int64_t j = 0; j < latents; j++) {
        const float *z = piece->z + j * LAM_ROW_PIECE;
        piece->latent_start[j] = place;
        for (int i = 0; i < LANES; i++)
            for (uint32_t word = mask[j].word[i]; word; word &= word - 1) {
                int row = __builtin_ctz(word) * LANES + i;
                piece->by_latent[place++] =
                    (lam_latent_entry){z[row], 0, (uint32_t)(first_row + row)};
                piece->row_start[row + 1]++;
            }
    }
    piece->latent_start[latents] = place;
}

INLINE void list_by_row(int64_t latents, int64_t first_row, lam_piece *piece) {
    int32_t next[LAM_ROW_PIECE];
    for (int i = 0; i < LAM_ROW_PIECE; i++) {
        next[i] = piece->row_start[i];
        piece->row_start[i + 1] += piece->row_start[i];
    }
    for (int64_t j = 0; j < latents; j++)
        for (int32_t e = piece->latent_start[j]; e < piece->latent_start[j + 1]; e++) {
            const lam_latent_entry *entry = &piece->by_latent[e];
            piece->by_row[next[entry->row - first_row]++] =
                (lam_row_entry){entry->value, (uint8_t)j, (uint32_t)e & 0xFFFFFF};
        }
}

LAM_VECTORISED
void lam_autoencoder_activate(int64_t latents, int64_t first_row, int64_t rows, const float *bias,
                              int64_t most, lam_piece *piece) {
    row_mask mask[LAM_LATENT_BLOCK];
    int64_t active = 0;
    for (int64_t j = 0; j < latents; j++) {
        relu(rows, bias[j], piece->z + j * LAM_ROW_PIECE, &mask[j], &piece->active[j],
             &piece->sum[j]);
        active += piece->active[j];
    }
    piece->sparse = active <= most && active <= LAM_PIECE_ENTRIES;
    if (!piece->sparse) return;
    list_by_latent(latents, first_row, mask, piece);
    list_by_row(latents, first_row, piece);
}

LAM_VECTORISED
void lam_autoencoder_list(int64_t latents, int64_t first_row, int64_t rows, int64_t most,
                          lam_piece *piece) {
    row_mask mask[LAM_LATENT_BLOCK];
    int64_t active = 0;
    for (int64_t j = 0; j < latents; j++) {
        mask_of(rows, piece->z + j * LAM_ROW_PIECE, &mask[j], &piece->active[j], &piece->sum[j]);
        active += piece->active[j];
    }
    piece->sparse = active <= most && active <= LAM_PIECE_ENTRIES;
    if (!piece->sparse) return;
    list_by_latent(latents, first_row, mask, piece);
    list_by_row(latents, first_row, piece);
}

enum { MOST_LANES = 2 * TILE_LANES };

// n registers' worth of columns.
INLINE void decode(const int n, const lam_piece *piece, int64_t first, int64_t rows,
                   const float *decoder, int64_t stride, bool add, float *out, int64_t out_stride) {
    for (int64_t i = 0; i < rows; i++) {
        const lam_row_entry *entry = piece->by_row + piece->row_start[first + i];
        const lam_row_entry *end = piece->by_row + piece->row_start[first + i + 1];
        lanes sum[MOST_LANES] = {0}, *to = (lanes *)(out + i * out_stride);
        for (; entry < end; entry++) {
            const lanes *weight = (const lanes *)(decoder + entry->latent * stride);
#pragma GCC unroll 8
            for (int v = 0; v < n; v++) sum[v] += weight[v] * entry->value;
        }
        for (int v = 0; add && v < n; v++) sum[v] += to[v];
        memcpy(to, sum, (size_t)n * sizeof *to);
    }
}

LAM_VECTORISED
void lam_autoencoder_decode(const lam_piece *piece, int64_t first, int64_t rows, int64_t columns,
                            const float *decoder, int64_t stride, bool add, float *out) {
    int64_t c = 0;
    for (; c + 2 * TILE <= columns; c += 2 * TILE)
        decode(2 * TILE_LANES, piece, first, rows, decoder + c, stride, add, out + c, columns);
    if (c < columns)
        decode(TILE_LANES, piece, first, rows, decoder + c, stride, add, out + c, columns);
}

LAM_VECTORISED
void lam_autoencoder_add(int64_t count, float *low, const float *high) {
    float *restrict to = low;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) to[i] += high[i];
}

LAM_VECTORISED
double lam_autoencoder_residual(int64_t rows, int64_t stride, float scale, const float *target,
                                const float *centred, float *residual, float *column_sum,
                                float *tiles, int64_t tile_step) {
    double squares = 0;
    memset(column_sum, 0, (size_t)stride * sizeof *column_sum);
    for (int64_t i = 0; i < rows; i++) {
        const float *x = target + i * stride;
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
            memcpy(tile + TILE, centred + i * stride + c, TILE * sizeof *tile);
        }
    }
    return squares;
}

// a . b, in four chains of additions so that none waits for another.
INLINE float dot(const float *a, const float *b, int64_t count) {
    lanes sum[TILE_LANES] = {0};
    for (int64_t c = 0; c < count; c += TILE)
#pragma GCC unroll 4
        for (int v = 0; v < TILE_LANES; v++)
            sum[v] += ((const lanes *)(a + c))[v] * ((const lanes *)(b + c))[v];
    sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    return sum_of_lanes(sum);
}

INLINE void slopes_sparse(lam_piece *piece, int64_t rows, int64_t stride, const float *residual,
                          const float *decoder, float penalty) {
    for (int64_t i = 0; i < rows; i++) {
        const lam_row_entry *entry = piece->by_row + piece->row_start[i];
        const lam_row_entry *end = piece->by_row + piece->row_start[i + 1];
        for (; entry < end; entry++) {
            float slope =
                dot(residual + i * stride, decoder + entry->latent * stride, stride) + penalty;
            piece->by_latent[entry->place].slope = slope;
            piece->slope_sum[entry->latent] += slope;
        }
    }
}

INLINE void slopes_dense(lam_piece *piece, int64_t latents, int64_t rows, float penalty) {
    for (int64_t j = 0; j < latents; j++) {
        const float *restrict z = piece->z + j * LAM_ROW_PIECE;
        float *restrict slope = piece->slopes + j * LAM_ROW_PIECE;
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < rows; i++) {
            slope[i] = z[i] != 0 ? slope[i] + penalty : 0;
            sum += slope[i];
        }
        piece->slope_sum[j] = sum;
    }
}

LAM_VECTORISED
void lam_autoencoder_slopes(lam_piece *piece, int64_t latents, int64_t rows, int64_t stride,
                            const float *residual, const float *decoder, float penalty) {
    memset(piece->slope_sum, 0, sizeof piece->slope_sum);
    if (piece->sparse)
        slopes_sparse(piece, rows, stride, residual, decoder, penalty);
    else
        slopes_dense(piece, latents, rows, penalty);
}

LAM_VECTORISED
void lam_autoencoder_near_slopes(const lam_piece *piece, const lam_row_bits *near, int64_t latents,
                                 int64_t stride, const float *residual, const float *decoder,
                                 double *sums) {
    for (int64_t j = 0; j < latents; j++) {
        double sum = 0, count = 0;
        for (int w = 0; w < LAM_ROW_PIECE / 32; w++)
            for (uint32_t word = near[j].word[w]; word; word &= word - 1) {
                const int64_t row = w * 32 + __builtin_ctz(word);
                sum += (double)(piece->sparse
                                    ? dot(residual + row * stride, decoder + j * stride, stride)
                                    : piece->slopes[j * LAM_ROW_PIECE + row]);
                count++;
            }
        sums[2 * j] = sum;
        sums[2 * j + 1] = count;
    }
}

double lam_autoencoder_dot(const lam_piece *piece, int64_t latent, int64_t rows) {
    double sum = 0;
    if (piece->sparse) {
        for (int32_t e = piece->latent_start[latent]; e < piece->latent_start[latent + 1]; e++)
            sum += (double)piece->by_latent[e].value * (double)piece->by_latent[e].slope;
        return sum;
    }
    const float *z = piece->z + latent * LAM_ROW_PIECE;
    const float *slope = piece->slopes + latent * LAM_ROW_PIECE;
    for (int64_t i = 0; i < rows; i++) sum += (double)z[i] * (double)slope[i];
    return sum;
}

void lam_autoencoder_scale(lam_piece *piece, int64_t latent, int64_t rows, float values,
                           float slopes) {
    if (piece->sparse) {
        for (int32_t e = piece->latent_start[latent]; e < piece->latent_start[latent + 1]; e++) {
            piece->by_latent[e].value *= values;
            piece->by_latent[e].slope *= slopes;
        }
        return;
    }
    float *z = piece->z + latent * LAM_ROW_PIECE, *slope = piece->slopes + latent * LAM_ROW_PIECE;
    for (int64_t i = 0; i < rows; i++) {
        z[i] *= values;
        slope[i] *= slopes;
    }
}

// The weights of a latent that will soon be updated: they lie too far apart for the machine to
// foresee them.
INLINE void fetch_ahead(const lam_tile_update *u, int64_t j) {
    for (int c = 0; c < TILE; c += 64 / (int)sizeof(float)) {
        __builtin_prefetch(u->encoder + j * u->stride + c, 1);
        __builtin_prefetch(u->decoder + j * u->stride + c, 1);
    }
}

// gradient += what one sparse piece gives to latent j.
INLINE void add_sparse(const lam_piece *piece, int64_t j, const float *tile, lanes *decoder,
                       lanes *encoder) {
    const lam_latent_entry *entry = piece->by_latent + piece->latent_start[j];
    const lam_latent_entry *end = piece->by_latent + piece->latent_start[j + 1];
    for (; entry < end; entry++) {
        const lanes *row = (const lanes *)(tile + (int64_t)entry->row * 2 * TILE);
#pragma GCC unroll 4
        for (int v = 0; v < TILE_LANES; v++) decoder[v] += row[v] * entry->value;
#pragma GCC unroll 4
        for (int v = 0; v < TILE_LANES; v++) encoder[v] += row[TILE_LANES + v] * entry->slope;
    }
}

LAM_VECTORISED
void lam_autoencoder_update(const lam_tile_update *u, int64_t pieces) {
    enum { AHEAD = 4 };
    lanes pullback[TILE_LANES] = {0};
    for (int64_t j = 0; j < u->latents; j++) {
        if (j + AHEAD < u->latents) fetch_ahead(u, j + AHEAD);
        lanes decoder[TILE_LANES] = {0}, encoder[TILE_LANES] = {0};
        if (u->encoder_gradient) {
            memcpy(decoder, u->decoder_gradient + j * u->gradient_stride, sizeof decoder);
            memcpy(encoder, u->encoder_gradient + j * u->gradient_stride, sizeof encoder);
        }
        for (int s = 0; s < u->sources; s++)
            for (int64_t p = 0; p < pieces; p++)
                if (u->source[s].piece[p].sparse)
                    add_sparse(&u->source[s].piece[p], j, u->source[s].tile, decoder, encoder);

        float *encoder_weight = u->encoder + j * u->stride;
        const lanes *decoder_weight = (const lanes *)(u->decoder + j * u->stride);
        for (int v = 0; u->along && v < TILE_LANES; v++)
            decoder[v] -= decoder_weight[v] * u->along[j];
        lam_moments *m = u->moments + j;
        for (int v = 0; v < TILE_LANES; v++)
            pullback[v] += ((lanes *)encoder_weight)[v] * u->slope_sum[j];
        lam_adam_update(u->rates, TILE, (float *)decoder, u->decoder + j * u->stride,
                        m->decoder_first, m->decoder_second);
        lam_adam_update(u->rates, TILE, (float *)encoder, encoder_weight, m->encoder_first,
                        m->encoder_second);
    }
    memcpy(u->pullback, pullback, sizeof pullback);
}
