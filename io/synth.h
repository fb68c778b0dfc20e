// `laminar synth`: checkpoints of any shape with seeded random weights, so that full sizes can be
// run and timed where no real model is.
#ifndef LAM_SYNTH_H
#define LAM_SYNTH_H

#include "io/safetensors.h"
#include "src/error.h"
#include "src/model.h"

#include <stddef.h>
#include <stdint.h>

// The named shapes, for help: index 0, 1, ... until NULL. The GPT-2 sizes are those of Radford et
// al. 2019 as published on the hubs, the Pythia ones of Biderman et al. 2023, table 1, with the
// vocabularies that the checkpoints on the hubs have.
const char *lam_synth_shape_name(size_t index);

// *config = the named shape, or FAMILY:LAYERSxWIDTHxHEADS[:VOCABULARY[:POSITIONS]], such as
// gpt2:12x768x12 or gpt_neox:6x512x8:50304:2048, with the family's usual rest. LAM_USAGE lists what
// there is; LAM_INPUT if given numbers do not fit each other.
LAM_CHECKED lam_code lam_synth_shape(const char *name, lam_model_config *config, lam_error *error);

typedef struct lam_synth_options {
    lam_dtype dtype;     // F32, F16 or BF16
    int64_t shard_bytes; // data in one file at most, if tensors allow; 0: all in one
    uint64_t seed;
    const char *tokenizer; // folder to copy tokenizer files from; NULL: none
} lam_synth_options;

// Writes a checkpoint as the hubs hold it: config.json, the weights, the tokenizer if one is given,
// and laminar-synth.json, which says how it was made. Biases are 0 and norms 1; weights are normal,
// GPT-2's with deviation 0.02, divided by sqrt(2 layers) for the projections into the residual
// stream (Radford et al. 2019, section 2.3), GPT-NeoX's with sqrt(2 / (5 width)), and for those
// projections 2 / (layers sqrt(width)) ("small_init" and "wang_init" of Pythia's training
// configurations; Nguyen and Salazar 2019, Wang and Komatsuzaki 2021). The same seed, shape and
// dtype give the same bytes everywhere. Weights are streamed out, 6 MB at a time.
//
// The folder is made if need be. One that is not empty is refused (LAM_USAGE), unless all it holds
// came from an earlier synth: that is replaced. All is written under temporary names and renamed at
// the end, config.json last. On failure (LAM_IO: a full disk, ...) nothing is left.
LAM_CHECKED lam_code lam_synth(const lam_model_config *config, const lam_synth_options *options,
                               const char *folder, lam_error *error);

#endif
