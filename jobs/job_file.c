#include "job_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What is known while a file is read.
struct reader {
    const char *name, *folder;
    const lam_profile *const *registry;
    lam_arena *arena;
    lam_error *error;
};

static lam_code at_line(const struct reader *reader, const lam_yaml *node, lam_code code) {
    if (code != LAM_USAGE) return code;
    return lam_fail_within(reader->error, "%s:%lld", reader->name, (long long)node->line);
}

// Sets the option that node gives in a section, NULL: at the top.
static lam_code set_key(const struct reader *reader, lam_job *job, lam_job_section *section,
                        const lam_yaml *node) {
    void *base;
    const lam_option *option = lam_job_find(job, section, node->key, &base);
    if (!option || strcmp(option->name, node->key) != 0) {
        bool profile = !section && (node->kind == LAM_YAML_MAPPING || lam_yaml_is_null(node));
        return at_line(reader, node,
                       lam_job_unknown(section, profile ? "profile" : "key", node->key,
                                       reader->registry, reader->error));
    }
    const char *key = node->key;
    if (section)
        key = lam_arena_format(reader->arena, reader->error, "%s.%s", section->profile->name, key);
    if (!key) return LAM_MEMORY;
    return at_line(
        reader, node,
        lam_option_set_yaml(option, base, key, node, reader->folder, reader->arena, reader->error));
}

static const lam_profile *profile_of(const struct reader *reader, const char *name) {
    for (size_t i = 0; reader->registry[i]; i++)
        if (!strcmp(reader->registry[i]->name, name)) return reader->registry[i];
    return NULL;
}

static const lam_yaml *child(const lam_yaml *mapping, const char *key) {
    for (const lam_yaml *node = mapping->first; node; node = node->next)
        if (!strcmp(node->key, key)) return node;
    return NULL;
}

// The keys at the top, and that all else at the top is a section.
static lam_code set_globals(const struct reader *reader, lam_job *job, const lam_yaml *root) {
    for (const lam_yaml *node = root->first; node; node = node->next) {
        if (!profile_of(reader, node->key)) {
            LAM_TRY(set_key(reader, job, NULL, node));
            continue;
        }
        if (node->kind == LAM_YAML_MAPPING || lam_yaml_is_null(node)) continue;
        lam_fail(reader->error, LAM_USAGE,
                 "'%s' is a profile's section: write '%s: {key: value, ...}', or '%s: {}'",
                 node->key, node->key, node->key);
        return at_line(reader, node, LAM_USAGE);
    }
    return LAM_OK;
}

static lam_code add_sections(const struct reader *reader, lam_job *job, const lam_yaml *root) {
    for (size_t i = 0; reader->registry[i]; i++)
        if (child(root, reader->registry[i]->name))
            LAM_TRY(lam_job_add_section(job, reader->registry[i], reader->arena, reader->error));
    return LAM_OK;
}

static lam_code check_complete(const struct reader *reader, const lam_job *job) {
    if (!job->globals.model.count)
        return lam_fail(reader->error, LAM_USAGE,
                        "%s: the key 'model' is missing: write 'model: FOLDER', a checkpoint's",
                        reader->name);
    if (job->section_count) return LAM_OK;
    char names[256] = "";
    for (size_t i = 0; reader->registry[i]; i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                 reader->registry[i]->name);
    }
    const char *first = reader->registry[0] ? reader->registry[0]->name : "";
    return lam_fail(reader->error, LAM_USAGE,
                    "%s: no profile is asked for: add a section, such as '%s: {}' (profiles: %s)",
                    reader->name, first, names);
}

static lam_code resolve(const struct reader *reader, lam_job *job, const lam_yaml *root,
                        const lam_strings *sets, const char *output) {
    LAM_TRY(set_globals(reader, job, root));
    LAM_TRY(add_sections(reader, job, root));
    LAM_TRY(lam_job_apply_sets(job, NULL, sets, reader->registry, reader->arena, reader->error));
    if (output)
        LAM_TRY(lam_option_set(lam_option_find(lam_global_options, "output"), &job->globals, "-o",
                               output, NULL, reader->arena, reader->error));
    for (size_t i = 0; i < job->section_count; i++) {
        lam_job_section *section = &job->section[i];
        section->input = job->globals.input;
        for (const lam_yaml *node = child(root, section->profile->name)->first; node;
             node = node->next)
            LAM_TRY(set_key(reader, job, section, node));
        LAM_TRY(
            lam_job_apply_sets(job, section, sets, reader->registry, reader->arena, reader->error));
    }
    return check_complete(reader, job);
}

lam_code lam_job_parse(const char *text, size_t length, const char *name, const char *folder,
                       const lam_strings *sets, const char *output,
                       const lam_profile *const *registry, lam_job *job, lam_arena *arena,
                       lam_error *error) {
    struct reader reader = {name, folder, registry, arena, error};
    lam_arena scratch = {0}; // the tree is not needed once the job is made
    lam_yaml *root;
    size_t profiles = 0;
    while (registry[profiles]) profiles++;
    lam_code code = lam_job_begin(job, profiles, arena, error);
    if (code == LAM_OK) code = lam_yaml_parse(text, length, name, &root, &scratch, error);
    if (code == LAM_OK && !root)
        code = lam_fail(error, LAM_USAGE, "%s is empty: a job names at least a model and a profile",
                        name);
    if (code == LAM_OK && root->kind != LAM_YAML_MAPPING) {
        lam_fail(error, LAM_USAGE, "a job file holds keys and values, such as 'model: FOLDER'");
        code = at_line(&reader, root, LAM_USAGE);
    }
    if (code == LAM_OK) code = resolve(&reader, job, root, sets, output);
    lam_arena_destroy(&scratch);
    return code;
}

// The whole file, or one byte more than a job file may have, in *text, to be freed by the caller.
static lam_code read_file(const char *path, char **text, size_t *length, lam_error *error) {
    enum { ROOM = LAM_YAML_MAX_BYTES + 1 };
    *text = NULL;
    FILE *file = fopen(path, "rb");
    if (!file)
        return lam_fail(error, LAM_IO, "the job file %s cannot be opened: %s", path,
                        strerror(errno));
    *text = malloc(ROOM);
    if (!*text) {
        fclose(file);
        return lam_fail(error, LAM_MEMORY, "no memory is left for reading %s", path);
    }
    errno = 0;
    *length = fread(*text, 1, ROOM, file);
    int problem = ferror(file) ? errno : 0;
    fclose(file);
    if (!problem) return LAM_OK;
    return lam_fail(error, LAM_IO, "the job file %s cannot be read: %s", path, strerror(problem));
}

lam_code lam_job_read(const char *path, const lam_strings *sets, const char *output,
                      const lam_profile *const *registry, lam_job *job, lam_arena *arena,
                      lam_error *error) {
    const char *slash = strrchr(path, '/');
    const char *folder = lam_arena_text(arena, path, slash ? (size_t)(slash + 1 - path) : 0, error);
    if (!folder) return LAM_MEMORY;
    char *text;
    size_t length = 0;
    lam_code code = read_file(path, &text, &length, error);
    if (code == LAM_OK)
        code = lam_job_parse(text, length, path, folder, sets, output, registry, job, arena, error);
    free(text);
    return code;
}
