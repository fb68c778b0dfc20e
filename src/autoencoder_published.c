#include "autoencoder_published.h"

#include "product.h"
#include "random.h"
#include "vector.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { COLUMN_PIECE = 64 }; // latents that one thread adds up at a time

lam_published_options lam_published_defaults(int64_t width) {
    const int64_t latents = 2 * width, kept = latents / 3;
    return (lam_published_options){
        .width = width,
        .latents = latents,
        .kept = kept > 0 ? kept : 1,
        .epochs = 75,
        .adam = {.learning_rate = 1e-4, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8},
    };
}

static lam_code check(const lam_published_options *o, lam_error *error) {
    const int64_t most = 1 << 24; // sizes whose products stay far below 2^63
    if (o->width < 1 || o->width > most)
        return lam_fail(error, LAM_USAGE, "an autoencoder of width %lld: at least 1 is needed",
                        (long long)o->width);
    if (o->latents < 1 || o->latents > most)
        return lam_fail(error, LAM_USAGE, "sae.latents is %lld: it must be 1 to %lld",
                        (long long)o->latents, (long long)most);
    if (o->kept < 1 || o->kept > o->latents)
        return lam_fail(error, LAM_USAGE, "%lld of %lld latents cannot be kept", (long long)o->kept,
                        (long long)o->latents);
    if (o->epochs < 0)
        return lam_fail(error, LAM_USAGE, "sae.epochs is %lld: it must not be negative",
                        (long long)o->epochs);
    return lam_adam_check(&o->adam, error);
}

size_t lam_published_bytes(const lam_published_options *o, int threads) {
    lam_error error;
    if (check(o, &error) != LAM_OK) return 0;
    const size_t width = (size_t)o->width, latents = (size_t)o->latents;
    const size_t rows = LAM_PUBLISHED_ROWS;
    return sizeof(lam_published) +
           sizeof(float) * (4 * latents * width + 2 * rows * latents + rows * width +
                            (size_t)threads * latents) +
           sizeof(double) * (3 * rows + 2 * latents);
}

lam_code lam_published_create(lam_published **published, const lam_published_options *options,
                              lam_arena *arena, lam_error *error) {
    LAM_TRY(check(options, error));
    lam_published *p;
    LAM_ALLOC(p, arena, 1, error);
    p->options = *options;
    p->threads = omp_get_max_threads();
    const int64_t width = options->width, latents = options->latents, size = latents * width;
    LAM_ALLOC(p->weight.value, arena, size, error);
    LAM_ALLOC(p->weight.first, arena, size, error);
    LAM_ALLOC(p->weight.second, arena, size, error);
    LAM_ALLOC(p->gradient, arena, size, error);
    LAM_ALLOC(p->values, arena, LAM_PUBLISHED_ROWS * latents, error);
    LAM_ALLOC(p->slopes, arena, LAM_PUBLISHED_ROWS * latents, error);
    LAM_ALLOC(p->residual, arena, LAM_PUBLISHED_ROWS * width, error);
    LAM_ALLOC(p->candidates, arena, p->threads * latents, error);
    LAM_ALLOC(p->row_values, arena, 3 * LAM_PUBLISHED_ROWS, error);
    LAM_ALLOC(p->latent_values, arena, 2 * latents, error);
    *published = p;
    return LAM_OK;
}

void lam_published_start(lam_published *p, uint64_t seed, uint16_t layer) {
    const int64_t width = p->options.width;
    const float bound = (float)(1 / sqrt((double)width));
    lam_random random = lam_random_key(seed, LAM_RANDOM_SAE_WEIGHTS, layer, 0);
    const size_t row_size = (size_t)width * sizeof(float);
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t j = 0; j < p->options.latents; j++) {
        float *weight = p->weight.value + j * width;
        lam_random_fill_uniform(&random, (uint64_t)(j * width), width, weight);
        for (int64_t c = 0; c < width; c++) weight[c] = (2 * weight[c] - 1) * bound;
        memset(p->weight.first + j * width, 0, row_size);
        memset(p->weight.second + j * width, 0, row_size);
    }
    p->position = (lam_autoencoder_position){0};
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// The k-th largest of n numbers that are not negative, whose order is that of their bits: found
// digit by digit, from the highest, among the candidates that share the digits before.
static float kth_largest(const float *x, int64_t n, int64_t k, uint32_t *candidates) {
    enum { DIGIT = 11, DIGITS = 1 << DIGIT };
    for (int64_t i = 0; i < n; i++) candidates[i] = bits_of(x[i]);
    for (int shift = 22; shift >= 0; shift -= DIGIT) {
        int32_t histogram[DIGITS] = {0};
        for (int64_t i = 0; i < n; i++) histogram[candidates[i] >> shift & (DIGITS - 1)]++;
        uint32_t digit = DIGITS - 1;
        for (; k > histogram[digit]; digit--) k -= histogram[digit];
        int64_t left = 0;
        for (int64_t i = 0; i < n; i++)
            if ((candidates[i] >> shift & (DIGITS - 1)) == digit)
                candidates[left++] = candidates[i];
        n = left;
    }
    float found;
    memcpy(&found, candidates, sizeof found);
    return found;
}

LAM_VECTORISED
static int64_t relu(int64_t n, float *z) {
    int64_t active = 0;
#pragma omp simd reduction(+ : active)
    for (int64_t j = 0; j < n; j++) {
        z[j] = z[j] <= 0 ? 0 : z[j]; // NaN stays
        active += z[j] != 0;
    }
    return active;
}

// Entries below least become 0. values [2]: how many are left that are not 0, and their sum.
LAM_VECTORISED
static void keep(int64_t n, float least, float *z, double *values) {
    double active = 0, sum = 0;
#pragma omp simd reduction(+ : active, sum)
    for (int64_t j = 0; j < n; j++) {
        z[j] = z[j] < least ? 0 : z[j];
        active += z[j] != 0 ? 1.0 : 0.0;
        sum += (double)z[j];
    }
    values[0] = active;
    values[1] = sum;
}

static void activate(lam_published *p, int64_t rows) {
    const int64_t latents = p->options.latents, kept = p->options.kept;
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t i = 0; i < rows; i++) {
        float *z = p->values + i * latents, least = 0;
        if (relu(latents, z) > kept)
            least = kth_largest(z, latents, kept, p->candidates + omp_get_thread_num() * latents);
        keep(latents, least, z, p->row_values + 3 * i);
    }
}

// values and residual = y [rows, width] of rows x [rows, width].
static lam_code forward(lam_published *p, const float *x, int64_t rows, lam_error *error) {
    const int64_t width = p->options.width, latents = p->options.latents;
    lam_product encode = {.transpose_b = true, .m = rows, .n = latents, .k = width, .alpha = 1};
    encode.a = x, encode.a_stride = width;
    encode.b = p->weight.value, encode.b_stride = width;
    encode.c = p->values, encode.c_stride = latents;
    LAM_TRY(lam_product_run(&encode, error));
    activate(p, rows);
    lam_product decode = {.m = rows, .n = width, .k = latents, .alpha = 1};
    decode.a = p->values, decode.a_stride = latents;
    decode.b = p->weight.value, decode.b_stride = width;
    decode.c = p->residual, decode.c_stride = width;
    return lam_product_run(&decode, error);
}

// y = (y - x) * scale; returns the sum of squares before the scale.
LAM_VECTORISED
static double residual_of(int64_t width, float scale, const float *restrict x, float *restrict y) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < width; c++) {
        const float difference = y[c] - x[c];
        sum += (double)difference * (double)difference;
        y[c] = difference * scale;
    }
    return sum;
}

LAM_VECTORISED
static void mask(int64_t n, float penalty, const float *restrict z, float *restrict slope) {
#pragma omp simd
    for (int64_t j = 0; j < n; j++) slope[j] = z[j] != 0 ? slope[j] + penalty : 0;
}

// Adds to the gradient what rows x [rows, width] of count give: the weights act twice.
static lam_code backward(lam_published *p, const float *x, int64_t rows, int64_t count, bool first,
                         lam_error *error) {
    const int64_t width = p->options.width, latents = p->options.latents;
    const float scale = (float)(2 / ((double)count * (double)width));
    const float penalty = (float)(1 / ((double)count * (double)latents));
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t i = 0; i < rows; i++)
        p->row_values[3 * i + 2] =
            residual_of(width, scale, x + i * width, p->residual + i * width);
    lam_product slope = {.transpose_b = true, .m = rows, .n = latents, .k = width, .alpha = 1};
    slope.a = p->residual, slope.a_stride = width;
    slope.b = p->weight.value, slope.b_stride = width;
    slope.c = p->slopes, slope.c_stride = latents;
    LAM_TRY(lam_product_run(&slope, error));
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t i = 0; i < rows; i++)
        mask(latents, penalty, p->values + i * latents, p->slopes + i * latents);

    lam_product gradient = {.transpose_a = true, .m = latents, .n = width, .k = rows, .alpha = 1};
    gradient.a_stride = latents, gradient.b_stride = width;
    gradient.c = p->gradient, gradient.c_stride = width;
    gradient.a = p->slopes, gradient.b = x, gradient.beta = first ? 0 : 1;
    LAM_TRY(lam_product_run(&gradient, error));
    gradient.a = p->values, gradient.b = p->residual, gradient.beta = 1;
    return lam_product_run(&gradient, error);
}

LAM_VECTORISED
static void step_weights(const lam_adam_rates *rates, int64_t count, const float *gradient,
                         float *value, float *first, float *second) {
    lam_adam_update(rates, count, gradient, value, first, second);
}

static void step(lam_published *p) {
    const lam_adam_rates rates = lam_adam_rates_at(&p->options.adam, p->position.steps + 1);
    const int64_t width = p->options.width;
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t j = 0; j < p->options.latents; j++)
        step_weights(&rates, width, p->gradient + j * width, p->weight.value + j * width,
                     p->weight.first + j * width, p->weight.second + j * width);
    p->position.steps++;
}

lam_code lam_published_step(lam_published *p, const float *rows, int64_t count,
                            const lam_autoencoder_progress *progress, lam_autoencoder_trace *trace,
                            bool *stopped, lam_error *error) {
    const int64_t width = p->options.width;
    lam_autoencoder_position at = p->position;
    double active = 0, sum = 0, squares = 0;
    *stopped = false;
    for (int64_t row = 0; row < count; row += LAM_PUBLISHED_ROWS, at.batch++) {
        if (progress && row && !progress->step(progress->state, &at)) {
            *stopped = true;
            return LAM_OK;
        }
        const int64_t size = lam_least(count - row, LAM_PUBLISHED_ROWS);
        const float *x = rows + row * width;
        LAM_TRY(forward(p, x, size, error));
        LAM_TRY(backward(p, x, size, count, row == 0, error));
        for (int64_t i = 0; i < size; i++) {
            active += p->row_values[3 * i];
            sum += p->row_values[3 * i + 1];
            squares += p->row_values[3 * i + 2];
        }
    }
    const double cells = (double)count * (double)p->options.latents;
    trace->mse = squares / ((double)count * (double)width);
    trace->loss = trace->mse + sum / cells;
    trace->density = active / cells;
    if (isfinite(trace->loss)) step(p);
    return LAM_OK;
}

lam_code lam_published_train(lam_published *p, const float *rows, int64_t count,
                             const lam_autoencoder_progress *progress,
                             lam_autoencoder_curves *curves, lam_error *error) {
    lam_autoencoder_position *at = &p->position;
    LAM_TRY(lam_curves_begin(curves, count, at->epoch, p->options.epochs, error));
    while (at->epoch < p->options.epochs) {
        lam_autoencoder_trace trace;
        bool stopped;
        LAM_TRY(lam_published_step(p, rows, count, progress, &trace, &stopped, error));
        if (!stopped) {
            curves->last_loss = trace.loss;
            if (!isfinite(trace.loss)) {
                curves->status = LAM_AUTOENCODER_DIVERGED;
                return LAM_OK;
            }
            curves->loss[at->epoch] = trace.loss;
            curves->mse[at->epoch] = trace.mse;
            curves->density[at->epoch] = trace.density;
            at->epoch++;
            stopped =
                progress && !progress->step(progress->state, at) && at->epoch < p->options.epochs;
        }
        if (stopped) {
            curves->status = LAM_AUTOENCODER_STOPPED;
            return LAM_OK;
        }
    }
    return LAM_OK;
}

lam_code lam_published_reconstruct(lam_published *p, const float *rows, int64_t count,
                                   float *reconstruction, lam_error *error) {
    const int64_t width = p->options.width;
    for (int64_t row = 0; row < count; row += LAM_PUBLISHED_ROWS) {
        const int64_t size = lam_least(count - row, LAM_PUBLISHED_ROWS);
        LAM_TRY(forward(p, rows + row * width, size, error));
        memcpy(reconstruction + row * width, p->residual,
               (size_t)(size * width) * sizeof *reconstruction);
    }
    return LAM_OK;
}

// Adds in how many of the rows each latent is active, and the sum of its values.
static void add_latents(lam_published *p, int64_t rows) {
    const int64_t latents = p->options.latents;
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t first = 0; first < latents; first += COLUMN_PIECE) {
        const int64_t end = lam_least(latents, first + COLUMN_PIECE);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = first; j < end; j++) {
                const float z = p->values[i * latents + j];
                p->latent_values[2 * j] += z != 0;
                p->latent_values[2 * j + 1] += (double)z;
            }
    }
}

lam_code lam_published_measure(lam_published *p, const float *rows, int64_t count,
                               lam_autoencoder_measures *measures, lam_error *error) {
    if (count < 1)
        return lam_fail(error, LAM_INPUT, "there are no activations to measure an autoencoder on");
    const int64_t width = p->options.width, latents = p->options.latents;
    lam_fit fit = {0};
    memset(p->latent_values, 0, (size_t)(2 * latents) * sizeof *p->latent_values);
    for (int64_t row = 0; row < count; row += LAM_PUBLISHED_ROWS) {
        const int64_t size = lam_least(count - row, LAM_PUBLISHED_ROWS);
        LAM_TRY(forward(p, rows + row * width, size, error));
        for (int64_t i = 0; i < size; i++)
            lam_fit_add(&fit, width, rows + (row + i) * width, p->residual + i * width);
        add_latents(p, size);
    }
    return lam_measure(&fit, rows, count, width, p->latent_values, latents, measures, error);
}

lam_autoencoder_parameters lam_published_get(const lam_published *published) {
    const lam_published_options *o = &published->options;
    return (lam_autoencoder_parameters){.kind = LAM_AUTOENCODER_TOPK,
                                        .width = o->width,
                                        .latents = o->latents,
                                        .stride = o->width,
                                        .k = o->kept,
                                        .encoder = published->weight.value,
                                        .decoder = published->weight.value};
}
