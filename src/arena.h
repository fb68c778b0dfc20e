// Memory that is freed together. An arena starts as {0}; everything allocated from it lives until
// lam_arena_destroy. Not for use by several threads at once.
#ifndef LAM_ARENA_H
#define LAM_ARENA_H

#include "error.h"

#include <stddef.h>

typedef struct lam_arena {
    struct lam_arena_chunk *chunks;
    size_t used; // bytes handed out, for reports and tests of memory
} lam_arena;

// count * size bytes, zeroed, 64-byte aligned, owned by the arena. NULL, with LAM_MEMORY in *error,
// if the product overflows or memory is refused. A count of zero gives a valid pointer.
void *lam_arena_alloc(lam_arena *arena, size_t count, size_t size, lam_error *error);

// A copy of length bytes of text, ended by a NUL. NULL as above.
char *lam_arena_text(lam_arena *arena, const char *text, size_t length, lam_error *error);

// A formatted text. NULL as above.
__attribute__((format(printf, 3, 4))) char *lam_arena_format(lam_arena *arena, lam_error *error,
                                                             const char *format, ...);

// Frees everything and leaves the arena as {0}, ready for use.
void lam_arena_destroy(lam_arena *arena);

// pointer = count zeroed elements of its own type; returns LAM_MEMORY from the caller on failure.
#define LAM_ALLOC(pointer, arena, count, error)                                                    \
    do {                                                                                           \
        (pointer) = lam_arena_alloc((arena), (size_t)(count), sizeof *(pointer), (error));         \
        if (!(pointer)) return LAM_MEMORY;                                                         \
    } while (0)

#endif
