// Sequences of a text: in one piece as they always were, and within documents.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/sequences.h"

#include <string.h>

enum { TOKENS = 1000 };

static uint32_t token[TOKENS]; // token i is i
static const int64_t whole[] = {0, TOKENS};
// Of 0, 9, 31, 360, 0, 100 and 500 tokens: of 10 tokens 0, 0, 3, 36, 0, 10 and 50 sequences fit.
static const int64_t documents[] = {0, 0, 9, 40, 400, 400, 500, TOKENS};
enum { DOCUMENTS = 7, FIT = 99 };
static const lam_running one = {token, whole, 1}, many = {token, documents, DOCUMENTS};

static lam_sequences take(const lam_running *text, int64_t count, bool random, uint64_t seed,
                          lam_arena *arena) {
    lam_sequences taken;
    lam_error error;
    assert_int_equal(lam_sequences_take(&taken, text, count, 10, random, seed, arena, &error),
                     LAM_OK);
    assert_int_equal(taken.count, count);
    for (int64_t s = 0; s < count; s++) {
        const uint32_t *own = lam_sequences_tokens(&taken, s);
        assert_int_equal(taken.start[s + 1] - taken.start[s], 10);
        for (uint32_t i = 0; i < 10; i++) assert_int_equal(own[i], own[0] + i);
        // In order, without overlap.
        if (s > 0) assert_true(own[0] > lam_sequences_tokens(&taken, s - 1)[9]);
    }
    return taken;
}

static int64_t document_of(uint32_t first) {
    int64_t d = 0;
    while (documents[d + 1] <= first) d++;
    return d;
}

static void test_first(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_sequences a = take(&one, 5, false, 1, &arena);
    for (uint32_t s = 0; s < 5; s++) assert_int_equal(*lam_sequences_tokens(&a, s), 10 * s);
    static const uint32_t within[] = {9, 19, 29, 40, 50};
    lam_sequences b = take(&many, 5, false, 1, &arena);
    for (uint32_t s = 0; s < 5; s++) assert_int_equal(*lam_sequences_tokens(&b, s), within[s]);
    lam_arena_destroy(&arena);
}

static void test_all(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_error error;
    for (int random = 0; random <= 1; random++) {
        lam_sequences a, b;
        assert_int_equal(lam_sequences_take(&a, &one, 0, 10, random, 1, &arena, &error), LAM_OK);
        assert_int_equal(a.count, TOKENS / 10);
        assert_int_equal(lam_sequences_take(&b, &many, 0, 10, random, 1, &arena, &error), LAM_OK);
        assert_int_equal(b.count, 99);
    }
    lam_sequences none;
    assert_int_equal(lam_sequences_take(&none, &one, 0, TOKENS + 1, false, 1, &arena, &error),
                     LAM_INPUT);
    assert_non_null(strstr(error.text, "fewer than the 1 x 1001 asked for"));
    lam_arena_destroy(&arena);
}

// The places that seeds drew before there were documents: results of old jobs depend on them.
static void test_one_document_keeps_its_places(void **state) {
    (void)state;
    static const uint32_t places[2][4] = {{510, 715, 766, 947}, {406, 690, 915, 940}};
    lam_arena arena = {0};
    for (uint64_t seed = 1; seed <= 2; seed++) {
        lam_sequences a = take(&one, 4, true, seed, &arena);
        for (uint32_t s = 0; s < 4; s++)
            assert_int_equal(*lam_sequences_tokens(&a, s), places[seed - 1][s]);
    }
    lam_arena_destroy(&arena);
}

static void test_none_crosses_a_document(void **state) {
    (void)state;
    int drawn[DOCUMENTS] = {0};
    for (uint64_t seed = 0; seed < 400; seed++) {
        lam_arena arena = {0};
        int64_t count = 1 + (int64_t)(seed % FIT);
        lam_sequences a = take(&many, count, true, seed, &arena);
        for (int64_t s = 0; s < count; s++) {
            uint32_t first = *lam_sequences_tokens(&a, s);
            assert_int_equal(document_of(first), document_of(first + 9));
            drawn[document_of(first)]++;
        }
        lam_arena_destroy(&arena);
    }
    // In proportion to what fits: 20,000 in all, of which 3, 36, 10 and 50 parts of 99.
    int all = 0;
    for (int d = 0; d < DOCUMENTS; d++) all += drawn[d];
    static const int parts[DOCUMENTS] = {0, 0, 3, 36, 0, 10, 50};
    for (int d = 0; d < DOCUMENTS; d++) {
        int expected = all / FIT * parts[d];
        assert_in_range(drawn[d], expected * 9 / 10, expected * 11 / 10 + 1);
    }
}

static void test_all_that_fit(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_sequences taken;
    lam_error error;
    take(&many, FIT, true, 3, &arena);
    take(&many, FIT, false, 3, &arena);
    assert_int_equal(lam_sequences_take(&taken, &many, FIT + 1, 10, true, 3, &arena, &error),
                     LAM_INPUT);
    assert_non_null(strstr(error.text, "99 sequences of 10 tokens lie within its 7 documents"));
    assert_non_null(strstr(error.text, "'documents: join'"));
    assert_int_equal(lam_sequences_take(&taken, &one, 101, 10, true, 3, &arena, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "1000 tokens, fewer than the 101 x 10 asked for"));
    assert_int_equal(lam_sequences_take(&taken, &many, 1, 501, true, 3, &arena, &error), LAM_INPUT);
    lam_arena_destroy(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_one_document_keeps_its_places),
        cmocka_unit_test(test_none_crosses_a_document),
        cmocka_unit_test(test_all_that_fit),
    };
    for (uint32_t i = 0; i < TOKENS; i++) token[i] = i;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
