#include "next_token.h"

#include <math.h>

// log of the sum of exp(x), from the largest down, so that nothing overflows; NaN if any x is.
static double log_sum_exp(const float *x, int64_t count) {
    float largest = x[0];
    double sum = 0;
    for (int64_t i = 1; i < count; i++) largest = x[i] > largest ? x[i] : largest;
    for (int64_t i = 0; i < count; i++) sum += exp((double)x[i] - (double)largest);
    return (double)largest + log(sum);
}

lam_code lam_next_token_loss(lam_forward *forward, const lam_model_config *config,
                             const lam_batch *batch, float *residual, float *logits, double *sum,
                             lam_error *error) {
    const int64_t *start = batch->sequences->start;
    const int64_t origin = start[batch->first], rows = lam_batch_rows(batch);
    double loss[LAM_NEXT_TOKEN_ROWS];
    int64_t sequence = batch->first;
    for (int64_t first = 0; first < rows; first += LAM_NEXT_TOKEN_ROWS) {
        const int64_t count =
            rows - first < LAM_NEXT_TOKEN_ROWS ? rows - first : LAM_NEXT_TOKEN_ROWS;
        LAM_TRY(
            lam_forward_logits(forward, count, residual + first * config->width, logits, error));
#pragma omp parallel for schedule(static)
        for (int64_t i = 0; i < count; i++)
            loss[i] = log_sum_exp(logits + i * config->vocabulary, config->vocabulary);
        for (int64_t i = 0; i < count; i++) {
            const int64_t next = origin + first + i + 1;
            if (next == start[sequence + 1])
                sequence++;
            else {
                const uint32_t *token = lam_sequences_tokens(batch->sequences, sequence);
                *sum +=
                    loss[i] -
                    (double)logits[i * config->vocabulary + (int64_t)token[next - start[sequence]]];
            }
        }
    }
    return LAM_OK;
}
