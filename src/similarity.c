#include "similarity.h"

#include "arena.h"
#include "vector.h"

#include <math.h>
#include <omp.h>
#include <stdbool.h>

// A tile of sums stays in registers while the columns pass; a block of strips stays in cache while
// the rows pass.
enum { TILE_ROWS = 6, STRIP = 8, STRIPS = 8, BLOCK = STRIP * STRIPS };
// The members of a team take so many rows in turn: the first have the most pairs.
enum { TURN_ROWS = 4 * TILE_ROWS };

LAM_VECTORISED
static double largest_of(const double *x, int64_t width) {
    double largest = 0;
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < width; i++) largest = fabs(x[i]) > largest ? fabs(x[i]) : largest;
    return largest;
}

LAM_VECTORISED
static double sum_of(const double *x, int64_t width) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++) sum += x[i];
    return sum;
}

LAM_VECTORISED
static double squares_of(const double *x, int64_t width) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++) sum += x[i] * x[i];
    return sum;
}

// Makes the row's length 1, after centring it if that is asked for; or all of it 0, and false,
// where it has no direction. Scaled by its largest value first: so no square overflows or vanishes,
// and a constant row is of ones, whose mean is exact.
static bool direct(double *x, int64_t width, bool centred) {
    const double scale = largest_of(x, width);
    if (scale == 0) return false;
    for (int64_t i = 0; i < width; i++) x[i] /= scale;
    const double mean = centred ? sum_of(x, width) / (double)width : 0;
    for (int64_t i = 0; i < width; i++) x[i] -= mean;
    const double length = sqrt(squares_of(x, width));
    for (int64_t i = 0; i < width && length > 0; i++) x[i] /= length;
    return length > 0;
}

// out[r][c] = sum over k of row[r][k] * strip[k][c]
LAM_VECTORISED
static void dot_tile(const double *const row[TILE_ROWS], const double *restrict strip,
                     int64_t width, double out[TILE_ROWS][STRIP]) {
    double sum[TILE_ROWS][STRIP] = {0};
    for (int64_t k = 0; k < width; k++)
        for (int r = 0; r < TILE_ROWS; r++)
#pragma omp simd
            for (int c = 0; c < STRIP; c++) sum[r][c] += row[r][k] * strip[k * STRIP + c];
    for (int r = 0; r < TILE_ROWS; r++)
        for (int c = 0; c < STRIP; c++) out[r][c] = sum[r][c];
}

// out[r][c] = root of the sum over k of (row[r][k] - strip[k][c])^2. Not by dot products: near rows
// would lose half their digits.
LAM_VECTORISED
static void distance_tile(const double *const row[TILE_ROWS], const double *restrict strip,
                          int64_t width, double out[TILE_ROWS][STRIP]) {
    double sum[TILE_ROWS][STRIP] = {0};
    for (int64_t k = 0; k < width; k++)
        for (int r = 0; r < TILE_ROWS; r++)
#pragma omp simd
            for (int c = 0; c < STRIP; c++) {
                const double difference = row[r][k] - strip[k * STRIP + c];
                sum[r][c] += difference * difference;
            }
    for (int r = 0; r < TILE_ROWS; r++)
        for (int c = 0; c < STRIP; c++) out[r][c] = sqrt(sum[r][c]);
}

typedef struct similarity_call {
    lam_similarity_kind kind;
    const double *x; // [rows, width]
    int64_t rows, width;
    double *pairs;
    const lam_team *team;
} similarity_call;

// packed [STRIPS, width, STRIP] = rows first .. first + BLOCK - 1, those there are, else 0.
static void pack(const similarity_call *call, int64_t first, double *packed) {
    for (int64_t j = 0; j < BLOCK; j++) {
        double *to = packed + j / STRIP * STRIP * call->width + j % STRIP;
        const bool there = first + j < call->rows;
        const double *from = call->x + (there ? first + j : 0) * call->width;
        for (int64_t k = 0; k < call->width; k++) to[k * STRIP] = there ? from[k] : 0;
    }
}

// The pairs (i .. i + TILE_ROWS - 1, j .. j + STRIP - 1) that there are.
static void tile(const similarity_call *call, int64_t i, int64_t j, const double *strip) {
    const double *row[TILE_ROWS];
    double value[TILE_ROWS][STRIP];
    for (int64_t r = 0; r < TILE_ROWS; r++)
        row[r] = call->x + (i + r < call->rows ? i + r : call->rows - 1) * call->width;
    (call->kind == LAM_EUCLIDEAN ? distance_tile : dot_tile)(row, strip, call->width, value);
    for (int64_t r = 0; r < TILE_ROWS && i + r < call->rows; r++)
        for (int64_t c = 0; c < STRIP && j + c < call->rows; c++)
            if (i + r < j + c) call->pairs[lam_pair_row(call->rows, i + r) + j + c] = value[r][c];
}

static bool is_own(const similarity_call *call, int64_t row) {
    return row / TURN_ROWS % call->team->members == call->team->member;
}

// All pairs of this member's rows with first .. first + BLOCK - 1.
static void block(const similarity_call *call, int64_t first, double *packed) {
    pack(call, first, packed);
    const int64_t end = first + BLOCK < call->rows ? first + BLOCK : call->rows;
    for (int64_t i = 0; i < end - 1; i += TILE_ROWS)
        for (int64_t j = first; j < end; j += STRIP)
            if (is_own(call, i) && i < j + STRIP - 1)
                tile(call, i, j, packed + (j - first) * call->width);
}

// What the members have of the pairs, to all.
static lam_code gather(const similarity_call *call, lam_arena *arena, lam_error *error) {
    const int64_t turns = (call->rows + TURN_ROWS - 1) / TURN_ROWS;
    size_t *start;
    LAM_ALLOC(start, arena, turns + 1, error);
    for (int64_t t = 0; t <= turns; t++) {
        const int64_t row = t < turns ? t * TURN_ROWS : call->rows;
        start[t] = (size_t)(lam_pair_row(call->rows, row) + row + 1) * sizeof *call->pairs;
    }
    return call->team->gather(call->team, call->pairs, turns, start, error);
}

static lam_code compare(const similarity_call *call, lam_arena *arena, lam_error *error) {
    const int64_t size = BLOCK * call->width, blocks = (call->rows + BLOCK - 1) / BLOCK;
    double *packed;
    LAM_ALLOC(packed, arena, omp_get_max_threads() * size, error);
#pragma omp parallel for schedule(dynamic)
    for (int64_t b = blocks - 1; b >= 0; b--) // the last ones are the longest
        block(call, b * BLOCK, packed + omp_get_thread_num() * size);
    return gather(call, arena, error);
}

lam_code lam_similarity(lam_similarity_kind kind, double *x, int64_t rows, int64_t width,
                        double *pairs, int64_t *undirected, const lam_team *team,
                        lam_error *error) {
    const similarity_call call = {kind, x, rows, width, pairs, team};
    lam_arena scratch = {0};
    int64_t without = 0;
    if (kind != LAM_EUCLIDEAN) {
#pragma omp parallel for schedule(static) reduction(+ : without)
        for (int64_t i = 0; i < rows; i++)
            without += !direct(x + i * width, width, kind == LAM_CORRELATION);
    }
    *undirected = without;
    const lam_code code = compare(&call, &scratch, error);
    lam_arena_destroy(&scratch);
    return code;
}
