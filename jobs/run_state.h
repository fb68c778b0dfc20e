// The state of a run and its stages: jobs/run.c goes through them; not for others.
#ifndef LAM_RUN_STATE_H
#define LAM_RUN_STATE_H

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

// Collective: the sequences of every profile, each once, on all ranks, and the chunks in which they
// pass.
LAM_CHECKED lam_code lam_run_sequences(lam_run_state *r);

// Collective: everything that is done layer by layer, from the first activation to the rows of all
// results on rank 0.
LAM_CHECKED lam_code lam_run_layers(lam_run_state *r);

#endif
