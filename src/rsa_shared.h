// Representational similarity of so many words that the matrix of their similarities outgrows a
// rank: over a grid of ranks (grid.h), each looking at the pairs that it has.
#ifndef LAM_RSA_SHARED_H
#define LAM_RSA_SHARED_H

#include "grid.h"
#include "rsa.h"
#include "rsa_resample.h"
#include "similarity.h"

// Bins between the least and the largest similarity, finer where there are more pairs: what falls
// into one has one rank in Spearman's correlation.
enum { LAM_RSA_SHARED_BINS = 1 << 22 };

typedef struct lam_rsa_shared {
    lam_contrast contrast[LAM_RSA_COMPONENTS];
    double rsa[LAM_RSA_PAIRS], spearman[LAM_RSA_PAIRS]; // NaN where a component has no direction or
                                                        // is flat
    int32_t flags[LAM_RSA_COMPONENTS]; // LAM_RSA_UNDIRECTED (no contrast then), LAM_RSA_FLAT, and
                                       // the contrast's
} lam_rsa_shared;

// similarity [word, word] of x [words, width], on the rank that the grid scatters from (NULL on the
// others): LAM_COSINE or LAM_CORRELATION, the lower triangle, the diagonal included. *undirected as
// in similarity.h. Memory comes from arena, shared by the ranks: 8 bytes x words x (words + width).
// Collective. Errors are those of the grid.
LAM_CHECKED lam_code lam_similarity_shared(const lam_grid *grid, lam_similarity_kind kind,
                                           const float *x, int64_t words, int64_t width,
                                           lam_matrix *similarity, int64_t *undirected,
                                           lam_arena *arena, lam_error *error);

// All measures of rows [component, word, width]; within_category [component, category]. The rest as
// above, and 8 bytes x LAM_RSA_SHARED_BINS on each rank.
LAM_CHECKED lam_code lam_rsa_measure_shared(const lam_grid *grid, lam_similarity_kind kind,
                                            const lam_categories *categories, int components,
                                            const float *rows, int64_t width, lam_rsa_shared *to,
                                            double *within_category, lam_arena *arena,
                                            lam_error *error);

#endif
