#include "tokenizer_fixture.h"

#include "src/strip.h"

// A text, and the same stripped.
static const struct {
    const char *text, *stripped;
} cases[] = {
    {"The cat", "The cat"},
    {"The cat \n", "The cat"},
    {"\n\nThe cat", "The cat"},
    {"  The cat  ", "The cat"},
    {" The cat", "The cat"},
    {" \t\r\n\v\f\x1c\x1d\x1e\x1f The  cat\x1f", "The  cat"},
    {"\u00a0\xc2\x85\u1680\u2003\u2028\u202f\u205f\u3000The\u3000cat\u3000\xc2\x85",
     "The\u3000cat"},
    {"\u200b The cat \ufeff", "\u200b The cat \ufeff"}, // no white space
    {"  -- 12 'tis done.\n    ", "-- 12 'tis done."},
    {" 日本語 ", "日本語"},
    {"    int main;    \n        ", "int main;"}, // runs of blanks are tokens of Pythia's
    {"<|endoftext|> The cat <|endoftext|>\n", "<|endoftext|> The cat <|endoftext|>"},
    {" \n\t ", ""},
    {"", ""},
    {"x", "x"},
};

static void check(const lam_tokenizer *tokenizer, const char *text, const char *stripped) {
    lam_error error;
    lam_arena arena = {0};
    lam_ids ids = {0}, want = {0};
    const uint32_t *got;
    int64_t count;
    encode(tokenizer, text, strlen(text), &ids);
    encode(tokenizer, stripped, strlen(stripped), &want);
    assert_int_equal(
        lam_tokens_strip(tokenizer, ids.id, (int64_t)ids.count, &got, &count, &arena, &error),
        LAM_OK);
    if (count != (int64_t)want.count)
        fail_msg("%lld tokens, not %zu: '%s'", (long long)count, want.count, text);
    if (count) assert_memory_equal(got, want.id, want.count * sizeof *got);
    lam_ids_destroy(&ids);
    lam_ids_destroy(&want);
    lam_arena_destroy(&arena);
}

static void check_all(const char *name) {
    if (!folder_of(name)) skip_without_shared();
    lam_tokenizer *tokenizer = load(folder_of(name));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check(tokenizer, cases[i].text, cases[i].stripped);
    lam_tokenizer_destroy(tokenizer);
}

static void test_demo(void **state) {
    (void)state;
    check_all("demo");
}

static void test_gpt2(void **state) {
    (void)state;
    check_all("gpt2");
}

static void test_pythia(void **state) {
    (void)state;
    check_all("pythia");
}

// Of a long text the ends are looked at alone, but where they do not tell.
static void test_long(void **state) {
    (void)state;
    static const char *const ends[][2] = {
        {"", ""},
        {"\n\n", "\n"},
        {"  ", " \n\n"},
        {"    ", "\u3000\u3000"},
        {"\u3000", "\u2028"},
        {"\xc2\x85", " \t"},
    };
    enum { WORDS = 6000, BLANKS = 20000 };
    lam_tokenizer *tokenizer = load(LAM_TEST_DEMO);
    char *text = malloc(8 * WORDS + BLANKS + 64), *stripped = malloc(8 * WORDS + 64);
    size_t used = 0;
    for (int i = 0; i < WORDS; i++)
        used += (size_t)sprintf(stripped + used, i ? " cat %d" : "The%d", i % 10);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        sprintf(text, "%s%s%s", ends[i][0], stripped, ends[i][1]);
        check(tokenizer, text, stripped);
    }
    memset(text, '\n', BLANKS); // white space as far as is looked
    strcpy(text + BLANKS, stripped);
    check(tokenizer, text, stripped);
    sprintf(text, "%s%*s", stripped, BLANKS, "\n");
    check(tokenizer, text, stripped);
    free(text);
    free(stripped);
    lam_tokenizer_destroy(tokenizer);
}

// What cannot be read as text stays as it is.
static void test_unknown(void **state) {
    (void)state;
    lam_error error;
    lam_arena arena = {0};
    lam_tokenizer *tokenizer = load(LAM_TEST_DEMO);
    const uint32_t token[] = {220, LAM_MOST_TOKENS, 220};
    const uint32_t *got;
    int64_t count;
    assert_int_equal(lam_tokens_strip(tokenizer, token, 3, &got, &count, &arena, &error), LAM_OK);
    assert_true(got == token && count == 3);
    assert_int_equal(lam_tokens_strip(NULL, token, 1, &got, &count, &arena, &error), LAM_OK);
    assert_true(got == token && count == 1);
    lam_arena_destroy(&arena);
    lam_tokenizer_destroy(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_demo), cmocka_unit_test(test_gpt2),    cmocka_unit_test(test_pythia),
        cmocka_unit_test(test_long), cmocka_unit_test(test_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
