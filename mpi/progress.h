// How far all ranks are, shown by rank 0: a bar on a terminal, else a plain line every 30 seconds.
#ifndef LAM_PROGRESS_H
#define LAM_PROGRESS_H

#include "comm.h"
#include "src/arena.h"

#include <stdbool.h>

typedef enum lam_progress_style {
    LAM_PROGRESS_AUTO, // a bar where a person watches, else lines
    LAM_PROGRESS_BAR,
    LAM_PROGRESS_LINES,
    LAM_PROGRESS_NONE
} lam_progress_style;

typedef struct lam_progress lam_progress;

// Owned by arena; comm is kept by reference. LAM_MEMORY.
LAM_CHECKED lam_code lam_progress_create(lam_progress **progress, const lam_comm *comm,
                                         lam_progress_style style, lam_arena *arena,
                                         lam_error *error);

// Starts a stage ("forward pass") of total steps over all ranks. People are shown units ("tokens"),
// each of which takes steps_each steps. Every rank calls it.
void lam_progress_begin(lam_progress *progress, const char *stage, const char *unit, int64_t total,
                        int64_t steps_each);

// amount more steps done by this rank; detail ("layer 3, epoch 12 of 75") says where rank 0 is.
// Cheap: what is sent and drawn is limited in time.
__attribute__((format(printf, 3, 4))) void lam_progress_add(lam_progress *progress, int64_t amount,
                                                            const char *detail, ...);

// Ends a stage: rank 0 waits, drawing, until all ranks are there. Collective, also for ranks that
// failed. Returns the stage's wall seconds on rank 0.
LAM_CHECKED lam_code lam_progress_end(lam_progress *progress, double *seconds, lam_error *error);

// Says in a line what the stage that ended has done, for stages that went well. Any rank may call
// it.
void lam_progress_report(const lam_progress *progress);

#endif
