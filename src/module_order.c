#include "module_order.h"

#include <string.h>

void lam_module_order(const lam_model_config *config, const float *from, int64_t rows,
                      int64_t stride, float *to) {
    int64_t d = config->head_width, heads = config->heads;
    // GPT-2's order is the one its rows have already: a single run of 3 width.
    int64_t run = config->family == LAM_GPT_NEOX ? d : 3 * config->width;
    int64_t runs = config->family == LAM_GPT_NEOX ? heads : 1;
    int64_t parts = 3 * config->width / run / runs;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < rows; t++)
        for (int64_t h = 0; h < runs; h++)
            for (int64_t p = 0; p < parts; p++)
                memcpy(to + t * 3 * config->width + (h * parts + p) * run,
                       from + t * stride + (p * runs + h) * run, (size_t)run * sizeof *to);
}
