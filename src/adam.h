// Adam (Kingma and Ba 2015, algorithm 1), with the order of operations of torch.optim.Adam.
#ifndef LAM_ADAM_H
#define LAM_ADAM_H

#include "error.h"

#include <math.h>
#include <stdint.h>

typedef struct lam_adam {
    double learning_rate, beta1, beta2, epsilon;
} lam_adam;

// LAM_USAGE, with the limits, where a number is out of range.
LAM_CHECKED lam_code lam_adam_check(const lam_adam *adam, lam_error *error);

// Values that are learnt, and the running means of their gradient and of its square.
typedef struct lam_parameter {
    float *value, *first, *second;
} lam_parameter;

// What one step needs, the bias corrections among it.
typedef struct lam_adam_rates {
    float step, first_rate, second_decay, second_rate, root_scale, epsilon;
} lam_adam_rates;

// step counts from 1.
static inline lam_adam_rates lam_adam_rates_at(const lam_adam *adam, int64_t step) {
    return (lam_adam_rates){
        .step = (float)(adam->learning_rate / (1 - pow(adam->beta1, (double)step))),
        .first_rate = (float)(1 - adam->beta1),
        .second_decay = (float)adam->beta2,
        .second_rate = (float)(1 - adam->beta2),
        .root_scale = (float)(1 / sqrt(1 - pow(adam->beta2, (double)step))),
        .epsilon = (float)adam->epsilon,
    };
}

// One step of count values, whose gradient is gradient. Means that have decayed below 1e-30 become
// zero: where a latent never fires again they would end as subnormal numbers, which cost a hundred
// times as much, and they move no weight.
__attribute__((always_inline)) static inline void
lam_adam_update(const lam_adam_rates *rates, int64_t count, const float *restrict gradient,
                float *restrict value, float *restrict first, float *restrict second) {
    const lam_adam_rates r = *rates;
#pragma omp simd
    for (int64_t i = 0; i < count; i++) {
        float m = first[i] + (gradient[i] - first[i]) * r.first_rate;
        float v = second[i] * r.second_decay + gradient[i] * gradient[i] * r.second_rate;
        first[i] = fabsf(m) < 1e-30f ? 0 : m;
        second[i] = v < 1e-30f ? 0 : v;
        value[i] -= r.step * m / (sqrtf(v) * r.root_scale + r.epsilon);
    }
}

#endif
