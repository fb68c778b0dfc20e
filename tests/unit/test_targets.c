// Target words in running text: counts and positions as plain Python finds them, words as Python
// strips and lower-cases them, and texts without targets.
#include "tokenizer_fixture.h"

#include "src/targets.h"

static lam_error error;

// Tokens as a text of one document. Static storage.
static const lam_running *running(const uint32_t *token, int64_t count) {
    static lam_running text;
    static int64_t document[2];
    document[1] = count;
    text = (lam_running){token, document, 1};
    return &text;
}

#define LIST(...)                                                                                  \
    {                                                                                              \
        sizeof((const char *[]){__VA_ARGS__}) / sizeof(const char *), (const char *[]) {           \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

static const lam_target_rule *usual(void) {
    static const char *negative[] = {"agree",      "always", "allow", "can",   "certainly", "could",
                                     "definitely", "may",    "might", "shall", "should"};
    static const char *positive[] = {"not", "cannot", "nor", "never"}, *contains[] = {"'t"},
                      *not_before[] = {" not"};
    static const lam_target_rule rule = {
        .class = {{.words = {11, negative}, .not_before = {1, not_before}},
                  {.words = {4, positive}, .contains = {1, contains}}},
        .before = 90,
        .after = 10};
    return &rule;
}

static void word_is(const char *text, size_t bytes, const char *want) {
    lam_arena arena = {0};
    const char *word = lam_target_word(text, bytes, true, &arena, &error);
    assert_non_null(word);
    assert_string_equal(word, want);
    lam_arena_destroy(&arena);
}

#define WORD(text, want) word_is(text, sizeof(text) - 1, want)

// What Python 3 answers for text.decode("utf-8", "replace").strip().lower().
static void words(void **state) {
    (void)state;
    WORD("", "");
    WORD("   ", "");
    WORD(" Not", "not");
    WORD("\t\n\v\f\r NEVER\x1c\x1d\x1e\x1f", "never");
    WORD("\xc2\xa0"
         "can\xc2\x85\xe2\x80\x89\xe3\x80\x80\xe2\x80\xa8",
         "can");
    WORD("\xe2\x80\x8b"
         "can",
         "\xe2\x80\x8b"
         "can"); // a zero-width space is none
    WORD("a B", "a b");
    WORD("\xc3\x84\xd0\x96", "\xc3\xa4\xd0\xb6");
    WORD("\xe2\x84\xaa", "k");                                      // the Kelvin sign
    WORD("\xc4\xb0X", "i\xcc\x87x");                                // I with a dot
    WORD("\xce\x91\xce\xa3", "\xce\xb1\xcf\x82");                   // a final sigma
    WORD("\xce\x91\xce\xa3.", "\xce\xb1\xcf\x82.");                 // also before a full stop
    WORD("\xce\x91\xce\xa3'\xce\x91", "\xce\xb1\xcf\x83'\xce\xb1"); // not within a word
    WORD("\xce\xa3", "\xcf\x83");                                   // nor alone
    WORD(" \xff\xe2\x80", "\xef\xbf\xbd\xef\xbf\xbd");              // not UTF-8
}

// Counts and, modulo 9973, sums of the positions, by the reference in Python.
static void shared_texts(void **state) {
    (void)state;
    static const struct {
        const char *text, *tokenizer;
        int64_t positive, negative, positive_sum, negative_sum;
    } cases[] = {
        {"28554-beyond-lies-the-wub.txt", "gpt2", 43, 57, 3965, 5123},
        {"28644-beyond-the-door.txt", "gpt2", 66, 44, 438, 7542},
        {"28698-the-crystal-crypt.txt", "gpt2", 81, 66, 9085, 9009},
        {"28698-the-crystal-crypt.txt", "pythia", 81, 67, 7035, 632},
        {"28767-the-defenders.txt", "pythia", 110, 93, 811, 4252},
        {"32032-second-variety.txt", "gpt2", 182, 126, 1662, 6415},
        {"32154-the-variable-man.txt", "gpt2", 216, 182, 3985, 2108},
        {"32154-the-variable-man.txt", "pythia", 216, 182, 9363, 5346},
        {"32832-piper-in-the-woods.txt", "gpt2", 105, 80, 5952, 8103},
    };
    if (!shared_path("data/pkd") || !shared_path("data/gpt2") || !shared_path("data/pythia")) {
        skip_without_shared();
        return;
    }
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char name[128];
        size_t bytes;
        lam_arena arena = {0};
        lam_ids ids = {0};
        lam_targets targets;
        snprintf(name, sizeof name, "data/pkd/%s", cases[c].text);
        char *text = read_file(shared_path(name), &bytes);
        lam_tokenizer *tokenizer = load(folder_of(cases[c].tokenizer));
        encode(tokenizer, text, bytes, &ids);
        if (lam_targets_find(usual(), tokenizer, running(ids.id, (int64_t)ids.count), &targets,
                             &arena, &error))
            fail_msg("%s", error.text);
        assert_int_equal(targets.count[0], cases[c].negative);
        assert_int_equal(targets.count[1], cases[c].positive);
        int64_t sum[2] = {0};
        for (int64_t i = 0; i < targets.count[0] + targets.count[1]; i++)
            sum[i >= targets.count[0]] += targets.position[i];
        assert_int_equal(sum[0] % 9973, cases[c].negative_sum);
        assert_int_equal(sum[1] % 9973, cases[c].positive_sum);
        lam_ids_destroy(&ids);
        lam_tokenizer_destroy(tokenizer);
        lam_arena_destroy(&arena);
        free(text);
    }
}

// A text of which every target is known, in the demo model's tokens.
typedef struct example {
    lam_tokenizer *tokenizer;
    lam_ids ids;
    lam_arena arena;
    lam_targets targets;
} example;

static lam_code find(example *e, const lam_target_rule *rule, const char *text) {
    *e = (example){.tokenizer = load(LAM_TEST_DEMO)};
    encode(e->tokenizer, text, strlen(text), &e->ids);
    return lam_targets_find(rule, e->tokenizer, running(e->ids.id, (int64_t)e->ids.count),
                            &e->targets, &e->arena, &error);
}

static void leave(example *e) {
    lam_ids_destroy(&e->ids);
    lam_tokenizer_destroy(e->tokenizer);
    lam_arena_destroy(&e->arena);
}

static void text_at(const example *e, int64_t position, char text[64]) {
    size_t bytes;
    const char *piece = lam_tokenizer_piece(e->tokenizer, e->ids.id[position], &bytes);
    snprintf(text, 64, "%.*s", (int)bytes, piece);
}

static void rules(void **state) {
    (void)state;
    lam_target_rule rule = *usual();
    rule.before = 2, rule.after = 3;
    example e;
    // "never" comes before the window fits, "can not" and the full stop are exceptions, the last
    // "should" has too few tokens after it.
    assert_int_equal(find(&e, &rule,
                          "I never do. You can not and it should go; he could. But they don't see "
                          "that I may be not in the house, for you should go"),
                     LAM_OK);
    static const char *const want[] = {" should", " may", " not", "'t", " not"};
    assert_int_equal(e.targets.count[0], 2);
    assert_int_equal(e.targets.count[1], 3);
    char text[64];
    for (int i = 0; i < 5; i++) {
        text_at(&e, e.targets.position[i], text);
        assert_string_equal(text, want[i]);
    }

    lam_sequences windows;
    assert_int_equal(lam_targets_windows(&rule, &e.targets, e.ids.id, &windows, &e.arena, &error),
                     LAM_OK);
    int64_t count = e.targets.count[0] + e.targets.count[1];
    assert_int_equal(windows.count, count);
    for (int64_t i = 0; i < count; i++) {
        assert_int_equal(windows.start[i + 1] - windows.start[i], 6);
        assert_int_equal(windows.label[i], i >= 2);
        assert_memory_equal(lam_sequences_tokens(&windows, i), e.ids.id + e.targets.position[i] - 2,
                            6 * sizeof(uint32_t));
    }
    leave(&e);

    // Words of the rule are stripped and lower-cased too; an exception holds for its class alone.
    lam_target_rule own = {
        .class = {{.words = LIST("House ")}, {.words = LIST(" THE"), .not_before = LIST(" house")}},
        .before = 0,
        .after = 0};
    assert_int_equal(find(&e, &own, "in the house and the man"), LAM_OK);
    assert_int_equal(e.targets.count[0], 1);
    assert_int_equal(e.targets.count[1], 1);
    text_at(&e, e.targets.position[1] + 1, text);
    assert_string_equal(text, " man");
    leave(&e);
}

static void expect(const lam_target_rule *rule, const char *text, const char *message) {
    example e;
    assert_int_equal(find(&e, rule, text), LAM_INPUT);
    if (!strstr(error.text, message)) fail_msg("'%s' lacks '%s'", error.text, message);
    leave(&e);
}

static void refused(void **state) {
    (void)state;
    lam_target_rule rule = *usual();
    expect(&rule, "It is not here.", "fewer than a target's window of 101");
    expect(&rule, "", "has 0 tokens");
    rule.before = rule.after = 1;
    expect(&rule, "The man and the house and the man.", "no target of either class");
    expect(&rule, "It is not in the house.", "none is of the negative one (agree, ...)");
    expect(&rule, "You should go to the house.", "none is of the positive one (not, ...)");
    rule.class[0].contains = (lam_strings)LIST("no");
    expect(&rule, "You should go, but not to the house.", "' not', is of both classes");
    rule = *usual();
    rule.before = rule.after = 1;

    lam_arena arena = {0};
    lam_targets targets;
    const uint32_t token[] = {5, 6, 7, 4000000000u, 8, 9};
    lam_tokenizer *tokenizer = load(LAM_TEST_DEMO);
    assert_int_equal(
        lam_targets_find(&rule, tokenizer, running(token, 6), &targets, &arena, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "no token 4000000000"));
    assert_int_equal(lam_targets_find(&rule, NULL, running(token, 6), &targets, &arena, &error),
                     LAM_INPUT);
    assert_non_null(strstr(error.text, "no tokenizer"));
    lam_tokenizer_destroy(tokenizer);
    lam_arena_destroy(&arena);
}

// The window of a target must lie within its document.
static void test_documents_are_not_crossed(void **state) {
    (void)state;
    static const char text[] = " one two not three four can five six not seven eight";
    lam_tokenizer *tokenizer = load(LAM_TEST_DEMO);
    lam_target_rule rule = *usual();
    rule.before = rule.after = 2;
    lam_ids ids = {0};
    lam_arena arena = {0};
    lam_targets all, within;
    encode(tokenizer, text, strlen(text), &ids);
    const lam_running *joined = running(ids.id, (int64_t)ids.count);
    if (lam_targets_find(&rule, tokenizer, joined, &all, &arena, &error) != LAM_OK)
        fail_msg("%s", error.text);
    assert_int_equal(all.count[0], 1);
    assert_int_equal(all.count[1], 2);
    // A document ends with the first "not": its window does not fit any more.
    const int64_t document[] = {0, all.position[1] + 1, (int64_t)ids.count};
    const lam_running two = {ids.id, document, 2};
    assert_int_equal(lam_targets_find(&rule, tokenizer, &two, &within, &arena, &error), LAM_OK);
    assert_int_equal(within.count[0] + within.count[1], 2);
    assert_int_equal(within.position[1], all.position[2]);
    rule.before = 40;
    assert_int_equal(lam_targets_find(&rule, tokenizer, &two, &within, &arena, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "the longest document has"));
    lam_ids_destroy(&ids);
    lam_arena_destroy(&arena);
    lam_tokenizer_destroy(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(shared_texts),
        cmocka_unit_test(rules),
        cmocka_unit_test(refused),
        cmocka_unit_test(test_documents_are_not_crossed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
