// The options of the profile sae that belong to some kinds of autoencoder alone, or that published
// mode has no use for.
#ifndef LAM_SAE_KINDS_H
#define LAM_SAE_KINDS_H

#include "jobs/profile.h"
#include "src/autoencoder.h"

typedef enum sae_decoder_norm { SAE_NORM_AUTO, SAE_NORM_FREE, SAE_NORM_UNIT } sae_decoder_norm;

typedef struct sae_kinds {
    int kind; // lam_autoencoder_kind
    double l1;
    int64_t k, dead_after;
    double aux_coefficient, l0, bandwidth;
    double warmup, decay;
    int decoder_norm; // sae_decoder_norm
    int64_t resample;
} sae_kinds;

extern const char *const sae_kind_choices[];         // in the order of lam_autoencoder_kind
extern const char *const sae_decoder_norm_choices[]; // in that of sae_decoder_norm

// LAM_USAGE names an option that was given and does not apply to the kind; else what was left to
// the program is filled in, but dead_after, which depends on the number of rows.
LAM_CHECKED lam_code sae_kinds_resolve(sae_kinds *kinds, int64_t latents, lam_error *error);

// LAM_USAGE names an option that was given although mode is published.
LAM_CHECKED lam_code sae_kinds_refuse_published(const sae_kinds *kinds, lam_error *error);

// Puts them into the options of a training on that many rows.
void sae_kinds_apply(const sae_kinds *kinds, int64_t rows, lam_autoencoder_options *options);

// As attributes of the result: those that apply.
LAM_CHECKED lam_code sae_kinds_describe(const sae_kinds *kinds, int64_t rows, lam_group *group,
                                        lam_error *error);

#endif
