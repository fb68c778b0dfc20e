#include "stop.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <time.h>

static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
enum { SIGNALS = sizeof signals / sizeof *signals };

// What the operating system has to tell, it tells to the process: the only globals of their kind.
static atomic_int asked;     // the signal
static atomic_bool deferred; // while it is set, lam_stop_asked says no (lam_stop_defer)
static atomic_bool busy;     // lam_stop_busy
static _Atomic double asked_at, busy_since;

static const double patience = 20; // seconds

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// A job's manager and mpirun may both send what is one request: what follows within a second is
// the same.
static void *take_signals(void *wanted) {
    int number;
    double first = 0;
    while (sigwait(wanted, &number) == 0) {
        if (first == 0) first = now(), lam_stop_tell(number);
        if (now() - first < 1) continue;
        signal(number, SIG_DFL);
        pthread_sigmask(SIG_UNBLOCK, wanted, NULL);
        raise(number);
    }
    return NULL;
}

lam_code lam_stop_begin(lam_error *error) {
    static sigset_t wanted; // the thread's, as long as the process lives
    pthread_t thread;
    sigemptyset(&wanted);
    for (int i = 0; i < SIGNALS; i++) {
        struct sigaction was;
        if (sigaction(signals[i], NULL, &was) == 0 && was.sa_handler != SIG_IGN)
            sigaddset(&wanted, signals[i]);
    }
    if (pthread_sigmask(SIG_BLOCK, &wanted, NULL) != 0 ||
        pthread_create(&thread, NULL, take_signals, &wanted) != 0)
        return lam_fail(error, LAM_MEMORY, "a thread that waits for signals was refused");
    pthread_detach(thread);
    return LAM_OK;
}

bool lam_stop_asked(void) {
    if (asked == 0 || deferred) return false;
    busy = false;
    return true;
}

void lam_stop_busy(bool is) {
    busy_since = now();
    busy = is;
}

bool lam_stop_overdue(void) {
    const double late = now() - patience;
    return busy && asked != 0 && asked_at < late && busy_since < late;
}

void lam_stop_defer(bool defer) {
    deferred = defer;
}

int lam_stop_signal(void) {
    return asked;
}

void lam_stop_tell(int number) {
    int none = 0;
    if (asked == 0) asked_at = now();
    atomic_compare_exchange_strong(&asked, &none, number);
}

const char *lam_stop_name(void) {
    switch (lam_stop_signal()) {
    case SIGTERM:
        return "SIGTERM";
    case SIGINT:
        return "SIGINT";
    case SIGUSR1:
        return "SIGUSR1";
    default:
        return "a request";
    }
}

lam_code lam_stop_fail(lam_error *error) {
    return lam_fail(error, LAM_INTERRUPTED, "ended by %s", lam_stop_name());
}

lam_code lam_stop_check(lam_error *error) {
    return lam_stop_asked() ? lam_stop_fail(error) : LAM_OK;
}
