// The way of the sequences through the model, step by step: between two steps what the layers have
// seen can be kept. The bits do not depend on the steps.
#include "jobs/run_resume.h"
#include "mpi/pipeline.h"
#include "src/stop.h"

#include <string.h>
#include <time.h>

// Where profiles buffer, a step is a chunk. Else it is SHORT seconds long, or FILLING times as many
// micro-batches as it takes to fill the pipeline, if that is longer; but no longer than the time
// between two states to be kept. The first one, of which no seconds are known, is of FIRST_FILLING
// times as many. A request to end waits for the end of a step that should take PATIENCE seconds at
// most.
enum { SHORT = 10, PATIENCE = 15, FILLING = 50, FIRST_FILLING = 10 };

typedef struct lam_steps { // of a pass
    lam_run_state *run;
    size_t pass;
    bool chunks;     // a step is a chunk
    int64_t kept;    // the position kept last; -1: none
    int64_t batches; // micro-batches of the next step, where it is no chunk
    bool brief;      // a request to end waits for its end
} lam_steps;

static double clock_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// --- a step

// Whether a profile sees what passes now.
static bool sees(const lam_run_state *r, const lam_part *part) {
    return part->pass == r->current_pass && r->current_round < part->rounds;
}

static void see(void *user, const lam_view *view) {
    lam_run_state *r = user;
    for (size_t i = 0; i < r->part_count; i++) {
        lam_part *part = &r->part[i];
        const int64_t layer = view->layer - r->first_layer;
        if (sees(r, part) && part->sites & LAM_SITE_BIT(view->site) && !part->kept[layer])
            part->run.profile->see(&part->run, part->state[layer], view);
    }
}

static void tick_tokens(void *user, int64_t tokens) {
    lam_run_state *r = user;
    lam_progress_add(r->progress, tokens * r->layer_count, "layers %lld to %lld",
                     (long long)r->first_layer, (long long)(r->first_layer + r->layer_count - 1));
}

// The sites that this rank's layers want to see of what passes now.
static lam_site_set wanted(const lam_run_state *r) {
    lam_site_set sites = 0;
    for (size_t i = 0; i < r->part_count; i++)
        for (int64_t l = 0; l < r->layer_count; l++)
            if (sees(r, &r->part[i]) && !r->part[i].kept[l]) sites |= r->part[i].sites;
    return sites;
}

typedef struct lam_drain_tick {
    lam_progress *progress;
    int64_t layer;
} lam_drain_tick;

// The stage counts tokens.
static bool tick_detail(void *user, int64_t units, const char *detail) {
    (void)units;
    const lam_drain_tick *tick = user;
    lam_progress_add(tick->progress, 0, "layer %lld, %s", (long long)tick->layer, detail);
    return !lam_stop_asked();
}

// What the profiles that buffer do with a chunk.
static lam_code drain(lam_run_state *r) {
    for (size_t i = 0; i < r->part_count; i++) {
        lam_part *part = &r->part[i];
        for (int64_t l = 0; sees(r, part) && part->buffers && l < r->layer_count; l++) {
            lam_drain_tick at = {r->progress, r->first_layer + l};
            lam_tick tick = {.add = tick_detail, .user = &at};
            if (part->kept[l]) continue;
            lam_code code = part->run.profile->drain(&part->run, at.layer, part->state[l],
                                                     part->mine, &tick, r->error);
            if (r->team.close(&r->team, code, r->error) != LAM_OK)
                return lam_fail_within(r->error, "%s, layer %lld", part->run.profile->name,
                                       (long long)at.layer);
        }
    }
    return LAM_OK;
}

// Collective: sequences first .. end - 1.
static lam_code run_step(lam_run_state *r, int64_t first, int64_t end) {
    lam_sequences sequences = r->passes[r->current_pass];
    sequences.count = end;
    lam_hooks hooks = {.sites = wanted(r), .see = see, .user = r, .residual_unused = true};
    lam_pipeline pipeline = {.comm = r->comm,
                             .layout = &r->layout,
                             .model = &r->model,
                             .sequences = &sequences,
                             .first = first,
                             .hooks = &hooks,
                             .tick = tick_tokens,
                             .user = r};
    LAM_TRY(lam_pipeline_run(&pipeline, r->error));
    return lam_comm_agree(r->comm, drain(r), r->error);
}

// --- from step to step

// Where the step that begins with a sequence ends.
static int64_t end_of(const lam_steps *s, int64_t first) {
    const lam_sequences *q = &s->run->passes[s->pass];
    const lam_chunks *chunks = &s->run->chunks[s->pass];
    int64_t end = first;
    if (s->chunks)
        for (int64_t c = 1; end == first; c++)
            end = chunks->first[c] > first ? chunks->first[c] : first;
    else
        for (int64_t n = 0; n < s->batches && end < q->count; n++)
            end += lam_batch_from(q, end).count;
    return end;
}

// What a rank knows after a step; all go by the least of each.
typedef struct lam_outlook {
    int64_t goes_on; // it was not asked to end
    int64_t can, due, batches, brief;
} lam_outlook;

static int64_t at_least_one(double number) {
    return number < 1 ? 1 : number > 1e9 ? (int64_t)1e9 : (int64_t)number;
}

// After a step of so many seconds and micro-batches.
static lam_outlook look_ahead(const lam_steps *s, double seconds, int64_t batches) {
    lam_run_state *r = s->run;
    const double each = seconds / (double)batches, filling = FILLING * (r->layout.teams - 1),
                 brief = SHORT / each, interval = r->keeper.interval / each;
    const double wanted = filling > brief ? filling : brief;
    lam_outlook ahead = {
        .goes_on = !lam_stop_asked(), .can = r->keeper.states, .due = lam_keeper_due(&r->keeper)};
    ahead.batches = at_least_one(wanted < interval ? wanted : interval);
    ahead.brief = (s->chunks ? seconds : (double)ahead.batches * each) <= PATIENCE;
    return ahead;
}

// Collective: what is to be kept after a step is kept.
static lam_code end_step(lam_steps *s, double seconds, int64_t batches) {
    enum { FIELDS = sizeof(lam_outlook) / sizeof(int64_t) };
    lam_run_state *r = s->run;
    lam_outlook all = look_ahead(s, seconds, batches);
    LAM_TRY(lam_comm_check(
        MPI_Allreduce(MPI_IN_PLACE, &all, FIELDS, MPI_INT64_T, MPI_MIN, r->comm->mpi),
        "agreeing on what to keep", r->error));
    lam_code code = LAM_OK;
    r->keeper.states = all.can;
    s->batches = all.can ? all.batches : INT64_MAX;
    s->brief = all.can && all.brief;
    if (all.can && (all.due || !all.goes_on)) {
        code = lam_run_keep_pass(r, s->pass, s->kept);
        s->kept = r->passed[s->pass];
    }
    return lam_comm_agree(r->comm, code, r->error);
}

// Collective: the step that begins behind those that have passed.
static lam_code go_on(lam_steps *s) {
    lam_run_state *r = s->run;
    const lam_sequences *q = &r->passes[s->pass];
    int64_t *passed = &r->passed[s->pass], batches = 0;
    const int64_t first = *passed % q->count, end = end_of(s, first);
    const double began = clock_now();
    for (int64_t i = first; i < end; batches++) i += lam_batch_from(q, i).count;
    r->current_round = *passed / q->count;
    lam_stop_defer(s->brief);
    const lam_code code = run_step(r, first, end);
    lam_stop_defer(false);
    LAM_TRY(code);
    *passed += end - first;
    return end_step(s, clock_now() - began, batches);
}

static int64_t first_batches(const lam_run_state *r) {
    if (!(r->keeper.interval > 0)) return INT64_MAX;
    return r->keeper.interval < SHORT ? 1 : at_least_one(FIRST_FILLING * (r->layout.teams - 1));
}

static lam_code run_pass(lam_run_state *r, size_t pass) {
    lam_steps steps = {.run = r,
                       .pass = pass,
                       .kept = r->passed[pass] ? r->passed[pass] : -1,
                       .batches = first_batches(r)};
    for (size_t i = 0; i < r->part_count; i++)
        steps.chunks = steps.chunks || (r->part[i].pass == pass && r->part[i].buffers);
    r->current_pass = pass;
    while (r->passed[pass] < r->rounds[pass] * r->passes[pass].count) LAM_TRY(go_on(&steps));
    return LAM_OK;
}

// --- all passes

// How often this rank's layers still need each pass.
static void find_needs(lam_run_state *r) {
    for (size_t i = 0; i < r->part_count; i++) {
        const lam_part *part = &r->part[i];
        for (int64_t l = 0; l < r->layer_count; l++)
            if (!part->kept[l] && r->rounds[part->pass] < part->rounds)
                r->rounds[part->pass] = part->rounds;
    }
}

// Tokens of the first so many sequences of a pass, of all rounds.
static int64_t tokens_of(const lam_run_state *r, size_t pass, int64_t sequences) {
    const lam_sequences *q = &r->passes[pass];
    return sequences / q->count * q->start[q->count] + q->start[sequences % q->count];
}

lam_code lam_run_forward(lam_run_state *r) {
    find_needs(r);
    LAM_TRY(lam_comm_check(MPI_Allreduce(MPI_IN_PLACE, r->rounds, (int)r->pass_count, MPI_INT64_T,
                                         MPI_MAX, r->comm->mpi),
                           "agreeing on passes", r->error));
    int64_t tokens = 0;
    for (size_t i = 0; i < r->pass_count; i++) {
        const int64_t all = r->rounds[i] * r->passes[i].count;
        if (r->resumed && all) LAM_TRY(lam_run_resume_pass(r, i));
        if (r->passed[i] < all) tokens += tokens_of(r, i, all) - tokens_of(r, i, r->passed[i]);
    }
    lam_progress_begin(r->progress, "forward pass", "tokens", tokens * r->config->layers,
                       r->config->layers);
    lam_code code = LAM_OK;
    for (size_t i = 0; i < r->pass_count && code == LAM_OK; i++) code = run_pass(r, i);
    lam_arena_destroy(&r->weights);
    return lam_run_end_stage(r, "forward", code);
}
