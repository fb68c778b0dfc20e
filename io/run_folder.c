#include "io/run_folder.h"

#include "io/replace_file.h"
#include "src/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// A stored layer: this, then the rows. A format that changes gets another mark.
typedef struct stored {
    char mark[16];
    uint8_t identity[LAM_SHA256_BYTES]; // of the run
    uint8_t digest[LAM_SHA256_BYTES];   // of what follows
    uint64_t bytes;                     // that follow
} stored;

static const char mark[16] = "laminar layer 1";
enum { PATH_ROOM = 4096, MOST_IDENTITY = 1 << 22 };

lam_code lam_run_folder_name(lam_run_folder *folder, const char *output, lam_arena *arena,
                             lam_error *error) {
    size_t length = strlen(output);
    if (length > 3 && strcmp(output + length - 3, ".nc") == 0) length -= 3;
    folder->path = lam_arena_format(arena, error, "%.*s.run", (int)length, output);
    return folder->path ? LAM_OK : LAM_MEMORY;
}

lam_code lam_run_folder_check(const lam_run_folder *folder, bool resume, lam_error *error) {
    struct stat status;
    if (resume || lstat(folder->path, &status) != 0) return LAM_OK;
    return lam_fail(error, LAM_USAGE,
                    "%s is of a run that has not ended: go on with --resume, or remove it",
                    folder->path);
}

// The whole of a file, ended by a NUL; *data is NULL where it cannot be read.
static lam_code read_whole(const char *path, size_t most, char **data, size_t *bytes,
                           lam_error *error) {
    *data = NULL;
    FILE *file = fopen(path, "rbe");
    struct stat status;
    if (!file) return LAM_OK;
    if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
        (uint64_t)status.st_size <= most) {
        *bytes = (size_t)status.st_size;
        *data = malloc(*bytes + 1);
        if (!*data) {
            fclose(file);
            return lam_fail(error, LAM_MEMORY, "memory for %s was refused", path);
        }
        (*data)[*bytes] = '\0';
        if (fread(*data, 1, *bytes, file) != *bytes) free(*data), *data = NULL;
    }
    fclose(file);
    return LAM_OK;
}

// One line of an identity: its key with its section's, and its value.
typedef struct line {
    char key[128];
    const char *value;
    size_t length;
} line;

static const char *next_line(const char *text, char section[64], line *found) {
    size_t length = strcspn(text, "\n"), indent = strspn(text, " "), name = strcspn(text, ":\n");
    if (indent == 0) section[0] = '\0';
    snprintf(found->key, sizeof found->key, "%s%.*s", section, (int)(name - indent), text + indent);
    found->value = text + (name < length ? name + 1 : length);
    found->length = (size_t)(text + length - found->value);
    if (indent == 0) snprintf(section, 64, "%.*s.", (int)name, text);
    return text + length + (text[length] == '\n');
}

// Says which key of two identities is the first that differs.
static lam_code fail_other(const lam_run_folder *folder, const char *was, const char *is,
                           lam_error *error) {
    char section[2][64] = {"", ""};
    line a = {0}, b = {0};
    while (*was || *is) {
        was = next_line(was, section[0], &a);
        is = next_line(is, section[1], &b);
        if (strcmp(a.key, b.key) != 0 || a.length != b.length ||
            memcmp(a.value, b.value, a.length) != 0)
            break;
    }
    if (strcmp(a.key, b.key) != 0)
        return lam_fail(error, LAM_USAGE,
                        "%s is of another job (%s, where this one has %s): choose another output, "
                        "or remove it",
                        folder->path, *a.key ? a.key : "its end", *b.key ? b.key : "its end");
    return lam_fail(error, LAM_USAGE,
                    "%s is of another run: %s was%.*s and is%.*s: choose another output, or remove "
                    "it",
                    folder->path, a.key, (int)a.length, a.value, (int)b.length, b.value);
}

lam_code lam_run_folder_open(lam_run_folder *folder, const char *identity, bool *found,
                             lam_error *error) {
    char path[PATH_ROOM], *was;
    size_t bytes;
    LAM_TRY(lam_sha256_of(identity, strlen(identity), folder->identity, error));
    snprintf(path, sizeof path, "%s/identity", folder->path);
    if (mkdir(folder->path, 0777) != 0 && errno != EEXIST)
        return lam_fail(error, LAM_IO, "%s cannot be made: %s: choose another output", folder->path,
                        strerror(errno));
    LAM_TRY(read_whole(path, MOST_IDENTITY, &was, &bytes, error));
    *found = was != NULL;
    if (!was) {
        lam_code written = lam_replace_file(path, identity, strlen(identity), error);
        if (written != LAM_OK) rmdir(folder->path);
        return written;
    }
    lam_code code = strcmp(was, identity) == 0 ? LAM_OK : fail_other(folder, was, identity, error);
    free(was);
    return code;
}

static size_t row_bytes(const lam_group *group, size_t variable) {
    return (size_t)lam_group_row_count(group, variable) *
           lam_type_size(group->variables[variable].type);
}

// The rows of a layer, one behind the other: copied to bytes, or from it into the groups; with
// bytes NULL only counted. Returns how many bytes.
static size_t copy_rows(const lam_group *groups, size_t count, int64_t layer, char *bytes,
                        bool back) {
    size_t at = 0;
    for (size_t g = 0; g < count; g++)
        for (size_t v = 0; v < groups[g].variable_count; v++) {
            if (!lam_variable_has_layer(&groups[g].variables[v])) continue;
            const size_t size = row_bytes(&groups[g], v);
            void *row = lam_group_row(&groups[g], groups[g].variables[v].name, layer);
            if (bytes && size) memcpy(back ? row : bytes + at, back ? bytes + at : row, size);
            at += size;
        }
    return at;
}

static void layer_path(const lam_run_folder *folder, const char *profile, int64_t layer,
                       char path[PATH_ROOM]) {
    snprintf(path, PATH_ROOM, "%s/%s-%lld", folder->path, profile, (long long)layer);
}

lam_code lam_run_folder_store(const lam_run_folder *folder, const char *profile, int64_t layer,
                              const lam_group *groups, size_t count, lam_error *error) {
    const size_t bytes = copy_rows(groups, count, layer, NULL, false);
    char path[PATH_ROOM], *data = malloc(sizeof(stored) + bytes);
    if (!data)
        return lam_fail(error, LAM_MEMORY, "memory to keep layer %lld of %s was refused",
                        (long long)layer, profile);
    copy_rows(groups, count, layer, data + sizeof(stored), false);
    stored head = {.bytes = bytes};
    memcpy(head.mark, mark, sizeof mark);
    memcpy(head.identity, folder->identity, sizeof head.identity);
    lam_code code = lam_sha256_of(data + sizeof head, bytes, head.digest, error);
    memcpy(data, &head, sizeof head);
    layer_path(folder, profile, layer, path);
    if (code == LAM_OK) code = lam_replace_file(path, data, sizeof head + bytes, error);
    free(data);
    return code;
}

static lam_code check_stored(const lam_run_folder *folder, const char *data, size_t bytes,
                             size_t wanted, bool *good, lam_error *error) {
    stored head;
    uint8_t digest[LAM_SHA256_BYTES];
    *good = false;
    if (bytes != sizeof head + wanted) return LAM_OK;
    memcpy(&head, data, sizeof head);
    if (memcmp(head.mark, mark, sizeof mark) != 0 || head.bytes != wanted ||
        memcmp(head.identity, folder->identity, sizeof head.identity) != 0)
        return LAM_OK;
    LAM_TRY(lam_sha256_of(data + sizeof head, wanted, digest, error));
    *good = memcmp(digest, head.digest, sizeof digest) == 0;
    return LAM_OK;
}

lam_code lam_run_folder_load(const lam_run_folder *folder, const char *profile, int64_t layer,
                             lam_group *groups, size_t count, bool *found, lam_error *error) {
    const size_t wanted = copy_rows(groups, count, layer, NULL, true);
    char path[PATH_ROOM], *data;
    size_t bytes;
    layer_path(folder, profile, layer, path);
    *found = false;
    LAM_TRY(read_whole(path, SIZE_MAX / 2, &data, &bytes, error));
    if (!data) return LAM_OK;
    lam_code code = check_stored(folder, data, bytes, wanted, found, error);
    if (code == LAM_OK && *found)
        copy_rows(groups, count, layer, data + sizeof(stored), true);
    else if (code == LAM_OK)
        fprintf(stderr, "laminar: %s is damaged: the layer is done again\n", path);
    free(data);
    return code;
}

// "sae-3"
static bool is_layer(const char *name) {
    const char *dash = strrchr(name, '-');
    return *name != '.' && dash && dash > name && dash[1] &&
           strspn(dash + 1, "0123456789") == strlen(dash + 1);
}

// With remove, removes what laminar wrote in the folder; returns how many layers were in it.
static int go_through(const lam_run_folder *folder, bool remove) {
    char path[PATH_ROOM];
    int layers = 0;
    DIR *entries = opendir(folder->path);
    if (!entries) return 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        const char *name = entry->d_name;
        layers += is_layer(name);
        // ".laminar-": a temporary of lam_replace_file, left by a process that was killed
        if (!remove || !(is_layer(name) || strcmp(name, "identity") == 0 ||
                         strncmp(name, ".laminar-", 9) == 0))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder->path, name);
        unlink(path);
    }
    closedir(entries);
    return layers;
}

bool lam_run_folder_holds(const lam_run_folder *folder) {
    return go_through(folder, false) > 0;
}

void lam_run_folder_remove(const lam_run_folder *folder) {
    go_through(folder, true);
    rmdir(folder->path);
}
