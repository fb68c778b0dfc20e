#include "layout.h"

#include <math.h>
#include <stdbool.h>

// The first few layers, over the first few teams.
typedef struct lam_split {
    double most, squares; // of the teams' costs: the largest, the sum of squares
    int64_t last;         // layers of the last of these teams; 0: there is no such split
} lam_split;

static bool is_better(const lam_split *a, const lam_split *b) {
    const double rounding = 1e-9;
    if (b->last == 0) return true;
    if (fabs(a->most - b->most) > rounding * b->most) return a->most < b->most;
    return a->squares < b->squares * (1 - rounding);
}

// The best split of layers 0 .. end - 1 by one team more than those of before [end + 1]; of equal
// ones that with the smallest last team. up_to [end + 1]: what the layers before each cost.
static lam_split extend(const lam_split *before, const double *up_to, int64_t end) {
    lam_split best = {0};
    for (int64_t last = 1; last <= end; last++) {
        const lam_split *rest = &before[end - last];
        const double cost = up_to[end] - up_to[end - last];
        const lam_split split = {fmax(rest->most, cost), rest->squares + cost * cost, last};
        if (rest->last > 0 && is_better(&split, &best)) best = split;
    }
    return best;
}

static lam_code split_layers(lam_layout *layout, const double *up_to, lam_arena *scratch,
                             lam_error *error) {
    const int64_t layers = layout->layers, columns = layers + 1;
    lam_split *split; // [teams + 1, layers + 1]
    LAM_ALLOC(split, scratch, (layout->teams + 1) * columns, error);
    split[0].last = 1; // nothing over no teams is a split
    for (int64_t t = 1; t <= layout->teams; t++)
        for (int64_t end = t; end <= layers; end++)
            split[t * columns + end] = extend(split + (t - 1) * columns, up_to, end);
    layout->layer[layout->teams] = layers;
    for (int64_t t = layout->teams; t > 0; t--)
        layout->layer[t - 1] = layout->layer[t] - split[t * columns + layout->layer[t]].last;
    return LAM_OK;
}

static lam_code fill_teams(lam_layout *layout, const double *up_to, lam_arena *scratch,
                           lam_error *error) {
    int *members;
    LAM_ALLOC(members, scratch, layout->teams, error);
    for (int t = 0; t < layout->teams; t++) members[t] = 1;
    for (int more = layout->ranks - layout->teams; more > 0; more--) {
        int busiest = 0;
        double most = 0;
        for (int t = 0; t < layout->teams; t++) {
            const double each =
                (up_to[layout->layer[t + 1]] - up_to[layout->layer[t]]) / members[t];
            if (each > most * (1 + 1e-9)) most = each, busiest = t;
        }
        members[busiest]++;
    }
    for (int t = 0; t < layout->teams; t++) layout->lead[t + 1] = layout->lead[t] + members[t];
    return LAM_OK;
}

static lam_code lay_out(lam_layout *layout, const double *cost, lam_arena *scratch,
                        lam_error *error) {
    double *up_to;
    LAM_ALLOC(up_to, scratch, layout->layers + 1, error);
    for (int64_t l = 0; l < layout->layers; l++) up_to[l + 1] = up_to[l] + (cost ? cost[l] : 1);
    LAM_TRY(split_layers(layout, up_to, scratch, error));
    return fill_teams(layout, up_to, scratch, error);
}

lam_code lam_layout_create(lam_layout *layout, int64_t layers, int ranks, const double *cost,
                           lam_arena *arena, lam_error *error) {
    *layout = (lam_layout){
        .layers = layers, .ranks = ranks, .teams = ranks < layers ? ranks : (int)layers};
    LAM_ALLOC(layout->layer, arena, layout->teams + 1, error);
    LAM_ALLOC(layout->lead, arena, layout->teams + 1, error);
    lam_arena scratch = {0};
    const lam_code code = lay_out(layout, cost, &scratch, error);
    lam_arena_destroy(&scratch);
    return code;
}

lam_place lam_layout_place(const lam_layout *layout, int rank) {
    int team = 0;
    while (layout->lead[team + 1] <= rank) team++;
    return (lam_place){.team = team,
                       .member = rank - layout->lead[team],
                       .members = layout->lead[team + 1] - layout->lead[team],
                       .first_layer = layout->layer[team],
                       .layer_count = layout->layer[team + 1] - layout->layer[team]};
}

int lam_layout_owner(const lam_layout *layout, int64_t layer) {
    int team = 0;
    while (layout->layer[team + 1] <= layer) team++;
    return team;
}

int lam_layout_worker(const lam_layout *layout, int team, int64_t batch) {
    const int members = layout->lead[team + 1] - layout->lead[team];
    return layout->lead[team] + (int)(batch % members);
}
