#include "histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Values that wait until sorting them together pays.
enum { PENDING = 1 << 14, FEW_BINS = 1 << 12 };

static const uint32_t sign = 0x80000000u;

static uint32_t key_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits & sign ? ~bits : bits | sign;
}

static double value_of(uint32_t key) {
    uint32_t bits = key & sign ? key & ~sign : ~key;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double)value;
}

// Values grow linearly within a bin: at most 2^23 keys, all of one exponent.
static double low_of(const lam_histogram *h, const lam_bin *bin) {
    return value_of(bin->key << h->level);
}

static double step_of(const lam_histogram *h, const lam_bin *bin) {
    if (h->level == 0) return 0;
    return value_of((bin->key << h->level) + 1) - low_of(h, bin);
}

lam_code lam_histogram_create(lam_histogram *histogram, int64_t most, bool exact, lam_arena *arena,
                              lam_error *error) {
    *histogram = (lam_histogram){.most = exact ? INT64_MAX : most,
                                 .room = (exact ? FEW_BINS : most) + PENDING,
                                 .pending_room = PENDING,
                                 .lowest = UINT32_MAX,
                                 .arena = arena};
    LAM_ALLOC(histogram->bin, arena, histogram->room, error);
    LAM_ALLOC(histogram->pending, arena, PENDING, error);
    return LAM_OK;
}

// By 11 bits at a time, from the lowest.
static void sort_keys(uint32_t *key, uint32_t *other, int64_t count) {
    for (int shift = 0; shift < 33; shift += 11) {
        int64_t place[2048] = {0}, next = 0;
        for (int64_t i = 0; i < count; i++) place[key[i] >> shift & 2047]++;
        for (int d = 0; d < 2048; d++) {
            int64_t number = place[d];
            place[d] = next;
            next += number;
        }
        for (int64_t i = 0; i < count; i++) other[place[key[i] >> shift & 2047]++] = key[i];
        uint32_t *swap = key;
        key = other, other = swap;
    }
}

// Puts the sorted pending keys among the bins: both are taken from their upper ends, and what they
// make is put at the end of the room that both could need.
static void merge(lam_histogram *h) {
    int64_t from = h->bins, left = h->pending_count, end = from + left, to = end;
    uint32_t lost = (1u << h->level) - 1;
    while (left > 0) {
        uint32_t key = h->pending[left - 1] >> h->level;
        if (from > 0 && h->bin[from - 1].key > key) {
            h->bin[--to] = h->bin[--from];
            continue;
        }
        lam_bin bin = {.key = key};
        if (from > 0 && h->bin[from - 1].key == key) bin = h->bin[--from];
        for (; left > 0 && h->pending[left - 1] >> h->level == key; left--) {
            bin.count++;
            bin.offset += h->pending[left - 1] & lost;
        }
        h->bin[--to] = bin;
    }
    memmove(h->bin + from, h->bin + to, (size_t)(end - to) * sizeof *h->bin);
    h->bins = from + end - to;
    h->pending_count = 0;
}

// Joins bins in pairs.
static void coarsen(lam_histogram *h) {
    int64_t to = 0;
    for (int64_t i = 0; i < h->bins; i++) {
        lam_bin bin = h->bin[i];
        bin.offset += bin.count * (int64_t)((bin.key & 1) << h->level);
        bin.key >>= 1;
        if (to > 0 && h->bin[to - 1].key == bin.key) {
            h->bin[to - 1].count += bin.count;
            h->bin[to - 1].offset += bin.offset;
        } else {
            h->bin[to++] = bin;
        }
    }
    h->bins = to;
    h->level++;
}

static void flush(lam_histogram *h) {
    if (h->pending_count == 0) return;
    sort_keys(h->pending, h->pending + h->pending_room / 2, h->pending_count);
    // After an odd number of passes the keys are in the other half.
    memcpy(h->pending, h->pending + h->pending_room / 2,
           (size_t)h->pending_count * sizeof *h->pending);
    merge(h);
    while (h->bins > h->most) coarsen(h);
}

// An exact histogram grows before it is short of room, and then waits for more before it sorts.
static lam_code make_room(lam_histogram *h, lam_error *error) {
    if (h->bins + h->pending_room / 2 <= h->room) return LAM_OK;
    lam_bin *bin;
    LAM_ALLOC(bin, h->arena, 3 * h->bins, error);
    LAM_ALLOC(h->pending, h->arena, 2 * h->bins, error);
    memcpy(bin, h->bin, (size_t)h->bins * sizeof *bin);
    h->bin = bin;
    h->room = 3 * h->bins;
    h->pending_room = 2 * h->bins;
    return LAM_OK;
}

double lam_histogram_bytes(double values, bool exact) {
    const double bins = exact || values < LAM_DEFAULT_BINS ? values : LAM_DEFAULT_BINS + PENDING;
    return bins * sizeof(lam_bin) + (values < PENDING ? values : PENDING) * sizeof(uint32_t);
}

lam_code lam_histogram_add(lam_histogram *histogram, const float *value, int64_t count,
                           lam_error *error) {
    lam_histogram *h = histogram;
    for (int64_t i = 0; i < count; i++) {
        uint32_t key = key_of(value[i]);
        if (key < h->lowest) h->lowest = key;
        if (key > h->highest) h->highest = key;
        h->pending[h->pending_count++] = key;
        if (h->pending_count < h->pending_room / 2) continue;
        flush(h);
        LAM_TRY(make_room(h, error));
    }
    h->count += count;
    return LAM_OK;
}

// --- a team's

typedef struct histogram_part { // what a member's bins are of
    int64_t bins, count;
    int32_t level;
    uint32_t lowest, highest;
} histogram_part;

static int by_key(const void *a, const void *b) {
    const uint32_t x = ((const lam_bin *)a)->key, y = ((const lam_bin *)b)->key;
    return (x > y) - (x < y);
}

// Makes bins [h->bins], some of one key, those of the histogram, each key once.
static void unite(lam_histogram *h) {
    int64_t to = 0;
    qsort(h->bin, (size_t)h->bins, sizeof *h->bin, by_key);
    for (int64_t i = 0; i < h->bins; i++) {
        if (to > 0 && h->bin[to - 1].key == h->bin[i].key) {
            h->bin[to - 1].count += h->bin[i].count;
            h->bin[to - 1].offset += h->bin[i].offset;
        } else {
            h->bin[to++] = h->bin[i];
        }
    }
    h->bins = to;
    while (h->bins > h->most) coarsen(h);
}

// Brings all members' bins to one level before they are united.
static void take_parts(lam_histogram *h, const histogram_part *part, int members, lam_bin *bin) {
    lam_histogram all = *h;
    all.bin = bin;
    all.bins = all.count = 0;
    for (int m = 0; m < members; m++) {
        if (part[m].level > all.level) all.level = part[m].level;
        if (part[m].lowest < all.lowest) all.lowest = part[m].lowest;
        if (part[m].highest > all.highest) all.highest = part[m].highest;
        all.count += part[m].count;
    }
    lam_bin *from = bin;
    for (int m = 0; m < members; m++) {
        lam_histogram one = {.bin = from, .bins = part[m].bins, .level = part[m].level};
        from += part[m].bins;
        while (one.level < all.level) coarsen(&one);
        memmove(all.bin + all.bins, one.bin, (size_t)one.bins * sizeof *one.bin);
        all.bins += one.bins;
    }
    unite(&all);
    *h = all;
}

lam_code lam_histogram_join(lam_histogram *histogram, const lam_team *team, lam_arena *arena,
                            lam_error *error) {
    lam_histogram *h = histogram;
    if (team->members == 1) return LAM_OK;
    flush(h);
    histogram_part *part;
    lam_bin *bin;
    size_t *start;
    LAM_ALLOC(part, arena, team->members, error);
    part[team->member] = (histogram_part){h->bins, h->count, h->level, h->lowest, h->highest};
    LAM_TRY(lam_team_starts(team, sizeof *part, &start, arena, error));
    LAM_TRY(team->gather(team, part, team->members, start, error));
    LAM_TRY(lam_team_starts(team, (size_t)h->bins * sizeof *bin, &start, arena, error));
    h->room = (int64_t)(start[team->members] / sizeof *bin) + h->pending_room;
    LAM_ALLOC(bin, arena, h->room, error);
    memcpy((char *)bin + start[team->member], h->bin, (size_t)h->bins * sizeof *bin);
    LAM_TRY(team->gather(team, bin, team->members, start, error));
    take_parts(h, part, team->members, bin);
    return LAM_OK;
}

// Makes room for so many bins, whose values are lost where there is not.
static lam_code reserve(lam_histogram *h, int64_t bins, lam_error *error) {
    if (bins + h->pending_room / 2 <= h->room) return LAM_OK;
    lam_bin *bin;
    const int64_t room = bins + h->pending_room;
    LAM_ALLOC(bin, h->arena, room, error);
    h->bin = bin;
    h->room = room;
    return LAM_OK;
}

static lam_code take_whole(lam_histogram *h, const lam_histogram *whole, lam_error *error) {
    LAM_TRY(reserve(h, whole->bins, error));
    if (whole->bins) memcpy(h->bin, whole->bin, (size_t)whole->bins * sizeof *h->bin);
    h->bins = whole->bins;
    h->level = whole->level;
    h->count = whole->count;
    h->lowest = whole->lowest;
    h->highest = whole->highest;
    return LAM_OK;
}

lam_code lam_histogram_collect(lam_histogram *histogram, const lam_team *team, lam_error *error) {
    static const lam_histogram none = {.lowest = UINT32_MAX};
    lam_histogram *h = histogram;
    lam_arena scratch = {0};
    if (team->members == 1) return LAM_OK;
    flush(h);
    lam_histogram whole = *h;
    lam_code code = lam_histogram_join(&whole, team, &scratch, error);
    if (code == LAM_OK) code = take_whole(h, team->member == 0 ? &whole : &none, error);
    lam_arena_destroy(&scratch);
    return code;
}

int64_t lam_histogram_settle(lam_histogram *histogram) {
    flush(histogram);
    return histogram->bins;
}

lam_code lam_histogram_move(lam_histogram *histogram, int64_t bins, lam_state_cursor *cursor,
                            lam_error *error) {
    lam_histogram *h = histogram;
    const bool back = cursor->bytes && cursor->back;
    if (back) {
        LAM_TRY(reserve(h, bins, error));
        h->bins = bins;
        h->pending_count = 0;
    }
    lam_state_move(cursor, &h->count, sizeof h->count);
    lam_state_move(cursor, &h->level, sizeof h->level);
    lam_state_move(cursor, &h->lowest, sizeof h->lowest);
    lam_state_move(cursor, &h->highest, sizeof h->highest);
    lam_state_move(cursor, h->bin, (size_t)bins * sizeof *h->bin);
    return LAM_OK;
}

lam_code lam_histogram_sample(lam_histogram *histogram, lam_sample *sample, lam_arena *arena,
                              lam_error *error) {
    lam_histogram *h = histogram;
    flush(h);
    double *value;
    int64_t *count;
    LAM_ALLOC(value, arena, h->bins, error);
    LAM_ALLOC(count, arena, h->bins, error);
    for (int64_t i = 0; i < h->bins; i++) {
        const lam_bin *bin = &h->bin[i];
        value[i] = low_of(h, bin) + step_of(h, bin) * ((double)bin->offset / (double)bin->count);
        count[i] = bin->count;
    }
    *sample = (lam_sample){.value = value, .count = count, .size = h->bins, .total = h->count};
    return LAM_OK;
}

double lam_histogram_lowest(const lam_histogram *histogram) {
    return value_of(histogram->lowest);
}

double lam_histogram_highest(const lam_histogram *histogram) {
    return value_of(histogram->highest);
}

// The order statistic of rank 0 .. count - 1.
static double at_rank(const lam_histogram *h, int64_t rank) {
    const lam_bin *bin = h->bin;
    for (; rank >= bin->count; bin++) rank -= bin->count;
    double width = step_of(h, bin) * (double)(1u << h->level);
    return low_of(h, bin) + width * (((double)rank + 0.5) / (double)bin->count);
}

double lam_histogram_quantile(lam_histogram *histogram, double level) {
    lam_histogram *h = histogram;
    if (h->count == 0) return NAN;
    flush(h);
    double position = level * (double)(h->count - 1);
    int64_t rank = (int64_t)position;
    if (rank >= h->count - 1) return at_rank(h, h->count - 1);
    double low = at_rank(h, rank), high = at_rank(h, rank + 1);
    return low + (position - (double)rank) * (high - low);
}
