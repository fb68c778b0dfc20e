// Sequences in chunks: whole micro-batches, as equal as can be.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/chunks.h"
#include "src/forward.h"

enum { MOST = 2000 };

static int64_t start[MOST + 1];

// Cuts count sequences of a length, and looks at what holds for every cut; returns how many chunks.
static int64_t check(int64_t count, int64_t length, int64_t most) {
    lam_error error;
    lam_arena arena = {0};
    for (int64_t s = 0; s <= count; s++) start[s] = s * length;
    const lam_sequences sequences = {.count = count, .start = start};
    lam_chunks chunks;
    assert_int_equal(lam_chunks_cut(&sequences, most, &chunks, &arena, &error), LAM_OK);
    assert_int_equal(chunks.first[0], 0);
    assert_int_equal(chunks.first[chunks.count], count);
    const int64_t together = lam_batch_sequences(length);
    int64_t fewest = count, largest = 0;
    for (int64_t c = 0; c < chunks.count; c++) {
        const int64_t now = chunks.first[c + 1] - chunks.first[c];
        assert_int_equal(chunks.first[c] % together, 0);
        assert_true(now > 0);
        if (most) assert_true(now <= most || now <= together);
        if (now > largest) largest = now;
        if (now < fewest && c < chunks.count - 1) fewest = now;
    }
    if (chunks.count > 1) assert_true(largest - fewest <= together);
    const int64_t made = chunks.count;
    lam_arena_destroy(&arena);
    return made;
}

static void test_cuts(void **state) {
    (void)state;
    assert_int_equal(check(60, 96, 10), 6); // 10 a micro-batch
    assert_int_equal(check(60, 96, 11), 6);
    assert_int_equal(check(60, 96, 20), 3);
    assert_int_equal(check(60, 96, 59), 2);
    assert_int_equal(check(60, 96, 60), 1);
    assert_int_equal(check(61, 96, 60), 2); // 4 and 3 micro-batches, not 6 and 1
    assert_int_equal(check(5, 1024, 2), 3);
    assert_int_equal(check(1, 4096, 1), 1);
    assert_int_equal(check(60, 96, 3), 6); // never less than a micro-batch
    for (int64_t count = 1; count < MOST; count += 37)
        for (int64_t most = 1; most < 200; most += 7) check(count, 100, most);
}

static void test_all_at_once(void **state) {
    (void)state;
    assert_int_equal(check(60, 96, 0), 1);
    assert_int_equal(check(MOST, 7, 0), 1);
    assert_int_equal(check(1, 1, 0), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_all_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
