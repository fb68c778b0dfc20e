// One stored tensor's way into memory: single precision, [in, out], Q, K and V apart; with its
// digest and a look at every value on the way. Each byte is read once.
#ifndef LAM_TENSOR_READ_H
#define LAM_TENSOR_READ_H

#include "io/safetensors.h"
#include "io/sha256.h"
#include "src/error.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lam_tensor_read {
    const lam_safetensors *file;
    const lam_tensor *tensor; // of file; F32, F16 or BF16
    float *to;                // as many values as the tensor has; NULL: none is wanted
    bool transposed;          // [out, in] is wanted as [in, out]
    int64_t by_head; // not 0: head_width, where the rows are stored [head, 3, head_width] and
                     // wanted [3, head, head_width]
    bool hashed;     // whether digest is wanted
    // results
    lam_code code; // LAM_MEMORY if the hash was refused it, LAM_NUMERIC if not_finite is not 0
    uint8_t digest[LAM_SHA256_BYTES];
    int64_t not_finite, first; // how many values are, the first one's place as stored
} lam_tensor_read;

// Does the job on the calling thread; any number may run at once. The tensor's pages are dropped as
// they are done with.
void lam_tensor_read_run(lam_tensor_read *job);

#endif
