#include "head_scores.h"

#include "vector.h"

#include <math.h>

enum { CHUNK = 64 }; // tokens whose scores are held at once

lam_code lam_head_scores_create(lam_head_scores *scores, const lam_model_config *config,
                                lam_arena *arena, lam_error *error) {
    int64_t heads = config->heads;
    *scores = (lam_head_scores){.heads = heads, .head_width = config->head_width};
    LAM_ALLOC(scores->chunk, arena, CHUNK * heads * heads, error);
    LAM_TRY(lam_histogram_create(&scores->same_scores, LAM_DEFAULT_BINS, false, arena, error));
    return lam_histogram_create(&scores->different_scores, LAM_DEFAULT_BINS, false, arena, error);
}

void lam_head_sums_join(lam_head_sums *sums, const lam_head_sums *other) {
    lam_moments_join(&sums->q, &other->q);
    lam_moments_join(&sums->k, &other->k);
    lam_moments_join(&sums->same, &other->same);
    sums->same_negative += other->same_negative;
}

void lam_pair_sums_join(lam_pair_sums *sums, const lam_pair_sums *other) {
    lam_moments_join(&sums->different, &other->different);
    sums->negative += other->negative;
}

LAM_VECTORISED
static double dot(const float *a, const float *b, int64_t width) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < width; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

// Scores of the last token's queries, at q, against the keys of so many tokens from k on.
static void score_chunk(const lam_head_scores *s, const float *q, const float *k, int64_t tokens,
                        int64_t stride) {
    int64_t heads = s->heads, d = s->head_width;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t i = 0; i < heads; i++)
            for (int64_t j = 0; j < heads; j++)
                s->chunk[(t * heads + i) * heads + j] =
                    (float)dot(q + i * d, k + t * stride + j * d, d);
}

static int64_t count_negative(const float *value, int64_t rows, int64_t width, int64_t stride) {
    int64_t negative = 0;
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < width; j++) negative += value[i * stride + j] < 0;
    return negative;
}

// Of a token's scores [head, head] the diagonal are the same heads', and between two of its places
// lie `heads` different ones'.
static lam_code add_chunk(lam_head_scores *s, lam_head_sums *sums, lam_pair_sums *of_pairs,
                          int64_t tokens, lam_error *error) {
    int64_t heads = s->heads, pairs = heads * heads;
    for (int64_t h = 0; h < heads; h++) {
        const float *same = s->chunk + h * (heads + 1), *different = same + 1;
        lam_moments_add(&sums[h].same, same, tokens, 1, pairs);
        sums[h].same_negative += count_negative(same, tokens, 1, pairs);
        if (!isfinite(sums[h].same.squares))
            return lam_fail(error, LAM_NUMERIC,
                            "scores of head %lld are not finite: the model's weights overflow on "
                            "this text",
                            (long long)h);
        if (h == heads - 1) break;
        lam_moments_add(&of_pairs->different, different, tokens, heads, pairs);
        of_pairs->negative += count_negative(different, tokens, heads, pairs);
    }
    if (!isfinite(of_pairs->different.squares))
        return lam_fail(error, LAM_NUMERIC,
                        "scores of different heads are not finite: the model's weights overflow on "
                        "this text");
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t h = 0; h < heads; h++) {
            const float *same = s->chunk + t * pairs + h * (heads + 1);
            LAM_TRY(lam_histogram_add(&s->same_scores, same, 1, error));
            if (h < heads - 1)
                LAM_TRY(lam_histogram_add(&s->different_scores, same + 1, heads, error));
        }
    return LAM_OK;
}

// Moments of queries and keys.
static lam_code add_inputs(const lam_head_scores *s, lam_head_sums *sums, const float *qkv,
                           int64_t length, int64_t stride, lam_error *error) {
    int64_t heads = s->heads, d = s->head_width;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < 2 * heads; i++)
        lam_moments_add(i < heads ? &sums[i].q : &sums[i - heads].k, qkv + stride + i * d,
                        length - 1, d, stride);
    for (int64_t i = 0; i < 2 * heads; i++)
        if (!isfinite((i < heads ? &sums[i].q : &sums[i - heads].k)->squares))
            return lam_fail(error, LAM_NUMERIC,
                            "%s of head %lld are not finite: the model's weights overflow on this "
                            "text",
                            i < heads ? "queries" : "keys", (long long)(i % heads));
    return LAM_OK;
}

lam_code lam_head_scores_add(lam_head_scores *scores, lam_head_sums *sums, lam_pair_sums *pairs,
                             const float *qkv, int64_t length, int64_t stride, lam_error *error) {
    LAM_TRY(add_inputs(scores, sums, qkv, length, stride, error));
    const float *q = qkv + (length - 1) * stride, *k = qkv + scores->heads * scores->head_width;
    for (int64_t t = 1, tokens; t < length - 1; t += tokens) {
        tokens = length - 1 - t < CHUNK ? length - 1 - t : CHUNK;
        score_chunk(scores, q, k + t * stride, tokens, stride);
        LAM_TRY(add_chunk(scores, sums, pairs, tokens, error));
    }
    return LAM_OK;
}

LAM_VECTORISED
static void add_row(lam_causal_sums *sums, const float *score, int64_t keys) {
    double sum = 0;
    int64_t negative = 0;
#pragma omp simd reduction(+ : sum, negative)
    for (int64_t i = 0; i < keys; i++) {
        sum += (double)score[i];
        negative += score[i] < 0;
    }
    sums->score += sum;
    sums->negative += negative;
}

void lam_causal_sums_add(lam_causal_sums *sums, const lam_view *view) {
    for (int64_t i = 0; i < view->rows; i++)
        add_row(sums, view->data + i * view->row_stride, view->first_token + i + 1);
}
