#include "layout.h"

int lam_layout_active(const lam_layout *layout) {
    return layout->ranks < layout->layers ? layout->ranks : (int)layout->layers;
}

int64_t lam_layout_first(const lam_layout *layout, int rank) {
    int active = lam_layout_active(layout);
    if (rank >= active) return layout->layers;
    int64_t each = layout->layers / active, rest = layout->layers % active;
    return each * rank + (rank < rest ? rank : rest);
}

int64_t lam_layout_count(const lam_layout *layout, int rank) {
    return lam_layout_first(layout, rank + 1) - lam_layout_first(layout, rank);
}

int lam_layout_owner(const lam_layout *layout, int64_t layer) {
    int rank = 0;
    while (lam_layout_first(layout, rank + 1) <= layer) rank++;
    return rank;
}
