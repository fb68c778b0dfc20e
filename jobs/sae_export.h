// The folders of autoencoders that the profile sae leaves where it is asked to: sae.export.
#ifndef LAM_SAE_EXPORT_H
#define LAM_SAE_EXPORT_H

#include "jobs/profile.h"
#include "src/autoencoder.h"

typedef struct lam_sae_export {
    const char *folder; // of the job; a run of a sweep has a folder of its own in it, by its name
    lam_site site;
    const char *kind;
    int64_t dropped; // tokens at a sequence's start that are no rows
} lam_sae_export;

// As lam_saelens_check and lam_saelens_write.
LAM_CHECKED lam_code lam_sae_export_check(const lam_profile_run *run, const lam_sae_export *to,
                                          lam_error *error);
LAM_CHECKED lam_code lam_sae_export_layer(const lam_profile_run *run, const lam_sae_export *to,
                                          int64_t layer,
                                          const lam_autoencoder_parameters *parameters,
                                          lam_error *error);

#endif
