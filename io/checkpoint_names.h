// The tensors of a model as its family's checkpoints name, shape and order them.
#ifndef LAM_CHECKPOINT_NAMES_H
#define LAM_CHECKPOINT_NAMES_H

#include "src/arena.h"
#include "src/error.h"
#include "src/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What a tensor is. Those of a layer are in the order of lam_layer.
typedef enum lam_weight_role {
    LAM_NORM1_WEIGHT,
    LAM_NORM1_BIAS,
    LAM_QKV_WEIGHT,
    LAM_QKV_BIAS,
    LAM_OUT_WEIGHT,
    LAM_OUT_BIAS,
    LAM_NORM2_WEIGHT,
    LAM_NORM2_BIAS,
    LAM_FC_WEIGHT,
    LAM_FC_BIAS,
    LAM_PROJ_WEIGHT,
    LAM_PROJ_BIAS,
    LAM_LAYER_ROLES, // so many a layer
    LAM_TOKEN_EMBEDDING = LAM_LAYER_ROLES,
    LAM_POSITION_EMBEDDING,
    LAM_FINAL_NORM_WEIGHT,
    LAM_FINAL_NORM_BIAS,
    LAM_HEAD_WEIGHT,
    LAM_ROLES
} lam_weight_role;

typedef struct lam_weight {
    lam_weight_role role;
    int64_t layer;      // -1 outside the layers
    const char *name;   // canonical: "transformer.h.3.mlp.c_fc.weight"
    const char *bare;   // the same without the family's prefix; within name
    int dimensions;     // 1 or 2
    int64_t shape[2];   // as checkpoints store it
    const char *key[2]; // what config.json calls the two sizes: "n_embd", "3 n_embd"
    bool transposed;    // stored [out, in], wanted [in, out]
    bool by_head;       // rows of the fused projection stored [head, 3, head_width]
} lam_weight;

// All tensors of the model, embeddings first, then layer by layer, then the final norm and, where
// it is not tied, the head. Owned by arena; config has been checked.
LAM_CHECKED lam_code lam_weights_list(const lam_model_config *config, lam_arena *arena,
                                      lam_weight **weights, size_t *count, lam_error *error);

// Whether files carry a tensor of this name that holds no weights of the model: causal masks,
// rotary frequencies, and the head of a model whose head is tied. With or without prefix.
bool lam_weights_is_buffer(const lam_model_config *config, const char *name);

#endif
