// The state of a run and its stages: jobs/run.c goes through them; not for others.
#ifndef LAM_JOBS_RUN_STATE_H
#define LAM_JOBS_RUN_STATE_H

#include "io/checkpoint.h"
#include "io/run_folder.h"
#include "jobs/keeper.h"
#include "jobs/memory.h"
#include "jobs/provenance.h"
#include "jobs/run.h"
#include "jobs/texts.h"
#include "mpi/layout.h"
#include "mpi/team.h"

enum { MAX_GROUPS = 16 }; // of one profile

// What one profile does in this run.
typedef struct lam_part {
    lam_profile_run run;
    const lam_text_tokens *text; // on rank 0; NULL where it needs none
    size_t pass;                 // which of the run's passes through the model it sees
    lam_site_set sites;
    void **state;           // [own layer]
    lam_arena *layer_arena; // [own layer]
    bool *kept;             // [own layer] finished by an earlier run
    lam_group mine[MAX_GROUPS], whole[MAX_GROUPS];
    size_t group_count, written_count; // the written ones come first
    bool buffers;
    int64_t rounds; // times that it sees its sequences
    bool intervenes, outgrows;
    lam_intervention asked; // where it does
} lam_part;

typedef struct lam_run_state {
    const lam_run_request *request;
    const lam_comm *comm;
    lam_arena arena, weights; // for the whole run; until the last pass is through
    lam_progress *progress;
    lam_checkpoint *checkpoint;
    const lam_model_config *config;
    lam_layout layout;
    lam_team team;                    // of this rank's layers
    bool leads;                       // it: what all members find, this rank alone counts and keeps
    int64_t first_layer, layer_count; // this rank's
    lam_model model;
    char model_sha256[LAM_SHA256_TEXT];
    lam_part *part; // [job section]
    size_t part_count;
    lam_run_folder folder;
    bool resumed;                     // there is something in the folder
    lam_keeper keeper;                // where this rank has layers
    bool opened;                      // on rank 0: the folder is this run's
    bool ended;                       // nothing is left to do: the result of this very run is there
    int64_t *rounds;                  // [pass] that any rank's layers need, those not kept
    int64_t *passed;                  // [pass] sequences, of all rounds, that have
    char run_sha256[LAM_SHA256_TEXT]; // on rank 0: of what decides the bits
    lam_texts texts;                  // on rank 0
    lam_sequences *passes; // sequences that go through the model, each once for all profiles that
    size_t pass_count;     // asked for the same
    lam_chunks *chunks;    // [pass]
    lam_memory memory;
    size_t current_pass;
    int64_t current_round;
    lam_seconds seconds;
    lam_error *error;
} lam_run_state;

// The model's folder and shape; what the job left open, now that the model is known. Not
// collective.
LAM_CHECKED lam_code lam_run_open(lam_run_state *r);
LAM_CHECKED lam_code lam_run_resolve(lam_run_state *r);

// Collective: the sequences of every profile, each once, on all ranks (their tokens on rank 0), and
// the chunks in which they pass.
LAM_CHECKED lam_code lam_run_sequences(lam_run_state *r);

// From then on: how often a pass's sequences go through the model in a run from its beginning; what
// the run takes layer by layer, added to layer [layers], the embedding with the first and the head
// with the last; and the layout of so many ranks that this makes, owned by arena. Not collective.
int64_t lam_run_rounds(const lam_run_state *r, size_t pass);
void lam_run_costs(const lam_run_state *r, lam_work *layer);
LAM_CHECKED lam_code lam_run_layout(const lam_run_state *r, int ranks, lam_layout *layout,
                                    lam_arena *arena, lam_error *error);

// Collective: this rank's place, its team, and the tokens for those who embed them.
LAM_CHECKED lam_code lam_run_lay_out(lam_run_state *r);

// The groups of one profile: mine, of this rank's layers, and on rank 0 whole, of all. Not
// collective.
LAM_CHECKED lam_code lam_run_make_groups(lam_run_state *r, lam_part *part);

// Collective: every pass of sequences through the model that any layer still needs, from where an
// earlier run kept what its layers had seen; which is kept every so often.
LAM_CHECKED lam_code lam_run_forward(lam_run_state *r);

// Collective: ends a stage's progress and agrees on what each rank's part of it came to.
LAM_CHECKED lam_code lam_run_end_stage(lam_run_state *r, const char *stage, lam_code code);

// Collective: everything that is done layer by layer, from the first activation to the rows of all
// results on rank 0.
LAM_CHECKED lam_code lam_run_layers(lam_run_state *r);

#endif
