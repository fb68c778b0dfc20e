#include "jobs/together.h"

#include "mpi/grid.h"
#include "src/stop.h"

enum {
    BLOCK = 64
}; // rows and columns that a rank is dealt at once: what a product takes in one go

// One layer, of the team that has it, for which its lead stands.
static lam_code finish_layer(const lam_together_request *q, lam_mpi_grid *grid, int64_t layer,
                             lam_error *error) {
    const lam_place place = lam_layout_place(q->layout, q->comm->rank);
    const int64_t own = layer - place.first_layer;
    const bool has = own >= 0 && own < place.layer_count, mine = has && place.member == 0;
    grid->source = q->layout->lead[lam_layout_owner(q->layout, layer)];
    bool kept = mine && q->kept[own];
    LAM_TRY(lam_comm_broadcast(q->comm, &kept, sizeof kept, grid->source, error));
    if (kept) return LAM_OK;
    LAM_TRY(lam_comm_agree(q->comm, lam_stop_check(error), error));
    lam_stop_busy(true); // all ranks at once
    const lam_code code = q->run->profile->finish_together(
        q->run, layer, mine ? q->state[own] : NULL, q->groups, &grid->grid, error);
    lam_stop_busy(false);
    if (code != LAM_OK)
        return lam_fail_within(error, "%s, layer %lld", q->run->profile->name, (long long)layer);
    if (has && q->done) q->done(q->user, layer);
    return LAM_OK;
}

lam_code lam_together(const lam_together_request *request, lam_error *error) {
    lam_mpi_grid grid;
    lam_mpi_grid_create(&grid, request->comm, 0, BLOCK);
    lam_code code = LAM_OK;
    for (int64_t layer = 0; layer < request->layout->layers && code == LAM_OK; layer++)
        code = lam_comm_agree(request->comm, finish_layer(request, &grid, layer, error), error);
    lam_mpi_grid_destroy(&grid);
    return code;
}

lam_code lam_together_describe(lam_group *group, const char *variables, lam_error *error) {
    if (!*variables) return LAM_OK;
    LAM_TRY(lam_group_text(group, "distributed", variables, error));
    LAM_TRY(lam_group_text(group, "distributed_by", "ScaLAPACK over all ranks", error));
    return lam_group_number(group, "distributed_tolerance", LAM_TOGETHER_TOLERANCE, false, error);
}
