// A trained autoencoder as a folder that SAELens loads (SAE.load_from_disk, 6.x): cfg.json and
// sae_weights.safetensors, single precision, d_in the width and d_sae the latents:
//
//     W_enc [d_in, d_sae]  W_dec [d_sae, d_in]  b_dec [d_in]  and, by architecture,
//     standard, topk  b_enc [d_sae]              (cfg.json has topk's k)
//     jumprelu        b_enc, threshold [d_sae]
//     gated           b_gate, r_mag, b_mag [d_sae]
#ifndef LAM_SAELENS_H
#define LAM_SAELENS_H

#include "src/autoencoder.h"
#include "src/error.h"
#include "src/hooks.h"

#include <stdint.h>

// What the folder says of where the autoencoder comes from, as cfg.json's metadata.
typedef struct lam_saelens_about {
    const char *model; // its name
    lam_site site;
    int64_t layer;
    const char *kind; // as laminar calls it
    const char *text; // path; NULL: none
    int64_t context;  // tokens of a sequence
    int64_t dropped;  // tokens left out at each sequence's start
    uint64_t seed;
} lam_saelens_about;

// The site's name in TransformerLens, "blocks.3.hook_mlp_out", in name. False where it has none
// (qkv). Sites by head are flattened here, [token, head * d], and are not there.
enum { LAM_SAELENS_HOOK = 64 };
bool lam_saelens_hook(lam_site site, int64_t layer, char name[LAM_SAELENS_HOOK]);

// Whether lam_saelens_write could write the layers 0 .. layers - 1 under folder, "layer_3" each:
// the folder is not there but could be made, or is writable and holds nothing but such folders by
// laminar. Makes nothing. Not collective. LAM_IO names what is in the way.
LAM_CHECKED lam_code lam_saelens_check(const char *folder, int64_t layers, lam_error *error);

// Writes folder/layer_N whole: made under another name, synced, renamed. One of laminar's that is
// there is replaced, another one is LAM_IO, as is a full disk. Biases that are NULL are written as
// zeros. Makes folder, but not the one it lies in. Not collective; layers may be written by several
// processes at once.
LAM_CHECKED lam_code lam_saelens_write(const char *folder, const lam_saelens_about *about,
                                       const lam_autoencoder_parameters *parameters,
                                       lam_error *error);

#endif
