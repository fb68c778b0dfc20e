#include "arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, SMALL_CHUNK = 1 << 16 };

// Small pieces share a chunk; a piece that does not fit gets one of its own size. Chunks come from
// calloc, so that the pages of large ones are zero, and not resident, until they are touched.
struct lam_arena_chunk {
    struct lam_arena_chunk *next;
    size_t size, used; // bytes of data after the header
};

static void *take(struct lam_arena_chunk *chunk, size_t bytes) {
    uintptr_t base = (uintptr_t)(chunk + 1);
    uintptr_t start = (base + chunk->used + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1);
    if (start - base > chunk->size || chunk->size - (start - base) < bytes) return NULL;
    chunk->used = start - base + bytes;
    return (void *)start;
}

void *lam_arena_alloc(lam_arena *arena, size_t count, size_t size, lam_error *error) {
    if (size && count > (SIZE_MAX / 2 - SMALL_CHUNK) / size) {
        lam_fail(error, LAM_MEMORY, "an array of %zu x %zu bytes is larger than memory can be",
                 count, size);
        return NULL;
    }
    size_t bytes = count * size;
    void *piece = arena->chunks ? take(arena->chunks, bytes) : NULL;
    if (!piece) {
        size_t room = bytes + ALIGNMENT > SMALL_CHUNK ? bytes + ALIGNMENT : SMALL_CHUNK;
        struct lam_arena_chunk *chunk = calloc(1, sizeof *chunk + room);
        if (!chunk) {
            lam_fail(error, LAM_MEMORY,
                     "memory for %.1f MB was refused (%.1f MB are in use in this part): "
                     "use more ranks or a smaller job",
                     (double)bytes / 1e6, (double)arena->used / 1e6);
            return NULL;
        }
        chunk->size = room;
        // A chunk with room left stays at the head.
        if (arena->chunks && room > SMALL_CHUNK) {
            chunk->next = arena->chunks->next;
            arena->chunks->next = chunk;
        } else {
            chunk->next = arena->chunks;
            arena->chunks = chunk;
        }
        piece = take(chunk, bytes);
    }
    arena->used += bytes;
    return piece;
}

char *lam_arena_text(lam_arena *arena, const char *text, size_t length, lam_error *error) {
    char *copy = lam_arena_alloc(arena, length + 1, 1, error);
    if (copy && length) memcpy(copy, text, length);
    return copy;
}

char *lam_arena_format(lam_arena *arena, lam_error *error, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = length < 0 ? NULL : lam_arena_alloc(arena, (size_t)length + 1, 1, error);
    if (text) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

void lam_arena_destroy(lam_arena *arena) {
    for (struct lam_arena_chunk *chunk = arena->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    *arena = (lam_arena){0};
}
