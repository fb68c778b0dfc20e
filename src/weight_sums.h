// What attention weights are summed up to, query by query.
#ifndef LAM_WEIGHT_SUMS_H
#define LAM_WEIGHT_SUMS_H

#include "hooks.h"

// Sums over queries, without a sequence's first, which has itself alone to look at.
typedef struct lam_weight_sums {
    double self, first, previous; // weights on the query's own token, on token 0, on the one before
    double entropy;               // nats
} lam_weight_sums;

// Adds the queries of a view of weights (hooks.h), in their order.
void lam_weight_sums_add(lam_weight_sums *sums, const lam_view *view);

#endif
