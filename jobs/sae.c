// The profile of sparse autoencoders: a fresh one for every layer, trained on the activations of
// one site, and how sparse and how faithful it ends.
#include "jobs/sae.h"

#include <float.h>
#include <string.h>

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
    {"epochs", LAM_OPTION_INTEGER, offsetof(sae_options, epochs), "auto", 1, 1e6, NULL,
     "passes over the rows; with buffer each is one of the text through the model; auto: 75, with "
     "buffer 1"},
    {"batch", LAM_OPTION_INTEGER, offsetof(sae_options, batch), "auto", 1, 0x1p24, NULL,
     "rows of a step; auto: 1024; published mode takes all rows"},
    {"buffer", LAM_OPTION_INTEGER, offsetof(sae_options, buffer), "0", 0, 0x1p40, NULL,
     "rows that each layer keeps in memory at a time (64k): the text passes in chunks of as many, "
     "on which the autoencoders are trained in turn; measures are then of the last one; 0: all"},
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
     "epochs (with buffer: buffers) after which latents that were active in none of them start "
     "anew; 0: never"},
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

// Where rows come in buffers, these follow.
static const lam_variable buffer_variables[] = {
    {"buffer",
     LAM_INT64,
     {"buffer"},
     "buffer of rows, from 1; those of an epoch follow each other",
     "1",
     NULL},
    {"buffer_loss", LAM_DOUBLE, {"layer", "buffer"}, "mean loss of a buffer's batches", "1", NULL},
    {"buffer_mse",
     LAM_DOUBLE,
     {"layer", "buffer"},
     "mean squared error of a buffer's batches",
     "1",
     NULL},
    {"buffer_density",
     LAM_DOUBLE,
     {"layer", "buffer"},
     "share of latents above 0, mean of a buffer's batches",
     "1",
     NULL},
    {NULL},
};

lam_site sae_site(const lam_profile_run *run) {
    return row_sites[sae_options_of(run)->site];
}

int64_t sae_row_count(const lam_profile_run *run, int64_t first, int64_t end) {
    const int64_t *start = run->sequences->start;
    return start[end] - start[first] - (end - first) * sae_dropped(run);
}

int64_t sae_all_rows(const lam_profile_run *run) {
    return sae_row_count(run, 0, run->sequences->count);
}

int64_t sae_last_rows(const lam_profile_run *run) {
    const lam_chunks *chunks = run->chunks;
    return sae_row_count(run, chunks->first[chunks->count - 1], chunks->first[chunks->count]);
}

int64_t sae_most_rows(const lam_profile_run *run) {
    int64_t most = 0;
    for (int64_t c = 0; c < run->chunks->count; c++) {
        const int64_t *first = &run->chunks->first[c],
                      rows = sae_row_count(run, first[0], first[1]);
        if (rows > most) most = rows;
    }
    return most;
}

static int site_index(lam_site site) {
    int i = 1;
    while (row_sites[i] != site) i++;
    return i;
}

// A buffer must hold what comes at once.
static lam_code check_buffer(const lam_profile_run *run, const sae_options *o, lam_error *error) {
    const lam_input *input = run->input;
    int64_t together = lam_batch_sequences(input->length);
    if (input->sequences && together > input->sequences) together = input->sequences;
    const int64_t rows = together * (input->length - sae_dropped(run));
    if (!o->buffer || (o->buffer >= rows && o->buffer >= o->batch)) return LAM_OK;
    if (o->buffer < o->batch)
        return lam_fail(error, LAM_USAGE,
                        "sae.buffer is %lld rows, fewer than a batch of %lld: choose a larger "
                        "buffer or a smaller batch",
                        (long long)o->buffer, (long long)o->batch);
    return lam_fail(error, LAM_USAGE,
                    "sae.buffer is %lld rows, fewer than the %lld that pass the model together: "
                    "choose so many or more",
                    (long long)o->buffer, (long long)rows);
}

static lam_code resolve(const lam_profile_run *run, lam_error *error) {
    sae_options *o = run->options;
    if (sae_published(run) && o->batch != LAM_AUTO_INTEGER)
        return lam_fail(
            error, LAM_USAGE,
            "sae.batch: published mode has its own: leave it out or use mode: standard");
    if (sae_published(run) && o->buffer)
        return lam_fail(error, LAM_USAGE,
                        "sae.buffer: published mode takes all rows in one step: leave it out or "
                        "use mode: standard");
    if (sae_published(run)) LAM_TRY(sae_kinds_refuse_published(&o->kinds, error));
    if (run->input->length <= sae_dropped(run))
        return lam_fail(error, LAM_USAGE,
                        "sae: sequences of 1 token leave no rows without their first: "
                        "choose a larger length");
    LAM_TRY(sae_splice_check(run, o->splice, run->input->sequences, error));
    if (o->epochs == LAM_AUTO_INTEGER) o->epochs = o->buffer ? 1 : 75;
    if (o->site == 0) o->site = site_index(sae_published(run) ? LAM_SITE_MLP_FC : LAM_SITE_MLP_OUT);
    if (o->latents == LAM_AUTO_INTEGER)
        o->latents = sae_published(run) ? 2 * lam_site_width(run->model, sae_site(run))
                                        : 4 * run->model->width;
    if (sae_published(run) && o->latents < 3)
        return lam_fail(error, LAM_USAGE,
                        "sae.latents is %lld, but published mode keeps a third of them: "
                        "choose 3 or more",
                        (long long)o->latents);
    if (o->learning_rate == LAM_AUTO_REAL) o->learning_rate = sae_published(run) ? 1e-4 : 1e-3;
    if (sae_published(run)) return LAM_OK;
    if (o->batch == LAM_AUTO_INTEGER) o->batch = 1024;
    LAM_TRY(check_buffer(run, o, error));
    return sae_kinds_resolve(&o->kinds, o->latents, error);
}

static lam_site_set sites(const lam_profile_run *run) {
    return LAM_SITE_BIT(sae_site(run));
}

static lam_code take(const lam_profile_run *run, const lam_source *source, lam_sequences *sequences,
                     lam_arena *arena, lam_error *error) {
    const lam_input *input = run->input;
    LAM_TRY(lam_sequences_take(sequences, &source->text, input->sequences, input->length,
                               input->select == LAM_JOB_SELECT_RANDOM, run->seed, arena, error));
    return sae_splice_check(run, sae_options_of(run)->splice, sequences->count, error);
}

static lam_code add_buffer_variables(lam_profile_group *group, lam_arena *arena, lam_error *error) {
    lam_variable *all;
    size_t count = 0;
    while (group->variables[count].name) count++;
    LAM_ALLOC(all, arena, count + sizeof buffer_variables / sizeof *buffer_variables, error);
    memcpy(all, group->variables, count * sizeof *all);
    memcpy(all + count, buffer_variables, sizeof buffer_variables);
    group->variables = all;
    return LAM_OK;
}

static lam_code groups(const lam_profile_run *run, lam_profile_group *group, size_t room,
                       size_t *count, lam_arena *arena, lam_error *error) {
    (void)room;
    const sae_options *o = run->options;
    const int64_t buffers = run->chunks->count;
    *group = (lam_profile_group){.name = "sae",
                                 .variables = variables + (o->splice ? 0 : SAE_SPLICE_COUNT),
                                 .dimensions = {{"epoch", o->epochs}},
                                 .dimension_count = 1};
    *count = 1;
    if (!o->buffer) return LAM_OK;
    group->dimensions[group->dimension_count++] = (lam_dimension){"buffer", o->epochs * buffers};
    return add_buffer_variables(group, arena, error);
}

static bool buffers(const lam_profile_run *run, lam_buffering *asked) {
    const sae_options *o = run->options;
    const int64_t length = run->input->length - sae_dropped(run);
    if (!o->buffer) return false;
    *asked = (lam_buffering){.sequences = o->buffer / length, .rounds = o->epochs};
    return true;
}

static void see(const lam_profile_run *run, void *state, const lam_view *view) {
    const sae_layer *l = state;
    const sae_rows *rows = &l->rows;
    const int64_t first = run->chunks->first[l->drained % run->chunks->count];
    const bool splices = rows->spliced != rows->row && view->sequence < sae_options_of(run)->splice;
    float *to = rows->row + sae_row_count(run, first, view->sequence) * rows->width, *from = to;
    for (int64_t t = rows->skip; t < view->rows; t++, to += rows->width)
        memcpy(to, view->data + t * view->row_stride, (size_t)rows->width * sizeof *to);
    if (splices)
        memcpy(rows->spliced + sae_row_count(run, 0, view->sequence) * rows->width, from,
               (size_t)(to - from) * sizeof *to);
}

static int64_t units(const lam_profile_run *run) {
    const sae_options *o = run->options;
    return o->buffer ? sae_last_rows(run) : sae_all_rows(run) * o->epochs;
}

static bool intervene(const lam_profile_run *run, lam_intervention *asked) {
    int64_t splice = ((const sae_options *)run->options)->splice;
    *asked = sae_splice_asked(sae_site(run), splice);
    return splice > 0;
}

static lam_code describe_buffers(const lam_profile_run *run, lam_group *group, lam_error *error) {
    const sae_options *o = run->options;
    if (!o->buffer) return LAM_OK;
    int64_t *buffer = lam_group_row(group, "buffer", 0);
    for (int64_t i = 0; i < o->epochs * run->chunks->count; i++) buffer[i] = i + 1;
    LAM_TRY(lam_group_number(group, "buffer", (double)o->buffer, true, error));
    LAM_TRY(
        lam_group_number(group, "buffers_of_an_epoch", (double)run->chunks->count, true, error));
    LAM_TRY(lam_group_text(group, "measured", "on the rows of the last buffer", error));
    return lam_group_number(group, "measured_rows", (double)sae_last_rows(run), true, error);
}

static lam_code describe(const lam_profile_run *run, lam_group *group, lam_error *error) {
    const sae_options *o = run->options;
    int64_t *epoch = lam_group_row(group, "epoch", 0);
    for (int64_t i = 0; i < o->epochs; i++) epoch[i] = i + 1;
    LAM_TRY(describe_buffers(run, group, error));
    LAM_TRY(lam_group_text(group, "site", lam_site_name(sae_site(run)), error));
    LAM_TRY(lam_group_number(group, "latents", (double)o->latents, true, error));
    LAM_TRY(lam_group_number(group, "epochs", (double)o->epochs, true, error));
    LAM_TRY(lam_group_number(group, "learning_rate", o->learning_rate, false, error));
    LAM_TRY(lam_group_number(group, "rows", (double)sae_all_rows(run), true, error));
    LAM_TRY(lam_group_number(group, "seed", (double)run->seed, true, error));
    if (o->splice) LAM_TRY(lam_group_number(group, "splice", (double)o->splice, true, error));
    if (sae_published(run)) return lam_group_text(group, "kind", "published", error);
    LAM_TRY(sae_kinds_describe(&o->kinds, sae_all_rows(run), group, error));
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
    .cost = sae_cost,
    .begin = sae_begin,
    .see = see,
    .collect = sae_collect,
    .seen = sae_seen,
    .buffers = buffers,
    .drain = sae_drain,
    .finish = sae_finish,
    .check_export = sae_check_export,
    .units = units,
    .unit = "rows",
    .intervene = intervene,
    .describe = describe,
};
