#include "io/run_state.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Before the blocks: which they are, then the bytes of each. Before block 0 are the common bytes,
// as a block by themselves.
typedef struct extent {
    int64_t blocks, first, count;
} extent;

// The common bytes' place is before block 0.
static int64_t begin_of(const extent *e) {
    return e->first > 0 ? e->first : LAM_STATE_COMMON;
}

enum { PATH_ROOM = 4096 };

static size_t bytes_of(const lam_state *state, int64_t block) {
    return state->copy(state->of, block, NULL, false);
}

lam_code lam_run_state_pack(const lam_state *state, const char *name, lam_run_file *file,
                            lam_error *error) {
    extent own = {.blocks = state->blocks};
    char full[LAM_RUN_FILE_NAME];
    state->team->own(state->team, state->blocks, &own.first, &own.count);
    const int64_t begin = begin_of(&own), end = own.first + own.count;
    size_t bytes = sizeof own + (size_t)(end - begin) * sizeof(uint64_t);
    size_t at = bytes, size_at = sizeof own;
    for (int64_t block = begin; block < end; block++) bytes += bytes_of(state, block);
    snprintf(full, sizeof full, "%s.%" PRId64 ".%" PRId64, name, state->position, own.first);
    LAM_TRY(lam_run_file_create(file, full, bytes, error));
    memcpy(file->content, &own, sizeof own);
    for (int64_t block = begin; block < end; block++) {
        const uint64_t size = state->copy(state->of, block, file->content + at, false);
        memcpy(file->content + size_at, &size, sizeof size);
        at += size, size_at += sizeof size;
    }
    return LAM_OK;
}

// The number at the start of *text, which moves behind it; -1: there is none, or more than one way
// to write it.
static int64_t take_number(const char **text) {
    int64_t number = 0;
    size_t digits = strspn(*text, "0123456789");
    if (!digits || digits > 18 || (digits > 1 && **text == '0')) return -1;
    for (; digits; digits--, ++*text) number = 10 * number + (**text - '0');
    return number;
}

// The position and the first block in a file's name, if it is of the layer's states.
static bool parse_name(const char *file, const char *name, int64_t *position, int64_t *first) {
    const size_t length = strlen(name);
    if (strncmp(file, name, length) != 0 || file[length] != '.') return false;
    file += length + 1;
    *position = take_number(&file);
    if (*position < 0 || *file++ != '.') return false;
    *first = take_number(&file);
    return *first >= 0 && !*file;
}

bool lam_run_state_is_name(const char *file) {
    char name[LAM_RUN_FILE_NAME];
    int64_t position, first;
    const char *dot = strchr(file, '.');
    if (!dot || dot == file || dot - file >= (ptrdiff_t)sizeof name) return false;
    snprintf(name, sizeof name, "%.*s", (int)(dot - file), file);
    return strchr(name, '-') && parse_name(file, name, &position, &first);
}

int64_t lam_run_state_latest(const lam_run_folder *folder, const char *name, int64_t limit) {
    int64_t latest = -1, position, first;
    DIR *entries = opendir(folder->path);
    if (!entries) return -1;
    for (struct dirent *entry; (entry = readdir(entries));)
        if (parse_name(entry->d_name, name, &position, &first) && position < limit &&
            position > latest)
            latest = position;
    closedir(entries);
    return latest;
}

void lam_run_state_remove(const lam_run_folder *folder, const char *name, int64_t but,
                          int64_t or_but) {
    char path[PATH_ROOM];
    int64_t position, first;
    DIR *entries = opendir(folder->path);
    if (!entries) return;
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (!parse_name(entry->d_name, name, &position, &first) || position == but ||
            position == or_but)
            continue;
        snprintf(path, sizeof path, "%s/%s", folder->path, entry->d_name);
        unlink(path);
    }
    closedir(entries);
}

// What a load has found so far.
typedef struct loading {
    lam_state *state;
    int64_t first, count; // this rank's blocks
    bool common;
    bool *block; // [count]
} loading;

// Puts back what the file has of this rank's blocks; false: it does not fit the state. What is
// sealed was written by this very run; the sizes are checked all the same.
static bool put_back(loading *l, const lam_run_file *file) {
    extent all;
    if (file->bytes < sizeof all) return false;
    memcpy(&all, file->content, sizeof all);
    const size_t most = file->bytes / sizeof(uint64_t);
    if (all.blocks != l->state->blocks || all.first < 0 || all.count < 1 ||
        (uint64_t)all.count >= most || all.first > all.blocks - all.count)
        return false;
    const int64_t begin = begin_of(&all), end = all.first + all.count;
    const char *sizes = file->content + sizeof all;
    size_t at = sizeof all + (size_t)(end - begin) * sizeof(uint64_t);
    for (int64_t block = begin; block < end; block++, sizes += sizeof(uint64_t)) {
        uint64_t size;
        memcpy(&size, sizes, sizeof size);
        if (at > file->bytes || size > file->bytes - at) return false;
        const bool common = block == LAM_STATE_COMMON;
        const bool own = common || (block >= l->first && block < l->first + l->count);
        if (own && size != bytes_of(l->state, block)) return false;
        if (own) l->state->copy(l->state->of, block, file->content + at, true);
        if (common) l->common = true;
        if (own && !common) l->block[block - l->first] = true;
        at += size;
    }
    return at == file->bytes;
}

static lam_code load_file(loading *l, const lam_run_folder *folder, const char *name,
                          lam_error *error) {
    lam_run_file file;
    lam_run_file_found found;
    LAM_TRY(lam_run_file_read(folder, name, &file, &found, error));
    if (found == LAM_RUN_FILE_DAMAGED || (found == LAM_RUN_FILE_GOOD && !put_back(l, &file)))
        fprintf(stderr, "laminar: %s/%s is damaged: it is left out\n", folder->path, name);
    lam_run_file_destroy(&file);
    return LAM_OK;
}

lam_code lam_run_state_load(const lam_run_folder *folder, const char *name, int64_t position,
                            lam_state *state, bool *found, lam_error *error) {
    loading l = {.state = state};
    int64_t at, first;
    *found = false;
    state->team->own(state->team, state->blocks, &l.first, &l.count);
    DIR *entries = opendir(folder->path);
    if (!entries) return LAM_OK;
    lam_code code = LAM_OK;
    l.block = calloc((size_t)l.count + 1, sizeof *l.block);
    if (!l.block) code = lam_fail(error, LAM_MEMORY, "memory to go on with %s was refused", name);
    for (struct dirent *entry; code == LAM_OK && (entry = readdir(entries));)
        if (parse_name(entry->d_name, name, &at, &first) && at == position)
            code = load_file(&l, folder, entry->d_name, error);
    closedir(entries);
    *found = code == LAM_OK && l.common;
    for (int64_t i = 0; i < l.count && *found; i++) *found = l.block[i];
    free(l.block);
    return code;
}
