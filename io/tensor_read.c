#include "io/tensor_read.h"

#include "io/number.h"
#include "src/vector.h"

// TILE: rows and columns turned at a time, 16 kB of them in the first-level cache. PIECE: values
// hashed and then converted, in the second-level cache. WINDOW: bytes after which pages are
// dropped.
enum { TILE = 64, PIECE = 1 << 15, WINDOW = 1 << 22 };

#define WIDEN(name, type, to_bits)                                                                 \
    LAM_VECTORISED                                                                                 \
    static int64_t name(const unsigned char *from, int64_t count, float *to) {                     \
        int32_t bad = 0;                                                                           \
        _Pragma("omp simd reduction(+ : bad)") for (int64_t i = 0; i < count; i++) {               \
            type stored;                                                                           \
            memcpy(&stored, from + i * (int64_t)sizeof stored, sizeof stored);                     \
            uint32_t bits = to_bits(stored);                                                       \
            bad += (bits & 0x7F800000u) == 0x7F800000u;                                            \
            to[i] = lam_float_of_bits(bits);                                                       \
        }                                                                                          \
        return bad;                                                                                \
    }

// to[i] = value i; how many are not finite.
WIDEN(widen_f32, uint32_t, )
WIDEN(widen_f16, uint16_t, lam_bits_of_half)
WIDEN(widen_bf16, uint16_t, lam_bits_of_bfloat)

static int64_t widen(lam_dtype dtype, const unsigned char *from, int64_t count, float *to) {
    switch (dtype) {
    case LAM_DTYPE_F16:
        return widen_f16(from, count, to);
    case LAM_DTYPE_BF16:
        return widen_bf16(from, count, to);
    default:
        return widen_f32(from, count, to);
    }
}

// Some of count values that stand at place and after are not finite.
static void note_bad(lam_tensor_read *job, const float *values, int64_t count, int64_t place) {
    for (int64_t i = 0; i < count; i++) {
        if ((lam_bits_of_float(values[i]) & 0x7F800000u) != 0x7F800000u) continue;
        if (job->not_finite++ == 0 || place + i < job->first) job->first = place + i;
    }
}

// Values [start, start + count) of a tensor that is wanted as it is stored.
static void copy_piece(lam_tensor_read *job, const unsigned char *from, int64_t start,
                       int64_t count) {
    float *to = job->to + start;
    if (widen(job->tensor->dtype, from, count, to)) note_bad(job, to, count, start);
}

// The same where no value is wanted: all are looked at.
static void check_piece(lam_tensor_read *job, const unsigned char *from, int64_t start,
                        int64_t count) {
    float values[TILE * TILE];
    const int64_t size = (int64_t)lam_dtype_size(job->tensor->dtype);
    for (int64_t i = 0; i < count; i += TILE * TILE) {
        int64_t some = count - i < TILE * TILE ? count - i : TILE * TILE;
        if (widen(job->tensor->dtype, from + i * size, some, values))
            note_bad(job, values, some, start + i);
    }
}

// The column that stored row becomes in [in, out].
static int64_t column_of(const lam_tensor_read *job, int64_t row) {
    int64_t width = job->by_head;
    if (!width) return row;
    int64_t third = job->tensor->shape[0] / 3;
    return row / width % 3 * third + row / (3 * width) * width + row % width;
}

// Rows [row, row + rows) of [out, in], at most TILE and neighbours as columns too.
static void turn_rows(lam_tensor_read *job, const unsigned char *from, int64_t row, int64_t rows,
                      int64_t columns) {
    const lam_tensor *tensor = job->tensor;
    const int64_t size = (int64_t)lam_dtype_size(tensor->dtype), out = tensor->shape[0];
    float tile[TILE][TILE];
    for (int64_t start = 0; start < columns; start += TILE) {
        int64_t wide = columns - start < TILE ? columns - start : TILE;
        for (int64_t i = 0; i < rows; i++) {
            const unsigned char *values = from + (i * columns + start) * size;
            if (widen(tensor->dtype, values, wide, tile[i]))
                note_bad(job, tile[i], wide, (row + i) * columns + start);
        }
        float *to = job->to + start * out + column_of(job, row);
        for (int64_t j = 0; j < wide; j++)
            for (int64_t i = 0; i < rows; i++) to[j * out + i] = tile[i][j];
    }
}

// How many rows from row on can be turned at once.
static int64_t rows_at(const lam_tensor_read *job, int64_t row) {
    int64_t left = job->tensor->shape[0] - row;
    if (job->by_head) left = job->by_head - row % job->by_head;
    return left < TILE ? left : TILE;
}

// Hash first: it brings the bytes into the cache.
static void read_pieces(lam_tensor_read *job, lam_sha256 *hash) {
    const lam_tensor *tensor = job->tensor;
    const unsigned char *data = tensor->data;
    const size_t size = lam_dtype_size(tensor->dtype);
    const int64_t total = (int64_t)(tensor->bytes / size);
    const bool by_rows = job->to && (job->transposed || job->by_head);
    const int64_t columns = by_rows && tensor->dimensions == 2 ? tensor->shape[1] : 1;
    size_t dropped = 0, fetched = 0;
    for (int64_t start = 0; start < total;) {
        int64_t row = start / columns, rows = by_rows ? rows_at(job, row) : 0;
        int64_t count = by_rows ? rows * columns : total - start < PIECE ? total - start : PIECE;
        size_t done = (size_t)start * size, bytes = (size_t)count * size;
        if (done + bytes > fetched && fetched < tensor->bytes) {
            size_t ahead = tensor->bytes - fetched < WINDOW ? tensor->bytes - fetched : WINDOW;
            lam_safetensors_fetch(job->file, data + fetched, ahead);
            fetched += ahead;
        }
        if (hash) lam_sha256_update(hash, data + done, bytes);
        if (by_rows)
            turn_rows(job, data + done, row, rows, columns);
        else
            (job->to ? copy_piece : check_piece)(job, data + done, start, count);
        start += count;
        done += bytes;
        if (done - dropped >= WINDOW || start == total) {
            lam_safetensors_drop(job->file, data + dropped, done - dropped);
            dropped = done;
        }
    }
}

void lam_tensor_read_run(lam_tensor_read *job) {
    lam_sha256 *hash = job->hashed ? lam_sha256_create() : NULL;
    job->code = job->hashed && !hash ? LAM_MEMORY : LAM_OK;
    job->not_finite = 0;
    if (job->code != LAM_OK) return;
    read_pieces(job, hash);
    if (hash) lam_sha256_finish(hash, job->digest);
    if (job->not_finite) job->code = LAM_NUMERIC;
}
