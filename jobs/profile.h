// A profile is one static const struct and one line in the registry. Its functions hold no MPI and
// no I/O, but for what it is asked to write beside the result: they are given tokens, activations
// and a seed, and fill rows of result groups; so they can be tested alone and cannot depend on the
// rank.
#ifndef LAM_PROFILE_H
#define LAM_PROFILE_H

#include "jobs/input.h"
#include "src/chunks.h"
#include "src/cost.h"
#include "src/error.h"
#include "src/forward.h"
#include "src/grid.h"
#include "src/hooks.h"
#include "src/model.h"
#include "src/option.h"
#include "src/schema.h"
#include "src/sequences.h"
#include "src/state.h"
#include "src/stop.h"
#include "src/team.h"
#include "src/tokenizer.h"

typedef enum lam_mode { LAM_STANDARD, LAM_PUBLISHED } lam_mode;

// All that a profile's functions may know of the run they are part of.
typedef struct lam_profile_run {
    const struct lam_profile *profile;
    lam_mode mode;
    uint64_t seed;
    const lam_model_config *model;
    lam_input *input;
    void *options; // the profile's own struct
    // Once they are known; their tokens on rank 0 alone, and how they pass.
    const lam_sequences *sequences;
    const lam_chunks *chunks;
    const char *model_path; // the checkpoint's folder
    const char *name;       // of the run among those of a sweep; "" where it is alone
    int64_t distribute;     // the order from which on matrices are all ranks' together
    const lam_team *team;   // the ranks that share this rank's layers
    bool rehearsed;         // it is run for its time alone: nothing is written beside the result
} lam_profile_run;

// What sequences are taken from: a text's tokens, and the tokenizer that made them.
typedef struct lam_source {
    lam_running text;               // of no documents where the profile needs no text
    const lam_tokenizer *tokenizer; // NULL where a token file stands for the text and the model's
                                    // folder has no tokenizer
} lam_source;

enum { LAM_MAX_PROFILE_DIMENSIONS = 16 };

// A result group that a profile fills: a name ("sae", "tuning/qkv"), a schema, its dimensions but
// for layer.
typedef struct lam_profile_group {
    const char *name;
    const lam_variable *variables;
    lam_dimension dimensions[LAM_MAX_PROFILE_DIMENSIONS];
    size_t dimension_count;
    bool unwritten; // collected for describe, but no part of the result; these come last
} lam_profile_group;

// How a layer function says where it is: units done since the last call, and a text; false: it is
// to stop here, leave its state in order and return lam_stop_fail(error). It may be called from the
// thread that runs the layer function only, and at least every few seconds.
typedef struct lam_tick {
    bool (*add)(void *user, int64_t units, const char *detail);
    // For a state that is worth it, so that a run that was ended goes on within the layer; NULL
    // where nothing is kept. restore comes before the work: *found says whether the state was put
    // back to where an earlier run kept it last; if not, its memory holds anything. keep offers the
    // state as it is: it is kept every so often, or where now is set, which is for before a stop.
    // Collective over the state's team; LAM_MEMORY and the team's errors.
    lam_code (*restore)(void *user, lam_state *state, bool *found, lam_error *error);
    lam_code (*keep)(void *user, const lam_state *state, bool now, lam_error *error);
    void *user;
} lam_tick;

// What a profile asks for that works on its sequences chunk by chunk.
typedef struct lam_buffering {
    int64_t sequences; // it sees at most so many before it works on them, or one micro-batch
    int64_t rounds;    // times that all sequences pass
} lam_buffering;

// What a profile takes of one layer beyond the forward pass, counted from shapes (src/cost.h).
typedef struct lam_profile_cost {
    lam_work seen;      // of see, all its sequences once
    lam_work work;      // of drain and finish
    double kept;        // bytes of activations, which grow with the text, from begin to finish
    double scratch;     // bytes at most that finish takes beyond what begin took
    double state;       // bytes of a state that is kept on disk; 0: none
    double exported;    // bytes that are written beside the result
    double sent;        // bytes that finish sends in all of a team of two
    bool shared;        // whether a team's members share finish, or each does all of it
    bool split;         // whether they share its scratch memory, or each has all of it
    const char *remedy; // where there is no room for kept: "take fewer sequences or more ranks"
} lam_profile_cost;

enum { LAM_MAX_CHANGES = 4 };

// What a profile may ask of the model once all its layers are finished: how well it still predicts
// the next token when one site of one layer is changed, for every layer.
typedef struct lam_intervention {
    int64_t sequences; // the first so many of the run's own
    lam_site site;     // a row site
    int changes;       // ways in which each layer's site is changed, one at a time

    // Makes rows, view->data, what the change has in their place. state is the layer's, as finish
    // left it.
    void (*rewrite)(const lam_profile_run *run, const void *state, int change, const lam_view *view,
                    float *rows);

    // Takes the mean cross-entropy of the next token in nats: of the model as it is, and of each
    // change to this layer, changed [changes].
    void (*losses)(const lam_profile_run *run, int64_t layer, double clean, const double *changed,
                   lam_group *groups);
} lam_intervention;

typedef struct lam_profile {
    const char *name, *summary;
    const lam_option *options; // of the section's own keys
    size_t options_size;       // of the struct they fill

    // Fills in what was left to the program (auto), once mode and model are known, and checks the
    // options against the model. LAM_USAGE names the key.
    lam_code (*resolve)(const lam_profile_run *run, lam_error *error);

    // The sites it wants to see.
    lam_site_set (*sites)(const lam_profile_run *run);

    // The sequences it wants, and their labels; called on rank 0. Owned by arena. LAM_INPUT where
    // the source does not have them.
    lam_code (*take)(const lam_profile_run *run, const lam_source *source, lam_sequences *sequences,
                     lam_arena *arena, lam_error *error);
    bool needs_no_text; // its sequences are made of its options alone (rsa's words)

    // The groups it fills: at most room, the number in *count. Texts live in the arena.
    lam_code (*groups)(const lam_profile_run *run, lam_profile_group *groups, size_t room,
                       size_t *count, lam_arena *arena, lam_error *error);

    // What it takes of a layer that is not the last, as cost [zeroed] is filled in; NULL: nothing
    // worth counting. Sequences and chunks are known.
    void (*cost)(const lam_profile_run *run, lam_profile_cost *cost);

    // Makes what a layer keeps while the sequences pass; owned by arena, which is the layer's own.
    lam_code (*begin)(const lam_profile_run *run, int64_t layer, lam_arena *arena, void **state,
                      lam_error *error);

    // Sees one view of a wanted site (src/hooks.h). Of a team's members each sees its own
    // micro-batches alone.
    void (*see)(const lam_profile_run *run, void *state, const lam_view *view);

    // Of sequences first .. end - 1, which have passed since the last time: brings what each member
    // of the run's team has seen to those that have to know it for seen. Collective over the team;
    // errors of what was seen, LAM_MEMORY, LAM_PEER.
    lam_code (*collect)(const lam_profile_run *run, void *state, int64_t first, int64_t end,
                        lam_error *error);

    // What the layer has of the first `passed` sequences, counted on over the rounds: to be kept,
    // once that was collected, or put back into a layer that has seen nothing. Where the profile
    // buffers, a chunk that it has drained ends there. What it fills of the groups is part of it.
    lam_state (*seen)(const lam_profile_run *run, int64_t layer, void *state, lam_group *groups,
                      int64_t passed);

    // Whether in this run it buffers what it sees, and works on it chunk by chunk; NULL: never.
    // Sequences are known, chunks are not. Other profiles see each sequence once, in the same
    // order, whatever is asked for here.
    bool (*buffers)(const lam_profile_run *run, lam_buffering *asked);

    // Works on what was seen of a chunk, the layer's last one included, to make room for the next.
    // It may fill rows of the groups. What it ticks is not counted: the details alone are shown.
    lam_code (*drain)(const lam_profile_run *run, int64_t layer, void *state, lam_group *groups,
                      const lam_tick *tick, lam_error *error);

    // The layer function: fills the layer's rows of the groups. It works in units, so many a layer
    // in all, for the progress. Collective over the run's team: every member is called, brings what
    // it has seen (jobs/gather.h), and fills the same rows.
    lam_code (*finish)(const lam_profile_run *run, int64_t layer, void *state, lam_group *groups,
                       const lam_tick *tick, lam_arena *arena, lam_error *error);
    int64_t (*units)(const lam_profile_run *run);
    const char *unit; // "rows"

    // What finish leaves to all ranks together, because matrices of it are of order run->distribute
    // or more; both NULL where it never leaves anything, outgrows false where it does not in this
    // run. After all ranks' finish, for every layer that is not kept, on all ranks: state is NULL
    // and groups have no row of the layer but on the one that has it. Every step ends in the grid's
    // agreement, so that all return the same code.
    bool (*outgrows)(const lam_profile_run *run);
    lam_code (*finish_together)(const lam_profile_run *run, int64_t layer, void *state,
                                lam_group *groups, const lam_grid *grid, lam_error *error);

    // What it asks of the model after finish; NULL where it never asks, false where it does not in
    // this run. The layers' states and arenas live until then.
    bool (*intervene)(const lam_profile_run *run, lam_intervention *asked);

    // NULL, or whether what finish writes beside the result could be written; called on every rank
    // before the model runs. LAM_IO names what is in the way.
    lam_code (*check_export)(const lam_profile_run *run, lam_error *error);

    // On rank 0, after collection: variables without a layer, and attributes.
    lam_code (*describe)(const lam_profile_run *run, lam_group *groups, lam_error *error);
} lam_profile;

// Each in a file of its own.
extern const lam_profile lam_profile_attention;
extern const lam_profile lam_profile_heads;
extern const lam_profile lam_profile_rsa;
extern const lam_profile lam_profile_sae;
extern const lam_profile lam_profile_tuning;
extern const lam_profile lam_profile_spectrum;

extern const lam_profile *const lam_profiles[]; // ended by NULL

#endif
