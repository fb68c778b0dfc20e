// Checkpoints for tests: copies of golden ones that can be changed before they are written, and
// whole loads.
#ifndef LAM_CHECKPOINT_FIXTURE_H
#define LAM_CHECKPOINT_FIXTURE_H

#include "safetensors_fixture.h"

#include "io/checkpoint.h"
#include "io/checkpoint_names.h"
#include "io/safetensors.h"

#include <math.h>

enum { COPY_TENSORS = 300 };

// All tensors of a checkpoint's files, in memory.
typedef struct copy {
    size_t count;
    lam_tensor tensor[COPY_TENSORS]; // names and data are owned
} copy;

static inline void copy_add(copy *to, const char *name, lam_dtype dtype, int dimensions,
                            const int64_t *shape, const void *data) {
    assert_true(to->count < COPY_TENSORS);
    lam_tensor *tensor = &to->tensor[to->count++];
    *tensor = (lam_tensor){strdup(name), dtype, dimensions, {0}, NULL, lam_dtype_size(dtype)};
    for (int i = 0; i < dimensions; i++) {
        tensor->shape[i] = shape[i];
        tensor->bytes *= (size_t)shape[i];
    }
    void *bytes = calloc(1, tensor->bytes + 1);
    assert_non_null(bytes);
    if (data) memcpy(bytes, data, tensor->bytes);
    tensor->data = bytes;
}

static inline void copy_file_tensors(copy *to, const char *path) {
    lam_safetensors *file;
    assert_ok(lam_safetensors_open(path, &file, &error));
    for (size_t i = 0; i < lam_safetensors_count(file); i++) {
        const lam_tensor *t = lam_safetensors_at(file, i);
        copy_add(to, t->name, t->dtype, t->dimensions, t->shape, t->data);
    }
    lam_safetensors_close(file);
}

// Of a folder: model.safetensors or every shard.
static inline copy *copy_of(const char *folder) {
    copy *made = calloc(1, sizeof *made);
    assert_non_null(made);
    DIR *list = opendir(folder);
    assert_non_null(list);
    for (const struct dirent *entry; (entry = readdir(list));)
        if (strncmp(entry->d_name, "model", 5) == 0 && strstr(entry->d_name, ".safetensors") &&
            !strstr(entry->d_name, ".json"))
            copy_file_tensors(made, in_folder(folder, entry->d_name));
    closedir(list);
    assert_true(made->count > 0);
    return made;
}

static inline void copy_free(copy *from) {
    for (size_t i = 0; i < from->count; i++) {
        free((char *)from->tensor[i].name);
        free((void *)from->tensor[i].data);
    }
    free(from);
}

static inline lam_tensor *copy_find(copy *from, const char *name) {
    for (size_t i = 0; i < from->count; i++)
        if (strcmp(from->tensor[i].name, name) == 0) return &from->tensor[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static inline void copy_drop(copy *from, const char *name) {
    lam_tensor *tensor = copy_find(from, name);
    free((char *)tensor->name);
    free((void *)tensor->data);
    *tensor = from->tensor[--from->count];
}

static inline void copy_rename(copy *from, const char *name, const char *new) {
    lam_tensor *tensor = copy_find(from, name);
    free((char *)tensor->name);
    tensor->name = strdup(new);
}

// Tensors [first, end) of it.
static inline void copy_write(const copy *from, size_t first, size_t end, const char *path) {
    lam_safetensors_writer *writer;
    assert_ok(lam_safetensors_create(path, from->tensor + first, end - first, &writer, &error));
    for (size_t i = first; i < end; i++)
        assert_ok(
            lam_safetensors_write(writer, from->tensor[i].data, from->tensor[i].bytes, &error));
    assert_ok(lam_safetensors_finish(writer, &error));
}

static inline void copy_write_all(const copy *from, const char *folder) {
    copy_write(from, 0, from->count, in_folder(folder, "model.safetensors"));
}

// Value i of a tensor, by the definition of its format.
static inline double value_at(const lam_tensor *tensor, int64_t i) {
    uint16_t half = 0;
    uint32_t bits;
    float value;
    if (tensor->dtype == LAM_DTYPE_F32) {
        memcpy(&value, (const char *)tensor->data + 4 * i, 4);
        return (double)value;
    }
    memcpy(&half, (const char *)tensor->data + 2 * i, 2);
    if (tensor->dtype == LAM_DTYPE_BF16) {
        bits = (uint32_t)half << 16;
        memcpy(&value, &bits, 4);
        return (double)value;
    }
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double size = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
    return half >> 15 ? -size : size;
}

// A GPT-NeoX whose sizes are no multiples of anything: heads of 80, 200 units, 71 tokens.
static inline copy *odd_neox(lam_dtype dtype, const char *folder) {
    const lam_model_config config = {LAM_GPT_NEOX, 2,     160,  2,     80,   200,  12, 71,   1e-5,
                                     LAM_GELU,     false, true, false, true, true, 20, 10000};
    copy *made = calloc(1, sizeof *made);
    lam_arena arena = {0};
    lam_weight *weight;
    size_t count;
    uint32_t number = 12345;
    assert_non_null(made);
    assert_ok(lam_weights_list(&config, &arena, &weight, &count, &error));
    for (size_t i = 0; i < count; i++) {
        copy_add(made, weight[i].name, dtype, weight[i].dimensions, weight[i].shape, NULL);
        uint16_t *half = (uint16_t *)made->tensor[i].data;
        for (size_t k = 0; k < made->tensor[i].bytes / 2; k++) {
            number = number * 1664525 + 1013904223;
            half[k] = (uint16_t)(number >> 16);
            // no exponent of ones in any format
            if ((half[k] & 0x7C00) == 0x7C00 || (half[k] & 0x7F80) == 0x7F80) half[k] ^= 0x4400;
        }
    }
    lam_arena_destroy(&arena);
    write_text(in_folder(folder, "config.json"),
               "{\"model_type\": \"gpt_neox\", \"num_hidden_layers\": 2, \"hidden_size\": 160,"
               "\"num_attention_heads\": 2, \"intermediate_size\": 200, \"vocab_size\": 71,"
               "\"max_position_embeddings\": 12, \"rotary_pct\": 0.25}");
    return made;
}

// A checkpoint that is open and, with all its parts or some, loaded.
typedef struct loaded {
    lam_checkpoint *checkpoint;
    lam_arena arena;
    lam_model model;
    uint8_t (*digest)[LAM_SHA256_BYTES];
    bool *present;
} loaded;

static inline lam_code load_part(const char *folder, const lam_checkpoint_part *part, loaded *to,
                                 lam_error *error) {
    *to = (loaded){0};
    LAM_TRY(lam_checkpoint_open(folder, &to->checkpoint, error));
    size_t count = lam_checkpoint_tensor_count(to->checkpoint);
    to->digest = calloc(count, sizeof *to->digest);
    to->present = calloc(count, sizeof *to->present);
    assert_true(to->digest && to->present);
    lam_checkpoint_part all = {0, lam_checkpoint_config(to->checkpoint)->layers, true, true, true};
    return lam_checkpoint_load(to->checkpoint, part ? part : &all, &to->arena, &to->model,
                               to->digest, to->present, error);
}

static inline void unload(loaded *from) {
    lam_checkpoint_close(from->checkpoint);
    lam_arena_destroy(&from->arena);
    free(from->digest);
    free(from->present);
}

// Opens, loads all and closes.
static inline lam_code try_load(const char *folder, lam_error *error) {
    loaded model;
    lam_code code = load_part(folder, NULL, &model, error);
    unload(&model);
    return code;
}

// The digest of a whole checkpoint; static storage, a new one for each of the last four calls.
static inline const char *sha256_of(const char *folder) {
    static char text[4][LAM_SHA256_TEXT];
    static unsigned next;
    char *made = text[next++ % 4];
    loaded model;
    assert_ok(load_part(folder, NULL, &model, &error));
    assert_ok(lam_checkpoint_sha256(model.checkpoint, model.digest, model.present, made, &error));
    unload(&model);
    return made;
}

#endif
