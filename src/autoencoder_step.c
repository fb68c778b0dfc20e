#include "autoencoder_work.h"
#include "product.h"

#include <math.h>
#include <omp.h>
#include <string.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

// Latents of one of this rank's blocks: fewer than LAM_LATENT_BLOCK in the last one.
static int64_t latents_of(const lam_autoencoder *a, int64_t block)
{
    return least(a->own_latents - block * LAM_LATENT_BLOCK, LAM_LATENT_BLOCK);
}

// The first value of row of block in an array [block, batch, LAM_LATENT_BLOCK].
static int64_t cell(const lam_autoencoder *a, int64_t block, int64_t row)
{
    return (block * a->options.batch + row) * LAM_LATENT_BLOCK;
}

// The first value of a piece of block in an array [block, piece, LAM_LATENT_BLOCK].
static int64_t corner(const lam_autoencoder *a, int64_t block, int64_t piece)
{
    return (block * a->work->pieces + piece) * LAM_LATENT_BLOCK;
}

static lam_row_lists lists_of(const lam_autoencoder *a, int64_t block, int64_t row)
{
    const lam_autoencoder_work *w = a->work;
    return (lam_row_lists){w->list_latent + cell(a, block, row), w->slopes + cell(a, block, row),
                           w->list_count + block * a->options.batch + row};
}

static lam_code product_failed(int code, lam_error *error)
{
    if (code == LAM_OK) return LAM_OK;
    if (code == LAM_MEMORY)
        return lam_fail(error, LAM_MEMORY, "memory for a matrix product was refused");
    return lam_fail(error, LAM_INTERNAL, "a matrix product of the autoencoder was refused");
}

void lam_autoencoder_gather(lam_autoencoder *a, const float *rows, const int64_t *index,
                            int64_t count)
{
    const int64_t width = a->options.width;
    const float *bias = a->decoder_bias.value;
#pragma omp parallel for schedule(static) num_threads(a->work->threads)
    for (int64_t i = 0; i < count; i++) {
        const float *row = rows + (index ? index[i] : i) * width;
        float *centred = a->work->centred + i * a->stride;
        for (int64_t c = 0; c < width; c++) centred[c] = row[c] - bias[c];
    }
}

static lam_code encode_piece(const lam_autoencoder *a, int64_t count, int64_t block, int64_t piece)
{
    const lam_autoencoder_work *w = a->work;
    const int64_t row = piece * LAM_ROW_PIECE, rows = least(count - row, LAM_ROW_PIECE);
    float *z = w->latents + cell(a, block, row);
    lam_product product = {
        .transpose_b = true,
        .m = rows,
        .n = latents_of(a, block),
        .k = a->stride,
        .alpha = 1,
        .a = w->centred + row * a->stride,
        .a_stride = a->stride,
        .b = a->encoder.value + block * LAM_LATENT_BLOCK * a->stride,
        .b_stride = a->stride,
        .c = z,
        .c_stride = LAM_LATENT_BLOCK,
    };
    LAM_TRY(lam_product_block(&product));
    const int64_t at = block * w->pieces + piece;
    w->piece_active[at] = lam_autoencoder_relu(
        rows, a->encoder_bias.value + block * LAM_LATENT_BLOCK, z, lists_of(a, block, row),
        w->active + corner(a, block, piece), &w->piece_sum[at]);
    return LAM_OK;
}

// Adds a block's pieces up, chooses how it is computed, and where its lists by latent will lie.
static void survey(lam_autoencoder *a, int64_t count, int64_t block)
{
    lam_autoencoder_work *w = a->work;
    const int64_t pieces = (count + LAM_ROW_PIECE - 1) / LAM_ROW_PIECE;
    int64_t active = 0;
    double sum = 0;
    for (int64_t piece = 0; piece < pieces; piece++) {
        active += w->piece_active[block * w->pieces + piece];
        sum += w->piece_sum[block * w->pieces + piece];
    }
    double *values =
        w->block_values + (a->first_block + block) * (LAM_BLOCK_PULLBACK + a->stride);
    values[LAM_BLOCK_ACTIVE] = (double)active;
    values[LAM_BLOCK_SUM] = sum;

    // A third of z's memory would be all that the lists by latent may fill.
    const double share = fmin(a->options.sparse_share, 1.0 / 3);
    w->sparse[block] = (double)active <= share * (double)(count * latents_of(a, block));
    if (!w->sparse[block]) return;
    int32_t place = 0, *start = w->start + block * (LAM_LATENT_BLOCK + 1);
    for (int64_t j = 0; j < LAM_LATENT_BLOCK; j++) {
        start[j] = place;
        for (int64_t piece = 0; piece < pieces; piece++) {
            w->next[corner(a, block, piece) + j] = place;
            place += w->active[corner(a, block, piece) + j];
        }
    }
    start[LAM_LATENT_BLOCK] = place;
}

lam_code lam_autoencoder_encode(lam_autoencoder *a, int64_t count, lam_error *error)
{
    const int64_t pieces = (count + LAM_ROW_PIECE - 1) / LAM_ROW_PIECE;
    int worst = LAM_OK;
#pragma omp parallel num_threads(a->work->threads)
    {
#pragma omp for schedule(dynamic) reduction(max : worst)
        for (int64_t i = 0; i < a->own_blocks * pieces; i++) {
            int code = (int)encode_piece(a, count, i / pieces, i % pieces);
            worst = code > worst ? code : worst;
        }
#pragma omp for schedule(static)
        for (int64_t block = 0; block < a->own_blocks; block++) survey(a, count, block);
    }
    return product_failed(worst, error);
}

// One leaf of the team's sum, for one piece of rows and one part of the columns.
static lam_code rebuild_leaf(const lam_autoencoder *a, int64_t block, int64_t row, int64_t rows,
                             int64_t column, int64_t columns, float *out, int64_t out_stride)
{
    const lam_autoencoder_work *w = a->work;
    const float *decoder = a->decoder.value + block * LAM_LATENT_BLOCK * a->stride + column;
    if (w->sparse[block]) {
        for (int64_t c = 0; c < columns; c += LAM_COLUMN_TILE)
            lam_autoencoder_decode(rows, least(columns - c, LAM_COLUMN_TILE),
                                   lists_of(a, block, row), decoder + c, a->stride, out + c,
                                   out_stride);
        return LAM_OK;
    }
    lam_product product = {
        .m = rows,
        .n = columns,
        .k = latents_of(a, block),
        .alpha = 1,
        .a = w->latents + cell(a, block, row),
        .a_stride = LAM_LATENT_BLOCK,
        .b = decoder,
        .b_stride = a->stride,
        .c = out,
        .c_stride = out_stride,
    };
    return lam_product_block(&product);
}

// A stack of sums of ever smaller nodes: its bottom is the result, the rest scratch.
typedef struct sum_stack {
    float *bottom, *scratch;
    int64_t stride, height, rows, columns;
} sum_stack;

static float *slot(const sum_stack *s, int64_t i)
{
    return i ? s->scratch + (i - 1) * LAM_ROW_PIECE * LAM_COLUMN_PART : s->bottom;
}

static int64_t slot_stride(const sum_stack *s, int64_t i)
{
    return i ? LAM_COLUMN_PART : s->stride;
}

static void merge_top(sum_stack *s)
{
    s->height--;
    lam_autoencoder_add(s->rows, s->columns, slot(s, s->height - 1),
                        slot_stride(s, s->height - 1), slot(s, s->height),
                        slot_stride(s, s->height));
}

static lam_code rebuild_piece(const lam_autoencoder *a, const lam_team_node *node, float *out,
                              int64_t row, int64_t rows, int64_t column, float *scratch)
{
    sum_stack s = {out + row * a->stride + column, scratch, a->stride, 0, rows,
                   least(a->stride - column, LAM_COLUMN_PART)};
    const int64_t first = node->first - a->first_block;
    for (int64_t i = 0; i < node->count; i++) {
        LAM_TRY(rebuild_leaf(a, first + i, row, rows, column, s.columns, slot(&s, s.height),
                             slot_stride(&s, s.height)));
        s.height++;
        for (int64_t full = i; full & 1; full /= 2) merge_top(&s);
    }
    while (s.height > 1) merge_top(&s);
    return LAM_OK;
}

lam_code lam_autoencoder_rebuild(lam_autoencoder *a, int64_t count, lam_error *error)
{
    lam_autoencoder_work *w = a->work;
    const int64_t pieces = (count + LAM_ROW_PIECE - 1) / LAM_ROW_PIECE;
    lam_team_node nodes[LAM_TEAM_NODES];
    const int64_t node_count = lam_team_nodes(a->blocks, a->first_block, a->own_blocks, nodes);
    int worst = LAM_OK;
#pragma omp parallel for schedule(dynamic) reduction(max : worst) num_threads(w->threads)
    for (int64_t i = 0; i < node_count * w->parts * pieces; i++) {
        const int64_t node = i / (w->parts * pieces), part = i / pieces % w->parts;
        const int64_t row = i % pieces * LAM_ROW_PIECE;
        int code = (int)rebuild_piece(a, &nodes[node], w->residual + node * count * a->stride, row,
                                      least(count - row, LAM_ROW_PIECE), part * LAM_COLUMN_PART,
                                      w->scratch + omp_get_thread_num() * w->scratch_size);
        worst = code > worst ? code : worst;
    }
    LAM_TRY(product_failed(worst, error));
    return a->team->sum(a->team, a->blocks, w->residual, count * a->stride, error);
}

// residual = (W_dec z - centred) scaled to the derivative of the mean square; its sums by column,
// its copy by tiles, and the sum of squares, unscaled.
static double residual_of(const lam_autoencoder *a, int64_t count)
{
    lam_autoencoder_work *w = a->work;
    const int64_t pieces = (count + LAM_RESIDUAL_ROWS - 1) / LAM_RESIDUAL_ROWS;
    const float scale = (float)(2 / ((double)count * (double)a->options.width));
#pragma omp parallel for schedule(dynamic) num_threads(w->threads)
    for (int64_t piece = 0; piece < pieces; piece++) {
        const int64_t row = piece * LAM_RESIDUAL_ROWS;
        w->squares[piece] = lam_autoencoder_residual(
            least(count - row, LAM_RESIDUAL_ROWS), a->stride, scale, w->centred + row * a->stride,
            w->residual + row * a->stride, w->residual_sum + piece * a->stride,
            w->tiles + row * 2 * LAM_COLUMN_TILE, a->options.batch * 2 * LAM_COLUMN_TILE);
    }
    double sum = 0;
    for (int64_t piece = 0; piece < pieces; piece++) sum += w->squares[piece];
    return sum;
}

static lam_code slopes_piece(const lam_autoencoder *a, int64_t count, int64_t block, int64_t piece,
                             float penalty)
{
    const lam_autoencoder_work *w = a->work;
    const int64_t row = piece * LAM_ROW_PIECE, rows = least(count - row, LAM_ROW_PIECE);
    const float *residual = w->residual + row * a->stride;
    const float *decoder = a->decoder.value + block * LAM_LATENT_BLOCK * a->stride;
    float *z = w->latents + cell(a, block, row), *slope = w->slopes + cell(a, block, row);
    float *sum = w->slope_part + corner(a, block, piece);
    memset(sum, 0, LAM_LATENT_BLOCK * sizeof *sum);
    if (w->sparse[block]) {
        lam_latent_entry *entries = (lam_latent_entry *)(w->latents + cell(a, block, 0));
        lam_autoencoder_slopes(rows, row, a->stride, lists_of(a, block, row), residual, decoder,
                               penalty, entries, w->next + corner(a, block, piece), sum);
        return LAM_OK;
    }
    lam_product product = {
        .transpose_b = true,
        .m = rows,
        .n = latents_of(a, block),
        .k = a->stride,
        .alpha = 1,
        .a = residual,
        .a_stride = a->stride,
        .b = decoder,
        .b_stride = a->stride,
        .c = slope,
        .c_stride = LAM_LATENT_BLOCK,
    };
    LAM_TRY(lam_product_block(&product));
    lam_autoencoder_mask(rows, z, penalty, slope, sum);
    return LAM_OK;
}

// The derivative of the loss by every active latent, and their sums by latent.
static lam_code slopes_of(lam_autoencoder *a, int64_t count, lam_error *error)
{
    lam_autoencoder_work *w = a->work;
    const int64_t pieces = (count + LAM_ROW_PIECE - 1) / LAM_ROW_PIECE;
    const float penalty = (float)(a->options.l1 / (double)count);
    int worst = LAM_OK;
#pragma omp parallel for schedule(dynamic) reduction(max : worst) num_threads(w->threads)
    for (int64_t i = 0; i < a->own_blocks * pieces; i++) {
        int code = (int)slopes_piece(a, count, i / pieces, i % pieces, penalty);
        worst = code > worst ? code : worst;
    }
    LAM_TRY(product_failed(worst, error));
    for (int64_t block = 0; block < a->own_blocks; block++)
        for (int64_t j = 0; j < LAM_LATENT_BLOCK; j++) {
            double sum = 0;
            for (int64_t piece = 0; piece < pieces; piece++)
                sum += (double)w->slope_part[corner(a, block, piece) + j];
            w->slope_sum[block * LAM_LATENT_BLOCK + j] = (float)sum;
        }
    return LAM_OK;
}

// gradient [latent, columns] = factor' rows, of one dense block.
static lam_code gradient_part(const lam_autoencoder *a, int64_t count, int64_t block,
                              const float *factor, const float *rows, int64_t column,
                              int64_t columns, float *gradient)
{
    lam_product product = {
        .transpose_a = true,
        .m = latents_of(a, block),
        .n = columns,
        .k = count,
        .alpha = 1,
        .a = factor + cell(a, block, 0),
        .a_stride = LAM_LATENT_BLOCK,
        .b = rows + column,
        .b_stride = a->stride,
        .c = gradient,
        .c_stride = columns,
    };
    return lam_product_block(&product);
}

// Gradient and Adam of one part of the columns of one block.
static lam_code update_part(const lam_autoencoder *a, int64_t count, const lam_adam_rates *rates,
                            int64_t block, int64_t part)
{
    const lam_autoencoder_work *w = a->work;
    const int64_t column = part * LAM_COLUMN_PART;
    const int64_t columns = least(a->stride - column, LAM_COLUMN_PART);
    lam_block_update update = {
        .rates = rates,
        .encoder = &a->encoder,
        .decoder = &a->decoder,
        .offset = block * LAM_LATENT_BLOCK * a->stride,
        .stride = a->stride,
        .latents = latents_of(a, block),
        .slope_sum = w->slope_sum + block * LAM_LATENT_BLOCK,
        .pullback = w->pullback + block * a->stride,
    };
    memset(update.pullback + column, 0, (size_t)columns * sizeof(float));
    if (w->sparse[block]) {
        const lam_latent_entry *entries =
            (const lam_latent_entry *)(w->latents + cell(a, block, 0));
        const int32_t *start = w->start + block * (LAM_LATENT_BLOCK + 1);
        for (int64_t c = column; c < column + columns; c += LAM_COLUMN_TILE)
            lam_autoencoder_update_sparse(&update, c, least(a->stride - c, LAM_COLUMN_TILE),
                                          entries, start,
                                          w->tiles + c / LAM_COLUMN_TILE * a->options.batch * 2 *
                                                         LAM_COLUMN_TILE);
        return LAM_OK;
    }
    float *gradient = w->scratch + omp_get_thread_num() * w->scratch_size;
    LAM_TRY(gradient_part(a, count, block, w->latents, w->residual, column, columns, gradient));
    lam_autoencoder_update_decoder(&update, column, columns, gradient);
    LAM_TRY(gradient_part(a, count, block, w->slopes, w->centred, column, columns, gradient));
    lam_autoencoder_update_encoder(&update, column, columns, gradient);
    return LAM_OK;
}

static lam_code update_blocks(lam_autoencoder *a, int64_t count, const lam_adam_rates *rates,
                              lam_error *error)
{
    lam_autoencoder_work *w = a->work;
    int worst = LAM_OK;
#pragma omp parallel for schedule(dynamic) reduction(max : worst) num_threads(w->threads)
    for (int64_t i = 0; i < a->own_blocks * w->parts; i++) {
        int code = (int)update_part(a, count, rates, i % a->own_blocks, i / a->own_blocks);
        worst = code > worst ? code : worst;
    }
    LAM_TRY(product_failed(worst, error));
    lam_adam_update(rates, w->slope_sum, &a->encoder_bias, 0, a->own_blocks * LAM_LATENT_BLOCK);
    return LAM_OK;
}

// b_dec is taken from the rows before the encoder and added after the decoder; its gradient is the
// residual's sum minus W_enc' of the slopes' sums. Every rank of a team makes the same step.
static void update_decoder_bias(lam_autoencoder *a, int64_t count, const lam_adam_rates *rates)
{
    lam_autoencoder_work *w = a->work;
    const int64_t pieces = (count + LAM_RESIDUAL_ROWS - 1) / LAM_RESIDUAL_ROWS;
    for (int64_t c = 0; c < a->stride; c++) {
        double sum = 0;
        for (int64_t piece = 0; piece < pieces; piece++)
            sum += (double)w->residual_sum[piece * a->stride + c];
        for (int64_t block = 0; block < a->blocks; block++)
            sum -= w->block_values[block * (LAM_BLOCK_PULLBACK + a->stride) + LAM_BLOCK_PULLBACK +
                                   c];
        w->bias_gradient[c] = (float)sum;
    }
    lam_adam_update(rates, w->bias_gradient, &a->decoder_bias, 0, a->stride);
}

lam_code lam_autoencoder_step(lam_autoencoder *a, const float *rows, const int64_t *index,
                              int64_t count, lam_autoencoder_trace *trace, lam_error *error)
{
    lam_autoencoder_work *w = a->work;
    lam_autoencoder_gather(a, rows, index, count);
    LAM_TRY(lam_autoencoder_encode(a, count, error));
    LAM_TRY(lam_autoencoder_rebuild(a, count, error));
    trace->mse = residual_of(a, count) / ((double)count * (double)a->options.width);
    const bool finite = isfinite(trace->mse);
    const int64_t length = LAM_BLOCK_PULLBACK + a->stride;
    if (finite) {
        LAM_TRY(slopes_of(a, count, error));
        lam_adam_rates rates = lam_adam_rates_at(&a->options.adam, a->position.steps + 1);
        LAM_TRY(update_blocks(a, count, &rates, error));
        for (int64_t block = 0; block < a->own_blocks; block++)
            for (int64_t c = 0; c < a->stride; c++)
                w->block_values[(a->first_block + block) * length + LAM_BLOCK_PULLBACK + c] =
                    (double)w->pullback[block * a->stride + c];
        LAM_TRY(a->team->share(a->team, a->blocks, w->block_values, length, error));
        update_decoder_bias(a, count, &rates);
        a->position.steps++;
    }
    double active = 0, sum = 0;
    for (int64_t block = 0; block < a->blocks; block++) {
        active += w->block_values[block * length + LAM_BLOCK_ACTIVE];
        sum += w->block_values[block * length + LAM_BLOCK_SUM];
    }
    trace->loss = trace->mse + a->options.l1 * sum / (double)count;
    trace->density = active / ((double)count * (double)a->options.latents);
    return LAM_OK;
}
