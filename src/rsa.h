// Representational similarity: what the pairs of words (similarity.h) say of categories, and how
// far two sets of pairs agree. Everything is in double precision and summed in a fixed order.
#ifndef LAM_RSA_H
#define LAM_RSA_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

// Words in categories; those of a category stand together.
typedef struct lam_categories {
    int64_t words, count;
    const int64_t *start; // [count + 1]: category g is the words start[g] .. start[g + 1] - 1, two
                          // of them at least
    const int32_t *of;    // [words]
} lam_categories;

// Why something is missing or says little; a sum of these.
#define LAM_RSA_FLAGS(X)                                                                           \
    X(UNDIRECTED, 1, "a word's row has no direction (all)")                                        \
    X(FLAT, 2, "all pairs alike (rsa, layer_rsa)")                                                 \
    X(RATIO, 4, "between not above 0, where the ratio says nothing (selectivity)")                 \
    X(SPREAD, 8, "no spread within the two kinds of pairs (cohens_d)")                             \
    X(RESAMPLES, 16, "some resamples not defined and left out (intervals)")                        \
    X(SAMPLE, 32, "all pairs of the words drawn for it alike (layer_rsa)")

enum {
#define X(name, value, text) LAM_RSA_##name = value,
    LAM_RSA_FLAGS(X)
#undef X
};

// Pairs within a category against pairs between two.
typedef struct lam_contrast {
    double within, between; // means over categories, over pairs of categories, of the block means
    double difference;      // within - between
    double selectivity;     // within / between; NaN where between is 0
    double pair_within, pair_between; // means over all such pairs, whatever their category
    double cohens_d; // (pair_within - pair_between) / pooled standard deviation, with the numbers
                     // of pairs less 1 (Cohen 1988); NaN where that is 0
    int flags;       // LAM_RSA_RATIO, LAM_RSA_SPREAD
} lam_contrast;

// Of pairs [lam_pair_count(words)]; within_category and between_category [count] are the means over
// a category's own pairs and over its pairs with other words.
void lam_contrast_of(const lam_categories *categories, const double *pairs, lam_contrast *contrast,
                     double *within_category, double *between_category);

// What values were before they were standardised: mean + scale * value.
typedef struct lam_standard {
    double mean, scale;
} lam_standard;

// Values that differ by less than this, against the largest, are taken for equal: so much double
// precision's sums may be off.
#define LAM_RSA_ALIKE 1e-12

// Makes the values' mean 0 and their sum of squares 1, or all of them 0, and false, where they are
// all alike.
bool lam_standardise(double *value, int64_t count, lam_standard *was);

// Pearson's correlation of two standardised sets.
double lam_correlation(const double *a, const double *b, int64_t count);

// rank [count]: twice the value's rank, ties averaged, less count + 1, so that their sum is 0.
// count below 2^31. Takes 24 bytes a value while it works. LAM_MEMORY; LAM_INPUT for too many
// values.
LAM_CHECKED lam_code lam_ranks(const double *value, int64_t count, int32_t *rank, lam_error *error);

// Spearman's correlation: Pearson's of such ranks. NaN where one set is all ties.
double lam_rank_correlation(const int32_t *a, const int32_t *b, int64_t count);

#endif
