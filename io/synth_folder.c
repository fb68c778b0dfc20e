#include "io/synth_folder.h"

#include "io/json_file.h"
#include "src/arena.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char marker[] = "laminar-synth.json", partial[] = ".laminar-partial-";

struct lam_synth_folder {
    lam_arena arena;
    char *path, *temporary;
    bool made_here;
    json_t *before; // names of files of an earlier synth
    json_t *files;  // names of those of this one
};

static lam_code cannot_write(const char *path, lam_error *error) {
    return lam_fail(error, LAM_IO, "cannot write %s: %s", path, strerror(errno));
}

static char *join(lam_synth_folder *folder, const char *first, const char *second,
                  lam_error *error) {
    return lam_arena_format(&folder->arena, error, "%s/%s", first, second);
}

static bool lists(const json_t *names, const char *name) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)names, i, item) {
        if (json_is_string(item) && strcmp(json_string_value(item), name) == 0) return true;
    }
    return false;
}

// Removes a subfolder that synth filled, and the plain files in it.
static void remove_partial(const char *path) {
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = descriptor < 0 ? NULL : fdopendir(descriptor);
    for (const struct dirent *entry; list && (entry = readdir(list));)
        unlinkat(descriptor, entry->d_name, 0); // "." and ".." are refused
    if (list) closedir(list);
    rmdir(path);
}

// What the folder's marker says an earlier synth wrote; an empty list without a marker. A name with
// a path in it was never written by synth, whoever wrote the marker, and must not be removed.
static lam_code read_marker(lam_synth_folder *folder, lam_error *error) {
    json_t *object = NULL, *item;
    size_t i;
    char *path = join(folder, folder->path, marker, error);
    if (!path) return LAM_MEMORY;
    if (access(path, F_OK) == 0) LAM_TRY(lam_json_read(path, 1 << 24, &object, error));
    folder->before = json_array();
    int failed = !folder->before;
    json_array_foreach(json_object_get(object, "files"), i, item) {
        const char *name = json_string_value(item);
        if (name && !strchr(name, '/')) failed |= json_array_append(folder->before, item);
    }
    json_decref(object);
    if (failed) return lam_fail(error, LAM_MEMORY, "no memory for %s", path);
    return LAM_OK;
}

// Whether everything in the folder is ours; what an interrupted synth left is removed.
static lam_code check_contents(lam_synth_folder *folder, lam_error *error) {
    DIR *list = opendir(folder->path);
    lam_code code = LAM_OK;
    if (!list)
        return lam_fail(error, LAM_IO, "cannot open the folder %s: %s", folder->path,
                        strerror(errno));
    for (const struct dirent *entry; code == LAM_OK && (entry = readdir(list));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, marker) == 0)
            continue;
        if (strncmp(name, partial, strlen(partial)) == 0) {
            char *path = join(folder, folder->path, name, error);
            if (path)
                remove_partial(path);
            else
                code = LAM_MEMORY;
        } else if (!lists(folder->before, name))
            code = lam_fail(error, LAM_USAGE,
                            "the folder %s holds %s, which synth did not write: give an empty or a "
                            "new folder",
                            folder->path, name);
    }
    closedir(list);
    return code;
}

static lam_code begin(lam_synth_folder *folder, const char *path, lam_error *error) {
    folder->path = lam_arena_text(&folder->arena, path, strlen(path), error);
    folder->files = json_array();
    if (!folder->path) return LAM_MEMORY;
    if (!folder->files) return lam_fail(error, LAM_MEMORY, "no memory for %s", path);
    folder->made_here = mkdir(path, 0777) == 0;
    if (!folder->made_here && errno != EEXIST)
        return lam_fail(error, LAM_IO, "cannot make the folder %s: %s", path, strerror(errno));
    LAM_TRY(read_marker(folder, error));
    LAM_TRY(check_contents(folder, error));
    char *temporary =
        lam_arena_format(&folder->arena, error, "%s/%s%ld", path, partial, (long)getpid());
    if (!temporary) return LAM_MEMORY;
    if (mkdir(temporary, 0777) != 0) return cannot_write(temporary, error);
    folder->temporary = temporary;
    return LAM_OK;
}

lam_code lam_synth_folder_begin(const char *path, lam_synth_folder **folder, lam_error *error) {
    *folder = NULL;
    lam_synth_folder *new = calloc(1, sizeof *new);
    if (!new) return lam_fail(error, LAM_MEMORY, "no memory for %s", path);
    lam_code code = begin(new, path, error);
    if (code != LAM_OK) {
        lam_synth_folder_abandon(new);
        return code;
    }
    *folder = new;
    return LAM_OK;
}

lam_code lam_synth_folder_add(lam_synth_folder *folder, const char *name, const char **path,
                              lam_error *error) {
    *path = join(folder, folder->temporary, name, error);
    if (!*path) return LAM_MEMORY;
    if (json_array_append_new(folder->files, json_string(name)) != 0)
        return lam_fail(error, LAM_MEMORY, "no memory for %s", *path);
    return LAM_OK;
}

// Copies a file and syncs the copy.
static lam_code copy_file(const char *from, const char *to, lam_error *error) {
    char buffer[1 << 14];
    FILE *in = fopen(from, "re");
    if (!in) return lam_fail(error, LAM_IO, "cannot open %s: %s", from, strerror(errno));
    FILE *out = fopen(to, "we");
    lam_code code = out ? LAM_OK : cannot_write(to, error);
    for (size_t got; code == LAM_OK && (got = fread(buffer, 1, sizeof buffer, in)) > 0;)
        if (fwrite(buffer, 1, got, out) != got) code = cannot_write(to, error);
    if (code == LAM_OK && ferror(in))
        code = lam_fail(error, LAM_IO, "cannot read %s: %s", from, strerror(errno));
    if (code == LAM_OK && (fflush(out) != 0 || fsync(fileno(out)) != 0))
        code = cannot_write(to, error);
    if (out) fclose(out);
    fclose(in);
    return code;
}

lam_code lam_synth_folder_tokenizer(lam_synth_folder *folder, const char *source,
                                    lam_error *error) {
    static const char *const names[] = {
        "tokenizer.json",          "vocab.json",       "merges.txt", "tokenizer_config.json",
        "special_tokens_map.json", "added_tokens.json"};
    bool has[sizeof names / sizeof *names] = {false};
    if (!source) return LAM_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *from = join(folder, source, names[i], error), *to;
        if (!from) return LAM_MEMORY;
        has[i] = access(from, F_OK) == 0;
        if (!has[i]) continue;
        LAM_TRY(lam_synth_folder_add(folder, names[i], &to, error));
        LAM_TRY(copy_file(from, to, error));
    }
    if (has[0] || (has[1] && has[2])) return LAM_OK;
    return lam_fail(error, LAM_USAGE,
                    "%s has no tokenizer to copy: neither tokenizer.json nor vocab.json and "
                    "merges.txt",
                    source);
}

static lam_code write_marker(lam_synth_folder *folder, const lam_model_config *config,
                             const lam_synth_options *options, lam_error *error) {
    char *path = join(folder, folder->path, marker, error);
    if (!path) return LAM_MEMORY;
    json_t *object =
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:o, s:O}", "made_by", "laminar synth", "family",
                  lam_family_name(config->family), "layers", (json_int_t)config->layers, "width",
                  (json_int_t)config->width, "heads", (json_int_t)config->heads, "dtype",
                  lam_dtype_name(options->dtype), "seed",
                  json_sprintf("%ju", (uintmax_t)options->seed), "files", folder->files);
    lam_code code = object ? lam_json_write(path, object, error)
                           : lam_fail(error, LAM_MEMORY, "no memory for %s", path);
    json_decref(object);
    return code;
}

// Removes the named files and the marker.
static lam_code remove_files(lam_synth_folder *folder, const json_t *names, lam_error *error) {
    for (size_t i = 0; i <= json_array_size(names); i++) {
        const json_t *item = json_array_get(names, i);
        char *path = join(folder, folder->path, item ? json_string_value(item) : marker, error);
        if (!path) return LAM_MEMORY;
        if (unlink(path) != 0 && errno != ENOENT) return cannot_write(path, error);
    }
    return LAM_OK;
}

// The marker comes first, so that whatever is there can be told from a user's files.
static lam_code move_in(lam_synth_folder *folder, const lam_model_config *config,
                        const lam_synth_options *options, lam_error *error) {
    size_t i;
    json_t *item;
    LAM_TRY(remove_files(folder, folder->before, error));
    LAM_TRY(write_marker(folder, config, options, error));
    json_array_foreach(folder->files, i, item) {
        char *from = join(folder, folder->temporary, json_string_value(item), error);
        char *to = join(folder, folder->path, json_string_value(item), error);
        if (!from || !to) return LAM_MEMORY;
        if (rename(from, to) != 0) return cannot_write(to, error);
    }
    return LAM_OK;
}

static void sync_folder(const char *path) {
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    (void)!fsync(descriptor); // the files are whole either way
    close(descriptor);
}

lam_code lam_synth_folder_finish(lam_synth_folder *folder, const lam_model_config *config,
                                 const lam_synth_options *options, lam_error *error) {
    lam_code code = move_in(folder, config, options, error);
    if (code == LAM_OK) {
        sync_folder(folder->path);
        folder->made_here = false; // it stays
    } else {
        lam_error ignored;
        if (remove_files(folder, folder->files, &ignored) != LAM_OK) folder->made_here = false;
    }
    lam_synth_folder_abandon(folder);
    return code;
}

void lam_synth_folder_abandon(lam_synth_folder *folder) {
    if (!folder) return;
    if (folder->temporary) remove_partial(folder->temporary);
    if (folder->made_here) rmdir(folder->path);
    json_decref(folder->before);
    json_decref(folder->files);
    lam_arena_destroy(&folder->arena);
    free(folder);
}
