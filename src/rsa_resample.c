#include "rsa_resample.h"

#include "arena.h"
#include "random.h"
#include "similarity.h"
#include "stop.h"
#include "vector.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { COMPONENTS = LAM_RSA_COMPONENTS, PAIRS = LAM_RSA_PAIRS };
// Resamples go through the pairs in groups of LANES, a vector lane each. What a resample gives: a
// value of each component, then one of each pair of them.
enum { LANES = 8, GROUPS_A_CALL = 64, MOMENTS = 9, VALUES = COMPONENTS + PAIRS };

const int lam_rsa_pair[PAIRS][2] = {{0, 1}, {0, 2}, {1, 2}};

// What falls short of the observed value by no more than rounding reaches it; in units of the
// largest that the value can be.
static const double near = 1e-11;

// What a group of resamples makes of the words, and what is left of the pairs then.
typedef struct lane_group {
    double *weight;        // [words, LANES] how often a word was drawn
    double *label;         // [words, LANES] its category
    double *share;         // [words, LANES] weight / words of the category
    double *inverse;       // [categories, LANES] 1 / weight of the category's own pairs
    double weights[LANES]; // of all pairs
    double within[COMPONENTS][LANES], between[COMPONENTS][LANES];
    bool moments;                  // whether the next are wanted
    double moment[MOMENTS][LANES]; // weighted sums of q k v, qq kk vv, qk qv kv
    int64_t *order;                // [words]
    int32_t *place;                // [words]
} lane_group;

static double category_size(const lam_categories *c, int32_t g) {
    return (double)(c->start[g + 1] - c->start[g]);
}

static lam_code make_groups(const lam_categories *c, lane_group **groups, lam_arena *arena,
                            lam_error *error) {
    const int threads = omp_get_max_threads();
    LAM_ALLOC(*groups, arena, threads, error);
    for (int t = 0; t < threads; t++) {
        lane_group *group = &(*groups)[t];
        LAM_ALLOC(group->weight, arena, c->words * LANES, error);
        LAM_ALLOC(group->label, arena, c->words * LANES, error);
        LAM_ALLOC(group->share, arena, c->words * LANES, error);
        LAM_ALLOC(group->inverse, arena, c->count * LANES, error);
        LAM_ALLOC(group->order, arena, c->words, error);
        LAM_ALLOC(group->place, arena, c->words, error);
    }
    return LAM_OK;
}

// The rest, once weight and label of all lanes are set.
static void complete_group(const lam_categories *c, lane_group *group) {
    double total[LANES] = {0}, squares[LANES] = {0};
    memset(group->inverse, 0, (size_t)(c->count * LANES) * sizeof *group->inverse);
    for (int64_t i = 0; i < c->words; i++)
        for (int l = 0; l < LANES; l++) {
            const double weight = group->weight[i * LANES + l];
            const int32_t g = (int32_t)group->label[i * LANES + l];
            group->share[i * LANES + l] = weight / category_size(c, g);
            group->inverse[g * LANES + l] += weight * weight;
            total[l] += weight;
            squares[l] += weight * weight;
        }
    for (int l = 0; l < LANES; l++) {
        group->weights[l] = (total[l] * total[l] - squares[l]) / 2;
        for (int32_t g = 0; g < c->count; g++) { // a category keeps its number of words
            double *inverse = &group->inverse[g * LANES + l];
            *inverse = 2 / (category_size(c, g) * category_size(c, g) - *inverse);
        }
    }
    memset(group->within, 0, sizeof group->within);
    memset(group->between, 0, sizeof group->between);
    memset(group->moment, 0, sizeof group->moment);
}

// all[k] = sum of share * row[k]; same[k] = sum of weight * row[k] over words with the label own.
LAM_VECTORISED
static void add_contrast(const double *const row[COMPONENTS], int64_t count,
                         const double *restrict share, const double *restrict weight,
                         const double *restrict label, const double own[LANES],
                         double all[COMPONENTS][LANES], double same[COMPONENTS][LANES]) {
    double sum[COMPONENTS][LANES] = {0}, sum_same[COMPONENTS][LANES] = {0};
    for (int64_t j = 0; j < count; j++) {
        const double value[COMPONENTS] = {row[0][j], row[1][j], row[2][j]};
        for (int k = 0; k < COMPONENTS; k++)
#pragma omp simd
            for (int l = 0; l < LANES; l++) sum[k][l] += share[j * LANES + l] * value[k];
        for (int k = 0; k < COMPONENTS; k++)
#pragma omp simd
            for (int l = 0; l < LANES; l++) {
                const double drawn = weight[j * LANES + l];
                sum_same[k][l] += (label[j * LANES + l] == own[l] ? drawn : 0) * value[k];
            }
    }
    for (int k = 0; k < COMPONENTS; k++)
        for (int l = 0; l < LANES; l++) {
            all[k][l] = sum[k][l];
            same[k][l] = sum_same[k][l];
        }
}

// moment += first * sum of weight * (q, k, v, qq, kk, vv, qk, qv, kv).
LAM_VECTORISED
static void add_moments(const double *const row[COMPONENTS], int64_t count,
                        const double *restrict weight, const double first[LANES],
                        double moment[MOMENTS][LANES]) {
    double sum[MOMENTS][LANES] = {0};
    for (int64_t j = 0; j < count; j++) {
        const double q = row[0][j], k = row[1][j], v = row[2][j];
        const double value[MOMENTS] = {q, k, v, q * q, k * k, v * v, q * k, q * v, k * v};
        for (int m = 0; m < MOMENTS; m++)
#pragma omp simd
            for (int l = 0; l < LANES; l++) sum[m][l] += weight[j * LANES + l] * value[m];
    }
    for (int m = 0; m < MOMENTS; m++)
        for (int l = 0; l < LANES; l++) moment[m][l] += first[l] * sum[m][l];
}

// All pairs of word i with later ones. One component stands for all three.
static void add_pairs(const lam_rsa_layer *layer, lane_group *group, int64_t i) {
    const lam_categories *c = layer->categories;
    const int64_t first = i + 1, count = c->words - first;
    const double *own = group->label + i * LANES, *weight = group->weight + i * LANES;
    const double *row[COMPONENTS];
    double all[COMPONENTS][LANES], same[COMPONENTS][LANES];
    for (int k = 0; k < COMPONENTS; k++)
        row[k] = layer->pairs[k < layer->components ? k : 0] + lam_pair_row(c->words, i) + first;
    add_contrast(row, count, group->share + first * LANES, group->weight + first * LANES,
                 group->label + first * LANES, own, all, same);
    for (int k = 0; k < layer->components; k++)
        for (int l = 0; l < LANES; l++) {
            const int32_t g = (int32_t)own[l];
            group->within[k][l] += weight[l] * same[k][l] * group->inverse[g * LANES + l];
            group->between[k][l] +=
                group->share[i * LANES + l] * (all[k][l] - same[k][l] / category_size(c, g));
        }
    if (group->moments)
        add_moments(row, count, group->weight + first * LANES, weight, group->moment);
}

// within, between and, if wanted, moment of the group's lanes, in units of standardised pairs.
static void sum_group(const lam_rsa_layer *layer, lane_group *group) {
    const lam_categories *c = layer->categories;
    complete_group(c, group);
    for (int64_t i = 0; i < c->words - 1; i++) add_pairs(layer, group, i);
    for (int k = 0; k < layer->components; k++)
        for (int l = 0; l < LANES; l++) {
            group->within[k][l] /= (double)c->count;
            group->between[k][l] *= 2 / (double)(c->count * (c->count - 1));
        }
}

// --- groups of resamples, shared by the members of a team

// Resamples 0 .. count - 1, and what they give.
typedef struct resamples {
    const lam_resampling *how;
    int64_t count;
    lane_group *groups; // [thread]
    double *value;      // [group, VALUES, LANES]
} resamples;

static double *value_of(const resamples *r, int which, int64_t number) {
    return r->value + (number / LANES * VALUES + which) * LANES + number % LANES;
}

static int64_t group_count(const resamples *r) {
    return (r->count + LANES - 1) / LANES;
}

static lam_code make_resamples(const lam_categories *c, resamples *r, lam_arena *arena,
                               lam_error *error) {
    LAM_ALLOC(r->value, arena, group_count(r) * VALUES * LANES, error);
    return make_groups(c, &r->groups, arena, error);
}

typedef void run_group(const void *user, int64_t index, lane_group *group);

// Runs this member's groups, with a word to the caller between them; all get all values.
static lam_code run_groups(const resamples *r, run_group *run, const void *user, lam_error *error) {
    const lam_resampling *how = r->how;
    int64_t first, own;
    how->team->own(how->team, group_count(r), &first, &own);
    for (int64_t done = 0; done < own;) {
        const int64_t next = own - done < GROUPS_A_CALL ? own : done + GROUPS_A_CALL;
#pragma omp parallel for schedule(dynamic)
        for (int64_t g = first + done; g < first + next; g++)
            run(user, g, &r->groups[omp_get_thread_num()]);
        if (how->done && !how->done(how->user, how->count * next / own - how->count * done / own))
            return lam_stop_fail(error);
        done = next;
    }
    return how->team->share(how->team, group_count(r), r->value, VALUES * LANES, error);
}

// --- permutations

typedef struct permutation_test {
    const lam_rsa_layer *layer;
    resamples all;            // how->count + 1 of them, that of number 0 as it is
    double *full[COMPONENTS]; // [words, words]; of the second components of the pairs
} permutation_test;

static void unfold(const double *pairs, int64_t words, double *full) {
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < words; i++)
        for (int64_t j = i + 1; j < words; j++)
            full[i * words + j] = full[j * words + i] = pairs[lam_pair_row(words, i) + j];
}

static lam_code begin_test(permutation_test *test, lam_arena *arena, lam_error *error) {
    const lam_rsa_layer *layer = test->layer;
    const int64_t words = layer->categories->words;
    LAM_TRY(make_resamples(layer->categories, &test->all, arena, error));
    for (int k = 1; k < layer->components; k++) {
        LAM_ALLOC(test->full[k], arena, words * words, error);
        unfold(layer->pairs[k], words, test->full[k]);
    }
    return LAM_OK;
}

// Adds to sum the products of the pairs of row i with those that the permuted words make: k and v
// are the full rows of the word that takes i's place.
LAM_VECTORISED
static void add_permuted(const double *q, const double *k_pairs, const double *restrict k,
                         const double *restrict v, const int32_t *restrict place, int64_t count,
                         double sum[PAIRS]) {
    double qk = 0, qv = 0, kv = 0;
#pragma omp simd reduction(+ : qk, qv, kv)
    for (int64_t j = 0; j < count; j++) {
        const double kj = k[place[j]], vj = v[place[j]];
        qk += q[j] * kj;
        qv += q[j] * vj;
        kv += k_pairs[j] * vj;
    }
    sum[0] += qk;
    sum[1] += qv;
    sum[2] += kv;
}

static void permute_rsa(const permutation_test *test, const int32_t *place, int64_t number) {
    const lam_rsa_layer *layer = test->layer;
    const int64_t words = layer->categories->words;
    double sum[PAIRS] = {0};
    for (int64_t i = 0; i < words - 1; i++) {
        const int64_t row = lam_pair_row(words, i) + i + 1;
        add_permuted(layer->pairs[0] + row, layer->pairs[1] + row, test->full[1] + place[i] * words,
                     test->full[2] + place[i] * words, place + i + 1, words - i - 1, sum);
    }
    for (int p = 0; p < PAIRS; p++) *value_of(&test->all, COMPONENTS + p, number) = sum[p];
}

// The permutations LANES * index and so on.
static void permute_group(const void *user, int64_t index, lane_group *group) {
    const permutation_test *test = user;
    const lam_rsa_layer *layer = test->layer;
    const lam_resampling *how = test->all.how;
    const lam_categories *c = layer->categories;
    for (int l = 0; l < LANES; l++) {
        const int64_t number = index * LANES + l;
        const lam_random random =
            lam_random_key(how->seed, LAM_RANDOM_RSA_PERMUTATION, how->layer, (uint32_t)number);
        lam_random_permutation(&random, c->words, group->order);
        for (int64_t i = 0; i < c->words; i++) {
            group->place[i] = (int32_t)(number == 0 ? i : group->order[i]);
            group->weight[i * LANES + l] = 1;
            group->label[i * LANES + l] = c->of[group->place[i]];
        }
        if (layer->components > 1 && number < test->all.count)
            permute_rsa(test, group->place, number);
    }
    sum_group(layer, group);
    for (int k = 0; k < layer->components; k++)
        for (int l = 0; l < LANES && index * LANES + l < test->all.count; l++)
            *value_of(&test->all, k, index * LANES + l) =
                group->within[k][l] - group->between[k][l];
}

// (1 + values that reach the first) / (1 + all but the first); largest: what a value can be.
static double p_value(const resamples *r, int which, double direction, double largest) {
    const double observed = direction * *value_of(r, which, 0) - near * largest;
    int64_t reached = 0;
    for (int64_t i = 1; i < r->count; i++)
        reached += direction * *value_of(r, which, i) >= observed;
    return (double)(1 + reached) / (double)r->count;
}

lam_code lam_rsa_permute(const lam_rsa_layer *layer, const lam_resampling *how, bool distances,
                         double rsa[PAIRS], double contrast[COMPONENTS], lam_error *error) {
    lam_arena scratch = {0};
    permutation_test test = {.layer = layer, .all = {.how = how, .count = how->count + 1}};
    lam_code code = begin_test(&test, &scratch, error);
    if (code == LAM_OK) code = run_groups(&test.all, permute_group, &test, error);
    if (code == LAM_OK) {
        const double one = sqrt(1.0 / (double)lam_pair_count(layer->categories->words));
        for (int k = 0; k < layer->components; k++)
            contrast[k] = p_value(&test.all, k, distances ? -1 : 1, one);
        for (int p = 0; p < PAIRS && layer->components > 1; p++)
            rsa[p] = p_value(&test.all, COMPONENTS + p, 1, 1);
    }
    lam_arena_destroy(&scratch);
    return code;
}

// --- bootstrap

typedef struct bootstrap {
    const lam_rsa_layer *layer;
    resamples all; // NaN where a value is not defined
} bootstrap;

// How often each word of category g is drawn: with replacement, and again until there are two of
// them, which odds of 2^-TRIES may prevent; then each once.
static void draw_category(const lam_categories *c, int32_t g, const lam_random *random, int lane,
                          double *weight) {
    enum { TRIES = 64 };
    const int64_t first = c->start[g], size = c->start[g + 1] - first;
    for (int64_t try = 0; try < TRIES; try++) {
        bool several = false;
        int64_t drawn = 0;
        for (int64_t i = first; i < first + size; i++) weight[i * LANES + lane] = 0;
        for (int64_t i = first; i < first + size; i++) {
            const int64_t last = drawn;
            drawn = first + (int64_t)lam_random_below(random, (uint64_t)(try * c->words + i),
                                                      (uint64_t)size);
            weight[drawn * LANES + lane]++;
            several = several || (i > first && drawn != last);
        }
        if (several) return;
    }
    for (int64_t i = first; i < first + size; i++) weight[i * LANES + lane] = 1;
}

// The weighted Pearson correlation of components a and b, NaN where one of them does not vary. The
// products stand behind the three sums and the three squares.
static double weighted_correlation(const lane_group *group, int p, int l) {
    const int a = lam_rsa_pair[p][0], b = lam_rsa_pair[p][1];
    const double n = group->weights[l];
    const double mean_a = group->moment[a][l] / n, mean_b = group->moment[b][l] / n;
    const double square_a = group->moment[3 + a][l] / n, square_b = group->moment[3 + b][l] / n;
    const double variance_a = square_a - mean_a * mean_a, variance_b = square_b - mean_b * mean_b;
    if (!(variance_a > LAM_RSA_ALIKE * square_a) || !(variance_b > LAM_RSA_ALIKE * square_b))
        return NAN;
    return (group->moment[6 + p][l] / n - mean_a * mean_b) / (sqrt(variance_a) * sqrt(variance_b));
}

static void bootstrap_group(const void *user, int64_t index, lane_group *group) {
    const bootstrap *b = user;
    const lam_rsa_layer *layer = b->layer;
    const lam_resampling *how = b->all.how;
    const lam_categories *c = layer->categories;
    for (int l = 0; l < LANES; l++) {
        const lam_random random = lam_random_key(how->seed, LAM_RANDOM_RSA_BOOTSTRAP, how->layer,
                                                 (uint32_t)(index * LANES + l));
        for (int32_t g = 0; g < c->count; g++) draw_category(c, g, &random, l, group->weight);
        for (int64_t i = 0; i < c->words; i++) group->label[i * LANES + l] = c->of[i];
    }
    group->moments = layer->components > 1;
    sum_group(layer, group);
    for (int l = 0; l < LANES && index * LANES + l < b->all.count; l++) {
        const int64_t number = index * LANES + l;
        for (int k = 0; k < layer->components; k++) {
            const lam_standard *was = &layer->was[k];
            const double between = was->mean + was->scale * group->between[k][l];
            const double within = was->mean + was->scale * group->within[k][l];
            *value_of(&b->all, k, number) = between != 0 ? within / between : NAN;
        }
        for (int p = 0; p < PAIRS && layer->components > 1; p++)
            *value_of(&b->all, COMPONENTS + p, number) = weighted_correlation(group, p, l);
    }
}

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// The quantiles of the levels of those values that are numbers, between neighbours by proportion
// (type 7 of Hyndman and Fan 1996); returns how many are not. value [count] is scratch memory.
static int64_t interval_of(const resamples *r, int which, double *value, const double level[2],
                           double bound[2]) {
    int64_t numbers = 0;
    for (int64_t i = 0; i < r->count; i++) {
        value[numbers] = *value_of(r, which, i);
        numbers += !isnan(value[numbers]);
    }
    qsort(value, (size_t)numbers, sizeof *value, ascending);
    for (int b = 0; b < 2; b++) {
        const double place = level[b] * (double)(numbers - 1);
        const int64_t below = (int64_t)place;
        bound[b] = NAN;
        if (numbers == 0) continue;
        const double above = value[below + 1 < numbers ? below + 1 : below];
        bound[b] = value[below] + (place - (double)below) * (above - value[below]);
    }
    return r->count - numbers;
}

lam_code lam_rsa_bootstrap(const lam_rsa_layer *layer, const lam_resampling *how,
                           const double level[2], lam_rsa_intervals *intervals, lam_error *error) {
    lam_arena scratch = {0};
    bootstrap b = {.layer = layer, .all = {.how = how, .count = how->count}};
    double *sorted = lam_arena_alloc(&scratch, (size_t)how->count, sizeof *sorted, error);
    lam_code code =
        sorted ? make_resamples(layer->categories, &b.all, &scratch, error) : LAM_MEMORY;
    *intervals = (lam_rsa_intervals){0};
    if (code == LAM_OK) code = run_groups(&b.all, bootstrap_group, &b, error);
    if (code == LAM_OK) {
        for (int k = 0; k < layer->components; k++)
            intervals->selectivity_left_out[k] =
                interval_of(&b.all, k, sorted, level, intervals->selectivity[k]);
        for (int p = 0; p < PAIRS && layer->components > 1; p++)
            intervals->rsa_left_out[p] =
                interval_of(&b.all, COMPONENTS + p, sorted, level, intervals->rsa[p]);
    }
    lam_arena_destroy(&scratch);
    return code;
}
