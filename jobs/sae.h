// What the files of the profile of sparse autoencoders share: its options, what a layer keeps, and
// the training.
#ifndef LAM_SAE_H
#define LAM_SAE_H

#include "jobs/profile.h"
#include "jobs/sae_kinds.h"
#include "jobs/sae_splice.h"
#include "src/autoencoder.h"
#include "src/autoencoder_state.h"

typedef struct sae_options {
    int site; // index into site_choices
    int64_t latents, epochs, batch, buffer, splice;
    double learning_rate;
    sae_kinds kinds;
    const char *export; // folder; NULL: nothing is exported
} sae_options;

// What a layer keeps.
typedef struct sae_layer {
    sae_rows rows; // of all sequences, or of the chunk that passes
    // Where rows come in chunks: the autoencoder that is trained on them, without memory to work
    // in, and how often it was. It lives in the layer's arena.
    lam_autoencoder *autoencoder;
    lam_autoencoder_curves curves;
    int64_t drained;
    // To be kept.
    const lam_profile_run *run;
    lam_training training;
    lam_state trained;
    int64_t seen; // sequences, in all rounds
} sae_layer;

static inline const sae_options *sae_options_of(const lam_profile_run *run) {
    return run->options;
}

static inline bool sae_published(const lam_profile_run *run) {
    return run->mode == LAM_PUBLISHED;
}

// The first token sees only itself, in every text alike: standard mode leaves it out.
static inline int64_t sae_dropped(const lam_profile_run *run) {
    return sae_published(run) ? 0 : 1;
}

lam_site sae_site(const lam_profile_run *run);

// Rows of sequences first .. end - 1; of all; and of the chunk that a layer has at hand last.
int64_t sae_row_count(const lam_profile_run *run, int64_t first, int64_t end);
int64_t sae_all_rows(const lam_profile_run *run);
int64_t sae_last_rows(const lam_profile_run *run);

// Rows of the largest chunk.
int64_t sae_most_rows(const lam_profile_run *run);

// Options of a standard training, once all that the program fills in is known.
lam_autoencoder_options sae_training_options(const lam_profile_run *run);

// Makes the group's rows the layer's curves; what else these hold stays.
void sae_point_curves(sae_layer *layer, lam_group *group, int64_t number);

// As the profile's functions of those names (jobs/profile.h). Where rows come in chunks, begin
// makes the autoencoder, drain trains it on a chunk's rows, and finish measures it on the last
// chunk's; else finish does all.
LAM_CHECKED lam_code sae_begin(const lam_profile_run *run, int64_t layer, lam_arena *arena,
                               void **state, lam_error *error);
LAM_CHECKED lam_code sae_drain(const lam_profile_run *run, int64_t layer, void *state,
                               lam_group *group, const lam_tick *tick, lam_error *error);
LAM_CHECKED lam_code sae_collect(const lam_profile_run *run, void *state, int64_t first,
                                 int64_t end, lam_error *error);
lam_state sae_seen(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                   int64_t passed);
LAM_CHECKED lam_code sae_finish(const lam_profile_run *run, int64_t layer, void *state,
                                lam_group *group, const lam_tick *tick, lam_arena *arena,
                                lam_error *error);
void sae_cost(const lam_profile_run *run, lam_profile_cost *cost);
LAM_CHECKED lam_code sae_check_export(const lam_profile_run *run, lam_error *error);

#endif
