#include "io/result_hash.h"

#include "src/arena.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 16 };

static void store_little_endian(uint8_t *out, uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) out[i] = (uint8_t)(value >> 8 * i);
}

static void hash_number(lam_sha256 *hash, uint64_t value) {
    uint8_t bytes[8];
    store_little_endian(bytes, value, sizeof bytes);
    lam_sha256_update(hash, bytes, sizeof bytes);
}

static void hash_text(lam_sha256 *hash, const char *text) {
    size_t length = text ? strlen(text) : 0;
    hash_number(hash, length);
    if (length) lam_sha256_update(hash, text, length);
}

// The bits of value i of data that count.
static uint64_t bits_of(const void *data, lam_type type, int64_t i) {
    switch (type) {
    case LAM_DOUBLE: {
        double value = ((const double *)data)[i];
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        return value != value ? UINT64_C(0x7ff8000000000000) : bits;
    }
    case LAM_FLOAT: {
        float value = ((const float *)data)[i];
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        return value != value ? UINT32_C(0x7fc00000) : bits;
    }
    case LAM_INT:
        return (uint64_t)((const int32_t *)data)[i];
    case LAM_INT64:
        return (uint64_t)((const int64_t *)data)[i];
    case LAM_BYTE:
        return (uint64_t)((const int8_t *)data)[i];
    case LAM_STRING:
        break;
    }
    return 0;
}

static void hash_values(lam_sha256 *hash, const void *data, lam_type type, int64_t count) {
    if (type == LAM_STRING) {
        const char *const *texts = data;
        for (int64_t i = 0; i < count; i++) hash_text(hash, texts[i]);
        return;
    }
    uint8_t block[BLOCK_BYTES];
    size_t size = lam_type_size(type), used = 0;
    for (int64_t i = 0; i < count; i++) {
        store_little_endian(block + used, bits_of(data, type, i), size);
        used += size;
        if (used == BLOCK_BYTES) {
            lam_sha256_update(hash, block, used);
            used = 0;
        }
    }
    lam_sha256_update(hash, block, used);
}

static void hash_variable(lam_sha256 *hash, const lam_group *group, size_t index) {
    const lam_variable *variable = &group->variables[index];
    hash_text(hash, variable->name);
    hash_text(hash, lam_type_name(variable->type));
    size_t dimensions = 0;
    while (dimensions < LAM_MAX_DIMENSIONS && variable->dimensions[dimensions]) dimensions++;
    hash_number(hash, dimensions);
    for (size_t i = 0; i < dimensions; i++) {
        hash_text(hash, variable->dimensions[i]);
        hash_number(hash, (uint64_t)lam_group_dimension(group, variable->dimensions[i]));
    }
    hash_values(hash, group->data[index], variable->type, lam_group_value_count(group, index));
}

static int by_variable_name(const void *a, const void *b) {
    return strcmp((*(const lam_variable *const *)a)->name, (*(const lam_variable *const *)b)->name);
}

static int by_group_name(const void *a, const void *b) {
    return strcmp((*(const lam_group *const *)a)->name, (*(const lam_group *const *)b)->name);
}

static lam_code hash_group(lam_sha256 *hash, const lam_group *group, lam_error *error) {
    int64_t all = lam_group_dimension(group, "layer");
    if (all >= 0 && (group->first_layer != 0 || group->layers != all))
        return lam_fail(error, LAM_INTERNAL, "group %s has %lld of its %lld layers", group->name,
                        (long long)group->layers, (long long)all);
    if (!group->variable_count) return LAM_OK;
    lam_arena arena = {0};
    const lam_variable **order =
        lam_arena_alloc(&arena, group->variable_count, sizeof *order, error);
    if (!order) return LAM_MEMORY;
    for (size_t i = 0; i < group->variable_count; i++) order[i] = &group->variables[i];
    qsort(order, group->variable_count, sizeof *order, by_variable_name);
    hash_text(hash, group->name);
    hash_number(hash, group->variable_count);
    for (size_t i = 0; i < group->variable_count; i++)
        hash_variable(hash, group, (size_t)(order[i] - group->variables));
    lam_arena_destroy(&arena);
    return LAM_OK;
}

// Values of a group that lies in file are loaded for as long as they are hashed.
static lam_code load_and_hash(lam_sha256 *hash, const lam_group *group, const lam_result_file *file,
                              lam_error *error) {
    if (!file) return hash_group(hash, group, error);
    lam_arena arena = {0};
    lam_group loaded;
    lam_code code = lam_result_load(file, (size_t)(group - file->groups), &loaded, &arena, error);
    if (code == LAM_OK) code = hash_group(hash, &loaded, error);
    lam_arena_destroy(&arena);
    return code;
}

static lam_code hash_groups(lam_sha256 *hash, const lam_group *groups, const lam_group **order,
                            size_t count, const lam_result_file *file, lam_error *error) {
    hash_text(hash, "laminar profile 1");
    for (size_t i = 0; i < count; i++) order[i] = &groups[i];
    qsort(order, count, sizeof *order, by_group_name);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(order[i]->name, order[i - 1]->name) == 0)
            return lam_fail(error, LAM_INTERNAL, "group %s is there twice", order[i]->name);
        LAM_TRY(load_and_hash(hash, order[i], file, error));
    }
    return LAM_OK;
}

// file: where the groups lie, if not in memory.
static lam_code hash_all(const lam_group *groups, size_t count, const lam_result_file *file,
                         char text[LAM_SHA256_TEXT], lam_error *error) {
    lam_arena arena = {0};
    const lam_group **order = lam_arena_alloc(&arena, count, sizeof *order, error);
    if (!order) return LAM_MEMORY;
    lam_sha256 *hash = lam_sha256_create();
    lam_code code = hash ? hash_groups(hash, groups, order, count, file, error)
                         : lam_fail(error, LAM_MEMORY, "OpenSSL could not compute a SHA-256");
    lam_arena_destroy(&arena);
    if (code != LAM_OK) {
        lam_sha256_destroy(hash);
        return code;
    }
    uint8_t digest[LAM_SHA256_BYTES];
    lam_sha256_finish(hash, digest);
    lam_sha256_text(digest, text);
    return LAM_OK;
}

lam_code lam_result_hash(const lam_group *groups, size_t count, char text[LAM_SHA256_TEXT],
                         lam_error *error) {
    return hash_all(groups, count, NULL, text, error);
}

lam_code lam_result_hash_opened(const lam_result_file *file, char text[LAM_SHA256_TEXT],
                                lam_error *error) {
    return hash_all(file->groups, file->group_count, file, text, error);
}

lam_code lam_result_hash_file(const char *path, char text[LAM_SHA256_TEXT], lam_error *error) {
    lam_result_file file;
    lam_code code = lam_result_open(path, &file, error);
    if (code == LAM_OK) code = lam_result_hash_opened(&file, text, error);
    lam_result_close(&file);
    return code;
}
