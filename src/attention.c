#include "attention.h"

#include "product.h"
#include "vector.h"
#include "vector_math.h"

#include <math.h>
#include <omp.h>

struct lam_attention {
    const lam_model_config *config;
    float *cosine, *sine; // [length, rotary_width / 2]
    float *scores;        // [thread, LAM_QUERY_BLOCK, length]
    int64_t length;
};

lam_code lam_attention_create(lam_attention **attention, const lam_model_config *config,
                              int64_t length, lam_arena *arena, lam_error *error) {
    lam_attention *a;
    LAM_ALLOC(a, arena, 1, error);
    a->config = config;
    a->length = length;
    LAM_ALLOC(a->scores, arena, omp_get_max_threads() * LAM_QUERY_BLOCK * length, error);
    int64_t half = config->rotary_width / 2;
    LAM_ALLOC(a->cosine, arena, length * half, error);
    LAM_ALLOC(a->sine, arena, length * half, error);
    for (int64_t i = 0; i < half; i++) {
        // The angle is rounded to single precision before cosine and sine, as in the peers' tables.
        float frequency =
            (float)(1.0 / pow(config->rotary_base, 2.0 * (double)i / (double)(2 * half)));
        for (int64_t t = 0; t < length; t++) {
            double angle = (float)t * frequency;
            a->cosine[t * half + i] = (float)cos(angle);
            a->sine[t * half + i] = (float)sin(angle);
        }
    }
    *attention = a;
    return LAM_OK;
}

LAM_VECTORISED
static void rotate_row(float *restrict head, const float *restrict cosine,
                       const float *restrict sine, int64_t half) {
    for (int64_t i = 0; i < half; i++) {
        float first = head[i], second = head[half + i];
        head[i] = first * cosine[i] - second * sine[i];
        head[half + i] = second * cosine[i] + first * sine[i];
    }
}

void lam_attention_rotate(const lam_attention *attention, const lam_batch *batch, float *qkv) {
    const lam_model_config *c = attention->config;
    int64_t half = c->rotary_width / 2;
    if (half == 0) return;
    const int64_t *start = batch->sequences->start + batch->first;
    for (int64_t s = 0; s < batch->count; s++) {
        int64_t length = start[s + 1] - start[s];
        float *rows = qkv + (start[s] - start[0]) * 3 * c->width;
#pragma omp parallel for schedule(static)
        for (int64_t t = 0; t < length; t++)
            for (int64_t h = 0; h < 2 * c->heads; h++) // Q's heads, then K's
                rotate_row(rows + t * 3 * c->width + h * c->head_width,
                           attention->cosine + t * half, attention->sine + t * half, half);
    }
}

// Softmax of the first keys of a row in place, after scaling; the rest of the row becomes 0.
LAM_VECTORISED
static void softmax_row(float *row, int64_t keys, int64_t width, float scale) {
    float largest = -INFINITY;
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < keys; i++) largest = row[i] > largest ? row[i] : largest;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < keys; i++) {
        row[i] = lam_exp((row[i] - largest) * scale);
        sum += row[i];
    }
    float inverse = 1.0f / sum;
#pragma omp simd
    for (int64_t i = 0; i < keys; i++) row[i] *= inverse;
    for (int64_t i = keys; i < width; i++) row[i] = 0;
}

static float score_scale(const lam_model_config *config, int64_t layer) {
    double scale = config->scale_attention ? 1.0 / sqrt((double)config->head_width) : 1.0;
    return (float)(config->scale_by_inverse_layer ? scale / (double)(layer + 1) : scale);
}

static bool wanted(const lam_hooks *hooks, lam_site site) {
    return hooks && hooks->sites & LAM_SITE_BIT(site);
}

static void show(const lam_hooks *hooks, lam_site site, lam_view view) {
    if (!wanted(hooks, site)) return;
    view.site = site;
    hooks->see(hooks->user, &view);
}

// One head of one sequence. qkv points at the sequence's first row, at the head's q; out at the
// head's first value, or NULL.
static lam_code attend(const lam_model_config *c, lam_view view, const float *qkv, float *out,
                       float *scores, const lam_hooks *hooks) {
    float scale = score_scale(c, view.layer);
    lam_product score = {.transpose_b = true,
                         .k = c->head_width,
                         .alpha = 1,
                         .a_stride = 3 * c->width,
                         .b = qkv + c->width,
                         .b_stride = 3 * c->width,
                         .c = scores};
    lam_product mix = {.n = c->head_width,
                       .alpha = 1,
                       .a = scores,
                       .b = qkv + 2 * c->width,
                       .b_stride = 3 * c->width,
                       .c_stride = c->width};
    view.data = scores;
    for (int64_t first = 0; first < view.length; first += LAM_QUERY_BLOCK) {
        int64_t rows =
            view.length - first < LAM_QUERY_BLOCK ? view.length - first : LAM_QUERY_BLOCK;
        int64_t keys = first + rows;
        view.first_token = first, view.rows = rows, view.width = view.row_stride = keys;
        score.m = mix.m = rows;
        score.n = mix.k = score.c_stride = mix.a_stride = keys;
        score.a = qkv + first * 3 * c->width;
        LAM_TRY(lam_product_block(&score));
        show(hooks, LAM_SITE_SCORES, view);
        if (!out && !wanted(hooks, LAM_SITE_WEIGHTS)) continue;
        for (int64_t i = 0; i < rows; i++)
            softmax_row(scores + i * keys, first + i + 1, keys, scale);
        show(hooks, LAM_SITE_WEIGHTS, view);
        if (!out) continue;
        mix.c = out + first * c->width;
        LAM_TRY(lam_product_block(&mix));
    }
    return LAM_OK;
}

lam_code lam_attention_run(const lam_attention *attention, const lam_batch *batch, int64_t layer,
                           const float *qkv, float *out, const lam_hooks *hooks, lam_error *error) {
    const lam_model_config *c = attention->config;
    const int64_t *start = batch->sequences->start + batch->first;
    int worst = LAM_OK;
#pragma omp parallel for schedule(dynamic) reduction(max : worst)
    for (int64_t i = 0; i < batch->count * c->heads; i++) {
        int64_t s = i / c->heads, head = i % c->heads, row = start[s] - start[0];
        lam_view view = {.layer = layer,
                         .sequence = batch->first + s,
                         .length = start[s + 1] - start[s],
                         .head = head};
        int code = (int)attend(
            c, view, qkv + row * 3 * c->width + head * c->head_width,
            out ? out + row * c->width + head * c->head_width : NULL,
            attention->scores + omp_get_thread_num() * LAM_QUERY_BLOCK * attention->length, hooks);
        if (code > worst) worst = code;
    }
    if (worst != LAM_OK)
        return lam_fail(error, (lam_code)worst, "attention of layer %lld: %s", (long long)layer,
                        lam_code_text((lam_code)worst));
    return LAM_OK;
}
