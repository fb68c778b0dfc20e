// Who made a result, when, of what and where: the attributes of a result file.
#ifndef LAM_PROVENANCE_H
#define LAM_PROVENANCE_H

#include "io/result_file.h"
#include "jobs/job.h"
#include "jobs/texts.h"
#include "mpi/comm.h"
#include "src/model.h"
#include "src/sequences.h"

// Wall seconds by stage.
enum { LAM_MAX_STAGES = 16 };
typedef struct lam_seconds {
    const char *stage[LAM_MAX_STAGES];
    double seconds[LAM_MAX_STAGES];
    size_t count;
    double began;
} lam_seconds;

void lam_seconds_begin(lam_seconds *seconds);

// Where a stage's seconds go; stage is kept by reference. Beyond the room, the last one's.
double *lam_seconds_of(lam_seconds *seconds, const char *stage);

typedef struct lam_provenance {
    const lam_comm *comm;
    const lam_job *job;
    const char *model, *model_sha256, *command;
    const char *run_sha256; // of lam_provenance_identity's text
    const lam_model_config *config;
    const lam_texts *texts;
    lam_seconds *seconds;
} lam_provenance;

// Fills all of *result but its groups; owned by arena. Not collective. LAM_MEMORY.
LAM_CHECKED lam_code lam_provenance_result(const lam_provenance *about, lam_result *result,
                                           lam_arena *arena, lam_error *error);

// What decides a result's bits, as lines of a job file: the program, the model's and the texts'
// digests, the job without where things lie and how many threads work. NULL: no memory.
char *lam_provenance_identity(const lam_provenance *about, lam_arena *arena, lam_error *error);

// The processor's name, "unknown" where the system does not say; and those of its features that
// choose kernels, and with them the last bits. NULL: no memory.
const char *lam_cpu_name(lam_arena *arena, lam_error *error);
const char *lam_cpu_features(lam_arena *arena, lam_error *error);

// Which text (NULL: none) and tokens a group's values come from, as its attributes.
LAM_CHECKED lam_code lam_provenance_input(lam_group *group, const lam_input *input,
                                          const lam_text_tokens *text,
                                          const lam_sequences *sequences, lam_error *error);

#endif
