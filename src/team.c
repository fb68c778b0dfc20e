#include "team.h"

#include <string.h>

static void own_all(const lam_team *team, int64_t blocks, int64_t *first, int64_t *count) {
    (void)team;
    *first = 0;
    *count = blocks;
}

// All blocks are one node, the root: its sum is the sum of all.
static lam_code sum_alone(const lam_team *team, int64_t blocks, float *parts, int64_t length,
                          lam_error *error) {
    (void)team, (void)blocks, (void)parts, (void)length, (void)error;
    return LAM_OK;
}

static lam_code share_alone(const lam_team *team, int64_t blocks, double *values, int64_t length,
                            lam_error *error) {
    (void)team, (void)blocks, (void)values, (void)length, (void)error;
    return LAM_OK;
}

static lam_code gather_alone(const lam_team *team, void *data, int64_t parts, const size_t *start,
                             lam_error *error) {
    (void)team, (void)data, (void)parts, (void)start, (void)error;
    return LAM_OK;
}

static lam_code any_alone(const lam_team *team, bool *flag, lam_error *error) {
    (void)team, (void)flag, (void)error;
    return LAM_OK;
}

static lam_code close_alone(const lam_team *team, lam_code code, lam_error *error) {
    (void)team, (void)error;
    return code;
}

const lam_team lam_team_alone = {.members = 1,
                                 .own = own_all,
                                 .sum = sum_alone,
                                 .share = share_alone,
                                 .gather = gather_alone,
                                 .any = any_alone,
                                 .close = close_alone};

lam_code lam_team_starts(const lam_team *team, size_t mine, size_t **start, lam_arena *arena,
                         lam_error *error) {
    size_t *place, *length;
    LAM_ALLOC(place, arena, team->members + 1, error);
    LAM_ALLOC(*start, arena, team->members + 1, error);
    for (int m = 0; m <= team->members; m++) place[m] = (size_t)m * sizeof *place;
    length = *start + 1;
    length[team->member] = mine;
    LAM_TRY(team->gather(team, length, team->members, place, error));
    for (int m = 0; m < team->members; m++) length[m] += (*start)[m];
    return LAM_OK;
}

lam_code lam_team_add(const lam_team *team, int64_t *value, int64_t count, lam_arena *arena,
                      lam_error *error) {
    int64_t *all; // [members, count]
    size_t *start;
    LAM_ALLOC(all, arena, team->members * count, error);
    LAM_TRY(lam_team_starts(team, (size_t)count * sizeof *all, &start, arena, error));
    memcpy(all + team->member * count, value, (size_t)count * sizeof *all);
    LAM_TRY(team->gather(team, all, team->members, start, error));
    for (int64_t i = 0; i < count; i++) value[i] = 0;
    for (int64_t i = 0; i < team->members * count; i++) value[i % count] += all[i];
    return LAM_OK;
}

int64_t lam_team_nodes(int64_t blocks, int64_t first, int64_t count,
                       lam_team_node nodes[LAM_TEAM_NODES]) {
    int64_t found = 0, end = first + count;
    while (first < end) {
        // Grow as long as the node starts where one of twice the size does, and lies in the run.
        int64_t size = 1;
        while (first % (2 * size) == 0 && size < blocks - first &&
               (first + 2 * size <= end || end == blocks))
            size *= 2;
        int64_t covered = size < end - first ? size : end - first;
        nodes[found++] = (lam_team_node){first, covered};
        first += covered;
    }
    return found;
}
