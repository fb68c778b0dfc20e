#include "jobs/sae_splice.h"

#include <math.h>
#include <string.h>

enum { SPLICED, ZERO, CHANGES };

lam_code sae_splice_check(const lam_profile_run *run, int64_t splice, int64_t sequences,
                          lam_error *error) {
    if (sequences && splice > sequences)
        return lam_fail(error, LAM_USAGE,
                        "sae.splice is %lld, but there are %lld sequences: choose that or fewer",
                        (long long)splice, (long long)sequences);
    if (splice && run->input->length < 2)
        return lam_fail(error, LAM_USAGE,
                        "sae.splice: in sequences of 1 token there is no next one to predict: "
                        "choose a larger length");
    return LAM_OK;
}

static void rewrite(const lam_profile_run *run, const void *state, int change, const lam_view *view,
                    float *to) {
    const sae_rows *rows = state;
    const size_t bytes = (size_t)view->width * sizeof *to;
    const int64_t first = run->sequences->start[view->sequence] - view->sequence * rows->skip;
    const float *from = rows->spliced + first * view->width;
    for (int64_t t = 0; t < view->rows; t++, to += view->row_stride)
        if (change == ZERO)
            memset(to, 0, bytes);
        else if (t >= rows->skip)
            memcpy(to, from + (t - rows->skip) * view->width, bytes);
}

static void losses(const lam_profile_run *run, int64_t layer, double clean, const double *changed,
                   lam_group *group) {
    (void)run;
    const double spliced = changed[SPLICED], zero = changed[ZERO];
    const bool finite = isfinite(clean) && isfinite(spliced) && isfinite(zero);
    const bool defined = finite && zero != clean;
    *(double *)lam_group_row(group, "loss_clean", layer) = isfinite(clean) ? clean : NAN;
    *(double *)lam_group_row(group, "loss_spliced", layer) = isfinite(spliced) ? spliced : NAN;
    *(double *)lam_group_row(group, "loss_zero", layer) = isfinite(zero) ? zero : NAN;
    *(double *)lam_group_row(group, "loss_recovered", layer) =
        defined ? (zero - spliced) / (zero - clean) : NAN;
    *(int8_t *)lam_group_row(group, "loss_status", layer) = defined ? 0 : finite ? 1 : 2;
}

lam_intervention sae_splice_asked(lam_site site, int64_t splice) {
    return (lam_intervention){.sequences = splice,
                              .site = site,
                              .changes = CHANGES,
                              .rewrite = rewrite,
                              .losses = losses};
}
