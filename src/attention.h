// Causal attention by blocks of queries: never tokens x tokens for all heads at once.
#ifndef LAM_ATTENTION_H
#define LAM_ATTENTION_H

#include "arena.h"
#include "forward.h"

// Queries that are scored together. Larger blocks make better products but score more pairs above
// the diagonal in vain.
enum { LAM_QUERY_BLOCK = 128 };

typedef struct lam_attention lam_attention;

// Scratch for every thread and, where the model rotates, the tables of angles for positions below
// length. Owned by arena.
LAM_CHECKED lam_code lam_attention_create(lam_attention **attention, const lam_model_config *config,
                                          int64_t length, lam_arena *arena, lam_error *error);

// Rotates q and k of qkv [rows, 3 width] in place (rotary embeddings; Su et al. 2021, as GPT-NeoX
// pairs the halves). Nothing where the model does not rotate.
void lam_attention_rotate(const lam_attention *attention, const lam_batch *batch, float *qkv);

// out [rows, width] = softmax(q k' scale) v, head by head, from qkv [rows, 3 width] after rotation.
// Calls hooks for scores and weights. layer is the global number. Where out is NULL, nothing is
// computed beyond what hooks want.
LAM_CHECKED lam_code lam_attention_run(const lam_attention *attention, const lam_batch *batch,
                                       int64_t layer, const float *qkv, float *out,
                                       const lam_hooks *hooks, lam_error *error);

#endif
