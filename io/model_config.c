#include "io/model_config.h"

#include "io/json_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Far above any model of these families; what is larger is a mistake or a lie.
enum {
    MAX_LAYERS = 4096,
    MAX_WIDTH = 1 << 16,
    MAX_MLP_WIDTH = 1 << 20,
    MAX_POSITIONS = 1 << 20,
    MAX_VOCABULARY = 1 << 24,
    MAX_FILE = 1 << 20
};

static const lam_size_keys size_keys[] = {
    [LAM_GPT2] = {"n_layer", "n_embd", "n_head", "n_inner", "n_positions", "vocab_size"},
    [LAM_GPT_NEOX] = {"num_hidden_layers", "hidden_size", "num_attention_heads",
                      "intermediate_size", "max_position_embeddings", "vocab_size"},
};

// The first name of each is the one that is written.
static const struct activation_name {
    const char *name;
    lam_activation activation;
} activation_names[] = {
    {"gelu_new", LAM_GELU_NEW},          {"gelu", LAM_GELU},
    {"gelu_fast", LAM_GELU_FAST},        {"relu", LAM_RELU},
    {"gelu_pytorch_tanh", LAM_GELU_NEW}, {"gelu_python", LAM_GELU},
};
enum { ACTIVATION_NAMES = sizeof activation_names / sizeof *activation_names };

// What is being read, for the lines of errors.
typedef struct reader {
    const json_t *object;
    const char *path;
    lam_error *error;
} reader;

const lam_size_keys *lam_model_config_keys(lam_family family) {
    return &size_keys[family];
}

// NULL where the key is absent or null: both mean the default.
static const json_t *find(const reader *from, const char *key) {
    const json_t *value = json_object_get(from->object, key);
    return json_is_null(value) ? NULL : value;
}

static lam_code wrong_type(const reader *from, const char *key, const json_t *value,
                           const char *wanted) {
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    lam_fail(from->error, LAM_INPUT, "%s: %s is %.60s, it must be %s", from->path, key,
             text ? text : "unreadable", wanted);
    free(text);
    return LAM_INPUT;
}

static lam_code read_integer(const reader *from, const char *key, int64_t fallback,
                             int64_t *value) {
    const json_t *found = find(from, key);
    if (found && !json_is_integer(found)) return wrong_type(from, key, found, "a whole number");
    *value = found ? json_integer_value(found) : fallback;
    return LAM_OK;
}

static lam_code read_real(const reader *from, const char *key, double fallback, double *value) {
    const json_t *found = find(from, key);
    if (found && !json_is_number(found)) return wrong_type(from, key, found, "a number");
    *value = found ? json_number_value(found) : fallback;
    return LAM_OK;
}

static lam_code read_bool(const reader *from, const char *key, bool fallback, bool *value) {
    const json_t *found = find(from, key);
    if (found && !json_is_boolean(found)) return wrong_type(from, key, found, "true or false");
    *value = found ? json_is_true(found) : fallback;
    return LAM_OK;
}

static lam_code read_text(const reader *from, const char *key, const char *fallback,
                          const char **value) {
    const json_t *found = find(from, key);
    if (found && !json_is_string(found)) return wrong_type(from, key, found, "a text");
    *value = found ? json_string_value(found) : fallback;
    return LAM_OK;
}

static lam_code refuse_if_true(const reader *from, const char *key, const char *reason) {
    bool value;
    LAM_TRY(read_bool(from, key, false, &value));
    if (!value) return LAM_OK;
    return lam_fail(from->error, LAM_INPUT, "%s: %s is true, but %s", from->path, key, reason);
}

static lam_code read_activation(const reader *from, const char *key, const char *fallback,
                                lam_activation *activation) {
    const char *name;
    LAM_TRY(read_text(from, key, fallback, &name));
    for (int i = 0; i < ACTIVATION_NAMES; i++)
        if (strcmp(name, activation_names[i].name) == 0) {
            *activation = activation_names[i].activation;
            return LAM_OK;
        }
    return lam_fail(from->error, LAM_INPUT,
                    "%s: %s is \"%.60s\"; gelu_new, gelu, gelu_fast and relu can be computed",
                    from->path, key, name);
}

// Sizes that make no sense are left for the check of the numbers, which names them.
static bool has_sane_width(const lam_model_config *config) {
    return config->width > 0 && config->width <= MAX_WIDTH;
}

static void split_heads(lam_model_config *config) {
    config->head_width = config->heads > 0 ? config->width / config->heads : 0;
}

// A number that several keys may give; those that do must agree.
typedef struct spelling {
    const char *key; // of the first place that gave it, NULL so far
    double value;
} spelling;

static lam_code read_spelling(const reader *from, const char *key, spelling *known) {
    double value;
    if (!find(from, key)) return LAM_OK;
    LAM_TRY(read_real(from, key, 0, &value));
    if (known->key && known->value != value)
        return lam_fail(
            from->error, LAM_INPUT,
            "%s: %s is %g and %s is %g, which contradict each other: remove the wrong one",
            from->path, known->key, known->value, key, value);
    *known = (spelling){key, value};
    return LAM_OK;
}

// rope_parameters or rope_scaling: only the plain rotation, without stretching, is known.
static lam_code read_rope_object(const reader *from, const char *key, spelling *base,
                                 spelling *fraction) {
    static const char *const known[] = {"rope_type", "type", "rope_theta", "partial_rotary_factor"};
    const json_t *object = find(from, key);
    if (!object) return LAM_OK;
    if (!json_is_object(object)) return wrong_type(from, key, object, "an object");
    const reader inner = {object, from->path, from->error};
    for (int i = 0; i < 2; i++) {
        const char *type;
        LAM_TRY(read_text(&inner, known[i], "default", &type));
        if (strcmp(type, "default") != 0)
            return lam_fail(from->error, LAM_INPUT,
                            "%s: %s.%s is \"%.60s\"; only plain rotary positions (\"default\") can "
                            "be computed",
                            from->path, key, known[i], type);
    }
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        bool is_known = json_is_null(value);
        for (int i = 0; i < 4; i++) is_known = is_known || strcmp(name, known[i]) == 0;
        if (!is_known)
            return lam_fail(
                from->error, LAM_INPUT,
                "%s: %s.%.60s is not known; only plain rotary positions can be computed",
                from->path, key, name);
    }
    LAM_TRY(read_spelling(&inner, "rope_theta", base));
    return read_spelling(&inner, "partial_rotary_factor", fraction);
}

static lam_code read_rotation(const reader *from, lam_model_config *config) {
    spelling base = {0}, fraction = {0};
    LAM_TRY(read_rope_object(from, "rope_parameters", &base, &fraction));
    LAM_TRY(read_rope_object(from, "rope_scaling", &base, &fraction));
    LAM_TRY(read_spelling(from, "rotary_emb_base", &base));
    LAM_TRY(read_spelling(from, "rope_theta", &base));
    LAM_TRY(read_spelling(from, "rotary_pct", &fraction));
    LAM_TRY(read_spelling(from, "partial_rotary_factor", &fraction));
    double share = fraction.key ? fraction.value : 0.25;
    if (!(share > 0 && share <= 1))
        return lam_fail(from->error, LAM_INPUT, "%s: %s is %g, it must be above 0 and at most 1",
                        from->path, fraction.key, share);
    config->rotary_base = base.key ? base.value : 10000;
    if (has_sane_width(config))
        config->rotary_width = (int64_t)((double)config->head_width * share);
    return LAM_OK;
}

static lam_code read_gpt2(const reader *from, lam_model_config *config) {
    LAM_TRY(read_integer(from, "n_layer", 12, &config->layers));
    LAM_TRY(read_integer(from, "n_embd", 768, &config->width));
    LAM_TRY(read_integer(from, "n_head", 12, &config->heads));
    LAM_TRY(read_integer(from, "n_positions", 1024, &config->positions));
    LAM_TRY(read_integer(from, "vocab_size", 50257, &config->vocabulary));
    int64_t inner = has_sane_width(config) ? 4 * config->width : 1;
    LAM_TRY(read_integer(from, "n_inner", inner, &config->mlp_width));
    split_heads(config);
    LAM_TRY(read_real(from, "layer_norm_epsilon", 1e-5, &config->norm_epsilon));
    LAM_TRY(read_activation(from, "activation_function", "gelu_new", &config->activation));
    LAM_TRY(read_bool(from, "tie_word_embeddings", true, &config->tied_head));
    LAM_TRY(read_bool(from, "scale_attn_weights", true, &config->scale_attention));
    LAM_TRY(
        read_bool(from, "scale_attn_by_inverse_layer_idx", false, &config->scale_by_inverse_layer));
    config->attention_bias = true;
    return refuse_if_true(from, "add_cross_attention",
                          "a decoder that attends to an encoder cannot be profiled");
}

static lam_code read_gpt_neox(const reader *from, lam_model_config *config) {
    LAM_TRY(read_integer(from, "num_hidden_layers", 44, &config->layers));
    LAM_TRY(read_integer(from, "hidden_size", 6144, &config->width));
    LAM_TRY(read_integer(from, "num_attention_heads", 64, &config->heads));
    LAM_TRY(read_integer(from, "intermediate_size", 24576, &config->mlp_width));
    LAM_TRY(read_integer(from, "max_position_embeddings", 2048, &config->positions));
    LAM_TRY(read_integer(from, "vocab_size", 50432, &config->vocabulary));
    split_heads(config);
    LAM_TRY(read_real(from, "layer_norm_eps", 1e-5, &config->norm_epsilon));
    LAM_TRY(read_activation(from, "hidden_act", "gelu", &config->activation));
    LAM_TRY(read_bool(from, "tie_word_embeddings", false, &config->tied_head));
    LAM_TRY(read_bool(from, "use_parallel_residual", true, &config->parallel_residual));
    LAM_TRY(read_bool(from, "attention_bias", true, &config->attention_bias));
    config->scale_attention = true;
    return read_rotation(from, config);
}

static lam_code read_family(const reader *from, lam_model_config *config) {
    const char *type;
    LAM_TRY(read_text(from, "model_type", "missing", &type));
    if (find(from, "quantization_config"))
        return lam_fail(from->error, LAM_INPUT,
                        "%s: quantization_config is set; quantized weights cannot be read: "
                        "download the model as F32, F16 or BF16",
                        from->path);
    if (strcmp(type, lam_family_name(LAM_GPT2)) == 0) {
        config->family = LAM_GPT2;
        return read_gpt2(from, config);
    }
    if (strcmp(type, lam_family_name(LAM_GPT_NEOX)) == 0) {
        config->family = LAM_GPT_NEOX;
        return read_gpt_neox(from, config);
    }
    return lam_fail(from->error, LAM_INPUT,
                    "%s: model_type is %.60s; the supported ones are gpt2 and gpt_neox", from->path,
                    type);
}

lam_code lam_model_config_read(const char *path, lam_model_config *config, lam_error *error) {
    json_t *object;
    LAM_TRY(lam_json_read(path, MAX_FILE, &object, error));
    *config = (lam_model_config){0};
    const reader from = {object, path, error};
    lam_code code = read_family(&from, config);
    json_decref(object);
    if (code != LAM_OK) return code;
    return lam_model_config_check(config, path, error);
}

static lam_code check_size(const char *place, const char *key, int64_t value, int64_t maximum,
                           lam_error *error) {
    if (value >= 1 && value <= maximum) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "%s: %s is %jd, it must be between 1 and %jd", place, key,
                    (intmax_t)value, (intmax_t)maximum);
}

static lam_code check_rotation(const lam_model_config *config, const char *place,
                               lam_error *error) {
    if (config->rotary_width < 2 || config->rotary_width % 2 ||
        config->rotary_width > config->head_width)
        return lam_fail(
            error, LAM_INPUT,
            "%s: rotary_pct (partial_rotary_factor) rotates %jd of the %jd numbers of a "
            "head; it must be an even number of them, at least 2",
            place, (intmax_t)config->rotary_width, (intmax_t)config->head_width);
    if (!(config->rotary_base > 1 && config->rotary_base < HUGE_VAL))
        return lam_fail(error, LAM_INPUT,
                        "%s: rotary_emb_base (rope_theta) is %g, it must be above 1", place,
                        config->rotary_base);
    return LAM_OK;
}

lam_code lam_model_config_check(const lam_model_config *config, const char *place,
                                lam_error *error) {
    const lam_size_keys *key = lam_model_config_keys(config->family);
    LAM_TRY(check_size(place, key->layers, config->layers, MAX_LAYERS, error));
    LAM_TRY(check_size(place, key->width, config->width, MAX_WIDTH, error));
    LAM_TRY(check_size(place, key->heads, config->heads, config->width, error));
    LAM_TRY(check_size(place, key->mlp_width, config->mlp_width, MAX_MLP_WIDTH, error));
    LAM_TRY(check_size(place, key->positions, config->positions, MAX_POSITIONS, error));
    LAM_TRY(check_size(place, key->vocabulary, config->vocabulary, MAX_VOCABULARY, error));
    if (config->heads * config->head_width != config->width)
        return lam_fail(error, LAM_INPUT, "%s: %s is %jd, which %s, %jd, does not divide", place,
                        key->width, (intmax_t)config->width, key->heads, (intmax_t)config->heads);
    if (!(config->norm_epsilon > 0 && config->norm_epsilon < 1))
        return lam_fail(error, LAM_INPUT, "%s: %s is %g, it must be above 0 and below 1", place,
                        config->family == LAM_GPT2 ? "layer_norm_epsilon" : "layer_norm_eps",
                        config->norm_epsilon);
    if (config->family == LAM_GPT_NEOX) return check_rotation(config, place, error);
    return LAM_OK;
}

static json_t *gpt2_object(const lam_model_config *config, const char *activation) {
    json_t *inner = config->mlp_width == 4 * config->width
                        ? json_null()
                        : json_integer((json_int_t)config->mlp_width);
    // the end-of-text token is the last of the vocabulary
    json_int_t last = (json_int_t)config->vocabulary - 1;
    return json_pack(
        "{s:[s], s:s, s:I, s:I, s:I, s:o, s:I, s:I, s:f, s:b, s:b, s:b, s:I, s:I, s:f, s:f, s:f}",
        "architectures", "GPT2LMHeadModel", "activation_function", activation, "n_layer",
        (json_int_t)config->layers, "n_embd", (json_int_t)config->width, "n_head",
        (json_int_t)config->heads, "n_inner", inner, "n_positions", (json_int_t)config->positions,
        "n_ctx", (json_int_t)config->positions, "layer_norm_epsilon", config->norm_epsilon,
        "scale_attn_weights", config->scale_attention, "scale_attn_by_inverse_layer_idx",
        config->scale_by_inverse_layer, "add_cross_attention", 0, "bos_token_id", last,
        "eos_token_id", last, "attn_pdrop", 0.1, "embd_pdrop", 0.1, "resid_pdrop", 0.1);
}

// A share of the head that, as decimal text and multiplied again, gives the rotary width back.
static double rotary_share(const lam_model_config *config) {
    char text[32];
    double heads = (double)config->head_width, share = (double)config->rotary_width / heads;
    snprintf(text, sizeof text, "%.15g", share);
    bool exact = (int64_t)(strtod(text, NULL) * heads) == config->rotary_width;
    return exact ? share : ((double)config->rotary_width + 0.5) / heads;
}

static json_t *gpt_neox_object(const lam_model_config *config, const char *activation) {
    return json_pack("{s:[s], s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:b, s:b, s:f, s:f, s:i, s:i}",
                     "architectures", "GPTNeoXForCausalLM", "hidden_act", activation,
                     "num_hidden_layers", (json_int_t)config->layers, "hidden_size",
                     (json_int_t)config->width, "num_attention_heads", (json_int_t)config->heads,
                     "intermediate_size", (json_int_t)config->mlp_width, "max_position_embeddings",
                     (json_int_t)config->positions, "layer_norm_eps", config->norm_epsilon,
                     "use_parallel_residual", config->parallel_residual, "attention_bias",
                     config->attention_bias, "rotary_emb_base", config->rotary_base, "rotary_pct",
                     rotary_share(config), "bos_token_id", 0, "eos_token_id", 0);
}

lam_code lam_model_config_write(const lam_model_config *config, lam_dtype dtype, const char *path,
                                lam_error *error) {
    const char *activation = activation_names[0].name;
    for (int i = ACTIVATION_NAMES - 1; i >= 0; i--)
        if (activation_names[i].activation == config->activation)
            activation = activation_names[i].name;
    const char *type = dtype == LAM_DTYPE_F16    ? "float16"
                       : dtype == LAM_DTYPE_BF16 ? "bfloat16"
                                                 : "float32";
    json_t *object = config->family == LAM_GPT2 ? gpt2_object(config, activation)
                                                : gpt_neox_object(config, activation);
    json_t *common = json_pack("{s:s, s:s, s:I, s:b, s:f, s:b}", "model_type",
                               lam_family_name(config->family), "torch_dtype", type, "vocab_size",
                               (json_int_t)config->vocabulary, "tie_word_embeddings",
                               config->tied_head, "initializer_range", 0.02, "use_cache", 1);
    lam_code code = !object || !common || json_object_update(object, common) != 0
                        ? lam_fail(error, LAM_MEMORY, "no memory for %s", path)
                        : lam_json_write(path, object, error);
    json_decref(common);
    json_decref(object);
    return code;
}
