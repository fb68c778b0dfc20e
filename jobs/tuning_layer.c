#include "jobs/tuning.h"

#include "src/ridge_logistic.h"
#include "src/significance.h"

#include <math.h>

bool lam_tuning_published(const lam_profile_run *run) {
    return run->mode == LAM_PUBLISHED;
}

double lam_tuning_ridge(const lam_profile_run *run, int64_t units) {
    const lam_tuning_options *o = run->options;
    return o->ridge == LAM_AUTO_REAL ? (double)units : o->ridge;
}

static lam_code check_finite(const lam_tuning_site *f, lam_error *error) {
    for (int64_t i = 0; i < f->rows.count * f->units; i++)
        if (!isfinite(f->x[i]))
            return lam_fail(error, LAM_NUMERIC,
                            "the activation of unit %lld at target %lld is %f: the model's "
                            "weights overflow on this text",
                            (long long)(i % f->units), (long long)(i / f->units), (double)f->x[i]);
    return LAM_OK;
}

static lam_code regress(lam_tuning_site *f, lam_arena *arena, lam_error *error) {
    const lam_tuning_options *o = f->run->options;
    lam_logistic_kind kind = lam_tuning_published(f->run) ? LAM_LOGISTIC_PLAIN
                             : o->firth                   ? LAM_LOGISTIC_FIRTH
                                                          : LAM_LOGISTIC_MAXIMUM;
    lam_logistic *logistic;
    LAM_ALLOC(f->fit, arena, f->units, error);
    LAM_ALLOC(f->p, arena, f->units, error);
    LAM_ALLOC(f->q, arena, f->units, error);
    LAM_TRY(lam_logistic_create(&logistic, &f->rows, kind, arena, error));
    LAM_TRY(lam_logistic_fit_units(logistic, f->x, f->units, f->units, f->fit, f->run->team, arena,
                                   error));
    for (int64_t u = 0; u < f->units; u++)
        f->p[u] =
            isnan(f->fit[u].slope) ? 1 : lam_normal_p(f->fit[u].slope / f->fit[u].slope_error);
    return lam_false_discovery(f->p, f->units, f->q, arena, error);
}

static void *values(const lam_tuning_site *f, const char *name) {
    return lam_group_row(f->group, name, f->layer);
}

static void fill_units(const lam_tuning_site *f) {
    double *beta = values(f, "beta"), *intercept = values(f, "intercept"),
           *standard_error = values(f, "standard_error"), *p = values(f, "p_value"),
           *q = values(f, "q_value");
    float *accuracy = values(f, "accuracy"), *held_out = values(f, "held_out_accuracy");
    int8_t *status = values(f, "status");
    for (int64_t u = 0; u < f->units; u++) {
        const lam_logistic_fit *fit = &f->fit[u];
        bool missing = isnan(fit->slope);
        status[u] = (int8_t)fit->status;
        beta[u] = fit->slope, intercept[u] = fit->intercept;
        standard_error[u] = fit->slope_error;
        accuracy[u] = (float)fit->accuracy, held_out[u] = (float)fit->held_out_accuracy;
        p[u] = missing ? NAN : f->p[u], q[u] = missing ? NAN : f->q[u];
        // As published, where there is no fit these stand in for it.
        if (!missing || !lam_tuning_published(f->run)) continue;
        beta[u] = intercept[u] = 0, p[u] = q[u] = 1, accuracy[u] = 0;
    }
}

// Of a run of units.
typedef struct summary {
    double share, share_fdr, mean_accuracy, mean_accuracy_of_all;
    int32_t failed, undefined;
} summary;

static summary summarise(const lam_tuning_site *f, int64_t first, int64_t count) {
    const lam_tuning_options *o = f->run->options;
    int64_t tested = 0, significant = 0, significant_fdr = 0, chosen = 0;
    double of_chosen = 0, of_all = 0;
    for (int64_t u = first; u < first + count; u++) {
        const lam_logistic_fit *fit = &f->fit[u];
        if (isnan(fit->slope)) continue;
        bool is_significant = f->p[u] < o->alpha / (double)f->units;
        tested++;
        significant += is_significant, significant_fdr += f->q[u] <= o->alpha;
        of_all += fit->accuracy;
        if (!is_significant || !(fit->slope > 0)) continue;
        of_chosen += fit->accuracy, chosen++;
    }
    // As published, units without a fit count as not significant, and as never right.
    double of = (double)(lam_tuning_published(f->run) ? count : tested);
    summary s = {.share = (double)significant / of,
                 .share_fdr = (double)significant_fdr / of,
                 .mean_accuracy = of_chosen / (double)chosen,
                 .mean_accuracy_of_all = of_all / of,
                 .failed = (int32_t)(count - tested),
                 .undefined = (of > 0 ? 0 : LAM_NONE_TESTED) | (chosen > 0 ? 0 : LAM_NONE_CHOSEN)};
    if (!(of > 0)) s.share = s.share_fdr = s.mean_accuracy_of_all = NAN;
    if (!chosen) s.mean_accuracy = NAN;
    return s;
}

static void fill_components(const lam_tuning_site *f) {
    double *share = values(f, "component_share_significant"),
           *share_fdr = values(f, "component_share_significant_fdr"),
           *mean_accuracy = values(f, "component_mean_accuracy");
    int32_t *failed = values(f, "component_failed"), *undefined = values(f, "component_undefined");
    for (int c = 0; c < 3; c++) {
        summary s = summarise(f, c * f->run->model->width, f->run->model->width);
        share[c] = s.share, share_fdr[c] = s.share_fdr, failed[c] = s.failed;
        undefined[c] = s.undefined;
        mean_accuracy[c] = s.mean_accuracy;
        if (!lam_tuning_published(f->run)) continue;
        mean_accuracy[c] = s.mean_accuracy_of_all;
        undefined[c] &= ~LAM_NONE_CHOSEN;
    }
}

bool lam_tuning_joint_outgrows(const lam_profile_run *run, int64_t units) {
    const lam_tuning_options *o = run->options;
    const int64_t rows = run->sequences->count, unknowns = rows < units ? rows : units + 1;
    return o->joint && unknowns >= run->distribute;
}

static void put_joint(const lam_tuning_site *f, const lam_ridge_fit *fit) {
    if (!fit->converged) {
        *(int32_t *)values(f, "undefined") |= LAM_JOINT_NOT_CONVERGED;
        return;
    }
    *(double *)values(f, "joint_held_out_accuracy") = fit->held_out_accuracy;
    *(double *)values(f, "joint_loss") = fit->loss;
}

static lam_code fill_joint(const lam_tuning_site *f, lam_arena *arena, lam_error *error) {
    const lam_tuning_options *o = f->run->options;
    int32_t *undefined = values(f, "undefined");
    if (!o->joint) {
        *undefined |= LAM_NO_JOINT;
        return LAM_OK;
    }
    if (lam_tuning_joint_outgrows(f->run, f->units)) return LAM_OK;
    lam_ridge_fit fit;
    LAM_TRY(lam_ridge_logistic(&f->rows, f->x, f->units, f->units,
                               lam_tuning_ridge(f->run, f->units), &fit, NULL, f->run->team, arena,
                               error));
    put_joint(f, &fit);
    return LAM_OK;
}

lam_code lam_tuning_join(const lam_tuning_site *f, const lam_grid *grid, lam_arena *arena,
                         lam_error *error) {
    lam_ridge_fit fit;
    LAM_TRY(lam_ridge_logistic_shared(grid, &f->rows, f->x, f->units,
                                      lam_tuning_ridge(f->run, f->units), &fit, NULL, arena,
                                      error));
    if (f->x) put_joint(f, &fit);
    return LAM_OK;
}

lam_code lam_tuning_analyse(lam_tuning_site *f, lam_arena *arena, lam_error *error) {
    LAM_TRY(check_finite(f, error));
    LAM_TRY(regress(f, arena, error));
    fill_units(f);
    summary s = summarise(f, 0, f->units);
    *(double *)values(f, "share_significant") = s.share;
    *(double *)values(f, "share_significant_fdr") = s.share_fdr;
    *(double *)values(f, "mean_accuracy") = s.mean_accuracy;
    *(int32_t *)values(f, "undefined") = s.undefined;
    if (values(f, "component_failed")) fill_components(f);
    return fill_joint(f, arena, error);
}
