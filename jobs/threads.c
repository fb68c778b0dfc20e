#include "jobs/threads.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

lam_threads lam_threads_set(const lam_comm *comm, int64_t asked) {
    lam_threads to = {.cores = (int)sysconf(_SC_NPROCESSORS_ONLN), .usable = omp_get_num_procs()};
    if (asked > 0)
        omp_set_num_threads((int)asked);
    else if (!getenv("OMP_NUM_THREADS")) {
        const int share = to.cores / comm->host_ranks;
        omp_set_num_threads(share < 1 ? 1 : share < to.usable ? share : to.usable);
    }
    to.threads = omp_get_max_threads();
    return to;
}

bool lam_threads_bound(const lam_comm *comm, const lam_threads *of, char text[LAM_THREADS_ROOM]) {
    snprintf(text, LAM_THREADS_ROOM,
             "this rank is bound to %d of %d cores: 'mpirun --bind-to none' lets it use more",
             of->usable, of->cores);
    return of->usable * comm->host_ranks < of->cores && of->threads <= of->usable;
}

bool lam_threads_crowded(const lam_comm *comm, const lam_threads *of, char text[LAM_THREADS_ROOM]) {
    snprintf(text, LAM_THREADS_ROOM,
             "%d ranks of %d threads on %d usable cores of this host get in each other's way",
             comm->host_ranks, of->threads,
             of->usable < of->cores ? of->usable * comm->host_ranks : of->cores);
    return of->threads > of->usable || of->threads * comm->host_ranks > of->cores;
}
