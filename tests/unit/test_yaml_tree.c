#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct world {
    lam_arena arena;
    lam_error error;
} world;

static int set_up(void **state) {
    return !(*state = calloc(1, sizeof(world)));
}

static int tear_down(void **state) {
    world *w = *state;
    lam_arena_destroy(&w->arena);
    free(w);
    return 0;
}

static lam_yaml *parse(world *w, const char *text) {
    lam_yaml *root;
    if (lam_yaml_parse(text, strlen(text), "job.yaml", &root, &w->arena, &w->error) != LAM_OK)
        fail_msg("%s", w->error.text);
    return root;
}

static void refuse_bytes(world *w, const char *text, size_t length, const char *beginning) {
    lam_yaml *root;
    assert_int_equal(lam_yaml_parse(text, length, "job.yaml", &root, &w->arena, &w->error),
                     LAM_USAGE);
    assert_null(root);
    if (strncmp(w->error.text, beginning, strlen(beginning)) != 0)
        fail_msg("'%s' does not begin with '%s'", w->error.text, beginning);
}

static void refuse(world *w, const char *text, const char *beginning) {
    refuse_bytes(w, text, strlen(text), beginning);
}

static void test_a_tree_keeps_order_lines_and_quotes(void **state) {
    world *w = *state;
    lam_yaml *root = parse(w, "# a job\nmodel: [a, 'b']\nsae:\n  {site: \"x\",\n   epochs: 5}\n"
                              "rsa:\nheads: ~\ntext: |\n  one\n  two\n");
    assert_int_equal(root->kind, LAM_YAML_MAPPING);
    assert_int_equal(root->count, 5);
    lam_yaml *model = root->first, *sae = model->next, *rsa = sae->next, *heads = rsa->next;
    assert_string_equal(model->key, "model");
    assert_int_equal(model->kind, LAM_YAML_LIST);
    assert_int_equal(model->line, 2);
    assert_int_equal(model->count, 2);
    assert_null(model->first->key);
    assert_true(model->first->plain);
    assert_false(model->first->next->plain);
    assert_int_equal(sae->line, 3);
    assert_string_equal(sae->first->next->key, "epochs");
    assert_string_equal(sae->first->next->text, "5");
    assert_int_equal(sae->first->next->line, 5);
    assert_true(lam_yaml_is_null(rsa) && lam_yaml_is_null(heads));
    assert_false(lam_yaml_is_null(sae));
    assert_string_equal(heads->next->text, "one\ntwo\n");
    assert_null(heads->next->next);
}

static void test_no_document(void **state) {
    world *w = *state;
    assert_null(parse(w, ""));
    assert_null(parse(w, "# nothing\n\n"));
    assert_null(parse(w, "\xEF\xBB\xBF"));
    assert_non_null(parse(w, "%YAML 1.1\n---\na: b %TAG\n"));
    assert_non_null(parse(w, "---\n"));
    assert_string_equal(parse(w, "\xEF\xBB\xBFmodel: a\r\nmode: b\r\n")->first->text, "a");
}

static void test_what_is_refused_is_named_with_its_line(void **state) {
    world *w = *state;
    refuse(w, "a: 1\nb: 2\na: 3\n", "job.yaml:3: the key 'a' is given twice (first in line 1)");
    refuse(w, "s: {x: 1, y: 2,\n  x: 3}\n",
           "job.yaml:2: the key 'x' is given twice (first in line 1)");
    refuse(w, "a: &n 1\nb: *n\n", "job.yaml:1: anchors (&name) and aliases (*name)");
    refuse(w, "a: 1\nb: *n\n", "job.yaml:2: anchors (&name) and aliases (*name)");
    refuse(w, "a: 1\nb: &x [1]\n", "job.yaml:2: anchors (&name) and aliases (*name)");
    refuse(w, "a: &x {b: 1}\n", "job.yaml:1: anchors (&name) and aliases (*name)");
    refuse(w, "&k a: 1\n", "job.yaml:1: anchors (&name) and aliases (*name)");
    refuse(w, "a: !!python/object:os.system [ls]\n", "job.yaml:1: tags (!name)");
    refuse(w, "%TAG !x! y\n---\na: 1\n", "job.yaml: tags (!name)");
    refuse(w, "a: !x 5\n", "job.yaml:1: tags (!name)");
    refuse(w, "a: 1\n---\nb: 2\n", "job.yaml:2: a second document begins here");
    refuse(w, "a: 1\n...\n---\n", "job.yaml:3: a second document begins here");
    refuse(w, "? [a, b]\n: 1\n", "job.yaml:1: a key has to be a plain word");
    refuse(w, "a: 1\n{b: c}: 1\n", "job.yaml:2: a key has to be a plain word");
    refuse(w, "a: 1\n\tb: 2\n", "job.yaml:2: not valid YAML: ");
    refuse(w, "a: [1, 2\n", "job.yaml:2: not valid YAML: ");
    refuse(w, "a: 'x\n", "job.yaml:2: not valid YAML: ");
    refuse(w, "a: b: c\n", "job.yaml:1: not valid YAML: ");
    refuse(w, "a: @x\n", "job.yaml:1: not valid YAML: ");
    refuse(w, "a: \"x\\0y\"\n", "job.yaml:1: a text holds a NUL character");
    refuse(w, "a: caf\xe9\n", "job.yaml: not a YAML text: ");
    refuse(w, "a: \x01\n", "job.yaml: not a YAML text: control characters are not allowed at byte");
    refuse_bytes(w, "a: b\0c\n", 7, "job.yaml: not a YAML text: control characters");
}

static void test_binary_garbage(void **state) {
    world *w = *state;
    uint64_t bits = 7;
    for (int i = 0; i < 2000; i++) {
        char noise[256];
        for (size_t j = 0; j < sizeof noise; j++) {
            bits = bits * 6364136223846793005u + 1442695040888963407u;
            noise[j] = (char)(bits >> 40);
        }
        lam_arena arena = {0};
        lam_yaml *root;
        lam_code code =
            lam_yaml_parse(noise, (size_t)i % sizeof noise, "x", &root, &arena, &w->error);
        assert_true(code == LAM_OK || code == LAM_USAGE);
        lam_arena_destroy(&arena);
    }
    refuse_bytes(w,
                 "\x7f"
                 "ELF\2\1\1",
                 7, "job.yaml: not a YAML text: ");
}

static char *repeated(const char *piece, size_t count) {
    size_t length = strlen(piece);
    char *text = malloc(length * count + 1);
    assert_non_null(text);
    for (size_t i = 0; i < count; i++) memcpy(text + i * length, piece, length);
    text[length * count] = '\0';
    return text;
}

static void test_deep_nesting(void **state) {
    world *w = *state;
    static const char *const pieces[] = {"[", "{a: ", "- ", "[{a: ", "? ", "{"};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        char *text = repeated(pieces[i], 100000);
        refuse(w, text, "job.yaml:1: ");
        free(text);
    }
    char *steps = malloc(1 << 20), *end = steps; // a mapping in a mapping, line by line
    assert_non_null(steps);
    for (int i = 0; i < 1000; i++) end += sprintf(end, "%*sa:\n", i, "");
    refuse(w, steps, "job.yaml:17: lists and mappings are nested more than 16 deep");
    free(steps);
    assert_int_equal(parse(w, "[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]")->count, 1);
    refuse(w, "[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]",
           "job.yaml:1: lists and mappings are nested more than 16 deep");
}

static void test_sizes_are_bounded(void **state) {
    world *w = *state;
    char *text = repeated("a", LAM_YAML_MAX_BYTES + 1);
    refuse(w, text, "job.yaml: larger than 16 MB");
    text[LAM_YAML_MAX_BYTES] = '\0';
    assert_int_equal(strlen(parse(w, text)->text), LAM_YAML_MAX_BYTES);
    free(text);
    text = repeated("- a\n", LAM_YAML_MAX_VALUES);
    refuse(w, text, "job.yaml:250000: more than 250000 values");
    text[4 * LAM_YAML_MAX_VALUES - 4] = '\0';
    assert_int_equal(parse(w, text)->count, LAM_YAML_MAX_VALUES - 1);
    free(text);
}

// All keys of a mapping are compared in n log n.
static void test_many_keys(void **state) {
    world *w = *state;
    enum { KEYS = 100000 };
    char *text = malloc(KEYS * 16 + 16), *end = text;
    assert_non_null(text);
    for (int i = 0; i < KEYS; i++) end += sprintf(end, "k%d: 1\n", i * 7919 % KEYS);
    assert_int_equal(parse(w, text)->count, KEYS);
    strcpy(end, "k5: 1\n");
    refuse(w, text, "job.yaml:100001: the key 'k5' is given twice");
    free(text);
}

// Text -> YAML -> text, as an item of a list and as a value of a key.
static void check_quoting(world *w, const char *text) {
    lam_arena arena = {0};
    const char *quoted = lam_yaml_quote(text, &arena, &w->error);
    assert_non_null(quoted);
    assert_null(strchr(quoted, '\n'));
    char *flow = lam_arena_format(&arena, &w->error, "[%s, {k: %s}]\n", quoted, quoted);
    char *block = lam_arena_format(&arena, &w->error, "k: %s\nl: 1\n", quoted);
    lam_yaml *root;
    assert_int_equal(lam_yaml_parse(flow, strlen(flow), "x", &root, &arena, &w->error), LAM_OK);
    assert_string_equal(root->first->text, text);
    assert_string_equal(root->first->next->first->text, text);
    assert_int_equal(lam_yaml_parse(block, strlen(block), "x", &root, &arena, &w->error), LAM_OK);
    assert_string_equal(root->first->text, text);
    assert_false(lam_yaml_is_null(root->first));
    lam_arena_destroy(&arena);
}

static void test_quoting_round_trips(void **state) {
    world *w = *state;
    static const char *const texts[] = {
        "",         " ",    "a",    "a b",      "null",   "~",   "Yes",      "1e3",    "-",
        "- a",      "a: b", "#",    "a #b",     "\"",     "'",   "\\",       "\n",     "\t\r\n",
        "a\n\nb",   "{}",   "[a",   "?",        "&a",     "*a",  "!a",       "%a",     "@",
        "`",        "|",    ">",    "..",       "../a/b", "é",   "\xc2\x85", "\u2028", "\uFEFF",
        "\xc2\xa0", "😀",    "\x7f", "\x01\x1b", "---",    "...", "a,b",      "/x/y-z", "0x1f",
        ".5",       "<<",   "=",    "\uFFFD",   "\uE000"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) check_quoting(w, texts[i]);
    uint64_t bits = 42;
    for (int i = 0; i < 3000; i++) {
        char text[64] = "";
        for (int j = 0; j < 12; j++) {
            static const char *const parts[] = {"\"", "\\", " ", "\n", ":", "#", "é", "😀", "\u2029",
                                                "x",  "'",  ",", "\t", "-", "{", "]", "~", "\x02"};
            bits = bits * 6364136223846793005u + 1442695040888963407u;
            strcat(text, parts[(bits >> 33) % (sizeof parts / sizeof *parts)]);
        }
        check_quoting(w, text);
    }
    assert_null(lam_yaml_quote("caf\xe9", &w->arena, &w->error));
    assert_int_equal(w->error.code, LAM_USAGE);
}

static void test_plain_texts_stay_plain(void **state) {
    world *w = *state;
    static const char *const plain[] = {"mlp_out", "../models/gpt2", "./a", "/data/x-1.html",
                                        "A.b"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        assert_string_equal(lam_yaml_quote(plain[i], &w->arena, &w->error), plain[i]);
    static const char *const quoted[] = {"no", "Null", "12", "1.5", ".nan", "a b", "y", "ON"};
    for (size_t i = 0; i < sizeof quoted / sizeof *quoted; i++)
        assert_int_equal(*lam_yaml_quote(quoted[i], &w->arena, &w->error), '"');
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
        TEST(a_tree_keeps_order_lines_and_quotes),
        TEST(no_document),
        TEST(what_is_refused_is_named_with_its_line),
        TEST(binary_garbage),
        TEST(deep_nesting),
        TEST(sizes_are_bounded),
        TEST(many_keys),
        TEST(quoting_round_trips),
        TEST(plain_texts_stay_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
