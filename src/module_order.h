// The order in which a checkpoint's own module holds its fused projection.
#ifndef LAM_MODULE_ORDER_H
#define LAM_MODULE_ORDER_H

#include "model.h"

// to [rows, 3 width] = from [rows, 3 width], row i at from + i * stride, all Q, all K, all V, put
// back into the module's own order: for GPT-NeoX [head, Q K V, head_width], for GPT-2 as it is.
// Published mode takes contiguous thirds of that for Q, K and V.
void lam_module_order(const lam_model_config *config, const float *from, int64_t rows,
                      int64_t stride, float *to);

#endif
