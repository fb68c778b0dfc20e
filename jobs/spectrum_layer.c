#include "jobs/spectrum.h"

#include "src/folds.h"

#include <math.h>
#include <string.h>

// Of the variance: what counts as all of it, for the components that are counted and in front of
// the comparison of classes.
static const double share = 0.99;

// What `undefined` says, as a sum.
enum { ALIKE = 1, CLASS_ALIKE = 2, FOLD_ALIKE = 4 };

static const lam_spectrum_options *options_of(const lam_profile_run *run) {
    return run->options;
}

int lam_spectrum_part_count(const lam_profile_run *run) {
    return options_of(run)->separation ? LAM_SPECTRUM_PARTS : 1;
}

bool lam_spectrum_outgrows(const lam_spectrum_site *site, int part) {
    const lam_spectrum_rows *rows = &site->part[part];
    return lam_spectrum_order(rows->count, rows->width) >= site->run->distribute;
}

lam_code lam_spectrum_check(const lam_spectrum_site *site, lam_error *error) {
    static const char *const of[] = {"token", "target"};
    for (int part = 0; part < lam_spectrum_part_count(site->run); part++) {
        const lam_spectrum_rows *rows = &site->part[part];
        for (int64_t i = 0; i < rows->count * rows->width; i++)
            if (!isfinite(rows->x[i]))
                return lam_fail(error, LAM_NUMERIC,
                                "site %s: the activation of unit %lld at %s %lld is %f: the "
                                "model's weights overflow on this text",
                                site->name, (long long)(i % rows->width), of[part],
                                (long long)(i / rows->width), (double)rows->x[i]);
    }
    return LAM_OK;
}

static void *values(const lam_spectrum_site *site, const char *name) {
    return lam_group_row(site->group, name, site->layer);
}

static void fill_eigenvalues(const lam_spectrum_site *site) {
    const int64_t width = site->part[LAM_SPECTRUM_ROWS].width;
    const double *value = values(site, "eigenvalue");
    double *total = values(site, "total_variance");
    *total = 0;
    for (int64_t i = 0; i < width; i++) *total += value[i];
    *(int32_t *)values(site, "components_99") =
        (int32_t)lam_spectrum_components(value, width, share);
    if (*total > 0)
        *(double *)values(site, "participation_ratio") = lam_spectrum_participation(value, width);
    else
        *(int32_t *)values(site, "undefined") |= ALIKE;
}

static void fill_separation(const lam_spectrum_site *site, const lam_separation *made) {
    *(int32_t *)values(site, "separation_components") = (int32_t)made->components;
    *(double *)values(site, "top_eigenvalue") = made->top_eigenvalue;
    *(double *)values(site, "training_t") = made->training_t;
    *(double *)values(site, "held_out_t") = made->held_out_t;
    int32_t *undefined = values(site, "undefined");
    if (made->flags & LAM_SEPARATION_FLAT) *undefined |= CLASS_ALIKE;
    if (made->flags & LAM_SEPARATION_FOLD_FLAT) *undefined |= FOLD_ALIKE;
}

static lam_code measure_rows(const lam_spectrum_site *site, const lam_grid *grid, lam_arena *arena,
                             lam_error *error) {
    const lam_spectrum_rows *rows = &site->part[LAM_SPECTRUM_ROWS];
    const size_t width = (size_t)rows->width;
    double *found = lam_arena_alloc(arena, width, sizeof *found, error);
    LAM_TRY(grid->agree(grid, found ? LAM_OK : LAM_MEMORY, error));
    LAM_TRY(lam_spectrum_eigenvalues(grid, rows, found, arena, error));
    if (!rows->x) return LAM_OK;
    memcpy(values(site, "eigenvalue"), found, width * sizeof *found);
    fill_eigenvalues(site);
    return LAM_OK;
}

static lam_code measure_targets(const lam_spectrum_site *site, const lam_grid *grid,
                                const lam_team *team, lam_arena *arena, lam_error *error) {
    const lam_spectrum_options *o = options_of(site->run);
    const lam_spectrum_rows *rows = &site->part[LAM_SPECTRUM_TARGETS];
    const lam_separation_rule rule = {share, o->shrinkage};
    const int32_t folds = (int32_t)o->classes.folds;
    int32_t *fold = lam_arena_alloc(arena, (size_t)rows->count, sizeof *fold, error);
    lam_code code = LAM_MEMORY;
    if (fold)
        code = lam_folds_deal(site->label, rows->count, folds, site->run->seed, fold, arena, error);
    LAM_TRY(grid->agree(grid, code, error));
    const lam_separation_rows of = {*rows, site->label, fold, folds};
    lam_separation made;
    LAM_TRY(lam_spectrum_separate(grid, &of, &rule, &made, team, arena, error));
    if (rows->x) fill_separation(site, &made);
    return LAM_OK;
}

lam_code lam_spectrum_measure(const lam_spectrum_site *site, int part, const lam_grid *grid,
                              const lam_team *team, lam_error *error) {
    lam_arena scratch = {0};
    const lam_code code = part == LAM_SPECTRUM_ROWS
                              ? measure_rows(site, grid, &scratch, error)
                              : measure_targets(site, grid, team, &scratch, error);
    lam_arena_destroy(&scratch);
    return code == LAM_OK ? LAM_OK : lam_fail_within(error, "site %s", site->name);
}

// The member that looks for a site's eigenvalues: in turn, the last first, as the first ones have
// more of the fits.
static int worker_of(const lam_team *team, size_t index) {
    return team->members - 1 - (int)(index % (size_t)team->members);
}

lam_code lam_spectrum_measure_here(const lam_spectrum_site *site, size_t index, int part,
                                   lam_error *error) {
    const lam_team *team = site->run->team;
    if (lam_spectrum_outgrows(site, part)) return LAM_OK;
    if (part == LAM_SPECTRUM_ROWS && team->member != worker_of(team, index)) return LAM_OK;
    return lam_spectrum_measure(site, part, &lam_grid_alone, team, error);
}

lam_code lam_spectrum_share(const lam_spectrum_site *site, size_t index, lam_arena *arena,
                            lam_error *error) {
    const lam_team *team = site->run->team;
    const bool own = team->member == worker_of(team, index);
    const size_t width = (size_t)site->part[LAM_SPECTRUM_ROWS].width;
    double *found = values(site, "eigenvalue");
    size_t *start;
    if (lam_spectrum_outgrows(site, LAM_SPECTRUM_ROWS)) return LAM_OK;
    LAM_TRY(lam_team_starts(team, own ? width * sizeof *found : 0, &start, arena, error));
    LAM_TRY(team->gather(team, found, team->members, start, error));
    if (!own) fill_eigenvalues(site);
    return LAM_OK;
}
