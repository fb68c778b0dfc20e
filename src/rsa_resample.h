// How sure rsa.h's measures are: permutation tests and bootstrap intervals over words. Every
// resample is a function of (seed, layer, its number) alone, so threads do not change the results;
// nor do the members of a team, who share the resamples. What fails on one fails on all.
#ifndef LAM_RSA_RESAMPLE_H
#define LAM_RSA_RESAMPLE_H

#include "rsa.h"
#include "team.h"

#include <stdbool.h>

enum { LAM_RSA_COMPONENTS = 3, LAM_RSA_PAIRS = 3 };

// Which two components a pair compares: QK, QV, KV.
extern const int lam_rsa_pair[LAM_RSA_PAIRS][2];

// The pairs of words of one layer: of Q, K and V, or of one other site.
typedef struct lam_rsa_layer {
    const lam_categories *categories;
    int components;                          // LAM_RSA_COMPONENTS or 1
    const double *pairs[LAM_RSA_COMPONENTS]; // standardised
    lam_standard was[LAM_RSA_COMPONENTS];
} lam_rsa_layer;

typedef struct lam_resampling {
    uint64_t seed;
    uint16_t layer;
    int64_t count; // of resamples, at least 1
    const lam_team *team;
    // Called now and then, from the calling thread, with the resamples that all members have done
    // since; false ends the work with LAM_INTERRUPTED.
    bool (*done)(void *user, int64_t resamples);
    void *user;
} lam_resampling;

// p-values by permutation of the words, (1 + permutations that reach the value) / (1 + all)
// (Phipson and Smyth 2010), one-sided. rsa: that the correlation of two components is as large with
// the words of the second permuted (Mantel 1967). contrast: that words of one category are as much
// more alike than others (distances: nearer) with the words' categories permuted; tested by the
// difference of within and between, which unlike their ratio is always defined. Components that
// were all alike give rsa 1 or less and mean nothing. rsa is left alone where there is one
// component. Takes 16 bytes a pair of words and component but the first. LAM_MEMORY; the team's
// errors.
LAM_CHECKED lam_code lam_rsa_permute(const lam_rsa_layer *layer, const lam_resampling *how,
                                     bool distances, double rsa[LAM_RSA_PAIRS],
                                     double contrast[LAM_RSA_COMPONENTS], lam_error *error);

typedef struct lam_rsa_intervals {
    double rsa[LAM_RSA_PAIRS][2];
    double selectivity[LAM_RSA_COMPONENTS][2];
    int64_t rsa_left_out[LAM_RSA_PAIRS]; // resamples in which the value is not defined
    int64_t selectivity_left_out[LAM_RSA_COMPONENTS];
} lam_rsa_intervals;

// Percentile intervals (Efron and Tibshirani 1993, 13.3) between the quantiles of the two levels,
// over resamples of each category's words with replacement. A word that was drawn twice makes no
// pair with itself; a category in which one word alone was drawn is drawn again. NaN where the
// value is defined in no resample. LAM_MEMORY; the team's errors.
LAM_CHECKED lam_code lam_rsa_bootstrap(const lam_rsa_layer *layer, const lam_resampling *how,
                                       const double level[2], lam_rsa_intervals *intervals,
                                       lam_error *error);

#endif
