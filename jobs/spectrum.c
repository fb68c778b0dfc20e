// The profile of spectra: how many dimensions a site's activations fill, and the direction in which
// two classes of words vary most differently.
#include "jobs/spectrum.h"

#include "jobs/gather.h"
#include "jobs/row_sites.h"
#include "jobs/together.h"
#include "src/stop.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LEAST_TARGETS = 4 }; // of a class: two to be seen and two to be held out

static const lam_option options[] = {
    {"sites", LAM_OPTION_STRINGS, offsetof(lam_spectrum_options, sites), "resid_post", 0, 0,
     lam_row_site_names, "whose activations: a group of results a site"},
    {"separation", LAM_OPTION_BOOL, offsetof(lam_spectrum_options, separation), "true", 0, 0, NULL,
     "compare two classes of words too, by a generalized eigendecomposition of their covariances"},
    LAM_WORD_CLASS_OPTIONS(lam_spectrum_options),
    {"folds", LAM_OPTION_INTEGER, offsetof(lam_spectrum_options, classes.folds), "5", 2, 0x1p16,
     NULL, "folds of the held-out separation, stratified by class"},
    {"shrinkage", LAM_OPTION_REAL, offsetof(lam_spectrum_options, shrinkage), "0.01", DBL_MIN, 1e6,
     NULL,
     "of the mean eigenvalue of the negative class's covariance, added to the covariance's "
     "diagonal"},
    {NULL},
};

// The first ones only with separation.
static const lam_variable variables[] = {
    {"separation_components",
     LAM_INT,
     {"layer"},
     "principal components of the targets that hold 99% of their variance: those compared",
     "1",
     NULL},
    {"top_eigenvalue",
     LAM_DOUBLE,
     {"layer"},
     "largest generalized eigenvalue of the positive class's covariance against the negative's, "
     "shrunk",
     "1",
     NULL},
    {"training_t",
     LAM_DOUBLE,
     {"layer"},
     "Student's t of the two classes' scores on its eigenvector",
     "1",
     NULL},
    {"held_out_t",
     LAM_DOUBLE,
     {"layer"},
     "the same of scores by fits that did not see the targets",
     "1",
     NULL},
    {"order", LAM_INT, {"order"}, "place of the eigenvalue, 0 the largest", "1", NULL},
    {"eigenvalue",
     LAM_DOUBLE,
     {"layer", "order"},
     "eigenvalues of the covariance of the site's activations over tokens",
     "1",
     NULL},
    {"total_variance", LAM_DOUBLE, {"layer"}, "sum of the eigenvalues", "1", NULL},
    {"participation_ratio",
     LAM_DOUBLE,
     {"layer"},
     "effective number of dimensions: (sum of eigenvalues)^2 / sum of their squares",
     "1",
     NULL},
    {"components_99",
     LAM_INT,
     {"layer"},
     "fewest components that hold 99% of the variance",
     "1",
     NULL},
    {"undefined",
     LAM_INT,
     {"layer"},
     "why measures are missing, as a sum: 1 tokens all alike (participation_ratio), 2 a class of "
     "targets all alike (top_eigenvalue, training_t, held_out_t), 4 so without a fold's "
     "(held_out_t)",
     "1",
     NULL},
    {NULL},
};

enum { SEPARATION_VARIABLES = 4 };

static const lam_spectrum_options *options_of(const lam_profile_run *run) {
    return run->options;
}

static size_t site_count(const lam_profile_run *run) {
    return options_of(run)->sites.count;
}

static lam_site site_of(const lam_profile_run *run, size_t index) {
    return lam_row_site(options_of(run)->sites.item[index]);
}

static int64_t width_of(const lam_profile_run *run, size_t index) {
    return lam_row_width(run, site_of(run, index));
}

static lam_code resolve(const lam_profile_run *run, lam_error *error) {
    LAM_TRY(lam_row_sites_check(run, &options_of(run)->sites, error));
    // The first token of a sequence is left out, and a covariance needs two.
    if (run->input->length < 3)
        return lam_fail(error, LAM_USAGE,
                        "spectrum: sequences of %lld tokens are too short: choose a length of 3 or "
                        "more",
                        (long long)run->input->length);
    if (!options_of(run)->separation) return LAM_OK;
    return lam_word_classes_check(run, &options_of(run)->classes, error);
}

static lam_site_set sites(const lam_profile_run *run) {
    lam_site_set set = 0;
    for (size_t s = 0; s < site_count(run); s++)
        set |= LAM_SITE_BIT(lam_row_hook(run, site_of(run, s)));
    return set;
}

// --- the rows: of all tokens but the first of the sequences that the input asks for, labelled
// below 0, and of the targets in the windows that follow those

enum { NO_CLASS = -1 };

// The sequences asked for; those after them are the targets' windows.
static int64_t plain_count(const lam_profile_run *run) {
    const lam_sequences *q = run->sequences;
    int64_t n = 0;
    while (n < q->count && q->label[n] == NO_CLASS) n++;
    return n;
}

// Rows and targets of the first so many sequences.
static int64_t rows_before(const lam_profile_run *run, int64_t sequence) {
    const int64_t plain = sequence < plain_count(run) ? sequence : plain_count(run);
    return run->sequences->start[plain] - plain;
}

static int64_t targets_before(const lam_profile_run *run, int64_t sequence) {
    return sequence > plain_count(run) ? sequence - plain_count(run) : 0;
}

static int64_t row_count(const lam_profile_run *run) {
    return rows_before(run, run->sequences->count);
}

static int64_t target_count(const lam_profile_run *run) {
    return targets_before(run, run->sequences->count);
}

// Both of one text.
static lam_code join(const lam_sequences *plain, const lam_sequences *windows, lam_sequences *all,
                     lam_arena *arena, lam_error *error) {
    const int64_t tokens = plain->start[plain->count], n = plain->count;
    LAM_TRY(lam_sequences_create(all, n + windows->count, plain->token, arena, error));
    memcpy(all->start, plain->start, (size_t)(n + 1) * sizeof *all->start);
    memcpy(all->place, plain->place, (size_t)n * sizeof *all->place);
    for (int64_t s = 0; s < n; s++) all->label[s] = NO_CLASS;
    for (int64_t s = 0; s < windows->count; s++) {
        all->start[n + s + 1] = tokens + windows->start[s + 1];
        all->place[n + s] = windows->place[s];
        all->label[n + s] = windows->label[s];
    }
    return LAM_OK;
}

static lam_code take(const lam_profile_run *run, const lam_source *source, lam_sequences *sequences,
                     lam_arena *arena, lam_error *error) {
    const lam_input *input = run->input;
    lam_sequences plain, windows = {0};
    LAM_TRY(lam_sequences_take(&plain, &source->text, input->sequences, input->length,
                               input->select == LAM_JOB_SELECT_RANDOM, run->seed, arena, error));
    if (options_of(run)->separation &&
        lam_word_classes_take(run, &options_of(run)->classes, LEAST_TARGETS, source, &windows,
                              arena, error) != LAM_OK) {
        const lam_error why = *error;
        return lam_fail(error, why.code, "%s, or spectrum.separation: no", why.text);
    }
    return join(&plain, &windows, sequences, arena, error);
}

static lam_code groups(const lam_profile_run *run, lam_profile_group *group, size_t room,
                       size_t *count, lam_arena *arena, lam_error *error) {
    *count = site_count(run);
    if (*count > room) return lam_fail(error, LAM_INTERNAL, "spectrum: %zu sites", *count);
    for (size_t s = 0; s < *count; s++) {
        const char *name =
            lam_arena_format(arena, error, "spectrum/%s", lam_site_name(site_of(run, s)));
        if (!name) return LAM_MEMORY;
        group[s] = (lam_profile_group){
            .name = name,
            .variables = variables + (options_of(run)->separation ? 0 : SEPARATION_VARIABLES),
            .dimensions = {{"order", width_of(run, s)}},
            .dimension_count = 1};
    }
    return LAM_OK;
}

// What a layer keeps.
typedef struct spectrum_layer {
    float *row[LAM_ROW_SITES];    // [row, unit] of each site
    float *target[LAM_ROW_SITES]; // [target, unit]
    float *module_row;            // [3 width] scratch
    const lam_profile_run *run;
    int64_t seen; // sequences
} spectrum_layer;

// Of a layer that this rank has; at is NULL elsewhere, group where nothing is to be filled.
static lam_spectrum_site site_at(const lam_profile_run *run, int64_t layer,
                                 const spectrum_layer *at, size_t s, lam_group *group) {
    const int64_t width = width_of(run, s);
    return (lam_spectrum_site){
        .run = run,
        .layer = layer,
        .name = lam_site_name(site_of(run, s)),
        .part = {{row_count(run), width, at ? at->row[s] : NULL},
                 {target_count(run), width, at ? at->target[s] : NULL}},
        .label = run->sequences->label + plain_count(run),
        .group = group,
    };
}

static bool part_outgrows(const lam_profile_run *run, size_t s, int part) {
    const lam_spectrum_site site = site_at(run, 0, NULL, s, NULL);
    return lam_spectrum_outgrows(&site, part);
}

static void cost(const lam_profile_run *run, lam_profile_cost *cost) {
    const double rows = (double)row_count(run), targets = (double)target_count(run);
    const double fits = 1 + (double)options_of(run)->classes.folds;
    for (size_t s = 0; s < site_count(run); s++) {
        const double width = (double)width_of(run, s), least = fmin(rows, width),
                     few = fmin(targets, width);
        cost->kept += (rows + targets) * width * sizeof(float);
        // The products of rows, then eigenvalues alone, of targets with their vectors (Golub and
        // Van Loan 2013, section 8.3).
        if (!part_outgrows(run, s, LAM_SPECTRUM_ROWS)) {
            cost->work.of[LAM_WORK_DOUBLES] +=
                rows * width * least + 4.0 / 3 * least * least * least;
            cost->scratch =
                fmax(cost->scratch, sizeof(double) * (rows * width + 2 * least * least));
        }
        if (targets > 0 && !part_outgrows(run, s, LAM_SPECTRUM_TARGETS)) {
            cost->work.of[LAM_WORK_DOUBLES] +=
                fits * (3 * targets * width * few + 9 * few * few * few);
            cost->scratch =
                fmax(cost->scratch, sizeof(double) * (3 * targets * width + 4 * few * few));
        }
    }
    cost->shared = true;
    cost->sent =
        sizeof(double) * (fits * targets + (double)run->model->width) * (double)site_count(run);
    cost->remedy = "take fewer sequences, fewer spectrum.sites, or use more ranks";
}

static lam_code begin(const lam_profile_run *run, int64_t layer, lam_arena *arena, void **state,
                      lam_error *error) {
    (void)layer;
    spectrum_layer *at;
    LAM_ALLOC(at, arena, 1, error);
    for (size_t s = 0; s < site_count(run); s++) {
        LAM_ALLOC(at->row[s], arena, row_count(run) * width_of(run, s), error);
        LAM_ALLOC(at->target[s], arena, target_count(run) * width_of(run, s), error);
    }
    LAM_ALLOC(at->module_row, arena, 3 * run->model->width, error);
    at->run = run;
    *state = at;
    return LAM_OK;
}

static void see(const lam_profile_run *run, void *state, const lam_view *view) {
    spectrum_layer *at = state;
    const bool plain = run->sequences->label[view->sequence] == NO_CLASS;
    for (size_t s = 0; s < site_count(run); s++) {
        const int64_t width = width_of(run, s);
        if (plain) // of one length all
            lam_row_copy(run, site_of(run, s), view, 1, view->rows - 1,
                         at->row[s] + view->sequence * (view->length - 1) * width, at->module_row);
        else
            lam_row_copy(run, site_of(run, s), view, options_of(run)->classes.before, 1,
                         at->target[s] + (view->sequence - plain_count(run)) * width,
                         at->module_row);
    }
}

// --- what a team has seen, together

// Of sequences first .. end - 1: from what a member of the team has seen to what all have.
static lam_code gather(const lam_profile_run *run, const spectrum_layer *at, size_t s,
                       int64_t first, int64_t end, lam_error *error) {
    const int64_t width = width_of(run, s), plain = plain_count(run);
    const size_t size = (size_t)width * sizeof(float);
    if (first < plain)
        LAM_TRY(lam_gather_tokens(run, 1, first, end < plain ? end : plain,
                                  at->row[s] + rows_before(run, first) * width, size, error));
    if (end <= plain) return LAM_OK;
    return lam_gather_sequences(run, first > plain ? first : plain, end,
                                at->target[s] + targets_before(run, first) * width, size, error);
}

static lam_code collect(const lam_profile_run *run, void *state, int64_t first, int64_t end,
                        lam_error *error) {
    for (size_t s = 0; s < site_count(run); s++) LAM_TRY(gather(run, state, s, first, end, error));
    return LAM_OK;
}

static size_t copy_seen(void *of, int64_t block, char *bytes, bool back) {
    const spectrum_layer *at = of;
    const lam_profile_run *run = at->run;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    for (size_t s = 0; s < site_count(run) && block == LAM_STATE_COMMON; s++) {
        const size_t size = (size_t)width_of(run, s) * sizeof(float);
        lam_state_move(&cursor, at->row[s], (size_t)rows_before(run, at->seen) * size);
        lam_state_move(&cursor, at->target[s], (size_t)targets_before(run, at->seen) * size);
    }
    return cursor.at;
}

static lam_state seen(const lam_profile_run *run, int64_t layer, void *state, lam_group *groups,
                      int64_t passed) {
    (void)layer, (void)groups;
    spectrum_layer *at = state;
    at->seen = lam_seen_sequences(run, passed);
    return lam_gathered_state(run, passed, copy_seen, at);
}

// --- the layer function

static lam_code finish(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                       const lam_tick *tick, lam_arena *arena, lam_error *error) {
    lam_spectrum_site of[LAM_ROW_SITES];
    for (size_t s = 0; s < site_count(run); s++) {
        LAM_TRY(gather(run, state, s, 0, run->sequences->count, error));
        of[s] = site_at(run, layer, state, s, &group[s]);
        LAM_TRY(lam_spectrum_check(&of[s], error));
    }
    for (size_t s = 0; s < site_count(run); s++)
        for (int part = 0; part < lam_spectrum_part_count(run); part++) {
            LAM_TRY(lam_spectrum_measure_here(&of[s], s, part, error));
            if (!tick->add(tick->user, 1, of[s].name)) return lam_stop_fail(error);
        }
    for (size_t s = 0; s < site_count(run); s++)
        LAM_TRY(lam_spectrum_share(&of[s], s, arena, error));
    return LAM_OK;
}

static bool outgrows(const lam_profile_run *run) {
    bool any = false;
    for (size_t s = 0; s < site_count(run); s++)
        for (int part = 0; part < lam_spectrum_part_count(run); part++)
            any = any || part_outgrows(run, s, part);
    return any;
}

static lam_code finish_together(const lam_profile_run *run, int64_t layer, void *state,
                                lam_group *group, const lam_grid *grid, lam_error *error) {
    for (size_t s = 0; s < site_count(run); s++) {
        const lam_spectrum_site site = site_at(run, layer, state, s, &group[s]);
        for (int part = 0; part < lam_spectrum_part_count(run); part++)
            if (lam_spectrum_outgrows(&site, part))
                LAM_TRY(lam_spectrum_measure(&site, part, grid, &lam_team_alone, error));
    }
    return LAM_OK;
}

static int64_t units(const lam_profile_run *run) {
    return (int64_t)site_count(run) * lam_spectrum_part_count(run);
}

// What of a site all ranks worked out together.
static const char *distributed(const lam_profile_run *run, size_t s) {
    const bool targets = options_of(run)->separation && part_outgrows(run, s, LAM_SPECTRUM_TARGETS);
    if (part_outgrows(run, s, LAM_SPECTRUM_ROWS))
        return targets ? "all" : "eigenvalue and what is made of it";
    return targets ? "separation_components, top_eigenvalue, training_t, held_out_t" : "";
}

static lam_code describe(const lam_profile_run *run, lam_group *group, lam_error *error) {
    const lam_spectrum_options *o = options_of(run);
    int64_t count[2] = {0};
    for (int64_t i = plain_count(run); i < run->sequences->count; i++)
        count[run->sequences->label[i]]++;
    for (size_t s = 0; s < site_count(run); s++) {
        const struct {
            const char *name;
            double value;
            bool integer;
        } numbers[] = {
            {"rows", (double)row_count(run), true},
            {"targets_negative_class", (double)count[0], true},
            {"targets_positive_class", (double)count[1], true},
            {"folds", (double)o->classes.folds, true},
            {"before", (double)o->classes.before, true},
            {"after", (double)o->classes.after, true},
            {"shrinkage", o->shrinkage, false},
            {"seed", (double)run->seed, true},
        };
        int32_t *order = lam_group_row(&group[s], "order", 0);
        for (int64_t i = 0; i < width_of(run, s); i++) order[i] = (int32_t)i;
        LAM_TRY(lam_group_text(&group[s], "site", lam_site_name(site_of(run, s)), error));
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            if (o->separation || i == 0)
                LAM_TRY(lam_group_number(&group[s], numbers[i].name, numbers[i].value,
                                         numbers[i].integer, error));
        LAM_TRY(lam_together_describe(&group[s], distributed(run, s), error));
    }
    return LAM_OK;
}

const lam_profile lam_profile_spectrum = {
    .name = "spectrum",
    .summary = "how many dimensions activations fill, and where two classes of words vary apart",
    .options = options,
    .options_size = sizeof(lam_spectrum_options),
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
    .unit = "spectra",
    .describe = describe,
};
