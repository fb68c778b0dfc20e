// The plan of a run: what laminar plan says of it, without running the model.
#ifndef LAM_JOBS_PLAN_H
#define LAM_JOBS_PLAN_H

#include "io/plan.h"
#include "jobs/job.h"
#include "mpi/comm.h"

// What a process has before it does anything: bytes that are resident, seconds it has worked.
typedef struct lam_plan_start {
    double resident, seconds;
} lam_plan_start;

// To be asked for once MPI is up, before the first plan.
lam_plan_start lam_plan_start_now(void);

typedef struct lam_plan_request {
    lam_plan_start start;
    const lam_comm *comm; // of one rank
    const lam_job *job;   // of one model and one text
    const char *output;   // its result
    const char *file;     // its job file and what else the command line says of the job
    int ranks, nodes;
    double gigabits; // of a node's network, a second
    double faster;   // how many times as fast a rank is there as what is measured here
    bool scale;      // how it goes on other numbers of ranks, too
    bool untimed;    // nothing is measured, nothing said of time
} lam_plan_request;

// Reads the model's shape and the text, measures for some seconds, unless untimed, with as many
// OpenMP threads as a rank will have, and plans. What *plan names is owned by arena. Errors as
// those of a run before its first layer.
LAM_CHECKED lam_code lam_plan_make(const lam_plan_request *request, lam_plan *plan,
                                   lam_arena *arena, lam_error *error);

#endif
