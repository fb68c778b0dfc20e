#include "product.h"

#include "blas.h"

#include <cblas.h>
#include <limits.h>

// The threads are ours, each with a block of its own.
__attribute__((constructor)) static void use_one_thread(void) {
    lam_blas_use_one_thread();
}

lam_code lam_product_block(const lam_product *p) {
    const int64_t sizes[] = {p->m, p->n, p->k, p->a_stride, p->b_stride, p->c_stride};
    for (int i = 0; i < 6; i++)
        if (sizes[i] > INT_MAX) return LAM_INTERNAL;
    cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans,
                p->transpose_b ? CblasTrans : CblasNoTrans, (int)p->m, (int)p->n, (int)p->k,
                p->alpha, p->a, (int)p->a_stride, p->b, (int)p->b_stride, p->beta, p->c,
                (int)p->c_stride);
    return LAM_OK;
}

const char *lam_product_name(void) {
    return "CBLAS";
}
