// Raw scores between heads: the last token's queries against the keys before it.
#ifndef LAM_HEAD_SCORES_H
#define LAM_HEAD_SCORES_H

#include "arena.h"
#include "histogram.h"
#include "hooks.h"
#include "model.h"
#include "sample.h"

// Of one head.
typedef struct lam_head_sums {
    lam_moments q, k;      // of queries and keys, over tokens 1..
    lam_moments same;      // scores of its query and its own keys
    int64_t same_negative; // of these, below 0
} lam_head_sums;

// Of scores of a head's query and another's keys, all heads together.
typedef struct lam_pair_sums {
    lam_moments different;
    int64_t negative; // of these, below 0
} lam_pair_sums;

void lam_head_sums_join(lam_head_sums *sums, const lam_head_sums *other);
void lam_pair_sums_join(lam_pair_sums *sums, const lam_pair_sums *other);

// What is kept of one layer beside its sums.
typedef struct lam_head_scores {
    int64_t heads, head_width;
    lam_histogram same_scores, different_scores;
    float *chunk; // scratch: [token, query head, key head]
} lam_head_scores;

// Owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_head_scores_create(lam_head_scores *scores, const lam_model_config *config,
                                            lam_arena *arena, lam_error *error);

// Adds a sequence to the histograms, to sums [head] and to pairs: qkv [length, 3 width], row t at
// qkv + t * stride, all Q, all K, all V, head by head, as it is before rotation. The last token's q
// is taken against k of tokens 1 .. length - 2, unscaled, for all pairs of heads. length is 3 or
// more. Uses all threads; the bits are the same for any number. LAM_NUMERIC if a value is not
// finite, or a score too large for single precision; LAM_MEMORY.
LAM_CHECKED lam_code lam_head_scores_add(lam_head_scores *scores, lam_head_sums *sums,
                                         lam_pair_sums *pairs, const float *qkv, int64_t length,
                                         int64_t stride, lam_error *error);

// Sums over all pairs of a query and a key up to it.
typedef struct lam_causal_sums {
    double score;
    int64_t negative; // pairs with a score below 0
} lam_causal_sums;

// Adds the queries of a view of scores (hooks.h), in their order.
void lam_causal_sums_add(lam_causal_sums *sums, const lam_view *view);

#endif
