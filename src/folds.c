#include "folds.h"

#include "random.h"

lam_code lam_folds_deal(const int32_t *label, int64_t count, int32_t folds, uint64_t seed,
                        int32_t *fold, lam_arena *arena, lam_error *error) {
    int64_t *member, *order, dealt = 0;
    LAM_ALLOC(member, arena, count, error);
    LAM_ALLOC(order, arena, count, error);
    for (int32_t class = 0; class < 2; class ++) {
        int64_t members = 0;
        for (int64_t i = 0; i < count; i++)
            if (label[i] == class) member[members++] = i;
        lam_random key = lam_random_key(seed, LAM_RANDOM_TUNING_FOLDS, 0, (uint32_t) class);
        lam_random_permutation(&key, members, order);
        for (int64_t i = 0; i < members; i++) fold[member[order[i]]] = (int32_t)(dealt++ % folds);
    }
    return LAM_OK;
}
