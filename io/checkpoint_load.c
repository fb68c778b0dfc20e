#include "io/checkpoint_private.h"
#include "io/tensor_read.h"
#include "src/stop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// One tensor of a part on its way into memory.
typedef struct load_job {
    lam_tensor_read read;
    size_t index; // of the tensor in the numbering
} load_job;

const char *lam_checkpoint_folder(const lam_checkpoint *checkpoint) {
    return checkpoint->folder;
}

const lam_model_config *lam_checkpoint_config(const lam_checkpoint *checkpoint) {
    return &checkpoint->config;
}

size_t lam_checkpoint_tensor_count(const lam_checkpoint *checkpoint) {
    return checkpoint->count;
}

lam_checkpoint_tensor lam_checkpoint_tensor_at(const lam_checkpoint *checkpoint, size_t index) {
    const lam_weight *weight = &checkpoint->weight[index];
    const lam_checkpoint_slot *slot = &checkpoint->slot[index];
    return (lam_checkpoint_tensor){
        .name = weight->name,
        .file = lam_safetensors_path(slot->file),
        .dtype = lam_dtype_name(slot->tensor->dtype),
        .dimensions = weight->dimensions,
        .shape = {weight->shape[0], weight->shape[1]},
    };
}

bool lam_checkpoint_in_part(const lam_checkpoint *checkpoint, const lam_checkpoint_part *part,
                            size_t index) {
    const lam_weight *weight = &checkpoint->weight[index];
    switch (weight->role) {
    case LAM_TOKEN_EMBEDDING:
        return part->embedding || (part->head && checkpoint->config.tied_head);
    case LAM_POSITION_EMBEDDING:
        return part->embedding;
    case LAM_FINAL_NORM_WEIGHT:
    case LAM_FINAL_NORM_BIAS:
        return part->final_norm;
    case LAM_HEAD_WEIGHT:
        return part->head;
    default:
        return weight->layer >= part->first_layer &&
               weight->layer - part->first_layer < part->layer_count;
    }
}

static int64_t value_count(const lam_weight *weight) {
    return weight->dimensions > 1 ? weight->shape[0] * weight->shape[1] : weight->shape[0];
}

size_t lam_checkpoint_part_bytes(const lam_checkpoint *checkpoint,
                                 const lam_checkpoint_part *part) {
    size_t bytes = (size_t)part->layer_count * sizeof(lam_layer);
    for (size_t i = 0; i < checkpoint->count; i++)
        if (lam_checkpoint_in_part(checkpoint, part, i))
            bytes += (size_t)value_count(&checkpoint->weight[i]) * sizeof(float);
    return bytes;
}

static lam_code check_part(const lam_checkpoint *checkpoint, const lam_checkpoint_part *part,
                           lam_error *error) {
    int64_t layers = checkpoint->config.layers;
    if (part->first_layer < 0 || part->layer_count < 0 || part->layer_count > layers ||
        part->first_layer > layers - part->layer_count)
        return lam_fail(error, LAM_INTERNAL,
                        "%" PRId64 " layers from %" PRId64 " on are not in %s, which has %" PRId64,
                        part->layer_count, part->first_layer, checkpoint->folder, layers);
    for (size_t i = 0; i < checkpoint->file_count; i++)
        LAM_TRY(lam_safetensors_recheck(checkpoint->file[i], error));
    return LAM_OK;
}

static int compare_jobs(const void *left, const void *right) {
    const load_job *a = left, *b = right;
    if (a->read.tensor->bytes != b->read.tensor->bytes)
        return a->read.tensor->bytes < b->read.tensor->bytes ? 1 : -1;
    return a->index < b->index ? -1 : 1;
}

// One job a tensor of the part, without a destination, the largest first so that threads end
// together.
static lam_code make_jobs(const lam_checkpoint *checkpoint, const lam_checkpoint_part *part,
                          bool hashed, lam_arena *scratch, load_job **jobs, int64_t *count,
                          lam_error *error) {
    LAM_TRY(check_part(checkpoint, part, error));
    LAM_ALLOC(*jobs, scratch, checkpoint->count, error);
    *count = 0;
    for (size_t i = 0; i < checkpoint->count; i++) {
        const lam_weight *weight = &checkpoint->weight[i];
        if (!lam_checkpoint_in_part(checkpoint, part, i)) continue;
        (*jobs)[(*count)++] = (load_job){
            .index = i,
            .read = {.file = checkpoint->slot[i].file,
                     .tensor = checkpoint->slot[i].tensor,
                     .transposed = weight->transposed,
                     .by_head = weight->by_head ? checkpoint->config.head_width : 0,
                     .hashed = hashed},
        };
    }
    qsort(*jobs, (size_t)*count, sizeof **jobs, compare_jobs);
    return LAM_OK;
}

static lam_code describe_failure(const lam_tensor_read *read, lam_error *error) {
    const lam_tensor *tensor = read->tensor;
    const char *path = lam_safetensors_path(read->file);
    if (read->code == LAM_MEMORY)
        return lam_fail(error, LAM_MEMORY, "no memory to hash tensor %s in %s", tensor->name, path);
    int64_t columns = tensor->dimensions > 1 ? tensor->shape[1] : 1;
    int64_t place[2] = {read->first / columns, read->first % columns};
    char where[LAM_SHAPE_TEXT];
    lam_shape_text(tensor->dimensions, place, where);
    return lam_fail(error, LAM_NUMERIC,
                    "tensor %s in %s: %" PRId64 " value%s not finite (NaN or infinite), the first "
                    "at %s: the weights are damaged, download them again",
                    tensor->name, path, read->not_finite, read->not_finite == 1 ? " is" : "s are",
                    where);
}

// Runs all jobs; of several that fail, the first in the numbering is reported.
static lam_code run_jobs(load_job *jobs, int64_t count, uint8_t (*digest)[LAM_SHA256_BYTES],
                         bool *present, lam_error *error) {
    const load_job *failed = NULL;
#pragma omp parallel for schedule(dynamic, 1)
    for (int64_t i = 0; i < count; i++)
        if (!lam_stop_asked()) lam_tensor_read_run(&jobs[i].read);
    LAM_TRY(lam_stop_check(error));
    for (int64_t i = 0; i < count; i++) {
        const load_job *job = &jobs[i];
        if (job->read.code != LAM_OK) {
            if (!failed || job->index < failed->index) failed = job;
        } else if (digest) {
            memcpy(digest[job->index], job->read.digest, LAM_SHA256_BYTES);
            present[job->index] = true;
        }
    }
    return failed ? describe_failure(&failed->read, error) : LAM_OK;
}

// Where the model keeps the weights of a role.
static const float **place_of(lam_model *model, const lam_weight *weight) {
    static const size_t field[LAM_LAYER_ROLES] = {
        [LAM_NORM1_WEIGHT] = offsetof(lam_layer, norm1_weight),
        [LAM_NORM1_BIAS] = offsetof(lam_layer, norm1_bias),
        [LAM_QKV_WEIGHT] = offsetof(lam_layer, qkv_weight),
        [LAM_QKV_BIAS] = offsetof(lam_layer, qkv_bias),
        [LAM_OUT_WEIGHT] = offsetof(lam_layer, out_weight),
        [LAM_OUT_BIAS] = offsetof(lam_layer, out_bias),
        [LAM_NORM2_WEIGHT] = offsetof(lam_layer, norm2_weight),
        [LAM_NORM2_BIAS] = offsetof(lam_layer, norm2_bias),
        [LAM_FC_WEIGHT] = offsetof(lam_layer, fc_weight),
        [LAM_FC_BIAS] = offsetof(lam_layer, fc_bias),
        [LAM_PROJ_WEIGHT] = offsetof(lam_layer, proj_weight),
        [LAM_PROJ_BIAS] = offsetof(lam_layer, proj_bias),
    };
    switch (weight->role) {
    case LAM_TOKEN_EMBEDDING:
        return &model->token_embedding;
    case LAM_POSITION_EMBEDDING:
        return &model->position_embedding;
    case LAM_FINAL_NORM_WEIGHT:
        return &model->final_norm_weight;
    case LAM_FINAL_NORM_BIAS:
        return &model->final_norm_bias;
    case LAM_HEAD_WEIGHT:
        return &model->head_weight;
    default:
        break;
    }
    char *layer = (char *)&model->layer[weight->layer - model->first_layer];
    return (const float **)(void *)(layer + field[weight->role]);
}

// Gives each job its destination, and the model the same.
static lam_code place_jobs(const lam_checkpoint *checkpoint, const lam_checkpoint_part *part,
                           load_job *jobs, int64_t count, lam_arena *arena, lam_model *model,
                           lam_error *error) {
    *model = (lam_model){.config = checkpoint->config,
                         .first_layer = part->first_layer,
                         .layer_count = part->layer_count};
    LAM_ALLOC(model->layer, arena, part->layer_count, error);
    for (int64_t i = 0; i < count; i++) {
        const lam_weight *weight = &checkpoint->weight[jobs[i].index];
        LAM_ALLOC(jobs[i].read.to, arena, value_count(weight), error);
        *place_of(model, weight) = jobs[i].read.to;
    }
    if (part->head && checkpoint->config.tied_head) model->head_weight = model->token_embedding;
    if (!part->embedding) model->token_embedding = NULL;
    return LAM_OK;
}

lam_code lam_checkpoint_load(const lam_checkpoint *checkpoint, const lam_checkpoint_part *part,
                             lam_arena *arena, lam_model *model,
                             uint8_t (*digest)[LAM_SHA256_BYTES], bool *present, lam_error *error) {
    lam_arena scratch = {0};
    load_job *jobs;
    int64_t count;
    lam_code code = make_jobs(checkpoint, part, digest != NULL, &scratch, &jobs, &count, error);
    if (code == LAM_OK) code = place_jobs(checkpoint, part, jobs, count, arena, model, error);
    if (code == LAM_OK) code = run_jobs(jobs, count, digest, present, error);
    lam_arena_destroy(&scratch);
    return code;
}

lam_code lam_checkpoint_digest(const lam_checkpoint *checkpoint, const lam_checkpoint_part *part,
                               uint8_t (*digest)[LAM_SHA256_BYTES], bool *present,
                               lam_error *error) {
    lam_arena scratch = {0};
    load_job *jobs;
    int64_t count;
    lam_code code = make_jobs(checkpoint, part, true, &scratch, &jobs, &count, error);
    if (code == LAM_OK) code = run_jobs(jobs, count, digest, present, error);
    lam_arena_destroy(&scratch);
    return code;
}

static int compare_names(const void *left, const void *right) {
    return strcmp((*(const lam_weight *const *)left)->name,
                  (*(const lam_weight *const *)right)->name);
}

// One line of the list that the whole digest is over.
static void hash_line(lam_sha256 *hash, const lam_weight *weight, const lam_tensor *tensor,
                      const uint8_t digest[LAM_SHA256_BYTES]) {
    char shape[LAM_SHAPE_TEXT], hex[LAM_SHA256_TEXT], line[512];
    lam_shape_text(weight->dimensions, weight->shape, shape);
    lam_sha256_text(digest, hex);
    int length = snprintf(line, sizeof line, "%s %s %s %s\n", weight->name,
                          lam_dtype_name(tensor->dtype), shape, hex);
    lam_sha256_update(hash, line, (size_t)length);
}

lam_code lam_checkpoint_sha256(const lam_checkpoint *checkpoint,
                               uint8_t (*digest)[LAM_SHA256_BYTES], const bool *present,
                               char text[LAM_SHA256_TEXT], lam_error *error) {
    for (size_t i = 0; i < checkpoint->count; i++)
        if (!present[i])
            return lam_fail(error, LAM_INTERNAL, "no rank hashed tensor %s of %s",
                            checkpoint->weight[i].name, checkpoint->folder);
    lam_arena scratch = {0};
    const lam_weight **sorted = lam_arena_alloc(&scratch, checkpoint->count, sizeof *sorted, error);
    if (!sorted) return LAM_MEMORY;
    for (size_t i = 0; i < checkpoint->count; i++) sorted[i] = &checkpoint->weight[i];
    qsort(sorted, checkpoint->count, sizeof *sorted, compare_names);
    lam_sha256 *hash = lam_sha256_create();
    lam_code code =
        hash ? LAM_OK : lam_fail(error, LAM_MEMORY, "no memory to hash %s", checkpoint->folder);
    if (hash) {
        uint8_t whole[LAM_SHA256_BYTES];
        for (size_t i = 0; i < checkpoint->count; i++) {
            size_t index = (size_t)(sorted[i] - checkpoint->weight);
            hash_line(hash, sorted[i], checkpoint->slot[index].tensor, digest[index]);
        }
        lam_sha256_finish(hash, whole);
        lam_sha256_text(whole, text);
    }
    lam_arena_destroy(&scratch);
    return code;
}
