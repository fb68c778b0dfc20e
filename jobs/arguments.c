#include "arguments.h"

#include "lam_version.h"
#include "src/columns.h"
#include "src/wording.h"

#include <stdio.h>
#include <string.h>

enum {
    NARROWEST = 30,
    WIDTH = 80,
    NARROW = 60,
    TEXT_COLUMN = 26,
    NARROW_COLUMN = 6,
    NAME_ROOM = 64
};

struct parser {
    const lam_command *command;
    int argc, at; // at: the next of argv
    const char *const *argv;
    lam_arguments *arguments;
    const lam_option **given; // those of lists, to refuse them twice
    size_t given_count;
    lam_arena *arena;
    lam_error *error;
};

// "--learning-rate" for learning_rate.
typedef struct dashed_name {
    char text[NAME_ROOM];
} dashed_name;

static dashed_name dashed(const char *name) {
    dashed_name to;
    snprintf(to.text, sizeof to.text, "--%s", name);
    for (char *c = to.text; *c; c++)
        if (*c == '_') *c = '-';
    return to;
}

lam_code lam_usage_hint(const lam_command *command, lam_error *error) {
    char hint[NAME_ROOM + 32];
    snprintf(hint, sizeof hint, " (see 'laminar %s --help')", command->name);
    size_t length = strlen(error->text), room = sizeof error->text - strlen(hint) - 1;
    strcpy(error->text + (length < room ? length : room), hint);
    return error->code;
}

// The entry of that name that the command line takes, and its struct.
static const lam_option *find(const lam_command *command, const char *name, void **options) {
    for (const lam_option_group *group = command->groups; group && group->table; group++) {
        if (!group->options) continue;
        *options = group->options;
        const lam_option *option = lam_option_find(group->table, name);
        if (option) return option;
    }
    return NULL;
}

static lam_code fail_unknown(const struct parser *parser, const char *argument) {
    const lam_command *command = parser->command;
    const char *name = argument + strspn(argument, "-");
    size_t length = strcspn(name, "=");
    char wanted[NAME_ROOM];
    snprintf(wanted, sizeof wanted, "%.*s", length < NAME_ROOM ? (int)length : NAME_ROOM, name);
    lam_nearest nearest = {.wanted = wanted};
    for (const lam_option_group *group = command->groups; group && group->table; group++) {
        if (!group->options) continue;
        for (const lam_option *option = group->table; option->name; option++)
            lam_nearest_offer(&nearest, option->name);
    }
    static const char *const flags[] = {"help", "version", "quiet", "verbose"};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) lam_nearest_offer(&nearest, flags[i]);
    if (command->takes_output) lam_nearest_offer(&nearest, "output");
    if (command->takes_sets) lam_nearest_offer(&nearest, "set");
    if (command->takes_resume) lam_nearest_offer(&nearest, "resume");
    if (command->takes_resume) lam_nearest_offer(&nearest, "checkpoint");
    char hint[NAME_ROOM + 64] = "";
    if (nearest.name)
        snprintf(hint, sizeof hint, " (nearest: '%s')", dashed(nearest.name).text);
    else if (command->takes_job_file)
        strcpy(hint, ": keys of the job file are given as --set section.key=value");
    return lam_fail(parser->error, LAM_USAGE, "unknown option '%s'%s",
                    lam_excerpt_of(argument).text, hint);
}

// Whether an argument after an option cannot be meant as its value.
static bool looks_like_option(const char *argument) {
    return !strncmp(argument, "--", 2) || !strcmp(argument, "-o") || !strcmp(argument, "-q") ||
           !strcmp(argument, "-v");
}

// The value after "=", else the next argument.
static lam_code take_value(struct parser *parser, const char *name, const char *wanted,
                           const char *inlined, const char **value) {
    *value = inlined;
    if (!inlined && parser->at < parser->argc && !looks_like_option(parser->argv[parser->at]))
        *value = parser->argv[parser->at++];
    if (*value) return LAM_OK;
    return lam_fail(parser->error, LAM_USAGE, "'%s' needs a value: %s", name, wanted);
}

static lam_code set_option(struct parser *parser, const lam_option *option, void *options,
                           const char *inlined) {
    dashed_name name = dashed(option->name);
    const char *value = inlined ? inlined : "true";
    if (option->type == LAM_OPTION_BOOL) {
        // "--exact" is enough, but "--exact no" is understood too.
        lam_error ignored;
        if (!inlined && parser->at < parser->argc &&
            lam_option_set(option, options, name.text, parser->argv[parser->at], NULL,
                           parser->arena, &ignored) == LAM_OK)
            value = parser->argv[parser->at++];
    } else {
        LAM_TRY(take_value(parser, name.text, lam_option_describe(option).text, inlined, &value));
    }
    bool list = option->type == LAM_OPTION_STRINGS || option->type == LAM_OPTION_PATHS ||
                option->type == LAM_OPTION_WORD_LISTS;
    for (size_t i = 0; list && i < parser->given_count; i++)
        if (parser->given[i] == option)
            return lam_fail(parser->error, LAM_USAGE,
                            "'%s' is given twice: write a list as '[a, b]'", name.text);
    if (list) parser->given[parser->given_count++] = option;
    return lam_option_set(option, options, name.text, value, NULL, parser->arena, parser->error);
}

static lam_code take_output(struct parser *parser, const char *argument, const char *inlined) {
    void *options;
    const lam_option *option = find(parser->command, "output", &options);
    if (option) return set_option(parser, option, options, inlined);
    if (!parser->command->takes_output) return fail_unknown(parser, argument);
    LAM_TRY(take_value(parser, "-o", "the file to write", inlined, &parser->arguments->output));
    if (*parser->arguments->output) return LAM_OK;
    return lam_fail(parser->error, LAM_USAGE, "'-o' is empty, where the file to write is wanted");
}

// "--checkpoint 5m" where the keys of the job file are not options: "--set checkpoint=5m".
static lam_code take_checkpoint(struct parser *parser, const char *inlined) {
    lam_strings *sets = &parser->arguments->sets;
    const char *value;
    LAM_TRY(
        take_value(parser, "--checkpoint", "a time like 30s, 5m or 1h, or never", inlined, &value));
    value = lam_arena_format(parser->arena, parser->error, "checkpoint=%s", value);
    sets->item[sets->count++] = value;
    return value ? LAM_OK : LAM_MEMORY;
}

static lam_code take_long(struct parser *parser, const char *argument) {
    size_t length = strcspn(argument + 2, "=");
    const char *inlined = argument[2 + length] ? argument + 2 + length + 1 : NULL;
    const char *name = lam_arena_text(parser->arena, argument + 2, length, parser->error);
    if (!name) return LAM_MEMORY;
    lam_arguments *arguments = parser->arguments;
    void *options;
    const lam_option *option = find(parser->command, name, &options);
    if (option) return set_option(parser, option, options, inlined);
    if (!strcmp(name, "output")) return take_output(parser, argument, inlined);
    if (!strcmp(name, "set") && parser->command->takes_sets)
        return take_value(parser, "--set", "section.key=value", inlined,
                          &arguments->sets.item[arguments->sets.count++]);
    if (!strcmp(name, "checkpoint") && parser->command->takes_resume)
        return take_checkpoint(parser, inlined);
    bool resume = !strcmp(name, "resume") && parser->command->takes_resume;
    bool quiet = !strcmp(name, "quiet");
    if (!resume && !quiet && strcmp(name, "verbose") != 0) return fail_unknown(parser, argument);
    if (inlined) return lam_fail(parser->error, LAM_USAGE, "'--%s' takes no value", name);
    if (resume)
        arguments->resume = true;
    else
        arguments->level = quiet ? LAM_QUIET : LAM_VERBOSE;
    return LAM_OK;
}

static lam_code take_short(struct parser *parser, const char *argument) {
    if (argument[1] == 'o') return take_output(parser, argument, argument[2] ? argument + 2 : NULL);
    if (!strcmp(argument, "-q"))
        parser->arguments->level = LAM_QUIET;
    else if (!strcmp(argument, "-v"))
        parser->arguments->level = LAM_VERBOSE;
    else
        return fail_unknown(parser, argument);
    return LAM_OK;
}

static lam_code take_all(struct parser *parser) {
    lam_arguments *arguments = parser->arguments;
    const lam_command *command = parser->command;
    bool ended = false;
    while (parser->at < parser->argc) {
        const char *argument = parser->argv[parser->at++];
        if (ended || *argument != '-' || !argument[1]) {
            if (arguments->operands.count == command->most)
                return lam_fail(parser->error, LAM_USAGE, "unexpected argument '%s'",
                                lam_excerpt_of(argument).text);
            arguments->operands.item[arguments->operands.count++] = argument;
        } else if (!strcmp(argument, "--")) {
            ended = true;
        } else if (argument[1] == '-') {
            LAM_TRY(take_long(parser, argument));
        } else {
            LAM_TRY(take_short(parser, argument));
        }
    }
    if (arguments->operands.count >= command->fewest) return LAM_OK;
    return lam_fail(parser->error, LAM_USAGE, "an argument is missing: laminar %s %s",
                    command->name, command->operands);
}

lam_code lam_arguments_parse(const lam_command *command, int argc, const char *const *argv,
                             lam_arguments *arguments, lam_arena *arena, lam_error *error) {
    *arguments = (lam_arguments){.level = LAM_NORMAL};
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        arguments->help |= !strcmp(argv[i], "-h") || !strcmp(argv[i], "--help");
        arguments->version |= !strcmp(argv[i], "--version");
    }
    if (arguments->help || arguments->version) return LAM_OK;
    struct parser parser = {.command = command,
                            .argc = argc,
                            .argv = argv,
                            .arguments = arguments,
                            .arena = arena,
                            .error = error};
    LAM_ALLOC(arguments->sets.item, arena, argc, error);
    LAM_ALLOC(arguments->operands.item, arena, argc, error);
    LAM_ALLOC(parser.given, arena, argc, error);
    lam_code code = take_all(&parser);
    return code == LAM_USAGE ? lam_usage_hint(command, error) : code;
}

// Prints words from the given column on, in lines that begin at indent; returns the column reached.
static size_t print_wrapped(FILE *out, const char *text, size_t indent, size_t column) {
    const size_t width = (size_t)lam_columns(fileno(out), NARROWEST, WIDTH);
    bool fresh = true; // nothing is printed in this line yet
    text += strspn(text, " ");
    while (*text) {
        size_t length = strcspn(text, " ");
        if (!fresh && column + 1 + length > width) {
            fprintf(out, "\n%*s", (int)indent, "");
            column = indent;
            fresh = true;
        }
        column += length + !fresh;
        fprintf(out, "%s%.*s", fresh ? "" : " ", (int)length, text);
        fresh = false;
        text += length + strspn(text + length, " ");
    }
    return column;
}

void lam_help_entry(FILE *out, const char *term, const char *text) {
    const bool narrow = lam_columns(fileno(out), NARROWEST, WIDTH) < NARROW;
    const size_t column = narrow ? NARROW_COLUMN : TEXT_COLUMN;
    if (2 + strlen(term) + 2 > column)
        fprintf(out, "  %s\n%*s", term, (int)column, "");
    else
        fprintf(out, "  %-*s", (int)column - 2, term);
    print_wrapped(out, text, column, column);
    fputc('\n', out);
}

static const char *placeholder(const lam_option *option) {
    switch (option->type) {
    case LAM_OPTION_BOOL:
        return "";
    case LAM_OPTION_INTEGER:
        return " N";
    case LAM_OPTION_REAL:
        return " X";
    case LAM_OPTION_DURATION:
        return " TIME";
    case LAM_OPTION_CHOICE:
        return " NAME";
    case LAM_OPTION_STRING:
        return " TEXT";
    case LAM_OPTION_PATH:
        return " PATH";
    case LAM_OPTION_STRINGS:
        return option->choices ? " NAMES" : " TEXTS";
    case LAM_OPTION_PATHS:
        return " PATHS";
    case LAM_OPTION_WORD_LISTS:
        return " LISTS";
    }
    return "";
}

static void print_option(FILE *out, const lam_option *option, bool key) {
    char term[NAME_ROOM + 16], text[2048];
    if (key)
        snprintf(term, sizeof term, "%s:%s", option->name, placeholder(option));
    else
        snprintf(term, sizeof term, "%s%s%s", strcmp(option->name, "output") ? "" : "-o, ",
                 dashed(option->name).text, placeholder(option));
    bool described = option->type != LAM_OPTION_STRING && option->type != LAM_OPTION_PATH &&
                     (option->type != LAM_OPTION_BOOL || key);
    snprintf(text, sizeof text, "%s%s%s%s%s%s%s", option->help,
             described || option->fallback ? " (" : "",
             described ? lam_option_describe(option).text : "",
             described && option->fallback ? "; " : "", option->fallback ? "default " : "",
             option->fallback ? option->fallback : "", described || option->fallback ? ")" : "");
    lam_help_entry(out, term, text);
}

void lam_help_keys(FILE *out, const char *title, const lam_option *table) {
    fprintf(out, "\n%s:\n", title);
    for (const lam_option *option = table; option->name; option++) print_option(out, option, true);
}

void lam_help_print(FILE *out, const lam_command *command) {
    void *options;
    size_t column = (size_t)fprintf(out, "Usage: laminar %s ", command->name);
    print_wrapped(out, command->operands, 7, column);
    fputs("\n\n", out);
    print_wrapped(out, command->summary, 0, 0);
    fputc('\n', out);
    for (const lam_option_group *group = command->groups; group && group->table; group++) {
        fprintf(out, "\n%s:\n", group->title);
        for (const lam_option *option = group->table; option->name; option++)
            print_option(out, option, !group->options);
    }
    fputs("\nGeneral:\n", out);
    if (command->takes_output) lam_help_entry(out, "-o, --output FILE", "the file to write");
    if (command->takes_sets)
        lam_help_entry(out, "--set KEY=VALUE",
                       "a key of the job file, section.key for a profile's; may be given again");
    if (command->takes_resume && !find(command, "checkpoint", &options))
        lam_help_entry(out, "--checkpoint TIME", "the same as --set checkpoint=TIME");
    if (command->takes_resume)
        lam_help_entry(out, "--resume",
                       "go on with what an unfinished run has kept in its folder, FILE.run");
    lam_help_entry(out, "-q, --quiet", "print errors only");
    lam_help_entry(out, "-v, --verbose", "print more");
    lam_help_entry(out, "-h, --help", "print this help");
    lam_help_entry(out, "--version", "print the version");
    if (command->examples && *command->examples) fputs("\nExamples:\n", out);
    for (const char *const *line = command->examples; line && *line; line++)
        fprintf(out, "  %s\n", *line);
}

lam_code lam_arguments_open(const lam_command *command, int argc, const char *const *argv,
                            lam_arguments *arguments, bool *ended, lam_arena *arena,
                            lam_error *error) {
    for (const lam_option_group *group = command->groups; group && group->table; group++)
        LAM_TRY(lam_options_default(group->table, group->options, arena, error));
    LAM_TRY(lam_arguments_parse(command, argc, argv, arguments, arena, error));
    *ended = arguments->help || arguments->version;
    if (arguments->help) {
        lam_help_print(stdout, command);
        if (command->help_end) command->help_end();
    } else if (arguments->version)
        puts("laminar " LAM_VERSION);
    return LAM_OK;
}

lam_code lam_command_alone(const lam_command *command, lam_command_work *work, int argc,
                           const char *const *argv, lam_error *error) {
    lam_arena arena = {0};
    lam_arguments arguments;
    bool ended = false;
    lam_code code = lam_arguments_open(command, argc, argv, &arguments, &ended, &arena, error);
    if (code == LAM_OK && !ended) {
        lam_log_open(arguments.level, true);
        code = work(command, &arguments, &arena, error);
    }
    lam_arena_destroy(&arena);
    return code;
}
