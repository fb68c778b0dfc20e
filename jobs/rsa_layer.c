#include "jobs/gather.h"
#include "jobs/rsa.h"
#include "src/random.h"
#include "src/rsa_resample.h"
#include "src/similarity.h"
#include "src/wording.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const double lam_rsa_levels[2] = {0.025, 0.975};

typedef struct rsa_work {
    const lam_profile_run *run;
    const rsa_options *options;
    const rsa_rows *rows;
    int64_t layer, pair_count;
    lam_group *group; // [2]
    const lam_tick *tick;
    lam_arena *arena;
    lam_error *error;
    double *pairs[LAM_RSA_COMPONENTS]; // [pair_count]
    lam_standard was[LAM_RSA_COMPONENTS];
    int32_t *flags; // [component]: the layer's row of "undefined"
} rsa_work;

static const char *word_at(const rsa_work *w, int64_t word) {
    const int32_t g = w->rows->categories.of[word];
    return w->options->categories.words[g].item[word - w->rows->categories.start[g]];
}

// The layer's row of a variable, at the component or pair of components.
static double *value(const rsa_work *w, const char *name, int64_t index) {
    return (double *)lam_group_row(&w->group[0], name, w->layer) + index;
}

static bool is_defined(const rsa_work *w, int pair) {
    const int32_t flags = w->flags[lam_rsa_pair[pair][0]] | w->flags[lam_rsa_pair[pair][1]];
    return !(flags & (LAM_RSA_UNDIRECTED | LAM_RSA_FLAT));
}

static lam_code check_rows(const rsa_work *w, int k) {
    const rsa_rows *rows = w->rows;
    const int64_t count = rows->categories.words * rows->width;
    const float *from = rows->row + k * count;
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(from[i]))
            return lam_fail(w->error, LAM_NUMERIC,
                            "the activation of unit %lld for '%s' is %f: the model's weights "
                            "overflow on this word",
                            (long long)(k * rows->width + i % rows->width),
                            lam_excerpt_of(word_at(w, i / rows->width)).text, (double)from[i]);
    return LAM_OK;
}

static lam_code copy_rows(const rsa_work *w, int k, double *x) {
    const int64_t count = w->rows->categories.words * w->rows->width;
    LAM_TRY(check_rows(w, k));
    for (int64_t i = 0; i < count; i++) x[i] = (double)w->rows->row[k * count + i];
    return LAM_OK;
}

static lam_code compare_words(rsa_work *w, int k) {
    const rsa_rows *rows = w->rows;
    lam_arena scratch = {0};
    int64_t undirected = 0;
    double *x = lam_arena_alloc(&scratch, (size_t)rows->categories.words, // [word, width]
                                (size_t)rows->width * sizeof *x, w->error);
    lam_code code = x ? copy_rows(w, k, x) : LAM_MEMORY;
    if (code == LAM_OK)
        code = lam_similarity((lam_similarity_kind)w->options->distance, x, rows->categories.words,
                              rows->width, w->pairs[k], &undirected, w->run->team, w->error);
    lam_arena_destroy(&scratch);
    if (undirected > 0) w->flags[k] |= LAM_RSA_UNDIRECTED;
    return code;
}

static void store_similarity(const rsa_work *w, int k) {
    const int64_t words = w->rows->categories.words;
    float *to = (float *)lam_group_row(&w->group[0], "similarity", w->layer) + k * words * words;
    for (int64_t i = 0; i < words; i++) {
        to[i * words + i] = w->options->distance == LAM_EUCLIDEAN ? 0 : 1;
        for (int64_t j = i + 1; j < words; j++)
            to[i * words + j] = to[j * words + i] = (float)w->pairs[k][lam_pair_row(words, i) + j];
    }
}

static lam_code contrast(rsa_work *w, int k) {
    const lam_categories *c = &w->rows->categories;
    lam_contrast made;
    double *others;
    LAM_ALLOC(others, w->arena, c->count, w->error);
    lam_contrast_of(c, w->pairs[k], &made, value(w, "within_category", k * c->count), others);
    *value(w, "within", k) = made.within;
    *value(w, "between", k) = made.between;
    *value(w, "difference", k) = made.difference;
    *value(w, "selectivity", k) = made.selectivity;
    *value(w, "cohens_d", k) = made.cohens_d;
    w->flags[k] |= made.flags;
    return LAM_OK;
}

// Component k's pairs, all that is said of them alone, and their ranks, by one of the team's
// members; then they are standardised.
static lam_code measure_component(rsa_work *w, int k, int32_t *rank) {
    const lam_team *team = w->run->team;
    LAM_ALLOC(w->pairs[k], w->arena, w->pair_count, w->error);
    LAM_TRY(compare_words(w, k));
    if (!(w->flags[k] & LAM_RSA_UNDIRECTED)) {
        if (w->options->similarity) store_similarity(w, k);
        LAM_TRY(contrast(w, k));
    }
    if (rank && k % team->members == team->member)
        LAM_TRY(lam_ranks(w->pairs[k], w->pair_count, rank, w->error));
    if (!lam_standardise(w->pairs[k], w->pair_count, &w->was[k])) w->flags[k] |= LAM_RSA_FLAT;
    return w->tick->add(w->tick->user, 1, "similarities") ? LAM_OK : lam_stop_fail(w->error);
}

static lam_code measure(rsa_work *w, lam_arena *scratch) {
    const lam_team *team = w->run->team;
    const int components = w->rows->components;
    const int64_t count = w->pair_count;
    int32_t *rank = NULL; // [component, count]
    size_t start[LAM_RSA_COMPONENTS + 1];
    if (components > 1) LAM_ALLOC(rank, scratch, components * count, w->error);
    for (int k = 0; k < components; k++)
        LAM_TRY(measure_component(w, k, rank ? rank + k * count : NULL));
    if (!rank) return LAM_OK;
    for (int k = 0; k <= components; k++) start[k] = (size_t)(k * count) * sizeof *rank;
    LAM_TRY(team->gather(team, rank, components, start, w->error));
    for (int p = 0; p < LAM_RSA_PAIRS; p++) {
        if (!is_defined(w, p)) continue;
        const int a = lam_rsa_pair[p][0], b = lam_rsa_pair[p][1];
        *value(w, "rsa", p) = lam_correlation(w->pairs[a], w->pairs[b], count);
        *value(w, "rsa_spearman", p) =
            lam_rank_correlation(rank + a * count, rank + b * count, count);
    }
    return LAM_OK;
}

static int ascending(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

// One component's pairs of the words chosen, out of those of all.
static void pick_pairs(const rsa_work *w, int k, const int64_t *order, int64_t size, double *kept) {
    for (int64_t i = 0; i < size; i++)
        for (int64_t j = i + 1; j < size; j++)
            *kept++ = w->pairs[k][lam_pair_row(w->rows->categories.words, order[i]) + order[j]];
}

// The same where there are none of all: from the words' rows.
static lam_code compare_chosen(rsa_work *w, int k, const int64_t *order, int64_t size,
                               double *kept) {
    const rsa_rows *rows = w->rows;
    const int64_t width = rows->width;
    lam_arena scratch = {0};
    int64_t undirected = 0;
    double *x = lam_arena_alloc(&scratch, (size_t)(size * width), sizeof *x, w->error);
    for (int64_t i = 0; x && i < size; i++)
        for (int64_t u = 0; u < width; u++)
            x[i * width + u] =
                (double)rows->row[(k * rows->categories.words + order[i]) * width + u];
    lam_code code = LAM_MEMORY;
    if (x)
        code = lam_similarity((lam_similarity_kind)w->options->distance, x, size, width, kept,
                              &undirected, w->run->team, w->error);
    lam_arena_destroy(&scratch);
    if (undirected > 0) w->flags[k] |= LAM_RSA_UNDIRECTED;
    return code;
}

// The pairs of the words that stand for all in layer_rsa: drawn, the same in every layer.
static lam_code keep_for_layers(rsa_work *w) {
    const int64_t words = w->rows->categories.words, size = lam_rsa_sample_size(w->options),
                  n = lam_pair_count(size);
    int64_t *order;
    LAM_ALLOC(order, w->arena, words, w->error);
    const lam_random random = lam_random_key(w->run->seed, LAM_RANDOM_RSA_WORDS, 0, 0);
    lam_random_permutation(&random, words, order);
    qsort(order, (size_t)size, sizeof *order, ascending);
    double *kept;
    LAM_ALLOC(kept, w->arena, n, w->error);
    float *to = lam_group_row(&w->group[1], "pairs", w->layer);
    for (int k = 0; k < w->rows->components; k++) {
        if (w->pairs[k])
            pick_pairs(w, k, order, size, kept);
        else
            LAM_TRY(compare_chosen(w, k, order, size, kept));
        lam_standard was;
        const bool missing = w->flags[k] & (LAM_RSA_UNDIRECTED | LAM_RSA_FLAT);
        if (!lam_standardise(kept, n, &was) && !missing) w->flags[k] |= LAM_RSA_SAMPLE;
        for (int64_t i = 0; i < n; i++) *to++ = missing ? 0 : (float)kept[i];
    }
    return LAM_OK;
}

static bool tell_permutations(void *user, int64_t resamples) {
    const lam_tick *tick = user;
    return tick->add(tick->user, resamples, "permutations");
}

static bool tell_bootstraps(void *user, int64_t resamples) {
    const lam_tick *tick = user;
    return tick->add(tick->user, resamples, "bootstraps");
}

static lam_code permute(const rsa_work *w, const lam_rsa_layer *layer, lam_resampling how) {
    double rsa[LAM_RSA_PAIRS], contrasts[LAM_RSA_COMPONENTS];
    how.count = w->options->permutations, how.done = tell_permutations;
    LAM_TRY(lam_rsa_permute(layer, &how, w->options->distance == LAM_EUCLIDEAN, rsa, contrasts,
                            w->error));
    for (int k = 0; k < layer->components; k++)
        if (!(w->flags[k] & LAM_RSA_UNDIRECTED)) *value(w, "selectivity_p_value", k) = contrasts[k];
    for (int p = 0; p < LAM_RSA_PAIRS && layer->components > 1; p++)
        if (is_defined(w, p)) *value(w, "rsa_p_value", p) = rsa[p];
    return LAM_OK;
}

static lam_code bootstrap(const rsa_work *w, const lam_rsa_layer *layer, lam_resampling how) {
    lam_rsa_intervals intervals;
    how.count = w->options->bootstraps, how.done = tell_bootstraps;
    LAM_TRY(lam_rsa_bootstrap(layer, &how, lam_rsa_levels, &intervals, w->error));
    for (int k = 0; k < layer->components; k++) {
        if (w->flags[k] & LAM_RSA_UNDIRECTED) continue;
        memcpy(value(w, "selectivity_interval", 2 * k), intervals.selectivity[k],
               sizeof intervals.selectivity[k]);
        if (intervals.selectivity_left_out[k]) w->flags[k] |= LAM_RSA_RESAMPLES;
    }
    for (int p = 0; p < LAM_RSA_PAIRS && layer->components > 1; p++) {
        if (!is_defined(w, p)) continue;
        memcpy(value(w, "rsa_interval", 2 * p), intervals.rsa[p], sizeof intervals.rsa[p]);
        if (!intervals.rsa_left_out[p]) continue;
        w->flags[lam_rsa_pair[p][0]] |= LAM_RSA_RESAMPLES;
        w->flags[lam_rsa_pair[p][1]] |= LAM_RSA_RESAMPLES;
    }
    return LAM_OK;
}

static lam_code resample(const rsa_work *w) {
    lam_rsa_layer layer = {.categories = &w->rows->categories, .components = w->rows->components};
    for (int k = 0; k < layer.components; k++) {
        layer.pairs[k] = w->pairs[k];
        layer.was[k] = w->was[k];
    }
    lam_tick tick = *w->tick;
    const lam_resampling how = {
        .seed = w->run->seed, .layer = (uint16_t)w->layer, .team = w->run->team, .user = &tick};
    if (w->options->permutations > 0) LAM_TRY(permute(w, &layer, how));
    if (w->options->bootstraps > 0) LAM_TRY(bootstrap(w, &layer, how));
    return LAM_OK;
}

// What one rank does of so many words that their pairs are all ranks' together.
static lam_code leave_to_all(rsa_work *w) {
    for (int k = 0; k < w->rows->components; k++) LAM_TRY(check_rows(w, k));
    LAM_TRY(keep_for_layers(w));
    return w->tick->add(w->tick->user, w->rows->components, "similarities")
               ? LAM_OK
               : lam_stop_fail(w->error);
}

lam_code lam_rsa_finish(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                        const lam_tick *tick, lam_arena *arena, lam_error *error) {
    const rsa_rows *rows = state;
    rsa_work w = {.run = run,
                  .options = run->options,
                  .rows = rows,
                  .layer = layer,
                  .pair_count = lam_pair_count(rows->categories.words),
                  .group = group,
                  .tick = tick,
                  .arena = arena,
                  .error = error,
                  .flags = lam_group_row(&group[0], "undefined", layer)};
    for (int k = 0; k < rows->components; k++)
        LAM_TRY(lam_gather_sequences(run, 0, rows->categories.words,
                                     rows->row + k * rows->categories.words * rows->width,
                                     (size_t)rows->width * sizeof *rows->row, error));
    if (lam_rsa_outgrows(run)) return leave_to_all(&w);
    lam_arena ranks = {0};
    const lam_code code = measure(&w, &ranks);
    lam_arena_destroy(&ranks);
    LAM_TRY(code);
    LAM_TRY(keep_for_layers(&w));
    return resample(&w);
}
