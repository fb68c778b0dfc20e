#include "pipeline.h"

#include "src/stop.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

enum {
    HEADER = 16, // floats ahead of the residual: a status word, then nothing, to keep 64-byte lines
    BUFFERS = 3, // one being received, one computed, one sent
    TAG_RESIDUAL = 1
};

typedef struct lam_stream { // one rank's state while the micro-batches pass
    const lam_pipeline *pipeline;
    lam_place place;
    lam_forward *forward;
    float *message[BUFFERS]; // [HEADER + rows * width]
    MPI_Request receive[BUFFERS], send[BUFFERS];
    int capacity; // floats in a message
    bool first, last;
    lam_code code;
    bool passes_on; // the code is an earlier rank's
    lam_error *error;
} lam_stream;

static lam_code stream_open(lam_stream *s, lam_arena *arena, lam_error *error) {
    const lam_pipeline *p = s->pipeline;
    int64_t rows, length;
    lam_batch_limits(p->sequences, &rows, &length);
    int64_t floats = HEADER + rows * p->model->config.width;
    if (floats > INT_MAX)
        return lam_fail(error, LAM_INPUT,
                        "a sequence of %lld tokens is too long for one message: "
                        "choose a smaller length",
                        (long long)length);
    s->capacity = (int)floats;
    for (int i = 0; i < BUFFERS; i++) LAM_ALLOC(s->message[i], arena, floats, error);
    return lam_forward_create(&s->forward, p->model, rows, length, arena, error);
}

// Where the rank's micro-batches come from and go to, as their numbers say.
static lam_code post_receive(lam_stream *s, int buffer, int64_t number) {
    const lam_pipeline *p = s->pipeline;
    return lam_comm_check(MPI_Irecv(s->message[buffer], s->capacity, MPI_FLOAT,
                                    lam_layout_worker(p->layout, s->place.team - 1, number),
                                    TAG_RESIDUAL, p->comm->mpi, &s->receive[buffer]),
                          "receiving activations", s->error);
}

// A rank that failed sends the header alone: its successors pass it on and compute no more.
static lam_code post_send(lam_stream *s, int buffer, int64_t number, int64_t rows) {
    const lam_pipeline *p = s->pipeline;
    int32_t status = (int32_t)s->code;
    memcpy(s->message[buffer], &status, sizeof status);
    int count = HEADER + (s->code == LAM_OK ? (int)(rows * p->model->config.width) : 0);
    return lam_comm_check(MPI_Isend(s->message[buffer], count, MPI_FLOAT,
                                    lam_layout_worker(p->layout, s->place.team + 1, number),
                                    TAG_RESIDUAL, p->comm->mpi, &s->send[buffer]),
                          "sending activations", s->error);
}

static lam_code await(lam_stream *s, MPI_Request *request) {
    return lam_comm_check(MPI_Wait(request, MPI_STATUS_IGNORE), "waiting for activations",
                          s->error);
}

static lam_code compute(lam_stream *s, int64_t pass, const lam_batch *batch, float *residual) {
    const lam_pipeline *p = s->pipeline;
    if (p->passes) return p->passes->work(p->user, s->forward, pass, batch, residual, s->error);
    if (s->first) LAM_TRY(lam_forward_embed(p->model, batch, residual, s->error));
    LAM_TRY(lam_forward_layers(s->forward, batch, residual, p->hooks, s->error));
    if (s->last && p->finish) LAM_TRY(p->finish(p->user, s->forward, batch, residual, s->error));
    return LAM_OK;
}

// The team where a pass begins; one that there is not, beyond the last pass.
static int entry_of(const lam_pipeline *p, int64_t pass) {
    if (p->passes) return pass < p->passes->count ? p->passes->entry[pass] : INT_MAX;
    return pass == 0 ? 0 : INT_MAX;
}

// Awaits what the team before sent, and its status.
static lam_code receive(lam_stream *s, int buffer) {
    LAM_TRY(await(s, &s->receive[buffer]));
    int32_t status;
    memcpy(&status, s->message[buffer], sizeof status);
    if (status != LAM_OK && s->code == LAM_OK) s->code = (lam_code)status, s->passes_on = true;
    return LAM_OK;
}

// A micro-batch of a pass. Numbers count from the first sequence of all, passing or not, so that a
// micro-batch has the same worker whatever passes with it.
typedef struct lam_turn {
    int64_t pass, number;
    lam_batch batch;
} lam_turn;

static lam_turn first_turn(const lam_pipeline *p, int64_t pass) {
    lam_turn turn = {.pass = pass, .batch = lam_batch_from(p->sequences, 0)};
    for (; turn.batch.first < p->first; turn.number++)
        turn.batch = lam_batch_from(p->sequences, turn.batch.first + turn.batch.count);
    return turn;
}

// Whether there is such a pass for this rank's team, and whether it begins before it.
static bool is_there(const lam_stream *s, const lam_turn *turn) {
    return entry_of(s->pipeline, turn->pass) <= s->place.team;
}

static bool is_sent(const lam_stream *s, const lam_turn *turn) {
    return entry_of(s->pipeline, turn->pass) < s->place.team;
}

static void go_on(const lam_stream *s, lam_turn *turn) {
    const lam_pipeline *p = s->pipeline;
    const int64_t next = turn->batch.first + turn->batch.count;
    if (next == p->sequences->count)
        *turn = first_turn(p, turn->pass + 1);
    else
        turn->number++, turn->batch = lam_batch_from(p->sequences, next);
}

// Goes on to the first micro-batch, from this one on, that is this rank's to work on.
static void find_mine(const lam_stream *s, lam_turn *turn) {
    const lam_pipeline *p = s->pipeline;
    while (is_there(s, turn) &&
           lam_layout_worker(p->layout, s->place.team, turn->number) != p->comm->rank)
        go_on(s, turn);
}

// The loop over passes and their micro-batches. Only MPI's own failures are returned; the rank's
// are kept in s->code.
static lam_code stream_run(lam_stream *s) {
    const lam_pipeline *p = s->pipeline;
    lam_turn turn = first_turn(p, 0), after;
    find_mine(s, &turn);
    if (is_sent(s, &turn)) LAM_TRY(post_receive(s, 0, turn.number));
    for (int buffer = 0; is_there(s, &turn); buffer = (buffer + 1) % BUFFERS, turn = after) {
        const int64_t rows = lam_batch_rows(&turn.batch);
        const int next = (buffer + 1) % BUFFERS;
        after = turn;
        go_on(s, &after);
        find_mine(s, &after);
        if (is_sent(s, &turn)) LAM_TRY(receive(s, buffer));
        if (is_sent(s, &after)) {
            LAM_TRY(await(s, &s->send[next])); // of two micro-batches ago
            LAM_TRY(post_receive(s, next, after.number));
        }
        LAM_TRY(await(s, &s->send[buffer]));
        if (s->code == LAM_OK) s->code = lam_stop_check(s->error);
        lam_stop_busy(true);
        if (s->code == LAM_OK)
            s->code = compute(s, turn.pass, &turn.batch, s->message[buffer] + HEADER);
        lam_stop_busy(false);
        if (!s->last) LAM_TRY(post_send(s, buffer, turn.number, rows));
        if (p->tick) p->tick(p->user, rows);
    }
    for (int i = 0; i < BUFFERS; i++) LAM_TRY(await(s, &s->send[i]));
    return LAM_OK;
}

lam_code lam_pipeline_run(const lam_pipeline *pipeline, lam_error *error) {
    const lam_place place = lam_layout_place(pipeline->layout, pipeline->comm->rank);
    lam_stream stream = {.pipeline = pipeline,
                         .place = place,
                         .first = place.team == 0,
                         .last = place.team == pipeline->layout->teams - 1,
                         .error = error};
    for (int i = 0; i < BUFFERS; i++) stream.receive[i] = stream.send[i] = MPI_REQUEST_NULL;
    lam_arena arena = {0};
    stream.code = stream_open(&stream, &arena, error);
    // Before the first message: who has no buffers can neither receive nor pass on.
    lam_code code = lam_comm_agree(pipeline->comm, stream.code, error);
    if (code == LAM_OK) {
        code = stream_run(&stream);
        if (code == LAM_OK && !stream.passes_on) code = stream.code;
        code = lam_comm_agree(pipeline->comm, code, error);
    }
    lam_arena_destroy(&arena);
    return code;
}
