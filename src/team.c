#include "team.h"

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

const lam_team lam_team_alone = {own_all, sum_alone, share_alone, 0};

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
