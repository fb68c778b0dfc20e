// A job over all its models and texts: each model on each text is a run with a result file of its
// own, and where there are several runs a summary stands beside the results.
#ifndef LAM_SWEEP_H
#define LAM_SWEEP_H

#include "io/sweep_file.h"
#include "jobs/job.h"
#include "mpi/comm.h"

// What is asked of a sweep beside its job.
typedef struct lam_sweep_request {
    const char *command; // the command line, for the results' history
    bool resume;
    int64_t only; // the number of the one run wanted, from 1; 0: all
} lam_sweep_request;

// The runs of a job, models outermost, and their files. Of "led.nc", the job's output:
// "led-MODEL-TEXT.nc", where MODEL is the last part of the folder's path and TEXT that of the
// text's without its ending; only what the job has several of is in the name, so that a single run
// writes led.nc itself. The summary is "led.summary.nc" (io/sweep_file.h).
//
// All that can be known beforehand is looked at before the first run: names that collide
// (LAM_USAGE), checkpoints, texts and outputs that cannot be opened. With several runs, one that
// fails is said to have failed, here and in the summary, and the others go on; at the end the code
// is that of the first that failed. A run after which the ranks cannot agree any more (LAM_PEER),
// or that was interrupted, ends the sweep. With resume, a run whose result is there already is not
// run again. With only, one run of them is all there is to do: no other is looked at, and there is
// no summary. Collective; all ranks return the same code.
LAM_CHECKED lam_code lam_sweep(const lam_comm *comm, const lam_job *job,
                               const lam_sweep_request *request, lam_arena *arena,
                               lam_error *error);

// The runs of a job in the order of their numbers, or the only one wanted. runs is owned by arena.
// Local; nothing is opened. Errors as above.
LAM_CHECKED lam_code lam_sweep_runs(const lam_job *job, int64_t only, lam_sweep_run **runs,
                                    size_t *count, lam_arena *arena, lam_error *error);

// The job with a run's model and text alone. *one is owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_sweep_job(const lam_job *job, const lam_sweep_run *run, lam_job *one,
                                   lam_arena *arena, lam_error *error);

#endif
