// Single-precision matrix products: one thin interface, two back ends chosen at build time
// (oneDNN, or any CBLAS). Work is cut in blocks that depend on the shape alone and each block is
// computed by one thread, so the bits do not depend on the number of threads.
#ifndef LAM_PRODUCT_H
#define LAM_PRODUCT_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

// A part of c that is done: rows x columns at c, from row and column of the whole.
typedef struct lam_product_part {
    float *c;
    int64_t c_stride, row, column, rows, columns;
} lam_product_part;

// c = alpha op(a) op(b) + beta c, all row-major; op(a) is [m, k], op(b) is [k, n], c is [m, n].
// Strides are from row to row as stored: of a [m, k], or of a [k, m] where transpose_a.
typedef struct lam_product {
    bool transpose_a, transpose_b;
    int64_t m, n, k;
    float alpha;
    const float *a;
    int64_t a_stride;
    const float *b;
    int64_t b_stride;
    float beta;
    float *c;
    int64_t c_stride;
    // Called by lam_product_run for every part, while it is in cache, from the thread that computed
    // it; NULL: not. For what is to be done to each value of c.
    void (*finish)(const void *user, const lam_product_part *part);
    const void *user;
} lam_product;

// Over all threads, in fixed blocks, of LAM_PRODUCT_ROWS rows of c: a product of rows from a
// multiple of that on, up to another or the last, has the bits that those rows have in the whole.
// Not to be called from inside a parallel region. LAM_MEMORY if the back end is refused memory;
// LAM_INTERNAL for anything else it says.
enum { LAM_PRODUCT_ROWS = 256 };
LAM_CHECKED lam_code lam_product_run(const lam_product *product, lam_error *error);

// The same on the calling thread alone, as one block; for use inside a parallel region. The code
// alone: an error's text is the caller's to write, once, outside the region.
LAM_CHECKED lam_code lam_product_block(const lam_product *product);

// "oneDNN 2.6.3" or the like, for reports.
const char *lam_product_name(void);

#endif
