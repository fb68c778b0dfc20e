#include "io/run_layer.h"
#include "jobs/gather.h"
#include "jobs/intervene.h"
#include "jobs/run_state.h"
#include "jobs/together.h"
#include "mpi/collect.h"
#include "src/stop.h"

#include <stdio.h>
#include <string.h>

lam_code lam_run_make_groups(lam_run_state *r, lam_part *part) {
    lam_profile_group groups[MAX_GROUPS];
    LAM_TRY(part->run.profile->groups(&part->run, groups, MAX_GROUPS, &part->group_count, &r->arena,
                                      r->error));
    for (size_t g = 0; g < part->group_count; g++) {
        lam_dimension *dimensions;
        size_t count = groups[g].dimension_count;
        part->written_count += !groups[g].unwritten;
        LAM_ALLOC(dimensions, &r->arena, count + 3, r->error);
        memcpy(dimensions, groups[g].dimensions, count * sizeof *dimensions);
        dimensions[count++] = (lam_dimension){"layer", r->config->layers};
        dimensions[count++] = (lam_dimension){"head", r->config->heads};
        dimensions[count++] = (lam_dimension){"component", 3};
        LAM_TRY(lam_group_create(&part->mine[g], groups[g].name, groups[g].variables, dimensions,
                                 count, r->first_layer, r->layer_count, &r->arena, r->error));
        if (r->comm->rank == 0)
            LAM_TRY(lam_group_create(&part->whole[g], groups[g].name, groups[g].variables,
                                     dimensions, count, 0, r->config->layers, &r->arena, r->error));
    }
    return LAM_OK;
}

// Makes a profile's groups, and finds what an earlier run finished of this rank's layers. What a
// profile asks of the model afterwards needs all its layers anew.
static lam_code open_part(lam_run_state *r, lam_part *part) {
    part->outgrows = part->run.profile->outgrows && part->run.profile->outgrows(&part->run);
    LAM_TRY(lam_memory_check(&r->memory, &part->run, r->layer_count, r->error));
    LAM_TRY(lam_run_make_groups(r, part));
    LAM_ALLOC(part->state, &r->arena, r->layer_count, r->error);
    LAM_ALLOC(part->layer_arena, &r->arena, r->layer_count, r->error);
    LAM_ALLOC(part->kept, &r->arena, r->layer_count, r->error);
    for (int64_t l = 0; l < r->layer_count && r->leads; l++)
        if (r->resumed && !part->intervenes)
            LAM_TRY(lam_run_layer_load(&r->folder, part->run.profile->name, r->first_layer + l,
                                       part->mine, part->group_count, &part->kept[l], r->error));
    return LAM_OK;
}

// Makes what one profile keeps of the layers that are not finished, on all members alike.
static lam_code begin_part(lam_run_state *r, lam_part *part) {
    const size_t kept[] = {0, (size_t)r->layer_count * sizeof *part->kept};
    LAM_TRY(r->team.gather(&r->team, part->kept, 1, kept, r->error));
    for (int64_t l = 0; l < r->layer_count; l++)
        if (!part->kept[l])
            LAM_TRY(part->run.profile->begin(&part->run, r->first_layer + l, &part->layer_arena[l],
                                             &part->state[l], r->error));
    return LAM_OK;
}

static lam_code open_layers(lam_run_state *r) {
    LAM_ALLOC(r->rounds, &r->arena, r->pass_count, r->error);
    LAM_ALLOC(r->passed, &r->arena, r->pass_count, r->error);
    r->memory = lam_memory_of(r->comm);
    for (size_t i = 0; i < r->part_count; i++) LAM_TRY(open_part(r, &r->part[i]));
    return LAM_OK;
}

// Collective.
static lam_code begin_layers(lam_run_state *r) {
    lam_code code = LAM_OK;
    for (size_t i = 0; i < r->part_count && code == LAM_OK; i++) code = begin_part(r, &r->part[i]);
    return r->team.close(&r->team, code, r->error);
}

lam_code lam_run_end_stage(lam_run_state *r, const char *stage, lam_code code) {
    lam_error broken;
    if (code == LAM_PEER) return code;
    if (lam_progress_end(r->progress, lam_seconds_of(&r->seconds, stage), &broken) != LAM_OK &&
        code == LAM_OK)
        *r->error = broken, code = broken.code;
    LAM_TRY(lam_comm_agree(r->comm, code, r->error));
    lam_progress_report(r->progress);
    return LAM_OK;
}

typedef struct lam_layer_tick {
    lam_progress *progress;
    lam_keeper *keeper;
    const char *profile;
    int64_t layer;
    bool leads;
} lam_layer_tick;

static bool tick_units(void *user, int64_t units, const char *detail) {
    const lam_layer_tick *tick = user;
    lam_progress_add(tick->progress, tick->leads ? units : 0, "layer %lld, %s",
                     (long long)tick->layer, detail);
    return !lam_stop_asked();
}

static lam_code tick_restore(void *user, lam_state *state, bool *found, lam_error *error) {
    const lam_layer_tick *tick = user;
    return lam_keeper_restore(tick->keeper, tick->profile, tick->layer, state, found, error);
}

static lam_code tick_keep(void *user, const lam_state *state, bool now, lam_error *error) {
    const lam_layer_tick *tick = user;
    if (now) lam_stop_busy(false);
    return lam_keeper_state(tick->keeper, state, now, error);
}

// The layer function of one profile over this rank's layers.
static lam_code finish_layers(lam_run_state *r, lam_part *part) {
    for (int64_t l = 0; l < r->layer_count; l++) {
        lam_layer_tick at = {r->progress, &r->keeper, part->run.profile->name, r->first_layer + l,
                             r->leads};
        if (part->kept[l]) {
            tick_units(&at, part->run.profile->units(&part->run), "kept");
            continue;
        }
        lam_tick tick = {tick_units, tick_restore, tick_keep, &at};
        lam_stop_busy(true);
        lam_code code = part->run.profile->finish(&part->run, at.layer, part->state[l], part->mine,
                                                  &tick, &part->layer_arena[l], r->error);
        lam_stop_busy(false);
        if (r->team.close(&r->team, code, r->error) != LAM_OK)
            return lam_fail_within(r->error, "%s, layer %lld", part->run.profile->name,
                                   (long long)at.layer);
        if (part->intervenes || part->outgrows) continue;
        lam_arena_destroy(&part->layer_arena[l]);
        if (r->leads)
            lam_keeper_layer(&r->keeper, at.profile, at.layer, part->mine, part->group_count);
    }
    return LAM_OK;
}

typedef struct lam_shared_part {
    lam_run_state *run;
    lam_part *part;
} lam_shared_part;

static void end_shared_layer(void *user, int64_t layer) {
    const lam_shared_part *shared = user;
    if (shared->part->intervenes) return;
    lam_arena_destroy(&shared->part->layer_arena[layer - shared->run->first_layer]);
    if (shared->run->leads)
        lam_keeper_layer(&shared->run->keeper, shared->part->run.profile->name, layer,
                         shared->part->mine, shared->part->group_count);
    lam_progress_add(shared->run->progress, shared->run->leads, "layer %lld", (long long)layer);
}

// Collective: what the layer functions left to all ranks.
static lam_code work_together(lam_run_state *r, lam_part *part) {
    if (!part->outgrows) return LAM_OK;
    lam_shared_part shared = {r, part};
    lam_together_request request = {.comm = r->comm,
                                    .layout = &r->layout,
                                    .run = &part->run,
                                    .state = part->state,
                                    .kept = part->kept,
                                    .groups = part->mine,
                                    .done = end_shared_layer,
                                    .user = &shared};
    lam_progress_begin(r->progress, "shared matrices", "layers", r->config->layers, 1);
    return lam_run_end_stage(r, "shared_matrices", lam_together(&request, r->error));
}

static void tick_changed(void *user, int64_t steps, int64_t layer) {
    lam_progress_add(user, steps, "layer %lld changed", (long long)layer);
}

// Collective: what the profile asks of the changed model.
static lam_code intervene(lam_run_state *r, lam_part *part) {
    if (!part->intervenes) return LAM_OK;
    lam_intervene_request request = {.comm = r->comm,
                                     .layout = &r->layout,
                                     .checkpoint = r->checkpoint,
                                     .run = &part->run,
                                     .asked = &part->asked,
                                     .state = part->state,
                                     .groups = part->mine,
                                     .tick = tick_changed,
                                     .user = r->progress};
    lam_progress_begin(r->progress, "interventions", "tokens", lam_intervene_steps(&request),
                       lam_intervene_steps_each(&request));
    lam_keeper_settle(&r->keeper); // so that its memory does not come on top by chance
    lam_code code = lam_intervene(&request, r->error);
    for (int64_t l = 0; l < r->layer_count; l++) lam_arena_destroy(&part->layer_arena[l]);
    return lam_run_end_stage(r, "interventions", code);
}

// Collective: all layer functions of one profile, then its rows to rank 0.
static lam_code analyse(lam_run_state *r, lam_part *part) {
    const lam_profile *profile = part->run.profile;
    lam_progress_begin(r->progress, profile->name, profile->unit,
                       profile->units(&part->run) * r->config->layers, 1);
    lam_code code = finish_layers(r, part);
    LAM_TRY(lam_run_end_stage(r, profile->name, code));
    LAM_TRY(work_together(r, part));
    LAM_TRY(intervene(r, part));
    for (size_t g = 0; g < part->group_count; g++)
        LAM_TRY(lam_collect_group(r->comm, &r->layout, &part->mine[g], &part->whole[g], r->error));
    return LAM_OK;
}

lam_code lam_run_layers(lam_run_state *r) {
    LAM_TRY(lam_comm_agree(r->comm, open_layers(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, begin_layers(r), r->error));
    LAM_TRY(lam_run_forward(r));
    for (size_t i = 0; i < r->part_count; i++)
        LAM_TRY(lam_comm_agree(r->comm, analyse(r, &r->part[i]), r->error));
    return LAM_OK;
}
