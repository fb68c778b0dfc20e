// The sites whose views are rows of tokens, for profiles that take several by name.
#ifndef LAM_ROW_SITES_H
#define LAM_ROW_SITES_H

#include "jobs/profile.h"

// Their names, ended by NULL: the choices of an option of the type STRINGS.
extern const char *const lam_row_site_names[];
enum { LAM_ROW_SITES = 10 };

// LAM_USAGE, in the words of the section's key "sites", for none or one twice.
LAM_CHECKED lam_code lam_row_sites_check(const lam_profile_run *run, const lam_strings *sites,
                                         lam_error *error);

// The site of that name.
lam_site lam_row_site(const char *name);

// Units of a row.
int64_t lam_row_width(const lam_profile_run *run, lam_site site);

// Whether it is all of the fused projection or a third of it, and where its units begin in that.
bool lam_row_is_fused(lam_site site);
int64_t lam_row_first(const lam_profile_run *run, lam_site site);

// What has to be hooked to see the site. Published mode takes contiguous thirds of a GPT-NeoX
// model's projection in the module's own order for Q, K, V: those come from the whole.
lam_site lam_row_hook(const lam_profile_run *run, lam_site site);

// to [count, width] = the view's rows from first on, where it is of the site's hook. scratch [3
// widths of the model] is used for one of them.
void lam_row_copy(const lam_profile_run *run, lam_site site, const lam_view *view, int64_t first,
                  int64_t count, float *to, float *scratch);

#endif
