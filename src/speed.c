#include "speed.h"

#include "blas.h"
#include "lapack.h"
#include "product.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>

static const double PATIENCE = 0.3; // seconds for the best round of what threads do together

enum { ROUNDS = 8, SIZE = 1024, BLAS_SIZE = 384, ARRAY = 8 << 20 };

// Multiply-adds that wait for nothing but the one before in their chain: as many chains as hide its
// latency and still fit in the registers, of a vector each. kept tells the compiler that all are
// wanted.
#define REGISTER_LOOP(name, bytes, chains)                                                         \
    static float name(int64_t steps) {                                                             \
        typedef float lanes __attribute__((vector_size(bytes)));                                   \
        lanes factor = {0}, sum[chains];                                                           \
        factor += 0.5f;                                                                            \
        for (int c = 0; c < chains; c++) sum[c] = factor + (float)c;                               \
        for (int64_t i = 0; i < steps; i++)                                                        \
            _Pragma("GCC unroll 24") for (int c = 0; c < chains; c++) sum[c] =                     \
                sum[c] * factor + factor;                                                          \
        for (int c = 1; c < chains; c++) sum[0] += sum[c];                                         \
        return sum[0][0];                                                                          \
    }

REGISTER_LOOP(loop_128, 16, 12)
#if defined(__x86_64__)
__attribute__((target("arch=x86-64-v3"))) REGISTER_LOOP(loop_256, 32, 12)
    __attribute__((target("arch=x86-64-v4"))) REGISTER_LOOP(loop_512, 64, 24)
#endif

        typedef struct register_loop {
    float (*run)(int64_t steps);
    double work; // operations of a step
    int lanes;
} register_loop;

static register_loop best_loop(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl"))
        return (register_loop){loop_512, 2.0 * 16 * 24, 512};
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return (register_loop){loop_256, 2.0 * 8 * 12, 256};
#endif
    return (register_loop){loop_128, 2.0 * 4 * 12, 128};
}

// Each thread by itself, so that one that is held up does not hold up all: the sum of their best.
static void measure_registers(lam_speed *speed) {
    const register_loop loop = best_loop();
    const int64_t steps = 300000;
    double sum = 0, most = 0;
    speed->lanes = loop.lanes;
#pragma omp parallel reduction(+ : sum) reduction(max : most)
    {
        volatile float kept = 0;
        for (int round = 0; round < ROUNDS; round++) {
            const double began = omp_get_wtime();
            kept = kept + loop.run(steps);
            most = fmax(most, loop.work * (double)steps / (omp_get_wtime() - began));
        }
        sum += most;
    }
    speed->registers = sum, speed->registers_one = most;
}

// Whole numbers so small that every sum of products of them is exact.
static float whole(int64_t row, int64_t column) {
    return (float)((row * 7 + column * 3) % 5 - 2);
}

static lam_code measure_products(lam_speed *speed, float *a, float *b, float *c, lam_error *error) {
    for (int64_t i = 0; i < SIZE; i++)
        for (int64_t j = 0; j < SIZE; j++)
            a[i * SIZE + j] = whole(i, j), b[i * SIZE + j] = whole(j, i);
    const lam_product product = {.m = SIZE,
                                 .n = SIZE,
                                 .k = SIZE,
                                 .alpha = 1,
                                 .a = a,
                                 .a_stride = SIZE,
                                 .b = b,
                                 .b_stride = SIZE,
                                 .c = c,
                                 .c_stride = SIZE};
    const double until = omp_get_wtime() + PATIENCE;
    for (int round = 0; round <= ROUNDS || omp_get_wtime() < until; round++) {
        const double began = omp_get_wtime();
        LAM_TRY(lam_product_run(&product, error));
        const double seconds = omp_get_wtime() - began;
        if (round) speed->products = fmax(speed->products, 2.0 * SIZE * SIZE * SIZE / seconds);
    }
    for (int64_t i = 0; i < SIZE; i += 97)
        for (int64_t j = 0; j < SIZE; j += 89) {
            float sum = 0;
            for (int64_t k = 0; k < SIZE; k++) sum += a[i * SIZE + k] * b[k * SIZE + j];
            speed->wrong |= c[i * SIZE + j] != sum;
        }
    return LAM_OK;
}

// On the calling thread, as the profiles' linear algebra works.
static void measure_blas(lam_speed *speed, double *a, double *b, double *c) {
    const int n = BLAS_SIZE;
    const double one = 1, zero = 0;
    lam_blas_use_one_thread();
    for (int64_t i = 0; i < (int64_t)n * n; i++) a[i] = whole(i / n, i % n), b[i] = a[i];
    for (int round = 0; round <= ROUNDS; round++) {
        const double began = omp_get_wtime();
        dgemm_("N", "N", &n, &n, &n, &one, a, &n, b, &n, &zero, c, &n);
        const double seconds = omp_get_wtime() - began;
        if (round) speed->blas = fmax(speed->blas, 2.0 * n * n * n / seconds);
    }
    for (int64_t i = 0; i < n; i += 13) {
        double sum = 0;
        for (int64_t k = 0; k < n; k++) sum += a[k * n + i] * b[i * n + k];
        speed->wrong |= c[i * n + i] != sum;
    }
}

static void measure_memory(lam_speed *speed, float *a, float *b, float *c) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < ARRAY; i++) a[i] = 0, b[i] = 1, c[i] = 2;
    for (int round = 0; round < ROUNDS; round++) {
        const double began = omp_get_wtime();
#pragma omp parallel for simd schedule(static)
        for (int64_t i = 0; i < ARRAY; i++) a[i] = b[i] + 0.5f * c[i];
        const double seconds = omp_get_wtime() - began;
        speed->memory = fmax(speed->memory, 3.0 * ARRAY * sizeof *a / seconds);
    }
    speed->wrong |= a[ARRAY / 2] != 2;
}

lam_code lam_speed_measure(lam_speed *speed, lam_error *error) {
    *speed = (lam_speed){0};
    lam_code code = LAM_OK;
    float *room[3];
    for (int i = 0; i < 3; i++) {
        room[i] = malloc(ARRAY * sizeof *room[i]);
        if (!room[i]) code = lam_fail(error, LAM_MEMORY, "memory to measure with was refused");
    }
    if (code == LAM_OK) {
        measure_registers(speed);
        measure_memory(speed, room[0], room[1], room[2]);
        code = measure_products(speed, room[0], room[1], room[2], error);
    }
    if (code == LAM_OK)
        measure_blas(speed, (double *)(void *)room[0], (double *)(void *)room[1],
                     (double *)(void *)room[2]);
    for (int i = 0; i < 3; i++) free(room[i]);
    return code;
}
