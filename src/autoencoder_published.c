#include "autoencoder_published.h"

#include "product.h"
#include "random.h"
#include "vector.h"

#include <math.h>
#include <omp.h>
#include <string.h>

enum { COLUMN_PIECE = 64 }; // latents that one thread adds up at a time
enum { ROWS = LAM_PUBLISHED_ROWS };

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

// Where the parts of a piece end, in bytes.
static size_t residual_end(const lam_published_options *o) {
    return ROWS * (3 * sizeof(double) + (size_t)o->width * sizeof(float));
}

static size_t values_end(const lam_published_options *o) {
    return residual_end(o) + ROWS * (size_t)o->latents * sizeof(float);
}

static size_t slopes_end(const lam_published_options *o) {
    return values_end(o) + ROWS * (size_t)o->latents * sizeof(float);
}

size_t lam_published_bytes(const lam_published_options *o, int members, int threads) {
    lam_error error;
    if (check(o, &error) != LAM_OK) return 0;
    const size_t width = (size_t)o->width, latents = (size_t)o->latents;
    return sizeof(lam_published) + (members > 1 ? 2 : 1) * slopes_end(o) +
           sizeof(float) * (4 * latents * width + (size_t)threads * latents) +
           sizeof(double) * 2 * latents + 3 * sizeof(size_t) * ((size_t)members + 1);
}

static lam_code make_piece(const lam_published_options *o, lam_published_piece *piece,
                           lam_arena *arena, lam_error *error) {
    LAM_ALLOC(piece->row_values, arena, slopes_end(o) / sizeof *piece->row_values, error);
    piece->residual = (float *)(piece->row_values + 3 * ROWS);
    piece->values = piece->residual + ROWS * o->width;
    piece->slopes = piece->values + ROWS * o->latents;
    return LAM_OK;
}

static lam_code make_shares(lam_published *p, lam_arena *arena, lam_error *error) {
    const int64_t latents = p->options.latents, block = LAM_PRODUCT_ROWS;
    int64_t first, count;
    p->team->own(p->team, lam_pieces(latents, block), &first, &count);
    p->first_latent = lam_least(first * block, latents);
    p->own_latents = lam_least((first + count) * block, latents) - p->first_latent;
    LAM_ALLOC(p->piece_start, arena, p->team->members + 1, error);
    return lam_team_starts(p->team,
                           (size_t)(p->own_latents * p->options.width) * sizeof *p->gradient,
                           &p->gradient_start, arena, error);
}

lam_code lam_published_create(lam_published **published, const lam_published_options *options,
                              const lam_team *team, lam_arena *arena, lam_error *error) {
    LAM_TRY(check(options, error));
    lam_published *p;
    LAM_ALLOC(p, arena, 1, error);
    p->options = *options;
    p->team = team;
    p->threads = omp_get_max_threads();
    const int64_t width = options->width, latents = options->latents, size = latents * width;
    LAM_ALLOC(p->weight.value, arena, size, error);
    LAM_ALLOC(p->weight.first, arena, size, error);
    LAM_ALLOC(p->weight.second, arena, size, error);
    LAM_ALLOC(p->gradient, arena, size, error);
    LAM_ALLOC(p->candidates, arena, p->threads * latents, error);
    LAM_ALLOC(p->latent_values, arena, 2 * latents, error);
    for (int i = 0; i < (team->members > 1 ? 2 : 1); i++)
        LAM_TRY(make_piece(options, &p->piece[i], arena, error));
    LAM_TRY(make_shares(p, arena, error));
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
        float *z = p->piece[0].values + i * latents, least = 0;
        if (relu(latents, z) > kept)
            least = kth_largest(z, latents, kept, p->candidates + omp_get_thread_num() * latents);
        keep(latents, least, z, p->piece[0].row_values + 3 * i);
    }
}

// values and residual = y [rows, width] of rows x [rows, width].
static lam_code forward(lam_published *p, const float *x, int64_t rows, lam_error *error) {
    const lam_published_piece *own = &p->piece[0];
    const int64_t width = p->options.width, latents = p->options.latents;
    lam_product encode = {.transpose_b = true, .m = rows, .n = latents, .k = width, .alpha = 1};
    encode.a = x, encode.a_stride = width;
    encode.b = p->weight.value, encode.b_stride = width;
    encode.c = own->values, encode.c_stride = latents;
    LAM_TRY(lam_product_run(&encode, error));
    activate(p, rows);
    lam_product decode = {.m = rows, .n = width, .k = latents, .alpha = 1};
    decode.a = own->values, decode.a_stride = latents;
    decode.b = p->weight.value, decode.b_stride = width;
    decode.c = own->residual, decode.c_stride = width;
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

// residual and slopes of rows x [rows, width] of count.
static lam_code backward(lam_published *p, const float *x, int64_t rows, int64_t count,
                         lam_error *error) {
    const lam_published_piece *own = &p->piece[0];
    const int64_t width = p->options.width, latents = p->options.latents;
    const float scale = (float)(2 / ((double)count * (double)width));
    const float penalty = (float)(1 / ((double)count * (double)latents));
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t i = 0; i < rows; i++)
        own->row_values[3 * i + 2] =
            residual_of(width, scale, x + i * width, own->residual + i * width);
    lam_product slope = {.transpose_b = true, .m = rows, .n = latents, .k = width, .alpha = 1};
    slope.a = own->residual, slope.a_stride = width;
    slope.b = p->weight.value, slope.b_stride = width;
    slope.c = own->slopes, slope.c_stride = latents;
    LAM_TRY(lam_product_run(&slope, error));
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t i = 0; i < rows; i++)
        mask(latents, penalty, own->values + i * latents, own->slopes + i * latents);
    return LAM_OK;
}

// Adds to the gradient of this member's latents what a piece gives, rows x [rows, width]: the
// weights act twice.
static lam_code add_gradient(lam_published *p, const lam_published_piece *piece, const float *x,
                             int64_t rows, bool first, lam_error *error) {
    const int64_t width = p->options.width, latents = p->options.latents, own = p->first_latent;
    lam_product gradient = {
        .transpose_a = true, .m = p->own_latents, .n = width, .k = rows, .alpha = 1};
    gradient.a_stride = latents, gradient.b_stride = width;
    gradient.c = p->gradient + own * width, gradient.c_stride = width;
    gradient.a = piece->slopes + own, gradient.b = x, gradient.beta = first ? 0 : 1;
    LAM_TRY(lam_product_run(&gradient, error));
    gradient.a = piece->values + own, gradient.b = piece->residual, gradient.beta = 1;
    return lam_product_run(&gradient, error);
}

// --- pieces of rows, by the members in turn

typedef struct lam_published_pass {
    const float *rows; // [count, width]
    int64_t count;
    bool back;    // whether slopes are wanted, too
    size_t bytes; // of each piece, what take needs
    // Called for every piece, in order, on all members: rows row .. row + size - 1.
    lam_code (*take)(lam_published *p, void *user, const lam_published_piece *piece, int64_t row,
                     int64_t size, lam_error *error);
    void *user;
} lam_published_pass;

// A member's piece to all; this one's is given, or gets it.
static lam_code bring(lam_published *p, int member, const lam_published_piece *piece, size_t bytes,
                      lam_error *error) {
    const int members = p->team->members;
    if (members == 1) return LAM_OK;
    for (int m = 0; m <= members; m++) p->piece_start[m] = m > member ? bytes : 0;
    return p->team->gather(p->team, piece->row_values, members, p->piece_start, error);
}

// The pieces from row on, one of each member.
static lam_code run_round(lam_published *p, const lam_published_pass *pass, int64_t row,
                          lam_error *error) {
    const int64_t width = p->options.width, own = row + p->team->member * ROWS;
    if (own < pass->count) {
        const int64_t size = lam_least(pass->count - own, ROWS);
        const float *x = pass->rows + own * width;
        LAM_TRY(forward(p, x, size, error));
        if (pass->back) LAM_TRY(backward(p, x, size, pass->count, error));
    }
    for (int m = 0; m < p->team->members && row < pass->count; m++, row += ROWS) {
        const lam_published_piece *piece = &p->piece[m != p->team->member];
        LAM_TRY(bring(p, m, piece, pass->bytes, error));
        LAM_TRY(pass->take(p, pass->user, piece, row, lam_least(pass->count - row, ROWS), error));
    }
    return LAM_OK;
}

static lam_code run_pass(lam_published *p, const lam_published_pass *pass,
                         const lam_autoencoder_progress *progress, bool *stopped,
                         lam_error *error) {
    lam_autoencoder_position at = p->position;
    *stopped = false;
    for (int64_t row = 0; row < pass->count; row += p->team->members * ROWS) {
        at.batch = p->position.batch + row / ROWS;
        if (progress && row && !progress->step(progress->state, &at)) {
            *stopped = true;
            return LAM_OK;
        }
        LAM_TRY(run_round(p, pass, row, error));
    }
    return LAM_OK;
}

// --- a step

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

typedef struct lam_published_sums {
    const lam_published_pass *pass;
    double active, values, squares;
} lam_published_sums;

static lam_code learn(lam_published *p, void *user, const lam_published_piece *piece, int64_t row,
                      int64_t size, lam_error *error) {
    lam_published_sums *sums = user;
    for (int64_t i = 0; i < size; i++) {
        sums->active += piece->row_values[3 * i];
        sums->values += piece->row_values[3 * i + 1];
        sums->squares += piece->row_values[3 * i + 2];
    }
    return add_gradient(p, piece, sums->pass->rows + row * p->options.width, size, row == 0, error);
}

lam_code lam_published_step(lam_published *p, const float *rows, int64_t count,
                            const lam_autoencoder_progress *progress, lam_autoencoder_trace *trace,
                            bool *stopped, lam_error *error) {
    const double cells = (double)count * (double)p->options.latents;
    lam_published_sums sums = {0};
    const lam_published_pass pass = {.rows = rows,
                                     .count = count,
                                     .back = true,
                                     .bytes = slopes_end(&p->options),
                                     .take = learn,
                                     .user = &sums};
    sums.pass = &pass;
    LAM_TRY(run_pass(p, &pass, progress, stopped, error));
    if (*stopped) return LAM_OK;
    trace->mse = sums.squares / ((double)count * (double)p->options.width);
    trace->loss = trace->mse + sums.values / cells;
    trace->density = sums.active / cells;
    if (!isfinite(trace->loss)) return LAM_OK;
    LAM_TRY(p->team->gather(p->team, p->gradient, p->team->members, p->gradient_start, error));
    step(p);
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

static lam_code put_rows(lam_published *p, void *user, const lam_published_piece *piece,
                         int64_t row, int64_t size, lam_error *error) {
    (void)error;
    float *reconstruction = user;
    memcpy(reconstruction + row * p->options.width, piece->residual,
           (size_t)(size * p->options.width) * sizeof *reconstruction);
    return LAM_OK;
}

lam_code lam_published_reconstruct(lam_published *p, const float *rows, int64_t count,
                                   float *reconstruction, lam_error *error) {
    const lam_published_pass pass = {.rows = rows,
                                     .count = count,
                                     .bytes = residual_end(&p->options),
                                     .take = put_rows,
                                     .user = reconstruction};
    bool stopped;
    return run_pass(p, &pass, NULL, &stopped, error);
}

// Adds in how many of the rows each latent is active, and the sum of its values.
static void add_latents(lam_published *p, const float *values, int64_t rows) {
    const int64_t latents = p->options.latents;
#pragma omp parallel for schedule(static) num_threads(p->threads)
    for (int64_t first = 0; first < latents; first += COLUMN_PIECE) {
        const int64_t end = lam_least(latents, first + COLUMN_PIECE);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = first; j < end; j++) {
                const float z = values[i * latents + j];
                p->latent_values[2 * j] += z != 0;
                p->latent_values[2 * j + 1] += (double)z;
            }
    }
}

typedef struct lam_published_fit {
    const float *rows;
    lam_fit fit;
} lam_published_fit;

static lam_code add_fit(lam_published *p, void *user, const lam_published_piece *piece, int64_t row,
                        int64_t size, lam_error *error) {
    (void)error;
    lam_published_fit *f = user;
    const int64_t width = p->options.width;
    for (int64_t i = 0; i < size; i++)
        lam_fit_add(&f->fit, width, f->rows + (row + i) * width, piece->residual + i * width);
    add_latents(p, piece->values, size);
    return LAM_OK;
}

lam_code lam_published_measure(lam_published *p, const float *rows, int64_t count,
                               lam_autoencoder_measures *measures, lam_error *error) {
    if (count < 1)
        return lam_fail(error, LAM_INPUT, "there are no activations to measure an autoencoder on");
    const int64_t width = p->options.width, latents = p->options.latents;
    lam_published_fit f = {.rows = rows};
    const lam_published_pass pass = {.rows = rows,
                                     .count = count,
                                     .bytes = values_end(&p->options),
                                     .take = add_fit,
                                     .user = &f};
    bool stopped;
    memset(p->latent_values, 0, (size_t)(2 * latents) * sizeof *p->latent_values);
    LAM_TRY(run_pass(p, &pass, NULL, &stopped, error));
    return lam_measure(&f.fit, rows, count, width, p->latent_values, latents, measures, error);
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
