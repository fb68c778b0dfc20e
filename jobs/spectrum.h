// The parts of the profile of spectra: what is asked for, and the analysis of one site of one
// layer.
#ifndef LAM_JOBS_SPECTRUM_H
#define LAM_JOBS_SPECTRUM_H

#include "jobs/profile.h"
#include "jobs/word_classes.h"
#include "src/spectrum.h"

typedef struct lam_spectrum_options {
    lam_strings sites;
    bool separation;
    lam_word_classes classes;
    double shrinkage;
} lam_spectrum_options;

// What is found of a site: the eigenvalues of all its rows, and with separation the comparison of
// the targets of two classes.
enum { LAM_SPECTRUM_ROWS, LAM_SPECTRUM_TARGETS, LAM_SPECTRUM_PARTS };

int lam_spectrum_part_count(const lam_profile_run *run);

// One site of one layer while it is analysed.
typedef struct lam_spectrum_site {
    const lam_profile_run *run;
    int64_t layer;
    const char *name;
    lam_spectrum_rows part[LAM_SPECTRUM_PARTS]; // x is NULL on ranks that have not the layer
    const int32_t *label;                       // of the targets
    lam_group *group;
} lam_spectrum_site;

// Whether a part's matrices are too large for one rank: then they are all ranks' together.
bool lam_spectrum_outgrows(const lam_spectrum_site *site, int part);

// LAM_NUMERIC where an activation is not finite.
LAM_CHECKED lam_code lam_spectrum_check(const lam_spectrum_site *site, lam_error *error);

// Fills the part's row of the group on the ranks that have the layer; of the targets' fits each
// member of team makes its share. Collective over the grid and the team, of which one is of a rank
// alone. Errors are those of src/spectrum.h.
LAM_CHECKED lam_code lam_spectrum_measure(const lam_spectrum_site *site, int part,
                                          const lam_grid *grid, const lam_team *team,
                                          lam_error *error);

// The same of a site whose number among all is index, by the members of the run's team that have
// the layer, for parts that do not outgrow a rank. One of them finds the eigenvalues;
// lam_spectrum_share, collective over the team, gives these to all. LAM_PEER too.
LAM_CHECKED lam_code lam_spectrum_measure_here(const lam_spectrum_site *site, size_t index,
                                               int part, lam_error *error);
LAM_CHECKED lam_code lam_spectrum_share(const lam_spectrum_site *site, size_t index,
                                        lam_arena *arena, lam_error *error);

#endif
