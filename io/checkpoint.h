// A checkpoint folder as the model hubs hold it: config.json and model.safetensors, or shards with
// model.safetensors.index.json. Opening looks at headers only; loading reads the bytes of a part.
// Nothing here is collective: each rank opens the folder and loads its own part.
#ifndef LAM_CHECKPOINT_H
#define LAM_CHECKPOINT_H

#include "io/sha256.h"
#include "src/arena.h"
#include "src/error.h"
#include "src/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_checkpoint lam_checkpoint;

// What of a model one rank loads or hashes.
typedef struct lam_checkpoint_part {
    int64_t first_layer, layer_count; // layer_count 0: no layer
    bool embedding;                   // of tokens, and of positions where the family has it
    bool final_norm;
    bool head; // where it is tied: the token embedding
} lam_checkpoint_part;

// Opens the model's folder, given by its path or as NAME@COMMIT in the cache (model_folder.h), and
// checks that every tensor of the model that config.json describes is there,
// of a dtype that can be read (F32, F16, BF16) and of the right shape. Names are taken with or
// without their prefix ("transformer.", "gpt_neox."). Buffers that hub files carry (causal masks,
// rotary frequencies) and a head that is tied are passed over; a verbose log line counts tensors
// that are none of these. LAM_IO for what cannot be opened, LAM_INPUT for all that is wrong. The
// checkpoint is the caller's to close.
LAM_CHECKED lam_code lam_checkpoint_open(const char *model, lam_checkpoint **checkpoint,
                                         lam_error *error);
void lam_checkpoint_close(lam_checkpoint *checkpoint); // NULL: nothing

const char *lam_checkpoint_folder(const lam_checkpoint *checkpoint);
const lam_model_config *lam_checkpoint_config(const lam_checkpoint *checkpoint);

// The model's tensors are numbered the same on every rank and for every way of storing them.
size_t lam_checkpoint_tensor_count(const lam_checkpoint *checkpoint);

typedef struct lam_checkpoint_tensor {
    const char *name;  // canonical, with its prefix
    const char *file;  // path of the file that holds it
    const char *dtype; // as stored: "F16"
    int dimensions;    // 1 or 2
    int64_t shape[2];  // as stored
} lam_checkpoint_tensor;

// What `laminar info` shows; index below the count. The texts live as long as the checkpoint.
lam_checkpoint_tensor lam_checkpoint_tensor_at(const lam_checkpoint *checkpoint, size_t index);

// Whether a tensor belongs to a part; the bytes that loading a part takes from the arena, but for
// the alignment of pieces.
bool lam_checkpoint_in_part(const lam_checkpoint *checkpoint, const lam_checkpoint_part *part,
                            size_t index);
size_t lam_checkpoint_part_bytes(const lam_checkpoint *checkpoint, const lam_checkpoint_part *part);

// Loads a part into *model, in single precision and in the order of src/model.h, owned by arena;
// what is not of the part is NULL. Only this part's bytes are read, by all threads, and the pages
// they came from are dropped on the way. If digest is not NULL, digest[i] is set to the SHA-256 of
// each tensor's bytes as stored, and present[i] to true, for the tensors of the part; other entries
// are left alone. LAM_NUMERIC names the tensor, the file, how many values are not finite and where
// the first is.
LAM_CHECKED lam_code lam_checkpoint_load(const lam_checkpoint *checkpoint,
                                         const lam_checkpoint_part *part, lam_arena *arena,
                                         lam_model *model, uint8_t (*digest)[LAM_SHA256_BYTES],
                                         bool *present, lam_error *error);

// The digests alone, as above, without loading; every value is looked at nevertheless.
LAM_CHECKED lam_code lam_checkpoint_digest(const lam_checkpoint *checkpoint,
                                           const lam_checkpoint_part *part,
                                           uint8_t (*digest)[LAM_SHA256_BYTES], bool *present,
                                           lam_error *error);

// The SHA-256 of the whole model from all its tensors' digests (gathered over ranks; entries that
// start as zero may be combined by bitwise or): of the lines "NAME DTYPE SHAPE DIGEST\n", sorted by
// canonical name, as in "transformer.wte.weight F32 [50257, 768] 0f...". It is the same however the
// tensors are spread over files, with or without prefix. LAM_INTERNAL, naming the tensor, if one is
// not present.
LAM_CHECKED lam_code lam_checkpoint_sha256(const lam_checkpoint *checkpoint,
                                           uint8_t (*digest)[LAM_SHA256_BYTES], const bool *present,
                                           char text[LAM_SHA256_TEXT], lam_error *error);

#endif
