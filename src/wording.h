// Words for messages: the nearest known name to a mistyped one, and excerpts of what was given.
#ifndef LAM_WORDING_H
#define LAM_WORDING_H

#include <stddef.h>

// Starts as {.wanted = the mistyped name}; known names are then offered one by one. Nearness is the
// Damerau-Levenshtein distance (optimal string alignment: insertions, deletions, substitutions and
// swaps of neighbours), blind to case and to '-' for '_'; names are near within a third of their
// length. Names are kept by reference.
typedef struct lam_nearest {
    const char *wanted;
    const char *name; // the nearest offered so far, the first of equals; NULL: none is near
    size_t distance;
} lam_nearest;

void lam_nearest_offer(lam_nearest *nearest, const char *name);

enum { LAM_HINT_ROOM = 96, LAM_EXCERPT_ROOM = 64 };

// " (nearest: 'name')", or "" where none is near.
typedef struct lam_hint {
    char text[LAM_HINT_ROOM];
} lam_hint;
lam_hint lam_nearest_hint(const lam_nearest *nearest);

// The beginning of a text that may be of any length, cut between characters, "..." where it is cut.
typedef struct lam_excerpt {
    char text[LAM_EXCERPT_ROOM];
} lam_excerpt;
lam_excerpt lam_excerpt_of(const char *text);

#endif
