#include "adam.h"

lam_code lam_adam_check(const lam_adam *adam, lam_error *error) {
    if (!(adam->learning_rate >= 0) || !isfinite(adam->learning_rate))
        return lam_fail(error, LAM_USAGE, "a learning rate of %g: it must be 0 or more",
                        adam->learning_rate);
    if (!(adam->beta1 >= 0 && adam->beta1 < 1) || !(adam->beta2 >= 0 && adam->beta2 < 1))
        return lam_fail(error, LAM_USAGE, "Adam's betas are %g and %g: they must be in [0, 1)",
                        adam->beta1, adam->beta2);
    if (!(adam->epsilon > 0) || !isfinite(adam->epsilon))
        return lam_fail(error, LAM_USAGE, "Adam's epsilon is %g: it must be above 0",
                        adam->epsilon);
    return LAM_OK;
}
