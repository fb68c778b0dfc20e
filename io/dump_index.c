#include "io/dump_index.h"

#include "io/dump_bytes.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char many[] = "multistream";

static const char *file_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

lam_code lam_dump_index_name(const char *dump, char **name, lam_arena *arena, lam_error *error) {
    static const char xml[] = ".xml";
    *name = NULL;
    const char *at = strstr(file_name(dump), many), *kind = at ? strstr(at, xml) : NULL;
    if (!kind) return LAM_OK;
    at += strlen(many);
    *name = lam_arena_format(arena, error, "%.*s-index%.*s.txt%s", (int)(at - dump), dump,
                             (int)(kind - at), at, kind + strlen(xml));
    return *name ? LAM_OK : LAM_MEMORY;
}

bool lam_dump_index_named(const char *path) {
    static const char index[] = "-index";
    const char *at = strstr(file_name(path), many);
    return at && strncmp(at + strlen(many), index, strlen(index)) == 0 && strstr(at, ".txt");
}

lam_code lam_dump_index_find(const char *dump, char **index, lam_arena *arena, lam_error *error) {
    char *path;
    *index = NULL;
    LAM_TRY(lam_dump_index_name(dump, &path, arena, error));
    if (!path) return LAM_OK;
    size_t length = strlen(path);
    if (access(path, R_OK) == 0) {
        *index = path;
    } else if (length > 4 && strcmp(path + length - 4, ".bz2") == 0) {
        path[length - 4] = '\0'; // it may lie there unpacked
        if (access(path, R_OK) == 0) *index = path;
    }
    return LAM_OK;
}

// The line "offset:id:title".
static bool read_line(const char *line, uint64_t *offset, int64_t *id) {
    char *end;
    if (*line < '0' || *line > '9') return false;
    *offset = strtoull(line, &end, 10);
    if (*end != ':' || end[1] < '0' || end[1] > '9') return false;
    *id = strtoll(end + 1, &end, 10);
    return *end == ':';
}

lam_code lam_dump_index_read(const char *index,
                             void (*take)(void *user, uint64_t offset, int64_t id), void *user,
                             lam_error *error) {
    char piece[1 << 16], line[64]; // a line's beginning: what is of interest
    size_t got, length = 0, lines = 0;
    lam_dump_bytes *bytes;
    LAM_TRY(lam_dump_bytes_open(index, NULL, 0, &bytes, error));
    lam_code code = LAM_OK;
    do {
        code = lam_dump_bytes_read(bytes, piece, sizeof piece, &got, error);
        for (size_t i = 0; code == LAM_OK && i < got; i++) {
            if (piece[i] != '\n') {
                if (length < sizeof line - 1) line[length++] = piece[i];
                continue;
            }
            uint64_t offset;
            int64_t id;
            line[length] = '\0';
            length = 0;
            lines++;
            if (read_line(line, &offset, &id))
                take(user, offset, id);
            else
                code = lam_fail(error, LAM_INPUT,
                                "%s: line %zu is not \"offset:page:title\", as an index of a "
                                "multistream dump has it: fetch it again, or remove it to read "
                                "all of the dump",
                                index, lines);
        }
    } while (code == LAM_OK && got > 0);
    lam_dump_bytes_close(bytes);
    return code;
}
