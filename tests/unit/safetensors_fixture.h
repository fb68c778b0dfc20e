// What the tests of safetensors and checkpoints share: files made byte by byte, lines of errors.
#ifndef LAM_SAFETENSORS_FIXTURE_H
#define LAM_SAFETENSORS_FIXTURE_H

#include "fixture.h"

#include "src/arena.h"
#include "src/error.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

// folder/name, kept until the test program ends.
static inline const char *in_folder(const char *folder, const char *name) {
    static lam_arena kept;
    lam_error error;
    const char *path = lam_arena_format(&kept, &error, "%s/%s", folder, name);
    assert_non_null(path);
    return path;
}

static inline void write_bytes(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline void write_text(const char *path, const char *text) {
    write_bytes(path, text, strlen(text));
}

// The whole file, to be freed; a NUL follows.
static inline char *read_bytes(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *data = calloc(1, *bytes + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

static inline void copy_file(const char *from, const char *to) {
    size_t bytes;
    char *data = read_bytes(from, &bytes);
    write_bytes(to, data, bytes);
    free(data);
}

// A safetensors file of that header and so many bytes of data, all zero.
static inline void write_safetensors(const char *path, const char *header, size_t data_bytes) {
    uint64_t length = strlen(header);
    char *all = calloc(1, 8 + length + data_bytes);
    assert_non_null(all);
    memcpy(all, &length, 8);
    memcpy(all + 8, header, length);
    write_bytes(path, all, 8 + length + data_bytes);
    free(all);
}

// Names in a folder but "." and "..".
static inline int count_entries(const char *folder) {
    int count = 0;
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (const struct dirent *entry; (entry = readdir(list));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(list);
    return count;
}

// A call failed as it should: with this code, and one line in which both texts are found.
#define assert_fails(call, expected_code, says, names)                                             \
    do {                                                                                           \
        lam_error error = {0};                                                                     \
        lam_code got = (call);                                                                     \
        if (got != (expected_code) || error.code != got || strchr(error.text, '\n') ||             \
            !strstr(error.text, (says)) || !strstr(error.text, (names)))                           \
            fail_msg("code %d, \"%s\": wanted %d, \"%s\" and \"%s\"", (int)got, error.text,        \
                     (int)(expected_code), (const char *)(says), (const char *)(names));           \
    } while (0)

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        lam_error error = {0};                                                                     \
        if ((call) != LAM_OK) fail_msg("%s", error.text);                                          \
    } while (0)

#endif
