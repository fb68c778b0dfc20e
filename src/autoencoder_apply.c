// What a trained autoencoder makes of rows, and what it is made of.
#include "autoencoder_work.h"

#include <string.h>

// latents [count, own_latents] of one piece of a block.
static void unpack(const lam_autoencoder *a, const lam_piece *piece, int64_t block, int64_t rows,
                   float *latents) {
    const int64_t own = a->own_latents, count = lam_autoencoder_latents_of(a, block);
    float *to = latents + block * LAM_LATENT_BLOCK;
    for (int64_t i = 0; i < rows; i++) {
        if (!piece->sparse) {
            for (int64_t j = 0; j < count; j++) to[i * own + j] = piece->z[j * LAM_ROW_PIECE + i];
            continue;
        }
        memset(to + i * own, 0, (size_t)count * sizeof *to);
        for (int32_t e = piece->row_start[i]; e < piece->row_start[i + 1]; e++)
            to[i * own + piece->by_row[e].latent] = piece->by_row[e].value;
    }
}

lam_code lam_autoencoder_latents(lam_autoencoder *a, const float *rows, int64_t count,
                                 float *latents, lam_error *error) {
    const lam_autoencoder_work *w = a->work;
    for (int64_t first = 0; first < count; first += a->options.batch) {
        const int64_t size = lam_least(count - first, a->options.batch);
        const int64_t pieces = lam_pieces(size, LAM_ROW_PIECE);
        lam_autoencoder_gather(a, rows + first * a->options.width, NULL, size);
        LAM_TRY(lam_autoencoder_encode(a, size, false, error));
#pragma omp parallel for schedule(static) num_threads(w->threads)
        for (int64_t i = 0; i < a->own_blocks * pieces; i++) {
            const int64_t block = i / pieces, row = i % pieces * LAM_ROW_PIECE;
            unpack(a, lam_autoencoder_piece(a, &w->path[0], block, i % pieces), block,
                   lam_least(size - row, LAM_ROW_PIECE), latents + (first + row) * a->own_latents);
        }
    }
    return LAM_OK;
}

lam_code lam_autoencoder_reconstruct(lam_autoencoder *a, const float *rows, int64_t count,
                                     float *reconstruction, lam_error *error) {
    const int64_t width = a->options.width;
    for (int64_t first = 0; first < count; first += a->options.batch) {
        const int64_t size = lam_least(count - first, a->options.batch);
        lam_autoencoder_gather(a, rows + first * width, NULL, size);
        LAM_TRY(lam_autoencoder_encode(a, size, false, error));
        LAM_TRY(lam_autoencoder_rebuild(a, &a->work->path[0], size, error));
#pragma omp parallel for schedule(static) num_threads(a->work->threads)
        for (int64_t i = 0; i < size; i++)
            for (int64_t c = 0; c < width; c++)
                reconstruction[(first + i) * width + c] =
                    a->work->path[0].residual[i * a->stride + c] + a->decoder_bias.value[c];
    }
    return LAM_OK;
}

lam_autoencoder_parameters lam_autoencoder_get(const lam_autoencoder *a) {
    const lam_autoencoder_kind kind = a->options.kind;
    const bool jumps = kind == LAM_AUTOENCODER_JUMPRELU || kind == LAM_AUTOENCODER_BATCHTOPK;
    const bool gated = kind == LAM_AUTOENCODER_GATED;
    return (lam_autoencoder_parameters){
        .kind = jumps ? LAM_AUTOENCODER_JUMPRELU : kind,
        .width = a->options.width,
        .latents = a->own_latents,
        .stride = a->stride,
        .k = kind == LAM_AUTOENCODER_TOPK ? a->options.k : 0,
        .encoder = a->encoder,
        .decoder = a->decoder,
        .encoder_bias = gated ? NULL : a->encoder_bias.value,
        .decoder_bias = a->decoder_bias.value,
        .threshold = jumps ? a->threshold : NULL,
        .gate_bias = gated ? a->encoder_bias.value : NULL,
        .magnitude_scale = a->magnitude_scale.value,
        .magnitude_bias = a->magnitude_bias.value,
    };
}

// *array [own_latents, width] becomes [latents, width].
static lam_code join(const lam_autoencoder *a, const float **array, int64_t width, lam_arena *arena,
                     lam_error *error) {
    if (!*array) return LAM_OK;
    const size_t own = (size_t)(a->own_latents * width) * sizeof **array;
    size_t *start;
    float *all;
    LAM_TRY(lam_team_starts(a->team, own, &start, arena, error));
    LAM_ALLOC(all, arena, a->options.latents * width, error);
    memcpy((char *)all + start[a->team->member], *array, own);
    *array = all;
    return a->team->gather(a->team, all, a->team->members, start, error);
}

lam_code lam_autoencoder_get_all(const lam_autoencoder *a, lam_autoencoder_parameters *parameters,
                                 lam_arena *arena, lam_error *error) {
    lam_autoencoder_parameters *p = parameters;
    *p = lam_autoencoder_get(a);
    if (a->team->members == 1) return LAM_OK;
    const float **by_latent[] = {&p->encoder_bias, &p->threshold, &p->gate_bias,
                                 &p->magnitude_scale, &p->magnitude_bias};
    LAM_TRY(join(a, &p->encoder, a->stride, arena, error));
    LAM_TRY(join(a, &p->decoder, a->stride, arena, error));
    for (size_t i = 0; i < sizeof by_latent / sizeof *by_latent; i++)
        LAM_TRY(join(a, by_latent[i], 1, arena, error));
    p->latents = a->options.latents;
    return LAM_OK;
}
