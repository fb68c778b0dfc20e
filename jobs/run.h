// The driver: one job on one model, from the checkpoint and the text to the result file.
#ifndef LAM_RUN_H
#define LAM_RUN_H

#include "jobs/job.h"
#include "mpi/comm.h"
#include "mpi/progress.h"

typedef struct lam_run_request {
    const lam_comm *comm;
    const lam_job *job;  // the same on every rank
    const char *model;   // one of the job's checkpoint folders
    const char *output;  // path of the result file
    const char *name;    // of the run among those of a sweep: "gpt2-LED"; NULL or "": it is alone
    const char *command; // the command line, for the file's history
    bool resume;         // go on with what an earlier, unfinished run has kept
    lam_progress_style progress;
} lam_run_request;

// Runs the job's profiles on one model and writes the result. Collective; all ranks return the same
// code, and no result is written unless it is LAM_OK. Until then finished layers are kept in the
// result's run folder (io/run_folder.h); without resume, one that is there is LAM_USAGE.
LAM_CHECKED lam_code lam_run(const lam_run_request *request, lam_error *error);

#endif
