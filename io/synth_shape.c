#include "io/model_config.h"
#include "io/synth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct shape {
    const char *name;
    lam_family family;
    int64_t layers, width, heads, vocabulary;
} shapes[] = {
    {"gpt2-small", LAM_GPT2, 12, 768, 12, 50257},
    {"gpt2-medium", LAM_GPT2, 24, 1024, 16, 50257},
    {"gpt2-large", LAM_GPT2, 36, 1280, 20, 50257},
    {"gpt2-xl", LAM_GPT2, 48, 1600, 25, 50257},
    {"pythia-14m", LAM_GPT_NEOX, 6, 128, 4, 50304},
    {"pythia-31m", LAM_GPT_NEOX, 6, 256, 8, 50304},
    {"pythia-70m", LAM_GPT_NEOX, 6, 512, 8, 50304},
    {"pythia-160m", LAM_GPT_NEOX, 12, 768, 12, 50304},
    {"pythia-410m", LAM_GPT_NEOX, 24, 1024, 16, 50304},
    {"pythia-1b", LAM_GPT_NEOX, 16, 2048, 8, 50304},
    {"pythia-1.4b", LAM_GPT_NEOX, 24, 2048, 16, 50304},
    {"pythia-2.8b", LAM_GPT_NEOX, 32, 2560, 32, 50304},
    {"pythia-6.9b", LAM_GPT_NEOX, 32, 4096, 32, 50432},
    {"pythia-12b", LAM_GPT_NEOX, 36, 5120, 40, 50688},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

const char *lam_synth_shape_name(size_t index) {
    return index < SHAPES ? shapes[index].name : NULL;
}

// What all models of a family share.
static lam_model_config family_config(lam_family family, int64_t layers, int64_t width,
                                      int64_t heads, int64_t vocabulary, int64_t positions) {
    int64_t head_width = heads > 0 ? width / heads : 0, quarter = head_width / 8 * 2;
    bool neox = family == LAM_GPT_NEOX;
    return (lam_model_config){
        .family = family,
        .layers = layers,
        .width = width,
        .heads = heads,
        .head_width = head_width,
        .mlp_width = width > 0 && width < INT64_MAX / 4 ? 4 * width : 0,
        .positions = positions,
        .vocabulary = vocabulary,
        .norm_epsilon = 1e-5,
        .activation = neox ? LAM_GELU : LAM_GELU_NEW,
        .tied_head = !neox,
        .scale_attention = true,
        .parallel_residual = neox,
        .attention_bias = true,
        .rotary_width = !neox         ? 0
                        : quarter < 2 ? 2
                                      : quarter, // rotary_pct 0.25
        .rotary_base = neox ? 10000 : 0,
    };
}

// LAYERSxWIDTHxHEADS[:VOCABULARY[:POSITIONS]] into number[], how many there are; 0 if it is not
// that.
static int read_numbers(const char *text, int64_t number[5]) {
    static const char separator[] = "xx::";
    for (int count = 0; count < 5; count++) {
        char *end;
        errno = 0;
        if (*text < '0' || *text > '9') return 0;
        number[count] = strtoll(text, &end, 10);
        if (errno) return 0;
        if (!*end) return count >= 2 ? count + 1 : 0;
        if (count == 4 || *end != separator[count]) return 0;
        text = end + 1;
    }
    return 0;
}

static lam_code no_such_shape(const char *name, lam_error *error) {
    char known[512] = "";
    for (size_t i = 0, used = 0; i < SHAPES && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s, ", shapes[i].name);
    return lam_fail(error, LAM_USAGE,
                    "there is no shape \"%.60s\"; there are: %sor "
                    "gpt2|gpt_neox:LAYERSxWIDTHxHEADS[:VOCABULARY[:POSITIONS]]",
                    name, known);
}

lam_code lam_synth_shape(const char *name, lam_model_config *config, lam_error *error) {
    static const int64_t positions[] = {[LAM_GPT2] = 1024, [LAM_GPT_NEOX] = 2048};
    static const int64_t vocabulary[] = {[LAM_GPT2] = 50257, [LAM_GPT_NEOX] = 50304};
    for (int i = 0; i < SHAPES; i++) {
        const struct shape *shape = &shapes[i];
        if (strcmp(name, shape->name) != 0) continue;
        *config = family_config(shape->family, shape->layers, shape->width, shape->heads,
                                shape->vocabulary, positions[shape->family]);
        return LAM_OK;
    }
    for (int f = LAM_GPT2; f <= LAM_GPT_NEOX; f++) {
        const char *family = lam_family_name((lam_family)f);
        size_t length = strlen(family);
        int64_t number[5] = {0, 0, 0, vocabulary[f], positions[f]};
        if (strncmp(name, family, length) != 0 || name[length] != ':') continue;
        if (!read_numbers(name + length + 1, number)) break;
        *config =
            family_config((lam_family)f, number[0], number[1], number[2], number[3], number[4]);
        return lam_model_config_check(config, name, error);
    }
    return no_such_shape(name, error);
}
