#include "significance.h"

#include <math.h>
#include <stdlib.h>

double lam_normal_p(double z) {
    return erfc(fabs(z) * 0.70710678118654752440);
}

typedef struct ranked {
    double p;
    int64_t index;
} ranked;

static int compare(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->p != y->p) return x->p < y->p ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

lam_code lam_false_discovery(const double *p, int64_t count, double *q, lam_arena *arena,
                             lam_error *error) {
    ranked *rank;
    LAM_ALLOC(rank, arena, count, error);
    for (int64_t i = 0; i < count; i++) rank[i] = (ranked){p[i], i};
    qsort(rank, (size_t)count, sizeof *rank, compare);
    double least = 1;
    for (int64_t j = count; j > 0; j--) {
        least = fmin(least, rank[j - 1].p * ((double)count / (double)j)); // no less than p
        q[rank[j - 1].index] = least;
    }
    return LAM_OK;
}
