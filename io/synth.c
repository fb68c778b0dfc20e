#include "io/synth.h"

#include "io/checkpoint_names.h"
#include "io/json_file.h"
#include "io/model_config.h"
#include "io/number.h"
#include "io/synth_folder.h"
#include "src/arena.h"
#include "src/random.h"
#include "src/stop.h"
#include "src/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Values made between two writes, and by a thread at a time. The numbers do not depend on either.
enum { CHUNK = 1 << 20, BLOCK = 1 << 14 };

typedef struct synth {
    const lam_model_config *config;
    const lam_synth_options *options;
    lam_synth_folder *folder;
    lam_arena arena;
    lam_weight *weight; // [count]
    lam_tensor *tensor; // [count]: the same as the files have them
    size_t *shard;      // [count]: which file, 0 ...
    size_t count, shards;
    float *values;  // [CHUNK]
    uint16_t *half; // [CHUNK], for F16 and BF16
} synth;

// Standard deviation of a tensor's normal values; 0: all are *constant.
static double deviation_of(const lam_model_config *config, lam_weight_role role, float *constant) {
    const double width = (double)config->width, layers = (double)config->layers;
    const bool neox = config->family == LAM_GPT_NEOX;
    *constant = 0;
    switch (role) {
    case LAM_NORM1_WEIGHT:
    case LAM_NORM2_WEIGHT:
    case LAM_FINAL_NORM_WEIGHT:
        *constant = 1;
        return 0;
    case LAM_QKV_WEIGHT:
    case LAM_FC_WEIGHT:
    case LAM_TOKEN_EMBEDDING:
    case LAM_POSITION_EMBEDDING:
    case LAM_HEAD_WEIGHT:
        return neox ? sqrt(2 / (5 * width)) : 0.02;
    case LAM_OUT_WEIGHT:
    case LAM_PROJ_WEIGHT:
        return neox ? 2 / (layers * sqrt(width)) : 0.02 / sqrt(2 * layers);
    default:
        return 0;
    }
}

LAM_VECTORISED
static void narrow(lam_dtype dtype, const float *from, int64_t count, uint16_t *to) {
    if (dtype == LAM_DTYPE_F16)
        for (int64_t i = 0; i < count; i++) to[i] = lam_half_of_float(from[i]);
    else
        for (int64_t i = 0; i < count; i++) to[i] = lam_bfloat_of_float(from[i]);
}

// Values [start, start + count) of tensor number index, as they are stored, into the buffers.
static void make_chunk(const synth *work, size_t index, int64_t start, int64_t count) {
    float constant;
    const float deviation = (float)deviation_of(work->config, work->weight[index].role, &constant);
    const lam_random random =
        lam_random_key(work->options->seed, LAM_RANDOM_SYNTH, 0, (uint32_t)index);
#pragma omp parallel for schedule(static)
    for (int64_t block = 0; block < count; block += BLOCK) {
        int64_t length = count - block < BLOCK ? count - block : BLOCK;
        float *values = work->values + block;
        if (deviation > 0)
            lam_random_fill_normal(&random, (uint64_t)(start + block), length, deviation, values);
        else
            for (int64_t i = 0; i < length; i++) values[i] = constant;
        if (work->half) narrow(work->options->dtype, values, length, work->half + block);
    }
}

static lam_code write_tensor(const synth *work, size_t index, lam_safetensors_writer *writer,
                             lam_error *error) {
    const size_t size = lam_dtype_size(work->options->dtype);
    const int64_t total = (int64_t)(work->tensor[index].bytes / size);
    const void *made = work->half ? (const void *)work->half : work->values;
    for (int64_t start = 0; start < total; start += CHUNK) {
        int64_t count = total - start < CHUNK ? total - start : CHUNK;
        LAM_TRY(lam_stop_check(error));
        make_chunk(work, index, start, count);
        LAM_TRY(lam_safetensors_write(writer, made, (size_t)count * size, error));
    }
    return LAM_OK;
}

static const char *shard_name(synth *work, size_t shard, lam_error *error) {
    if (work->shards == 1) return "model.safetensors";
    return lam_arena_format(&work->arena, error, "model-%05zu-of-%05zu.safetensors", shard + 1,
                            work->shards);
}

// One file, of the tensors [first, end).
static lam_code write_shard(synth *work, size_t first, size_t end, lam_error *error) {
    lam_safetensors_writer *writer;
    const char *name = shard_name(work, work->shard[first], error), *path;
    if (!name) return LAM_MEMORY;
    LAM_TRY(lam_synth_folder_add(work->folder, name, &path, error));
    LAM_TRY(lam_safetensors_create(path, work->tensor + first, end - first, &writer, error));
    for (size_t i = first; i < end; i++) {
        lam_code code = write_tensor(work, i, writer, error);
        if (code != LAM_OK) {
            lam_safetensors_abandon(writer);
            return code;
        }
    }
    return lam_safetensors_finish(writer, error);
}

static lam_code write_index(synth *work, lam_error *error) {
    const char *path;
    LAM_TRY(lam_synth_folder_add(work->folder, "model.safetensors.index.json", &path, error));
    json_t *map = json_object();
    json_int_t total = 0;
    bool made = map != NULL;
    for (size_t i = 0; i < work->count && made; i++) {
        const char *name = shard_name(work, work->shard[i], error);
        made = name && json_object_set_new(map, work->tensor[i].name, json_string(name)) == 0;
        total += (json_int_t)work->tensor[i].bytes;
    }
    json_t *index = json_pack("{s:{s:I}, s:o}", "metadata", "total_size", total, "weight_map", map);
    lam_code code = made && index ? lam_json_write(path, index, error)
                                  : lam_fail(error, LAM_MEMORY, "no memory for %s", path);
    json_decref(index);
    return code;
}

// The tensors in the numbering's order, spread over files of at most shard_bytes where one tensor
// alone is not more.
static lam_code plan(synth *work, lam_error *error) {
    LAM_TRY(lam_weights_list(work->config, &work->arena, &work->weight, &work->count, error));
    LAM_ALLOC(work->tensor, &work->arena, work->count, error);
    LAM_ALLOC(work->shard, &work->arena, work->count, error);
    LAM_ALLOC(work->values, &work->arena, CHUNK, error);
    if (work->options->dtype != LAM_DTYPE_F32) LAM_ALLOC(work->half, &work->arena, CHUNK, error);
    const size_t room = (size_t)work->options->shard_bytes;
    size_t used = 0, shard = 0;
    for (size_t i = 0; i < work->count; i++) {
        const lam_weight *weight = &work->weight[i];
        lam_tensor *tensor = &work->tensor[i];
        *tensor = (lam_tensor){weight->name,
                               work->options->dtype,
                               weight->dimensions,
                               {weight->shape[0], weight->shape[1]},
                               NULL,
                               lam_dtype_size(work->options->dtype)};
        for (int d = 0; d < weight->dimensions; d++) tensor->bytes *= (size_t)weight->shape[d];
        if (room && used && used + tensor->bytes > room) shard++, used = 0;
        used += tensor->bytes;
        work->shard[i] = shard;
    }
    work->shards = shard + 1;
    return LAM_OK;
}

static lam_code write_all(synth *work, lam_error *error) {
    const char *path;
    LAM_TRY(plan(work, error));
    LAM_TRY(lam_synth_folder_tokenizer(work->folder, work->options->tokenizer, error));
    for (size_t first = 0, end; first < work->count; first = end) {
        for (end = first; end < work->count && work->shard[end] == work->shard[first];) end++;
        LAM_TRY(write_shard(work, first, end, error));
    }
    if (work->shards > 1) LAM_TRY(write_index(work, error));
    LAM_TRY(lam_synth_folder_add(work->folder, "config.json", &path, error));
    return lam_model_config_write(work->config, work->options->dtype, path, error);
}

lam_code lam_synth(const lam_model_config *config, const lam_synth_options *options,
                   const char *folder, lam_error *error) {
    synth work = {.config = config, .options = options};
    LAM_TRY(lam_model_config_check(config, "synth", error));
    if (options->dtype != LAM_DTYPE_F32 && options->dtype != LAM_DTYPE_F16 &&
        options->dtype != LAM_DTYPE_BF16)
        return lam_fail(error, LAM_USAGE, "synth: weights can be F32, F16 or BF16, not %s",
                        lam_dtype_name(options->dtype));
    if (options->shard_bytes < 0)
        return lam_fail(error, LAM_USAGE, "synth: a shard cannot have less than 0 bytes");
    LAM_TRY(lam_synth_folder_begin(folder, &work.folder, error));
    lam_code code = write_all(&work, error);
    lam_arena_destroy(&work.arena);
    if (code != LAM_OK) {
        lam_synth_folder_abandon(work.folder);
        return code;
    }
    return lam_synth_folder_finish(work.folder, config, options, error);
}
