// What the ranks know of each other while they compute or wait: whether all are alive and within
// reach, and whether one was asked to end. MPI itself may only be called by the thread that
// computes, for hours on end, so this goes another way: a thread of each rank, and a connection
// from each to rank 0, over which both say every second that they are there.
//
// A rank that was killed or crashed closes its connection: rank 0 names it and ends, and so do all.
// One that is not heard of for so many seconds (its host or its network is down) likewise; it, too,
// hears nothing and ends. That is no agreement, but what is left where there can be none. So it is
// where a rank was asked to end, and is at a calculation that does not find out about it (stop.h).
#ifndef LAM_WATCH_H
#define LAM_WATCH_H

#include "src/error.h"

typedef struct lam_watch lam_watch;
struct lam_comm;

// Starts the watch over all ranks of comm; patience in seconds, 0: silence is no matter. *watch is
// NULL where the ranks cannot connect, which rank 0 says; then only MPI notices what happens to
// other ranks. Collective; all return the same code. LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_watch_create(lam_watch **watch, const struct lam_comm *comm,
                                      double patience, lam_error *error);

// Says goodbye and ends it; NULL is left alone. From here on nobody misses this rank.
void lam_watch_destroy(lam_watch *watch);

// The same for a rank that has said why the run is lost: all others end.
void lam_watch_abandon(lam_watch *watch);

#endif
