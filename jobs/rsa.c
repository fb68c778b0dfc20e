// The profile of representational similarity: how alike words are to a layer, whether words of one
// category are more alike than others, and how far the layer's Q, K and V agree on it.
#include "jobs/rsa.h"
#include "jobs/gather.h"
#include "jobs/together.h"
#include "src/module_order.h"
#include "src/rsa_resample.h"
#include "src/rsa_shared.h"
#include "src/similarity.h"

#include <math.h>
#include <string.h>

// Of a result, as most readers load a variable whole.
#define MOST_SIMILARITY_BYTES 2e9

static const char *const distance_choices[] = {"cosine", "correlation", "euclidean", NULL};
static const char *const site_choices[] = {"qkv",     "attn_out",  "mlp_fc",     "mlp_act",
                                           "mlp_out", "resid_pre", "resid_post", NULL};
static const lam_site row_sites[] = {LAM_SITE_QKV,       LAM_SITE_ATTN_OUT, LAM_SITE_MLP_FC,
                                     LAM_SITE_MLP_ACT,   LAM_SITE_MLP_OUT,  LAM_SITE_RESID_PRE,
                                     LAM_SITE_RESID_POST};
static const char *const pair_names[] = {"QK", "QV", "KV"};

#define DEFAULT_WORDS                                                                              \
    "{space: [galaxy, asteroid, comet, cosmos, space, sun, planet, moon, star, orbit], "           \
    "furniture: [ceiling, sofa, couch, carpet, door, window, lamp, chair, table, rug, bed, "       \
    "floor, wall], "                                                                               \
    "fruit: [pear, grape, banana, cherry, peach, apple, seed, jelly, orange, lime, fruit]}"

static const lam_option options[] = {
    {"template", LAM_OPTION_STRING, offsetof(rsa_options, template), "The next word is {}", 0, 0,
     NULL, "the prompt, with {} where the word goes; its last token is looked at"},
    {"categories", LAM_OPTION_WORD_LISTS, offsetof(rsa_options, categories), DEFAULT_WORDS, 0, 0,
     NULL, "the words, by category: two categories or more of two words or more"},
    {"distance", LAM_OPTION_CHOICE, offsetof(rsa_options, distance), "cosine", 0, 0,
     distance_choices,
     "how two words are compared; euclidean is a distance, small where words are alike"},
    {"site", LAM_OPTION_CHOICE, offsetof(rsa_options, site), "qkv", 0, 0, site_choices,
     "whose activations; those other than qkv have one component and no RSA between components"},
    {"permutations", LAM_OPTION_INTEGER, offsetof(rsa_options, permutations), "auto", 0, 1e6, NULL,
     "permutations of the words for p-values, 0: none; auto: 1000, for more than 1000 words none"},
    {"bootstraps", LAM_OPTION_INTEGER, offsetof(rsa_options, bootstraps), "auto", 0, 1e6, NULL,
     "resamples of the words for 95% intervals, 0: none; auto: as for permutations"},
    {"similarity", LAM_OPTION_BOOL, offsetof(rsa_options, similarity), "false", 0, 0, NULL,
     "store the similarity of every two words: 4 bytes each, in every layer and component, 2 GB at "
     "most"},
    {NULL},
};

#define FLAG_TEXT(name, value, text) ", " #value " " text
#define UNDEFINED_TEXT                                                                             \
    "why measures are missing or say little, as a sum: 0 nothing is" LAM_RSA_FLAGS(FLAG_TEXT)

// With what an option leaves out; without the component, where the site has one only.
static const lam_variable variables[] = {
    {"pair", LAM_STRING, {"pair"}, "components that are compared", NULL, NULL},
    {"category", LAM_STRING, {"category"}, "category of words", NULL, NULL},
    {"word", LAM_STRING, {"word"}, "word, category by category", NULL, NULL},
    {"bound", LAM_DOUBLE, {"bound"}, "quantile level of an interval's bound", "1", NULL},
    {"other_layer",
     LAM_INT,
     {"other_layer"},
     "transformer layer, 0 nearest the embedding",
     "1",
     NULL},
    {"word_category", LAM_INT, {"word"}, "the word's category, from 0", "1", NULL},
    {"word_tokens",
     LAM_INT,
     {"word"},
     "tokens of the prompt that hold a part of the word",
     "1",
     NULL},
    {"rsa",
     LAM_DOUBLE,
     {"layer", "pair"},
     "Pearson correlation of two components' similarities over all pairs of words",
     "1",
     NULL},
    {"rsa_spearman",
     LAM_DOUBLE,
     {"layer", "pair"},
     "Spearman correlation of two components' similarities over all pairs of words",
     "1",
     NULL},
    {"rsa_p_value",
     LAM_DOUBLE,
     {"layer", "pair"},
     "one-sided p of rsa, the second component's words permuted (Mantel's test)",
     "1",
     NULL},
    {"rsa_interval",
     LAM_DOUBLE,
     {"layer", "pair", "bound"},
     "95% percentile interval of rsa, words resampled within categories",
     "1",
     NULL},
    {"selectivity", LAM_DOUBLE, {"layer", "component"}, "within divided by between", "1", NULL},
    {"within",
     LAM_DOUBLE,
     {"layer", "component"},
     "mean over categories of the mean similarity of a category's words",
     "1",
     NULL},
    {"between",
     LAM_DOUBLE,
     {"layer", "component"},
     "mean over pairs of categories of the mean similarity of their words",
     "1",
     NULL},
    {"difference", LAM_DOUBLE, {"layer", "component"}, "within less between", "1", NULL},
    {"cohens_d",
     LAM_DOUBLE,
     {"layer", "component"},
     "Cohen's d of the pairs of words within categories against those between, pooled standard "
     "deviation",
     "1",
     NULL},
    {"selectivity_p_value",
     LAM_DOUBLE,
     {"layer", "component"},
     "one-sided p of the difference (words of one category more alike), categories permuted",
     "1",
     NULL},
    {"selectivity_interval",
     LAM_DOUBLE,
     {"layer", "component", "bound"},
     "95% percentile interval of selectivity, words resampled within categories",
     "1",
     NULL},
    {"within_category",
     LAM_DOUBLE,
     {"layer", "component", "category"},
     "mean similarity of a category's words",
     "1",
     NULL},
    {"similarity",
     LAM_FLOAT,
     {"layer", "component", "word", "word"},
     "similarity of two words",
     "1",
     NULL},
    {"layer_rsa",
     LAM_DOUBLE,
     {"component", "layer", "other_layer"},
     "Pearson correlation of two layers' similarities over all pairs of words, or of those drawn",
     "1",
     NULL},
    {"undefined", LAM_INT, {"layer", "component"}, UNDEFINED_TEXT, "1", NULL},
    {NULL},
};

// What layer_rsa is made of, from the layers' owners: each component's pairs, standardised.
static const lam_variable layer_variables[] = {
    {"pairs", LAM_FLOAT, {"layer", "value"}, "standardised similarities", "1", NULL},
    {NULL},
};

lam_site lam_rsa_site(const lam_profile_run *run) {
    return row_sites[((const rsa_options *)run->options)->site];
}

int lam_rsa_component_count(const lam_profile_run *run) {
    return lam_rsa_site(run) == LAM_SITE_QKV ? LAM_RSA_COMPONENTS : 1;
}

static lam_code check_similarity(const lam_profile_run *run, lam_error *error) {
    const rsa_options *o = run->options;
    const double words = (double)lam_rsa_word_count(o);
    const double bytes =
        words * words * lam_rsa_component_count(run) * (double)run->model->layers * sizeof(float);
    if (!o->similarity || bytes <= MOST_SIMILARITY_BYTES) return LAM_OK;
    return lam_fail(error, LAM_USAGE,
                    "rsa.similarity: %.0f x %.0f words in %lld layers and %d component%s are %.3g "
                    "GB, more than the %.3g GB that are stored at most: leave it out, or take "
                    "fewer words",
                    words, words, (long long)run->model->layers, lam_rsa_component_count(run),
                    lam_rsa_component_count(run) == 1 ? "" : "s", bytes / 1e9,
                    MOST_SIMILARITY_BYTES / 1e9);
}

static lam_code resolve(const lam_profile_run *run, lam_error *error) {
    rsa_options *o = run->options;
    LAM_TRY(lam_rsa_check_words(o, error));
    LAM_TRY(check_similarity(run, error));
    LAM_TRY(lam_rsa_check_shared(run, error));
    const int64_t resamples = lam_rsa_word_count(o) > LAM_RSA_MANY_WORDS ? 0 : 1000;
    if (o->permutations == LAM_AUTO_INTEGER) o->permutations = resamples;
    if (o->bootstraps == LAM_AUTO_INTEGER) o->bootstraps = resamples;
    return LAM_OK;
}

static lam_site_set sites(const lam_profile_run *run) {
    return LAM_SITE_BIT(lam_rsa_site(run));
}

// --- the result's shape

static bool named(const lam_variable *variable, const char *name) {
    return strcmp(variable->name, name) == 0;
}

static bool is_wanted(const lam_profile_run *run, const lam_variable *v) {
    const rsa_options *o = run->options;
    if (lam_rsa_component_count(run) == 1 && (named(v, "pair") || strncmp(v->name, "rsa", 3) == 0))
        return false;
    if (named(v, "rsa_p_value") || named(v, "selectivity_p_value")) return o->permutations > 0;
    if (named(v, "rsa_interval") || named(v, "selectivity_interval") || named(v, "bound"))
        return o->bootstraps > 0;
    return o->similarity || !named(v, "similarity");
}

static void drop_component(lam_variable *variable) {
    int to = 0;
    for (int d = 0; d < LAM_MAX_DIMENSIONS && variable->dimensions[d]; d++)
        if (strcmp(variable->dimensions[d], "component"))
            variable->dimensions[to++] = variable->dimensions[d];
    for (; to < LAM_MAX_DIMENSIONS; to++) variable->dimensions[to] = NULL;
}

static lam_code groups(const lam_profile_run *run, lam_profile_group *group, size_t room,
                       size_t *count, lam_arena *arena, lam_error *error) {
    (void)room;
    const rsa_options *o = run->options;
    const int components = lam_rsa_component_count(run);
    lam_variable *chosen;
    LAM_ALLOC(chosen, arena, sizeof variables / sizeof *variables, error);
    size_t n = 0;
    for (const lam_variable *v = variables; v->name; v++) {
        if (!is_wanted(run, v)) continue;
        chosen[n] = *v;
        if (components == 1) drop_component(&chosen[n]);
        n++;
    }
    group[0] = (lam_profile_group){.name = "rsa",
                                   .variables = chosen,
                                   .dimensions = {{"pair", LAM_RSA_PAIRS},
                                                  {"category", (int64_t)o->categories.count},
                                                  {"word", lam_rsa_word_count(o)},
                                                  {"other_layer", run->model->layers},
                                                  {"bound", 2}},
                                   .dimension_count = 5};
    group[1] = (lam_profile_group){
        .name = "rsa/layer",
        .variables = layer_variables,
        .dimensions = {{"value", components * lam_pair_count(lam_rsa_sample_size(o))}},
        .dimension_count = 1,
        .unwritten = true};
    *count = 2;
    return LAM_OK;
}

// --- the rows

lam_code lam_rsa_make_categories(const rsa_options *o, lam_categories *categories, lam_arena *arena,
                                 lam_error *error) {
    const int64_t words = lam_rsa_word_count(o), count = (int64_t)o->categories.count;
    int64_t *start;
    int32_t *of;
    LAM_ALLOC(start, arena, count + 1, error);
    LAM_ALLOC(of, arena, words, error);
    for (int64_t g = 0; g < count; g++) {
        start[g + 1] = start[g] + (int64_t)o->categories.words[g].count;
        for (int64_t i = start[g]; i < start[g + 1]; i++) of[i] = (int32_t)g;
    }
    *categories = (lam_categories){.words = words, .count = count, .start = start, .of = of};
    return LAM_OK;
}

// All pairs of words, then each of them again for every resample.
static void cost(const lam_profile_run *run, lam_profile_cost *cost) {
    const rsa_options *o = run->options;
    const double words = (double)lam_rsa_word_count(o), components = lam_rsa_component_count(run),
                 width = (double)lam_site_width(run->model, lam_rsa_site(run)) / components,
                 pairs = words * (words - 1) / 2,
                 sampled = (double)lam_pair_count(lam_rsa_sample_size(o));
    cost->kept = words * width * components * sizeof(float);
    cost->remedy = "take fewer words or use more ranks";
    if (lam_rsa_outgrows(run)) {
        cost->scratch = sizeof(double) * (sampled + 1000 * width);
        return;
    }
    cost->work.of[LAM_WORK_DOUBLES] +=
        components * pairs *
        (2 * width + 8 * (double)(o->permutations + o->bootstraps)); // some operations a pair
    // Pairs with their ranks, words in double precision, and whole matrices for resamples.
    cost->scratch = components * pairs * (sizeof(double) + sizeof(int32_t)) +
                    words * width * sizeof(double) + sampled * sizeof(double) +
                    (o->permutations ? components * words * words * sizeof(double) : 0);
    cost->shared = true;
    cost->sent = components * pairs * (sizeof(double) + sizeof(int32_t)) +
                 2 * components * (double)(o->permutations + o->bootstraps) * sizeof(double);
}

static lam_code begin(const lam_profile_run *run, int64_t layer, lam_arena *arena, void **state,
                      lam_error *error) {
    (void)layer;
    rsa_rows *rows;
    LAM_ALLOC(rows, arena, 1, error);
    LAM_TRY(lam_rsa_make_categories(run->options, &rows->categories, arena, error));
    rows->components = lam_rsa_component_count(run);
    rows->width = lam_site_width(run->model, lam_rsa_site(run)) / rows->components;
    LAM_ALLOC(rows->row, arena, rows->components * rows->categories.words * rows->width, error);
    if (run->mode == LAM_PUBLISHED && rows->components > 1)
        LAM_ALLOC(rows->module, arena, rows->components * rows->width, error);
    *state = rows;
    return LAM_OK;
}

static void see(const lam_profile_run *run, void *state, const lam_view *view) {
    const rsa_rows *rows = state;
    const float *last = view->data + (view->rows - 1) * view->row_stride;
    if (rows->module) {
        lam_module_order(run->model, last, 1, view->row_stride, rows->module);
        last = rows->module;
    }
    for (int64_t k = 0; k < rows->components; k++)
        memcpy(rows->row + (k * rows->categories.words + view->sequence) * rows->width,
               last + k * rows->width, (size_t)rows->width * sizeof *last);
}

static lam_code collect(const lam_profile_run *run, void *state, int64_t first, int64_t end,
                        lam_error *error) {
    const rsa_rows *rows = state;
    for (int64_t k = 0; k < rows->components; k++)
        LAM_TRY(lam_gather_sequences(run, first, end,
                                     rows->row + (k * rows->categories.words + first) * rows->width,
                                     (size_t)rows->width * sizeof *rows->row, error));
    return LAM_OK;
}

static size_t copy_seen(void *of, int64_t block, char *bytes, bool back) {
    const rsa_rows *rows = of;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    for (int64_t k = 0; k < rows->components && block == LAM_STATE_COMMON; k++)
        lam_state_move(&cursor, rows->row + k * rows->categories.words * rows->width,
                       (size_t)(rows->seen * rows->width) * sizeof *rows->row);
    return cursor.at;
}

static lam_state seen(const lam_profile_run *run, int64_t layer, void *state, lam_group *groups,
                      int64_t passed) {
    (void)layer, (void)groups;
    rsa_rows *rows = state;
    rows->seen = lam_seen_sequences(run, passed);
    return lam_gathered_state(run, passed, copy_seen, rows);
}

static int64_t units(const lam_profile_run *run) {
    const rsa_options *o = run->options;
    return lam_rsa_component_count(run) + o->permutations + o->bootstraps;
}

// --- once for all layers

static double product_of(const float *a, const float *b, int64_t count) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

// layer_rsa [component, layer, other layer]; missing where a layer's pairs are all alike.
static void compare_layers(const lam_profile_run *run, const lam_group *group) {
    const int64_t layers = run->model->layers,
                  pairs = lam_pair_count(lam_rsa_sample_size(run->options));
    const int components = lam_rsa_component_count(run);
    const float *from = group[1].data[0]; // [layer, component, pair]
    double *to = group[0].data[lam_group_find(&group[0], "layer_rsa")];
#pragma omp parallel for schedule(dynamic) collapse(2)
    for (int64_t k = 0; k < components; k++)
        for (int64_t l = 0; l < layers; l++) {
            const float *a = from + (l * components + k) * pairs;
            const double square = product_of(a, a, pairs);
            for (int64_t m = 0; m < layers; m++) {
                const float *b = from + (m * components + k) * pairs;
                const double squares = square * product_of(b, b, pairs);
                if (squares > 0)
                    to[(k * layers + l) * layers + m] = product_of(a, b, pairs) / sqrt(squares);
            }
        }
}

static void describe_words(const lam_profile_run *run, lam_group *group, int64_t *several) {
    const lam_word_lists *lists = &((const rsa_options *)run->options)->categories;
    const char **word = lam_group_row(group, "word", 0);
    const char **category = lam_group_row(group, "category", 0);
    int32_t *tokens = lam_group_row(group, "word_tokens", 0);
    int32_t *of = lam_group_row(group, "word_category", 0);
    int64_t n = 0;
    *several = 0;
    for (size_t g = 0; g < lists->count; g++) {
        category[g] = lists->name[g];
        for (size_t i = 0; i < lists->words[g].count; i++, n++) {
            word[n] = lists->words[g].item[i];
            of[n] = (int32_t)g;
            tokens[n] = run->sequences->label[n];
            *several += tokens[n] > 1;
        }
    }
}

static lam_code describe(const lam_profile_run *run, lam_group *group, lam_error *error) {
    const rsa_options *o = run->options;
    const int components = lam_rsa_component_count(run);
    int64_t several;
    describe_words(run, group, &several);
    compare_layers(run, group);
    int32_t *other = lam_group_row(group, "other_layer", 0);
    for (int64_t l = 0; l < run->model->layers; l++) other[l] = (int32_t)l;
    if (lam_rsa_component_count(run) > 1)
        memcpy(lam_group_row(group, "pair", 0), pair_names, sizeof pair_names);
    if (o->bootstraps > 0)
        memcpy(lam_group_row(group, "bound", 0), lam_rsa_levels, sizeof lam_rsa_levels);
    LAM_TRY(lam_group_text(group, "template", o->template, error));
    LAM_TRY(lam_together_describe(group, lam_rsa_outgrows(run) ? "all but layer_rsa" : "", error));
    if (lam_rsa_outgrows(run) && components > 1)
        LAM_TRY(lam_group_number(group, "rsa_spearman_bins", LAM_RSA_SHARED_BINS, true, error));
    LAM_TRY(lam_group_text(group, "distance", distance_choices[o->distance], error));
    LAM_TRY(lam_group_text(group, "site", site_choices[o->site], error));
    LAM_TRY(lam_group_number(group, "permutations", (double)o->permutations, true, error));
    LAM_TRY(lam_group_number(group, "bootstraps", (double)o->bootstraps, true, error));
    LAM_TRY(lam_group_number(group, "seed", (double)run->seed, true, error));
    LAM_TRY(lam_group_number(group, "words_of_several_tokens", (double)several, true, error));
    return lam_group_number(group, "layer_rsa_words", (double)lam_rsa_sample_size(o), true, error);
}

const lam_profile lam_profile_rsa = {
    .name = "rsa",
    .summary = "representational similarity: whether words of one category are alike to a layer",
    .options = options,
    .options_size = sizeof(rsa_options),
    .resolve = resolve,
    .sites = sites,
    .take = lam_rsa_take,
    .needs_no_text = true,
    .groups = groups,
    .cost = cost,
    .begin = begin,
    .see = see,
    .collect = collect,
    .seen = seen,
    .finish = lam_rsa_finish,
    .outgrows = lam_rsa_outgrows,
    .finish_together = lam_rsa_finish_together,
    .units = units,
    .unit = "steps",
    .describe = describe,
};
