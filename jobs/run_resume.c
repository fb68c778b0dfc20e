#include "jobs/run_resume.h"

#include "io/run_layer.h"
#include "io/run_state.h"
#include "src/log.h"

#include <stdio.h>

// Whether a layer still needs a pass.
static bool needs(const lam_part *part, size_t pass, int64_t layer) {
    return part->pass == pass && !part->kept[layer];
}

bool lam_run_needs(const lam_run_state *r, size_t pass) {
    for (size_t i = 0; i < r->part_count; i++)
        for (int64_t l = 0; l < r->layer_count; l++)
            if (needs(&r->part[i], pass, l)) return true;
    return false;
}

static lam_state state_of(const lam_run_state *r, lam_part *part, int64_t l, int64_t passed) {
    return part->run.profile->seen(&part->run, r->first_layer + l, part->state[l], part->mine,
                                   passed);
}

// --- to keep

// A team's members bring together what they have seen since the last time.
static lam_code collect(lam_run_state *r, size_t pass, int64_t from, int64_t to) {
    const int64_t count = r->passes[pass].count;
    const int64_t first = from < count ? from : count, end = to < count ? to : count;
    for (size_t i = 0; i < r->part_count; i++)
        for (int64_t l = 0; l < r->layer_count; l++) {
            lam_part *part = &r->part[i];
            if (needs(part, pass, l) && part->run.profile->collect(&part->run, part->state[l],
                                                                   first, end, r->error) != LAM_OK)
                return lam_fail_within(r->error, "%s, layer %lld", part->run.profile->name,
                                       (long long)(r->first_layer + l));
        }
    return LAM_OK;
}

lam_code lam_run_keep_pass(lam_run_state *r, size_t pass, int64_t kept) {
    lam_keeper_begin_seen(&r->keeper);
    const lam_code code = collect(r, pass, kept > 0 ? kept : 0, r->passed[pass]);
    LAM_TRY(r->team.close(&r->team, code, r->error));
    for (size_t i = 0; i < r->part_count; i++)
        for (int64_t l = 0; l < r->layer_count; l++) {
            lam_part *part = &r->part[i];
            if (!needs(part, pass, l)) continue;
            const lam_state state = state_of(r, part, l, r->passed[pass]);
            lam_keeper_seen(&r->keeper, part->run.profile->name, r->first_layer + l, kept, &state);
        }
    lam_keeper_end_seen(&r->keeper);
    return LAM_OK;
}

// --- to go on

// The latest position below limit of which there are files of all of this rank's layers; -1: none.
static int64_t latest_of_all(const lam_run_state *r, size_t pass, int64_t limit) {
    char name[LAM_RUN_FILE_NAME];
    int64_t all = limit - 1;
    for (bool same = false; !same && all >= 0;) {
        same = true;
        for (size_t i = 0; i < r->part_count; i++)
            for (int64_t l = 0; l < r->layer_count && all >= 0; l++) {
                if (!needs(&r->part[i], pass, l)) continue;
                lam_run_seen_name(r->part[i].run.profile->name, r->first_layer + l, name);
                const int64_t latest = lam_run_state_latest(&r->folder, name, all + 1);
                if (latest < all) all = latest, same = false;
            }
    }
    return all;
}

// This rank's layers have seen nothing again.
static lam_code begin_anew(lam_run_state *r, size_t pass) {
    for (size_t i = 0; i < r->part_count; i++)
        for (int64_t l = 0; l < r->layer_count; l++) {
            lam_part *part = &r->part[i];
            if (!needs(part, pass, l)) continue;
            lam_arena_destroy(&part->layer_arena[l]);
            LAM_TRY(part->run.profile->begin(&part->run, r->first_layer + l, &part->layer_arena[l],
                                             &part->state[l], r->error));
        }
    return LAM_OK;
}

// Puts all of this rank's layers to that position; *good: they are there.
static lam_code load(lam_run_state *r, size_t pass, int64_t position, bool *good) {
    char name[LAM_RUN_FILE_NAME];
    *good = true;
    LAM_TRY(begin_anew(r, pass)); // a state tells nothing of what passes behind it
    for (size_t i = 0; i < r->part_count; i++)
        for (int64_t l = 0; l < r->layer_count && *good; l++) {
            lam_part *part = &r->part[i];
            if (!needs(part, pass, l)) continue;
            lam_state state = state_of(r, part, l, position);
            lam_run_seen_name(part->run.profile->name, r->first_layer + l, name);
            LAM_TRY(lam_run_state_load(&r->folder, name, position, &state, good, r->error));
        }
    return LAM_OK;
}

// The latest position below limit to which this rank's layers were put; -1: there is none.
static lam_code load_latest(lam_run_state *r, size_t pass, int64_t limit, int64_t *position) {
    bool good = false;
    for (*position = limit; !good && *position >= 0;) {
        *position = latest_of_all(r, pass, *position);
        if (*position >= 0) LAM_TRY(load(r, pass, *position, &good));
    }
    return LAM_OK;
}

static void tell(const lam_run_state *r, size_t pass) {
    char names[128] = "";
    size_t length = 0;
    if (r->comm->rank != 0) return;
    for (size_t i = 0; i < r->part_count && length < sizeof names; i++)
        if (r->part[i].pass == pass)
            length += (size_t)snprintf(names + length, sizeof names - length, "%s%s",
                                       length ? ", " : "", r->part[i].run.profile->name);
    const int64_t all = r->rounds[pass] * r->passes[pass].count;
    if (r->passed[pass] < all)
        lam_log(LAM_NORMAL, "the forward pass of %s goes on behind sequence %lld of %lld", names,
                (long long)r->passed[pass], (long long)all);
    else
        lam_log(LAM_NORMAL, "the forward pass of %s is kept whole", names);
}

lam_code lam_run_resume_pass(lam_run_state *r, size_t pass) {
    enum { NONE = -1 };
    const bool takes_part = lam_run_needs(r, pass);
    int64_t mine = INT64_MAX, ends[2] = {INT64_MAX}, limit = INT64_MAX; // least, - most
    lam_code code = LAM_OK;
    // Down from the latest position, until all have the same one.
    do {
        if (takes_part) code = load_latest(r, pass, limit, &mine);
        LAM_TRY(lam_comm_agree(r->comm, code, r->error));
        ends[0] = mine, ends[1] = takes_part ? -mine : INT64_MAX;
        LAM_TRY(
            lam_comm_check(MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_INT64_T, MPI_MIN, r->comm->mpi),
                           "agreeing on what is kept", r->error));
        limit = ends[0] + 1;
    } while (ends[0] < -ends[1]);
    if (ends[0] == NONE && takes_part) code = begin_anew(r, pass);
    LAM_TRY(lam_comm_agree(r->comm, r->team.close(&r->team, code, r->error), r->error));
    r->passed[pass] = ends[0] == NONE ? 0 : ends[0];
    if (r->passed[pass]) tell(r, pass);
    return LAM_OK;
}
