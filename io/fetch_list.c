#include "io/fetch_list.h"

#include "src/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 4096, MOST_LINES = 1 << 20 };

static const char blanks[] = " \t\r\n\v\f";

static lam_code add_line(const char *path, size_t number, char *line, size_t length,
                         lam_strings *lines, size_t *room, lam_arena *arena, lam_error *error) {
    while (length && strchr(blanks, line[length - 1])) line[--length] = '\0';
    size_t skipped = strspn(line, blanks);
    if (number == 1 && strncmp(line, "\xef\xbb\xbf", 3) == 0)
        skipped = 3 + strspn(line + 3, blanks);
    line += skipped;
    length -= skipped;
    if (!length || *line == '#') return LAM_OK;
    if (length > LONGEST_LINE || number > MOST_LINES || lam_utf8_valid(line, length) != length ||
        strlen(line) != length)
        return lam_fail(error, LAM_INPUT,
                        "%s:%zu: is no line of a list: one title or address, in "
                        "UTF-8",
                        path, number);
    if (lines->count == *room) {
        const char **larger;
        *room = 2 * *room + 64;
        LAM_ALLOC(larger, arena, *room, error);
        if (lines->count) memcpy(larger, lines->item, lines->count * sizeof *larger);
        lines->item = larger;
    }
    const char *copy = lam_arena_text(arena, line, length, error);
    if (!copy) return LAM_MEMORY;
    lines->item[lines->count++] = copy;
    return LAM_OK;
}

lam_code lam_fetch_list(const char *path, lam_strings *lines, lam_arena *arena, lam_error *error) {
    size_t line_room = 0, room = 0;
    char *line = NULL;
    lam_code code = LAM_OK;
    *lines = (lam_strings){0};
    FILE *file = fopen(path, "re");
    if (!file) return lam_fail(error, LAM_IO, "%s: cannot be opened: %s", path, strerror(errno));
    ssize_t length;
    for (size_t number = 1; code == LAM_OK && (length = getline(&line, &line_room, file)) >= 0;
         number++)
        code = add_line(path, number, line, (size_t)length, lines, &room, arena, error);
    if (code == LAM_OK && ferror(file))
        code = lam_fail(error, LAM_IO, "%s: cannot be read: %s", path, strerror(errno));
    free(line);
    fclose(file);
    return code;
}
