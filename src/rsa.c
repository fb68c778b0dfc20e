#include "rsa.h"

#include "arena.h"
#include "similarity.h"
#include "vector.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 4096 }; // values that are summed before their sum is added to others'

LAM_VECTORISED
static double sum_of(const double *x, int64_t count) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++) sum += x[i];
    return sum;
}

// Sum of (x - about)^2.
LAM_VECTORISED
static double squares_of(const double *x, int64_t count, double about) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++) sum += (x[i] - about) * (x[i] - about);
    return sum;
}

LAM_VECTORISED
static double product_of(const double *a, const double *b, int64_t count) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

static int64_t chunk_at(int64_t first, int64_t count) {
    return count - first < CHUNK ? count - first : CHUNK;
}

static double category_size(const lam_categories *c, int64_t g) {
    return (double)(c->start[g + 1] - c->start[g]);
}

// Pairs of words of one category, and of two.
static double within_pairs(const lam_categories *c) {
    double pairs = 0;
    for (int64_t g = 0; g < c->count; g++)
        pairs += category_size(c, g) * (category_size(c, g) - 1) / 2;
    return pairs;
}

// The sums of row i's pairs go to its category and the others'; returns the sum over the other
// categories of (sum of the pairs / pairs of the two categories).
static double add_row(const lam_categories *c, const double *pairs, int64_t i, double *within,
                      double *between) {
    const double *row = pairs + lam_pair_row(c->words, i); // [j], for j > i
    const int32_t g = c->of[i];
    double blocks = 0;
    within[g] += sum_of(row + i + 1, c->start[g + 1] - i - 1);
    for (int64_t h = g + 1; h < c->count; h++) {
        const double sum = sum_of(row + c->start[h], c->start[h + 1] - c->start[h]);
        between[g] += sum;
        between[h] += sum;
        blocks += sum / category_size(c, h);
    }
    return blocks / category_size(c, g);
}

// The mean squared deviations of both kinds of pairs from their means, pooled.
static double pooled_variance(const lam_categories *c, const double *pairs,
                              const lam_contrast *contrast, double degrees) {
    double squares = 0;
    for (int64_t i = 0; i < c->words; i++) {
        const double *row = pairs + lam_pair_row(c->words, i);
        const int64_t end = c->start[c->of[i] + 1];
        squares += squares_of(row + i + 1, end - i - 1, contrast->pair_within) +
                   squares_of(row + end, c->words - end, contrast->pair_between);
    }
    return squares / degrees;
}

static double largest_of(const double *x, int64_t count) {
    double largest = 0;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(x[i]));
    return largest;
}

static void add_cohens_d(const lam_categories *c, const double *pairs, lam_contrast *contrast) {
    const int64_t count = lam_pair_count(c->words);
    const double sd =
        count > 2 ? sqrt(pooled_variance(c, pairs, contrast, (double)(count - 2))) : 0;
    if (sd > LAM_RSA_ALIKE * largest_of(pairs, count)) {
        contrast->cohens_d = (contrast->pair_within - contrast->pair_between) / sd;
        return;
    }
    contrast->cohens_d = NAN;
    contrast->flags |= LAM_RSA_SPREAD;
}

void lam_contrast_of(const lam_categories *c, const double *pairs, lam_contrast *contrast,
                     double *within_category, double *between_category) {
    double blocks = 0, all_within = 0, all_between = 0;
    memset(within_category, 0, (size_t)c->count * sizeof *within_category);
    memset(between_category, 0, (size_t)c->count * sizeof *between_category);
    for (int64_t i = 0; i < c->words; i++)
        blocks += add_row(c, pairs, i, within_category, between_category);
    *contrast = (lam_contrast){.between = blocks * 2 / (double)(c->count * (c->count - 1))};
    for (int64_t g = 0; g < c->count; g++) {
        const double size = category_size(c, g);
        all_within += within_category[g];
        all_between += between_category[g];
        within_category[g] /= size * (size - 1) / 2;
        between_category[g] /= size * ((double)c->words - size);
        contrast->within += within_category[g] / (double)c->count;
    }
    const double pairs_within = within_pairs(c);
    contrast->pair_within = all_within / pairs_within;
    contrast->pair_between = // each pair stands in the sums of both its categories
        all_between / 2 / ((double)lam_pair_count(c->words) - pairs_within);
    contrast->difference = contrast->within - contrast->between;
    contrast->selectivity = contrast->between != 0 ? contrast->within / contrast->between : NAN;
    if (!(contrast->between > 0)) contrast->flags |= LAM_RSA_RATIO;
    add_cohens_d(c, pairs, contrast);
}

static bool all_alike(const double *value, int64_t count) {
    double least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < count; i++) {
        least = value[i] < least ? value[i] : least;
        most = value[i] > most ? value[i] : most;
    }
    return !(most - least > LAM_RSA_ALIKE * fmax(fabs(least), fabs(most)));
}

bool lam_standardise(double *value, int64_t count, lam_standard *was) {
    *was = (lam_standard){count > 0 ? value[0] : 0, 0};
    if (all_alike(value, count)) {
        memset(value, 0, (size_t)count * sizeof *value);
        return false;
    }
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i += CHUNK) sum += sum_of(value + i, chunk_at(i, count));
    was->mean = sum / (double)count;
    for (int64_t i = 0; i < count; i += CHUNK)
        squares += squares_of(value + i, chunk_at(i, count), was->mean);
    was->scale = sqrt(squares);
    for (int64_t i = 0; i < count; i++) value[i] = (value[i] - was->mean) / was->scale;
    return true;
}

double lam_correlation(const double *a, const double *b, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i += CHUNK) sum += product_of(a + i, b + i, chunk_at(i, count));
    return sum;
}

// Ranks by sorting keys of the values and with them the values' numbers, digit by digit, the least
// first (radix sort). Each pass counts and moves fixed parts, so threads may share it.
enum { DIGIT_BITS = 8, DIGITS = 8, BINS = 1 << DIGIT_BITS, PARTS = 16 };

typedef struct keyed {
    uint64_t *key;    // [count] in the order of the values
    uint32_t *number; // [count] which value it is
} keyed;

static uint64_t key_of(double value) {
    uint64_t bits;
    if (value == 0) value = 0; // -0 is 0
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static int64_t bin_of(uint64_t key, int digit) {
    return (int64_t)(key >> (digit * DIGIT_BITS)) & (BINS - 1);
}

// Counts of each part become the places where its keys go.
static void place_bins(uint32_t bin[PARTS][BINS]) {
    uint32_t place = 0;
    for (int b = 0; b < BINS; b++)
        for (int p = 0; p < PARTS; p++) {
            const uint32_t count = bin[p][b];
            bin[p][b] = place;
            place += count;
        }
}

static void sort_pass(const keyed *from, const keyed *to, int64_t count, int digit) {
    uint32_t bin[PARTS][BINS] = {0};
    const bool large = count > BINS * PARTS;
#pragma omp parallel for schedule(static) if (large)
    for (int64_t p = 0; p < PARTS; p++)
        for (int64_t i = count * p / PARTS; i < count * (p + 1) / PARTS; i++)
            bin[p][bin_of(from->key[i], digit)]++;
    place_bins(bin);
#pragma omp parallel for schedule(static) if (large)
    for (int64_t p = 0; p < PARTS; p++)
        for (int64_t i = count * p / PARTS; i < count * (p + 1) / PARTS; i++) {
            const uint32_t place = bin[p][bin_of(from->key[i], digit)]++;
            to->key[place] = from->key[i];
            to->number[place] = from->number[i];
        }
}

static void rank_sorted(const keyed *sorted, int64_t count, int32_t *rank) {
    for (int64_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && sorted->key[end] == sorted->key[i];) end++;
        // The ranks i + 1 .. end, averaged and doubled, less count + 1.
        for (int64_t k = i; k < end; k++) rank[sorted->number[k]] = (int32_t)(i + end - count);
    }
}

lam_code lam_ranks(const double *value, int64_t count, int32_t *rank, lam_error *error) {
    if (count > INT32_MAX)
        return lam_fail(error, LAM_INPUT, "%lld pairs are more than can be ranked: use fewer words",
                        (long long)count);
    lam_arena scratch = {0};
    keyed side[2];
    bool room = true;
    for (int s = 0; s < 2; s++) {
        side[s].key = lam_arena_alloc(&scratch, (size_t)count, sizeof *side[s].key, error);
        side[s].number = lam_arena_alloc(&scratch, (size_t)count, sizeof *side[s].number, error);
        room = room && side[s].key && side[s].number;
    }
    if (room) {
        for (int64_t i = 0; i < count; i++) {
            side[0].key[i] = key_of(value[i]);
            side[0].number[i] = (uint32_t)i;
        }
        for (int digit = 0; digit < DIGITS; digit++)
            sort_pass(&side[digit % 2], &side[1 - digit % 2], count, digit);
        rank_sorted(&side[0], count, rank); // DIGITS is even: they end where they began
    }
    lam_arena_destroy(&scratch);
    return room ? LAM_OK : LAM_MEMORY;
}

// Products of ranks are whole numbers below 2^62; their sums would not fit.
LAM_VECTORISED
static double rank_product(const int32_t *a, const int32_t *b, int64_t count) {
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < count; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static double rank_products(const int32_t *a, const int32_t *b, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i += CHUNK)
        sum += rank_product(a + i, b + i, chunk_at(i, count));
    return sum;
}

double lam_rank_correlation(const int32_t *a, const int32_t *b, int64_t count) {
    const double aa = rank_products(a, a, count), bb = rank_products(b, b, count);
    return aa > 0 && bb > 0 ? rank_products(a, b, count) / (sqrt(aa) * sqrt(bb)) : NAN;
}
