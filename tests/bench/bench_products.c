// What the matrix products of a forward pass can reach on this machine: multiply-adds a second of a
// loop that works in registers alone, of the products in the pass's shapes, and so the seconds that
// the pass cannot fall below. In turn, several rounds.
//
//     gcc -O3 -fopenmp -I. tests/bench/bench_products.c build/release/liblam_src.a -ldnnl
//         $(pkg-config --libs openblas) -lm -o bench_products
//     OMP_NUM_THREADS=2 bench_products [width [layers [sequences [length [rounds]]]]]
#include "src/product.h"
#include "src/speed.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

static float *filled(int64_t count) {
    float *value = malloc((size_t)count * sizeof *value);
    for (int64_t i = 0; value && i < count; i++) value[i] = (float)(i % 251) / 251 - 0.5f;
    return value;
}

int main(int argc, char **argv) {
    int64_t size[] = {768, 12, 10, 1024, 5};
    for (int i = 1; i < argc && i <= 5; i++) size[i - 1] = atoll(argv[i]);
    const int64_t width = size[0], layers = size[1], sequences = size[2], length = size[3];
    const int64_t shape[][2] = {{3 * width, width},
                                {width, width},
                                {4 * width, width},
                                {width, 4 * width}}; // outputs, inputs
    float *a = filled(length * 4 * width), *c = filled(length * 4 * width);
    float *b = filled(layers * 12 * width * width);
    if (!a || !b || !c) return puts("no memory"), 1;
    const double work = 24.0 * (double)(width * width * layers * sequences * length);
    printf("%.3g operations in products: %s\n", work, lam_product_name());
    for (int64_t round = 0; round < size[4]; round++) {
        lam_error error;
        lam_speed speed;
        if (lam_speed_measure(&speed, &error) != LAM_OK) return puts(error.text), 1;
        const double best = speed.registers, began = omp_get_wtime();
        for (int64_t s = 0; s < sequences; s++) {
            const float *weight = b;
            for (int64_t l = 0; l < layers; l++)
                for (int i = 0; i < 4; i++) {
                    const int64_t n = shape[i][0], k = shape[i][1];
                    lam_product p = {.m = length, .n = n, .k = k, .alpha = 1};
                    p.a = a, p.a_stride = k, p.b = weight, p.b_stride = n, p.c = c, p.c_stride = n;
                    if (lam_product_run(&p, &error) != LAM_OK) return puts(error.text), 1;
                    weight += n * k;
                }
        }
        const double seconds = omp_get_wtime() - began;
        printf("registers alone %4.0f GFLOP/s, the pass %.2f s at least; products %4.0f GFLOP/s, "
               "%.2f s\n",
               best / 1e9, work / best, work / seconds / 1e9, seconds);
    }
    free(a), free(b), free(c);
    return 0;
}
