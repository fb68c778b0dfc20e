// The parts of the tuning profile: what is asked for, and the analysis of one site of one layer.
#ifndef LAM_JOBS_TUNING_H
#define LAM_JOBS_TUNING_H

#include "jobs/profile.h"
#include "jobs/word_classes.h"
#include "src/logistic.h"

typedef struct lam_tuning_options {
    lam_strings sites;
    lam_word_classes classes;
    double alpha, ridge;
    bool firth, joint;
} lam_tuning_options;

// Why a summary is NaN, as a sum of these.
enum { LAM_NONE_TESTED = 1, LAM_NONE_CHOSEN = 2, LAM_NO_JOINT = 4, LAM_JOINT_NOT_CONVERGED = 8 };

bool lam_tuning_published(const lam_profile_run *run);

// The weight of the ridge penalty for a site of so many units.
double lam_tuning_ridge(const lam_profile_run *run, int64_t units);

// One site of one layer while it is analysed.
typedef struct lam_tuning_site {
    const lam_profile_run *run;
    int64_t layer, units;
    lam_group *group;
    const float *x; // [target, unit]
    lam_logistic_rows rows;
    lam_logistic_fit *fit; // [unit]
    double *p, *q;         // [unit] 1 where there is no fit
} lam_tuning_site;

// Fills the site's row of its group, from x and rows, which all members of the run's team have;
// collective over it. Scratch memory comes from arena. LAM_NUMERIC
// where an activation is not finite; LAM_MEMORY.
LAM_CHECKED lam_code lam_tuning_analyse(lam_tuning_site *site, lam_arena *arena, lam_error *error);

// Whether the joint regression's system is all ranks' together: lam_tuning_analyse leaves it then.
bool lam_tuning_joint_outgrows(const lam_profile_run *run, int64_t units);

// That regression. Collective over the grid; x is NULL on the ranks that have not the layer. Errors
// are those of the grid.
LAM_CHECKED lam_code lam_tuning_join(const lam_tuning_site *site, const lam_grid *grid,
                                     lam_arena *arena, lam_error *error);

#endif
