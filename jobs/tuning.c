// The profile of tuning: which units of a layer tell two classes of words apart. One logistic
// regression a unit, on the unit's activation at the word, and one on all units together.
#include "jobs/tuning.h"
#include "jobs/gather.h"
#include "jobs/row_sites.h"
#include "jobs/together.h"
#include "src/folds.h"

#include <float.h>
#include <omp.h>

static const lam_option options[] = {
    {"sites", LAM_OPTION_STRINGS, offsetof(lam_tuning_options, sites), "qkv", 0, 0,
     lam_row_site_names, "whose units are regressed, each alone: a group of results a site"},
    LAM_WORD_CLASS_OPTIONS(lam_tuning_options),
    {"alpha", LAM_OPTION_REAL, offsetof(lam_tuning_options, alpha), "0.05", DBL_MIN, 1, NULL,
     "level of significance, before Bonferroni's correction for the layer's units"},
    {"folds", LAM_OPTION_INTEGER, offsetof(lam_tuning_options, classes.folds), "5", 2, 0x1p16, NULL,
     "folds of the held-out accuracy, stratified by class"},
    {"firth", LAM_OPTION_BOOL, offsetof(lam_tuning_options, firth), "false", 0, 0, NULL,
     "Firth's penalty in each unit's regression: separated units are fitted too"},
    {"joint", LAM_OPTION_BOOL, offsetof(lam_tuning_options, joint), "true", 0, 0, NULL,
     "one regression on all units of a layer too, with a ridge penalty"},
    {"ridge", LAM_OPTION_REAL, offsetof(lam_tuning_options, ridge), "auto", DBL_MIN, 1e12, NULL,
     "the penalty's weight, on units of variance 1; auto: the number of units"},
    {NULL},
};

#define SITE_VARIABLES                                                                             \
    {"unit", LAM_INT, {"unit"}, "unit of the site", "1", NULL},                                    \
        {"unit_component",                                                                         \
         LAM_INT,                                                                                  \
         {"unit"},                                                                                 \
         "part of the fused projection: 0 Q, 1 K, 2 V, -1 none",                                   \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"unit_head", LAM_INT, {"unit"}, "attention head, -1 none", "1", NULL},                    \
        {"beta", LAM_DOUBLE, {"layer", "unit"}, "slope: log odds of label 1 a unit of activation", \
         "1",    NULL},                                                                            \
        {"intercept", LAM_DOUBLE, {"layer", "unit"}, "log odds of label 1 at activation 0",        \
         "1",         NULL},                                                                       \
        {"standard_error", LAM_DOUBLE, {"layer", "unit"}, "standard error of beta", "1", NULL},    \
        {"p_value", LAM_DOUBLE, {"layer", "unit"}, "Wald's two-sided p of beta", "1", NULL},       \
        {"q_value",                                                                                \
         LAM_DOUBLE,                                                                               \
         {"layer", "unit"},                                                                        \
         "false discovery rate of beta over the layer's units (Benjamini-Hochberg)",               \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"accuracy", LAM_FLOAT, {"layer", "unit"}, "share of targets told rightly at 0.5",         \
         "1",        NULL},                                                                        \
        {"held_out_accuracy",                                                                      \
         LAM_FLOAT,                                                                                \
         {"layer", "unit"},                                                                        \
         "share of targets told rightly at 0.5 by fits that did not see them",                     \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"status",                                                                                 \
         LAM_BYTE,                                                                                 \
         {"layer", "unit"},                                                                        \
         "how the unit's regression ended",                                                        \
         "1",                                                                                      \
         "fitted constant separated not_converged"},                                               \
        {"share_significant",                                                                      \
         LAM_DOUBLE,                                                                               \
         {"layer"},                                                                                \
         "share of units with p below alpha / units (Bonferroni)",                                 \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"share_significant_fdr",                                                                  \
         LAM_DOUBLE,                                                                               \
         {"layer"},                                                                                \
         "share of units with q up to alpha",                                                      \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"mean_accuracy",                                                                          \
         LAM_DOUBLE,                                                                               \
         {"layer"},                                                                                \
         "mean accuracy of significant units with beta above 0",                                   \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"joint_held_out_accuracy",                                                                \
         LAM_DOUBLE,                                                                               \
         {"layer"},                                                                                \
         "held-out accuracy of one ridge regression on all units",                                 \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"joint_loss",                                                                             \
         LAM_DOUBLE,                                                                               \
         {"layer"},                                                                                \
         "mean log loss of that regression fitted to all targets, without its penalty",            \
         "1",                                                                                      \
         NULL},                                                                                    \
    {                                                                                              \
        "undefined", LAM_INT, {"layer"},                                                           \
            "why summaries are missing, as a sum: 1 no unit could be tested (shares), 2 no "       \
            "significant unit with beta above 0 (mean_accuracy), 4 no joint regression asked "     \
            "for, 8 it did not converge",                                                          \
            "1", NULL                                                                              \
    }

static const lam_variable site_variables[] = {SITE_VARIABLES, {NULL}};

static const lam_variable qkv_variables[] = {
    SITE_VARIABLES,
    {"component_share_significant",
     LAM_DOUBLE,
     {"layer", "component"},
     "share of a component's units with p below alpha / units of the layer",
     "1",
     NULL},
    {"component_share_significant_fdr",
     LAM_DOUBLE,
     {"layer", "component"},
     "share of a component's units with q up to alpha",
     "1",
     NULL},
    {"component_mean_accuracy",
     LAM_DOUBLE,
     {"layer", "component"},
     "mean accuracy of a component's significant units with beta above 0; in published mode, of "
     "all its units",
     "1",
     NULL},
    {"component_failed",
     LAM_INT,
     {"layer", "component"},
     "units of a component without a fit, as status says; in published mode, those that stand as "
     "p 1, beta 0, accuracy 0",
     "1",
     NULL},
    {"component_undefined",
     LAM_INT,
     {"layer", "component"},
     "why summaries are missing, as a sum: 1 no unit could be tested (shares), 2 no significant "
     "unit with beta above 0 (component_mean_accuracy)",
     "1",
     NULL},
    {NULL},
};

static lam_site site_of(const lam_profile_run *run, size_t index) {
    return lam_row_site(((const lam_tuning_options *)run->options)->sites.item[index]);
}

static size_t site_count(const lam_profile_run *run) {
    return ((const lam_tuning_options *)run->options)->sites.count;
}

static int64_t width_of(const lam_profile_run *run, size_t index) {
    return lam_row_width(run, site_of(run, index));
}

static lam_code resolve(const lam_profile_run *run, lam_error *error) {
    const lam_tuning_options *o = run->options;
    LAM_TRY(lam_row_sites_check(run, &o->sites, error));
    if (lam_tuning_published(run) && o->firth)
        return lam_fail(error, LAM_USAGE,
                        "tuning.firth: published mode has no penalty: leave it out or use "
                        "mode: standard");
    return lam_word_classes_check(run, &o->classes, error);
}

static lam_site_set sites(const lam_profile_run *run) {
    lam_site_set set = 0;
    for (size_t s = 0; s < site_count(run); s++)
        set |= LAM_SITE_BIT(lam_row_hook(run, site_of(run, s)));
    return set;
}

static lam_code take(const lam_profile_run *run, const lam_source *source, lam_sequences *sequences,
                     lam_arena *arena, lam_error *error) {
    const lam_tuning_options *o = run->options;
    return lam_word_classes_take(run, &o->classes, 0, source, sequences, arena, error);
}

static lam_code groups(const lam_profile_run *run, lam_profile_group *group, size_t room,
                       size_t *count, lam_arena *arena, lam_error *error) {
    *count = site_count(run);
    if (*count > room) return lam_fail(error, LAM_INTERNAL, "tuning: %zu sites", *count);
    for (size_t s = 0; s < *count; s++) {
        lam_site site = site_of(run, s);
        const char *name = lam_arena_format(arena, error, "tuning/%s", lam_site_name(site));
        if (!name) return LAM_MEMORY;
        group[s] =
            (lam_profile_group){.name = name,
                                .variables = site == LAM_SITE_QKV ? qkv_variables : site_variables,
                                .dimensions = {{"unit", width_of(run, s)}},
                                .dimension_count = 1};
    }
    return LAM_OK;
}

// What a layer keeps.
typedef struct tuning_layer {
    float *x[LAM_ROW_SITES]; // [target, unit] of each site
    float *module_row;       // [3 width] scratch
    int32_t *fold;           // [target]
    const lam_profile_run *run;
    int64_t seen; // targets
} tuning_layer;

// Newton's method takes some eight steps of some forty operations a row; the joint regression a
// Cholesky factor a step. Each time for all rows and for each fold.
static void cost(const lam_profile_run *run, lam_profile_cost *cost) {
    const lam_tuning_options *o = run->options;
    const double rows = (double)run->sequences->count, fits = 1 + (double)o->classes.folds;
    const double steps = 8, threads = omp_get_max_threads();
    for (size_t s = 0; s < site_count(run); s++) {
        const double units = (double)width_of(run, s), least = rows < units ? rows : units + 1;
        double scratch = units * (sizeof(lam_logistic_fit) + 2 * sizeof(double));
        cost->kept += rows * units * sizeof(float);
        cost->work.of[LAM_WORK_DOUBLES] += fits * steps * 40 * rows * units;
        if (o->joint && !lam_tuning_joint_outgrows(run, width_of(run, s))) {
            cost->work.of[LAM_WORK_DOUBLES] +=
                rows * units * least + fits * steps * least * least * least / 3;
            scratch += sizeof(double) * (rows * units + (2 + threads) * least * least);
            if (units < rows) scratch += sizeof(double) * threads * rows * units;
        }
        if (scratch > cost->scratch) cost->scratch = scratch;
        cost->sent += units * sizeof(lam_logistic_fit);
    }
    cost->shared = true;
    cost->remedy = "choose a shorter text, fewer tuning.sites, or use more ranks";
}

static lam_code begin(const lam_profile_run *run, int64_t layer, lam_arena *arena, void **state,
                      lam_error *error) {
    (void)layer;
    const lam_tuning_options *o = run->options;
    tuning_layer *at;
    LAM_ALLOC(at, arena, 1, error);
    for (size_t s = 0; s < site_count(run); s++)
        LAM_ALLOC(at->x[s], arena, run->sequences->count * width_of(run, s), error);
    LAM_ALLOC(at->module_row, arena, 3 * run->model->width, error);
    LAM_ALLOC(at->fold, arena, run->sequences->count, error);
    at->run = run;
    *state = at;
    return lam_folds_deal(run->sequences->label, run->sequences->count, (int32_t)o->classes.folds,
                          run->seed, at->fold, arena, error);
}

static void see(const lam_profile_run *run, void *state, const lam_view *view) {
    const lam_tuning_options *o = run->options;
    tuning_layer *at = state;
    for (size_t s = 0; s < site_count(run); s++)
        lam_row_copy(run, site_of(run, s), view, o->classes.before, 1,
                     at->x[s] + view->sequence * width_of(run, s), at->module_row);
}

static lam_code collect(const lam_profile_run *run, void *state, int64_t first, int64_t end,
                        lam_error *error) {
    const tuning_layer *at = state;
    for (size_t s = 0; s < site_count(run); s++)
        LAM_TRY(lam_gather_sequences(run, first, end, at->x[s] + first * width_of(run, s),
                                     (size_t)width_of(run, s) * sizeof *at->x[s], error));
    return LAM_OK;
}

static size_t copy_seen(void *of, int64_t block, char *bytes, bool back) {
    const tuning_layer *at = of;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    for (size_t s = 0; s < site_count(at->run) && block == LAM_STATE_COMMON; s++)
        lam_state_move(&cursor, at->x[s],
                       (size_t)(at->seen * width_of(at->run, s)) * sizeof *at->x[s]);
    return cursor.at;
}

static lam_state seen(const lam_profile_run *run, int64_t layer, void *state, lam_group *groups,
                      int64_t passed) {
    (void)layer, (void)groups;
    tuning_layer *at = state;
    at->seen = lam_seen_sequences(run, passed);
    return lam_gathered_state(run, passed, copy_seen, at);
}

static lam_code finish(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                       const lam_tick *tick, lam_arena *arena, lam_error *error) {
    (void)arena; // each site's scratch memory is given back before the next
    const lam_tuning_options *o = run->options;
    const tuning_layer *at = state;
    for (size_t s = 0; s < site_count(run); s++) {
        const char *site = lam_site_name(site_of(run, s));
        LAM_TRY(lam_gather_sequences(run, 0, run->sequences->count, at->x[s],
                                     (size_t)width_of(run, s) * sizeof *at->x[s], error));
        lam_tuning_site f = {.run = run,
                             .layer = layer,
                             .units = width_of(run, s),
                             .group = &group[s],
                             .x = at->x[s],
                             .rows = {run->sequences->count, run->sequences->label, at->fold,
                                      (int32_t)o->classes.folds}};
        lam_arena scratch = {0};
        lam_code code = lam_tuning_analyse(&f, &scratch, error);
        lam_arena_destroy(&scratch);
        if (code != LAM_OK) return lam_fail_within(error, "site %s", site);
        if (!tick->add(tick->user, f.units, site)) return lam_stop_fail(error);
    }
    return LAM_OK;
}

static bool outgrows(const lam_profile_run *run) {
    bool any = false;
    for (size_t s = 0; s < site_count(run); s++)
        any = any || lam_tuning_joint_outgrows(run, width_of(run, s));
    return any;
}

static lam_code join_site(const lam_profile_run *run, int64_t layer, const tuning_layer *at,
                          size_t s, lam_group *group, const lam_grid *grid, lam_arena *arena,
                          lam_error *error) {
    const lam_tuning_options *o = run->options;
    const lam_sequences *q = run->sequences;
    const int32_t folds = (int32_t)o->classes.folds;
    int32_t *fold = lam_arena_alloc(arena, (size_t)q->count, sizeof *fold, error);
    lam_code code = LAM_MEMORY;
    if (fold) code = lam_folds_deal(q->label, q->count, folds, run->seed, fold, arena, error);
    LAM_TRY(grid->agree(grid, code, error));
    const lam_tuning_site f = {.run = run,
                               .layer = layer,
                               .units = width_of(run, s),
                               .group = group,
                               .x = at ? at->x[s] : NULL,
                               .rows = {q->count, q->label, fold, folds}};
    return lam_tuning_join(&f, grid, arena, error);
}

static lam_code finish_together(const lam_profile_run *run, int64_t layer, void *state,
                                lam_group *group, const lam_grid *grid, lam_error *error) {
    for (size_t s = 0; s < site_count(run); s++) {
        if (!lam_tuning_joint_outgrows(run, width_of(run, s))) continue;
        lam_arena scratch = {0};
        lam_code code = join_site(run, layer, state, s, &group[s], grid, &scratch, error);
        lam_arena_destroy(&scratch);
        if (code != LAM_OK)
            return lam_fail_within(error, "site %s", lam_site_name(site_of(run, s)));
    }
    return LAM_OK;
}

static int64_t units(const lam_profile_run *run) {
    int64_t all = 0;
    for (size_t s = 0; s < site_count(run); s++) all += width_of(run, s);
    return all;
}

static void describe_units(const lam_profile_run *run, size_t s, lam_group *group) {
    lam_site site = site_of(run, s);
    int32_t *unit = lam_group_row(group, "unit", 0),
            *component = lam_group_row(group, "unit_component", 0),
            *head = lam_group_row(group, "unit_head", 0);
    for (int64_t u = 0; u < width_of(run, s); u++) {
        int64_t place = u + lam_row_first(run, site), width = run->model->width;
        unit[u] = (int32_t)u;
        component[u] = lam_row_is_fused(site) ? (int32_t)(place / width) : -1;
        head[u] = lam_row_is_fused(site) ? (int32_t)(place % width / run->model->head_width) : -1;
    }
}

static lam_code describe(const lam_profile_run *run, lam_group *group, lam_error *error) {
    const lam_tuning_options *o = run->options;
    int64_t count[2] = {0};
    for (int64_t i = 0; i < run->sequences->count; i++) count[run->sequences->label[i]]++;
    int64_t majority = count[0] > count[1] ? count[0] : count[1];
    for (size_t s = 0; s < site_count(run); s++) {
        const struct {
            const char *name;
            double value;
            bool integer;
        } numbers[] = {
            {"targets_negative_class", (double)count[0], true},
            {"targets_positive_class", (double)count[1], true},
            {"majority_baseline", (double)majority / (double)(count[0] + count[1]), false},
            {"alpha", o->alpha, false},
            {"folds", (double)o->classes.folds, true},
            {"ridge", lam_tuning_ridge(run, width_of(run, s)), false},
            {"before", (double)o->classes.before, true},
            {"after", (double)o->classes.after, true},
            {"seed", (double)run->seed, true},
        };
        describe_units(run, s, &group[s]);
        LAM_TRY(lam_group_text(&group[s], "site", lam_site_name(site_of(run, s)), error));
        LAM_TRY(lam_group_text(&group[s], "estimate",
                               lam_tuning_published(run) ? "published"
                               : o->firth                ? "firth"
                                                         : "maximum likelihood",
                               error));
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            LAM_TRY(lam_group_number(&group[s], numbers[i].name, numbers[i].value,
                                     numbers[i].integer, error));
        const bool shared = lam_tuning_joint_outgrows(run, width_of(run, s));
        LAM_TRY(lam_together_describe(&group[s],
                                      shared ? "joint_held_out_accuracy, joint_loss" : "", error));
    }
    return LAM_OK;
}

const lam_profile lam_profile_tuning = {
    .name = "tuning",
    .summary = "which units tell two classes of words apart: a logistic regression a unit",
    .options = options,
    .options_size = sizeof(lam_tuning_options),
    .resolve = resolve,
    .sites = sites,
    .take = take,
    .groups = groups,
    .cost = cost,
    .begin = begin,
    .see = see,
    .collect = collect,
    .seen = seen,
    .finish = finish,
    .outgrows = outgrows,
    .finish_together = finish_together,
    .units = units,
    .unit = "units",
    .describe = describe,
};
