#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "jobs/tokenize.h"
#include "src/stop.h"

#include <stdio.h>
#include <string.h>

typedef struct lam_tokenize_options {
    const char *model;
    int html;
    bool pieces;
    int64_t limit, sample, seed;
    bool end_of_text;
} lam_tokenize_options;

static const char *const html_choices[] = {"article", "clip", NULL};
static const lam_html_mode html_modes[] = {LAM_HTML_ARTICLE, LAM_HTML_CLIP};

static const lam_option tokenize_options[] = {
    {"model", LAM_OPTION_PATH, offsetof(lam_tokenize_options, model), NULL, 0, 0, NULL,
     "the folder with the tokenizer (tokenizer.json, or vocab.json and merges.txt), or NAME@COMMIT "
     "of the model hub in the cache"},
    {"html", LAM_OPTION_CHOICE, offsetof(lam_tokenize_options, html), "article", 0, 0, html_choices,
     "what is taken of a page: the readable article, or the published cut with its tags"},
    {"pieces", LAM_OPTION_BOOL, offsetof(lam_tokenize_options, pieces), "no", 0, 0, NULL,
     "print every token, its id and its piece of the text, a line each"},
    {NULL},
};

static const lam_option document_options[] = {
    {"limit", LAM_OPTION_INTEGER, offsetof(lam_tokenize_options, limit), "0", 0, 0x1p31, NULL,
     "of a dump: how many articles are read, the first ones; 0: all"},
    {"sample", LAM_OPTION_INTEGER, offsetof(lam_tokenize_options, sample), "0", 0, 0x1p31, NULL,
     "of a dump: how many articles are drawn from all; 0: no draw"},
    {"seed", LAM_OPTION_INTEGER, offsetof(lam_tokenize_options, seed), "1", 0, 0x1p63, NULL,
     "what the draw follows from"},
    {"end_of_text", LAM_OPTION_BOOL, offsetof(lam_tokenize_options, end_of_text), "no", 0, 0, NULL,
     "of a dump or a manifest: put the token <|endoftext|> between documents"},
    {NULL},
};

static const char *const examples[] = {
    "laminar tokenize page.html --model models/gpt2 -o page.npy",
    "laminar tokenize story.txt --model models/gpt2 --pieces",
    "laminar tokenize pages.yaml --model models/gpt2 --end-of-text -o pages.npy",
    "mpirun -n 4 laminar tokenize enwiki-pages-articles.xml.bz2 --model models/gpt2 -o en.npy",
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

// first: the number of the first of them.
static void print_pieces(const lam_tokenizer *tokenizer, const uint32_t *id, size_t count,
                         size_t first) {
    for (size_t i = 0; i < count; i++) {
        size_t bytes = 0;
        const char *piece = lam_tokenizer_piece(tokenizer, id[i], &bytes);
        printf("%zu\t%u\t'", first + i, id[i]);
        if (piece) print_piece(piece, bytes);
        puts("'");
    }
}

static lam_code run(const lam_arguments *arguments, const lam_tokenize_options *options,
                    bool *speaks, lam_error *error) {
    const char *source = arguments->operands.item[0], *output = arguments->output;
    bool single = lam_documents_single(source);
    if (single && (options->limit || options->sample || options->end_of_text))
        return lam_fail(error, LAM_USAGE,
                        "%s is a single text: limit and sample are for dumps (.xml, .bz2), "
                        "end_of_text stands between the documents of a dump or of a manifest",
                        source);
    const lam_tokenize request = {
        .documents = {.path = source,
                      .html = html_modes[options->html],
                      .choice = {options->limit, options->sample, (uint64_t)options->seed},
                      .end_of_text = options->end_of_text},
        .output = output,
        .model = options->model,
        .print = options->pieces || !output ? print_pieces : NULL,
        .log_level = (int)arguments->level};
    return lam_tokenize_run(&request, speaks, error);
}

lam_code lam_command_tokenize(int argc, const char *const *argv, bool *speaks, lam_error *error) {
    lam_tokenize_options options = {0};
    const lam_option_group groups[] = {
        {"Options", tokenize_options, &options},
        {"Dumps and manifests", document_options, &options},
        {NULL, NULL, NULL},
    };
    const lam_command command = {
        .name = "tokenize",
        .operands = "TEXT --model DIR [-o FILE.npy] [options]",
        .summary = "Turn a text (.txt, .html), the texts of a manifest of laminar fetch (.yaml) or "
                   "a wiki's dump (.xml, .bz2) into a file of token ids with its manifest; without "
                   "-o, print the tokens with their pieces of the text. A manifest's texts are a "
                   "document each, and so are a dump's articles; under mpirun the ranks share "
                   "them.",
        .fewest = 1,
        .most = 1,
        .groups = groups,
        .takes_output = true,
        .examples = examples};
    lam_arena arena = {0};
    lam_arguments arguments;
    bool ended = false;
    lam_code code = lam_arguments_open(&command, argc, argv, &arguments, &ended, &arena, error);
    if (code == LAM_OK && !ended && !options.model) {
        lam_fail(error, LAM_USAGE, "the tokenizer's folder is missing: add --model DIR");
        code = lam_usage_hint(&command, error);
    } else if (code == LAM_OK && !ended) {
        code = lam_stop_begin(error);
        if (code == LAM_OK) code = run(&arguments, &options, speaks, error);
    }
    lam_arena_destroy(&arena);
    return code;
}
