#include "blas.h"

#include <stdlib.h>
#include <string.h>

extern char *openblas_get_corename(void) __attribute__((weak));
extern void openblas_set_num_threads(int threads) __attribute__((weak));

void lam_blas_use_one_thread(void) {
    if (openblas_set_num_threads) openblas_set_num_threads(1);
}

const char *lam_blas_kernels(void) {
    return openblas_get_corename ? openblas_get_corename() : "unknown";
}

// The kernels that suit a processor better than those found; NULL: those found will do.
static const char *better_kernels(void) {
#if defined(__x86_64__)
    static const char *const modern[] = {"Haswell", "Zen", "SkylakeX", "Cooperlake",
                                         "SapphireRapids"};
    for (size_t i = 0; i < sizeof modern / sizeof *modern; i++)
        if (strcmp(lam_blas_kernels(), modern[i]) == 0) return NULL;
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "SkylakeX";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "Haswell";
#endif
    return NULL;
}

// Whether the variable was another, or not there, and is the value now.
static bool set(const char *name, const char *value) {
    const char *was = getenv(name);
    return !(was && strcmp(was, value) == 0) && setenv(name, value, 1) == 0;
}

bool lam_blas_settle(void) {
    if (!openblas_get_corename) return false;
    const char *kernels = getenv("OPENBLAS_CORETYPE") ? NULL : better_kernels();
    const bool threads = set("OPENBLAS_NUM_THREADS", "1");
    return (kernels && set("OPENBLAS_CORETYPE", kernels)) || threads;
}
