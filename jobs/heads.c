// The profile of attention heads: raw scores of queries and keys, within a head and across heads.
#include "jobs/gather.h"
#include "jobs/passage.h"
#include "jobs/profile.h"
#include "src/head_scores.h"
#include "src/kde.h"
#include "src/module_order.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SCORE_BINS = 300 };

typedef struct heads_options {
    const char *bandwidth; // lam_bandwidth_parse
} heads_options;

static const lam_option options[] = {
    {"bandwidth", LAM_OPTION_STRING, offsetof(heads_options, bandwidth), "scott", 0, 0, NULL,
     "of the densities: scott, silverman, or the kernel's standard deviation as a number"},
    {NULL},
};

#define BY_HEAD(name, what)                                                                        \
    { name, LAM_DOUBLE, {"layer", "head"}, what, "1", NULL }

static const lam_variable variables[] = {
    BY_HEAD("q_mean", "mean of queries, the first token left out"),
    BY_HEAD("q_sd", "standard deviation of queries, the first token left out"),
    BY_HEAD("k_mean", "mean of keys, the first token left out"),
    BY_HEAD("k_sd", "standard deviation of keys, the first token left out"),
#define PAIRS(name, what)                                                                           \
    {name "_count", LAM_INT64, {"layer"}, "number of scores of " what, "1", NULL},                  \
        {name "_mean", LAM_DOUBLE, {"layer"}, "mean score of " what, "1", NULL},                    \
        {name "_sd", LAM_DOUBLE, {"layer"}, "standard deviation of scores of " what, "1", NULL},    \
        {name "_negative_share", LAM_DOUBLE, {"layer"}, "share below 0 of " what, "1", NULL},       \
        {name "_histogram",                                                                         \
         LAM_INT64,                                                                                 \
         {"layer", "score_bin"},                                                                    \
         "number of scores nearest to a bin's of " what,                                            \
         "1",                                                                                       \
         NULL},                                                                                     \
        {name "_density",                                                                           \
         LAM_DOUBLE,                                                                                \
         {"layer", "score_bin"},                                                                    \
         "density of scores of " what,                                                              \
         "1",                                                                                       \
         NULL},                                                                                     \
        {name "_bandwidth", LAM_DOUBLE, {"layer"}, "bandwidth of the density of " what, "1", NULL}, \
    {                                                                                               \
        name "_status", LAM_BYTE, {"layer"}, "whether there is a density of " what, "1",            \
            LAM_KDE_STATUS                                                                          \
    }
    PAIRS("same", "the last query and earlier keys of the same head"),
    PAIRS("different", "the last query and earlier keys of different heads"),
#undef PAIRS
    BY_HEAD("same_head_mean", "mean score of the last query and earlier keys of the head"),
    BY_HEAD("same_head_negative_share", "share below 0 of the same"),
    {"score",
     LAM_DOUBLE,
     {"layer", "score_bin"},
     "score at the middle of a bin; bins are equally wide between the layer's lowest and highest",
     "1",
     NULL},
    BY_HEAD("causal_score_mean", "mean score of all queries and keys up to them, after rotation"),
    BY_HEAD("causal_score_negative_share", "share below 0 of the same"),
    BY_HEAD("first_token_self_weight",
            "weight of the first token on itself: 1, as it sees nothing else"),
    {NULL},
};

// Of one head of one sequence, as the blocks of its queries come.
typedef struct head_blocks {
    lam_causal_sums causal;
    double first_token_self_weight;
} head_blocks;

// What a layer keeps. What comes from different threads, or to different members of a team, is laid
// down by sequence, and added up in that order.
typedef struct layer_state {
    lam_head_scores scores;
    head_blocks *blocks;  // [sequence, head]
    lam_head_sums *sums;  // [sequence, head]
    lam_pair_sums *pairs; // [sequence]
    const lam_profile_run *run;
    int64_t seen;    // sequences
    int64_t bins[2]; // of the histograms, as they are kept
    lam_error error; // the first
} layer_state;

static lam_code resolve(const lam_profile_run *run, lam_error *error) {
    return lam_passage_resolve(run, ((const heads_options *)run->options)->bandwidth, error);
}

static lam_site_set sites(const lam_profile_run *run) {
    (void)run;
    return LAM_SITE_BIT(LAM_SITE_QKV) | LAM_SITE_BIT(LAM_SITE_SCORES) |
           LAM_SITE_BIT(LAM_SITE_WEIGHTS);
}

static lam_code groups(const lam_profile_run *run, lam_profile_group *group, size_t room,
                       size_t *count, lam_arena *arena, lam_error *error) {
    (void)run, (void)room, (void)arena, (void)error;
    *group = (lam_profile_group){.name = "heads",
                                 .variables = variables,
                                 .dimensions = {{"score_bin", SCORE_BINS}},
                                 .dimension_count = 1};
    *count = 1;
    return LAM_OK;
}

// The last query of each head against all heads' keys, and all causal pairs; two curves.
static void cost(const lam_profile_run *run, lam_profile_cost *cost) {
    const double heads = (double)run->model->heads;
    const int64_t *start = run->sequences->start;
    for (int64_t s = 0; s < run->sequences->count; s++) {
        const double length = (double)(start[s + 1] - start[s]);
        cost->seen.of[LAM_WORK_VALUES] +=
            heads * length * (length + 1) / 2 + 4 * heads * heads * length;
    }
    const double tokens = (double)start[run->sequences->count], values = heads * heads * tokens;
    const double kernels = values < LAM_DEFAULT_BINS ? values : LAM_DEFAULT_BINS;
    cost->seen.of[LAM_WORK_PRODUCTS] += 2 * heads * tokens * (double)run->model->width;
    cost->work.of[LAM_WORK_DOUBLES] += 20.0 * 2 * SCORE_BINS * kernels;
    cost->scratch = 2 * kernels * 4 * sizeof(double);
    cost->kept =
        lam_histogram_bytes(heads * tokens, false) +
        lam_histogram_bytes(values - heads * tokens, false) +
        (double)run->sequences->count *
            (heads * (sizeof(head_blocks) + sizeof(lam_head_sums)) + sizeof(lam_pair_sums));
    cost->remedy = "take fewer sequences or use more ranks";
}

static lam_code begin(const lam_profile_run *run, int64_t layer, lam_arena *arena, void **state,
                      lam_error *error) {
    (void)layer;
    layer_state *l;
    LAM_ALLOC(l, arena, 1, error);
    const int64_t sequences = run->sequences->count, heads = run->model->heads;
    LAM_TRY(lam_head_scores_create(&l->scores, run->model, arena, error));
    LAM_ALLOC(l->blocks, arena, sequences * heads, error);
    LAM_ALLOC(l->sums, arena, sequences * heads, error);
    LAM_ALLOC(l->pairs, arena, sequences, error);
    l->run = run;
    *state = l;
    return LAM_OK;
}

// Scores before rotation; in published mode of thirds of the module's own order.
static lam_code see_projection(const lam_profile_run *run, layer_state *l, const lam_view *view) {
    lam_head_sums *sums = l->sums + view->sequence * run->model->heads;
    lam_pair_sums *pairs = l->pairs + view->sequence;
    if (run->mode != LAM_PUBLISHED)
        return lam_head_scores_add(&l->scores, sums, pairs, view->data, view->rows,
                                   view->row_stride, &l->error);
    lam_arena scratch = {0};
    int64_t width = 3 * run->model->width;
    float *qkv = lam_arena_alloc(&scratch, (size_t)(view->rows * width), sizeof *qkv, &l->error);
    lam_code code = qkv ? LAM_OK : LAM_MEMORY;
    if (qkv) {
        lam_module_order(run->model, view->data, view->rows, view->row_stride, qkv);
        code = lam_head_scores_add(&l->scores, sums, pairs, qkv, view->rows, width, &l->error);
    }
    lam_arena_destroy(&scratch);
    return code;
}

static void see(const lam_profile_run *run, void *state, const lam_view *view) {
    layer_state *l = state;
    if (view->site == LAM_SITE_QKV) {
        if (l->error.code == LAM_OK) l->error.code = see_projection(run, l, view);
        return;
    }
    head_blocks *blocks = &l->blocks[view->sequence * run->model->heads + view->head];
    if (view->site == LAM_SITE_SCORES)
        lam_causal_sums_add(&blocks->causal, view);
    else if (view->first_token == 0)
        blocks->first_token_self_weight = (double)view->data[0];
}

// From what a member has seen of sequences first .. end - 1 to what the team has.
static lam_code gather_sums(const lam_profile_run *run, layer_state *l, int64_t first, int64_t end,
                            lam_error *error) {
    const int64_t heads = run->model->heads;
    LAM_TRY(lam_gather_sequences(run, first, end, l->blocks + first * heads,
                                 (size_t)heads * sizeof *l->blocks, error));
    LAM_TRY(lam_gather_sequences(run, first, end, l->sums + first * heads,
                                 (size_t)heads * sizeof *l->sums, error));
    return lam_gather_sequences(run, first, end, l->pairs + first, sizeof *l->pairs, error);
}

static lam_code gather(const lam_profile_run *run, layer_state *l, lam_arena *arena,
                       lam_error *error) {
    LAM_TRY(gather_sums(run, l, 0, run->sequences->count, error));
    LAM_TRY(lam_histogram_join(&l->scores.same_scores, run->team, arena, error));
    return lam_histogram_join(&l->scores.different_scores, run->team, arena, error);
}

// Adds up the sequences, into the first.
static void add_sequences(const lam_profile_run *run, layer_state *l) {
    const int64_t heads = run->model->heads;
    for (int64_t i = heads; i < run->sequences->count * heads; i++) {
        head_blocks *to = &l->blocks[i % heads];
        to->causal.score += l->blocks[i].causal.score;
        to->causal.negative += l->blocks[i].causal.negative;
        to->first_token_self_weight += l->blocks[i].first_token_self_weight;
        lam_head_sums_join(&l->sums[i % heads], &l->sums[i]);
    }
    for (int64_t s = 1; s < run->sequences->count; s++)
        lam_pair_sums_join(&l->pairs[0], &l->pairs[s]);
}

static void fill_heads(const lam_profile_run *run, int64_t layer, const layer_state *l,
                       lam_group *group) {
    static const char *const names[] = {"q_mean",
                                        "q_sd",
                                        "k_mean",
                                        "k_sd",
                                        "same_head_mean",
                                        "same_head_negative_share",
                                        "causal_score_mean",
                                        "causal_score_negative_share",
                                        "first_token_self_weight"};
    enum { NAMES = sizeof names / sizeof *names };
    const lam_sequences *s = run->sequences;
    double pairs = 0;
    for (int64_t i = 0; i < s->count; i++) {
        double length = (double)(s->start[i + 1] - s->start[i]);
        pairs += length * (length + 1) / 2;
    }
    for (int64_t h = 0; h < run->model->heads; h++) {
        const lam_head_sums *of = &l->sums[h];
        const head_blocks *blocks = &l->blocks[h];
        const double value[NAMES] = {
            of->q.mean,
            lam_moments_deviation(&of->q),
            of->k.mean,
            lam_moments_deviation(&of->k),
            of->same.mean,
            (double)of->same_negative / (double)of->same.count,
            blocks->causal.score / pairs,
            (double)blocks->causal.negative / pairs,
            blocks->first_token_self_weight / (double)s->count,
        };
        for (int i = 0; i < NAMES; i++)
            ((double *)lam_group_row(group, names[i], layer))[h] = value[i];
    }
}

// The middles of equal bins between the lowest and the highest score of both kinds; where all are
// equal, of bins that reach 1 to both sides.
static void fill_scores(const lam_head_scores *scores, double *score) {
    double low = lam_histogram_lowest(&scores->same_scores);
    double high = lam_histogram_highest(&scores->same_scores);
    if (scores->different_scores.count) {
        low = fmin(low, lam_histogram_lowest(&scores->different_scores));
        high = fmax(high, lam_histogram_highest(&scores->different_scores));
    }
    if (low == high) low -= 1, high += 1;
    for (int i = 0; i < SCORE_BINS; i++) score[i] = low + (high - low) * (i + 0.5) / SCORE_BINS;
}

// A row of a variable of one kind of pairs: "same" and "_mean".
static void *kind_row(lam_group *group, const char *kind, const char *rest, int64_t layer) {
    char name[64];
    snprintf(name, sizeof name, "%s%s", kind, rest);
    return lam_group_row(group, name, layer);
}

static lam_code fill_pairs(const lam_profile_run *run, int64_t layer, const char *kind,
                           const lam_moments *moments, int64_t negative, lam_histogram *histogram,
                           lam_group *group, lam_arena *arena, lam_error *error) {
    const double *score = lam_group_row(group, "score", layer);
    double *width = kind_row(group, kind, "_bandwidth", layer);
    lam_sample sample;
    LAM_TRY(lam_histogram_sample(histogram, &sample, arena, error));
    *(int64_t *)kind_row(group, kind, "_count", layer) = moments->count;
    if (moments->count) {
        *(double *)kind_row(group, kind, "_mean", layer) = moments->mean;
        *(double *)kind_row(group, kind, "_negative_share", layer) =
            (double)negative / (double)moments->count;
    }
    *(double *)kind_row(group, kind, "_sd", layer) = lam_moments_deviation(moments);
    int64_t *count = kind_row(group, kind, "_histogram", layer);
    for (int64_t i = 0; i < sample.size; i++) {
        double bin = (sample.value[i] - score[0]) / (score[1] - score[0]) + 0.5;
        count[bin < 0 ? 0 : bin < SCORE_BINS ? (int)bin : SCORE_BINS - 1] += sample.count[i];
    }
    lam_bandwidth bandwidth;
    lam_bandwidth_parse(((const heads_options *)run->options)->bandwidth, &bandwidth);
    lam_kde_status status = lam_bandwidth_find(&bandwidth, &sample, width);
    *(int8_t *)kind_row(group, kind, "_status", layer) = (int8_t)status;
    if (status != LAM_KDE_ESTIMATED) return LAM_OK;
    return lam_kde_evaluate(&sample, *width, false, &(lam_kde_ends){0}, score, SCORE_BINS,
                            kind_row(group, kind, "_density", layer), arena, error);
}

// LAM_NUMERIC where the forward pass has overflown, of what this member has seen.
static lam_code check_seen(const lam_profile_run *run, const layer_state *l, lam_error *error) {
    const int64_t heads = run->model->heads;
    if (l->error.code != LAM_OK) {
        *error = l->error;
        return error->code;
    }
    for (int64_t i = 0; i < run->sequences->count * heads; i++)
        if (!isfinite(l->blocks[i].causal.score) || !isfinite(l->blocks[i].first_token_self_weight))
            return lam_fail(error, LAM_NUMERIC,
                            "scores of head %lld are not finite after rotation: the model's "
                            "weights overflow on this text",
                            (long long)(i % heads));
    return LAM_OK;
}

// --- to go on with

static lam_code collect(const lam_profile_run *run, void *state, int64_t first, int64_t end,
                        lam_error *error) {
    layer_state *l = state;
    LAM_TRY(check_seen(run, l, error));
    LAM_TRY(gather_sums(run, l, first, end, error));
    LAM_TRY(lam_histogram_collect(&l->scores.same_scores, run->team, error));
    return lam_histogram_collect(&l->scores.different_scores, run->team, error);
}

static size_t copy_seen(void *of, int64_t block, char *bytes, bool back) {
    layer_state *l = of;
    const size_t seen = (size_t)l->seen, heads = seen * (size_t)l->run->model->heads;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    if (block == LAM_STATE_COMMON) {
        lam_state_move(&cursor, l->bins, sizeof l->bins);
        lam_state_move(&cursor, l->blocks, heads * sizeof *l->blocks);
        lam_state_move(&cursor, l->sums, heads * sizeof *l->sums);
        lam_state_move(&cursor, l->pairs, seen * sizeof *l->pairs);
        return cursor.at;
    }
    lam_histogram *histogram[] = {&l->scores.same_scores, &l->scores.different_scores};
    for (int i = 0; i < 2; i++)
        if (lam_histogram_move(histogram[i], l->bins[i], &cursor, &l->error) != LAM_OK)
            break; // finish tells
    return cursor.at;
}

static lam_state seen(const lam_profile_run *run, int64_t layer, void *state, lam_group *groups,
                      int64_t passed) {
    (void)layer, (void)groups;
    layer_state *l = state;
    l->seen = lam_seen_sequences(run, passed);
    l->bins[0] = lam_histogram_settle(&l->scores.same_scores);
    l->bins[1] = lam_histogram_settle(&l->scores.different_scores);
    return lam_gathered_state(run, passed, copy_seen, l);
}

static lam_code finish(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                       const lam_tick *tick, lam_arena *arena, lam_error *error) {
    layer_state *l = state;
    lam_head_scores *scores = &l->scores;
    LAM_TRY(check_seen(run, l, error));
    LAM_TRY(gather(run, l, arena, error));
    add_sequences(run, l);
    fill_heads(run, layer, l, group);
    fill_scores(scores, lam_group_row(group, "score", layer));
    lam_moments same = {0};
    int64_t negative = 0;
    for (int64_t h = 0; h < run->model->heads; h++) {
        lam_moments_join(&same, &l->sums[h].same);
        negative += l->sums[h].same_negative;
    }
    LAM_TRY(
        fill_pairs(run, layer, "same", &same, negative, &scores->same_scores, group, arena, error));
    if (!tick->add(tick->user, 1, "same heads")) return lam_stop_fail(error);
    LAM_TRY(fill_pairs(run, layer, "different", &l->pairs->different, l->pairs->negative,
                       &scores->different_scores, group, arena, error));
    return tick->add(tick->user, 1, "different heads") ? LAM_OK : lam_stop_fail(error);
}

static int64_t units(const lam_profile_run *run) {
    (void)run;
    return 2;
}

static lam_code describe(const lam_profile_run *run, lam_group *group, lam_error *error) {
    return lam_group_text(group, "bandwidth", ((const heads_options *)run->options)->bandwidth,
                          error);
}

const lam_profile lam_profile_heads = {
    .name = "heads",
    .summary = "attention heads: raw scores of queries and keys, within a head and across heads",
    .options = options,
    .options_size = sizeof(heads_options),
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
