// What of the model's predictions the autoencoders keep: the loss recovered when a layer's
// reconstruction is spliced into the forward pass in the place of the site's activations,
//
//     loss_recovered = (loss_zero - loss_spliced) / (loss_zero - loss_clean)
//
// of mean next-token cross-entropies (Bricken et al. 2023, "Towards monosemanticity"): 1 where the
// model predicts as well as before, 0 where it does no better than with the site at zero. As in
// SAELens, tokens that the autoencoder is not meant for keep their own activations when spliced,
// and are zero with the others when ablated.
#ifndef LAM_SAE_SPLICE_H
#define LAM_SAE_SPLICE_H

#include "jobs/profile.h"

// What a layer keeps of its site.
typedef struct sae_rows {
    float *row; // [count, width]
    int64_t count, width;
    // Rows of the sequences to be spliced, and once the autoencoder is trained, what that makes of
    // them. Where all rows are at hand these are the first of row.
    float *spliced;
    int64_t skip; // first tokens of each sequence that are left out
} sae_rows;

enum { SAE_SPLICE_COUNT = 5 };
#define SAE_SPLICE_VARIABLES                                                                       \
    {"loss_recovered",                                                                             \
     LAM_DOUBLE,                                                                                   \
     {"layer"},                                                                                    \
     "share of the loss by zero ablation that the reconstruction recovers when spliced in",        \
     "1",                                                                                          \
     NULL},                                                                                        \
        {"loss_clean",                                                                             \
         LAM_DOUBLE,                                                                               \
         {"layer"},                                                                                \
         "mean next-token cross-entropy of the model as it is, in nats; the same for all layers",  \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"loss_spliced",                                                                           \
         LAM_DOUBLE,                                                                               \
         {"layer"},                                                                                \
         "mean next-token cross-entropy in nats, the layer's reconstruction in the site's place",  \
         "1",                                                                                      \
         NULL},                                                                                    \
        {"loss_zero", LAM_DOUBLE,                                                                  \
         {"layer"},   "mean next-token cross-entropy in nats, the layer's site at zero",           \
         "1",         NULL},                                                                       \
    {                                                                                              \
        "loss_status", LAM_BYTE, {"layer"}, "whether the loss recovered is defined", "1",          \
            "defined ablation_without_effect not_finite"                                           \
    }

// Checks sae.splice against the number of sequences, 0 where it is not known yet. LAM_USAGE.
LAM_CHECKED lam_code sae_splice_check(const lam_profile_run *run, int64_t splice, int64_t sequences,
                                      lam_error *error);

// The intervention; a layer's state begins with its sae_rows.
lam_intervention sae_splice_asked(lam_site site, int64_t splice);

#endif
