// The profile of sparse autoencoders: a fresh one for every layer, trained on the activations of
// one site, and how sparse and how faithful it ends.
#include "jobs/profile.h"
#include "jobs/sae_export.h"
#include "jobs/sae_kinds.h"
#include "jobs/sae_splice.h"
#include "src/autoencoder.h"
#include "src/autoencoder_published.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct sae_options {
    int site; // index into site_choices
    int64_t latents, epochs, batch, splice;
    double learning_rate;
    sae_kinds kinds;
    const char *export; // folder; NULL: nothing is exported
} sae_options;

// auto, then the row sites, in the order of row_sites.
static const char *const site_choices[] = {"auto",    "qkv",       "q",          "k",
                                           "v",       "attn_out",  "mlp_fc",     "mlp_act",
                                           "mlp_out", "resid_pre", "resid_post", NULL};
static const lam_site row_sites[] = {LAM_SITE_COUNT,     LAM_SITE_QKV,       LAM_SITE_Q,
                                     LAM_SITE_K,         LAM_SITE_V,         LAM_SITE_ATTN_OUT,
                                     LAM_SITE_MLP_FC,    LAM_SITE_MLP_ACT,   LAM_SITE_MLP_OUT,
                                     LAM_SITE_RESID_PRE, LAM_SITE_RESID_POST};

static const lam_option options[] = {
    {"site", LAM_OPTION_CHOICE, offsetof(sae_options, site), "auto", 0, 0, site_choices,
     "whose activations; auto: mlp_out, in published mode mlp_fc"},
    {"kind", LAM_OPTION_CHOICE, offsetof(sae_options, kinds.kind), "relu", 0, 0, sae_kind_choices,
     "the autoencoder's activation; published mode has its own (relu, then top-k)"},
    {"latents", LAM_OPTION_INTEGER, offsetof(sae_options, latents), "auto", 1, 0x1p24, NULL,
     "latents; auto: 4 times the model's width, in published mode 2 times the site's"},
    {"epochs", LAM_OPTION_INTEGER, offsetof(sae_options, epochs), "75", 1, 1e6, NULL,
     "passes over the rows"},
    {"batch", LAM_OPTION_INTEGER, offsetof(sae_options, batch), "auto", 1, 0x1p24, NULL,
     "rows of a step; auto: 1024; published mode takes all rows"},
    {"l1", LAM_OPTION_REAL, offsetof(sae_options, kinds.l1), "auto", 0, 1e6, NULL,
     "kinds relu and gated: weight of the latents' (gated: the open gates') sum in the loss; auto: "
     "1e-3; published mode has its own"},
    {"k", LAM_OPTION_INTEGER, offsetof(sae_options, kinds.k), "auto", 1, 0x1p24, NULL,
     "kinds topk and batchtopk: latents that stay active, in every row or on average over a "
     "batch; auto: 32"},
    {"aux_coefficient", LAM_OPTION_REAL, offsetof(sae_options, kinds.aux_coefficient), "auto", 0,
     1e6, NULL,
     "kinds topk and batchtopk: weight of the loss by which dead latents learn what is left over "
     "(AuxK); auto: 1/32"},
    {"dead_after", LAM_OPTION_INTEGER, offsetof(sae_options, kinds.dead_after), "auto", 1, 0x1p52,
     NULL,
     "kinds topk and batchtopk: rows in which a latent was not active, for it to count as dead; "
     "auto: as many as the text gives"},
    {"l0", LAM_OPTION_REAL, offsetof(sae_options, kinds.l0), "auto", 0, 1e6, NULL,
     "kind jumprelu: weight of the number of active latents in the loss; auto: 1e-3"},
    {"bandwidth", LAM_OPTION_REAL, offsetof(sae_options, kinds.bandwidth), "auto", DBL_MIN, 1e6,
     NULL, "kind jumprelu: how wide around its threshold a latent's values move it; auto: 1e-3"},
    {"learning_rate", LAM_OPTION_REAL, offsetof(sae_options, learning_rate), "auto", 0, 1e3, NULL,
     "Adam's; auto: 1e-3, in published mode 1e-4"},
    {"warmup", LAM_OPTION_REAL, offsetof(sae_options, kinds.warmup), "0", 0, 1, NULL,
     "share of the steps, the first, over which the learning rate rises from 0"},
    {"decay", LAM_OPTION_REAL, offsetof(sae_options, kinds.decay), "0", 0, 1, NULL,
     "share of the steps, the last, over which the learning rate falls to 0"},
    {"decoder_norm", LAM_OPTION_CHOICE, offsetof(sae_options, kinds.decoder_norm), "auto", 0, 0,
     sae_decoder_norm_choices,
     "of each latent's decoder weights: free, or unit (1 after every step); auto: unit for kind "
     "gated, else free"},
    {"resample", LAM_OPTION_INTEGER, offsetof(sae_options, kinds.resample), "0", 0, 1e6, NULL,
     "epochs after which latents that were active in none of them start anew; 0: never"},
    {"splice", LAM_OPTION_INTEGER, offsetof(sae_options, splice), "0", 0, 1e6, NULL,
     "sequences to run the model on again with the reconstruction in the site's place, for the "
     "loss recovered; 0: none"},
    {"export", LAM_OPTION_PATH, offsetof(sae_options, export), NULL, 0, 0, NULL,
     "a folder to leave the trained autoencoders in, layer_0, layer_1..., as SAELens loads them; a "
     "sweep's runs have a folder each in it"},
    {NULL},
};

// The first ones only where the model is run again.
static const lam_variable variables[] = {
    SAE_SPLICE_VARIABLES,
    {"epoch", LAM_INT64, {"epoch"}, "training epoch, from 1", "1", NULL},
    {"density", LAM_DOUBLE, {"layer"}, "share of latents above 0, after training", "1", NULL},
    {"l0",
     LAM_DOUBLE,
     {"layer"},
     "mean number of latents above 0 a row, after training",
     "1",
     NULL},
    {"mse",
     LAM_DOUBLE,
     {"layer"},
     "mean squared error of the reconstruction, after training",
     "1",
     NULL},
    {"fvu", LAM_DOUBLE, {"layer"}, "fraction of variance unexplained, about the mean", "1", NULL},
    {"cosine", LAM_DOUBLE, {"layer"}, "mean cosine of a row and its reconstruction", "1", NULL},
    {"dead_share", LAM_DOUBLE, {"layer"}, "share of latents that no row activates", "1", NULL},
    {"density_activation",
     LAM_DOUBLE,
     {"layer"},
     "mean over latents of density times mean activation, each scaled to [0, 1]",
     "1",
     NULL},
    {"loss", LAM_DOUBLE, {"layer"}, "loss of the last batch, before the last step", "1", NULL},
    {"epoch_loss", LAM_DOUBLE, {"layer", "epoch"}, "mean loss of an epoch's batches", "1", NULL},
    {"epoch_mse",
     LAM_DOUBLE,
     {"layer", "epoch"},
     "mean squared error of an epoch's batches",
     "1",
     NULL},
    {"epoch_density",
     LAM_DOUBLE,
     {"layer", "epoch"},
     "share of latents above 0, mean of an epoch's batches",
     "1",
     NULL},
    {"status", LAM_BYTE, {"layer"}, "how the training ended", "1", "trained diverged"},
    {"undefined",
     LAM_INT,
     {"layer"},
     "why measures are missing, as a sum: 1 rows without variance (fvu), 2 rows all zero (cosine), "
     "4 latents all alike (density_activation), 8 not finite (all)",
     "1",
     NULL},
    {NULL},
};

static bool published(const lam_profile_run *run) {
    return run->mode == LAM_PUBLISHED;
}

// The first token sees only itself, in every text alike: standard mode leaves it out.
static int64_t dropped(const lam_profile_run *run) {
    return published(run) ? 0 : 1;
}

static lam_site site_of(const lam_profile_run *run) {
    return row_sites[((const sae_options *)run->options)->site];
}

static int64_t row_count(const lam_profile_run *run) {
    const lam_sequences *q = run->sequences;
    return q->start[q->count] - q->count * dropped(run);
}

static int site_index(lam_site site) {
    int i = 1;
    while (row_sites[i] != site) i++;
    return i;
}

static lam_code resolve(const lam_profile_run *run, lam_error *error) {
    sae_options *o = run->options;
    if (published(run) && o->batch != LAM_AUTO_INTEGER)
        return lam_fail(
            error, LAM_USAGE,
            "sae.batch: published mode has its own: leave it out or use mode: standard");
    if (published(run)) LAM_TRY(sae_kinds_refuse_published(&o->kinds, error));
    if (run->input->length <= dropped(run))
        return lam_fail(error, LAM_USAGE,
                        "sae: sequences of 1 token leave no rows without their first: "
                        "choose a larger length");
    LAM_TRY(sae_splice_check(run, o->splice, error));
    if (o->site == 0) o->site = site_index(published(run) ? LAM_SITE_MLP_FC : LAM_SITE_MLP_OUT);
    if (o->latents == LAM_AUTO_INTEGER)
        o->latents =
            published(run) ? 2 * lam_site_width(run->model, site_of(run)) : 4 * run->model->width;
    if (published(run) && o->latents < 3)
        return lam_fail(error, LAM_USAGE,
                        "sae.latents is %lld, but published mode keeps a third of them: "
                        "choose 3 or more",
                        (long long)o->latents);
    if (o->learning_rate == LAM_AUTO_REAL) o->learning_rate = published(run) ? 1e-4 : 1e-3;
    if (published(run)) return LAM_OK;
    if (o->batch == LAM_AUTO_INTEGER) o->batch = 1024;
    return sae_kinds_resolve(&o->kinds, o->latents, error);
}

static lam_site_set sites(const lam_profile_run *run) {
    return LAM_SITE_BIT(site_of(run));
}

static lam_code take(const lam_profile_run *run, const lam_source *source, lam_sequences *sequences,
                     lam_arena *arena, lam_error *error) {
    const lam_input *input = run->input;
    return lam_sequences_take(sequences, source->token, source->count, input->sequences,
                              input->length, input->select == LAM_JOB_SELECT_RANDOM, run->seed,
                              arena, error);
}

static lam_code groups(const lam_profile_run *run, lam_profile_group *group, size_t room,
                       size_t *count, lam_arena *arena, lam_error *error) {
    (void)room, (void)arena, (void)error;
    const sae_options *o = run->options;
    *group = (lam_profile_group){.name = "sae",
                                 .variables = variables + (o->splice ? 0 : SAE_SPLICE_COUNT),
                                 .dimensions = {{"epoch", o->epochs}},
                                 .dimension_count = 1};
    *count = 1;
    return LAM_OK;
}

static lam_code begin(const lam_profile_run *run, int64_t layer, lam_arena *arena, void **state,
                      lam_error *error) {
    (void)layer;
    sae_rows *rows;
    LAM_ALLOC(rows, arena, 1, error);
    rows->width = lam_site_width(run->model, site_of(run));
    rows->count = row_count(run);
    rows->skip = dropped(run);
    LAM_ALLOC(rows->row, arena, rows->count * rows->width, error);
    *state = rows;
    return LAM_OK;
}

static void see(const lam_profile_run *run, void *state, const lam_view *view) {
    sae_rows *rows = state;
    int64_t skip = dropped(run);
    float *to =
        rows->row + (run->sequences->start[view->sequence] - view->sequence * skip) * rows->width;
    for (int64_t t = skip; t < view->rows; t++, to += rows->width)
        memcpy(to, view->data + t * view->row_stride, (size_t)rows->width * sizeof *to);
}

static lam_code check_finite(const sae_rows *rows, lam_error *error) {
    for (int64_t i = 0; i < rows->count * rows->width; i++)
        if (!isfinite(rows->row[i]))
            return lam_fail(error, LAM_NUMERIC,
                            "the activation of unit %lld in row %lld is %f: the model's weights "
                            "overflow on this text",
                            (long long)(i % rows->width), (long long)(i / rows->width),
                            (double)rows->row[i]);
    return LAM_OK;
}

static lam_sae_export export_of(const lam_profile_run *run) {
    const sae_options *o = run->options;
    return (lam_sae_export){.folder = o->export,
                            .site = site_of(run),
                            .kind = published(run) ? "published" : sae_kind_choices[o->kinds.kind],
                            .dropped = dropped(run)};
}

static lam_code check_export(const lam_profile_run *run, lam_error *error) {
    lam_sae_export to = export_of(run);
    return to.folder ? lam_sae_export_check(run, &to, error) : LAM_OK;
}

static lam_code export_layer(const lam_profile_run *run, int64_t layer,
                             lam_autoencoder_parameters parameters, lam_error *error) {
    lam_sae_export to = export_of(run);
    return to.folder ? lam_sae_export_layer(run, &to, layer, &parameters, error) : LAM_OK;
}

typedef struct sae_step { // what the progress of a training needs
    const lam_tick *tick;
    int64_t rows, batch, epochs, told; // told: epochs said to be done
} sae_step;

static bool tell_step(void *state, const lam_autoencoder_position *position) {
    const sae_step *step = state;
    // The position is that of the next batch: at 0, an epoch's last, perhaps smaller one is done.
    int64_t batches = (step->rows + step->batch - 1) / step->batch;
    int64_t done = position->batch == 0 ? step->rows - (batches - 1) * step->batch : step->batch;
    char detail[64];
    snprintf(detail, sizeof detail, "epoch %lld of %lld",
             (long long)(position->epoch + (position->batch > 0)), (long long)step->epochs);
    return step->tick->add(step->tick->user, done, detail);
}

// What either training leaves.
typedef struct sae_outcome {
    lam_autoencoder_curves curves;
    lam_autoencoder_measures measures;
} sae_outcome;

static lam_code train_standard(const lam_profile_run *run, int64_t layer, const sae_rows *rows,
                               const lam_tick *tick, sae_outcome *outcome, lam_arena *arena,
                               lam_error *error) {
    const sae_options *o = run->options;
    lam_autoencoder_options with = lam_autoencoder_defaults(rows->width);
    with.latents = o->latents;
    with.epochs = o->epochs;
    with.batch = o->batch < rows->count ? o->batch : rows->count;
    with.adam.learning_rate = o->learning_rate;
    sae_kinds_apply(&o->kinds, rows->count, &with);
    lam_autoencoder *autoencoder;
    LAM_TRY(lam_autoencoder_create(&autoencoder, &with, &lam_team_alone, arena, error));
    lam_autoencoder_start(autoencoder, rows->row, rows->count, run->seed, (uint16_t)layer);
    sae_step step = {.tick = tick, .rows = rows->count, .batch = with.batch, .epochs = o->epochs};
    lam_autoencoder_progress progress = {tell_step, &step};
    LAM_TRY(lam_autoencoder_train(autoencoder, rows->row, rows->count, run->seed, (uint16_t)layer,
                                  &progress, &outcome->curves, error));
    if (outcome->curves.status == LAM_AUTOENCODER_STOPPED) return lam_stop_fail(error);
    LAM_TRY(export_layer(run, layer, lam_autoencoder_get(autoencoder), error));
    LAM_TRY(
        lam_autoencoder_measure(autoencoder, rows->row, rows->count, &outcome->measures, error));
    return lam_autoencoder_reconstruct(autoencoder, rows->row,
                                       sae_splice_rows(run, rows, o->splice), rows->row, error);
}

// A whole epoch at a time: published mode takes all rows in one step.
static bool tell_epoch(void *state, const lam_autoencoder_position *position) {
    sae_step *step = state;
    char detail[64];
    snprintf(detail, sizeof detail, "epoch %lld of %lld", (long long)position->epoch,
             (long long)step->epochs);
    const int64_t done = position->epoch - step->told;
    step->told = position->epoch;
    return step->tick->add(step->tick->user, done * step->rows, detail);
}

static lam_code train_published(const lam_profile_run *run, int64_t layer, const sae_rows *rows,
                                const lam_tick *tick, sae_outcome *outcome, lam_arena *arena,
                                lam_error *error) {
    const sae_options *o = run->options;
    lam_published_options with = lam_published_defaults(rows->width);
    with.latents = o->latents;
    with.kept = o->latents / 3;
    with.epochs = o->epochs;
    with.adam.learning_rate = o->learning_rate;
    lam_published *published;
    LAM_TRY(lam_published_create(&published, &with, arena, error));
    lam_published_start(published, run->seed, (uint16_t)layer);
    sae_step step = {.tick = tick, .rows = rows->count, .epochs = o->epochs};
    lam_autoencoder_progress progress = {tell_epoch, &step};
    LAM_TRY(
        lam_published_train(published, rows->row, rows->count, &progress, &outcome->curves, error));
    if (outcome->curves.status == LAM_AUTOENCODER_STOPPED) return lam_stop_fail(error);
    LAM_TRY(export_layer(run, layer, lam_published_get(published), error));
    LAM_TRY(lam_published_measure(published, rows->row, rows->count, &outcome->measures, error));
    return lam_published_reconstruct(published, rows->row, sae_splice_rows(run, rows, o->splice),
                                     rows->row, error);
}

static double *values(lam_group *group, const char *name, int64_t layer) {
    return lam_group_row(group, name, layer);
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

static lam_code finish(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                       const lam_tick *tick, lam_arena *arena, lam_error *error) {
    (void)arena;
    const sae_rows *rows = state;
    LAM_TRY(check_finite(rows, error));
    sae_outcome outcome = {.curves = {.loss = values(group, "epoch_loss", layer),
                                      .mse = values(group, "epoch_mse", layer),
                                      .density = values(group, "epoch_density", layer)}};
    // The rows may have to outlive the autoencoder.
    lam_arena scratch = {0};
    lam_code code = (published(run) ? train_published : train_standard)(run, layer, rows, tick,
                                                                        &outcome, &scratch, error);
    lam_arena_destroy(&scratch);
    if (code != LAM_OK) return code;
    fill(group, layer, &outcome);
    return LAM_OK;
}

static int64_t units(const lam_profile_run *run) {
    return row_count(run) * ((const sae_options *)run->options)->epochs;
}

static bool intervene(const lam_profile_run *run, lam_intervention *asked) {
    int64_t splice = ((const sae_options *)run->options)->splice;
    *asked = sae_splice_asked(site_of(run), splice);
    return splice > 0;
}

static lam_code describe(const lam_profile_run *run, lam_group *group, lam_error *error) {
    const sae_options *o = run->options;
    int64_t *epoch = lam_group_row(group, "epoch", 0);
    for (int64_t i = 0; i < o->epochs; i++) epoch[i] = i + 1;
    LAM_TRY(lam_group_text(group, "site", lam_site_name(site_of(run)), error));
    LAM_TRY(lam_group_number(group, "latents", (double)o->latents, true, error));
    LAM_TRY(lam_group_number(group, "epochs", (double)o->epochs, true, error));
    LAM_TRY(lam_group_number(group, "learning_rate", o->learning_rate, false, error));
    LAM_TRY(lam_group_number(group, "rows", (double)row_count(run), true, error));
    LAM_TRY(lam_group_number(group, "seed", (double)run->seed, true, error));
    if (o->splice) LAM_TRY(lam_group_number(group, "splice", (double)o->splice, true, error));
    if (published(run)) return lam_group_text(group, "kind", "published", error);
    LAM_TRY(sae_kinds_describe(&o->kinds, row_count(run), group, error));
    return lam_group_number(group, "batch", (double)o->batch, true, error);
}

const lam_profile lam_profile_sae = {
    .name = "sae",
    .summary = "sparse autoencoders: how sparsely a layer's activations can be told",
    .options = options,
    .options_size = sizeof(sae_options),
    .resolve = resolve,
    .sites = sites,
    .take = take,
    .groups = groups,
    .begin = begin,
    .see = see,
    .finish = finish,
    .check_export = check_export,
    .units = units,
    .unit = "rows",
    .intervene = intervene,
    .describe = describe,
};
