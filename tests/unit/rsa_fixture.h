// What the tests of representational similarity share: memory for a test, and its categories.
#ifndef LAM_RSA_FIXTURE_H
#define LAM_RSA_FIXTURE_H

// After cmocka.h.
#include "src/arena.h"
#include "src/rsa.h"

#include <stddef.h>
#include <stdint.h>

static lam_arena arena;
static lam_error error;

static void *get(int64_t count, size_t size) {
    void *made = lam_arena_alloc(&arena, (size_t)count, size, &error);
    assert_non_null(made);
    return made;
}

static int destroy(void **state) {
    (void)state;
    lam_arena_destroy(&arena);
    return 0;
}

// Categories of the given sizes.
static lam_categories categories_of(const int64_t *size, int64_t count) {
    int64_t *start = get(count + 1, sizeof *start);
    for (int64_t g = 0; g < count; g++) start[g + 1] = start[g] + size[g];
    int32_t *of = get(start[count], sizeof *of);
    for (int64_t g = 0; g < count; g++)
        for (int64_t i = start[g]; i < start[g + 1]; i++) of[i] = (int32_t)g;
    return (lam_categories){start[count], count, start, of};
}

#endif
