// A language model's shape and weights, as the forward pass wants them, whatever the checkpoint's
// family: all matrices are [in, out], and the fused projection's columns are all Q, all K, all V,
// head by head.
#ifndef LAM_MODEL_H
#define LAM_MODEL_H

#include "error.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum lam_family { LAM_GPT2, LAM_GPT_NEOX } lam_family;
typedef enum lam_activation { LAM_GELU_NEW, LAM_GELU, LAM_GELU_FAST, LAM_RELU } lam_activation;

typedef struct lam_model_config {
    lam_family family;
    int64_t layers, width, heads, head_width, mlp_width, positions,
        vocabulary; // width = heads * head_width
    double norm_epsilon;
    lam_activation activation;
    bool tied_head;
    bool scale_attention;        // GPT-2: divide scores by sqrt(head_width)
    bool scale_by_inverse_layer; // GPT-2: and by layer + 1
    bool parallel_residual;      // GPT-NeoX
    bool attention_bias;         // GPT-NeoX; GPT-2 always has it
    int64_t rotary_width;        // GPT-NeoX: the first so many of head_width are rotated; else 0
    double rotary_base;
} lam_model_config;

// "gpt2", "gpt_neox": model_type as config.json has it.
const char *lam_family_name(lam_family family);

// One layer's weights, single precision, owned by whoever loaded them. Biases may be NULL.
typedef struct lam_layer {
    const float *norm1_weight, *norm1_bias; // [width]
    const float *qkv_weight, *qkv_bias;     // [width, 3 width], [3 width]
    const float *out_weight, *out_bias;     // [width, width], [width]
    const float *norm2_weight, *norm2_bias; // [width]
    const float *fc_weight, *fc_bias;       // [width, mlp_width], [mlp_width]
    const float *proj_weight, *proj_bias;   // [mlp_width, width], [width]
} lam_layer;

// The part of a model that one rank holds. What it does not hold is NULL.
typedef struct lam_model {
    lam_model_config config;
    int64_t first_layer, layer_count;
    lam_layer *layer;                                 // [layer_count]
    const float *token_embedding;                     // [vocabulary, width]
    const float *position_embedding;                  // [positions, width]; GPT-2 only
    const float *final_norm_weight, *final_norm_bias; // [width]
    const float *head_weight; // [vocabulary, width]; the embedding where tied
} lam_model;

#endif
