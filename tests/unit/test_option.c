#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "src/decimal.h"
#include "src/option.h"

#include <float.h>
#include <locale.h>
#include <math.h>

typedef struct sample {
    bool exact;
    int64_t latents, top, offset, wide;
    double rate, l1, share, shift, penalty, pause;
    int kind;
    const char *template, *passage;
    lam_strings sites, targets, models;
    lam_word_lists categories;
} sample;

static const char *const kinds[] = {"relu", "topk", "batchtopk", "off", NULL};
static const char *const sites[] = {"qkv", "mlp_fc", "mlp_out", NULL};

#define ENTRY(name, type, ...)                                                                     \
    { #name, LAM_OPTION_##type, offsetof(sample, name), __VA_ARGS__ }

static const lam_option table[] = {
    ENTRY(exact, BOOL, "false", 0, 0, NULL, ""),
    ENTRY(latents, INTEGER, "auto", 1, 1 << 20, NULL, ""),
    ENTRY(top, INTEGER, "5", 0, 0, NULL, ""),
    ENTRY(offset, INTEGER, NULL, -10, INFINITY, NULL, ""),
    ENTRY(wide, INTEGER, "64k", 0, 0x1p63, NULL, ""),
    ENTRY(rate, REAL, "1e-3", DBL_MIN, INFINITY, NULL, ""),
    ENTRY(l1, REAL, "auto", 0, 10, NULL, ""),
    ENTRY(share, REAL, "0.5", DBL_MIN, 1, NULL, ""),
    ENTRY(shift, REAL, NULL, 0, 0, NULL, ""),
    ENTRY(penalty, REAL, NULL, -INFINITY, 2.5, NULL, ""),
    ENTRY(pause, DURATION, "5m", 0, 0, NULL, ""),
    ENTRY(kind, CHOICE, "topk", 0, 0, kinds, ""),
    ENTRY(template, STRING, "The next word is {}", 0, 0, NULL, ""),
    ENTRY(passage, PATH, NULL, 0, 0, NULL, ""),
    ENTRY(sites, STRINGS, "[qkv, mlp_fc]", 0, 0, sites, ""),
    ENTRY(targets, STRINGS, "not", 0, 0, NULL, ""),
    ENTRY(models, PATHS, NULL, 0, 0, NULL, ""),
    ENTRY(categories, WORD_LISTS, "{sky: [moon, star], fruit: [pear]}", 0, 0, NULL, ""),
    {0},
};

typedef struct world {
    lam_arena arena;
    lam_error error;
    sample value;
} world;

static int set_up(void **state) {
    world *w = calloc(1, sizeof *w);
    *state = w;
    return w ? lam_options_default(table, &w->value, &w->arena, &w->error) != LAM_OK : 1;
}

static int tear_down(void **state) {
    world *w = *state;
    lam_arena_destroy(&w->arena);
    free(w);
    return 0;
}

static lam_code set(world *w, const char *name, const char *text) {
    const lam_option *option = lam_option_find(table, name);
    assert_non_null(option);
    return lam_option_set(option, &w->value, name, text, NULL, &w->arena, &w->error);
}

static void accept_text(world *w, const char *name, const char *text) {
    if (set(w, name, text) != LAM_OK) fail_msg("%s=%s: %s", name, text, w->error.text);
}

// The value stays what it was, and the line is exactly this.
static void refuse_text(world *w, const char *name, const char *text, const char *line) {
    sample before = w->value;
    assert_int_equal(set(w, name, text), LAM_USAGE);
    assert_string_equal(w->error.text, line);
    assert_memory_equal(&before, &w->value, sizeof before);
}

static const char *text_of(world *w, const char *name) {
    const char *text =
        lam_option_text(lam_option_find(table, name), &w->value, &w->arena, &w->error);
    assert_non_null(text);
    return text;
}

static void test_defaults(void **state) {
    world *w = *state;
    assert_false(w->value.exact);
    assert_true(w->value.latents == LAM_AUTO_INTEGER);
    assert_int_equal(w->value.top, 5);
    assert_int_equal(w->value.offset, 0);
    assert_int_equal(w->value.wide, 65536);
    assert_true(w->value.rate == 1e-3);
    assert_true(w->value.l1 == LAM_AUTO_REAL);
    assert_int_equal(w->value.kind, 1);
    assert_string_equal(w->value.template, "The next word is {}");
    assert_null(w->value.passage);
    assert_int_equal(w->value.sites.count, 2);
    assert_string_equal(w->value.sites.item[1], "mlp_fc");
    assert_int_equal(w->value.targets.count, 1);
    assert_int_equal(w->value.models.count, 0);
    assert_int_equal(w->value.categories.count, 2);
    assert_string_equal(w->value.categories.name[1], "fruit");
    assert_string_equal(w->value.categories.words[0].item[1], "star");
}

static void test_a_wrong_fallback_is_a_fault_of_ours(void **state) {
    world *w = *state;
    static const lam_option wrong[] = {ENTRY(top, INTEGER, "five", 0, 0, NULL, ""), {0}};
    assert_int_equal(lam_options_default(wrong, &w->value, &w->arena, &w->error), LAM_INTERNAL);
    assert_string_equal(w->error.text,
                        "in the table of options: 'top': 'five' is not a whole number");
}

static void test_integers(void **state) {
    world *w = *state;
    static const struct {
        const char *text;
        int64_t value;
    } good[] = {{"0", 0},
                {"-7", -7},
                {"+12", 12},
                {"010", 10},
                {"64k", 65536},
                {"3K", 3072},
                {"2M", 2097152},
                {"1G", 1073741824},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775807", -INT64_MAX},
                {"8589934591G", INT64_C(8589934591) << 30}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        accept_text(w, "top", good[i].text);
        assert_true(w->value.top == good[i].value);
    }
    static const char *const bad[] = {"",
                                      " 5",
                                      "5 ",
                                      "5.0",
                                      "1e3",
                                      "0x10",
                                      "k",
                                      "-",
                                      "5kk",
                                      "5m",
                                      "5KB",
                                      "nan",
                                      "ten",
                                      "1_0",
                                      "१",
                                      "--5",
                                      "+-5",
                                      "auto",
                                      "9223372036854775808",
                                      "-9223372036854775808",
                                      "8589934592G",
                                      "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[200];
        snprintf(line, sizeof line, "'top': '%s' is not a whole number", bad[i]);
        refuse_text(w, "top", bad[i], line);
    }
    accept_text(w, "latents", "1M");
    refuse_text(w, "latents", "1048577",
                "'latents': '1048577' is not a whole number from 1 to 1048576, or auto");
    refuse_text(w, "latents", "0",
                "'latents': '0' is not a whole number from 1 to 1048576, or auto");
    refuse_text(w, "latents", "Auto",
                "'latents': 'Auto' is not a whole number from 1 to 1048576, or auto");
    accept_text(w, "latents", "auto");
    assert_true(w->value.latents == LAM_AUTO_INTEGER);
    refuse_text(w, "offset", "-11", "'offset': '-11' is not a whole number of -10 or more");
    accept_text(w, "wide", "9223372036854775807");
    refuse_text(w, "wide", "-1", "'wide': '-1' is not a whole number of 0 or more");
}

static void test_reals(void **state) {
    world *w = *state;
    static const struct {
        const char *text;
        double value;
    } good[] = {
        {"0", 0},           {"-0.5", -0.5}, {".5", 0.5},    {"5.", 5},
        {"1e-3", .001},     {"1E+3", 1000}, {"+2.50", 2.5}, {"1.7976931348623157e308", DBL_MAX},
        {"5e-324", 5e-324}, {"0e-999", 0}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        accept_text(w, "shift", good[i].text);
        assert_true(w->value.shift == good[i].value);
    }
    static const char *const bad[] = {"",
                                      "nan",
                                      "NaN",
                                      "inf",
                                      "-Infinity",
                                      "0x1p3",
                                      "1e",
                                      "1e+",
                                      "e5",
                                      ".",
                                      "1.2.3",
                                      "1,5",
                                      " 1",
                                      "1 ",
                                      "1e999",
                                      "1e-999",
                                      "-1.7976931348623157e308",
                                      "1k",
                                      "auto"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[200];
        snprintf(line, sizeof line, "'shift': '%s' is not a number", bad[i]);
        refuse_text(w, "shift", bad[i], line);
    }
    refuse_text(w, "rate", "0", "'rate': '0' is not a number above 0");
    refuse_text(w, "share", "1.0001", "'share': '1.0001' is not a number above 0, at most 1");
    accept_text(w, "share", "1");
    refuse_text(w, "l1", "-1", "'l1': '-1' is not a number from 0 to 10, or auto");
    accept_text(w, "l1", "auto");
    assert_true(w->value.l1 == LAM_AUTO_REAL);
    refuse_text(w, "penalty", "2.6", "'penalty': '2.6' is not a number of 2.5 or less");
    accept_text(w, "penalty", "-1e300");
}

static void test_durations(void **state) {
    world *w = *state;
    static const struct {
        const char *text, *again;
        double seconds;
    } good[] = {{"30s", "30s", 30},       {"5m", "5m", 300},      {"90s", "90s", 90},
                {"60s", "1m", 60},        {"1.5h", "90m", 5400},  {"2h", "2h", 7200},
                {"0.25s", "0.25s", 0.25}, {"never", "never", 0},  {"0", "never", 0},
                {"0s", "never", 0},       {"1e-3m", "0.06s", .06}};
    assert_true(w->value.pause == 300);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        accept_text(w, "pause", good[i].text);
        assert_true(w->value.pause == good[i].seconds);
        assert_string_equal(text_of(w, "pause"), good[i].again);
    }
    static const char *const bad[] = {"",    "5",    "m",    "5 m",    "-5m",
                                      "5mm", "5min", "nanm", "1e308h", "auto"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[200];
        snprintf(line, sizeof line, "'pause': '%s' is not a time like 30s, 5m or 1h, or never",
                 bad[i]);
        refuse_text(w, "pause", bad[i], line);
    }
}

// The same locale, compiled for this test where its sources are installed.
static const char *made_locale(void) {
    char *folder = temp_dir(), command[5000];
    if (!folder) return NULL;
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2>/dev/null",
             folder);
    setenv("LOCPATH", folder, 1);
    const char *found = system(command) ? NULL : setlocale(LC_ALL, "de_DE.UTF-8");
    unsetenv("LOCPATH");
    remove_tree(folder);
    free(folder);
    return found;
}

static void test_reals_in_a_locale_with_commas(void **state) {
    world *w = *state;
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8"};
    const char *found = NULL;
    for (size_t i = 0; !found && i < sizeof names / sizeof *names; i++)
        found = setlocale(LC_ALL, names[i]);
    if (!found) found = made_locale();
    if (!found) {
        print_message("skipped: no locale with decimal commas is installed\n");
        skip();
    }
    char half[8];
    snprintf(half, sizeof half, "%.1f", 0.5);
    bool understood = set(w, "shift", "2.75") == LAM_OK && w->value.shift == 2.75;
    bool refused = set(w, "shift", "2,75") == LAM_USAGE;
    const char *text = text_of(w, "shift");
    setlocale(LC_ALL, "C");
    assert_string_equal(half, "0,5"); // the locale does what it is here for
    assert_true(understood);
    assert_true(refused);
    assert_string_equal(text, "2.75");
}

static void test_real_texts_are_short_and_exact(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } known[] = {{0.001, "0.001"}, {1e-5, "1.0e-05"},
                 {1000, "1000"},   {0.1, "0.1"},
                 {-2, "-2"},       {1e300, "1.0e+300"},
                 {2.5, "2.5"},     {1.25e-7, "1.25e-07"},
                 {0, "0"},         {1.0 / 3, "0.3333333333333333"}};
    char text[LAM_REAL_ROOM];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        lam_real_text(known[i].value, text);
        assert_string_equal(text, known[i].text);
    }
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        double value, again;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        lam_real_text(value, text);
        assert_true(lam_real_parse(text, &again));
        assert_memory_equal(&value, &again, sizeof value);
    }
}

static void test_bools_and_choices(void **state) {
    world *w = *state;
    static const char *const yes[] = {"true", "yes", "on", "True", "ON"};
    static const char *const no[] = {"false", "no", "off", "False", "NO"};
    for (size_t i = 0; i < 5; i++) {
        accept_text(w, "exact", yes[i]);
        assert_true(w->value.exact);
        accept_text(w, "exact", no[i]);
        assert_false(w->value.exact);
    }
    refuse_text(w, "exact", "1", "'exact': '1' is not true or false");
    refuse_text(w, "exact", "", "'exact': '' is not true or false");
    accept_text(w, "kind", "off");
    assert_int_equal(w->value.kind, 3);
    refuse_text(w, "kind", "topK",
                "'kind': 'topK' is not one of relu, topk, batchtopk, off (nearest: 'topk')");
    refuse_text(w, "kind", "rleu",
                "'kind': 'rleu' is not one of relu, topk, batchtopk, off (nearest: 'relu')");
    refuse_text(w, "kind", "gated", "'kind': 'gated' is not one of relu, topk, batchtopk, off");
}

static void test_texts_and_paths(void **state) {
    world *w = *state;
    const lam_option *passage = lam_option_find(table, "passage");
    static const struct {
        const char *folder, *given, *path;
    } cases[] = {{"jobs", "led.txt", "jobs/led.txt"},
                 {"jobs/", "led.txt", "jobs/led.txt"},
                 {"jobs", "/data/x", "/data/x"},
                 {NULL, "led.txt", "led.txt"},
                 {"", "led.txt", "led.txt"},
                 {"/", "x", "/x"},
                 {"../a", "../b c.txt", "../a/../b c.txt"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(lam_option_set(passage, &w->value, "passage", cases[i].given,
                                        cases[i].folder, &w->arena, &w->error),
                         LAM_OK);
        assert_string_equal(w->value.passage, cases[i].path);
    }
    refuse_text(w, "passage", "", "'passage' is empty, where a path is wanted");
    refuse_text(w, "passage", "caf\xe9", "'passage': 'caf\xe9' is not UTF-8 text: rename the file");
    accept_text(w, "template", "");
    accept_text(w, "template", "{a: [b}");
    assert_string_equal(w->value.template, "{a: [b}");
}

static void test_lists(void **state) {
    world *w = *state;
    accept_text(w, "targets", "can't, won't");
    assert_int_equal(w->value.targets.count, 1);
    assert_string_equal(w->value.targets.item[0], "can't, won't");
    accept_text(w, "targets", "[never, \"[\", 'can''t', null, no, ü]");
    assert_int_equal(w->value.targets.count, 6);
    assert_string_equal(w->value.targets.item[2], "can't");
    assert_string_equal(w->value.targets.item[3], "null");
    assert_string_equal(text_of(w, "targets"),
                        "[never, \"[\", \"can't\", \"null\", \"no\", \"ü\"]");
    accept_text(w, "targets", "[]");
    assert_string_equal(text_of(w, "targets"), "[]");
    accept_text(w, "sites", "mlp_out");
    refuse_text(w, "sites", "mlp_fx",
                "'sites': 'mlp_fx' is not one of qkv, mlp_fc, mlp_out, or a list of them: [a, b] "
                "(nearest: 'mlp_fc')");
    refuse_text(w, "targets", "[a, [b]]", "'targets' holds a list where a plain item is wanted");
    refuse_text(w, "targets", "[a: b]", "'targets' holds a mapping where a plain item is wanted");
    refuse_text(w, "targets", "{a: b}",
                "'targets' is a mapping, where a text, or a list of them: [a, b] is wanted");
    assert_int_equal(set(w, "targets", "[a, b"), LAM_USAGE);
    assert_non_null(strstr(w->error.text, "'targets': '[a, b': not valid YAML: "));
    assert_int_equal(set(w, "targets", "[*a]"), LAM_USAGE);
    assert_non_null(strstr(w->error.text, "anchors (&name) and aliases (*name)"));
    const char *two[] = {"gpt2", "/m/pythia"};
    lam_strings pair = {2, two};
    assert_int_equal(lam_option_set_list(lam_option_find(table, "models"), &w->value, "model",
                                         &pair, "..", &w->arena, &w->error),
                     LAM_OK);
    assert_string_equal(text_of(w, "models"), "[../gpt2, /m/pythia]");
    assert_int_equal(lam_option_set_list(lam_option_find(table, "top"), &w->value, "top", &pair,
                                         NULL, &w->arena, &w->error),
                     LAM_USAGE);
    assert_string_equal(w->error.text, "'top' is a list, where a whole number is wanted");
}

static void test_word_lists(void **state) {
    world *w = *state;
    const char *text = "{space: [moon, star], \"two words\": [\"null\", \"a, b\"], one: [pear]}";
    accept_text(w, "categories", "{space: [moon, star], two words: [null, 'a, b'], one: pear}");
    assert_string_equal(text_of(w, "categories"), text);
    accept_text(w, "categories", text);
    assert_string_equal(text_of(w, "categories"), text);
    accept_text(w, "categories", "{}");
    assert_string_equal(text_of(w, "categories"), "{}");
    refuse_text(w, "categories", "moon",
                "'categories': 'moon' is not named lists of words: {name: [word, ...]}");
    refuse_text(
        w, "categories", "[moon]",
        "'categories' is a list, where named lists of words: {name: [word, ...]} is wanted");
    refuse_text(w, "categories", "{a: {b: c}}",
                "'categories.a' is not a list of words: [word, ...]");
    refuse_text(w, "categories", "{a: }", "'categories.a' is not a list of words: [word, ...]");
    refuse_text(w, "categories", "{'': [b]}", "'categories' holds a list without a name");
    refuse_text(w, "categories", "{a: [b, [c]]}",
                "'categories.a' holds a list where a plain item is wanted");
    assert_int_equal(set(w, "categories", "{a: [b], c: [d], a: [e]}"), LAM_USAGE);
    assert_non_null(strstr(w->error.text, "the key 'a' is given twice"));
}

static void test_long_values_keep_the_line_readable(void **state) {
    world *w = *state;
    char *text = malloc(100001);
    assert_non_null(text);
    memset(text, 'x', 100000);
    text[100000] = '\0';
    assert_int_equal(set(w, "kind", text), LAM_USAGE);
    assert_non_null(strstr(w->error.text, "xxx...' is not one of relu"));
    free(text);
}

static void test_every_value_comes_back_from_its_text(void **state) {
    world *w = *state;
    static const char *const given[][2] = {{"exact", "true"},
                                           {"latents", "12k"},
                                           {"latents", "auto"},
                                           {"rate", "3.3e-07"},
                                           {"l1", "auto"},
                                           {"kind", "off"},
                                           {"template", "a: \"{}\" # b\n"},
                                           {"passage", "a b/c"},
                                           {"sites", "[mlp_out]"},
                                           {"targets", "['x, y', '']"},
                                           {"models", "[a, '[b']"},
                                           {"wide", "9223372036854775807"}};
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        const lam_option *option = lam_option_find(table, given[i][0]);
        accept_text(w, given[i][0], given[i][1]);
        const char *first = text_of(w, given[i][0]);
        lam_yaml *value;
        assert_int_equal(lam_yaml_parse(first, strlen(first), "x", &value, &w->arena, &w->error),
                         LAM_OK);
        assert_int_equal(lam_options_default(table, &w->value, &w->arena, &w->error), LAM_OK);
        assert_int_equal(
            lam_option_set_yaml(option, &w->value, option->name, value, NULL, &w->arena, &w->error),
            LAM_OK);
        assert_string_equal(text_of(w, given[i][0]), first);
    }
    accept_text(w, "kind", "off");
    assert_string_equal(text_of(w, "kind"), "\"off\"");
    assert_string_equal(text_of(w, "shift"), "0");
    w->value.passage = NULL;
    assert_string_equal(text_of(w, "passage"), "null");
    accept_text(w, "passage", "null");
    assert_string_equal(text_of(w, "passage"), "\"null\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
        TEST(defaults),
        TEST(a_wrong_fallback_is_a_fault_of_ours),
        TEST(integers),
        TEST(reals),
        TEST(durations),
        TEST(reals_in_a_locale_with_commas),
        TEST(real_texts_are_short_and_exact),
        TEST(bools_and_choices),
        TEST(texts_and_paths),
        TEST(lists),
        TEST(word_lists),
        TEST(long_values_keep_the_line_readable),
        TEST(every_value_comes_back_from_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
