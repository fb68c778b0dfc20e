// Counts of numbers of any magnitude, in one pass: bins as fine as a given number of them allows.
//
// A single-precision number's bits, mapped so that they grow with its value, are its key; a bin is
// a key without its last `level` bits. Bins begin as single values and are joined in pairs, all of
// them, whenever there are too many: the level is the smallest at which the values take no more
// bins than allowed. That, the counts and the sums of the keys' lost bits are integers that depend
// on the values alone: any order, and any split over calls, gives the same bits. Bins are narrow
// where values are small or few and lie close together, as attention weights do.
#ifndef LAM_HISTOGRAM_H
#define LAM_HISTOGRAM_H

#include "arena.h"
#include "sample.h"
#include "state.h"
#include "team.h"

#include <stdbool.h>
#include <stdint.h>

// The sum of the lost bits gives the exact mean of a bin: within one, values are linear in keys.
typedef struct lam_bin {
    int64_t count, offset; // values; the sum of their keys' lost bits
    uint32_t key;
} lam_bin;

enum {
    LAM_FEWEST_BINS = 512, // what signs and exponents alone may take
    LAM_DEFAULT_BINS = 1 << 16,
};

typedef struct lam_histogram {
    lam_bin *bin; // [room], by key
    int64_t bins, room;
    int64_t most; // bins kept; INT64_MAX: every value has its own
    int level;
    uint32_t *pending; // [pending_room] keys that are not in bins yet
    int64_t pending_count, pending_room;
    int64_t count;
    uint32_t lowest, highest; // keys
    lam_arena *arena;
} lam_histogram;

// Makes *histogram, owned by arena, for at most so many bins (LAM_FEWEST_BINS or more), or exact:
// then memory grows with the number of different values. LAM_MEMORY.
LAM_CHECKED lam_code lam_histogram_create(lam_histogram *histogram, int64_t most, bool exact,
                                          lam_arena *arena, lam_error *error);

// Bytes that a histogram of so many values, all different, fills of what it is given: its room for
// more is never touched.
double lam_histogram_bytes(double values, bool exact);

// Adds value [count], which must be finite. From one thread at a time. LAM_MEMORY.
LAM_CHECKED lam_code lam_histogram_add(lam_histogram *histogram, const float *value, int64_t count,
                                       lam_error *error);

// The histogram of what the members of a team have added to theirs, on all of them. Collective.
// LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_histogram_join(lam_histogram *histogram, const lam_team *team,
                                        lam_arena *arena, lam_error *error);

// The same on the team's first member alone; the others' are empty then, to go on with. Collective.
// LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_histogram_collect(lam_histogram *histogram, const lam_team *team,
                                           lam_error *error);

// For states: the number of bins once all values are in bins; and copies the histogram to the
// cursor or, where it goes back, takes the place of this one, made alike, with so many bins.
// LAM_MEMORY: then it is left as it was.
int64_t lam_histogram_settle(lam_histogram *histogram);
LAM_CHECKED lam_code lam_histogram_move(lam_histogram *histogram, int64_t bins,
                                        lam_state_cursor *cursor, lam_error *error);

// The bins as a weighted sample, each at the mean of its values; owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_histogram_sample(lam_histogram *histogram, lam_sample *sample,
                                          lam_arena *arena, lam_error *error);

// The smallest and the largest value added; there must be one.
double lam_histogram_lowest(const lam_histogram *histogram);
double lam_histogram_highest(const lam_histogram *histogram);

// The quantile at level in [0, 1] by linear interpolation between order statistics (Hyndman and Fan
// 1996, type 7), the values of a bin being spread evenly over it: exact until bins are joined. NaN
// without values.
double lam_histogram_quantile(lam_histogram *histogram, double level);

#endif
