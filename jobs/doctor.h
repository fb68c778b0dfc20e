// What laminar finds where it is to run: of each thing whether it is well, and what to do if not.
#ifndef LAM_DOCTOR_H
#define LAM_DOCTOR_H

#include "mpi/comm.h"
#include "src/arena.h"
#include "src/error.h"
#include "src/speed.h"

#include <stddef.h>

typedef enum lam_health {
    LAM_WELL,
    LAM_WARNED, // runs work, but slower or with less than could be had
    LAM_UNWELL, // runs would fail, or come to nothing
} lam_health;

typedef struct lam_finding {
    const char *name; // "mpi"
    lam_health health;
    const char *text;   // what was found
    const char *remedy; // NULL where it is well
} lam_finding;

// A rank, as it says of itself.
typedef struct lam_rank_facts {
    char host[MPI_MAX_PROCESSOR_NAME];
    int host_ranks, cores, usable, threads;
    int bound, crowded; // as lam_threads_bound, lam_threads_crowded
    int sees_folder;    // the current folder is rank 0's
    double room;        // bytes of memory that it may use
    lam_speed speed;
} lam_rank_facts;

enum { LAM_MAX_FINDINGS = 16 };

typedef struct lam_diagnosis {
    lam_finding finding[LAM_MAX_FINDINGS];
    size_t count;
    lam_rank_facts *rank; // [ranks], rank 0's first
    int ranks;
    const char *cpu, *features;
} lam_diagnosis;

// Looks at everything, about a second. The diagnosis, owned by arena, is rank 0's; the others' is
// left empty. Collective, and ends in an agreement. LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_diagnose(lam_comm *comm, lam_diagnosis *diagnosis, lam_arena *arena,
                                  lam_error *error);

#endif
