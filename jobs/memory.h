// Whether what profiles keep of a text has room in memory.
#ifndef LAM_MEMORY_H
#define LAM_MEMORY_H

#include "jobs/profile.h"
#include "mpi/comm.h"

typedef struct lam_memory {
    double room;  // bytes that this rank may use: its share of what the host, or a limit, gives
    double taken; // of it, by what was checked so far
} lam_memory;

lam_memory lam_memory_of(const lam_comm *comm);

// LAM_MEMORY where a profile's layers, so many on this rank, keep more than there is room for: then
// the run would come to its end by the system's hand, after hours perhaps. Not collective.
LAM_CHECKED lam_code lam_memory_check(lam_memory *memory, const lam_profile_run *run,
                                      int64_t layers, lam_error *error);

// From now on large pieces are the system's again as soon as they are freed. By itself the C
// library comes to keep ones of up to 32 MB for later: what plans reckon with, in one run, but the
// second one took 45% more than the first. Not collective.
void lam_memory_keep_less(void);

// A verbose line that says what the ranks had resident at most. Collective.
LAM_CHECKED lam_code lam_memory_report(const lam_comm *comm, lam_error *error);

#endif
