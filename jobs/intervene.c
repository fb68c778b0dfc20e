#include "jobs/intervene.h"

#include "mpi/pipeline.h"
#include "src/next_token.h"

#include <string.h>

// Pass 0 is the model's own; pass 1 + layer * changes + change is that change to that layer.
typedef struct lam_interventions {
    const lam_intervene_request *request;
    lam_model model;         // this rank's part
    lam_sequences sequences; // the run's first
    uint32_t *token;         // theirs
    int64_t first_layer, layer_count, passes;
    int team, last;
    int *entry;     // [pass]
    float *clean;   // [token, width] the unchanged residual: before the first of the rank's layers,
                    // then, as the passes come to the others, before each
    float *logits;  // in the last team [LAM_NEXT_TOKEN_ROWS, vocabulary]
    double *losses; // [sequence, pass] sums over a micro-batch's predicted tokens, at its first
                    // sequence; in the last team, then on all
    lam_arena arena;
} lam_interventions;

typedef struct lam_change { // of one layer in one pass
    const lam_intervene_request *request;
    const void *state;
    int change;
} lam_change;

static void rewrite(void *user, const lam_view *view, float *rows) {
    const lam_change *c = user;
    c->request->asked->rewrite(c->request->run, c->state, c->change, view, rows);
}

int64_t lam_intervene_steps_each(const lam_intervene_request *request) {
    int64_t layers = request->layout->layers;
    return layers + request->asked->changes * layers * (layers + 1) / 2;
}

int64_t lam_intervene_steps(const lam_intervene_request *request) {
    return request->run->sequences->start[request->asked->sequences] *
           lam_intervene_steps_each(request);
}

// The layer of a changed pass.
static int64_t layer_of(const lam_interventions *t, int64_t pass) {
    return (pass - 1) / t->request->asked->changes;
}

// The model as it is, over this rank's layers; what comes in is kept for the passes that begin
// here.
static lam_code run_clean(lam_interventions *t, lam_forward *forward, const lam_batch *batch,
                          float *residual, float *clean, lam_error *error) {
    if (t->team == 0) LAM_TRY(lam_forward_embed(&t->model, batch, residual, error));
    memcpy(clean, residual,
           (size_t)(lam_batch_rows(batch) * t->model.config.width) * sizeof *clean);
    LAM_TRY(lam_forward_layers(forward, batch, residual, NULL, error));
    t->request->tick(t->request->user, lam_batch_rows(batch) * t->layer_count, t->first_layer);
    return LAM_OK;
}

// The model with one layer changed, from that layer on where it is this rank's.
static lam_code run_changed(lam_interventions *t, lam_forward *forward, int64_t pass,
                            const lam_batch *batch, float *residual, float *clean,
                            lam_error *error) {
    int64_t layer = layer_of(t, pass), from = t->first_layer, rows = lam_batch_rows(batch);
    lam_change change = {.request = t->request,
                         .change = (int)((pass - 1) % t->request->asked->changes)};
    lam_edit edit = {
        .layer = layer, .site = t->request->asked->site, .rewrite = rewrite, .user = &change};
    lam_hooks hooks = {0};
    if (t->entry[pass] == t->team) {
        if (change.change == 0 && layer > t->first_layer)
            LAM_TRY(lam_forward_some_layers(forward, batch, layer - 1, 1, clean, NULL, error));
        memcpy(residual, clean, (size_t)(rows * t->model.config.width) * sizeof *clean);
        change.state = t->request->state[layer - t->first_layer];
        hooks.edit = &edit;
        from = layer;
    }
    int64_t count = t->first_layer + t->layer_count - from;
    LAM_TRY(lam_forward_some_layers(forward, batch, from, count, residual, &hooks, error));
    t->request->tick(t->request->user, rows * count, layer);
    return LAM_OK;
}

static lam_code work(void *user, lam_forward *forward, int64_t pass, const lam_batch *batch,
                     float *residual, lam_error *error) {
    lam_interventions *t = user;
    const lam_model_config *config = &t->model.config;
    float *clean = t->clean + t->sequences.start[batch->first] * config->width;
    if (pass == 0)
        LAM_TRY(run_clean(t, forward, batch, residual, clean, error));
    else
        LAM_TRY(run_changed(t, forward, pass, batch, residual, clean, error));
    if (t->team != t->last) return LAM_OK;
    return lam_next_token_loss(forward, config, batch, residual, t->logits,
                               &t->losses[batch->first * t->passes + pass], error);
}

// The weights, and memory.
static lam_code prepare(lam_interventions *t, lam_error *error) {
    const lam_intervene_request *q = t->request;
    const lam_model_config *config = q->run->model;
    LAM_ALLOC(t->entry, &t->arena, t->passes, error);
    LAM_ALLOC(t->losses, &t->arena, t->sequences.count * t->passes, error);
    for (int64_t pass = 1; pass < t->passes; pass++)
        t->entry[pass] = lam_layout_owner(q->layout, layer_of(t, pass));
    int64_t tokens = t->sequences.start[t->sequences.count];
    LAM_ALLOC(t->token, &t->arena, tokens, error);
    for (int64_t s = 0; q->comm->rank == 0 && s < t->sequences.count; s++)
        memcpy(t->token + t->sequences.start[s], lam_sequences_tokens(&t->sequences, s),
               (size_t)(t->sequences.start[s + 1] - t->sequences.start[s]) * sizeof *t->token);
    t->sequences.token = t->token, t->sequences.place = NULL;
    LAM_ALLOC(t->clean, &t->arena, tokens * config->width, error);
    if (t->team == t->last)
        LAM_ALLOC(t->logits, &t->arena, LAM_NEXT_TOKEN_ROWS * config->vocabulary, error);
    lam_checkpoint_part part = {.first_layer = t->first_layer,
                                .layer_count = t->layer_count,
                                .embedding = t->team == 0,
                                .final_norm = t->team == t->last,
                                .head = t->team == t->last};
    return lam_checkpoint_load(q->checkpoint, &part, &t->arena, &t->model, NULL, NULL, error);
}

// Collective: the losses, from the micro-batches' workers to all.
static lam_code share_losses(lam_interventions *t, lam_error *error) {
    const lam_intervene_request *q = t->request;
    int64_t number = 0;
    for (int64_t s = 0; s < t->sequences.count; number++) {
        const int worker = lam_layout_worker(q->layout, t->last, number);
        LAM_TRY(lam_comm_broadcast(q->comm, t->losses + s * t->passes,
                                   (size_t)t->passes * sizeof *t->losses, worker, error));
        s += lam_batch_from(&t->sequences, s).count;
    }
    return LAM_OK;
}

// Collective: all passes, and their losses to all. The last team predicts tokens, which the first
// has.
static lam_code stream(lam_interventions *t, lam_error *error) {
    const lam_intervene_request *q = t->request;
    const size_t tokens = (size_t)t->sequences.start[t->sequences.count];
    LAM_TRY(lam_comm_broadcast(q->comm, t->token, tokens * sizeof *t->token, 0, error));
    lam_passes passes = {.count = t->passes, .entry = t->entry, .work = work};
    lam_pipeline pipeline = {.comm = q->comm,
                             .layout = q->layout,
                             .model = &t->model,
                             .sequences = &t->sequences,
                             .passes = &passes,
                             .user = t};
    LAM_TRY(lam_pipeline_run(&pipeline, error));
    return lam_comm_agree(q->comm, share_losses(t, error), error);
}

// The mean loss of a pass, its micro-batches added up in their order.
static double mean_loss(const lam_interventions *t, int64_t pass) {
    double sum = 0;
    for (int64_t s = 0; s < t->sequences.count; s++) sum += t->losses[s * t->passes + pass];
    return sum / (double)(t->sequences.start[t->sequences.count] - t->sequences.count);
}

static void hand_over(const lam_interventions *t) {
    const lam_intervene_request *q = t->request;
    for (int64_t l = t->first_layer; l < t->first_layer + t->layer_count; l++) {
        double changed[LAM_MAX_CHANGES];
        for (int i = 0; i < q->asked->changes; i++)
            changed[i] = mean_loss(t, 1 + l * q->asked->changes + i);
        q->asked->losses(q->run, l, mean_loss(t, 0), changed, q->groups);
    }
}

lam_code lam_intervene(const lam_intervene_request *request, lam_error *error) {
    const lam_place place = lam_layout_place(request->layout, request->comm->rank);
    lam_interventions t = {.request = request,
                           .sequences = *request->run->sequences,
                           .first_layer = place.first_layer,
                           .layer_count = place.layer_count,
                           .passes = 1 + request->layout->layers * request->asked->changes,
                           .team = place.team,
                           .last = request->layout->teams - 1};
    t.sequences.count = request->asked->sequences;
    lam_code code = lam_comm_agree(request->comm, prepare(&t, error), error);
    if (code == LAM_OK) code = stream(&t, error);
    if (code == LAM_OK) hand_over(&t);
    lam_arena_destroy(&t.arena);
    return code;
}
