#include "autoencoder.h"

#include "autoencoder_work.h"
#include "random.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

lam_autoencoder_options lam_autoencoder_defaults(int64_t width) {
    return (lam_autoencoder_options){
        .width = width,
        .latents = 4 * width,
        .batch = 1024,
        .epochs = 75,
        .buffers = 1,
        .l1 = 1e-3,
        .k = 32,
        .aux_coefficient = 1.0 / 32,
        .dead_after = 10240,
        .l0 = 1e-3,
        .bandwidth = 1e-3,
        .adam = {.learning_rate = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
        .sparse_share = 0.25,
    };
}

// One piece of memory, handed out from its start; without a base, only counted.
typedef struct memory {
    char *base;
    size_t used;
} memory;

static void *take(memory *room, int64_t count, size_t size) {
    void *piece = room->base ? room->base + room->used : NULL;
    room->used += ((size_t)count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return piece;
}

#define TAKE(pointer, room, count) ((pointer) = take((room), (count), sizeof *(pointer)))

static void take_parameter(memory *room, lam_parameter *parameter, int64_t count) {
    TAKE(parameter->value, room, count);
    TAKE(parameter->first, room, count);
    TAKE(parameter->second, room, count);
}

static int64_t bits_of(int64_t n) {
    int64_t bits = 0;
    for (; n; n /= 2) bits++;
    return bits;
}

static bool chooses(const lam_autoencoder *a) {
    return a->options.kind == LAM_AUTOENCODER_TOPK || a->options.kind == LAM_AUTOENCODER_BATCHTOPK;
}

static bool jumps(const lam_autoencoder *a) {
    return a->options.kind == LAM_AUTOENCODER_JUMPRELU;
}

static bool gates(const lam_autoencoder *a) {
    return a->options.kind == LAM_AUTOENCODER_GATED;
}

static void lay_out_path(memory *room, const lam_autoencoder *a, lam_path *path) {
    const lam_autoencoder_work *w = a->work;
    const int64_t batch = a->options.batch, stride = a->stride;
    const int64_t residual_pieces = lam_pieces(batch, LAM_RESIDUAL_ROWS);
    const int64_t count = a->own_blocks * w->pieces;
    float *z, *slopes;
    TAKE(path->piece, room, count);
    TAKE(z, room, count * LAM_PIECE_CELLS);
    TAKE(slopes, room, count * LAM_PIECE_CELLS);
    for (int64_t i = 0; room->base && i < count; i++) {
        path->piece[i].z = z + i * LAM_PIECE_CELLS;
        path->piece[i].slopes = slopes + i * LAM_PIECE_CELLS;
    }
    TAKE(path->residual, room, (w->node_count > 0 ? w->node_count : 1) * batch * stride);
    TAKE(path->tiles, room, 2 * batch * stride);
    TAKE(path->squares, room, residual_pieces);
    TAKE(path->residual_sum, room, residual_pieces * stride);
    TAKE(path->slope_sum, room, a->own_blocks * LAM_LATENT_BLOCK);
}

static void lay_out_kind(memory *room, const lam_autoencoder *a, lam_autoencoder_work *w) {
    const int64_t batch = a->options.batch, rows = w->pieces * LAM_ROW_PIECE;
    const int64_t cells = a->own_blocks * w->pieces * LAM_LATENT_BLOCK;
    if (chooses(a)) {
        TAKE(w->choice.counts, room, a->blocks * batch * LAM_KEY_LEVELS);
        TAKE(w->choice.kept, room, batch);
        TAKE(w->choice.least, room, rows);
        TAKE(w->choice.quota, room, a->own_blocks * rows);
        TAKE(w->target, room, batch * a->stride);
    }
    if (jumps(a)) {
        TAKE(w->near, room, cells);
        TAKE(w->near_sums, room, 2 * cells);
    }
}

static void lay_out_work(memory *room, const lam_autoencoder *a, lam_autoencoder_work *w) {
    const int64_t batch = a->options.batch, stride = a->stride, blocks = a->own_blocks;
    w->node_count = lam_team_nodes(a->blocks, a->first_block, blocks, w->nodes);
    w->pieces = lam_pieces(batch, LAM_ROW_PIECE);
    lay_out_path(room, a, &w->path[0]);
    if ((chooses(a) && a->options.aux_coefficient > 0) || gates(a))
        lay_out_path(room, a, &w->path[1]);
    lay_out_kind(room, a, w);
    TAKE(w->centred, room, batch * stride);
    TAKE(w->slope_sum, room, blocks * LAM_LATENT_BLOCK);
    TAKE(w->along, room, blocks * LAM_LATENT_BLOCK);
    TAKE(w->gradient, room, 3 * a->own_latents);
    TAKE(w->pullback, room, blocks * stride);
    TAKE(w->block_values, room, a->blocks * (LAM_BLOCK_PULLBACK + stride));
    TAKE(w->block_pairs, room, 2 * a->blocks);
    TAKE(w->latent_values, room, 2 * a->blocks * LAM_LATENT_BLOCK);
    TAKE(w->fits, room, lam_pieces(batch, LAM_RESIDUAL_ROWS));
    TAKE(w->bias_gradient, room, stride);
    // A stack of partial sums, as high as the tree, or the two gradients of part of a block.
    const int64_t height = blocks > 2 ? bits_of(blocks - 1) + 1 : 2;
    w->scratch_size = height * LAM_SLOT;
    TAKE(w->scratch, room, w->threads * w->scratch_size);
}

static void lay_out_state(memory *room, lam_autoencoder *a) {
    const int64_t weights = a->own_latents * a->stride;
    TAKE(a->encoder, room, weights);
    TAKE(a->decoder, room, weights);
    TAKE(a->moments, room, weights / LAM_COLUMN_TILE);
    take_parameter(room, &a->encoder_bias, a->own_latents);
    take_parameter(room, &a->decoder_bias, a->stride);
    if (jumps(a)) take_parameter(room, &a->log_threshold, a->own_latents);
    if (gates(a)) {
        take_parameter(room, &a->magnitude_scale, a->own_latents);
        take_parameter(room, &a->magnitude_bias, a->own_latents);
    }
    TAKE(a->threshold, room, a->own_latents);
    TAKE(a->since_active, room, a->own_latents);
}

// LAM_USAGE where an option of the kind or of the schedule is out of range.
static lam_code check_kind(const lam_autoencoder_options *o, lam_error *error) {
    const double most = 1e30; // the loss is then finite where the squared error is
    const bool choice = o->kind == LAM_AUTOENCODER_TOPK || o->kind == LAM_AUTOENCODER_BATCHTOPK;
    if (choice && (o->k < 1 || o->k > o->latents))
        return lam_fail(error, LAM_USAGE, "sae.k is %lld: it must be 1 to the %lld latents",
                        (long long)o->k, (long long)o->latents);
    if (choice && !(o->aux_coefficient >= 0 && o->aux_coefficient <= most))
        return lam_fail(error, LAM_USAGE, "sae.aux_coefficient is %g: it must be 0 to %g",
                        o->aux_coefficient, most);
    if (choice && o->dead_after < 1)
        return lam_fail(error, LAM_USAGE, "sae.dead_after is %lld: it must be at least 1",
                        (long long)o->dead_after);
    if (o->kind == LAM_AUTOENCODER_JUMPRELU && !(o->l0 >= 0 && o->l0 <= most))
        return lam_fail(error, LAM_USAGE, "sae.l0 is %g: it must be 0 to %g", o->l0, most);
    if (o->kind == LAM_AUTOENCODER_JUMPRELU && !(o->bandwidth > 0 && o->bandwidth <= most))
        return lam_fail(error, LAM_USAGE, "sae.bandwidth is %g: it must be above 0", o->bandwidth);
    if (!(o->warmup >= 0 && o->decay >= 0 && o->warmup + o->decay <= 1 + 1e-9))
        return lam_fail(error, LAM_USAGE,
                        "sae.warmup and sae.decay are %g and %g: they are shares of the training "
                        "that together must not be above 1",
                        o->warmup, o->decay);
    if (o->resample < 0)
        return lam_fail(error, LAM_USAGE, "sae.resample is %lld: it must not be negative",
                        (long long)o->resample);
    return LAM_OK;
}

static lam_code check(const lam_autoencoder_options *o, lam_error *error) {
    const int64_t most = 1 << 24; // sizes whose products stay far below 2^63
    const double most_l1 = 1e30;  // the loss is then finite where the squared error is
    if (o->width < 1 || o->width > most)
        return lam_fail(error, LAM_USAGE, "an autoencoder of width %lld: at least 1 is needed",
                        (long long)o->width);
    if (o->latents < 1 || o->latents > most)
        return lam_fail(error, LAM_USAGE, "sae.latents is %lld: it must be 1 to %lld",
                        (long long)o->latents, (long long)most);
    if (o->batch < 1 || o->batch > most)
        return lam_fail(error, LAM_USAGE, "sae.batch is %lld: it must be 1 to %lld",
                        (long long)o->batch, (long long)most);
    if (o->buffers < 1)
        return lam_fail(error, LAM_USAGE, "an epoch of %lld buffers: at least 1 is needed",
                        (long long)o->buffers);
    if (o->epochs < 0)
        return lam_fail(error, LAM_USAGE, "sae.epochs is %lld: it must not be negative",
                        (long long)o->epochs);
    if (!(o->l1 >= 0 && o->l1 <= most_l1))
        return lam_fail(error, LAM_USAGE, "sae.l1 is %g: it must be 0 to %g", o->l1, most_l1);
    LAM_TRY(check_kind(o, error));
    return lam_adam_check(&o->adam, error);
}

static void shape(lam_autoencoder *a, const lam_autoencoder_options *options,
                  const lam_team *team) {
    a->options = *options;
    a->team = team;
    a->stride = lam_pieces(options->width, LAM_COLUMN_TILE) * LAM_COLUMN_TILE;
    a->blocks = lam_pieces(options->latents, LAM_LATENT_BLOCK);
    team->own(team, a->blocks, &a->first_block, &a->own_blocks);
    int64_t first = a->first_block * LAM_LATENT_BLOCK;
    int64_t end = (a->first_block + a->own_blocks) * LAM_LATENT_BLOCK;
    a->own_latents = a->own_blocks ? (end < options->latents ? end : options->latents) - first : 0;
}

size_t lam_autoencoder_bytes(const lam_autoencoder_options *options, const lam_team *team,
                             int threads) {
    lam_error error;
    if (check(options, &error) != LAM_OK) return 0;
    lam_autoencoder_work w = {.threads = threads};
    lam_autoencoder a = {.work = &w};
    memory count = {0};
    shape(&a, options, team);
    lay_out_state(&count, &a);
    lay_out_work(&count, &a, &w);
    return count.used + sizeof a + sizeof w;
}

lam_code lam_autoencoder_create_unequipped(lam_autoencoder **autoencoder,
                                           const lam_autoencoder_options *options,
                                           const lam_team *team, lam_arena *arena,
                                           lam_error *error) {
    LAM_TRY(check(options, error));
    lam_autoencoder *a;
    LAM_ALLOC(a, arena, 1, error);
    shape(a, options, team);
    memory room = {0};
    lay_out_state(&room, a);
    LAM_ALLOC(room.base, arena, room.used, error);
    room.used = 0;
    lay_out_state(&room, a);
    *autoencoder = a;
    return LAM_OK;
}

lam_code lam_autoencoder_equip(lam_autoencoder *a, lam_arena *arena, lam_error *error) {
    LAM_ALLOC(a->work, arena, 1, error);
    a->work->threads = omp_get_max_threads();
    memory room = {0};
    lay_out_work(&room, a, a->work);
    LAM_ALLOC(room.base, arena, room.used, error);
    room.used = 0;
    lay_out_work(&room, a, a->work);
    return LAM_OK;
}

lam_code lam_autoencoder_create(lam_autoencoder **autoencoder,
                                const lam_autoencoder_options *options, const lam_team *team,
                                lam_arena *arena, lam_error *error) {
    LAM_TRY(lam_autoencoder_create_unequipped(autoencoder, options, team, arena, error));
    return lam_autoencoder_equip(*autoencoder, arena, error);
}

// Means of the columns of rows [count, width] in double precision, column by column in the order of
// the rows.
static void column_means(const float *rows, int64_t count, int64_t width, float *mean) {
    enum { COLUMNS = 16 };
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < width; first += COLUMNS) {
        int64_t columns = width - first < COLUMNS ? width - first : COLUMNS;
        double sum[COLUMNS] = {0};
        for (int64_t i = 0; i < count; i++)
            for (int64_t c = 0; c < columns; c++) sum[c] += (double)rows[i * width + first + c];
        for (int64_t c = 0; c < columns; c++)
            mean[first + c] = count ? (float)(sum[c] / (double)count) : 0;
    }
}

static void forget(const lam_parameter *parameter, int64_t count) {
    if (!parameter->value) return;
    memset(parameter->value, 0, (size_t)count * sizeof(float));
    memset(parameter->first, 0, (size_t)count * sizeof(float));
    memset(parameter->second, 0, (size_t)count * sizeof(float));
}

void lam_autoencoder_start(lam_autoencoder *a, const float *rows, int64_t count, uint64_t seed,
                           uint16_t layer) {
    const int64_t width = a->options.width;
    forget(&a->encoder_bias, a->own_latents);
    forget(&a->decoder_bias, a->stride);
    forget(&a->log_threshold, a->own_latents);
    forget(&a->magnitude_scale, a->own_latents);
    forget(&a->magnitude_bias, a->own_latents);
    memset(a->since_active, 0, (size_t)a->own_latents * sizeof *a->since_active);
    for (int64_t j = 0; a->log_threshold.value && j < a->own_latents; j++)
        a->log_threshold.value[j] = LAM_LOG_THRESHOLD;
    a->mean_threshold = 0;
    a->mean_count = 0;
    lam_autoencoder_set_threshold(a);
    column_means(rows, count, width, a->decoder_bias.value);

    lam_random random = lam_random_key(seed, LAM_RANDOM_SAE_WEIGHTS, layer, 0);
    const float deviation = (float)(1 / sqrt((double)width));
    const int64_t first = a->first_block * LAM_LATENT_BLOCK;
    const size_t row_size = (size_t)a->stride * sizeof(float);
#pragma omp parallel for schedule(static)
    for (int64_t j = 0; j < a->own_latents; j++) {
        float *weight = a->encoder + j * a->stride;
        memset(weight, 0, row_size);
        lam_random_fill_normal(&random, (uint64_t)((first + j) * width), width, deviation, weight);
        memcpy(a->decoder + j * a->stride, weight, row_size);
        memset(a->moments + j * (a->stride / LAM_COLUMN_TILE), 0, 4 * row_size);
    }
    if (a->options.unit_decoder) lam_autoencoder_unit_decoder(a);
    a->position = (lam_autoencoder_position){0};
}

// Closes the epoch that position has come to the end of.
static void end_epoch(lam_autoencoder_position *at, lam_autoencoder_curves *curves) {
    const double batches = (double)at->epoch_batches;
    curves->loss[at->epoch] = at->epoch_loss / batches;
    curves->mse[at->epoch] = at->epoch_mse / batches;
    curves->density[at->epoch] = at->epoch_density / batches;
    *at = (lam_autoencoder_position){
        .epoch = at->epoch + 1, .steps = at->steps, .since_resample = at->since_resample};
}

// The number of the position's buffer since the start of training.
static int64_t buffer_number(const lam_autoencoder *a) {
    return a->position.epoch * a->options.buffers + a->position.buffer;
}

// Closes the buffer that position has come to the end of, and with the last one the epoch.
static void end_buffer(lam_autoencoder *a, lam_autoencoder_curves *curves) {
    lam_autoencoder_position *at = &a->position;
    const double batches = (double)at->batch;
    const int64_t number = buffer_number(a);
    if (curves->buffer_loss) {
        curves->buffer_loss[number] = at->loss / batches;
        curves->buffer_mse[number] = at->mse / batches;
        curves->buffer_density[number] = at->density / batches;
    }
    at->epoch_loss += at->loss;
    at->epoch_mse += at->mse;
    at->epoch_density += at->density;
    at->epoch_batches += at->batch;
    at->loss = at->mse = at->density = 0;
    at->batch = 0;
    if (++at->buffer == a->options.buffers) end_epoch(at, curves);
}

// The rest of one buffer, whose rows are taken in that order; status says whether to go on.
static lam_code train_rows(lam_autoencoder *a, const float *rows, int64_t count,
                           const int64_t *order, const lam_autoencoder_progress *progress,
                           lam_autoencoder_curves *curves, lam_error *error) {
    lam_autoencoder_position *at = &a->position;
    const int64_t size = a->options.batch, batches = lam_pieces(count, size);
    for (const int64_t number = buffer_number(a); buffer_number(a) == number;) {
        const int64_t first = at->batch * size, now = lam_least(count - first, size);
        lam_autoencoder_trace trace;
        LAM_TRY(lam_autoencoder_step(a, rows, order + first, now, &trace, error));
        curves->last_loss = trace.loss;
        if (!isfinite(trace.loss)) {
            curves->status = LAM_AUTOENCODER_DIVERGED;
            return LAM_OK;
        }
        at->loss += trace.loss;
        at->mse += trace.mse;
        at->density += trace.density;
        at->since_resample += now;
        if (++at->batch == batches) end_buffer(a, curves);
        if (progress && !progress->step(progress->state, at) && at->epoch < a->options.epochs) {
            curves->status = LAM_AUTOENCODER_STOPPED;
            return LAM_OK;
        }
    }
    return LAM_OK;
}

lam_code lam_curves_begin(lam_autoencoder_curves *curves, int64_t rows, int64_t first,
                          int64_t epochs, lam_error *error) {
    if (rows < 1)
        return lam_fail(error, LAM_INPUT,
                        "there are no activations to train an autoencoder on: give a longer text");
    for (int64_t e = first; e < epochs; e++)
        curves->loss[e] = curves->mse[e] = curves->density[e] = NAN;
    if (first < epochs || !first) curves->last_loss = NAN;
    curves->status = LAM_AUTOENCODER_TRAINED;
    return LAM_OK;
}

lam_code lam_autoencoder_train_buffer(lam_autoencoder *a, const float *rows, int64_t count,
                                      uint64_t seed, uint16_t layer,
                                      const lam_autoencoder_progress *progress,
                                      lam_autoencoder_curves *curves, lam_error *error) {
    int64_t *order = malloc((size_t)count * sizeof *order);
    if (!order)
        return lam_fail(error, LAM_MEMORY, "memory for the order of %lld rows was refused",
                        (long long)count);
    lam_random random =
        lam_random_key(seed, LAM_RANDOM_SAE_ORDER, layer, (uint32_t)buffer_number(a));
    lam_random_permutation(&random, count, order);
    lam_code code = lam_autoencoder_resample(a, rows, count, seed, layer, error);
    if (code == LAM_OK) code = train_rows(a, rows, count, order, progress, curves, error);
    free(order);
    return code;
}

lam_code lam_autoencoder_train(lam_autoencoder *a, const float *rows, int64_t count, uint64_t seed,
                               uint16_t layer, const lam_autoencoder_progress *progress,
                               lam_autoencoder_curves *curves, lam_error *error) {
    LAM_TRY(lam_curves_begin(curves, count, a->position.epoch, a->options.epochs, error));
    a->total_steps = a->options.epochs * lam_pieces(count, a->options.batch);
    while (curves->status == LAM_AUTOENCODER_TRAINED && a->position.epoch < a->options.epochs)
        LAM_TRY(lam_autoencoder_train_buffer(a, rows, count, seed, layer, progress, curves, error));
    return LAM_OK;
}
