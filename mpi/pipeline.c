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

static lam_code post_receive(lam_stream *s, int buffer) {
    return lam_comm_check(MPI_Irecv(s->message[buffer], s->capacity, MPI_FLOAT,
                                    s->pipeline->comm->rank - 1, TAG_RESIDUAL,
                                    s->pipeline->comm->mpi, &s->receive[buffer]),
                          "receiving activations", s->error);
}

// A rank that failed sends the header alone: its successors pass it on and compute no more.
static lam_code post_send(lam_stream *s, int buffer, int64_t rows) {
    int32_t status = (int32_t)s->code;
    memcpy(s->message[buffer], &status, sizeof status);
    int count = HEADER + (s->code == LAM_OK ? (int)(rows * s->pipeline->model->config.width) : 0);
    return lam_comm_check(MPI_Isend(s->message[buffer], count, MPI_FLOAT,
                                    s->pipeline->comm->rank + 1, TAG_RESIDUAL,
                                    s->pipeline->comm->mpi, &s->send[buffer]),
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

// Where a pass begins; a rank that none does, beyond the last pass.
static int entry_of(const lam_pipeline *p, int64_t pass) {
    if (p->passes) return pass < p->passes->count ? p->passes->entry[pass] : INT_MAX;
    return pass == 0 ? 0 : INT_MAX;
}

// Awaits what the rank before sent, and its status.
static lam_code receive(lam_stream *s, int buffer) {
    LAM_TRY(await(s, &s->receive[buffer]));
    int32_t status;
    memcpy(&status, s->message[buffer], sizeof status);
    if (status != LAM_OK && s->code == LAM_OK) s->code = (lam_code)status, s->passes_on = true;
    return LAM_OK;
}

// The loop over passes and their micro-batches. Only MPI's own failures are returned; the rank's
// are kept in s->code.
static lam_code stream_run(lam_stream *s) {
    const lam_pipeline *p = s->pipeline;
    int rank = p->comm->rank, buffer = 0;
    if (entry_of(p, 0) < rank) LAM_TRY(post_receive(s, 0));
    for (int64_t pass = 0, at = p->first; entry_of(p, pass) <= rank;) {
        lam_batch batch = lam_batch_from(p->sequences, at);
        int64_t rows = lam_batch_rows(&batch), now = pass;
        int next = (buffer + 1) % BUFFERS;
        at += batch.count;
        if (at == p->sequences->count) pass++, at = p->first;
        if (entry_of(p, now) < rank) LAM_TRY(receive(s, buffer));
        if (entry_of(p, pass) < rank) {
            LAM_TRY(await(s, &s->send[next])); // of two micro-batches ago
            LAM_TRY(post_receive(s, next));
        }
        LAM_TRY(await(s, &s->send[buffer]));
        if (s->code == LAM_OK) s->code = lam_stop_check(s->error);
        if (s->code == LAM_OK) s->code = compute(s, now, &batch, s->message[buffer] + HEADER);
        if (!s->last) LAM_TRY(post_send(s, buffer, rows));
        if (p->tick) p->tick(p->user, rows);
        buffer = next;
    }
    for (int i = 0; i < BUFFERS; i++) LAM_TRY(await(s, &s->send[i]));
    return LAM_OK;
}

lam_code lam_pipeline_run(const lam_pipeline *pipeline, lam_error *error) {
    int rank = pipeline->comm->rank, active = lam_layout_active(&pipeline->layout);
    lam_stream stream = {
        .pipeline = pipeline, .first = rank == 0, .last = rank == active - 1, .error = error};
    for (int i = 0; i < BUFFERS; i++) stream.receive[i] = stream.send[i] = MPI_REQUEST_NULL;
    lam_arena arena = {0};
    if (rank < active) stream.code = stream_open(&stream, &arena, error);
    // Before the first message: who has no buffers can neither receive nor pass on.
    lam_code code = lam_comm_agree(pipeline->comm, stream.code, error);
    if (code == LAM_OK) {
        if (rank < active) {
            code = stream_run(&stream);
            if (code == LAM_OK && !stream.passes_on) code = stream.code;
        }
        code = lam_comm_agree(pipeline->comm, code, error);
    }
    lam_arena_destroy(&arena);
    return code;
}
