// config.json of a checkpoint folder, for the families of src/model.h.
#ifndef LAM_MODEL_CONFIG_H
#define LAM_MODEL_CONFIG_H

#include "io/safetensors.h"
#include "src/error.h"
#include "src/model.h"

// Reads a config.json of model_type gpt2 or gpt_neox. Keys that are absent or null have the
// defaults of transformers' GPT2Config and GPTNeoXConfig; old and new spellings are both read
// (rotary_pct, rotary_emb_base, partial_rotary_factor, rope_theta; rope_parameters, rope_scaling),
// and two that contradict each other are refused. LAM_IO, LAM_INPUT: each line names the file, the
// key, what it says and what can be read.
LAM_CHECKED lam_code lam_model_config_read(const char *path, lam_model_config *config,
                                           lam_error *error);

// Whether a config's numbers fit each other, whoever made it. LAM_INPUT names the key as its
// family's config.json spells it; place is what the line begins with (a path).
LAM_CHECKED lam_code lam_model_config_check(const lam_model_config *config, const char *place,
                                            lam_error *error);

// Writes a config.json in the hubs' spelling, for weights stored as dtype.
LAM_CHECKED lam_code lam_model_config_write(const lam_model_config *config, lam_dtype dtype,
                                            const char *path, lam_error *error);

// The keys of config.json that name a family's sizes: "n_embd" or "hidden_size", ...
typedef struct lam_size_keys {
    const char *layers, *width, *heads, *mlp_width, *positions, *vocabulary;
} lam_size_keys;
const lam_size_keys *lam_model_config_keys(lam_family family);

#endif
