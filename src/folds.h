// Stratified folds: how rows are shared out so that each is held out once.
#ifndef LAM_FOLDS_H
#define LAM_FOLDS_H

#include "arena.h"
#include "error.h"

#include <stdint.h>

// fold[i] = which of the folds row i is held out in. The rows of each class are shuffled by seed
// and dealt out one by one, the second class going on where the first ended: classes and folds
// differ in size by at most one. label [count] 0 or 1. Scratch memory comes from arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_folds_deal(const int32_t *label, int64_t count, int32_t folds,
                                    uint64_t seed, int32_t *fold, lam_arena *arena,
                                    lam_error *error);

#endif
