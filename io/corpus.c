#include "io/corpus.h"

#include "io/cache.h"
#include "io/replace_file.h"
#include "src/decimal.h"
#include "src/utf8.h"
#include "src/wording.h"
#include "src/yaml_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

bool lam_corpus_is(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && (strcasecmp(dot, ".yaml") == 0 || strcasecmp(dot, ".yml") == 0);
}

bool lam_corpus_ending_valid(const char *ending) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    for (int part = 0; part < 2 && *ending; part++) {
        size_t length = *ending == '.' ? strspn(ending + 1, letters) : 0;
        if (length < 1 || length > 8) return false;
        ending += 1 + length;
    }
    return !*ending;
}

static bool is_sha256(const char *text) {
    return strspn(text, "0123456789abcdef") == 64 && !text[64];
}

// All of a file in arena. A manifest is never larger than a YAML text may be.
static lam_code read_all(const char *path, char **text, size_t *bytes, lam_arena *arena,
                         lam_error *error) {
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe would wait for its writer
    if (file < 0) return lam_fail(error, LAM_IO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat info;
    lam_code code = LAM_OK;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        code = lam_fail(error, LAM_IO, "%s: is not a regular file: name a manifest", path);
    else if (info.st_size > LAM_YAML_MAX_BYTES)
        code =
            lam_fail(error, LAM_INPUT, "%s: larger than 16 MB: is this a manifest of fetch?", path);
    *bytes = 0;
    size_t size = code == LAM_OK ? (size_t)info.st_size : 0;
    if (code == LAM_OK && !(*text = lam_arena_alloc(arena, size + 1, 1, error))) code = LAM_MEMORY;
    while (code == LAM_OK && *bytes < size) {
        ssize_t got = read(file, *text + *bytes, size - *bytes);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0)
            code = lam_fail(error, LAM_IO, "%s: cannot be read: %s", path, strerror(errno));
        if (got <= 0) break;
        *bytes += (size_t)got;
    }
    close(file);
    return code;
}

// Of a mapping; NULL where it has no such key.
static const lam_yaml *value_of(const lam_yaml *mapping, const char *key) {
    for (const lam_yaml *value = mapping->first; value; value = value->next)
        if (value->key && strcmp(value->key, key) == 0) return value;
    return NULL;
}

static const char *text_of(const lam_yaml *mapping, const char *key) {
    const lam_yaml *value = value_of(mapping, key);
    return value && value->kind == LAM_YAML_SCALAR ? value->text : NULL;
}

static lam_code read_entry(const char *path, const lam_yaml *node, lam_corpus_entry *entry,
                           lam_error *error) {
    const char *wrong = NULL;
    if (node->kind != LAM_YAML_MAPPING)
        return lam_fail(error, LAM_INPUT, "%s:%lld: is no entry of a manifest: fetch it again",
                        path, (long long)node->line);
    const char *size = text_of(node, "size");
    *entry = (lam_corpus_entry){.name = text_of(node, "name"),
                                .url = text_of(node, "url"),
                                .revision = text_of(node, "revision"),
                                .time = text_of(node, "time"),
                                .sha256 = text_of(node, "sha256"),
                                .ending = text_of(node, "ending")};
    if (!entry->ending) entry->ending = "";
    if (!entry->name)
        wrong = "name";
    else if (!entry->url)
        wrong = "url";
    else if (!entry->time)
        wrong = "time";
    else if (!size || !lam_integer_parse(size, &entry->size) || entry->size < 0)
        wrong = "size";
    else if (!entry->sha256 || !is_sha256(entry->sha256))
        wrong = "sha256";
    else if (!lam_corpus_ending_valid(entry->ending))
        wrong = "ending";
    if (!wrong) return LAM_OK;
    return lam_fail(error, LAM_INPUT,
                    "%s:%lld: its entry has no valid '%s': make it again by laminar fetch", path,
                    (long long)node->line, wrong);
}

lam_code lam_corpus_read(const char *path, lam_corpus *corpus, lam_arena *arena, lam_error *error) {
    char *text = NULL;
    size_t bytes = 0;
    lam_yaml *root;
    *corpus = (lam_corpus){0};
    LAM_TRY(read_all(path, &text, &bytes, arena, error));
    lam_code code = lam_yaml_parse(text, bytes, path, &root, arena, error);
    if (code == LAM_USAGE) return error->code = LAM_INPUT;
    LAM_TRY(code);
    const char *version = root ? text_of(root, "laminar_corpus") : NULL;
    const lam_yaml *entries = root ? value_of(root, "entries") : NULL;
    if (!version || !entries || entries->kind != LAM_YAML_LIST)
        return lam_fail(error, LAM_INPUT,
                        "%s: is not a manifest of laminar fetch, which begins with "
                        "'laminar_corpus: 1' and has a list of entries",
                        path);
    if (strcmp(version, "1") != 0)
        return lam_fail(error, LAM_INPUT,
                        "%s: is a manifest of version %s, this laminar reads 1: use a newer one",
                        path, lam_excerpt_of(version).text);
    corpus->cache = text_of(root, "cache");
    corpus->count = corpus->room = entries->count;
    LAM_ALLOC(corpus->entry, arena, corpus->count, error);
    size_t i = 0;
    for (const lam_yaml *node = entries->first; node; node = node->next)
        LAM_TRY(read_entry(path, node, &corpus->entry[i++], error));
    return LAM_OK;
}

static lam_code put(FILE *out, const char *key, const char *text, lam_arena *arena,
                    lam_error *error) {
    const char *quoted = lam_yaml_quote(text, arena, error);
    if (!quoted) return error->code == LAM_USAGE ? (error->code = LAM_INPUT) : LAM_MEMORY;
    fprintf(out, "%s: %s\n", key, quoted);
    return LAM_OK;
}

static lam_code put_all(FILE *out, const lam_corpus *corpus, lam_arena *arena, lam_error *error) {
    fputs("# Made by laminar fetch; a job names this file as its text.\nlaminar_corpus: 1\n", out);
    LAM_TRY(put(out, "cache", corpus->cache, arena, error));
    fputs(corpus->count ? "entries:\n" : "entries: []\n", out);
    for (size_t i = 0; i < corpus->count; i++) {
        const lam_corpus_entry *entry = &corpus->entry[i];
        LAM_TRY(put(out, "- name", entry->name, arena, error));
        LAM_TRY(put(out, "  url", entry->url, arena, error));
        if (entry->revision) LAM_TRY(put(out, "  revision", entry->revision, arena, error));
        LAM_TRY(put(out, "  time", entry->time, arena, error));
        fprintf(out, "  size: %lld\n", (long long)entry->size);
        LAM_TRY(put(out, "  sha256", entry->sha256, arena, error));
        if (*entry->ending) LAM_TRY(put(out, "  ending", entry->ending, arena, error));
    }
    return LAM_OK;
}

lam_code lam_corpus_write(const char *path, const lam_corpus *corpus, lam_error *error) {
    char *text = NULL;
    size_t bytes = 0;
    lam_arena arena = {0};
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return lam_fail(error, LAM_MEMORY, "no memory for %s", path);
    lam_code code = put_all(out, corpus, &arena, error);
    if (fclose(out) != 0 && code == LAM_OK)
        code = lam_fail(error, LAM_MEMORY, "no memory for %s", path);
    if (code == LAM_OK) code = lam_replace_file(path, text, bytes, error);
    free(text);
    lam_arena_destroy(&arena);
    return code;
}

lam_code lam_corpus_add(lam_corpus *corpus, const lam_corpus_entry *entry, lam_arena *arena,
                        lam_error *error) {
    for (size_t i = 0; i < corpus->count; i++)
        if (strcmp(corpus->entry[i].name, entry->name) == 0)
            return corpus->entry[i] = *entry, LAM_OK;
    if (corpus->count == corpus->room) { // what is outgrown stays with the arena
        lam_corpus_entry *larger;
        corpus->room = 2 * corpus->count + 8;
        LAM_ALLOC(larger, arena, corpus->room, error);
        if (corpus->count) memcpy(larger, corpus->entry, corpus->count * sizeof *larger);
        corpus->entry = larger;
    }
    corpus->entry[corpus->count++] = *entry;
    return LAM_OK;
}

lam_code lam_corpus_locate(const lam_corpus *corpus, const lam_corpus_entry *entry,
                           const char **path, lam_arena *arena, lam_error *error) {
    const char *own = NULL;
    LAM_TRY(lam_cache_folder(NULL, &own, arena, error));
    const char *set = getenv("LAMINAR_CACHE");
    const char *folders[] = {set && *set ? own : NULL, corpus->cache, own};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        if (!folders[i]) continue;
        *path = lam_cache_object(folders[i], entry->sha256, entry->ending, arena, error);
        if (!*path) return LAM_MEMORY;
        if (lam_cache_has(*path, entry->size)) return LAM_OK;
    }
    return lam_fail(error, LAM_IO,
                    "'%s' (%s) is not in the cache %s: fetch it again, or say where the cache is "
                    "by LAMINAR_CACHE",
                    lam_excerpt_of(entry->name).text, entry->url,
                    corpus->cache ? corpus->cache : own);
}
