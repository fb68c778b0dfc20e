#include "io/checkpoint.h"
#include "io/info.h"
#include "io/tokenizer_file.h"
#include "io/tokens.h"
#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "src/hub_name.h"
#include "src/log.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct lam_info_options {
    bool json, tensors;
} lam_info_options;

static const lam_option info_options[] = {
    {"json", LAM_OPTION_BOOL, offsetof(lam_info_options, json), "no", 0, 0, NULL,
     "print one JSON object, for programs"},
    {"tensors", LAM_OPTION_BOOL, offsetof(lam_info_options, tensors), "no", 0, 0, NULL,
     "of a checkpoint: list its tensors"},
    {NULL},
};

static const char *const examples[] = {"laminar info models/gpt2", "laminar info led.nc",
                                       "laminar info --json led.nc", NULL};

static int64_t parameters(const lam_checkpoint *checkpoint, size_t *bytes) {
    int64_t all = 0;
    *bytes = 0;
    for (size_t i = 0; i < lam_checkpoint_tensor_count(checkpoint); i++) {
        lam_checkpoint_tensor t = lam_checkpoint_tensor_at(checkpoint, i);
        int64_t values = t.shape[0] * (t.dimensions == 2 ? t.shape[1] : 1);
        all += values;
        *bytes += (size_t)values * (strcmp(t.dtype, "F32") == 0 ? 4 : 2);
    }
    return all;
}

static const char *activation_name(lam_activation activation) {
    static const char *const names[] = {"gelu_new", "gelu", "gelu_fast", "relu"};
    return names[activation];
}

// One entry of what is known of a checkpoint: a text, or a number.
typedef struct lam_fact {
    const char *name, *text;
    double number;
} lam_fact;

enum { MAX_FACTS = 20 };

static size_t config_facts(const lam_checkpoint *checkpoint, lam_fact *fact) {
    const lam_model_config *c = lam_checkpoint_config(checkpoint);
    size_t bytes, n = 0;
    double all = (double)parameters(checkpoint, &bytes);
    fact[n++] = (lam_fact){"model_type", lam_family_name(c->family), 0};
    fact[n++] = (lam_fact){"layers", NULL, (double)c->layers};
    fact[n++] = (lam_fact){"width", NULL, (double)c->width};
    fact[n++] = (lam_fact){"heads", NULL, (double)c->heads};
    fact[n++] = (lam_fact){"head_width", NULL, (double)c->head_width};
    fact[n++] = (lam_fact){"mlp_width", NULL, (double)c->mlp_width};
    fact[n++] = (lam_fact){"positions", NULL, (double)c->positions};
    fact[n++] = (lam_fact){"vocabulary", NULL, (double)c->vocabulary};
    fact[n++] = (lam_fact){"activation", activation_name(c->activation), 0};
    fact[n++] = (lam_fact){"head", c->tied_head ? "tied to the embedding" : "its own", 0};
    if (c->family == LAM_GPT_NEOX) {
        fact[n++] = (lam_fact){"residual", c->parallel_residual ? "parallel" : "serial", 0};
        fact[n++] = (lam_fact){"rotary_width", NULL, (double)c->rotary_width};
        fact[n++] = (lam_fact){"rotary_base", NULL, c->rotary_base};
    }
    fact[n++] = (lam_fact){"parameters", NULL, all};
    fact[n++] = (lam_fact){"bytes", NULL, (double)bytes};
    return n;
}

static void print_tensors(const lam_checkpoint *checkpoint) {
    puts("tensors");
    for (size_t i = 0; i < lam_checkpoint_tensor_count(checkpoint); i++) {
        lam_checkpoint_tensor t = lam_checkpoint_tensor_at(checkpoint, i);
        printf("  %-52s %-4s ", t.name, t.dtype);
        if (t.dimensions == 2)
            printf("%" PRId64 " x %" PRId64 "\n", t.shape[0], t.shape[1]);
        else
            printf("%" PRId64 "\n", t.shape[0]);
    }
}

static lam_code print_json(json_t *object, lam_error *error) {
    if (!object) return lam_fail(error, LAM_MEMORY, "memory for the JSON was refused");
    int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(object);
    putchar('\n');
    return failed ? lam_fail(error, LAM_IO, "standard output cannot be written") : LAM_OK;
}

static lam_code info_checkpoint(const char *path, const lam_info_options *options,
                                lam_error *error) {
    lam_checkpoint *checkpoint;
    LAM_TRY(lam_checkpoint_open(path, &checkpoint, error));
    lam_tokenizer *tokenizer = NULL;
    lam_error none;
    bool has_tokenizer = lam_tokenizer_load(path, &tokenizer, &none) == LAM_OK;
    lam_fact fact[MAX_FACTS];
    size_t count = config_facts(checkpoint, fact);
    if (has_tokenizer)
        fact[count++] = (lam_fact){"tokens", NULL, (double)lam_tokenizer_vocabulary(tokenizer)};
    lam_code code = LAM_OK;
    if (options->json) {
        json_t *object = json_pack("{s:s}", "path", path);
        for (size_t i = 0; object && i < count; i++)
            json_object_set_new(object, fact[i].name,
                                fact[i].text ? json_string(fact[i].text)
                                             : json_integer((json_int_t)fact[i].number));
        if (object && has_tokenizer)
            json_object_set_new(object, "tokenizer_sha256",
                                json_string(lam_tokenizer_digest(tokenizer)));
        code = print_json(object, error);
    } else {
        printf("checkpoint    %s\n", path);
        for (size_t i = 0; i < count; i++)
            if (fact[i].text)
                printf("%-13s %s\n", fact[i].name, fact[i].text);
            else
                printf("%-13s %.0f\n", fact[i].name, fact[i].number);
        printf("%-13s %s\n", "tokenizer",
               has_tokenizer ? lam_tokenizer_digest(tokenizer) : none.text);
        if (options->tensors) print_tensors(checkpoint);
    }
    lam_tokenizer_destroy(tokenizer);
    lam_checkpoint_close(checkpoint);
    return code;
}

static lam_code info_tokens(const char *path, const lam_info_options *options, lam_error *error) {
    lam_tokens tokens = {0};
    lam_code code = lam_tokens_open(path, &tokens, error);
    const lam_token_manifest *m = &tokens.manifest;
    if (code == LAM_OK && options->json)
        code = print_json(json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "path",
                                    path, "tokens", (json_int_t)tokens.count, "documents",
                                    (json_int_t)(m->documents ? m->documents : 1), "dtype",
                                    m->dtype, "source", m->source, "source_sha256",
                                    m->source_sha256, "tokenizer_sha256", m->tokenizer_sha256,
                                    "text_options", m->text_options, "npy_sha256", m->npy_sha256,
                                    "laminar", m->laminar),
                          error);
    else if (code == LAM_OK)
        printf(
            "token file    %s\ntokens        %zu, %s\ndocuments     %zu\nsource        %s%s%s%s\n"
            "source_sha256 %s\ntokenizer     %s\nnpy_sha256    %s, verified\n"
            "laminar       %s\n",
            path, tokens.count, m->dtype, m->documents ? m->documents : 1, m->source,
            *m->text_options ? " (" : "", m->text_options, *m->text_options ? ")" : "",
            m->source_sha256, m->tokenizer_sha256, m->npy_sha256, m->laminar);
    lam_tokens_close(&tokens);
    return code;
}

static lam_code info_of(const lam_command *command, const lam_arguments *arguments,
                        lam_arena *arena, lam_error *error) {
    (void)arena;
    const lam_info_options *options = command->groups->options;
    const char *path = arguments->operands.item[0];
    struct stat info;
    size_t length = strlen(path);
    if (lam_hub_pinned(path)) return info_checkpoint(path, options, error);
    if (stat(path, &info) != 0)
        return lam_fail(error, LAM_IO, "%s: %m: name a checkpoint folder, a token file or a result",
                        path);
    if (S_ISDIR(info.st_mode)) return info_checkpoint(path, options, error);
    if (length > 4 && strcmp(path + length - 4, ".npy") == 0)
        return info_tokens(path, options, error);
    return options->json ? lam_info_result_json(path, stdout, error)
                         : lam_info_result(path, stdout, error);
}

lam_code lam_command_info(int argc, const char *const *argv, lam_error *error) {
    lam_info_options options = {0};
    const lam_option_group groups[] = {{"Options", info_options, &options}, {NULL, NULL, NULL}};
    const lam_command command = {
        .name = "info",
        .operands = "PATH [options]",
        .summary = "Say what a checkpoint folder, a token file (.npy) or a result (.nc) holds.",
        .fewest = 1,
        .most = 1,
        .groups = groups,
        .examples = examples};
    return lam_command_alone(&command, info_of, argc, argv, error);
}
