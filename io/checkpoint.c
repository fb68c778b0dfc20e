#include "io/checkpoint_private.h"
#include "io/json_file.h"
#include "io/model_config.h"
#include "io/model_folder.h"
#include "src/log.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_INDEX = 100000000 };

typedef lam_checkpoint_slot slot;

static char *path_in(lam_checkpoint *checkpoint, const char *name, lam_error *error) {
    return lam_arena_format(&checkpoint->arena, error, "%s/%s", checkpoint->folder, name);
}

static bool exists(const char *path) {
    return access(path, F_OK) == 0;
}

// No name may lead out of the folder.
static bool is_plain_name(const char *name) {
    return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static lam_code open_file(lam_checkpoint *checkpoint, const char *path, lam_error *error) {
    lam_safetensors **file = &checkpoint->file[checkpoint->file_count];
    LAM_TRY(lam_safetensors_open(path, file, error));
    checkpoint->file_count++;
    return LAM_OK;
}

// The shard of that name, opened if it is the first time; numbers maps names to their places.
static lam_code shard_of(lam_checkpoint *checkpoint, const char *index, const char *name,
                         json_t *numbers, const lam_safetensors **shard, lam_error *error) {
    const json_t *number = json_object_get(numbers, name);
    if (!number) {
        if (!is_plain_name(name))
            return lam_fail(error, LAM_INPUT,
                            "%s names the shard \"%.200s\", which is not a file of its folder: "
                            "download it again",
                            index, name);
        char *path = path_in(checkpoint, name, error);
        if (!path) return LAM_MEMORY;
        if (!exists(path))
            return lam_fail(error, LAM_INPUT, "%s is missing, which %s names: download it again",
                            path, index);
        LAM_TRY(open_file(checkpoint, path, error));
        json_t *last = json_integer((json_int_t)checkpoint->file_count - 1);
        if (json_object_set_new(numbers, name, last) != 0)
            return lam_fail(error, LAM_MEMORY, "no memory for the shards of %s", index);
        number = json_object_get(numbers, name);
    }
    *shard = checkpoint->file[json_integer_value(number)];
    return LAM_OK;
}

// Opens every shard of weight_map (tensor -> file name) and looks that each has what it should.
static lam_code open_shards(lam_checkpoint *checkpoint, const char *index, const json_t *weight_map,
                            json_t *numbers, lam_error *error) {
    const char *name;
    json_t *value;
    if (!json_is_object(weight_map) || json_object_size(weight_map) == 0)
        return lam_fail(error, LAM_INPUT, "%s has no weight_map: download it again", index);
    LAM_ALLOC(checkpoint->file, &checkpoint->arena, json_object_size(weight_map), error);
    json_object_foreach((json_t *)weight_map, name, value) {
        const lam_safetensors *shard = NULL;
        if (!json_is_string(value))
            return lam_fail(error, LAM_INPUT,
                            "%s names no file for the tensor %.200s: download it again", index,
                            name);
        LAM_TRY(shard_of(checkpoint, index, json_string_value(value), numbers, &shard, error));
        if (!lam_safetensors_find(shard, name))
            return lam_fail(error, LAM_INPUT,
                            "%s has no tensor %.200s, which model.safetensors.index.json places "
                            "there: download both again",
                            lam_safetensors_path(shard), name);
    }
    return LAM_OK;
}

// Weights that are there in a form that is not read: the first such file by name, "" if none is.
static void find_other_weights(const char *folder, char name[256]) {
    static const char *const endings[] = {".bin", ".pt", ".pth", ".ckpt", ".h5", ".msgpack"};
    DIR *list = opendir(folder);
    name[0] = '\0';
    for (const struct dirent *entry; list && (entry = readdir(list));)
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
            const char *dot = strrchr(entry->d_name, '.');
            if (dot && strcmp(dot, endings[i]) == 0 &&
                (!*name || strcmp(entry->d_name, name) < 0) && strlen(entry->d_name) < 256)
                strcpy(name, entry->d_name);
        }
    if (list) closedir(list);
}

static lam_code no_weights(const char *folder, lam_error *error) {
    char other[256];
    find_other_weights(folder, other);
    if (*other)
        return lam_fail(
            error, LAM_INPUT,
            "%s has %s but no model.safetensors: other formats are not read, as opening "
            "them can run code that they carry; download the safetensors file, or "
            "convert with transformers' save_pretrained",
            folder, other);
    return lam_fail(error, LAM_INPUT,
                    "%s has neither model.safetensors nor model.safetensors.index.json: download "
                    "them",
                    folder);
}

// Opens the files; *weight_map and *numbers, where the model is sharded, are the caller's to free.
static lam_code open_files(lam_checkpoint *checkpoint, json_t **index_object, json_t **numbers,
                           lam_error *error) {
    char *whole = path_in(checkpoint, "model.safetensors", error);
    char *index = path_in(checkpoint, "model.safetensors.index.json", error);
    if (!whole || !index) return LAM_MEMORY;
    if (exists(whole)) {
        LAM_ALLOC(checkpoint->file, &checkpoint->arena, 1, error);
        return open_file(checkpoint, whole, error);
    }
    if (!exists(index)) return no_weights(checkpoint->folder, error);
    LAM_TRY(lam_json_read(index, MAX_INDEX, index_object, error));
    if (!(*numbers = json_object())) return lam_fail(error, LAM_MEMORY, "no memory for %s", index);
    return open_shards(checkpoint, index, json_object_get(*index_object, "weight_map"), *numbers,
                       error);
}

static slot locate(const lam_checkpoint *checkpoint, const json_t *weight_map,
                   const json_t *numbers, const char *name) {
    const lam_safetensors *file = checkpoint->file[0];
    if (weight_map) {
        const json_t *shard = json_object_get(weight_map, name);
        if (!shard) return (slot){0};
        file = checkpoint
                   ->file[json_integer_value(json_object_get(numbers, json_string_value(shard)))];
    }
    return (slot){file, lam_safetensors_find(file, name)};
}

static lam_code check_tensor(const lam_weight *weight, const slot *at, lam_error *error) {
    const lam_tensor *tensor = at->tensor;
    const char *path = lam_safetensors_path(at->file);
    if (tensor->dtype != LAM_DTYPE_F32 && tensor->dtype != LAM_DTYPE_F16 &&
        tensor->dtype != LAM_DTYPE_BF16)
        return lam_fail(error, LAM_INPUT,
                        "tensor %s in %s is %s; weights must be F32, F16 or BF16: download them so",
                        tensor->name, path, lam_dtype_name(tensor->dtype));
    bool same = tensor->dimensions == weight->dimensions;
    for (int i = 0; same && i < weight->dimensions; i++)
        same = tensor->shape[i] == weight->shape[i];
    if (same) return LAM_OK;
    char has[LAM_SHAPE_TEXT], says[LAM_SHAPE_TEXT];
    lam_shape_text(tensor->dimensions, tensor->shape, has);
    lam_shape_text(weight->dimensions, weight->shape, says);
    return lam_fail(error, LAM_INPUT,
                    "tensor %s in %s is %s, config.json says %s (%s%s%s): the two are not of one "
                    "model, download both again",
                    tensor->name, path, has, says, weight->key[0],
                    weight->dimensions > 1 ? ", " : "", weight->key[1]);
}

static lam_code missing(const lam_checkpoint *checkpoint, const lam_weight *weight,
                        lam_error *error) {
    if (weight->role == LAM_HEAD_WEIGHT)
        return lam_fail(error, LAM_INPUT,
                        "%s has no tensor %s, which it must where config.json says "
                        "tie_word_embeddings false: download it again",
                        checkpoint->folder, weight->name);
    return lam_fail(error, LAM_INPUT,
                    "%s has no tensor %s (nor %s), which config.json asks for: the two are not of "
                    "one model, download both again",
                    checkpoint->folder, weight->name, weight->bare);
}

static lam_code find_tensors(lam_checkpoint *checkpoint, const json_t *weight_map,
                             const json_t *numbers, lam_error *error) {
    LAM_TRY(lam_weights_list(&checkpoint->config, &checkpoint->arena, &checkpoint->weight,
                             &checkpoint->count, error));
    LAM_ALLOC(checkpoint->slot, &checkpoint->arena, checkpoint->count, error);
    for (size_t i = 0; i < checkpoint->count; i++) {
        const lam_weight *weight = &checkpoint->weight[i];
        slot *found = &checkpoint->slot[i];
        *found = locate(checkpoint, weight_map, numbers, weight->name);
        if (!found->tensor) *found = locate(checkpoint, weight_map, numbers, weight->bare);
        if (!found->tensor) return missing(checkpoint, weight, error);
        LAM_TRY(check_tensor(weight, found, error));
    }
    return LAM_OK;
}

static int compare_slots(const void *left, const void *right) {
    const lam_tensor *a = ((const slot *)left)->tensor, *b = ((const slot *)right)->tensor;
    return a < b ? -1 : a > b;
}

// Says, to those who asked for it, what the files hold beside the model and its known buffers.
static lam_code report_others(lam_checkpoint *checkpoint, lam_error *error) {
    if (lam_log_level_now() < LAM_VERBOSE) return LAM_OK;
    slot *used;
    LAM_ALLOC(used, &checkpoint->arena, checkpoint->count, error);
    memcpy(used, checkpoint->slot, checkpoint->count * sizeof *used);
    qsort(used, checkpoint->count, sizeof *used, compare_slots);
    for (size_t f = 0; f < checkpoint->file_count; f++) {
        const lam_safetensors *file = checkpoint->file[f];
        const char *first = NULL;
        size_t others = 0;
        for (size_t i = 0; i < lam_safetensors_count(file); i++) {
            const slot key = {file, lam_safetensors_at(file, i)};
            if (bsearch(&key, used, checkpoint->count, sizeof key, compare_slots)) continue;
            if (lam_weights_is_buffer(&checkpoint->config, key.tensor->name)) continue;
            if (others++ == 0) first = key.tensor->name;
        }
        if (others)
            lam_log(LAM_VERBOSE,
                    "%s: %zu tensors are not of the model and are passed over (%.200s%s)",
                    lam_safetensors_path(file), others, first, others > 1 ? ", ..." : "");
    }
    return LAM_OK;
}

static lam_code check_folder(const char *folder, lam_error *error) {
    struct stat info;
    if (stat(folder, &info) != 0)
        return lam_fail(error, LAM_IO, "cannot open the model's folder %s: %s%s", folder,
                        strerror(errno),
                        strchr(folder, '@') ? "; a pinned name, NAME@COMMIT, has all 40 digits of "
                                              "the commit"
                                            : "");
    if (!S_ISDIR(info.st_mode))
        return lam_fail(error, LAM_INPUT,
                        "%s is not a folder: give the one with config.json and model.safetensors",
                        folder);
    return LAM_OK;
}

static lam_code open_all(lam_checkpoint *checkpoint, const char *model, lam_error *error) {
    const char *folder = NULL;
    LAM_TRY(lam_model_folder(model, &folder, &checkpoint->arena, error));
    LAM_TRY(check_folder(folder, error));
    checkpoint->folder = lam_arena_text(&checkpoint->arena, folder, strlen(folder), error);
    if (!checkpoint->folder) return LAM_MEMORY;
    char *config = path_in(checkpoint, "config.json", error);
    if (!config) return LAM_MEMORY;
    if (!exists(config))
        return lam_fail(error, LAM_INPUT,
                        "%s has no config.json: it is not a checkpoint's folder, or download that "
                        "file too",
                        folder);
    LAM_TRY(lam_model_config_read(config, &checkpoint->config, error));
    json_t *index = NULL, *numbers = NULL;
    lam_code code = open_files(checkpoint, &index, &numbers, error);
    if (code == LAM_OK)
        code = find_tensors(checkpoint, json_object_get(index, "weight_map"), numbers, error);
    json_decref(index);
    json_decref(numbers);
    if (code != LAM_OK) return code;
    return report_others(checkpoint, error);
}

lam_code lam_checkpoint_open(const char *model, lam_checkpoint **checkpoint, lam_error *error) {
    *checkpoint = NULL;
    lam_checkpoint *new = calloc(1, sizeof *new);
    if (!new) return lam_fail(error, LAM_MEMORY, "no memory to open %s", model);
    lam_code code = open_all(new, model, error);
    if (code != LAM_OK) {
        lam_checkpoint_close(new);
        return code;
    }
    *checkpoint = new;
    return LAM_OK;
}

void lam_checkpoint_close(lam_checkpoint *checkpoint) {
    if (!checkpoint) return;
    for (size_t i = 0; i < checkpoint->file_count; i++) lam_safetensors_close(checkpoint->file[i]);
    lam_arena_destroy(&checkpoint->arena);
    free(checkpoint);
}
