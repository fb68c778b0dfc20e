#include "jobs/keeper.h"

#include "io/run_layer.h"
#include "io/run_state.h"
#include "src/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double clock_now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// What was kept before stays: it may be all there is to go on with.
static void give_up(lam_keeper *k, bool state, const lam_error *why) {
    if (state && k->states)
        fprintf(stderr,
                "laminar: %s; the run goes on, but keeps no more states of what is under way\n",
                why->text);
    else if (!state && !k->told)
        fprintf(stderr, "laminar: %s; the run goes on, but may not keep what it finishes\n",
                why->text);
    if (state)
        k->states = false;
    else
        k->told = true;
}

void lam_keeper_settle(lam_keeper *k) {
    lam_error failed;
    if (k->writer && lam_run_writer_wait(k->writer, &failed) != LAM_OK)
        give_up(k, k->writing_state, &failed);
}

void lam_keeper_create(lam_keeper *k, const lam_run_folder *folder, double interval, bool resumed) {
    lam_error failed;
    *k = (lam_keeper){.folder = folder,
                      .interval = interval,
                      .resumed = resumed,
                      .states = interval > 0,
                      .since = clock_now(),
                      .kept = -1};
    if (lam_run_writer_create(&k->writer, folder, &failed) == LAM_OK) return;
    fprintf(stderr, "laminar: %s; the run goes on, but keeps nothing of its work\n", failed.text);
    k->states = false;
}

void lam_keeper_destroy(lam_keeper *k) {
    const double began = clock_now();
    lam_keeper_settle(k);
    if (k->times)
        lam_log_any(LAM_VERBOSE,
                    "states were kept %lld times, %.1f MB: it held this rank up for %.2f s, and "
                    "%.2f s at its end",
                    (long long)k->times, k->bytes / 1e6, k->held, clock_now() - began);
    lam_run_writer_destroy(k->writer);
    k->writer = NULL;
}

void lam_keeper_layer(lam_keeper *k, const char *profile, int64_t layer, const lam_group *groups,
                      size_t count) {
    lam_run_file file;
    lam_error failed;
    lam_keeper_settle(k);
    if (!k->writer) return;
    if (lam_run_layer_pack(profile, layer, groups, count, &file, &failed) != LAM_OK) {
        give_up(k, false, &failed);
        return;
    }
    k->writing_state = false;
    lam_run_writer_put(k->writer, &file, true);
}

// The least and the greatest of what the owners of blocks say.
static lam_code gather(const lam_state *state, double mine, double *least, double *most,
                       lam_error *error) {
    int64_t first, count;
    double *said = calloc((size_t)state->blocks + 1, sizeof *said);
    if (!said) return lam_fail(error, LAM_MEMORY, "memory to agree on a state was refused");
    state->team->own(state->team, state->blocks, &first, &count);
    for (int64_t i = 0; i < count; i++) said[first + i] = mine;
    lam_code code = state->team->share(state->team, state->blocks, said, 1, error);
    *least = *most = said[0];
    for (int64_t i = 1; i < state->blocks; i++) {
        if (said[i] < *least) *least = said[i];
        if (said[i] > *most) *most = said[i];
    }
    free(said);
    return code;
}

static void tell(const lam_state *state, const char *profile, int64_t layer) {
    int64_t first, count;
    char where[LAM_STATE_TEXT];
    state->team->own(state->team, state->blocks, &first, &count);
    if (first || !count) return;
    state->tell(state->of, where);
    lam_log_any(LAM_NORMAL, "%s, layer %lld goes on at %s", profile, (long long)layer, where);
}

lam_code lam_keeper_restore(lam_keeper *k, const char *profile, int64_t layer, lam_state *state,
                            bool *found, lam_error *error) {
    int64_t mine = INT64_MAX, limit = INT64_MAX;
    double least, most;
    bool good = false;
    *found = false;
    lam_keeper_settle(k); // of the layer before
    k->since = clock_now();
    k->kept = -1;
    lam_run_layer_name(profile, layer, k->name);
    if (!k->resumed) return LAM_OK;
    // Down from the latest position, until all have the same one.
    do {
        for (good = false; !good && mine >= 0;) {
            mine = lam_run_state_latest(k->folder, k->name, limit);
            limit = mine;
            if (mine >= 0)
                LAM_TRY(lam_run_state_load(k->folder, k->name, mine, state, &good, error));
        }
        LAM_TRY(gather(state, (double)mine, &least, &most, error));
        limit = (int64_t)least + 1;
    } while (least < most);
    if (least < 0) return LAM_OK;
    // One without blocks has not been asked.
    if (mine != (int64_t)least)
        LAM_TRY(lam_run_state_load(k->folder, k->name, (int64_t)least, state, &good, error));
    if (!good)
        return lam_fail(error, LAM_IO, "%s: %s of position %lld cannot be read on this rank",
                        k->folder->path, k->name, (long long)least);
    k->kept = (int64_t)least;
    *found = true;
    tell(state, profile, layer);
    return LAM_OK;
}

// Begins to write this rank's blocks of a state; that of position `kept` stays.
static void put(lam_keeper *k, const char *name, int64_t kept, const lam_state *state) {
    lam_run_file file;
    lam_error failed;
    int64_t first, count;
    state->team->own(state->team, state->blocks, &first, &count);
    if (!count || !k->states) return;
    if (lam_run_state_pack(state, name, &file, &failed) != LAM_OK) {
        give_up(k, true, &failed);
        return;
    }
    lam_run_state_remove(k->folder, name, kept, state->position);
    k->writing_state = true;
    k->bytes += (double)file.bytes;
    lam_run_writer_put(k->writer, &file, false);
}

lam_code lam_keeper_state(lam_keeper *k, const lam_state *state, bool now, lam_error *error) {
    enum { CANNOT = -1, NOT_DUE, DUE };
    double least, most;
    if (now) lam_keeper_settle(k);
    bool due = now || (k->states && clock_now() - k->since >= k->interval &&
                       !lam_run_writer_busy(k->writer));
    if (due) lam_keeper_settle(k);
    LAM_TRY(gather(state, !k->states ? CANNOT : due ? DUE : NOT_DUE, &least, &most, error));
    if (least == CANNOT) k->states = false;
    if (least < DUE || state->position == k->kept) return LAM_OK;
    const double began = clock_now();
    put(k, k->name, k->kept, state);
    k->kept = state->position;
    k->since = clock_now();
    k->times++, k->held += k->since - began;
    return LAM_OK;
}

// --- what layers have of the sequences that pass

// All of a generation is to cost one part in so many of the time between two.
enum { SHARE = 50 };

bool lam_keeper_due(lam_keeper *k) {
    const double passed = clock_now() - k->since;
    return k->states && passed >= k->interval && passed >= SHARE * k->spent &&
           !lam_run_writer_busy(k->writer);
}

void lam_keeper_begin_seen(lam_keeper *k) {
    lam_keeper_settle(k);
    k->since = clock_now();
}

void lam_keeper_seen(lam_keeper *k, const char *profile, int64_t layer, int64_t kept,
                     const lam_state *state) {
    char name[LAM_RUN_FILE_NAME];
    lam_run_seen_name(profile, layer, name);
    put(k, name, kept, state);
}

void lam_keeper_end_seen(lam_keeper *k) {
    const double now = clock_now();
    k->spent = now - k->since;
    k->since = now;
    k->times++, k->held += k->spent;
}
