// The OpenMP threads of each rank.
#ifndef LAM_THREADS_H
#define LAM_THREADS_H

#include "mpi/comm.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct lam_threads {
    int cores;   // of the host
    int usable;  // of them, by this process
    int threads; // of this rank
} lam_threads;

// Threads of each rank: as asked, as OMP_NUM_THREADS says, or the cores it may use, shared with the
// other ranks of the host where nobody bound them apart.
lam_threads lam_threads_set(const lam_comm *comm, int64_t asked);

enum { LAM_THREADS_ROOM = 160 };

// Whether cores lie idle that the rank may not use; whether threads share cores; in text what a
// person is told of it.
bool lam_threads_bound(const lam_comm *comm, const lam_threads *threads,
                       char text[LAM_THREADS_ROOM]);
bool lam_threads_crowded(const lam_comm *comm, const lam_threads *threads,
                         char text[LAM_THREADS_ROOM]);

#endif
