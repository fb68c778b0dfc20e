#include "forward.h"

#include "attention.h"
#include "product.h"
#include "vector.h"
#include "vector_math.h"

#include <math.h>
#include <string.h>

enum { MICRO_BATCH_ROWS = 1024 };

struct lam_forward {
    const lam_model *model;
    lam_attention *attention;
    float *normed;   // [rows, width]
    float *qkv;      // [rows, 3 width]
    float *attended; // [rows, width], heads side by side, before the output projection
    float *attn_out; // [rows, width]
    float *mlp_fc;   // [rows, mlp_width]
    float *mlp_act;  // [rows, mlp_width]
    float *mlp_out;  // [rows, width]
};

const char *lam_site_name(lam_site site) {
    static const char *const names[] = {
#define X(name, text, help) text,
        LAM_SITES(X)
#undef X
    };
    return names[site];
}

int64_t lam_site_width(const lam_model_config *config, lam_site site) {
    switch (site) {
    case LAM_SITE_QKV:
        return 3 * config->width;
    case LAM_SITE_MLP_FC:
    case LAM_SITE_MLP_ACT:
        return config->mlp_width;
    case LAM_SITE_SCORES:
    case LAM_SITE_WEIGHTS:
    case LAM_SITE_COUNT:
        return 0;
    default:
        return config->width;
    }
}

const char *lam_family_name(lam_family family) {
    return family == LAM_GPT2 ? "gpt2" : "gpt_neox";
}

int64_t lam_batch_rows(const lam_batch *batch) {
    const int64_t *start = batch->sequences->start;
    return start[batch->first + batch->count] - start[batch->first];
}

lam_batch lam_batch_from(const lam_sequences *sequences, int64_t first) {
    lam_batch batch = {.sequences = sequences, .first = first, .count = 1};
    while (first + batch.count < sequences->count &&
           sequences->start[first + batch.count + 1] - sequences->start[first] <= MICRO_BATCH_ROWS)
        batch.count++;
    return batch;
}

int64_t lam_batch_sequences(int64_t length) {
    return length < MICRO_BATCH_ROWS ? MICRO_BATCH_ROWS / length : 1;
}

void lam_batch_limits(const lam_sequences *sequences, int64_t *rows, int64_t *length) {
    *rows = *length = 0;
    for (int64_t s = 0; s < sequences->count; s++) {
        int64_t tokens = sequences->start[s + 1] - sequences->start[s];
        if (tokens > *length) *length = tokens;
    }
    for (int64_t s = 0; s < sequences->count;) {
        lam_batch batch = lam_batch_from(sequences, s);
        if (lam_batch_rows(&batch) > *rows) *rows = lam_batch_rows(&batch);
        s += batch.count;
    }
}

lam_code lam_forward_create(lam_forward **forward, const lam_model *model, int64_t rows,
                            int64_t length, lam_arena *arena, lam_error *error) {
    const lam_model_config *c = &model->config;
    lam_forward *f;
    LAM_ALLOC(f, arena, 1, error);
    f->model = model;
    LAM_ALLOC(f->normed, arena, rows * c->width, error);
    LAM_ALLOC(f->qkv, arena, rows * 3 * c->width, error);
    LAM_ALLOC(f->attended, arena, rows * c->width, error);
    LAM_ALLOC(f->attn_out, arena, rows * c->width, error);
    LAM_ALLOC(f->mlp_fc, arena, rows * c->mlp_width, error);
    LAM_ALLOC(f->mlp_act, arena, rows * c->mlp_width, error);
    LAM_ALLOC(f->mlp_out, arena, rows * c->width, error);
    LAM_TRY(lam_attention_create(&f->attention, c, length, arena, error));
    *forward = f;
    return LAM_OK;
}

lam_code lam_forward_embed(const lam_model *model, const lam_batch *batch, float *residual,
                           lam_error *error) {
    const lam_model_config *c = &model->config;
    const lam_sequences *q = batch->sequences;
    for (int64_t s = batch->first; s < batch->first + batch->count; s++) {
        const uint32_t *token = lam_sequences_tokens(q, s);
        int64_t length = q->start[s + 1] - q->start[s];
        if (length > c->positions)
            return lam_fail(error, LAM_INPUT,
                            "a sequence of %lld tokens is longer than the model's %lld positions",
                            (long long)length, (long long)c->positions);
        for (int64_t t = 0; t < length; t++, residual += c->width) {
            uint32_t id = token[t];
            if (id >= c->vocabulary)
                return lam_fail(error, LAM_INPUT,
                                "token %u is beyond the model's vocabulary of %lld: "
                                "the tokenizer is another model's",
                                id, (long long)c->vocabulary);
            memcpy(residual, model->token_embedding + (int64_t)id * c->width,
                   (size_t)c->width * sizeof *residual);
            if (!model->position_embedding) continue;
            const float *position = model->position_embedding + t * c->width;
            for (int64_t i = 0; i < c->width; i++) residual[i] += position[i];
        }
    }
    return LAM_OK;
}

// out = (x - mean) / sqrt(variance + epsilon) * weight + bias; out may be x.
LAM_VECTORISED
static void norm_row(float *out, const float *x, const float *weight, const float *bias,
                     int64_t width, double epsilon) {
    float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++) sum += x[i];
    float mean = sum / (float)width;
#pragma omp simd reduction(+ : squares)
    for (int64_t i = 0; i < width; i++) squares += (x[i] - mean) * (x[i] - mean);
    float scale = (float)(1.0 / sqrt((double)squares / (double)width + epsilon));
#pragma omp simd
    for (int64_t i = 0; i < width; i++) out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

static void norm(const lam_model_config *c, float *out, const float *x, const float *weight,
                 const float *bias, int64_t rows) {
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++)
        norm_row(out + r * c->width, x + r * c->width, weight, bias, c->width, c->norm_epsilon);
}

// out may be in: the pragma says that no value depends on another's, which keeps the loop in vector
// lanes then too.
LAM_VECTORISED
static void activate_row(float *out, const float *in, int64_t width, lam_activation activation) {
    switch (activation) {
    case LAM_GELU:
#pragma omp simd
        for (int64_t i = 0; i < width; i++) out[i] = lam_gelu(in[i]);
        break;
    case LAM_GELU_NEW:
    case LAM_GELU_FAST: // the same function, written in another order by its authors
#pragma omp simd
        for (int64_t i = 0; i < width; i++) out[i] = lam_gelu_tanh(in[i]);
        break;
    case LAM_RELU:
#pragma omp simd
        for (int64_t i = 0; i < width; i++) out[i] = in[i] > 0.0f ? in[i] : 0.0f;
        break;
    }
}

static void activate(const lam_model_config *c, float *out, const float *in, int64_t rows) {
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++)
        activate_row(out + r * c->mlp_width, in + r * c->mlp_width, c->mlp_width, c->activation);
}

LAM_VECTORISED
static void add_row(float *restrict to, const float *restrict from, int64_t width) {
    for (int64_t i = 0; i < width; i++) to[i] += from[i];
}

static void add(float *to, const float *from, int64_t rows, int64_t width) {
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++) add_row(to + r * width, from + r * width, width);
}

// What follows a product, value by value: out = product + bias, then either of the others.
typedef struct lam_projection {
    const float *bias; // [outputs]; NULL: none
    float *activated;  // [rows, outputs], may be out itself: activation(out); NULL: not wanted
    lam_activation activation;
    float *residual; // [rows, outputs]: out is added to it; NULL: not wanted
    int64_t outputs;
} lam_projection;

static void finish_projection(const void *user, const lam_product_part *part) {
    const lam_projection *p = user;
    for (int64_t r = 0; r < part->rows; r++) {
        float *row = part->c + r * part->c_stride;
        int64_t at = (part->row + r) * p->outputs + part->column;
        if (p->bias) add_row(row, p->bias + part->column, part->columns);
        if (p->activated) activate_row(p->activated + at, row, part->columns, p->activation);
        if (p->residual) add_row(p->residual + at, row, part->columns);
    }
}

// out [rows, outputs] = in [rows, inputs] weight [inputs, outputs] + bias, and what follows.
static lam_code project(float *out, const float *in, const float *weight, int64_t rows,
                        int64_t inputs, const lam_projection *projection, lam_error *error) {
    lam_product product = {.m = rows,
                           .n = projection->outputs,
                           .k = inputs,
                           .alpha = 1,
                           .a = in,
                           .a_stride = inputs,
                           .b = weight,
                           .b_stride = projection->outputs,
                           .c = out,
                           .c_stride = projection->outputs,
                           .finish = finish_projection,
                           .user = projection};
    return lam_product_run(&product, error);
}

typedef struct lam_layer_call { // what every step of one layer's pass over one batch needs
    lam_forward *forward;
    const lam_batch *batch;
    int64_t layer, rows;
    const lam_layer *weights;
    const lam_hooks *hooks;
    lam_error *error;
} lam_layer_call;

static bool wanted(const lam_layer_call *call, lam_site site) {
    return call->hooks && call->hooks->sites & LAM_SITE_BIT(site);
}

static bool edited(const lam_layer_call *call, lam_site site) {
    const lam_edit *edit = call->hooks ? call->hooks->edit : NULL;
    return edit && edit->site == site && edit->layer == call->layer;
}

// Whether anything beyond a site of this layer is still to be computed.
static bool needed_beyond(const lam_layer_call *call, lam_site site) {
    const lam_model_config *c = &call->forward->model->config;
    if (!call->hooks || !call->hooks->residual_unused || call->layer < c->layers - 1) return true;
    // In the order of the computation, which begins with resid_pre.
    lam_site_set later = call->hooks->sites & ~LAM_SITE_BIT(LAM_SITE_RESID_PRE);
    if (site != LAM_SITE_RESID_PRE) later &= ~(2 * LAM_SITE_BIT(site) - 1);
    return later != 0;
}

// Shows columns of data [rows, row_stride] as one site, sequence by sequence, and has them
// rewritten where the site is edited.
static void visit(const lam_layer_call *call, lam_site site, float *data, int64_t width,
                  int64_t row_stride) {
    bool seen = wanted(call, site), changed = edited(call, site);
    if (!seen && !changed) return;
    const int64_t *start = call->batch->sequences->start + call->batch->first;
    for (int64_t s = 0; s < call->batch->count; s++) {
        int64_t length = start[s + 1] - start[s];
        lam_view view = {.site = site,
                         .layer = call->layer,
                         .sequence = call->batch->first + s,
                         .length = length,
                         .rows = length,
                         .width = width,
                         .row_stride = row_stride,
                         .data = data + (start[s] - start[0]) * row_stride};
        if (seen) call->hooks->see(call->hooks->user, &view);
        const lam_edit *edit = call->hooks->edit;
        if (changed) edit->rewrite(edit->user, &view, data + (start[s] - start[0]) * row_stride);
    }
}

// attn_out = attention(norm1(residual)), added to sum unless that is NULL; or as much of it as is
// needed.
static lam_code run_attention(const lam_layer_call *call, const float *residual, float *sum) {
    lam_forward *f = call->forward;
    const lam_model_config *c = &f->model->config;
    const lam_layer *w = call->weights;
    norm(c, f->normed, residual, w->norm1_weight, w->norm1_bias, call->rows);
    lam_projection qkv = {.bias = w->qkv_bias, .outputs = 3 * c->width};
    LAM_TRY(project(f->qkv, f->normed, w->qkv_weight, call->rows, c->width, &qkv, call->error));
    visit(call, LAM_SITE_QKV, f->qkv, 3 * c->width, 3 * c->width);
    visit(call, LAM_SITE_Q, f->qkv, c->width, 3 * c->width);
    visit(call, LAM_SITE_K, f->qkv + c->width, c->width, 3 * c->width);
    visit(call, LAM_SITE_V, f->qkv + 2 * c->width, c->width, 3 * c->width);
    if (!needed_beyond(call, LAM_SITE_V)) return LAM_OK;
    lam_attention_rotate(f->attention, call->batch, f->qkv);
    bool mixed = needed_beyond(call, LAM_SITE_WEIGHTS);
    LAM_TRY(lam_attention_run(f->attention, call->batch, call->layer, f->qkv,
                              mixed ? f->attended : NULL, call->hooks, call->error));
    if (!mixed) return LAM_OK;
    // What is edited is added afterwards only.
    bool changed = edited(call, LAM_SITE_ATTN_OUT);
    lam_projection out = {
        .bias = w->out_bias, .outputs = c->width, .residual = changed ? NULL : sum};
    LAM_TRY(
        project(f->attn_out, f->attended, w->out_weight, call->rows, c->width, &out, call->error));
    visit(call, LAM_SITE_ATTN_OUT, f->attn_out, c->width, c->width);
    if (changed && sum) add(sum, f->attn_out, call->rows, c->width);
    return LAM_OK;
}

// mlp_out = MLP(norm2(residual)), added to residual; or as much of it as is needed.
static lam_code run_mlp(const lam_layer_call *call, float *residual) {
    lam_forward *f = call->forward;
    const lam_model_config *c = &f->model->config;
    const lam_layer *w = call->weights;
    // Without a look at the units before the activation, they need no memory of their own.
    float *mlp_act = wanted(call, LAM_SITE_MLP_FC) ? f->mlp_act : f->mlp_fc;
    norm(c, f->normed, residual, w->norm2_weight, w->norm2_bias, call->rows);
    bool active = needed_beyond(call, LAM_SITE_MLP_FC);
    bool held = !active || edited(call, LAM_SITE_MLP_FC); // not activated by the product itself
    lam_projection fc = {.bias = w->fc_bias,
                         .outputs = c->mlp_width,
                         .activated = held ? NULL : mlp_act,
                         .activation = c->activation};
    LAM_TRY(project(f->mlp_fc, f->normed, w->fc_weight, call->rows, c->width, &fc, call->error));
    visit(call, LAM_SITE_MLP_FC, f->mlp_fc, c->mlp_width, c->mlp_width);
    if (!active) return LAM_OK;
    if (held) activate(c, mlp_act, f->mlp_fc, call->rows);
    visit(call, LAM_SITE_MLP_ACT, mlp_act, c->mlp_width, c->mlp_width);
    if (!needed_beyond(call, LAM_SITE_MLP_ACT)) return LAM_OK;
    bool changed = edited(call, LAM_SITE_MLP_OUT);
    lam_projection proj = {
        .bias = w->proj_bias, .outputs = c->width, .residual = changed ? NULL : residual};
    LAM_TRY(
        project(f->mlp_out, mlp_act, w->proj_weight, call->rows, c->mlp_width, &proj, call->error));
    visit(call, LAM_SITE_MLP_OUT, f->mlp_out, c->width, c->width);
    if (changed) add(residual, f->mlp_out, call->rows, c->width);
    return LAM_OK;
}

lam_code lam_forward_layers(lam_forward *forward, const lam_batch *batch, float *residual,
                            const lam_hooks *hooks, lam_error *error) {
    return lam_forward_some_layers(forward, batch, forward->model->first_layer,
                                   forward->model->layer_count, residual, hooks, error);
}

lam_code lam_forward_some_layers(lam_forward *forward, const lam_batch *batch, int64_t first,
                                 int64_t count, float *residual, const lam_hooks *hooks,
                                 lam_error *error) {
    const lam_model *model = forward->model;
    const lam_model_config *c = &model->config;
    bool parallel = c->family == LAM_GPT_NEOX && c->parallel_residual;
    int64_t rows = lam_batch_rows(batch);
    for (int64_t layer = first; layer < first + count; layer++) {
        lam_layer_call call = {.forward = forward,
                               .batch = batch,
                               .layer = layer,
                               .rows = rows,
                               .weights = &model->layer[layer - model->first_layer],
                               .hooks = hooks,
                               .error = error};
        visit(&call, LAM_SITE_RESID_PRE, residual, c->width, c->width);
        if (!needed_beyond(&call, LAM_SITE_RESID_PRE)) break;
        LAM_TRY(run_attention(&call, residual, parallel ? NULL : residual));
        if (!needed_beyond(&call, LAM_SITE_ATTN_OUT)) break;
        LAM_TRY(run_mlp(&call, residual));
        if (parallel) add(residual, forward->attn_out, rows, c->width);
        visit(&call, LAM_SITE_RESID_POST, residual, c->width, c->width);
    }
    return LAM_OK;
}

lam_code lam_forward_logits(lam_forward *forward, int64_t rows, float *residual, float *logits,
                            lam_error *error) {
    const lam_model *model = forward->model;
    const lam_model_config *c = &model->config;
    norm(c, residual, residual, model->final_norm_weight, model->final_norm_bias, rows);
    lam_product product = {.transpose_b = true,
                           .m = rows,
                           .n = c->vocabulary,
                           .k = c->width,
                           .alpha = 1,
                           .a = residual,
                           .a_stride = c->width,
                           .b = model->head_weight,
                           .b_stride = c->width,
                           .c = logits,
                           .c_stride = c->vocabulary};
    return lam_product_run(&product, error);
}
