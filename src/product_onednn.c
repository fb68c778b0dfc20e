#include "product.h"

#include <dnnl.h>
#include <stdio.h>

// oneDNN 2.6.3 lets the stack pointer point into its buffers while it multiplies (seen with
// AVX-512): a signal handler that runs on such a thread writes its frame into the heap. Handlers
// belong on a thread of their own, with the signals blocked in all others.
lam_code lam_product_block(const lam_product *p) {
    dnnl_status_t status =
        dnnl_sgemm(p->transpose_a ? 'T' : 'N', p->transpose_b ? 'T' : 'N', p->m, p->n, p->k,
                   p->alpha, p->a, p->a_stride, p->b, p->b_stride, p->beta, p->c, p->c_stride);
    if (status == dnnl_success) return LAM_OK;
    return status == dnnl_out_of_memory ? LAM_MEMORY : LAM_INTERNAL;
}

const char *lam_product_name(void) {
    static char name[64];
    const dnnl_version_t *version = dnnl_version();
    snprintf(name, sizeof name, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
    return name;
}
