// The profile of attention weights: how they are distributed, and where each head looks.
#include "src/attention.h"
#include "jobs/gather.h"
#include "jobs/passage.h"
#include "jobs/profile.h"
#include "src/histogram.h"
#include "src/kde.h"
#include "src/module_order.h"
#include "src/weight_sums.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { GRID = 300, QUANTILES = 5 };
static const double quantile_levels[QUANTILES] = {0.05, 0.25, 0.5, 0.75, 0.95};

typedef struct attention_options {
    const char *bandwidth; // lam_bandwidth_parse
    bool reflected, exact;
} attention_options;

static const lam_option options[] = {
    {"bandwidth", LAM_OPTION_STRING, offsetof(attention_options, bandwidth), "scott", 0, 0, NULL,
     "of the densities: scott, silverman, or the kernel's standard deviation as a number"},
    {"reflected", LAM_OPTION_BOOL, offsetof(attention_options, reflected), "false", 0, 0, NULL,
     "give, beside the plain densities, ones that are mended by reflection at 0 and 1"},
    {"exact", LAM_OPTION_BOOL, offsetof(attention_options, exact), "false", 0, 0, NULL,
     "a kernel for every single weight: the direct sum, in memory that grows with the text; else "
     "near ones share bins and kernels, within 1e-4 of the peak"},
    {NULL},
};

// The first two where they are asked for.
static const lam_variable variables[] = {
    {"final_density_reflected",
     LAM_DOUBLE,
     {"layer", "grid"},
     "density of the last token's weights on earlier ones, mended at 0 and 1 by reflection",
     "1",
     NULL},
    {"self_density_reflected",
     LAM_DOUBLE,
     {"layer", "grid"},
     "density of tokens' weights on themselves, mended at 0 and 1 by reflection",
     "1",
     NULL},
    {"grid", LAM_DOUBLE, {"grid"}, "attention weight", "1", NULL},
    {"quantile", LAM_DOUBLE, {"quantile"}, "quantile level", "1", NULL},
#define KIND(name, what)                                                                            \
    {name "_density", LAM_DOUBLE, {"layer", "grid"}, "density of " what, "1", NULL},                \
        {name "_bandwidth", LAM_DOUBLE, {"layer"}, "bandwidth of the density of " what, "1", NULL}, \
        {name "_status", LAM_BYTE, {"layer"}, "whether there is a density of " what, "1",           \
         LAM_KDE_STATUS},                                                                           \
        {name "_count", LAM_INT64, {"layer"}, "number of " what, "1", NULL},                        \
        {name "_mean", LAM_DOUBLE, {"layer"}, "mean of " what, "1", NULL},                          \
        {name "_share_above_half", LAM_DOUBLE, {"layer"}, "share above 0.5 of " what, "1", NULL},   \
    {                                                                                               \
        name "_quantile", LAM_DOUBLE, {"layer", "quantile"}, "quantiles of " what, "1", NULL        \
    }
    KIND("final", "the last token's weights on earlier ones, heads pooled"),
    KIND("self", "tokens' weights on themselves, the first token left out, heads pooled"),
#undef KIND
    {"self_weight",
     LAM_DOUBLE,
     {"layer", "head"},
     "mean weight of a token on itself, the first token left out",
     "1",
     NULL},
    {"first_token_weight",
     LAM_DOUBLE,
     {"layer", "head"},
     "mean weight of a token on the first, the first token left out",
     "1",
     NULL},
    {"previous_token_weight",
     LAM_DOUBLE,
     {"layer", "head"},
     "mean weight of a token on the one before, the first token left out",
     "1",
     NULL},
    {"entropy",
     LAM_DOUBLE,
     {"layer", "head"},
     "mean entropy of a token's weights, in nats, the first token left out",
     "1",
     NULL},
    {NULL},
};

enum { REFLECTED_VARIABLES = 2 };

// Weights of one kind in a layer.
typedef struct weight_kind {
    lam_histogram histogram;
    int64_t above_half;
    float *passing; // [sequence of the batch, head, tokens - 1] until the batch has passed
} weight_kind;

enum { FINAL, SELF, KINDS };
static const char *const kind_names[KINDS] = {"final", "self"};

// What a layer keeps. Heads and sequences of a batch come from different threads at once, and
// batches to different members of a team: so what they bring is laid down by (sequence, head), and
// added up in that order.
typedef struct layer_state {
    const lam_profile_run *run;
    lam_batch batch; // in passing
    weight_kind kind[KINDS];
    lam_weight_sums *sums; // [sequence, head]
    int64_t seen;          // sequences
    int64_t bins[KINDS];   // of the histograms, as they are kept
    lam_error error;       // the first
} layer_state;

static lam_code resolve(const lam_profile_run *run, lam_error *error) {
    return lam_passage_resolve(run, ((const attention_options *)run->options)->bandwidth, error);
}

// In published mode the weights are made anew of the projection. A row site is seen before its
// batch's weights, by one thread: time to add up the batch before.
static lam_site_set sites(const lam_profile_run *run) {
    return run->mode == LAM_PUBLISHED ? LAM_SITE_BIT(LAM_SITE_QKV)
                                      : LAM_SITE_BIT(LAM_SITE_Q) | LAM_SITE_BIT(LAM_SITE_WEIGHTS);
}

static lam_code groups(const lam_profile_run *run, lam_profile_group *group, size_t room,
                       size_t *count, lam_arena *arena, lam_error *error) {
    (void)room, (void)arena, (void)error;
    const attention_options *o = run->options;
    *group = (lam_profile_group){.name = "attention",
                                 .variables = variables + (o->reflected ? 0 : REFLECTED_VARIABLES),
                                 .dimensions = {{"grid", GRID}, {"quantile", QUANTILES}},
                                 .dimension_count = 2};
    *count = 1;
    return LAM_OK;
}

// Each pair of a query and a key is looked at once for every head; each kernel once for every point
// of a curve.
static void cost(const lam_profile_run *run, lam_profile_cost *cost) {
    const double heads = (double)run->model->heads;
    const int64_t *start = run->sequences->start;
    for (int64_t s = 0; s < run->sequences->count; s++) {
        const double length = (double)(start[s + 1] - start[s]);
        cost->seen.of[LAM_WORK_VALUES] += heads * length * (length + 1) / 2;
    }
    const double values = heads * (double)start[run->sequences->count];
    const bool exact = ((const attention_options *)run->options)->exact;
    int64_t rows, longest;
    lam_batch_limits(run->sequences, &rows, &longest);
    const double kernels = exact || values < LAM_DEFAULT_BINS ? values : LAM_DEFAULT_BINS;
    cost->work.of[LAM_WORK_DOUBLES] += 20.0 * KINDS * GRID * kernels;
    cost->scratch = KINDS * kernels * 4 * sizeof(double); // samples, then kernels
    cost->kept =
        KINDS * (lam_histogram_bytes(values, exact) + (double)rows * heads * sizeof(float)) +
        (double)run->sequences->count * heads * sizeof(lam_weight_sums);
    cost->remedy = "take fewer sequences or use more ranks";
}

static lam_code begin(const lam_profile_run *run, int64_t layer, lam_arena *arena, void **state,
                      lam_error *error) {
    (void)layer;
    const lam_sequences *q = run->sequences;
    int64_t heads = run->model->heads, rows, length;
    lam_batch_limits(q, &rows, &length);
    layer_state *l;
    LAM_ALLOC(l, arena, 1, error);
    l->run = run;
    LAM_ALLOC(l->sums, arena, q->count * heads, error);
    for (int i = 0; i < KINDS; i++) {
        bool exact = ((const attention_options *)run->options)->exact;
        LAM_TRY(lam_histogram_create(&l->kind[i].histogram, LAM_DEFAULT_BINS, exact, arena, error));
        LAM_ALLOC(l->kind[i].passing, arena, rows * heads, error);
    }
    *state = l;
    return LAM_OK;
}

// Where the weights of a (sequence, head) in passing begin.
static int64_t passing_offset(const layer_state *l, int64_t sequence, int64_t head) {
    const int64_t *start = l->run->sequences->start;
    int64_t length = start[sequence + 1] - start[sequence];
    return (start[sequence] - start[l->batch.first]) * l->run->model->heads + head * (length - 1);
}

static lam_code add_weights(weight_kind *kind, int64_t offset, int64_t count, lam_error *error) {
    const float *weight = kind->passing + offset;
    for (int64_t i = 0; i < count; i++) kind->above_half += weight[i] > 0.5f;
    return lam_histogram_add(&kind->histogram, weight, count, error);
}

static lam_code add_passed(layer_state *l, int64_t sequence, int64_t head) {
    // A weight that is not a number makes all those of its row so.
    if (!isfinite(l->sums[sequence * l->run->model->heads + head].entropy))
        return lam_fail(&l->error, LAM_NUMERIC,
                        "weights of head %lld are not numbers: the model's weights overflow on "
                        "this text",
                        (long long)head);
    const int64_t *start = l->run->sequences->start + sequence;
    for (int i = 0; i < KINDS; i++)
        LAM_TRY(add_weights(&l->kind[i], passing_offset(l, sequence, head), start[1] - start[0] - 1,
                            &l->error));
    return LAM_OK;
}

// Adds up the batch that has passed, and makes next the one in passing.
static void turn_batch(layer_state *l, lam_batch next) {
    for (int64_t s = l->batch.first; s < l->batch.first + l->batch.count; s++)
        for (int64_t h = 0; h < l->run->model->heads && l->error.code == LAM_OK; h++)
            if (add_passed(l, s, h) != LAM_OK) break;
    l->batch = next;
}

// One head's block of queries, on any thread.
static void see_weights(void *user, const lam_view *view) {
    layer_state *l = user;
    int64_t offset = passing_offset(l, view->sequence, view->head);
    lam_weight_sums_add(&l->sums[view->sequence * l->run->model->heads + view->head], view);
    float *self = l->kind[SELF].passing + offset;
    for (int64_t i = view->first_token == 0 ? 1 : 0; i < view->rows; i++) {
        int64_t token = view->first_token + i;
        self[token - 1] = view->data[i * view->row_stride + token];
    }
    if (view->first_token + view->rows < view->length) return;
    memcpy(l->kind[FINAL].passing + offset, view->data + (view->rows - 1) * view->row_stride,
           (size_t)(view->length - 1) * sizeof *view->data);
}

// The published weights of a sequence: thirds of the projection in its module's own order, no
// rotation, scores divided by the root of head_width whatever the model does.
static lam_code publish_weights(layer_state *l, const lam_view *view, lam_arena *scratch) {
    lam_error *error = &l->error;
    lam_model_config config = *l->run->model;
    config.rotary_width = 0;
    config.scale_attention = true;
    config.scale_by_inverse_layer = false;
    float *qkv, *out;
    lam_attention *attention;
    LAM_ALLOC(qkv, scratch, view->rows * 3 * config.width, error);
    LAM_ALLOC(out, scratch, view->rows * config.width, error);
    LAM_TRY(lam_attention_create(&attention, &config, view->length, scratch, error));
    lam_module_order(&config, view->data, view->rows, view->row_stride, qkv);
    lam_batch batch = {.sequences = l->run->sequences, .first = view->sequence, .count = 1};
    lam_hooks hooks = {.sites = LAM_SITE_BIT(LAM_SITE_WEIGHTS), .see = see_weights, .user = l};
    return lam_attention_run(attention, &batch, view->layer, qkv, out, &hooks, error);
}

static void see(const lam_profile_run *run, void *state, const lam_view *view) {
    layer_state *l = state;
    if (view->site == LAM_SITE_WEIGHTS) {
        see_weights(l, view);
        return;
    }
    if (view->sequence < l->batch.first || view->sequence >= l->batch.first + l->batch.count)
        turn_batch(l, lam_batch_from(run->sequences, view->sequence));
    if (run->mode != LAM_PUBLISHED || l->error.code != LAM_OK) return;
    lam_arena scratch = {0};
    l->error.code = publish_weights(l, view, &scratch);
    lam_arena_destroy(&scratch);
}

// --- to go on with

static lam_code end_batch(layer_state *l, lam_error *error) {
    turn_batch(l, (lam_batch){0});
    if (l->error.code != LAM_OK) *error = l->error;
    return l->error.code;
}

// Brings counts together on the first member.
static lam_code collect_kind(const lam_team *team, weight_kind *kind, lam_error *error) {
    lam_arena scratch = {0};
    lam_code code = lam_histogram_collect(&kind->histogram, team, error);
    if (code == LAM_OK) code = lam_team_add(team, &kind->above_half, 1, &scratch, error);
    if (team->member > 0) kind->above_half = 0;
    lam_arena_destroy(&scratch);
    return code;
}

static lam_code collect(const lam_profile_run *run, void *state, int64_t first, int64_t end,
                        lam_error *error) {
    layer_state *l = state;
    const int64_t heads = run->model->heads;
    LAM_TRY(end_batch(l, error));
    LAM_TRY(lam_gather_sequences(run, first, end, l->sums + first * heads,
                                 (size_t)heads * sizeof *l->sums, error));
    for (int i = 0; i < KINDS; i++) LAM_TRY(collect_kind(run->team, &l->kind[i], error));
    return LAM_OK;
}

static size_t copy_seen(void *of, int64_t block, char *bytes, bool back) {
    layer_state *l = of;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    if (block == LAM_STATE_COMMON) {
        lam_state_move(&cursor, l->bins, sizeof l->bins);
        lam_state_move(&cursor, l->sums,
                       (size_t)(l->seen * l->run->model->heads) * sizeof *l->sums);
        return cursor.at;
    }
    for (int i = 0; i < KINDS; i++) {
        lam_state_move(&cursor, &l->kind[i].above_half, sizeof l->kind[i].above_half);
        if (lam_histogram_move(&l->kind[i].histogram, l->bins[i], &cursor, &l->error) != LAM_OK)
            break; // finish tells
    }
    return cursor.at;
}

static lam_state seen(const lam_profile_run *run, int64_t layer, void *state, lam_group *groups,
                      int64_t passed) {
    (void)layer, (void)groups;
    layer_state *l = state;
    l->seen = lam_seen_sequences(run, passed);
    for (int i = 0; i < KINDS; i++) l->bins[i] = lam_histogram_settle(&l->kind[i].histogram);
    return lam_gathered_state(run, passed, copy_seen, l);
}

// In published mode curves are divided by their maximum, if they have one.
static void scale_curve(const lam_profile_run *run, double *density) {
    double largest = 0;
    for (int i = 0; i < GRID; i++) largest = fmax(largest, density[i]);
    for (int i = 0; i < GRID && run->mode == LAM_PUBLISHED && largest > 0; i++)
        density[i] /= largest;
}

// A kind's row of a variable: "final" and "_mean".
static void *kind_row(lam_group *group, int kind, const char *rest, int64_t layer) {
    char name[64];
    snprintf(name, sizeof name, "%s%s", kind_names[kind], rest);
    return lam_group_row(group, name, layer);
}

static lam_code fill_density(const lam_profile_run *run, int64_t layer, int kind,
                             const lam_sample *sample, lam_group *group, lam_arena *arena,
                             lam_error *error) {
    const attention_options *o = run->options;
    double grid[GRID], *width = kind_row(group, kind, "_bandwidth", layer);
    for (int i = 0; i < GRID; i++) grid[i] = i / (GRID - 1.0);
    lam_bandwidth bandwidth;
    lam_bandwidth_parse(o->bandwidth, &bandwidth);
    lam_kde_status status = lam_bandwidth_find(&bandwidth, sample, width);
    *(int8_t *)kind_row(group, kind, "_status", layer) = (int8_t)status;
    if (status != LAM_KDE_ESTIMATED) return LAM_OK;
    for (int reflected = 0; reflected <= o->reflected; reflected++) {
        lam_kde_ends ends = {.reflected = reflected, .low = 0, .high = 1};
        double *density =
            kind_row(group, kind, reflected ? "_density_reflected" : "_density", layer);
        LAM_TRY(
            lam_kde_evaluate(sample, *width, o->exact, &ends, grid, GRID, density, arena, error));
        scale_curve(run, density);
    }
    return LAM_OK;
}

static lam_code fill_kind(const lam_profile_run *run, int64_t layer, layer_state *l, int kind,
                          lam_group *group, lam_arena *arena, lam_error *error) {
    weight_kind *k = &l->kind[kind];
    lam_sample sample;
    LAM_TRY(lam_histogram_sample(&k->histogram, &sample, arena, error));
    *(int64_t *)kind_row(group, kind, "_count", layer) = sample.total;
    *(double *)kind_row(group, kind, "_mean", layer) = lam_sample_mean(&sample);
    *(double *)kind_row(group, kind, "_share_above_half", layer) =
        (double)k->above_half / (double)sample.total;
    double *quantile = kind_row(group, kind, "_quantile", layer);
    for (int i = 0; i < QUANTILES; i++)
        quantile[i] = lam_histogram_quantile(&k->histogram, quantile_levels[i]);
    return fill_density(run, layer, kind, &sample, group, arena, error);
}

static void fill_heads(const lam_profile_run *run, int64_t layer, const layer_state *l,
                       lam_group *group) {
    const lam_sequences *q = run->sequences;
    double queries = (double)(q->start[q->count] - q->count); // without the first tokens
    double *self = lam_group_row(group, "self_weight", layer);
    double *first = lam_group_row(group, "first_token_weight", layer);
    double *previous = lam_group_row(group, "previous_token_weight", layer);
    double *entropy = lam_group_row(group, "entropy", layer);
    for (int64_t h = 0; h < run->model->heads; h++) {
        lam_weight_sums all = {0};
        for (int64_t s = 0; s < q->count; s++) {
            const lam_weight_sums *sums = &l->sums[s * run->model->heads + h];
            all.self += sums->self;
            all.first += sums->first;
            all.previous += sums->previous;
            all.entropy += sums->entropy;
        }
        self[h] = all.self / queries;
        first[h] = all.first / queries;
        previous[h] = all.previous / queries;
        entropy[h] = all.entropy / queries;
    }
}

// From what a member has seen to what the team has.
static lam_code gather(layer_state *l, lam_arena *arena, lam_error *error) {
    const lam_profile_run *run = l->run;
    const size_t heads = (size_t)run->model->heads;
    LAM_TRY(lam_gather_sequences(run, 0, run->sequences->count, l->sums, heads * sizeof *l->sums,
                                 error));
    for (int i = 0; i < KINDS; i++) {
        LAM_TRY(lam_histogram_join(&l->kind[i].histogram, run->team, arena, error));
        LAM_TRY(lam_team_add(run->team, &l->kind[i].above_half, 1, arena, error));
    }
    return LAM_OK;
}

static lam_code finish(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                       const lam_tick *tick, lam_arena *arena, lam_error *error) {
    layer_state *l = state;
    LAM_TRY(end_batch(l, error));
    LAM_TRY(gather(l, arena, error));
    for (int kind = 0; kind < KINDS; kind++) {
        LAM_TRY(fill_kind(run, layer, l, kind, group, arena, error));
        if (!tick->add(tick->user, 1, kind_names[kind])) return lam_stop_fail(error);
    }
    fill_heads(run, layer, l, group);
    return LAM_OK;
}

static int64_t units(const lam_profile_run *run) {
    (void)run;
    return KINDS;
}

static lam_code describe(const lam_profile_run *run, lam_group *group, lam_error *error) {
    const attention_options *o = run->options;
    double *grid = lam_group_row(group, "grid", 0), *level = lam_group_row(group, "quantile", 0);
    for (int i = 0; i < GRID; i++) grid[i] = i / (GRID - 1.0);
    memcpy(level, quantile_levels, sizeof quantile_levels);
    LAM_TRY(lam_group_text(group, "bandwidth", o->bandwidth, error));
    LAM_TRY(lam_group_text(group, "estimate", o->exact ? "exact" : "binned", error));
    return lam_group_text(group, "densities",
                          run->mode == LAM_PUBLISHED ? "divided by their maximum" : "as they are",
                          error);
}

const lam_profile lam_profile_attention = {
    .name = "attention",
    .summary = "attention weights: how they are distributed, and where each head looks",
    .options = options,
    .options_size = sizeof(attention_options),
    .resolve = resolve,
    .sites = sites,
    .take = lam_passage_take,
    .groups = groups,
    .cost = cost,
    .begin = begin,
    .see = see,
    .collect = collect,
    .seen = seen,
    .finish = finish,
    .units = units,
    .unit = "densities",
    .describe = describe,
};
