#include "io/cache.h"

#include "io/replace_file.h"
#include "io/sha256.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// path, or path behind the current folder.
static const char *absolute(const char *path, lam_arena *arena, lam_error *error) {
    if (*path == '/') return lam_arena_text(arena, path, strlen(path), error);
    char *here = getcwd(NULL, 0);
    if (!here) {
        lam_fail(error, LAM_IO, "the current folder cannot be named: %s", strerror(errno));
        return NULL;
    }
    const char *whole = lam_arena_format(arena, error, "%s/%s", here, path);
    free(here);
    return whole;
}

lam_code lam_cache_folder(const char *given, const char **folder, lam_arena *arena,
                          lam_error *error) {
    const char *set = getenv("LAMINAR_CACHE"), *xdg = getenv("XDG_CACHE_HOME"),
               *home = getenv("HOME");
    if (given && *given)
        *folder = absolute(given, arena, error);
    else if (set && *set)
        *folder = absolute(set, arena, error);
    else if (xdg && *xdg == '/') // a relative one is to be ignored, says its specification
        *folder = lam_arena_format(arena, error, "%s/laminar", xdg);
    else if (home && *home == '/')
        *folder = lam_arena_format(arena, error, "%s/.cache/laminar", home);
    else
        return lam_fail(error, LAM_USAGE,
                        "there is no home folder for the cache: say where it is to be by "
                        "LAMINAR_CACHE");
    return *folder ? LAM_OK : error->code;
}

lam_code lam_cache_make_folder(const char *path, lam_error *error) {
    char *copy = strdup(path);
    if (!copy) return lam_fail(error, LAM_MEMORY, "no memory for a file name");
    int number = 0;
    for (char *c = copy + 1; !number; c++) {
        if (*c && *c != '/') continue;
        char end = *c;
        *c = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) number = errno;
        *c = end;
        if (!end) break;
    }
    free(copy);
    struct stat info;
    if (!number && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) return LAM_OK;
    return lam_fail(error, LAM_IO,
                    "the folder %s cannot be made: %s: choose another cache by --cache or "
                    "LAMINAR_CACHE",
                    path, strerror(number ? number : ENOTDIR));
}

lam_code lam_cache_open(const char *folder, lam_error *error) {
    static const char *const inside[] = {"objects", "parts", "records"};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++) {
        char *path;
        if (asprintf(&path, "%s/%s", folder, inside[i]) < 0)
            return lam_fail(error, LAM_MEMORY, "no memory for a file name");
        lam_code code = lam_cache_make_folder(path, error);
        free(path);
        LAM_TRY(code);
    }
    return LAM_OK;
}

char *lam_cache_object(const char *folder, const char *sha256, const char *ending, lam_arena *arena,
                       lam_error *error) {
    return lam_arena_format(arena, error, "%s/objects/%.2s/%s%s", folder, sha256, sha256, ending);
}

static char *hashed(const char *folder, const char *inside, const char *key, const char *ending,
                    lam_arena *arena, lam_error *error) {
    uint8_t digest[LAM_SHA256_BYTES];
    char text[LAM_SHA256_TEXT];
    if (lam_sha256_of(key, strlen(key), digest, error) != LAM_OK) return NULL;
    lam_sha256_text(digest, text);
    return lam_arena_format(arena, error, "%s/%s/%s%s", folder, inside, text, ending);
}

char *lam_cache_part(const char *folder, const char *key, lam_arena *arena, lam_error *error) {
    return hashed(folder, "parts", key, "", arena, error);
}

bool lam_cache_has(const char *path, int64_t size) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == size;
}

lam_code lam_cache_commit(const char *folder, const char *part, const char *sha256,
                          const char *ending, lam_error *error) {
    lam_arena arena = {0};
    char *path = lam_cache_object(folder, sha256, ending, &arena, error);
    lam_code code = path ? LAM_OK : LAM_MEMORY;
    if (code == LAM_OK) {
        char *slash = strrchr(path, '/');
        *slash = '\0';
        code = lam_cache_make_folder(path, error);
        *slash = '/';
    }
    if (code == LAM_OK) code = lam_replace_by(path, part, error);
    char *etag = code == LAM_OK ? lam_arena_format(&arena, error, "%s.etag", part) : NULL;
    if (etag) unlink(etag);
    lam_arena_destroy(&arena);
    return code;
}

lam_code lam_cache_recall(const char *folder, const char *key, bool *found, lam_corpus_entry *entry,
                          lam_arena *arena, lam_error *error) {
    lam_corpus record;
    *found = false;
    char *path = hashed(folder, "records", key, ".yaml", arena, error);
    if (!path) return error->code;
    if (access(path, R_OK) != 0) return LAM_OK;
    lam_code code = lam_corpus_read(path, &record, arena, error);
    if (code == LAM_MEMORY) return code;
    if (code != LAM_OK || record.count != 1) return LAM_OK;
    const char *object =
        lam_cache_object(folder, record.entry->sha256, record.entry->ending, arena, error);
    if (!object) return LAM_MEMORY;
    *entry = *record.entry;
    *found = lam_cache_has(object, entry->size);
    return LAM_OK;
}

lam_code lam_cache_record(const char *folder, const char *key, const lam_corpus_entry *entry,
                          lam_error *error) {
    lam_arena arena = {0};
    lam_corpus_entry copy = *entry;
    lam_corpus record = {.cache = folder, .count = 1, .entry = &copy};
    const char *path = hashed(folder, "records", key, ".yaml", &arena, error);
    lam_code code = path ? lam_corpus_write(path, &record, error) : error->code;
    lam_arena_destroy(&arena);
    return code;
}
