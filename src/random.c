#include "random.h"

// A fused multiply-add rounds once where two operations round twice, and not every CPU has it:
// without, the numbers are the same everywhere, and in vector lanes the same as one by one.
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#include "vector.h"

#include <math.h>
#include <string.h>

enum { LANES = 64, WORDS = 4 }; // Philox blocks made at a time, words in each

lam_random lam_random_key(uint64_t seed, lam_random_purpose purpose, uint16_t layer,
                          uint32_t step) {
    return (lam_random){{(uint32_t)seed, (uint32_t)(seed >> 32)},
                        {step, (uint32_t)purpose << 16 | layer}};
}

enum { ROUNDS = 10 };
static const uint32_t key_step[2] = {0x9E3779B9u,
                                     0xBB67AE85u}; // these and the multipliers: the paper's

static inline void philox_round(uint32_t *c0, uint32_t *c1, uint32_t *c2, uint32_t *c3,
                                uint32_t key0, uint32_t key1) {
    uint64_t product0 = (uint64_t)0xD2511F53u * *c0, product1 = (uint64_t)0xCD9E8D57u * *c2;
    *c0 = (uint32_t)(product1 >> 32) ^ *c1 ^ key0;
    *c1 = (uint32_t)product1;
    *c2 = (uint32_t)(product0 >> 32) ^ *c3 ^ key1;
    *c3 = (uint32_t)product0;
}

void lam_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    memcpy(out, counter, WORDS * sizeof *out);
    for (uint32_t round = 0; round < ROUNDS; round++)
        philox_round(&out[0], &out[1], &out[2], &out[3], key[0] + round * key_step[0],
                     key[1] + round * key_step[1]);
}

static void one_block(const lam_random *random, uint64_t block, uint32_t out[WORDS]) {
    uint32_t counter[WORDS] = {(uint32_t)block, (uint32_t)(block >> 32), random->stream[0],
                               random->stream[1]};
    lam_philox(counter, random->key, out);
}

// words[w][i] = word w of block first + i.
LAM_VECTORISED
static void many_blocks(const lam_random *random, uint64_t first, uint32_t words[WORDS][LANES]) {
    for (int i = 0; i < LANES; i++) {
        uint64_t block = first + (uint64_t)i;
        words[0][i] = (uint32_t)block;
        words[1][i] = (uint32_t)(block >> 32);
        words[2][i] = random->stream[0];
        words[3][i] = random->stream[1];
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint32_t key0 = random->key[0] + round * key_step[0];
        const uint32_t key1 = random->key[1] + round * key_step[1];
#pragma omp simd
        for (int i = 0; i < LANES; i++)
            philox_round(&words[0][i], &words[1][i], &words[2][i], &words[3][i], key0, key1);
    }
}

static inline float unit_float(uint32_t word) {
    return (float)(int32_t)(word >> 8) * 0x1p-24f;
}

// -2 ln u, u = (word + 1/2) / 2^32 in (0, 1]: ln(2^e m) = e ln 2 + 2 artanh((m - 1) / (m + 1)), m
// in [1/sqrt 2, sqrt 2), the series to its fifth term (relative error 2e-9). Own arithmetic and not
// the library's log, whose last bits differ from CPU to CPU.
static inline float squared_radius(uint32_t word) {
    float u = (float)word * 0x1p-32f + 0x1p-33f;
    int32_t bits;
    memcpy(&bits, &u, sizeof bits);
    int32_t exponent = (bits - 0x3F3504F3) >> 23; // 0x3F3504F3 is 1/sqrt 2
    bits -= exponent * (1 << 23);
    float m;
    memcpy(&m, &bits, sizeof m);
    float s = (m - 1.0f) / (m + 1.0f), s2 = s * s;
    float series = 1.0f + s2 * (1.0f / 3 + s2 * (1.0f / 5 + s2 * (1.0f / 7 + s2 * (1.0f / 9))));
    return -2.0f * ((float)exponent * 0.69314718f + 2.0f * s * series);
}

// cos and sin of a turn divided by 2^32, times word: the upper two bits choose the quarter, the
// rest the angle in [-pi/4, pi/4), where the series converge fast (error 2e-9).
static inline void turn(uint32_t word, float *cosine, float *sine) {
    int32_t rest = (int32_t)(word & 0x3FFFFFFFu) - (1 << 29);
    float a = (float)rest * (1.57079633f * 0x1p-30f), a2 = a * a;
    float c = 1.0f - a2 * (1.0f / 2 - a2 * (1.0f / 24 - a2 * (1.0f / 720 - a2 * (1.0f / 40320))));
    float s = a * (1.0f - a2 * (1.0f / 6 - a2 * (1.0f / 120 - a2 * (1.0f / 5040 - a2 / 362880))));
    uint32_t quarter = word >> 30;
    float x = quarter & 1 ? -s : c, y = quarter & 1 ? c : s;
    *cosine = quarter & 2 ? -x : x;
    *sine = quarter & 2 ? -y : y;
}

float lam_random_uniform(const lam_random *random, uint64_t index) {
    uint32_t word[WORDS];
    one_block(random, index / WORDS, word);
    return unit_float(word[index % WORDS]);
}

double lam_random_uniform_double(const lam_random *random, uint64_t index) {
    uint32_t word[WORDS];
    one_block(random, index / 2, word);
    const uint32_t *pair = word + index % 2 * 2;
    return (double)(((uint64_t)pair[1] << 32 | pair[0]) >> 11) * 0x1p-53;
}

float lam_random_normal(const lam_random *random, uint64_t index) {
    uint32_t word[WORDS];
    one_block(random, index / WORDS, word);
    const uint32_t *pair = word + index % WORDS / 2 * 2;
    float cosine, sine, radius = sqrtf(squared_radius(pair[0]));
    turn(pair[1], &cosine, &sine);
    return radius * (index % 2 ? sine : cosine);
}

uint64_t lam_random_below(const lam_random *random, uint64_t index, uint64_t n) {
    if (n == 0) return 0;
    const uint64_t uneven =
        -n % n; // 2^64 mod n: so many of the 2^64 words would favour some values
    uint64_t value = 0;
    for (uint64_t try = 0; try < 512; try++) { // two words a block; all fail with odds below 2^-512
        uint32_t word[WORDS];
        one_block(random, index | (try / 2) << 56, word);
        const uint32_t *pair = word + try % 2 * 2;
        unsigned __int128 product = (unsigned __int128)((uint64_t)pair[1] << 32 | pair[0]) * n;
        value = (uint64_t)(product >> 64);
        if ((uint64_t)product >= uneven) break;
    }
    return value;
}

void lam_random_permutation(const lam_random *random, int64_t n, int64_t *order) {
    for (int64_t i = 0; i < n; i++) order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)lam_random_below(random, (uint64_t)i, (uint64_t)i + 1);
        int64_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

// out[WORDS * i + w] of LANES whole blocks.
LAM_VECTORISED
static void uniform_blocks(uint32_t words[WORDS][LANES], float *out) {
#pragma omp simd
    for (int i = 0; i < LANES; i++)
        for (int w = 0; w < WORDS; w++) out[WORDS * i + w] = unit_float(words[w][i]);
}

LAM_VECTORISED
static void normal_blocks(uint32_t words[WORDS][LANES], float deviation, float *out) {
    for (int pair = 0; pair < 2; pair++) {
        float radius[LANES], cosine[LANES], sine[LANES];
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            radius[i] = squared_radius(words[2 * pair][i]);
            turn(words[2 * pair + 1][i], &cosine[i], &sine[i]);
        }
        // apart: a library call for negative arguments keeps a loop with sqrtf out of vector lanes
        for (int i = 0; i < LANES; i++) radius[i] = sqrtf(radius[i]);
#pragma omp simd
        for (int i = 0; i < LANES; i++) {
            out[WORDS * i + 2 * pair] = radius[i] * cosine[i] * deviation;
            out[WORDS * i + 2 * pair + 1] = radius[i] * sine[i] * deviation;
        }
    }
}

// Whole batches of blocks go straight to out; the ragged ends through a buffer.
static void fill(const lam_random *random, uint64_t first, int64_t count, const float *deviation,
                 float *out) {
    enum { BATCH = LANES * WORDS };
    while (count > 0) {
        uint32_t words[WORDS][LANES];
        float buffer[BATCH];
        uint64_t batch = first / BATCH, skip = first % BATCH;
        int64_t take = BATCH - (int64_t)skip < count ? BATCH - (int64_t)skip : count;
        float *to = take == BATCH ? out : buffer;
        many_blocks(random, batch * LANES, words);
        if (deviation)
            normal_blocks(words, *deviation, to);
        else
            uniform_blocks(words, to);
        if (to == buffer) memcpy(out, buffer + skip, (size_t)take * sizeof *out);
        first += (uint64_t)take, count -= take, out += take;
    }
}

void lam_random_fill_uniform(const lam_random *random, uint64_t first, int64_t count, float *out) {
    fill(random, first, count, NULL, out);
}

void lam_random_fill_normal(const lam_random *random, uint64_t first, int64_t count,
                            float deviation, float *out) {
    fill(random, first, count, &deviation, out);
}
