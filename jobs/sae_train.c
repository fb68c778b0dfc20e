// The training of one layer's autoencoder: on all rows at hand, in either mode, or chunk by chunk.
#include "jobs/gather.h"
#include "jobs/sae.h"
#include "jobs/sae_export.h"

#include <math.h>
#include <stdio.h>

lam_autoencoder_options sae_training_options(const lam_profile_run *run) {
    const sae_options *o = sae_options_of(run);
    const int64_t most = sae_most_rows(run);
    lam_autoencoder_options with =
        lam_autoencoder_defaults(lam_site_width(run->model, sae_site(run)));
    with.latents = o->latents;
    with.epochs = o->epochs;
    with.buffers = run->chunks->count;
    with.batch = o->batch < most ? o->batch : most;
    with.adam.learning_rate = o->learning_rate;
    sae_kinds_apply(&o->kinds, sae_all_rows(run), &with);
    return with;
}

lam_code sae_begin(const lam_profile_run *run, int64_t layer, lam_arena *arena, void **state,
                   lam_error *error) {
    (void)layer;
    const sae_options *o = sae_options_of(run);
    sae_layer *l;
    LAM_ALLOC(l, arena, 1, error);
    sae_rows *rows = &l->rows;
    rows->width = lam_site_width(run->model, sae_site(run));
    rows->skip = sae_dropped(run);
    rows->count = sae_all_rows(run);
    LAM_ALLOC(rows->row, arena, sae_most_rows(run) * rows->width, error);
    rows->spliced = rows->row;
    l->run = run;
    *state = l;
    if (!o->buffer) return LAM_OK;
    LAM_ALLOC(rows->spliced, arena, sae_row_count(run, 0, o->splice) * rows->width, error);
    lam_autoencoder_options with = sae_training_options(run);
    return lam_autoencoder_create_unequipped(&l->autoencoder, &with, run->team, arena, error);
}

// Rows of sequences first .. end - 1, from what a member of the team has seen to what all have.
static lam_code gather(const lam_profile_run *run, const sae_rows *rows, int64_t first, int64_t end,
                       float *row, lam_error *error) {
    return lam_gather_tokens(run, rows->skip, first, end, row, (size_t)rows->width * sizeof *row,
                             error);
}

static lam_code check_finite(const sae_rows *rows, int64_t first, lam_error *error) {
    for (int64_t i = 0; i < rows->count * rows->width; i++)
        if (!isfinite(rows->row[i]))
            return lam_fail(error, LAM_NUMERIC,
                            "the activation of unit %lld in row %lld is %f: the model's weights "
                            "overflow on this text",
                            (long long)(i % rows->width), (long long)(first + i / rows->width),
                            (double)rows->row[i]);
    return LAM_OK;
}

static lam_sae_export export_of(const lam_profile_run *run) {
    const sae_options *o = sae_options_of(run);
    return (lam_sae_export){.folder = run->rehearsed ? NULL : o->export,
                            .site = sae_site(run),
                            .kind =
                                sae_published(run) ? "published" : sae_kind_choices[o->kinds.kind],
                            .dropped = sae_dropped(run)};
}

lam_code sae_check_export(const lam_profile_run *run, lam_error *error) {
    lam_sae_export to = export_of(run);
    return to.folder ? lam_sae_export_check(run, &to, error) : LAM_OK;
}

// Of a team one member writes.
static lam_code export_layer(const lam_profile_run *run, int64_t layer,
                             const lam_autoencoder_parameters *parameters, lam_error *error) {
    lam_sae_export to = export_of(run);
    if (run->team->member != 0) return LAM_OK;
    return lam_sae_export_layer(run, &to, layer, parameters, error);
}

static lam_code export_standard(const lam_profile_run *run, int64_t layer,
                                const lam_autoencoder *autoencoder, lam_error *error) {
    if (!export_of(run).folder) return LAM_OK;
    lam_arena arena = {0};
    lam_autoencoder_parameters parameters;
    lam_code code = lam_autoencoder_get_all(autoencoder, &parameters, &arena, error);
    if (code == LAM_OK) code = export_layer(run, layer, &parameters, error);
    lam_arena_destroy(&arena);
    return code;
}

static lam_code export_published(const lam_profile_run *run, int64_t layer,
                                 const lam_published *published, lam_error *error) {
    const lam_autoencoder_parameters parameters = lam_published_get(published);
    return export_of(run).folder ? export_layer(run, layer, &parameters, error) : LAM_OK;
}

typedef struct sae_step { // what the progress of a training needs
    const lam_tick *tick;
    const lam_team *team;
    lam_training training;
    int64_t rows, batch, epochs, told; // told: epochs said to be done
    int64_t buffers;
    lam_code code; // of keeping the state
    lam_error *error;
} sae_step;

// Whether each member of a team has all of the autoencoder's state: then one reads and keeps it.
static bool is_alike(const sae_step *step) {
    return step->training.published && step->team->members > 1;
}

// *found: the training goes on where an earlier run kept it.
static lam_code restore(sae_step *step, bool *found) {
    *found = false;
    if (!step->tick->restore) return LAM_OK;
    lam_state state = lam_training_state(&step->training);
    if (!is_alike(step)) return step->tick->restore(step->tick->user, &state, found, step->error);
    if (step->team->member == 0)
        LAM_TRY(step->tick->restore(step->tick->user, &state, found, step->error));
    return lam_gather_state(step->team, &state, found, step->error);
}

// False where it failed.
static bool keep(sae_step *step, bool now) {
    if (step->code != LAM_OK) return false;
    if (!step->tick->keep || (is_alike(step) && step->team->member > 0)) return true;
    const lam_state state = lam_training_state(&step->training);
    step->code = step->tick->keep(step->tick->user, &state, now, step->error);
    return step->code == LAM_OK;
}

// A team stops together, so that all keep the same state.
static bool goes_on(sae_step *step, bool on) {
    bool stops = !on;
    step->code = step->team->any(step->team, &stops, step->error);
    return step->code == LAM_OK && !stops;
}

// After a training on all rows: whether it came to its end. One whose layer is not finished by
// that, for the splice, is kept.
static lam_code end_training(sae_step *step, bool splice) {
    if (step->code != LAM_OK) return step->code;
    if (step->training.curves->status == LAM_AUTOENCODER_STOPPED) return lam_stop_fail(step->error);
    if (splice) keep(step, true);
    return step->code;
}

static bool tell_step(void *state, const lam_autoencoder_position *position) {
    sae_step *step = state;
    // The position is that of the next batch: at 0, an epoch's last, perhaps smaller one is done.
    int64_t batches = (step->rows + step->batch - 1) / step->batch;
    int64_t done = position->batch == 0 ? step->rows - (batches - 1) * step->batch : step->batch;
    int64_t number = position->epoch * step->buffers + position->buffer + (position->batch > 0);
    char detail[64];
    snprintf(detail, sizeof detail, "%s %lld of %lld", step->buffers > 1 ? "buffer" : "epoch",
             (long long)number, (long long)(step->epochs * step->buffers));
    const bool on = goes_on(step, step->tick->add(step->tick->user, done, detail));
    return position->epoch == step->epochs || (keep(step, !on) && on);
}

// What either training leaves.
typedef struct sae_outcome {
    lam_autoencoder_curves curves;
    lam_autoencoder_measures measures;
} sae_outcome;

// What follows the training: export, the measures of the rows at hand, and what it makes of those
// to be spliced.
static lam_code conclude(const lam_profile_run *run, int64_t layer, lam_autoencoder *autoencoder,
                         const sae_rows *rows, lam_autoencoder_measures *measures,
                         lam_error *error) {
    LAM_TRY(export_standard(run, layer, autoencoder, error));
    LAM_TRY(lam_autoencoder_measure(autoencoder, rows->row, rows->count, measures, error));
    return lam_autoencoder_reconstruct(autoencoder, rows->spliced,
                                       sae_row_count(run, 0, sae_options_of(run)->splice),
                                       rows->spliced, error);
}

static lam_code train_standard(const lam_profile_run *run, int64_t layer, const sae_rows *rows,
                               const lam_tick *tick, sae_outcome *outcome, lam_arena *arena,
                               lam_error *error) {
    lam_autoencoder_options with = sae_training_options(run);
    lam_autoencoder *autoencoder;
    LAM_TRY(lam_autoencoder_create(&autoencoder, &with, run->team, arena, error));
    sae_step step = {.tick = tick,
                     .team = run->team,
                     .training = {.autoencoder = autoencoder, .curves = &outcome->curves},
                     .rows = rows->count,
                     .batch = with.batch,
                     .epochs = with.epochs,
                     .buffers = 1,
                     .error = error};
    lam_autoencoder_progress progress = {tell_step, &step};
    const lam_autoencoder_position *at = &autoencoder->position;
    bool found;
    LAM_TRY(restore(&step, &found));
    if (found)
        tick->add(tick->user, at->epoch * rows->count + at->batch * with.batch, "kept");
    else
        lam_autoencoder_start(autoencoder, rows->row, rows->count, run->seed, (uint16_t)layer);
    LAM_TRY(lam_autoencoder_train(autoencoder, rows->row, rows->count, run->seed, (uint16_t)layer,
                                  &progress, &outcome->curves, error));
    LAM_TRY(end_training(&step, sae_options_of(run)->splice));
    return conclude(run, layer, autoencoder, rows, &outcome->measures, error);
}

// A whole epoch at a time: published mode takes all rows in one step.
static bool tell_epoch(void *state, const lam_autoencoder_position *position) {
    sae_step *step = state;
    char detail[64];
    snprintf(detail, sizeof detail, "epoch %lld of %lld", (long long)position->epoch,
             (long long)step->epochs);
    const int64_t done = position->epoch - step->told;
    step->told = position->epoch;
    const bool on = goes_on(step, step->tick->add(step->tick->user, done * step->rows, detail));
    return position->epoch == step->epochs || (keep(step, !on) && on);
}

static lam_code train_published(const lam_profile_run *run, int64_t layer, const sae_rows *rows,
                                const lam_tick *tick, sae_outcome *outcome, lam_arena *arena,
                                lam_error *error) {
    const sae_options *o = sae_options_of(run);
    lam_published_options with = lam_published_defaults(rows->width);
    with.latents = o->latents;
    with.kept = o->latents / 3;
    with.epochs = o->epochs;
    with.adam.learning_rate = o->learning_rate;
    lam_published *published;
    LAM_TRY(lam_published_create(&published, &with, run->team, arena, error));
    sae_step step = {.tick = tick,
                     .team = run->team,
                     .training = {.published = published, .curves = &outcome->curves},
                     .rows = rows->count,
                     .epochs = o->epochs,
                     .error = error};
    lam_autoencoder_progress progress = {tell_epoch, &step};
    bool found;
    LAM_TRY(restore(&step, &found));
    step.told = found ? published->position.epoch : 0;
    if (found)
        tick->add(tick->user, step.told * rows->count, "kept");
    else
        lam_published_start(published, run->seed, (uint16_t)layer);
    LAM_TRY(
        lam_published_train(published, rows->row, rows->count, &progress, &outcome->curves, error));
    LAM_TRY(end_training(&step, o->splice));
    LAM_TRY(export_published(run, layer, published, error));
    LAM_TRY(lam_published_measure(published, rows->row, rows->count, &outcome->measures, error));
    return lam_published_reconstruct(published, rows->spliced, sae_row_count(run, 0, o->splice),
                                     rows->spliced, error);
}

static double *values(lam_group *group, const char *name, int64_t layer) {
    return lam_group_row(group, name, layer);
}

// The curves are the group's rows.
static lam_autoencoder_curves curves_of(lam_group *group, int64_t layer) {
    return (lam_autoencoder_curves){.loss = values(group, "epoch_loss", layer),
                                    .mse = values(group, "epoch_mse", layer),
                                    .density = values(group, "epoch_density", layer),
                                    .buffer_loss = values(group, "buffer_loss", layer),
                                    .buffer_mse = values(group, "buffer_mse", layer),
                                    .buffer_density = values(group, "buffer_density", layer)};
}

void sae_point_curves(sae_layer *l, lam_group *group, int64_t layer) {
    const lam_autoencoder_curves was = l->curves;
    l->curves = curves_of(group, layer);
    l->curves.last_loss = was.last_loss;
    l->curves.status = was.status;
}

// Steps of the whole training.
static int64_t steps_of(const lam_profile_run *run, int64_t batch) {
    const lam_chunks *chunks = run->chunks;
    int64_t steps = 0;
    for (int64_t c = 0; c < chunks->count; c++)
        steps += lam_pieces(sae_row_count(run, chunks->first[c], chunks->first[c + 1]), batch);
    return sae_options_of(run)->epochs * steps;
}

// On the chunk at hand.
static lam_code train_chunk(const lam_profile_run *run, int64_t layer, sae_layer *l,
                            lam_group *group, const lam_tick *tick, lam_error *error) {
    lam_autoencoder *a = l->autoencoder;
    const sae_rows *rows = &l->rows;
    const lam_autoencoder_options *with = &a->options;
    a->total_steps = steps_of(run, with->batch);
    if (l->drained == 0) {
        lam_autoencoder_start(a, rows->row, rows->count, run->seed, (uint16_t)layer);
        sae_point_curves(l, group, layer);
        LAM_TRY(lam_curves_begin(&l->curves, rows->count, 0, with->epochs, error));
    }
    if (l->curves.status != LAM_AUTOENCODER_TRAINED) return LAM_OK; // it has diverged
    sae_step step = {.tick = tick,
                     .team = run->team,
                     .rows = rows->count,
                     .batch = with->batch,
                     .epochs = with->epochs,
                     .buffers = with->buffers,
                     .error = error};
    lam_autoencoder_progress progress = {tell_step, &step};
    LAM_TRY(lam_autoencoder_train_buffer(a, rows->row, rows->count, run->seed, (uint16_t)layer,
                                         &progress, &l->curves, error));
    if (step.code != LAM_OK) return step.code;
    return l->curves.status == LAM_AUTOENCODER_STOPPED ? lam_stop_fail(error) : LAM_OK;
}

lam_code sae_drain(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                   const lam_tick *tick, lam_error *error) {
    sae_layer *l = state;
    const int64_t *first = &run->chunks->first[l->drained % run->chunks->count];
    l->rows.count = sae_row_count(run, first[0], first[1]);
    LAM_TRY(gather(run, &l->rows, first[0], first[1], l->rows.row, error));
    LAM_TRY(check_finite(&l->rows, sae_row_count(run, 0, first[0]), error));
    lam_arena work = {0}; // lent to one layer after the other
    lam_code code = lam_autoencoder_equip(l->autoencoder, &work, error);
    if (code == LAM_OK) code = train_chunk(run, layer, l, group, tick, error);
    lam_arena_destroy(&work);
    l->drained++;
    return code;
}

static lam_code finish_chunks(const lam_profile_run *run, int64_t layer, sae_layer *l,
                              const lam_tick *tick, sae_outcome *outcome, lam_arena *work,
                              lam_error *error) {
    outcome->curves = l->curves;
    LAM_TRY(gather(run, &l->rows, 0, sae_options_of(run)->splice, l->rows.spliced, error));
    LAM_TRY(lam_autoencoder_equip(l->autoencoder, work, error));
    LAM_TRY(conclude(run, layer, l->autoencoder, &l->rows, &outcome->measures, error));
    return tick->add(tick->user, l->rows.count, "measured") ? LAM_OK : lam_stop_fail(error);
}

static void fill(lam_group *group, int64_t layer, const sae_outcome *outcome) {
    const lam_autoencoder_measures *m = &outcome->measures;
    *values(group, "density", layer) = m->density;
    *values(group, "l0", layer) = m->l0;
    *values(group, "mse", layer) = m->mse;
    *values(group, "fvu", layer) = m->fvu;
    *values(group, "cosine", layer) = m->cosine;
    *values(group, "dead_share", layer) = m->dead_share;
    *values(group, "density_activation", layer) = m->density_activation;
    *values(group, "loss", layer) = outcome->curves.last_loss;
    *(int8_t *)lam_group_row(group, "status", layer) =
        outcome->curves.status == LAM_AUTOENCODER_DIVERGED;
    *(int32_t *)lam_group_row(group, "undefined", layer) = (int32_t)m->flags;
}

lam_code sae_finish(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                    const lam_tick *tick, lam_arena *arena, lam_error *error) {
    (void)arena;
    sae_layer *l = state;
    sae_outcome outcome = {.curves = curves_of(group, layer)};
    // The rows may have to outlive the autoencoder.
    lam_arena scratch = {0};
    lam_code code = LAM_OK;
    if (l->autoencoder)
        code = finish_chunks(run, layer, l, tick, &outcome, &scratch, error);
    else {
        code = gather(run, &l->rows, 0, run->sequences->count, l->rows.row, error);
        if (code == LAM_OK) code = check_finite(&l->rows, 0, error);
        if (code == LAM_OK)
            code = (sae_published(run) ? train_published : train_standard)(
                run, layer, &l->rows, tick, &outcome, &scratch, error);
    }
    lam_arena_destroy(&scratch);
    if (code != LAM_OK) return code;
    fill(group, layer, &outcome);
    return LAM_OK;
}
