#include "io/checkpoint_names.h"

#include "io/model_config.h"

#include <inttypes.h>
#include <string.h>

// The sizes that shapes are made of.
typedef enum size { NONE, WIDTH, QKV, MLP, VOCABULARY, POSITIONS } size;

// What else there is to say of a tensor.
enum {
    PLAIN = 0,
    BIAS = 1,    // of attention: absent where the config has none
    TURNED = 2,  // stored [out, in]
    BY_HEAD = 4, // rows stored [head, 3, head_width]
};

typedef struct role_entry {
    const char *name; // after the prefix and, in a layer, its number
    size first, second;
    int traits;
} role_entry;

typedef struct family_entry {
    const char *prefix, *layer; // "transformer.", "h."
    const char *head;           // never under the prefix
    const char *const *buffers; // ended by NULL
    role_entry role[LAM_ROLES];
} family_entry;

static const char *const gpt2_buffers[] = {".attn.bias", ".attn.masked_bias", NULL};
static const char *const gpt_neox_buffers[] = {".attention.bias", ".attention.masked_bias",
                                               ".attention.rotary_emb.inv_freq", NULL};

static const family_entry families[] =
    {
        [LAM_GPT2] =
            {
                // Conv1D: matrices are [in, out] already
                .prefix = "transformer.",
                .layer = "h.",
                .head = "lm_head.weight",
                .buffers = gpt2_buffers,
                .role = {[LAM_NORM1_WEIGHT] = {"ln_1.weight", WIDTH, NONE, PLAIN},
                         [LAM_NORM1_BIAS] = {"ln_1.bias", WIDTH, NONE, PLAIN},
                         [LAM_QKV_WEIGHT] = {"attn.c_attn.weight", WIDTH, QKV, PLAIN},
                         [LAM_QKV_BIAS] = {"attn.c_attn.bias", QKV, NONE, PLAIN},
                         [LAM_OUT_WEIGHT] = {"attn.c_proj.weight", WIDTH, WIDTH, PLAIN},
                         [LAM_OUT_BIAS] = {"attn.c_proj.bias", WIDTH, NONE, PLAIN},
                         [LAM_NORM2_WEIGHT] = {"ln_2.weight", WIDTH, NONE, PLAIN},
                         [LAM_NORM2_BIAS] = {"ln_2.bias", WIDTH, NONE, PLAIN},
                         [LAM_FC_WEIGHT] = {"mlp.c_fc.weight", WIDTH, MLP, PLAIN},
                         [LAM_FC_BIAS] = {"mlp.c_fc.bias", MLP, NONE, PLAIN},
                         [LAM_PROJ_WEIGHT] = {"mlp.c_proj.weight", MLP, WIDTH, PLAIN},
                         [LAM_PROJ_BIAS] = {"mlp.c_proj.bias", WIDTH, NONE, PLAIN},
                         [LAM_TOKEN_EMBEDDING] = {"wte.weight", VOCABULARY, WIDTH, PLAIN},
                         [LAM_POSITION_EMBEDDING] = {"wpe.weight", POSITIONS, WIDTH, PLAIN},
                         [LAM_FINAL_NORM_WEIGHT] = {"ln_f.weight", WIDTH, NONE, PLAIN},
                         [LAM_FINAL_NORM_BIAS] = {"ln_f.bias", WIDTH, NONE, PLAIN},
                         [LAM_HEAD_WEIGHT] = {"", VOCABULARY, WIDTH, PLAIN}},
            },
        [LAM_GPT_NEOX] =
            {
                // Linear: matrices are [out, in]
                .prefix = "gpt_neox.",
                .layer = "layers.",
                .head = "embed_out.weight",
                .buffers = gpt_neox_buffers,
                .role = {[LAM_NORM1_WEIGHT] = {"input_layernorm.weight", WIDTH, NONE, PLAIN},
                         [LAM_NORM1_BIAS] = {"input_layernorm.bias", WIDTH, NONE, PLAIN},
                         [LAM_QKV_WEIGHT] = {"attention.query_key_value.weight", QKV, WIDTH,
                                             TURNED | BY_HEAD},
                         [LAM_QKV_BIAS] = {"attention.query_key_value.bias", QKV, NONE,
                                           BIAS | BY_HEAD},
                         [LAM_OUT_WEIGHT] = {"attention.dense.weight", WIDTH, WIDTH, TURNED},
                         [LAM_OUT_BIAS] = {"attention.dense.bias", WIDTH, NONE, BIAS},
                         [LAM_NORM2_WEIGHT] = {"post_attention_layernorm.weight", WIDTH, NONE,
                                               PLAIN},
                         [LAM_NORM2_BIAS] = {"post_attention_layernorm.bias", WIDTH, NONE, PLAIN},
                         [LAM_FC_WEIGHT] = {"mlp.dense_h_to_4h.weight", MLP, WIDTH, TURNED},
                         [LAM_FC_BIAS] = {"mlp.dense_h_to_4h.bias", MLP, NONE, PLAIN},
                         [LAM_PROJ_WEIGHT] = {"mlp.dense_4h_to_h.weight", WIDTH, MLP, TURNED},
                         [LAM_PROJ_BIAS] = {"mlp.dense_4h_to_h.bias", WIDTH, NONE, PLAIN},
                         [LAM_TOKEN_EMBEDDING] = {"embed_in.weight", VOCABULARY, WIDTH, PLAIN},
                         [LAM_POSITION_EMBEDDING] = {NULL, NONE, NONE, PLAIN},
                         [LAM_FINAL_NORM_WEIGHT] = {"final_layer_norm.weight", WIDTH, NONE, PLAIN},
                         [LAM_FINAL_NORM_BIAS] = {"final_layer_norm.bias", WIDTH, NONE, PLAIN},
                         [LAM_HEAD_WEIGHT] = {"", VOCABULARY, WIDTH, PLAIN}},
            },
};

static int64_t size_of(const lam_model_config *config, size which) {
    switch (which) {
    case WIDTH:
        return config->width;
    case QKV:
        return 3 * config->width;
    case MLP:
        return config->mlp_width;
    case VOCABULARY:
        return config->vocabulary;
    case POSITIONS:
        return config->positions;
    case NONE:
        break;
    }
    return 0;
}

static const char *key_of(lam_family family, size which) {
    const lam_size_keys *keys = lam_model_config_keys(family);
    switch (which) {
    case WIDTH:
        return keys->width;
    case QKV:
        return family == LAM_GPT2 ? "3 n_embd" : "3 hidden_size";
    case MLP:
        return keys->mlp_width;
    case VOCABULARY:
        return keys->vocabulary;
    case POSITIONS:
        return keys->positions;
    case NONE:
        break;
    }
    return "";
}

static bool has_role(const lam_model_config *config, lam_weight_role role) {
    const role_entry *entry = &families[config->family].role[role];
    if (!entry->name || ((entry->traits & BIAS) && !config->attention_bias)) return false;
    return role != LAM_HEAD_WEIGHT || !config->tied_head;
}

static lam_code add(const lam_model_config *config, lam_weight_role role, int64_t layer,
                    lam_arena *arena, lam_weight *weights, size_t *count, lam_error *error) {
    const family_entry *family = &families[config->family];
    const role_entry *entry = &family->role[role];
    if (!has_role(config, role)) return LAM_OK;
    char *name;
    size_t prefix = strlen(family->prefix);
    if (role == LAM_HEAD_WEIGHT) {
        name = lam_arena_format(arena, error, "%s", family->head);
        prefix = 0;
    } else if (layer < 0)
        name = lam_arena_format(arena, error, "%s%s", family->prefix, entry->name);
    else
        name = lam_arena_format(arena, error, "%s%s%" PRId64 ".%s", family->prefix, family->layer,
                                layer, entry->name);
    if (!name) return LAM_MEMORY;
    weights[(*count)++] = (lam_weight){
        .role = role,
        .layer = layer,
        .name = name,
        .bare = name + prefix,
        .dimensions = entry->second == NONE ? 1 : 2,
        .shape = {size_of(config, entry->first), size_of(config, entry->second)},
        .key = {key_of(config->family, entry->first), key_of(config->family, entry->second)},
        .transposed = entry->traits & TURNED,
        .by_head = entry->traits & BY_HEAD,
    };
    return LAM_OK;
}

lam_code lam_weights_list(const lam_model_config *config, lam_arena *arena, lam_weight **weights,
                          size_t *count, lam_error *error) {
    static const lam_weight_role before[] = {LAM_TOKEN_EMBEDDING, LAM_POSITION_EMBEDDING};
    static const lam_weight_role after[] = {LAM_FINAL_NORM_WEIGHT, LAM_FINAL_NORM_BIAS,
                                            LAM_HEAD_WEIGHT};
    *count = 0;
    LAM_ALLOC(*weights, arena, (size_t)config->layers * LAM_LAYER_ROLES + 5, error);
    for (size_t i = 0; i < 2; i++)
        LAM_TRY(add(config, before[i], -1, arena, *weights, count, error));
    for (int64_t layer = 0; layer < config->layers; layer++)
        for (int role = 0; role < LAM_LAYER_ROLES; role++)
            LAM_TRY(add(config, (lam_weight_role)role, layer, arena, *weights, count, error));
    for (size_t i = 0; i < 3; i++)
        LAM_TRY(add(config, after[i], -1, arena, *weights, count, error));
    return LAM_OK;
}

bool lam_weights_is_buffer(const lam_model_config *config, const char *name) {
    const family_entry *family = &families[config->family];
    if (config->tied_head && strcmp(name, family->head) == 0) return true;
    for (const char *const *buffer = family->buffers; *buffer; buffer++) {
        size_t length = strlen(name), end = strlen(*buffer);
        if (length > end && strcmp(name + length - end, *buffer) == 0) return true;
    }
    return false;
}
