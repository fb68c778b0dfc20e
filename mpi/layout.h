// Which rank owns which layers: contiguous slices, as even as can be; ranks beyond the layers own
// none.
#ifndef LAM_LAYOUT_H
#define LAM_LAYOUT_H

#include <stdint.h>

typedef struct lam_layout {
    int64_t layers;
    int ranks;
} lam_layout;

// Ranks that own layers: 0 .. lam_layout_active - 1.
int lam_layout_active(const lam_layout *layout);

// The first layer of a rank; that of rank ranks is the number of layers. Later ranks, which wait
// longest for their first activations, get the smaller slices.
int64_t lam_layout_first(const lam_layout *layout, int rank);

// Layers of a rank.
int64_t lam_layout_count(const lam_layout *layout, int rank);

// The rank that owns a layer.
int lam_layout_owner(const lam_layout *layout, int64_t layer);

#endif
