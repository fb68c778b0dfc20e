#include "jobs/row_sites.h"

#include "src/module_order.h"

#include <string.h>

const char *const lam_row_site_names[LAM_ROW_SITES + 1] = {
    "qkv", "q", "k", "v", "attn_out", "mlp_fc", "mlp_act", "mlp_out", "resid_pre", "resid_post"};

lam_code lam_row_sites_check(const lam_profile_run *run, const lam_strings *sites,
                             lam_error *error) {
    const char *profile = run->profile->name;
    if (sites->count == 0)
        return lam_fail(error, LAM_USAGE, "%s.sites names no site: name one, or leave it out",
                        profile);
    for (size_t i = 0; i < sites->count; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(sites->item[i], sites->item[j]))
                return lam_fail(error, LAM_USAGE, "%s.sites names %s twice: once is enough",
                                profile, sites->item[i]);
    return LAM_OK;
}

lam_site lam_row_site(const char *name) {
    int site = 0;
    while (strcmp(lam_site_name((lam_site)site), name) != 0) site++;
    return (lam_site)site;
}

int64_t lam_row_width(const lam_profile_run *run, lam_site site) {
    return lam_site_width(run->model, site);
}

bool lam_row_is_fused(lam_site site) {
    return site == LAM_SITE_QKV || site == LAM_SITE_Q || site == LAM_SITE_K || site == LAM_SITE_V;
}

int64_t lam_row_first(const lam_profile_run *run, lam_site site) {
    return run->model->width * (site == LAM_SITE_K ? 1 : site == LAM_SITE_V ? 2 : 0);
}

static bool in_module_order(const lam_profile_run *run, lam_site site) {
    return run->mode == LAM_PUBLISHED && run->model->family == LAM_GPT_NEOX &&
           lam_row_is_fused(site);
}

lam_site lam_row_hook(const lam_profile_run *run, lam_site site) {
    return in_module_order(run, site) ? LAM_SITE_QKV : site;
}

void lam_row_copy(const lam_profile_run *run, lam_site site, const lam_view *view, int64_t first,
                  int64_t count, float *to, float *scratch) {
    if (view->site != lam_row_hook(run, site)) return;
    const int64_t width = lam_row_width(run, site);
    for (int64_t i = 0; i < count; i++) {
        const float *row = view->data + (first + i) * view->row_stride;
        if (in_module_order(run, site)) {
            lam_module_order(run->model, row, 1, view->row_stride, scratch);
            row = scratch + lam_row_first(run, site);
        }
        memcpy(to + i * width, row, (size_t)width * sizeof *to);
    }
}
