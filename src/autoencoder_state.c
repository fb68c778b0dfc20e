#include "autoencoder_state.h"

#include "autoencoder_kernels.h"

#include <stdio.h>

// values [length, ...] of a parameter that the kind may not have.
static void move_parameter(lam_state_cursor *cursor, const lam_parameter *parameter, int64_t first,
                           int64_t length) {
    const size_t bytes = (size_t)length * sizeof(float);
    if (!parameter->value) return;
    lam_state_move(cursor, parameter->value + first, bytes);
    lam_state_move(cursor, parameter->first + first, bytes);
    lam_state_move(cursor, parameter->second + first, bytes);
}

static void move_progress(lam_state_cursor *cursor, lam_autoencoder_position *position,
                          lam_autoencoder_curves *curves, int64_t epochs, int64_t buffers) {
    const size_t bytes = (size_t)epochs * sizeof(double), each = bytes * (size_t)buffers;
    lam_state_move(cursor, position, sizeof *position);
    lam_state_move(cursor, &curves->last_loss, sizeof curves->last_loss);
    lam_state_move(cursor, curves->loss, bytes);
    lam_state_move(cursor, curves->mse, bytes);
    lam_state_move(cursor, curves->density, bytes);
    if (!curves->buffer_loss) return;
    lam_state_move(cursor, curves->buffer_loss, each);
    lam_state_move(cursor, curves->buffer_mse, each);
    lam_state_move(cursor, curves->buffer_density, each);
}

static void move_latents(lam_state_cursor *cursor, lam_autoencoder *a, int64_t block) {
    const int64_t first = (block - a->first_block) * LAM_LATENT_BLOCK;
    const int64_t latents = lam_least(a->own_latents - first, LAM_LATENT_BLOCK);
    const int64_t tiles = a->stride / LAM_COLUMN_TILE;
    const size_t weights = (size_t)(latents * a->stride) * sizeof(float);
    lam_state_move(cursor, a->encoder + first * a->stride, weights);
    lam_state_move(cursor, a->decoder + first * a->stride, weights);
    lam_state_move(cursor, a->moments + first * tiles,
                   (size_t)(latents * tiles) * sizeof *a->moments);
    move_parameter(cursor, &a->encoder_bias, first, latents);
    move_parameter(cursor, &a->log_threshold, first, latents);
    move_parameter(cursor, &a->magnitude_scale, first, latents);
    move_parameter(cursor, &a->magnitude_bias, first, latents);
    lam_state_move(cursor, a->threshold + first, (size_t)latents * sizeof *a->threshold);
    lam_state_move(cursor, a->since_active + first, (size_t)latents * sizeof *a->since_active);
}

static size_t copy_autoencoder(void *of, int64_t block, char *bytes, bool back) {
    const lam_training *t = of;
    lam_autoencoder *a = t->autoencoder;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    if (block != LAM_STATE_COMMON) {
        move_latents(&cursor, a, block);
        return cursor.at;
    }
    move_parameter(&cursor, &a->decoder_bias, 0, a->stride);
    lam_state_move(&cursor, &a->mean_threshold, sizeof a->mean_threshold);
    lam_state_move(&cursor, &a->mean_count, sizeof a->mean_count);
    move_progress(&cursor, &a->position, t->curves, a->options.epochs, a->options.buffers);
    return cursor.at;
}

static size_t copy_published(void *of, int64_t block, char *bytes, bool back) {
    const lam_training *t = of;
    lam_published *p = t->published;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    const int64_t first = block * LAM_LATENT_BLOCK, width = p->options.width;
    const int64_t latents = lam_least(p->options.latents - first, LAM_LATENT_BLOCK);
    if (block == LAM_STATE_COMMON)
        move_progress(&cursor, &p->position, t->curves, p->options.epochs, 1);
    else
        move_parameter(&cursor, &p->weight, first * width, latents * width);
    return cursor.at;
}

static void tell(const void *of, char text[LAM_STATE_TEXT]) {
    const lam_training *t = of;
    const lam_autoencoder_position *at =
        t->autoencoder ? &t->autoencoder->position : &t->published->position;
    const int64_t epochs =
        t->autoencoder ? t->autoencoder->options.epochs : t->published->options.epochs;
    if (at->epoch < epochs)
        snprintf(text, LAM_STATE_TEXT, "epoch %lld of %lld", (long long)(at->epoch + 1),
                 (long long)epochs);
    else
        snprintf(text, LAM_STATE_TEXT, "the end of its training");
}

lam_state lam_training_state(lam_training *training) {
    const lam_autoencoder *a = training->autoencoder;
    const lam_published *p = training->published;
    if (a)
        return (lam_state){.team = a->team,
                           .blocks = a->blocks,
                           .position = a->position.steps,
                           .copy = copy_autoencoder,
                           .tell = tell,
                           .of = training};
    return (lam_state){.team = &lam_team_alone,
                       .blocks = lam_pieces(p->options.latents, LAM_LATENT_BLOCK),
                       .position = p->position.steps,
                       .copy = copy_published,
                       .tell = tell,
                       .of = training};
}
