#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "jobs/arguments.h"
#include "jobs/job_file.h"

#include <stdlib.h>
#include <string.h>

typedef struct alpha {
    int site;
    int64_t epochs;
    double learning_rate, l1;
    bool exact;
    const char *note, *export;
    lam_strings sites;
} alpha;

static const char *const site_choices[] = {"mlp_out", "mlp_fc", NULL};

static const lam_option alpha_options[] = {
    {"site", LAM_OPTION_CHOICE, offsetof(alpha, site), "mlp_out", 0, 0, site_choices,
     "the activations that the autoencoders are trained on"},
    {"epochs", LAM_OPTION_INTEGER, offsetof(alpha, epochs), "75", 1, 1e9, NULL,
     "passes over the rows"},
    {"learning_rate", LAM_OPTION_REAL, offsetof(alpha, learning_rate), "1e-3", 0, 1, NULL,
     "Adam's step"},
    {"l1", LAM_OPTION_REAL, offsetof(alpha, l1), "auto", 0, 0, NULL,
     "weight of the mean over rows of the sum over latents of their magnitude, in the loss that is "
     "minimised; auto: 1e-3"},
    {"exact", LAM_OPTION_BOOL, offsetof(alpha, exact), "false", 0, 0, NULL, "sum directly"},
    {"note", LAM_OPTION_STRING, offsetof(alpha, note), NULL, 0, 0, NULL,
     "for the result's history"},
    {"export", LAM_OPTION_PATH, offsetof(alpha, export), NULL, 0, 0, NULL, "a folder for weights"},
    {"sites", LAM_OPTION_STRINGS, offsetof(alpha, sites), "[mlp_fc]", 0, 0, site_choices, "sites"},
    {0},
};
static const lam_option shown_only[] = {
    {"folder", LAM_OPTION_PATH, 0, NULL, 0, 0, NULL, "shown only"},
    {"passes", LAM_OPTION_INTEGER, 0, "5", 0, 0, NULL, ""},
    {"plain", LAM_OPTION_BOOL, 0, "no", 0, 0, NULL, ""},
    {0},
};
static const lam_profile alpha_profile = {.name = "alpha",
                                          .summary = "One autoencoder a layer.",
                                          .options = alpha_options,
                                          .options_size = sizeof(alpha)};
static const lam_profile *const registry[] = {&alpha_profile, NULL};

typedef struct world {
    lam_arena arena;
    lam_error error;
    lam_job job;
    lam_arguments arguments;
    alpha alpha;
    lam_option_group groups[3];
    lam_command command;
} world;

static const char *const examples[] = {"laminar alpha --epochs 5", NULL};

static int set_up(void **state) {
    world *w = calloc(1, sizeof *w);
    *state = w;
    if (!w) return 1;
    w->groups[0] = (lam_option_group){"Profile", alpha_options, &w->alpha};
    w->groups[1] = (lam_option_group){"Keys of the job file", shown_only, NULL};
    w->command = (lam_command){.name = "alpha",
                               .operands = "SHAPE DIR [options]",
                               .summary = "Makes something out of nothing.",
                               .fewest = 0,
                               .most = 2,
                               .groups = w->groups,
                               .takes_output = true,
                               .takes_sets = true,
                               .examples = examples};
    return lam_options_default(alpha_options, &w->alpha, &w->arena, &w->error) != LAM_OK;
}

static int tear_down(void **state) {
    world *w = *state;
    lam_arena_destroy(&w->arena);
    free(w);
    return 0;
}

// Parses arguments that are separated by bars.
static lam_code parse(world *w, const char *line) {
    const char *argv[32];
    char *text = lam_arena_text(&w->arena, line, strlen(line), &w->error);
    int argc = 0;
    assert_non_null(text);
    for (char *next = text; *line && next; argc++) {
        assert_true(argc < 32);
        argv[argc] = strsep(&next, "|");
    }
    return lam_arguments_parse(&w->command, argc, argv, &w->arguments, &w->arena, &w->error);
}

static void accept_line(world *w, const char *line) {
    if (parse(w, line) != LAM_OK) fail_msg("%s: %s", line, w->error.text);
}

static void refuse_line(world *w, const char *line, const char *text) {
    assert_int_equal(parse(w, line), LAM_USAGE);
    char expected[1100];
    snprintf(expected, sizeof expected, "%s (see 'laminar alpha --help')", text);
    assert_string_equal(w->error.text, expected);
}

static void test_nothing(void **state) {
    world *w = *state;
    accept_line(w, "");
    assert_false(w->arguments.help || w->arguments.version);
    assert_int_equal(w->arguments.level, LAM_NORMAL);
    assert_null(w->arguments.output);
    assert_int_equal(w->arguments.sets.count + w->arguments.operands.count, 0);
    assert_int_equal(w->alpha.epochs, 75);
}

static void test_all_kinds_of_options(void **state) {
    world *w = *state;
    accept_line(w, "one|--epochs|2k|--learning-rate=5e-1|--exact|-v|--site|mlp_fc|--set|a.b=c|-o|x|"
                   "--note|-5|--set=d=e=f|two|--learning_rate|.25|--export=a=b");
    assert_int_equal(w->alpha.epochs, 2048);
    assert_true(w->alpha.learning_rate == 0.25);
    assert_true(w->alpha.exact);
    assert_int_equal(w->alpha.site, 1);
    assert_string_equal(w->alpha.note, "-5");
    assert_string_equal(w->alpha.export, "a=b");
    assert_int_equal(w->arguments.level, LAM_VERBOSE);
    assert_string_equal(w->arguments.output, "x");
    assert_int_equal(w->arguments.sets.count, 2);
    assert_string_equal(w->arguments.sets.item[1], "d=e=f");
    assert_int_equal(w->arguments.operands.count, 2);
    assert_string_equal(w->arguments.operands.item[1], "two");
    accept_line(w, "-ofile|-q|--|--epochs|-");
    assert_string_equal(w->arguments.output, "file");
    assert_int_equal(w->arguments.level, LAM_QUIET);
    assert_string_equal(w->arguments.operands.item[0], "--epochs");
    assert_string_equal(w->arguments.operands.item[1], "-");
    accept_line(w, "--output|long|--quiet|--verbose|--note=");
    assert_string_equal(w->arguments.output, "long");
    assert_int_equal(w->arguments.level, LAM_VERBOSE);
    assert_string_equal(w->alpha.note, "");
}

static void test_booleans_need_no_value(void **state) {
    world *w = *state;
    accept_line(w, "--exact|word");
    assert_true(w->alpha.exact);
    assert_int_equal(w->arguments.operands.count, 1);
    accept_line(w, "--exact=no");
    assert_false(w->alpha.exact);
    accept_line(w, "--exact|yes|--exact|off|word");
    assert_false(w->alpha.exact);
    assert_int_equal(w->arguments.operands.count, 1);
    accept_line(w, "word|--exact");
    assert_true(w->alpha.exact);
    refuse_line(w, "--exact=maybe", "'--exact': 'maybe' is not true or false");
}

static void test_help_and_version_win(void **state) {
    world *w = *state;
    static const char *const lines[] = {"--help", "-h", "--bogus|--help", "--epochs|-h",
                                        "a|b|c|-h"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        accept_line(w, lines[i]);
        assert_true(w->arguments.help);
        assert_false(w->arguments.version);
    }
    accept_line(w, "--version");
    assert_true(w->arguments.version);
    accept_line(w, "--|--help");
    assert_false(w->arguments.help);
    assert_string_equal(w->arguments.operands.item[0], "--help");
}

static void test_wrong_lines(void **state) {
    world *w = *state;
    refuse_line(w, "--epohcs|5", "unknown option '--epohcs' (nearest: '--epochs')");
    refuse_line(w, "--epohcs=5", "unknown option '--epohcs=5' (nearest: '--epochs')");
    refuse_line(w, "-epochs|5", "unknown option '-epochs' (nearest: '--epochs')");
    refuse_line(w, "--learn-rate|5", "unknown option '--learn-rate' (nearest: '--learning-rate')");
    refuse_line(w, "--quite", "unknown option '--quite' (nearest: '--quiet')");
    refuse_line(w, "--outptu|x", "unknown option '--outptu' (nearest: '--output')");
    refuse_line(w, "--zzzzzz", "unknown option '--zzzzzz'");
    refuse_line(w, "-x", "unknown option '-x'");
    refuse_line(w, "-qv", "unknown option '-qv'");
    refuse_line(w, "--=5", "unknown option '--=5'");
    refuse_line(w, "--folder|x", "unknown option '--folder'"); // shown, not taken
    refuse_line(w, "--epochs", "'--epochs' needs a value: a whole number from 1 to 1000000000");
    refuse_line(w, "--epochs|--exact",
                "'--epochs' needs a value: a whole number from 1 to 1000000000");
    refuse_line(w, "--note|-q", "'--note' needs a value: a text");
    refuse_line(w, "-o", "'-o' needs a value: the file to write");
    refuse_line(w, "--output=", "'-o' is empty, where the file to write is wanted");
    refuse_line(w, "--set", "'--set' needs a value: section.key=value");
    refuse_line(w, "--quiet=1", "'--quiet' takes no value");
    refuse_line(w, "--epochs=", "'--epochs': '' is not a whole number from 1 to 1000000000");
    refuse_line(w, "--learning-rate|2", "'--learning-rate': '2' is not a number from 0 to 1");
    refuse_line(w, "--export=", "'--export' is empty, where a path is wanted");
    refuse_line(w, "--note|caf\xe9", "'--note': 'caf\xe9' is not UTF-8 text");
    refuse_line(w, "--sites|mlp_fc|--sites=mlp_out",
                "'--sites' is given twice: write a list as '[a, b]'");
    refuse_line(w, "a|b|c", "unexpected argument 'c'");
    w->command.fewest = 2;
    refuse_line(w, "a", "an argument is missing: laminar alpha SHAPE DIR [options]");
    w->command.takes_output = w->command.takes_sets = false;
    refuse_line(w, "-o|x", "unknown option '-o'");
    refuse_line(w, "--set|x", "unknown option '--set'");
    w->command.groups = NULL;
    w->command.takes_sets = w->command.takes_job_file = true;
    refuse_line(
        w, "--epochs|5",
        "unknown option '--epochs': keys of the job file are given as --set section.key=value");
}

static void test_hints_fit_the_longest_line(void **state) {
    world *w = *state;
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(lam_fail(&w->error, LAM_USAGE, "%s", text), LAM_USAGE);
    assert_int_equal(lam_usage_hint(&w->command, &w->error), LAM_USAGE);
    size_t length = strlen(w->error.text);
    assert_int_equal(length, sizeof w->error.text - 1);
    assert_string_equal(w->error.text + length - 30, "x (see 'laminar alpha --help')");
    memset(text + 100, 0, 1);
    text[0] = text[1] = '-';
    assert_int_equal(parse(w, text), LAM_USAGE);
    assert_non_null(strstr(w->error.text, "xxx...' (see"));
}

static char *printed(world *w, void (*print)(FILE *, const void *), const void *what) {
    char *buffer = NULL;
    size_t length;
    FILE *out = open_memstream(&buffer, &length);
    assert_non_null(out);
    print(out, what);
    assert_int_equal(fclose(out), 0);
    char *text = lam_arena_text(&w->arena, buffer, length, &w->error);
    free(buffer);
    assert_non_null(text);
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        size_t width = strcspn(line, "\n");
        if (width > 80) fail_msg("%zu columns: %.*s", width, (int)width, line);
        if (width && line[width - 1] == ' ') fail_msg("blank at the end: %.*s", (int)width, line);
    }
    return text;
}

static void print_command(FILE *out, const void *command) {
    lam_help_print(out, command);
}

static void print_profile(FILE *out, const void *profile) {
    lam_job_help(out, profile);
}

static void test_help(void **state) {
    world *w = *state;
    assert_string_equal(
        printed(w, print_command, &w->command),
        "Usage: laminar alpha SHAPE DIR [options]\n"
        "\n"
        "Makes something out of nothing.\n"
        "\n"
        "Profile:\n"
        "  --site NAME             the activations that the autoencoders are trained on\n"
        "                          (one of mlp_out, mlp_fc; default mlp_out)\n"
        "  --epochs N              passes over the rows (a whole number from 1 to\n"
        "                          1000000000; default 75)\n"
        "  --learning-rate X       Adam's step (a number from 0 to 1; default 1e-3)\n"
        "  --l1 X                  weight of the mean over rows of the sum over latents\n"
        "                          of their magnitude, in the loss that is minimised;\n"
        "                          auto: 1e-3 (a number, or auto; default auto)\n"
        "  --exact                 sum directly (default false)\n"
        "  --note TEXT             for the result's history\n"
        "  --export PATH           a folder for weights\n"
        "  --sites NAMES           sites (one of mlp_out, mlp_fc, or a list of them: [a,\n"
        "                          b]; default [mlp_fc])\n"
        "\n"
        "Keys of the job file:\n"
        "  folder: PATH            shown only\n"
        "  passes: N               (a whole number; default 5)\n"
        "  plain:                  (true or false; default no)\n"
        "\n"
        "General:\n"
        "  -o, --output FILE       the file to write\n"
        "  --set KEY=VALUE         a key of the job file, section.key for a profile's;\n"
        "                          may be given again\n"
        "  -q, --quiet             print errors only\n"
        "  -v, --verbose           print more\n"
        "  -h, --help              print this help\n"
        "  --version               print the version\n"
        "\n"
        "Examples:\n"
        "  laminar alpha --epochs 5\n");
}

static void test_help_of_a_profile(void **state) {
    world *w = *state;
    const char *text = printed(w, print_profile, &alpha_profile);
    assert_non_null(strstr(text, "Usage: laminar alpha --model PATH [options]\n"));
    assert_non_null(strstr(text, "\n  --learning-rate X "));
    assert_non_null(strstr(text, "\n  --model PATHS "));
    assert_non_null(strstr(text, "\n  --sequences N "));
    assert_non_null(strstr(text, "\n  -o, --output PATH "));
    assert_non_null(strstr(text, "\n  --set KEY=VALUE "));
}

static void test_a_profile_from_its_command_line(void **state) {
    world *w = *state;
    const char *argv[] = {
        "--model", "[a, b]", "--text=p.txt", "--learning-rate", "1e-2",           "--exact",
        "-o",      "o.nc",   "--mode",       "published",       "--set",          "alpha.epochs=9",
        "--seed",  "12",     "-q",           "--set",           "alpha.length=77"};
    int argc = sizeof argv / sizeof *argv;
    if (lam_job_from_arguments(&alpha_profile, argc, argv, &w->arguments, &w->job, &w->arena,
                               &w->error) != LAM_OK)
        fail_msg("%s", w->error.text);
    const alpha *a = w->job.section->options;
    assert_int_equal(w->job.section_count, 1);
    assert_int_equal(w->job.globals.model.count, 2);
    assert_string_equal(w->job.globals.output, "o.nc");
    assert_int_equal(w->job.globals.mode, LAM_PUBLISHED);
    assert_int_equal(w->job.globals.seed, 12);
    assert_string_equal(w->job.section->input.text.item[0], "p.txt");
    assert_int_equal(w->job.section->input.length, 77);
    assert_true(a->exact);
    assert_int_equal(a->epochs, 9);
    assert_true(a->learning_rate == 1e-2);
    assert_int_equal(w->arguments.level, LAM_QUIET);
    // the same job as a file gives the same text
    const char *text = lam_job_yaml(&w->job, &w->arena, &w->error);
    if (lam_job_parse(text, strlen(text), "x", NULL, NULL, NULL, registry, &w->job, &w->arena,
                      &w->error) != LAM_OK)
        fail_msg("%s", w->error.text);
    assert_string_equal(lam_job_yaml(&w->job, &w->arena, &w->error), text);
}

static void test_wrong_command_lines_of_a_profile(void **state) {
    world *w = *state;
    static const struct {
        const char *argv[4];
        const char *line;
    } cases[] = {
        {{"--text", "x"}, "--model is missing: name a checkpoint folder"},
        {{"--model", "m", "--epohcs", "5"}, "unknown option '--epohcs' (nearest: '--epochs')"},
        {{"--model", "m", "job.yaml"}, "unexpected argument 'job.yaml'"},
        {{"--model", "m", "--epochs"},
         "'--epochs' needs a value: a whole number from 1 to 1000000000"},
        {{"--model", "m", "--set", "alpha.x=1"},
         "--set: unknown key 'x' in 'alpha' (known: site, epochs, learning_rate, l1, exact, note, "
         "export, sites, text, html, sequences, length, select, limit, sample, end_of_text, "
         "documents)"},
        {{"--model", "m", "--set", "beta.template=1"}, "--set: unknown profile 'beta'"},
        {{"--model=a", "--model=b"}, "'--model' is given twice: write a list as '[a, b]'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int argc = 0;
        while (argc < 4 && cases[i].argv[argc]) argc++;
        assert_int_equal(lam_job_from_arguments(&alpha_profile, argc, cases[i].argv, &w->arguments,
                                                &w->job, &w->arena, &w->error),
                         LAM_USAGE);
        if (strncmp(w->error.text, cases[i].line, strlen(cases[i].line)) != 0)
            fail_msg("'%s' is not '%s'", w->error.text, cases[i].line);
        assert_non_null(strstr(w->error.text, " (see 'laminar alpha --help')"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
        TEST(nothing),
        TEST(all_kinds_of_options),
        TEST(booleans_need_no_value),
        TEST(help_and_version_win),
        TEST(wrong_lines),
        TEST(hints_fit_the_longest_line),
        TEST(help),
        TEST(help_of_a_profile),
        TEST(a_profile_from_its_command_line),
        TEST(wrong_command_lines_of_a_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
