// Words too many for one rank: their similarities are all ranks' together.
#include "jobs/rsa.h"
#include "src/rsa_shared.h"
#include "src/similarity.h"

#include <math.h>
#include <string.h>

bool lam_rsa_outgrows(const lam_profile_run *run) {
    return lam_rsa_word_count(run->options) >= run->distribute;
}

lam_code lam_rsa_check_shared(const lam_profile_run *run, lam_error *error) {
    const rsa_options *o = run->options;
    if (!lam_rsa_outgrows(run)) return LAM_OK;
    const bool resampled = (o->permutations != LAM_AUTO_INTEGER && o->permutations > 0) ||
                           (o->bootstraps != LAM_AUTO_INTEGER && o->bootstraps > 0);
    const char *key = o->similarity                  ? "similarity"
                      : o->distance == LAM_EUCLIDEAN ? "distance: euclidean"
                      : resampled                    ? "resampling (permutations, bootstraps)"
                                                     : NULL;
    if (!key) return LAM_OK;
    return lam_fail(
        error, LAM_USAGE,
        "rsa: %lld words are shared by all ranks, where %s cannot be had: leave it out, "
        "or set distribute above the number of words",
        (long long)lam_rsa_word_count(o), key);
}

static double *value(const lam_group *group, int64_t layer, const char *name) {
    return lam_group_row(group, name, layer);
}

static void fill(const lam_group *group, int64_t layer, int components, const lam_rsa_shared *made,
                 const double *within_category, int64_t categories) {
    int32_t *flags = lam_group_row(group, "undefined", layer);
    for (int k = 0; k < components; k++) {
        const lam_contrast *c = &made->contrast[k];
        flags[k] |= made->flags[k];
        if (made->flags[k] & LAM_RSA_UNDIRECTED) continue;
        value(group, layer, "within")[k] = c->within;
        value(group, layer, "between")[k] = c->between;
        value(group, layer, "difference")[k] = c->difference;
        value(group, layer, "selectivity")[k] = c->selectivity;
        value(group, layer, "cohens_d")[k] = c->cohens_d;
        memcpy(value(group, layer, "within_category") + k * categories,
               within_category + k * categories, (size_t)categories * sizeof *within_category);
    }
    if (components == 1) return;
    memcpy(value(group, layer, "rsa"), made->rsa, sizeof made->rsa);
    memcpy(value(group, layer, "rsa_spearman"), made->spearman, sizeof made->spearman);
}

static lam_code measure(const lam_profile_run *run, int64_t layer, const rsa_rows *rows,
                        lam_group *group, const lam_grid *grid, lam_arena *arena,
                        lam_error *error) {
    const rsa_options *o = run->options;
    const int components = lam_rsa_component_count(run);
    const int64_t width = lam_site_width(run->model, lam_rsa_site(run)) / components;
    lam_categories categories;
    lam_code code = lam_rsa_make_categories(o, &categories, arena, error);
    double *within =
        lam_arena_alloc(arena, (size_t)components * o->categories.count, sizeof *within, error);
    if (!within) code = LAM_MEMORY;
    LAM_TRY(grid->agree(grid, code, error));
    lam_rsa_shared made;
    LAM_TRY(lam_rsa_measure_shared(grid, (lam_similarity_kind)o->distance, &categories, components,
                                   rows ? rows->row : NULL, width, &made, within, arena, error));
    if (rows) fill(&group[0], layer, components, &made, within, categories.count);
    return LAM_OK;
}

lam_code lam_rsa_finish_together(const lam_profile_run *run, int64_t layer, void *state,
                                 lam_group *group, const lam_grid *grid, lam_error *error) {
    lam_arena scratch = {0};
    const lam_code code = measure(run, layer, state, group, grid, &scratch, error);
    lam_arena_destroy(&scratch);
    return code;
}
