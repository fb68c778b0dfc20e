#include "io/text.h"
#include "io/tokenizer_file.h"
#include "io/tokens.h"
#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "lam_version.h"
#include "src/log.h"

#include <stdio.h>
#include <string.h>

typedef struct lam_tokenize_options {
    const char *model;
    int html;
    bool pieces;
} lam_tokenize_options;

static const char *const html_choices[] = {"article", "clip", NULL};
static const lam_html_mode html_modes[] = {LAM_HTML_ARTICLE, LAM_HTML_CLIP};

static const lam_option tokenize_options[] = {
    {"model", LAM_OPTION_PATH, offsetof(lam_tokenize_options, model), NULL, 0, 0, NULL,
     "the folder with the tokenizer (tokenizer.json, or vocab.json and merges.txt)"},
    {"html", LAM_OPTION_CHOICE, offsetof(lam_tokenize_options, html), "article", 0, 0, html_choices,
     "what is taken of a page: the readable article, or the published cut with its tags"},
    {"pieces", LAM_OPTION_BOOL, offsetof(lam_tokenize_options, pieces), "no", 0, 0, NULL,
     "print every token, its id and its piece of the text, a line each"},
    {NULL},
};

static const char *const examples[] = {
    "laminar tokenize page.html --model models/gpt2 -o page.npy",
    "laminar tokenize story.txt --model models/gpt2 --pieces",
    NULL,
};

// Bytes that a terminal or a line would not show as they are stand as \n, \t, \\ or \xHH.
static void print_piece(const char *piece, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)piece[i];
        if (c == '\n')
            fputs("\\n", stdout);
        else if (c == '\t')
            fputs("\\t", stdout);
        else if (c == '\\')
            fputs("\\\\", stdout);
        else if (c < 0x20 || c >= 0x7f)
            printf("\\x%02x", c);
        else
            putchar(c);
    }
}

static void print_pieces(const lam_tokenizer *tokenizer, const lam_ids *ids) {
    for (size_t i = 0; i < ids->count; i++) {
        size_t bytes = 0;
        const char *piece = lam_tokenizer_piece(tokenizer, ids->id[i], &bytes);
        printf("%zu\t%u\t'", i, ids->id[i]);
        if (piece) print_piece(piece, bytes);
        puts("'");
    }
}

static lam_code write_tokens(const char *source, const char *output, const lam_text *text,
                             const lam_tokenizer *tokenizer, const lam_ids *ids, int html,
                             lam_error *error) {
    char options[32] = "";
    const char *dot = strrchr(source, '.');
    if (dot && strncmp(dot, ".htm", 4) == 0)
        snprintf(options, sizeof options, "html: %s", html_choices[html]);
    lam_token_manifest manifest = {.source = source,
                                   .source_sha256 = text->sha256,
                                   .tokenizer_sha256 = lam_tokenizer_digest(tokenizer),
                                   .text_options = options,
                                   .laminar = LAM_VERSION};
    LAM_TRY(lam_tokens_write(output, ids->id, ids->count, &manifest, error));
    lam_log(LAM_NORMAL, "wrote %s: %zu tokens", output, ids->count);
    return LAM_OK;
}

static lam_code tokenize(const char *source, const char *output,
                         const lam_tokenize_options *options, const lam_tokenizer *tokenizer,
                         lam_error *error) {
    lam_text text;
    LAM_TRY(lam_text_read(source, html_modes[options->html], &text, error));
    if (text.replaced)
        lam_log(LAM_NORMAL, "warning: %s: %zu places are not UTF-8 and are read as U+FFFD", source,
                text.replaced);
    lam_ids ids = {0};
    lam_code code = lam_tokenizer_encode(tokenizer, text.data, text.bytes, &ids, error);
    if (code == LAM_OK && (options->pieces || !output)) print_pieces(tokenizer, &ids);
    if (code == LAM_OK && output)
        code = write_tokens(source, output, &text, tokenizer, &ids, options->html, error);
    lam_ids_destroy(&ids);
    lam_text_destroy(&text);
    return code;
}

lam_code lam_command_tokenize(int argc, const char *const *argv, lam_error *error) {
    lam_tokenize_options options = {0};
    const lam_option_group groups[] = {{"Options", tokenize_options, &options}, {NULL, NULL, NULL}};
    const lam_command command = {
        .name = "tokenize",
        .operands = "TEXT --model DIR [-o FILE.npy] [options]",
        .summary = "Turn a text (.txt, .html) into a file of token ids with its manifest; without "
                   "-o, print the tokens with their pieces of the text.",
        .fewest = 1,
        .most = 1,
        .groups = groups,
        .takes_output = true,
        .examples = examples};
    lam_arena arena = {0};
    lam_arguments arguments;
    lam_tokenizer *tokenizer = NULL;
    lam_code code = lam_options_default(tokenize_options, &options, &arena, error);
    if (code == LAM_OK) code = lam_arguments_parse(&command, argc, argv, &arguments, &arena, error);
    if (code == LAM_OK && arguments.help)
        lam_help_print(stdout, &command);
    else if (code == LAM_OK && arguments.version)
        puts("laminar " LAM_VERSION);
    else if (code == LAM_OK) {
        lam_log_open(arguments.level, true);
        if (!options.model) {
            lam_fail(error, LAM_USAGE, "the tokenizer's folder is missing: add --model DIR");
            code = lam_usage_hint(&command, error);
        }
        if (code == LAM_OK) code = lam_tokenizer_load(options.model, &tokenizer, error);
        if (code == LAM_OK)
            code =
                tokenize(arguments.operands.item[0], arguments.output, &options, tokenizer, error);
    }
    lam_tokenizer_destroy(tokenizer);
    lam_arena_destroy(&arena);
    return code;
}
