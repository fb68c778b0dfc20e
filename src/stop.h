// The request to end: SIGTERM, SIGINT or SIGUSR1, here or at another rank. Long work looks for it
// between its pieces, leaves its state in order and returns LAM_INTERRUPTED.
#ifndef LAM_STOP_H
#define LAM_STOP_H

#include "error.h"

#include <stdbool.h>

// From here on the three signals, but those that whoever started the process had it ignore, are
// requests, which a thread of its own takes; a second one, a second or more after the first, ends
// the process at once. To be called once, before there is any other thread: all that follow have
// the signals blocked, so that no handler ever runs on a thread that computes (see
// product_onednn.c). LAM_MEMORY.
LAM_CHECKED lam_code lam_stop_begin(lam_error *error);

// Whether there was a request, which is not deferred. Any thread may ask, and often.
bool lam_stop_asked(void);

// Defers requests, or does not any more: for short work whose end leaves more than its middle.
void lam_stop_defer(bool defer);

// While it is set, this process calculates, and finds out about a request only between its pieces,
// by lam_stop_asked, which unsets it as it says yes. Not for what waits for other processes.
void lam_stop_busy(bool busy);

// Whether a calculation has not found out about a request for 20 seconds: it is to be given up.
bool lam_stop_overdue(void);

// The signal of the request; 0: there was none.
int lam_stop_signal(void);

// Its name, "SIGTERM"; "a request" where there was none.
const char *lam_stop_name(void);

// Makes the request that another rank got one here too.
void lam_stop_tell(int signal);

// LAM_INTERRUPTED, "ended by SIGTERM".
lam_code lam_stop_fail(lam_error *error);

// For between two pieces of work: lam_stop_fail where there was a request, else LAM_OK.
LAM_CHECKED lam_code lam_stop_check(lam_error *error);

#endif
