#include "io/fetch.h"

#include "io/cache.h"
#include "io/json_file.h"
#include "io/model_folder.h"
#include "src/hub_name.h"
#include "src/log.h"
#include "src/wording.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SMALL_FILES = 8, LARGEST_INDEX = 64 << 20 };

static const int64_t largest_small = 256 << 20;           // bytes
static const int64_t largest_weights = (int64_t)64 << 30; // bytes of one file

static const char index_name[] = "model.safetensors.index.json";

// What a checkpoint folder is made of, beside its weights; config.json must be there.
static const char *const small_files[SMALL_FILES] = {
    "config.json",           "tokenizer.json",          "vocab.json", "merges.txt",
    "tokenizer_config.json", "special_tokens_map.json", index_name,   "added_tokens.json"};

typedef struct model {
    const lam_fetch *fetch;
    const char *hub, *name, *commit; // hub: without a slash at its end
    const json_t *files;             // of the hub's answer: "siblings"
    lam_corpus corpus;
    lam_error *error;
} model;

// A shard's name as an index may give it: a file of the folder itself.
static bool is_shard(const char *name) {
    static const char ending[] = ".safetensors";
    size_t length = strlen(name), end = sizeof ending - 1;
    return length > end && !strchr(name, '/') && lam_hub_is_name(name, length) &&
           strcmp(name + length - end, ending) == 0;
}

static const json_t *file_of(const model *m, const char *name) {
    size_t i;
    json_t *file;
    json_array_foreach(m->files, i, file) {
        const char *known = json_string_value(json_object_get(file, "rfilename"));
        if (known && strcmp(known, name) == 0) return file;
    }
    return NULL;
}

// --- the folder

static const char *folder_of(const model *m) {
    return lam_arena_format(m->fetch->arena, m->error, "%s/models/%s/%s", m->fetch->cache, m->name,
                            m->commit);
}

// Makes folder/name a link to the entry's object. The name is one that is_shard or the list of
// small files let pass.
static lam_code link_file(const model *m, const char *folder, const lam_corpus_entry *entry) {
    lam_arena *arena = m->fetch->arena;
    const char *up = strchr(m->name, '/') ? "../../../.." : "../../..";
    const char *to = lam_cache_object(up, entry->sha256, entry->ending, arena, m->error);
    const char *path = lam_arena_format(arena, m->error, "%s/%s", folder, entry->name);
    if (!to || !path) return LAM_MEMORY;
    if (symlink(to, path) == 0) return LAM_OK;
    if (errno == EEXIST && unlink(path) == 0 && symlink(to, path) == 0) return LAM_OK;
    return lam_fail(m->error, LAM_IO,
                    "the link %s cannot be made: %s: choose another cache by "
                    "--cache",
                    path, strerror(errno));
}

// The folder is whole where its manifest is, which is written last.
static lam_code link_folder(model *m, const char **folder) {
    *folder = folder_of(m);
    if (!*folder) return LAM_MEMORY;
    LAM_TRY(lam_cache_make_folder(*folder, m->error));
    for (size_t i = 0; i < m->corpus.count; i++)
        LAM_TRY(link_file(m, *folder, &m->corpus.entry[i]));
    const char *manifest = lam_arena_format(m->fetch->arena, m->error, "%s/source.yaml", *folder);
    if (!manifest) return LAM_MEMORY;
    m->corpus.cache = m->fetch->cache;
    return lam_corpus_write(manifest, &m->corpus, m->error);
}

// --- the files

static lam_code want(const model *m, const char *name, lam_wanted *w) {
    lam_arena *arena = m->fetch->arena;
    const json_t *file = file_of(m, name), *lfs = json_object_get(file, "lfs");
    const json_t *size = json_object_get(lfs ? lfs : file, "size");
    const char *sha256 = json_string_value(json_object_get(lfs, "sha256"));
    const char *blob = lfs ? NULL : json_string_value(json_object_get(file, "blobId"));
    *w = (lam_wanted){.entry = {.name = name, .revision = m->commit, .ending = ""},
                      .linked = true,
                      .token = m->fetch->token,
                      .largest = is_shard(name) ? largest_weights : largest_small,
                      .size = json_is_integer(size) && json_integer_value(size) >= 0
                                  ? json_integer_value(size)
                                  : -1};
    if (sha256 && strlen(sha256) == LAM_SHA256_TEXT - 1)
        w->sha256 = lam_arena_text(arena, sha256, strlen(sha256), m->error);
    if (blob && lam_hub_is_commit(blob))
        w->blob = lam_arena_text(arena, blob, strlen(blob), m->error);
    w->entry.url =
        lam_arena_format(arena, m->error, "%s/%s/resolve/%s/%s", m->hub, m->name, m->commit, name);
    w->key = lam_arena_format(arena, m->error, "model %s", w->entry.url ? w->entry.url : "");
    return w->entry.url && w->key ? LAM_OK : LAM_MEMORY;
}

static lam_code get_files(model *m, const char *const *names, size_t count) {
    lam_wanted *wanted;
    size_t missing;
    LAM_ALLOC(wanted, m->fetch->arena, count, m->error);
    for (size_t i = 0; i < count; i++) LAM_TRY(want(m, names[i], &wanted[i]));
    LAM_TRY(lam_fetch_recall(m->fetch, "files", wanted, count, &missing, m->error));
    LAM_TRY(lam_fetch_files(m->fetch, "files", wanted, count, m->error));
    for (size_t i = 0; i < count; i++)
        LAM_TRY(lam_corpus_add(&m->corpus, &wanted[i].entry, m->fetch->arena, m->error));
    return LAM_OK;
}

// The shards that the index names, each once. Texts belong to the index.
static lam_code list_shards(const model *m, const json_t *index, const char **names,
                            size_t *count) {
    const char *tensor;
    json_t *value;
    *count = 0;
    json_object_foreach((json_t *)json_object_get(index, "weight_map"), tensor, value) {
        const char *name = json_string_value(value);
        size_t i = 0;
        if (!name || !is_shard(name))
            return lam_fail(m->error, LAM_INPUT,
                            "%s: its index names a file '%s', which is no shard of safetensors in "
                            "its folder: do not trust it",
                            m->name, name ? lam_excerpt_of(name).text : "");
        while (i < *count && strcmp(names[i], name) != 0) i++;
        if (i < *count) continue;
        if (!file_of(m, name))
            return lam_fail(m->error, LAM_INPUT,
                            "%s: its index names %s, which is not there: tell its owners", m->name,
                            lam_excerpt_of(name).text);
        names[(*count)++] = name;
    }
    if (*count) return LAM_OK;
    return lam_fail(m->error, LAM_INPUT, "%s: its index %s names no files: tell its owners",
                    m->name, index_name);
}

static lam_code get_shards(model *m) {
    const lam_corpus_entry *entry = m->corpus.entry;
    while (strcmp(entry->name, index_name) != 0) entry++;
    const char *path =
        lam_cache_object(m->fetch->cache, entry->sha256, "", m->fetch->arena, m->error);
    if (!path) return LAM_MEMORY;
    json_t *index;
    LAM_TRY(lam_json_read(path, LARGEST_INDEX, &index, m->error));
    size_t count = json_object_size(json_object_get(index, "weight_map"));
    const char **names = lam_arena_alloc(m->fetch->arena, count, sizeof *names, m->error);
    lam_code code = names ? list_shards(m, index, names, &count) : LAM_MEMORY;
    for (size_t i = 0; code == LAM_OK && i < count; i++) {
        names[i] = lam_arena_text(m->fetch->arena, names[i], strlen(names[i]), m->error);
        if (!names[i]) code = LAM_MEMORY;
    }
    json_decref(index);
    return code == LAM_OK ? get_files(m, names, count) : code;
}

static lam_code check_weights(const model *m) {
    bool pickled = false;
    size_t i;
    json_t *file;
    if (!file_of(m, "config.json"))
        return lam_fail(m->error, LAM_INPUT,
                        "%s has no config.json: it is no checkpoint of a language model", m->name);
    if (file_of(m, "model.safetensors") || file_of(m, index_name)) return LAM_OK;
    json_array_foreach(m->files, i, file) {
        const char *name = json_string_value(json_object_get(file, "rfilename"));
        const char *dot = name ? strrchr(name, '.') : NULL;
        pickled |= dot && (!strcmp(dot, ".bin") || !strcmp(dot, ".pt") || !strcmp(dot, ".pth"));
    }
    if (!pickled)
        return lam_fail(m->error, LAM_INPUT, "%s holds no model.safetensors at this revision",
                        m->name);
    return lam_fail(m->error, LAM_INPUT,
                    "%s holds its weights as .bin files only, which can run code when they are "
                    "read and are refused: look for a revision with model.safetensors (the hub's "
                    "conversions lie at --revision refs/pr/NUMBER)",
                    m->name);
}

static lam_code get_model(model *m, const char **folder) {
    const char *names[SMALL_FILES + 1];
    size_t count = 0;
    LAM_TRY(check_weights(m));
    bool sharded = !file_of(m, "model.safetensors");
    for (size_t i = 0; i < SMALL_FILES; i++)
        if (file_of(m, small_files[i]) && (sharded || strcmp(small_files[i], index_name) != 0))
            names[count++] = small_files[i];
    if (!sharded) names[count++] = "model.safetensors";
    LAM_TRY(get_files(m, names, count));
    if (sharded) LAM_TRY(get_shards(m));
    return link_folder(m, folder);
}

static lam_code ask_hub(model *m, const char *revision, const char **folder) {
    lam_arena *arena = m->fetch->arena;
    json_t *answer = NULL;
    const char *escaped = lam_url_escape(revision, arena, m->error);
    const char *url =
        escaped ? lam_arena_format(arena, m->error, "%s/api/models/%s/revision/%s?blobs=true",
                                   m->hub, m->name, escaped)
                : NULL;
    if (!url) return LAM_MEMORY;
    lam_code code = lam_fetch_json(m->fetch, "queries", &url, 1, true, &answer, m->error);
    const char *commit = json_string_value(json_object_get(answer, "sha"));
    m->files = json_object_get(answer, "siblings");
    if (code == LAM_OK && (!commit || !lam_hub_is_commit(commit) || !json_is_array(m->files)))
        code =
            lam_fail(m->error, LAM_INPUT,
                     "%s: answers without the commit and the files of a model: check --hub", url);
    if (code == LAM_OK && lam_hub_is_commit(revision) && strcmp(commit, revision) != 0)
        code = lam_fail(m->error, LAM_INPUT, "%s: answers with another commit, %s", url, commit);
    if (code == LAM_OK) {
        m->commit = commit;
        if (!lam_hub_is_commit(revision))
            lam_log(LAM_NORMAL, "%s: %s is the commit %s", m->name, revision, commit);
        code = get_model(m, folder);
    }
    json_decref(answer);
    return code;
}

lam_code lam_fetch_model(const lam_fetch *fetch, const char *name, const char *revision,
                         const char **folder, lam_error *error) {
    model m = {.fetch = fetch, .name = name, .error = error};
    if (!lam_hub_is_name(name, strlen(name)))
        return lam_fail(error, LAM_USAGE,
                        "'%s' is not the name of a model on the hub: gpt2, EleutherAI/pythia-70m",
                        lam_excerpt_of(name).text);
    char *hub = lam_arena_text(fetch->arena, fetch->hub, strlen(fetch->hub), error);
    if (!hub) return LAM_MEMORY;
    for (size_t end = strlen(hub); end && hub[end - 1] == '/';) hub[--end] = '\0';
    m.hub = hub;
    LAM_TRY(lam_url_check(hub, error));
    if (revision && lam_hub_is_commit(revision) && !fetch->refresh) {
        bool whole;
        m.commit = revision;
        *folder = folder_of(&m);
        if (!*folder) return LAM_MEMORY;
        LAM_TRY(lam_model_folder_whole(*folder, &whole, fetch->arena, error));
        if (whole) return LAM_OK;
    }
    return ask_hub(&m, revision ? revision : "main", folder);
}
