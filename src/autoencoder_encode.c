// From rows to latents, by kind.
#include "autoencoder_work.h"
#include "product.h"

#include <math.h>
#include <string.h>

lam_code lam_autoencoder_product_failed(int code, lam_error *error) {
    if (code == LAM_OK) return LAM_OK;
    if (code == LAM_MEMORY)
        return lam_fail(error, LAM_MEMORY, "memory for a matrix product was refused");
    return lam_fail(error, LAM_INTERNAL, "a matrix product of the autoencoder was refused");
}

void lam_autoencoder_gather(lam_autoencoder *a, const float *rows, const int64_t *index,
                            int64_t count) {
    const int64_t width = a->options.width;
    const float *bias = a->decoder_bias.value;
#pragma omp parallel for schedule(static) num_threads(a->work->threads)
    for (int64_t i = 0; i < count; i++) {
        const float *row = rows + (index ? index[i] : i) * width;
        float *centred = a->work->centred + i * a->stride;
        for (int64_t c = 0; c < width; c++) centred[c] = row[c] - bias[c];
    }
}

// Everything of one piece that does not need other pieces: for the kinds that choose relu(p), for
// the others z and its lists.
static void activate(const lam_autoencoder *a, int64_t count, bool training, int64_t block,
                     int64_t i, int64_t rows) {
    const lam_autoencoder_work *w = a->work;
    const int64_t first = block * LAM_LATENT_BLOCK, latents = lam_autoencoder_latents_of(a, block);
    const int64_t row = i * LAM_ROW_PIECE, most = lam_autoencoder_most(a, latents, rows);
    const float *bias = a->encoder_bias.value + first;
    lam_piece *piece = lam_autoencoder_piece(a, &w->path[0], block, i);
    lam_piece *second = w->path[1].piece ? lam_autoencoder_piece(a, &w->path[1], block, i) : NULL;
    lam_autoencoder_kind kind = a->options.kind;
    if (kind == LAM_AUTOENCODER_BATCHTOPK && !training) kind = LAM_AUTOENCODER_JUMPRELU;
    if (kind == LAM_AUTOENCODER_RELU) {
        lam_autoencoder_activate(latents, row, rows, bias, most, piece);
        return;
    }
    lam_row_bits *near = w->near ? w->near + (block * w->pieces + i) * LAM_LATENT_BLOCK : NULL;
    for (int64_t j = 0; j < latents; j++) {
        float *z = piece->z + j * LAM_ROW_PIECE;
        if (kind == LAM_AUTOENCODER_JUMPRELU)
            lam_autoencoder_jump(rows, bias[j], a->threshold[first + j],
                                 (float)a->options.bandwidth, z, near ? near + j : NULL);
        else if (kind == LAM_AUTOENCODER_GATED)
            lam_autoencoder_gate(
                rows, bias[j], (float)exp((double)a->magnitude_scale.value[first + j]),
                a->magnitude_bias.value[first + j], z, second->z + j * LAM_ROW_PIECE);
        else
            lam_autoencoder_rectify(rows, bias[j], z);
        // Of a latent that may be found dead: where it is not chosen here, the second path may.
        if (kind != LAM_AUTOENCODER_GATED && second && training &&
            a->since_active[first + j] + count >= a->options.dead_after)
            memcpy(second->z + j * LAM_ROW_PIECE, z, LAM_ROW_PIECE * sizeof *z);
    }
    if (kind == LAM_AUTOENCODER_JUMPRELU || kind == LAM_AUTOENCODER_GATED)
        lam_autoencoder_list(latents, row, rows, most, piece);
    if (kind == LAM_AUTOENCODER_GATED && training)
        lam_autoencoder_list(latents, row, rows, most, second);
}

static lam_code encode_piece(const lam_autoencoder *a, int64_t count, bool training, int64_t block,
                             int64_t i) {
    const int64_t row = i * LAM_ROW_PIECE, rows = lam_least(count - row, LAM_ROW_PIECE);
    lam_product product = {
        .transpose_b = true,
        .m = lam_autoencoder_latents_of(a, block),
        .n = rows,
        .k = a->stride,
        .alpha = 1,
        .a = a->encoder + block * LAM_LATENT_BLOCK * a->stride,
        .a_stride = a->stride,
        .b = a->work->centred + row * a->stride,
        .b_stride = a->stride,
        .c = lam_autoencoder_piece(a, &a->work->path[0], block, i)->z,
        .c_stride = LAM_ROW_PIECE,
    };
    LAM_TRY(lam_product_block(&product));
    activate(a, count, training, block, i, rows);
    return LAM_OK;
}

static void sum_block(lam_autoencoder *a, int64_t count, int64_t block) {
    const lam_autoencoder_work *w = a->work;
    double active = 0, sum = 0, second = 0;
    for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++) {
        const lam_piece *piece = lam_autoencoder_piece(a, &w->path[0], block, i);
        const lam_piece *gate = lam_autoencoder_piece(a, &w->path[w->paths - 1], block, i);
        for (int64_t j = 0; j < lam_autoencoder_latents_of(a, block); j++) {
            active += piece->active[j];
            sum += piece->sum[j];
            second += gate->sum[j];
        }
    }
    double *values = w->block_values + (a->first_block + block) * (LAM_BLOCK_PULLBACK + a->stride);
    values[LAM_BLOCK_ACTIVE] = active;
    values[LAM_BLOCK_SUM] = sum;
    values[LAM_BLOCK_SECOND] = second;
}

lam_code lam_autoencoder_encode(lam_autoencoder *a, int64_t count, bool training,
                                lam_error *error) {
    const lam_autoencoder_options *o = &a->options;
    const int64_t pieces = lam_pieces(count, LAM_ROW_PIECE);
    int worst = LAM_OK;
    a->work->paths = o->kind == LAM_AUTOENCODER_GATED && training ? 2 : 1;
#pragma omp parallel for schedule(dynamic) reduction(max : worst) num_threads(a->work->threads)
    for (int64_t i = 0; i < a->own_blocks * pieces; i++) {
        int code = (int)encode_piece(a, count, training, i / pieces, i % pieces);
        worst = code > worst ? code : worst;
    }
    LAM_TRY(lam_autoencoder_product_failed(worst, error));
    if (o->kind == LAM_AUTOENCODER_TOPK || (o->kind == LAM_AUTOENCODER_BATCHTOPK && training))
        LAM_TRY(lam_autoencoder_choose(a, &a->work->path[0], count, o->k,
                                       o->kind == LAM_AUTOENCODER_BATCHTOPK, error));
    a->work->least_active = 0;
    if (o->kind == LAM_AUTOENCODER_BATCHTOPK && training)
        a->work->least_active = lam_autoencoder_least_chosen(a);
    for (int64_t block = 0; block < a->own_blocks; block++) sum_block(a, count, block);
    return LAM_OK;
}
