// What the files checkpoint*.c share.
#ifndef LAM_CHECKPOINT_PRIVATE_H
#define LAM_CHECKPOINT_PRIVATE_H

#include "io/checkpoint.h"
#include "io/checkpoint_names.h"
#include "io/safetensors.h"

// Where a tensor of the model is stored.
typedef struct lam_checkpoint_slot {
    const lam_safetensors *file;
    const lam_tensor *tensor;
} lam_checkpoint_slot;

struct lam_checkpoint {
    lam_arena arena;
    char *folder;
    lam_model_config config;
    size_t file_count, count;
    lam_safetensors **file;    // [file_count]
    lam_weight *weight;        // [count]: the numbering
    lam_checkpoint_slot *slot; // [count]
};

#endif
