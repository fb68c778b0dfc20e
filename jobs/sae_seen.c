// What a layer's autoencoder has of the sequences that have passed: their rows or, where they come
// in chunks, what it has learnt of those.
#include "jobs/gather.h"
#include "jobs/sae.h"

// Where rows come in chunks, drain has brought them to all; but those that are spliced stay.
lam_code sae_collect(const lam_profile_run *run, void *state, int64_t first, int64_t end,
                     lam_error *error) {
    const sae_layer *l = state;
    const sae_rows *rows = &l->rows;
    const size_t size = (size_t)rows->width * sizeof *rows->row;
    if (l->autoencoder)
        return lam_gather_tokens(run, rows->skip, 0, sae_options_of(run)->splice, rows->spliced,
                                 size, error);
    return lam_gather_tokens(run, rows->skip, first, end,
                             rows->row + sae_row_count(run, 0, first) * rows->width, size, error);
}

static void move_rows(lam_state_cursor *cursor, const sae_layer *l, float *row, int64_t count) {
    lam_state_move(cursor, row, (size_t)(count * l->rows.width) * sizeof *row);
}

static size_t copy_rows(void *of, int64_t block, char *bytes, bool back) {
    const sae_layer *l = of;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    if (block == LAM_STATE_COMMON)
        move_rows(&cursor, l, l->rows.row, sae_row_count(l->run, 0, l->seen));
    return cursor.at;
}

// The last chunk's rows are those that will be measured.
static size_t copy_trained(void *of, int64_t block, char *bytes, bool back) {
    sae_layer *l = of;
    const lam_profile_run *run = l->run;
    const sae_options *o = sae_options_of(run);
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    cursor.at = l->trained.copy(l->trained.of, block, bytes, back);
    if (block != LAM_STATE_COMMON) return cursor.at;
    lam_state_move(&cursor, &l->curves.status, sizeof l->curves.status);
    move_rows(&cursor, l, l->rows.spliced, sae_row_count(run, 0, o->splice));
    if (l->drained == o->epochs * run->chunks->count)
        move_rows(&cursor, l, l->rows.row, sae_last_rows(run));
    return cursor.at;
}

// Chunks that end with the first so many sequences of all rounds.
static int64_t chunks_before(const lam_profile_run *run, int64_t sequences) {
    const lam_chunks *chunks = run->chunks;
    const int64_t rest = sequences % run->sequences->count;
    int64_t chunk = 0;
    while (chunks->first[chunk] < rest) chunk++;
    return sequences / run->sequences->count * chunks->count + chunk;
}

lam_state sae_seen(const lam_profile_run *run, int64_t layer, void *state, lam_group *group,
                   int64_t passed) {
    sae_layer *l = state;
    if (!l->autoencoder) {
        l->seen = lam_seen_sequences(run, passed);
        return lam_gathered_state(run, passed, copy_rows, l);
    }
    l->drained = chunks_before(run, passed);
    l->rows.count = sae_last_rows(run); // of use where it was the last
    sae_point_curves(l, group, layer);
    l->training = (lam_training){.autoencoder = l->autoencoder, .curves = &l->curves};
    l->trained = lam_training_state(&l->training);
    lam_state seen = l->trained;
    seen.position = passed;
    seen.copy = copy_trained;
    seen.of = l;
    return seen;
}
