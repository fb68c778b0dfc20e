#include "cost.h"

#include "attention.h"

// Of one core with 512-bit vectors, by the order of magnitude: products at two thirds of its peak,
// attention slower for its exponentials, values by the memory's speed.
static const double rate[LAM_WORKS] = {
    [LAM_WORK_PRODUCTS] = 1e11, [LAM_WORK_ATTENTION] = 4e10, [LAM_WORK_TRAINING] = 5e10,
    [LAM_WORK_VALUES] = 5e8,    [LAM_WORK_DOUBLES] = 5e9,
};

void lam_work_add(lam_work *to, const lam_work *work, double times) {
    for (int k = 0; k < LAM_WORKS; k++) to->of[k] += times * work->of[k];
}

double lam_work_operations(const lam_work *work) {
    double sum = 0;
    for (int k = 0; k < LAM_WORKS; k++) sum += work->of[k];
    return sum;
}

double lam_work_seconds(const lam_work *work) {
    double sum = 0;
    for (int k = 0; k < LAM_WORKS; k++) sum += work->of[k] / rate[k];
    return sum;
}

// The last of the needed sites, in the order of the computation; -1: nothing but resid_pre.
static int last_needed(lam_site_set needed) {
    int last = -1;
    for (int site = 0; site < LAM_SITE_COUNT; site++)
        if (site != LAM_SITE_RESID_PRE && needed & LAM_SITE_BIT(site)) last = site;
    return last;
}

// Pairs of a query and a key that are scored for one head of a sequence: blocks of queries against
// all keys up to their last.
static double scored_pairs(int64_t length) {
    double pairs = 0;
    for (int64_t first = 0; first < length; first += LAM_QUERY_BLOCK) {
        const int64_t rows = length - first < LAM_QUERY_BLOCK ? length - first : LAM_QUERY_BLOCK;
        pairs += (double)rows * (double)(first + rows);
    }
    return pairs;
}

void lam_cost_layer(const lam_model_config *config, const lam_sequences *sequences, int64_t first,
                    int64_t end, lam_site_set needed, lam_work *work) {
    const int last = last_needed(needed);
    const double width = (double)config->width, wide = (double)config->mlp_width;
    const double rows = (double)(sequences->start[end] - sequences->start[first]);
    double pairs = 0, projected = 0, touched = 0; // weights that a row is multiplied by, values
    if (last < 0) return;
    for (int64_t s = first; s < end && last >= LAM_SITE_SCORES; s++)
        pairs += scored_pairs(sequences->start[s + 1] - sequences->start[s]);
    projected = 3 * width * width, touched = 8 * width;
    if (last >= LAM_SITE_ATTN_OUT) projected += width * width, touched += 3 * width;
    if (last >= LAM_SITE_MLP_FC) projected += width * wide, touched += 5 * width + 2 * wide;
    if (last >= LAM_SITE_MLP_OUT) projected += width * wide, touched += 3 * width;
    work->of[LAM_WORK_PRODUCTS] += 2 * rows * projected;
    work->of[LAM_WORK_VALUES] += rows * touched;
    // Scores, then weights times values.
    work->of[LAM_WORK_ATTENTION] += (last >= LAM_SITE_ATTN_OUT ? 4 : 2) * pairs * width;
}

void lam_cost_embedding(const lam_model_config *config, int64_t tokens, lam_work *work) {
    work->of[LAM_WORK_VALUES] += 3 * (double)tokens * (double)config->width;
}

void lam_cost_head(const lam_model_config *config, int64_t tokens, lam_work *work) {
    const double each = (double)tokens * (double)config->vocabulary;
    work->of[LAM_WORK_PRODUCTS] += 2 * each * (double)config->width;
    work->of[LAM_WORK_VALUES] += 4 * each; // the losses' exponentials
}

double lam_cost_forward_bytes(const lam_model_config *config, const lam_sequences *sequences,
                              int threads, bool fc_seen) {
    int64_t rows, length;
    lam_batch_limits(sequences, &rows, &length);
    const double values = (double)rows * (double)(7 * config->width + config->mlp_width) +
                          (fc_seen ? (double)rows * (double)config->mlp_width : 0) +
                          (double)threads * LAM_QUERY_BLOCK * (double)length +
                          (double)length * (double)config->rotary_width;
    return values * sizeof(float);
}

double lam_cost_message_bytes(const lam_model_config *config, const lam_sequences *sequences) {
    int64_t rows, length;
    lam_batch_limits(sequences, &rows, &length);
    return (double)rows * (double)config->width * sizeof(float);
}
