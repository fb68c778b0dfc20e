// Where a forward pass can be looked into, and what is seen there.
#ifndef LAM_HOOKS_H
#define LAM_HOOKS_H

#include <stdbool.h>
#include <stdint.h>

// Name in job files; what it holds. Rows are tokens but for scores and weights.
#define LAM_SITES(X)                                                                               \
    X(QKV, "qkv", "fused projection before rotation: all Q, all K, all V, head by head")           \
    X(Q, "q", "queries before rotation")                                                           \
    X(K, "k", "keys before rotation")                                                              \
    X(V, "v", "values")                                                                            \
    X(SCORES, "scores", "q.k after rotation, unscaled, keys up to the query's own token")          \
    X(WEIGHTS, "weights", "attention weights under the causal mask")                               \
    X(ATTN_OUT, "attn_out", "attention's output, before it is added")                              \
    X(MLP_FC, "mlp_fc", "MLP units before the activation")                                         \
    X(MLP_ACT, "mlp_act", "MLP units after the activation")                                        \
    X(MLP_OUT, "mlp_out", "the MLP's output, before it is added")                                  \
    X(RESID_PRE, "resid_pre", "residual before the layer")                                         \
    X(RESID_POST, "resid_post", "residual after the layer")

typedef enum lam_site {
#define X(name, text, help) LAM_SITE_##name,
    LAM_SITES(X)
#undef X
        LAM_SITE_COUNT
} lam_site;

const char *lam_site_name(lam_site site);

// A set of sites, one bit each.
typedef uint32_t lam_site_set;
#define LAM_SITE_BIT(site) ((lam_site_set)1 << (site))

// One sequence's rows at one site of one layer; valid only during the call.
// [rows, width], row i at data + i * row_stride. For scores and weights a view is one head's block
// of queries first_token .. first_token + rows - 1 and width is the number of keys 0.. held: row i
// counts for its first first_token + i + 1 keys; beyond, weights are 0 and scores are not defined.
typedef struct lam_view {
    lam_site site;
    int64_t layer, sequence; // global numbers
    int64_t length;          // tokens in the sequence
    int64_t first_token, rows, width, row_stride;
    int64_t head; // of scores and weights; else 0
    const float *data;
} lam_view;

// One row site of one layer that is rewritten before the pass goes on with it.
typedef struct lam_edit {
    int64_t layer;
    lam_site site;
    // Called for every sequence, from one thread: rows is view->data, to be changed.
    void (*rewrite)(void *user, const lam_view *view, float *rows);
    void *user;
} lam_edit;

// see() is called for every wanted site, layer and sequence; row sites come whole, from one thread.
// Scores and weights come block by block in order within a (sequence, head), but different heads
// come from different threads at once: what is kept of them is kept by head.
typedef struct lam_hooks {
    lam_site_set sites;
    void (*see)(void *user, const lam_view *view);
    void *user;
    const lam_edit *edit; // NULL: none; it follows see()
    // Nobody needs the residual after the model's last layer: what is left of that layer beyond its
    // last wanted site is not computed.
    bool residual_unused;
} lam_hooks;

#endif
