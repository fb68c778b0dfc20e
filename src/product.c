#include "product.h"

#include <stddef.h>

// Rows and columns of c that one thread computes in one call of the back end. Large enough that
// packing the operands is a small part, small enough that a micro-batch keeps some 20 threads busy.
enum { BLOCK_ROWS = LAM_PRODUCT_ROWS, BLOCK_COLUMNS = 768 };

// The part of the product that gives c[row .. row + BLOCK_ROWS, column .. column + BLOCK_COLUMNS].
static lam_product block_of(const lam_product *whole, int64_t row, int64_t column) {
    lam_product part = *whole;
    part.m = whole->m - row < BLOCK_ROWS ? whole->m - row : BLOCK_ROWS;
    part.n = whole->n - column < BLOCK_COLUMNS ? whole->n - column : BLOCK_COLUMNS;
    part.a += whole->transpose_a ? row : row * whole->a_stride;
    part.b += whole->transpose_b ? column * whole->b_stride : column;
    part.c += row * whole->c_stride + column;
    return part;
}

lam_code lam_product_run(const lam_product *product, lam_error *error) {
    int64_t down = (product->m + BLOCK_ROWS - 1) / BLOCK_ROWS;
    int64_t across = (product->n + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
    int worst = LAM_OK;
#pragma omp parallel for schedule(dynamic) reduction(max : worst) if (down * across > 1)
    for (int64_t i = 0; i < down * across; i++) {
        int64_t row = i / across * BLOCK_ROWS, column = i % across * BLOCK_COLUMNS;
        lam_product part = block_of(product, row, column);
        int code = (int)lam_product_block(&part);
        if (code == LAM_OK && product->finish)
            product->finish(product->user, &(lam_product_part){part.c, part.c_stride, row, column,
                                                               part.m, part.n});
        if (code > worst) worst = code;
    }
    if (worst == LAM_MEMORY)
        return lam_fail(error, LAM_MEMORY, "memory for a matrix product was refused");
    if (worst != LAM_OK)
        return lam_fail(error, LAM_INTERNAL, "a matrix product of %lld x %lld x %lld was refused",
                        (long long)product->m, (long long)product->n, (long long)product->k);
    return LAM_OK;
}
