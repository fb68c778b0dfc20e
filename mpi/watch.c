#include "watch.h"

#include "comm.h"
#include "src/log.h"
#include "src/stop.h"
#include "watch_link.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static const double step = 0.2, beat = 1.0; // seconds between two looks, and between two words

typedef char lam_host[MPI_MAX_PROCESSOR_NAME];

typedef struct lam_peer {
    int rank, socket; // -1: not connected
    bool expected;    // it has connected and not said goodbye
    double heard;     // when it last said something
} lam_peer;

struct lam_watch {
    int rank, size, count, connected; // peers: rank 0 has all others, they have rank 0
    double patience;
    lam_watch_place place;
    lam_host *host; // [rank]
    lam_peer *peer; // [count]
    // [2 + count]: that the rank ends, who wants to connect, the peers.
    struct pollfd *polled;
    pthread_t thread;
    bool started;
    atomic_bool leaving, lost;
    double said;
    int told; // the signal that the others were told of
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void say_all(lam_watch *w, lam_word_kind kind, int number) {
    for (int i = 0; i < w->count; i++)
        if (w->peer[i].socket >= 0) lam_watch_say(w->peer[i].socket, w->place.secret, kind, number);
    w->said = now();
}

static void disconnect(lam_peer *peer) {
    if (peer->socket >= 0) close(peer->socket);
    peer->socket = -1;
}

// With a host that is out of reach, mpirun of Open MPI 4 waits for its daemon there as long as TCP
// does, a quarter of an hour, and only another signal ends it. What was said it has a second to
// pass on.
static void end_mpirun(void) {
    char path[64], name[16] = "";
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)getppid());
    FILE *file = fopen(path, "re");
    if (!file) return;
    const bool is_mpirun =
        fgets(name, sizeof name, file) && (!strcmp(name, "mpirun\n") || !strcmp(name, "orterun\n"));
    fclose(file);
    if (!is_mpirun) return;
    sleep(1);
    kill(getppid(), SIGKILL);
}

// Whether this rank says what happened to another: rank 0, or of rank 0 rank 1. Where it has fallen
// silent, so may have all of its host: then the first rank elsewhere does.
static bool speaks(const lam_watch *w, bool silent) {
    int speaker = 1;
    while (silent && speaker < w->size && strcmp(w->host[speaker], w->host[0]) == 0) speaker++;
    return w->rank == 0 || w->rank == (speaker < w->size ? speaker : 1);
}

// Ends this process, whatever its other thread waits for, and with it the run.
static _Noreturn void give_up(lam_watch *w, const lam_peer *lost, bool silent, const char *how) {
    if (speaks(w, silent))
        fprintf(stderr, "laminar: error: rank %d (%s) %s: all ranks end\n", lost->rank,
                w->host[lost->rank], how);
    say_all(w, LAM_WORD_LOST, lost->rank);
    if (silent) end_mpirun();
    _exit(LAM_PEER);
}

// Ends all ranks, as one of them was asked to, and is at a calculation that it cannot leave: what
// the run has kept before is what is left.
static void leave(lam_watch *w) {
    if (w->rank == 0)
        fprintf(stderr,
                "laminar: ended by %s in the midst of a long calculation; with --resume the run "
                "goes on from what was kept before\n",
                lam_stop_name());
    say_all(w, LAM_WORD_LEAVE, 0);
    if (w->rank == 0) _exit(LAM_INTERRUPTED); // the others once they hear of it
}

static void listen_to(lam_watch *w, lam_peer *peer) {
    lam_word word;
    while (peer->socket >= 0) {
        switch (lam_watch_hear(peer->socket, w->place.secret, &word)) {
        case LAM_HEARD_NOTHING:
            return;
        case LAM_HEARD_END:
            give_up(w, peer, false, "was killed or has crashed (out of memory?)");
        case LAM_HEARD_SILENCE: // its time runs out
            disconnect(peer);
            return;
        case LAM_HEARD_WORD:
            peer->heard = now();
        }
        if (word.kind == LAM_WORD_LOST) { // who tells it has said why
            say_all(w, LAM_WORD_LOST, word.number);
            _exit(LAM_PEER);
        }
        if (word.kind == LAM_WORD_LEAVE) {
            leave(w);
            _exit(LAM_INTERRUPTED);
        }
        if (word.kind == LAM_WORD_HERE && word.number) lam_stop_tell(word.number);
        if (word.kind == LAM_WORD_BYE) peer->expected = false, disconnect(peer);
    }
}

static void take_in(lam_watch *w, int listener) {
    int rank, socket = lam_watch_accept(listener, &w->place, &rank);
    if (socket < 0) return;
    if (rank < 1 || rank > w->count || w->peer[rank - 1].expected) {
        close(socket);
        return;
    }
    w->peer[rank - 1] =
        (lam_peer){.rank = rank, .socket = socket, .expected = true, .heard = now()};
    w->connected++;
}

static void look(lam_watch *w) {
    struct pollfd *entry = w->polled;
    for (int i = 0; i < w->count; i++)
        entry[2 + i] = (struct pollfd){.fd = w->peer[i].socket, .events = POLLIN};
    if (poll(entry, (nfds_t)w->count + 2, (int)(1000 * step)) < 0) return;
    if (entry[1].revents & POLLIN) take_in(w, entry[1].fd);
    for (int i = 0; i < w->count; i++) listen_to(w, &w->peer[i]);
    if (w->connected < w->count || entry[1].fd < 0) return;
    close(entry[1].fd);
    entry[1].fd = -1;
}

static void check_patience(lam_watch *w, double time) {
    for (int i = 0; i < w->count && w->patience > 0; i++) {
        char how[96];
        snprintf(how, sizeof how, "was not heard of for %.0f s (is its host or the network down?)",
                 w->patience);
        if (w->peer[i].expected && time - w->peer[i].heard > w->patience)
            give_up(w, &w->peer[i], true, how);
    }
}

static void *watch(void *state) {
    lam_watch *w = state;
    for (double last = now(), time; !w->leaving; last = time) {
        look(w);
        time = now();
        // Who was stopped itself has missed what the others said.
        if (time - last > 10 * step)
            for (int i = 0; i < w->count; i++) w->peer[i].heard = time;
        const int signal = lam_stop_signal();
        if (signal != w->told || time - w->said >= beat) say_all(w, LAM_WORD_HERE, signal);
        w->told = signal;
        if (lam_stop_overdue()) leave(w);
        check_patience(w, time);
    }
    say_all(w, w->lost ? LAM_WORD_LOST : LAM_WORD_BYE, w->rank);
    for (int i = 0; i < w->count; i++) disconnect(&w->peer[i]);
    return NULL;
}

static lam_code make(lam_watch **watch, const lam_comm *comm, double patience, lam_error *error) {
    lam_watch *w = calloc(1, sizeof *w);
    const size_t count = comm->rank == 0 ? (size_t)comm->size - 1 : 1; // may be 0
    if (w) {
        *w = (lam_watch){
            .rank = comm->rank, .size = comm->size, .count = (int)count, .patience = patience};
        w->host = calloc((size_t)comm->size, sizeof *w->host);
        w->peer = calloc(count + 1, sizeof *w->peer);
        w->polled = calloc(count + 2, sizeof *w->polled);
    }
    *watch = w;
    if (!w || !w->host || !w->peer || !w->polled)
        return lam_fail(error, LAM_MEMORY, "memory to watch the other ranks was refused");
    for (size_t i = 0; i < count; i++) w->peer[i].socket = -1;
    w->polled[0] = (struct pollfd){.fd = eventfd(0, EFD_CLOEXEC), .events = POLLIN};
    w->polled[1] = (struct pollfd){.fd = -1, .events = POLLIN};
    return LAM_OK;
}

static bool start(lam_watch *w) {
    w->started = w->polled[0].fd >= 0 && pthread_create(&w->thread, NULL, watch, w) == 0;
    if (w->started) pthread_setname_np(w->thread, "laminar-watch");
    return w->started;
}

// Whether this rank is connected, as far as it depends on itself. Collective.
static lam_code join(lam_watch *w, const lam_comm *comm, bool *joined, lam_error *error) {
    LAM_TRY(lam_comm_check(MPI_Allgather(comm->host, sizeof(lam_host), MPI_CHAR, w->host,
                                         sizeof(lam_host), MPI_CHAR, comm->mpi),
                           "gathering the names of hosts", error));
    if (w->rank == 0) {
        if (w->count > 0)
            w->polled[1].fd = lam_watch_listen(comm->host_ranks == comm->size, &w->place);
        *joined = (w->count == 0 || w->polled[1].fd >= 0) && start(w);
    }
    LAM_TRY(lam_comm_broadcast(comm, &w->place, sizeof w->place, 0, error));
    if (w->rank == 0) return LAM_OK;
    *w->peer = (lam_peer){.socket = lam_watch_connect(&w->place, w->rank), .heard = now()};
    w->peer->expected = w->peer->socket >= 0;
    *joined = w->peer->expected && start(w);
    return LAM_OK;
}

lam_code lam_watch_create(lam_watch **watch, const lam_comm *comm, double patience,
                          lam_error *error) {
    *watch = NULL;
    bool joined = false;
    lam_code code = lam_comm_agree(comm, make(watch, comm, patience, error), error);
    if (code == LAM_OK) code = join(*watch, comm, &joined, error);
    if (code == LAM_OK)
        code =
            lam_comm_check(MPI_Allreduce(MPI_IN_PLACE, &joined, 1, MPI_C_BOOL, MPI_LAND, comm->mpi),
                           "connecting the ranks", error);
    if (code == LAM_OK && joined) return LAM_OK;
    lam_watch_destroy(*watch);
    *watch = NULL;
    if (code == LAM_OK && comm->size > 1)
        lam_log(LAM_NORMAL,
                "the ranks cannot reach rank 0 (%s) over TCP: a rank or network that "
                "fails may leave them waiting",
                comm->host);
    return code;
}

void lam_watch_abandon(lam_watch *watch) {
    if (watch) watch->lost = true;
    lam_watch_destroy(watch);
}

void lam_watch_destroy(lam_watch *watch) {
    lam_watch *w = watch;
    if (!w) return;
    if (w->started) {
        w->leaving = true;
        eventfd_write(w->polled[0].fd, 1);
        pthread_join(w->thread, NULL);
    }
    for (int i = 0; i < 2 && w->polled; i++)
        if (w->polled[i].fd >= 0) close(w->polled[i].fd);
    free(w->polled);
    free(w->peer);
    free(w->host);
    free(w);
}
