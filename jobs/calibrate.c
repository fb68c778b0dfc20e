#include "jobs/calibrate.h"

#include "src/next_token.h"
#include "src/random.h"
#include "src/stop.h"

#include <omp.h>
#include <time.h>

// Seconds that each thing measured may take, about.
static const double budget = 1.5;
enum { NOISE = 1 << 18, HASHED = 1 << 25 };

typedef struct calibration {
    lam_run_state *run;
    size_t pass;       // that is measured now
    lam_model model;   // one layer, and where it is needed a piece of the head
    lam_layer weights; // its
    float *noise;      // [NOISE + widest row of a site] normal, deviation 1
    lam_arena arena;
    lam_error *error;
} calibration;

// Seconds: of one thread those it has worked, so that other work on this machine does not count; of
// several those of the clock.
static double now(void) {
    struct timespec time;
    const bool alone = omp_get_max_threads() == 1;
    clock_gettime(alone ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Numbers of that deviation; the same ones again and again.
static float *draw(calibration *c, int64_t count, float deviation) {
    float *to = lam_arena_alloc(&c->arena, (size_t)count, sizeof *to, c->error);
    for (int64_t i = 0; to && i < count; i++) to[i] = deviation * c->noise[i % NOISE];
    return to;
}

static lam_code make_layer(calibration *c) {
    const lam_model_config *m = c->run->config;
    const lam_random random = lam_random_key(1, LAM_RANDOM_SYNTH, 0, 0);
    const int64_t widest = 3 * m->width > m->mlp_width ? 3 * m->width : m->mlp_width;
    LAM_ALLOC(c->noise, &c->arena, NOISE + widest, c->error);
    lam_random_fill_normal(&random, 0, NOISE + widest, 1, c->noise);
    const struct {
        const float **to;
        int64_t count;
        float deviation;
    } weights[] = {
        {&c->weights.norm1_weight, m->width, 1},
        {&c->weights.norm1_bias, m->width, 0},
        {&c->weights.qkv_weight, 3 * m->width * m->width, 0.02f},
        {&c->weights.qkv_bias, 3 * m->width, 0},
        {&c->weights.out_weight, m->width * m->width, 0.02f},
        {&c->weights.out_bias, m->width, 0},
        {&c->weights.norm2_weight, m->width, 1},
        {&c->weights.norm2_bias, m->width, 0},
        {&c->weights.fc_weight, m->width * m->mlp_width, 0.02f},
        {&c->weights.fc_bias, m->mlp_width, 0},
        {&c->weights.proj_weight, m->mlp_width * m->width, 0.02f},
        {&c->weights.proj_bias, m->width, 0},
    };
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        if (!(*weights[i].to = draw(c, weights[i].count, weights[i].deviation))) return LAM_MEMORY;
    c->model = (lam_model){.config = *m, .layer_count = 1, .layer = &c->weights};
    return LAM_OK;
}

static lam_profile_cost cost_of(const lam_part *part) {
    lam_profile_cost cost = {.remedy = ""};
    if (part->run.profile->cost) part->run.profile->cost(&part->run, &cost);
    return cost;
}

// --- the forward pass

static bool is_seen(const calibration *c, const lam_part *part) {
    return part->pass == c->pass && part->state[0];
}

static void see(void *user, const lam_view *view) {
    const calibration *c = user;
    for (size_t i = 0; i < c->run->part_count; i++) {
        lam_part *part = &c->run->part[i];
        if (is_seen(c, part) && part->sites & LAM_SITE_BIT(view->site))
            part->run.profile->see(&part->run, part->state[0], view);
    }
}

// Sequences that a layer's state has room for: the first chunk's.
static int64_t seen_end(const calibration *c) {
    return c->run->chunks[c->pass].first[1];
}

// Micro-batches through the layer, until the time is over; the first one does not count, as memory
// is new and kernels are made then.
static lam_code time_forward(calibration *c, const lam_hooks *hooks, double *token) {
    const lam_sequences *q = &c->run->passes[c->pass];
    const int64_t width = c->run->config->width;
    lam_arena arena = {0};
    lam_forward *forward;
    int64_t rows, length, tokens = 0;
    lam_batch_limits(q, &rows, &length);
    lam_code code = lam_forward_create(&forward, &c->model, rows, length, &arena, c->error);
    float *residual = lam_arena_alloc(&arena, (size_t)(rows * width), sizeof *residual, c->error);
    if (!residual) code = LAM_MEMORY;
    double seconds = 0;
    for (int64_t s = 0, turn = 0; code == LAM_OK && (turn < 2 || seconds < budget); turn++) {
        if (s >= seen_end(c)) {
            if (turn > 1) break;
            s = 0; // the only micro-batch, once more
        }
        const lam_batch batch = lam_batch_from(q, s);
        for (int64_t i = 0; i < lam_batch_rows(&batch) * width; i++)
            residual[i] = c->noise[i % NOISE];
        const double began = now();
        code = lam_forward_layers(forward, &batch, residual, hooks, c->error);
        if (turn > 0) seconds += now() - began, tokens += lam_batch_rows(&batch);
        if (code == LAM_OK) code = lam_stop_check(c->error);
        s += batch.count;
    }
    lam_arena_destroy(&arena);
    *token = seconds / (double)(tokens > 0 ? tokens : 1);
    return code;
}

// Shows a profile of row sites random rows in the place of all that have passed: a model of random
// weights gives rows that an autoencoder soon has done with.
static void fill(calibration *c, lam_part *part) {
    const lam_sequences *q = &c->run->passes[c->pass];
    const lam_model_config *m = c->run->config;
    const double began = now();
    for (int64_t s = 0; s < seen_end(c) && now() - began < budget; s++)
        for (int site = 0; site < LAM_SITE_COUNT; site++) {
            const int64_t width = lam_site_width(m, (lam_site)site),
                          length = q->start[s + 1] - q->start[s];
            if (!(part->sites & LAM_SITE_BIT(site)) || width == 0) continue;
            // Rows lie over each other: what is read is never more than the noise.
            const int64_t apart = length > 1 ? (NOISE - 64) / length : 0;
            const lam_view view = {.site = (lam_site)site,
                                   .sequence = s,
                                   .length = length,
                                   .rows = length,
                                   .width = width,
                                   .row_stride = apart < width ? apart : width,
                                   .data = c->noise + s % 64};
            part->run.profile->see(&part->run, part->state[0], &view);
        }
}

static lam_code measure_pass(calibration *c, lam_speeds *speeds) {
    lam_run_state *r = c->run;
    lam_hooks hooks = {.see = see, .user = c, .residual_unused = true};
    for (size_t i = 0; i < r->part_count; i++)
        if (is_seen(c, &r->part[i])) hooks.sites |= r->part[i].sites;
    LAM_TRY(time_forward(c, &hooks, &speeds->token[c->pass]));
    for (size_t i = 0; i < r->part_count; i++)
        if (is_seen(c, &r->part[i])) fill(c, &r->part[i]);
    return LAM_OK;
}

// --- the profiles' own work

typedef struct stopwatch {
    double began, last;
    int64_t units;
} stopwatch;

static bool add_units(void *user, int64_t units, const char *detail) {
    (void)detail;
    stopwatch *watch = user;
    watch->units += units;
    watch->last = now();
    return watch->last - watch->began < 2 * budget && !lam_stop_asked();
}

// Units of a layer in all: those of finish, and of chunks the rows that pass.
static double units_of(const lam_part *part) {
    const lam_sequences *q = part->run.sequences;
    if (!part->buffers) return (double)part->run.profile->units(&part->run);
    return (double)(q->start[q->count] - q->count) * (double)part->rounds;
}

// The layer function, until the time is over; it is taken that its units are alike. Those that are
// not, and take longer, are not begun.
static lam_code measure_part(calibration *c, lam_part *part, double *seconds) {
    const lam_profile *profile = part->run.profile;
    const lam_profile_cost cost = cost_of(part);
    const double counted = lam_work_seconds(&cost.work), units = units_of(part);
    *seconds = counted;
    if (!part->state[0] || counted > 4 * budget * units) return LAM_OK;
    stopwatch watch = {.began = now()};
    const lam_tick tick = {.add = add_units, .user = &watch};
    lam_code code;
    if (part->buffers)
        code = profile->drain(&part->run, 0, part->state[0], part->mine, &tick, c->error);
    else
        code = profile->finish(&part->run, 0, part->state[0], part->mine, &tick,
                               &part->layer_arena[0], c->error);
    if (watch.units > 0) *seconds = (watch.last - watch.began) / (double)watch.units * units;
    if (lam_stop_asked()) return lam_stop_fail(c->error);
    // Random rows may be none that a profile can work with: then what is counted has to do.
    return code == LAM_MEMORY ? code : LAM_OK;
}

// --- the rest

static lam_code measure_head(calibration *c, double *seconds) {
    const lam_model_config *m = c->run->config;
    int64_t start[] = {0, 2 * LAM_NEXT_TOKEN_ROWS};
    uint32_t token[2 * LAM_NEXT_TOKEN_ROWS] = {0};
    const lam_sequences q = {.count = 1, .start = start, .token = token};
    const lam_batch batch = {.sequences = &q, .count = 1};
    lam_forward *forward;
    float *residual, *logits;
    double sum = 0;
    if (!(c->model.final_norm_weight = draw(c, m->width, 1))) return LAM_MEMORY;
    c->model.final_norm_bias = c->weights.norm1_bias;
    if (!(c->model.head_weight = draw(c, m->vocabulary * m->width, 0.02f))) return LAM_MEMORY;
    if (!(residual = draw(c, start[1] * m->width, 1))) return LAM_MEMORY;
    LAM_ALLOC(logits, &c->arena, LAM_NEXT_TOKEN_ROWS * m->vocabulary, c->error);
    LAM_TRY(lam_forward_create(&forward, &c->model, start[1], start[1], &c->arena, c->error));
    double began = 0;
    for (int turn = 0; turn < 2; turn++) {
        began = now();
        LAM_TRY(lam_next_token_loss(forward, m, &batch, residual, logits, &sum, c->error));
    }
    *seconds = (now() - began) / (double)start[1];
    return LAM_OK;
}

// Hashing is most of it.
static lam_code measure_loading(calibration *c, double *seconds) {
    uint8_t digest[LAM_SHA256_BYTES];
    const double began = now();
    float *bytes = draw(c, HASHED / (int64_t)sizeof(float), 1);
    if (!bytes) return LAM_MEMORY;
    LAM_TRY(lam_sha256_of(bytes, HASHED, digest, c->error));
    *seconds = (now() - began) / HASHED;
    return LAM_OK;
}

// A part that has no room on this machine is not begun: what is counted of it has to do.
static lam_code begin_part(lam_run_state *r, lam_part *part) {
    const lam_profile_cost cost = cost_of(part);
    const double room = lam_memory_of(r->comm).room / 2;
    part->run.rehearsed = true;
    LAM_ALLOC(part->state, &r->arena, 1, r->error);
    LAM_ALLOC(part->layer_arena, &r->arena, 1, r->error);
    if (cost.kept + cost.scratch > room) return LAM_OK;
    return part->run.profile->begin(&part->run, 0, &part->layer_arena[0], &part->state[0],
                                    r->error);
}

static lam_code measure(calibration *c, lam_speeds *speeds) {
    lam_run_state *r = c->run;
    bool head = false;
    LAM_ALLOC(speeds->token, &r->arena, r->pass_count, c->error);
    LAM_ALLOC(speeds->layer, &r->arena, r->part_count, c->error);
    LAM_TRY(make_layer(c));
    for (size_t i = 0; i < r->part_count; i++) LAM_TRY(begin_part(r, &r->part[i]));
    for (c->pass = 0; c->pass < r->pass_count; c->pass++) LAM_TRY(measure_pass(c, speeds));
    for (size_t i = 0; i < r->part_count; i++) {
        LAM_TRY(measure_part(c, &r->part[i], &speeds->layer[i]));
        head = head || r->part[i].intervenes;
    }
    if (head) LAM_TRY(measure_head(c, &speeds->head));
    return measure_loading(c, &speeds->byte);
}

lam_code lam_calibrate(lam_run_state *r, lam_speeds *speeds, lam_error *error) {
    calibration c = {.run = r, .error = error};
    *speeds = (lam_speeds){0};
    const lam_code code = measure(&c, speeds);
    for (size_t i = 0; i < r->part_count; i++)
        if (r->part[i].layer_arena) lam_arena_destroy(&r->part[i].layer_arena[0]);
    lam_arena_destroy(&c.arena);
    return code;
}
