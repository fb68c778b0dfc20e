#include "autoencoder_work.h"
#include "product.h"

#include <math.h>
#include <omp.h>
#include <string.h>

// The sums of ever smaller nodes of the team's tree, for some rows and columns.
typedef struct sum_stack {
    float *slots; // [height] of [rows, columns]
    int64_t height;
    int64_t row, rows, column, columns;
} sum_stack;

static float *slot(const sum_stack *s, int64_t i) {
    return s->slots + i * LAM_SLOT;
}

static void merge_top(sum_stack *s) {
    s->height--;
    lam_autoencoder_add(s->rows * s->columns, slot(s, s->height - 1), slot(s, s->height));
}

// Pushes one leaf; the second of two is, where it is sparse, added to the first at once.
static lam_code push_leaf(const lam_autoencoder *a, const lam_path *path, int64_t block,
                          bool second, sum_stack *s) {
    const lam_piece *piece = lam_autoencoder_piece(a, path, block, s->row / LAM_ROW_PIECE);
    const int64_t first = s->row % LAM_ROW_PIECE; // in the piece
    const float *decoder = a->decoder + block * LAM_LATENT_BLOCK * a->stride + s->column;
    if (piece->sparse) {
        lam_autoencoder_decode(piece, first, s->rows, s->columns, decoder, a->stride, second,
                               slot(s, s->height - second));
        s->height += !second;
        return LAM_OK;
    }
    lam_product product = {
        .transpose_a = true,
        .m = s->rows,
        .n = s->columns,
        .k = lam_autoencoder_latents_of(a, block),
        .alpha = 1,
        .a = piece->z + first,
        .a_stride = LAM_ROW_PIECE,
        .b = decoder,
        .b_stride = a->stride,
        .c = slot(s, s->height++),
        .c_stride = s->columns,
    };
    LAM_TRY(lam_product_block(&product));
    if (second) merge_top(s);
    return LAM_OK;
}

// out [batch, stride]: the sum over one node, for the rows and columns of s.
static lam_code rebuild_part(const lam_autoencoder *a, const lam_path *path,
                             const lam_team_node *node, sum_stack s, float *out) {
    const int64_t first = node->first - a->first_block;
    for (int64_t i = 0; i < node->count; i++) {
        LAM_TRY(push_leaf(a, path, first + i, i & 1, &s));
        for (int64_t full = i & 1 ? i / 2 : 0; full & 1; full /= 2) merge_top(&s);
    }
    while (s.height > 1) merge_top(&s);
    for (int64_t i = 0; i < s.rows; i++)
        memcpy(out + (s.row + i) * a->stride + s.column, s.slots + i * s.columns,
               (size_t)s.columns * sizeof *out);
    return LAM_OK;
}

static bool all_sparse(const lam_autoencoder *a, const lam_path *path, int64_t count,
                       int64_t block) {
    for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++)
        if (!lam_autoencoder_piece(a, path, block, i)->sparse) return false;
    return true;
}

lam_code lam_autoencoder_rebuild(lam_autoencoder *a, const lam_path *path, int64_t count,
                                 lam_error *error) {
    const lam_autoencoder_work *w = a->work;
    bool sparse = true;
    for (int64_t block = 0; block < a->own_blocks; block++)
        sparse = sparse && all_sparse(a, path, count, block);
    const int64_t rows = sparse ? LAM_SPARSE_ROWS : LAM_DENSE_ROWS;
    const int64_t columns = sparse ? LAM_SPARSE_COLUMNS : LAM_DENSE_COLUMNS;
    const int64_t down = lam_pieces(count, rows), across = lam_pieces(a->stride, columns);
    int worst = LAM_OK;
#pragma omp parallel for schedule(dynamic) reduction(max : worst) num_threads(w->threads)
    for (int64_t i = 0; i < w->node_count * down * across; i++) {
        const int64_t node = i / (down * across);
        sum_stack s = {.slots = w->scratch + omp_get_thread_num() * w->scratch_size};
        s.row = i / across % down * rows;
        s.rows = lam_least(count - s.row, rows);
        s.column = i % across * columns;
        s.columns = lam_least(a->stride - s.column, columns);
        int code = (int)rebuild_part(a, path, &w->nodes[node], s,
                                     path->residual + node * count * a->stride);
        worst = code > worst ? code : worst;
    }
    LAM_TRY(lam_autoencoder_product_failed(worst, error));
    return a->team->sum(a->team, a->blocks, path->residual, count * a->stride, error);
}

// The path's residual = (W_dec z - target [count, stride]) * weight, scaled to the derivative of
// weight times the mean square; its sums by column, its copy by tiles. Returns that mean square.
static double residual_of(const lam_autoencoder *a, const lam_path *path, const float *target,
                          double weight, int64_t count) {
    const lam_autoencoder_work *w = a->work;
    const int64_t pieces = lam_pieces(count, LAM_RESIDUAL_ROWS);
    const double cells = (double)count * (double)a->options.width;
    const float scale = (float)(weight * (2 / cells));
#pragma omp parallel for schedule(dynamic) num_threads(w->threads)
    for (int64_t i = 0; i < pieces; i++) {
        const int64_t row = i * LAM_RESIDUAL_ROWS;
        path->squares[i] = lam_autoencoder_residual(
            lam_least(count - row, LAM_RESIDUAL_ROWS), a->stride, scale, target + row * a->stride,
            w->centred + row * a->stride, path->residual + row * a->stride,
            path->residual_sum + i * a->stride, path->tiles + row * 2 * LAM_COLUMN_TILE,
            a->options.batch * 2 * LAM_COLUMN_TILE);
    }
    double sum = 0;
    for (int64_t i = 0; i < pieces; i++) sum += path->squares[i];
    return sum / cells;
}

static lam_code slopes_of_piece(const lam_autoencoder *a, const lam_path *path, double penalty,
                                int64_t count, int64_t block, int64_t i) {
    const lam_autoencoder_work *w = a->work;
    const int64_t row = i * LAM_ROW_PIECE, rows = lam_least(count - row, LAM_ROW_PIECE);
    const int64_t latents = lam_autoencoder_latents_of(a, block);
    const float *residual = path->residual + row * a->stride;
    const float *decoder = a->decoder + block * LAM_LATENT_BLOCK * a->stride;
    lam_piece *piece = lam_autoencoder_piece(a, path, block, i);
    if (!piece->sparse) {
        lam_product product = {
            .transpose_b = true,
            .m = latents,
            .n = rows,
            .k = a->stride,
            .alpha = 1,
            .a = decoder,
            .a_stride = a->stride,
            .b = residual,
            .b_stride = a->stride,
            .c = piece->slopes,
            .c_stride = LAM_ROW_PIECE,
        };
        LAM_TRY(lam_product_block(&product));
    }
    if (w->near) {
        const int64_t first = (block * w->pieces + i) * LAM_LATENT_BLOCK;
        lam_autoencoder_near_slopes(piece, w->near + first, latents, a->stride, residual, decoder,
                                    w->near_sums + 2 * first);
    }
    lam_autoencoder_slopes(piece, latents, rows, a->stride, residual, decoder,
                           (float)(penalty / (double)count));
    return LAM_OK;
}

// The derivative of the loss by the path's active latents, and their sums by latent; penalty is the
// weight of the sum of their values in the loss.
static lam_code slopes_of(lam_autoencoder *a, const lam_path *path, double penalty, int64_t count,
                          lam_error *error) {
    const lam_autoencoder_work *w = a->work;
    const int64_t pieces = lam_pieces(count, LAM_ROW_PIECE);
    int worst = LAM_OK;
#pragma omp parallel for schedule(dynamic) reduction(max : worst) num_threads(w->threads)
    for (int64_t i = 0; i < a->own_blocks * pieces; i++) {
        int code = (int)slopes_of_piece(a, path, penalty, count, i / pieces, i % pieces);
        worst = code > worst ? code : worst;
    }
    LAM_TRY(lam_autoencoder_product_failed(worst, error));
    for (int64_t j = 0; j < a->own_latents; j++) {
        double sum = 0;
        for (int64_t i = 0; i < pieces; i++)
            sum += (double)lam_autoencoder_piece(a, path, j / LAM_LATENT_BLOCK, i)
                       ->slope_sum[j % LAM_LATENT_BLOCK];
        path->slope_sum[j] = (float)sum;
    }
    return LAM_OK;
}

// gradient [latent, LAM_DENSE_COLUMNS] = what a block's dense pieces give, or += unless first: the
// sum of their z or slopes, times rows [batch, stride]. *first becomes false where there are any.
static lam_code dense_gradient(const lam_autoencoder *a, const lam_path *path, int64_t count,
                               int64_t block, bool slopes, const float *rows, int64_t column,
                               float *gradient, bool *first) {
    for (int64_t i = 0; i < lam_pieces(count, LAM_ROW_PIECE); i++) {
        const lam_piece *piece = lam_autoencoder_piece(a, path, block, i);
        if (piece->sparse) continue;
        const int64_t row = i * LAM_ROW_PIECE;
        lam_product product = {
            .m = lam_autoencoder_latents_of(a, block),
            .n = lam_least(a->stride - column, LAM_DENSE_COLUMNS),
            .k = lam_least(count - row, LAM_ROW_PIECE),
            .alpha = 1,
            .a = slopes ? piece->slopes : piece->z,
            .a_stride = LAM_ROW_PIECE,
            .b = rows + row * a->stride + column,
            .b_stride = a->stride,
            .beta = *first ? 0 : 1,
            .c = gradient,
            .c_stride = LAM_DENSE_COLUMNS,
        };
        LAM_TRY(lam_product_block(&product));
        *first = false;
    }
    return LAM_OK;
}

static void update_tile(const lam_autoencoder *a, int64_t count, const lam_adam_rates *rates,
                        int64_t block, int64_t tile, const float *encoder_gradient,
                        const float *decoder_gradient) {
    const lam_autoencoder_work *w = a->work;
    const int64_t first = block * LAM_LATENT_BLOCK, column = tile * LAM_COLUMN_TILE;
    const int64_t latents = lam_autoencoder_latents_of(a, block);
    lam_tile_source source[2];
    for (int i = 0; i < w->paths; i++)
        source[i] = (lam_tile_source){lam_autoencoder_piece(a, &w->path[i], block, 0),
                                      w->path[i].tiles + column * a->options.batch * 2};
    lam_tile_update update = {
        .rates = rates,
        .latents = latents,
        .stride = a->stride,
        .encoder = a->encoder + first * a->stride + column,
        .decoder = a->decoder + first * a->stride + column,
        .moments = a->moments + first * (a->stride / LAM_COLUMN_TILE) + tile * latents,
        .slope_sum = w->slope_sum + first,
        .pullback = w->pullback + block * a->stride + column,
        .encoder_gradient = encoder_gradient,
        .decoder_gradient = decoder_gradient,
        .gradient_stride = LAM_DENSE_COLUMNS,
        .source = source,
        .sources = w->paths,
        .along = a->options.unit_decoder ? w->along + first : NULL,
    };
    lam_autoencoder_update(&update, lam_pieces(count, LAM_ROW_PIECE));
}

// Gradient and Adam of one tile of the columns of one block. Products want more columns: in a block
// with dense pieces the first tile's turn is that of the next ones too.
static lam_code update_part(const lam_autoencoder *a, int64_t count, const lam_adam_rates *rates,
                            int64_t block, int64_t tile) {
    const lam_autoencoder_work *w = a->work;
    bool sparse = true;
    for (int i = 0; i < w->paths; i++) sparse = sparse && all_sparse(a, &w->path[i], count, block);
    if (sparse) {
        update_tile(a, count, rates, block, tile, NULL, NULL);
        return LAM_OK;
    }
    if (tile % (LAM_DENSE_COLUMNS / LAM_COLUMN_TILE)) return LAM_OK;
    const int64_t column = tile * LAM_COLUMN_TILE;
    float *decoder = w->scratch + omp_get_thread_num() * w->scratch_size;
    float *encoder = decoder + LAM_LATENT_BLOCK * LAM_DENSE_COLUMNS;
    bool first_value = true, first_slope = true;
    for (int i = 0; i < w->paths; i++) {
        const lam_path *path = &w->path[i];
        LAM_TRY(dense_gradient(a, path, count, block, false, path->residual, column, decoder,
                               &first_value));
        LAM_TRY(
            dense_gradient(a, path, count, block, true, w->centred, column, encoder, &first_slope));
    }
    const int64_t columns = lam_least(a->stride - column, LAM_DENSE_COLUMNS);
    for (int64_t c = 0; c < columns; c += LAM_COLUMN_TILE)
        update_tile(a, count, rates, block, tile + c / LAM_COLUMN_TILE, encoder + c, decoder + c);
    return LAM_OK;
}

// Blocks follow each other within a tile, so that its rows stay in the cache.
static lam_code update_blocks(lam_autoencoder *a, int64_t count, const lam_adam_rates *rates,
                              lam_error *error) {
    lam_autoencoder_work *w = a->work;
    const int64_t tiles = a->stride / LAM_COLUMN_TILE;
    int worst = LAM_OK;
#pragma omp parallel for schedule(dynamic) reduction(max : worst) num_threads(w->threads)
    for (int64_t i = 0; i < a->own_blocks * tiles; i++) {
        int code = (int)update_part(a, count, rates, i % a->own_blocks, i / a->own_blocks);
        worst = code > worst ? code : worst;
    }
    return lam_autoencoder_product_failed(worst, error);
}

// b_dec is taken from the rows before the encoder and added after the decoder; its gradient is the
// residual's sum minus W_enc' of the slopes' sums. Every rank of a team makes the same step.
static void update_decoder_bias(lam_autoencoder *a, int64_t count, const lam_adam_rates *rates) {
    lam_autoencoder_work *w = a->work;
    const int64_t pieces = lam_pieces(count, LAM_RESIDUAL_ROWS);
    const int64_t length = LAM_BLOCK_PULLBACK + a->stride;
    for (int64_t c = 0; c < a->stride; c++) {
        double sum = 0;
        for (int64_t i = 0; i < pieces; i++)
            sum += (double)w->path[0].residual_sum[i * a->stride + c];
        for (int64_t block = 0; block < a->blocks; block++)
            sum -= w->block_values[block * length + LAM_BLOCK_PULLBACK + c];
        w->bias_gradient[c] = (float)sum;
    }
    lam_adam_update(rates, a->stride, w->bias_gradient, a->decoder_bias.value,
                    a->decoder_bias.first, a->decoder_bias.second);
}

// Changes all weights, by both paths' slopes.
static lam_code learn(lam_autoencoder *a, int64_t count, lam_error *error) {
    lam_autoencoder_work *w = a->work;
    const lam_autoencoder_options *o = &a->options;
    const bool gated = o->kind == LAM_AUTOENCODER_GATED;
    const int64_t length = LAM_BLOCK_PULLBACK + a->stride;
    LAM_TRY(slopes_of(a, &w->path[0], o->kind == LAM_AUTOENCODER_RELU ? o->l1 : 0, count, error));
    if (w->paths == 2) LAM_TRY(slopes_of(a, &w->path[1], gated ? o->l1 : 0, count, error));
    lam_autoencoder_gather_slopes(a, count);
    const lam_adam_rates rates = lam_autoencoder_rates(a);
    LAM_TRY(update_blocks(a, count, &rates, error));
    lam_autoencoder_update_latents(a, &rates);
    for (int64_t block = 0; block < a->own_blocks; block++)
        for (int64_t c = 0; c < a->stride; c++)
            w->block_values[(a->first_block + block) * length + LAM_BLOCK_PULLBACK + c] =
                (double)w->pullback[block * a->stride + c];
    LAM_TRY(a->team->share(a->team, a->blocks, w->block_values, length, error));
    update_decoder_bias(a, count, &rates);
    a->position.steps++;
    return LAM_OK;
}

// The loss of the second path: AuxK's target is what the first has left.
static double second_loss(lam_autoencoder *a, int64_t count) {
    lam_autoencoder_work *w = a->work;
    const double weight = w->target ? a->options.aux_coefficient : 1;
    if (w->target) {
        const float scale = (float)(-0.5 * (double)count * (double)a->options.width);
#pragma omp parallel for schedule(static) num_threads(w->threads)
        for (int64_t i = 0; i < count * a->stride; i++)
            w->target[i] = w->path[0].residual[i] * scale;
    }
    return weight * residual_of(a, &w->path[1], w->target ? w->target : w->centred, weight, count);
}

// The part of the loss that is the price of active latents.
static double price_of(const lam_autoencoder *a, double active, double sum, double second) {
    switch (a->options.kind) {
    case LAM_AUTOENCODER_RELU:
        return a->options.l1 * sum;
    case LAM_AUTOENCODER_JUMPRELU:
        return a->options.l0 * active;
    case LAM_AUTOENCODER_GATED:
        return a->options.l1 * second;
    default:
        return 0;
    }
}

lam_code lam_autoencoder_step(lam_autoencoder *a, const float *rows, const int64_t *index,
                              int64_t count, lam_autoencoder_trace *trace, lam_error *error) {
    lam_autoencoder_work *w = a->work;
    double second_mse = 0;
    lam_autoencoder_gather(a, rows, index, count);
    LAM_TRY(lam_autoencoder_encode(a, count, true, error));
    LAM_TRY(lam_autoencoder_revive(a, count, error));
    LAM_TRY(lam_autoencoder_rebuild(a, &w->path[0], count, error));
    trace->mse = residual_of(a, &w->path[0], w->centred, 1, count);
    if (w->paths == 2) {
        LAM_TRY(lam_autoencoder_rebuild(a, &w->path[1], count, error));
        second_mse = second_loss(a, count);
    }
    const int64_t length = LAM_BLOCK_PULLBACK + a->stride;
    if (isfinite(trace->mse + second_mse)) LAM_TRY(learn(a, count, error));
    double active = 0, sum = 0, second = 0;
    for (int64_t block = 0; block < a->blocks; block++) {
        active += w->block_values[block * length + LAM_BLOCK_ACTIVE];
        sum += w->block_values[block * length + LAM_BLOCK_SUM];
        second += w->block_values[block * length + LAM_BLOCK_SECOND];
    }
    trace->loss = trace->mse + second_mse + price_of(a, active, sum, second) / (double)count;
    trace->density = active / ((double)count * (double)a->options.latents);
    return LAM_OK;
}
