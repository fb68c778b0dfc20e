#include "schedule.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

typedef enum lam_event_kind { COMPUTED, ARRIVED } lam_event_kind;

typedef struct lam_event {
    double time;
    lam_event_kind kind;
    int64_t team, batch;
} lam_event;

typedef struct lam_simulation {
    const lam_schedule *of;
    lam_event *queue; // [queued] a binary heap, the earliest first
    int64_t queued;
    bool *arrived;         // [team, batch]
    int64_t *next;         // [rank] the batch that it works on, or waits for
    bool *works;           // [rank]
    double (*sent)[2];     // [rank] when its last two messages had left
    double *out, *in, end; // [host] when the link is free
    lam_arena arena;
} lam_simulation;

static void push(lam_simulation *s, lam_event event) {
    int64_t i = s->queued++;
    for (; i > 0 && s->queue[(i - 1) / 2].time > event.time; i = (i - 1) / 2)
        s->queue[i] = s->queue[(i - 1) / 2];
    s->queue[i] = event;
}

static lam_event pop(lam_simulation *s) {
    const lam_event first = s->queue[0], last = s->queue[--s->queued];
    int64_t i = 0;
    for (int64_t child; (child = 2 * i + 1) < s->queued; i = child) {
        if (child + 1 < s->queued && s->queue[child + 1].time < s->queue[child].time) child++;
        if (s->queue[child].time >= last.time) break;
        s->queue[i] = s->queue[child];
    }
    s->queue[i] = last;
    return first;
}

static int members_of(const lam_schedule *of, int64_t team) {
    return of->lead[team + 1] - of->lead[team];
}

static int rank_of(const lam_schedule *of, int64_t team, int64_t batch) {
    return of->lead[team] + (int)(batch % members_of(of, team));
}

double lam_network_seconds(const lam_network *network, int from, int to, double bytes) {
    if (from / network->host_ranks == to / network->host_ranks) return bytes / network->memory;
    return network->latency + bytes / network->bandwidth;
}

// The rank begins with its next micro-batch where that is there and a buffer is free.
static void work(lam_simulation *s, int64_t team, int rank, double time) {
    const lam_schedule *of = s->of;
    const int64_t batch = s->next[rank];
    if (s->works[rank] || batch >= of->batches || !s->arrived[team * of->batches + batch]) return;
    s->works[rank] = true;
    const double begin = fmax(time, s->sent[rank][0]);
    push(s, (lam_event){begin + of->seconds[team], COMPUTED, team, batch});
}

// A message that is ready at that time goes on to the next team.
static void send(lam_simulation *s, int64_t team, int64_t batch, double time) {
    const lam_schedule *of = s->of;
    const int from = rank_of(of, team, batch), to = rank_of(of, team + 1, batch);
    const int host = from / of->network.host_ranks, other = to / of->network.host_ranks;
    const double seconds = lam_network_seconds(&of->network, from, to, of->bytes);
    double left = time + seconds;
    if (host != other) {
        left = fmax(time, fmax(s->out[host], s->in[other])) + seconds - of->network.latency;
        s->out[host] = s->in[other] = left;
    }
    s->sent[from][0] = s->sent[from][1], s->sent[from][1] = left;
    push(s,
         (lam_event){host == other ? left : left + of->network.latency, ARRIVED, team + 1, batch});
}

static lam_code prepare(lam_simulation *s, lam_error *error) {
    const lam_schedule *of = s->of;
    const int ranks = of->lead[of->teams];
    const int hosts = ranks / of->network.host_ranks + 1;
    // At any time a micro-batch is in one place.
    LAM_ALLOC(s->queue, &s->arena, of->batches + 1, error);
    LAM_ALLOC(s->arrived, &s->arena, of->teams * of->batches, error);
    LAM_ALLOC(s->next, &s->arena, ranks, error);
    LAM_ALLOC(s->works, &s->arena, ranks, error);
    LAM_ALLOC(s->sent, &s->arena, ranks, error);
    LAM_ALLOC(s->out, &s->arena, hosts, error);
    LAM_ALLOC(s->in, &s->arena, hosts, error);
    for (int64_t t = 0; t < of->teams; t++)
        for (int m = 0; m < members_of(of, t); m++) s->next[of->lead[t] + m] = m;
    for (int64_t b = 0; b < of->batches; b++) s->arrived[b] = true;
    return LAM_OK;
}

static void simulate(lam_simulation *s) {
    const lam_schedule *of = s->of;
    for (int rank = 0; rank < of->lead[1]; rank++) work(s, 0, rank, 0);
    while (s->queued > 0) {
        const lam_event event = pop(s);
        const int rank = rank_of(of, event.team, event.batch);
        if (event.kind == ARRIVED) {
            s->arrived[event.team * of->batches + event.batch] = true;
        } else {
            s->works[rank] = false;
            s->next[rank] += members_of(of, event.team);
            if (event.team + 1 < of->teams) send(s, event.team, event.batch, event.time);
        }
        s->end = fmax(s->end, event.time);
        work(s, event.team, rank, event.time);
    }
}

lam_code lam_schedule_run(const lam_schedule *schedule, double *seconds, lam_error *error) {
    lam_simulation s = {.of = schedule};
    const lam_code code = prepare(&s, error);
    if (code == LAM_OK) simulate(&s);
    *seconds = s.end;
    lam_arena_destroy(&s.arena);
    return code;
}
