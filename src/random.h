// Random numbers without a state: Philox4x32-10 (Salmon, Moraes, Dror and Shaw 2011, "Parallel
// random numbers: as easy as 1, 2, 3") turns a counter and a key into four random words. Value i of
// a key is a function of (key, i) alone, so any thread or rank may draw any part of a sequence, in
// any order, and gets the same bits, on every kind of CPU.
#ifndef LAM_RANDOM_H
#define LAM_RANDOM_H

#include <stdint.h>

// What the numbers are for: one line a use, so that no two uses ever share a sequence. The values
// are part of every result: new uses go to the end.
typedef enum lam_random_purpose {
    LAM_RANDOM_SYNTH = 1,       // weights of a synthetic checkpoint; step: the tensor's number
    LAM_RANDOM_SEQUENCES,       // which sequences of a text are taken
    LAM_RANDOM_SAE_WEIGHTS,     // an autoencoder's first weights
    LAM_RANDOM_SAE_ORDER,       // the order of its rows; step: the buffer, counted over epochs
    LAM_RANDOM_RSA_PERMUTATION, // which word takes which one's place; step: the permutation
    LAM_RANDOM_RSA_BOOTSTRAP,   // which words are drawn; step: the resample
    LAM_RANDOM_RSA_WORDS,       // which words stand for all in layer_rsa
    LAM_RANDOM_TUNING_FOLDS,    // which rows of a class are held out together; step: the class
    LAM_RANDOM_SAE_RESAMPLE,    // the rows that dead latents start anew from; step: likewise
    LAM_RANDOM_DUMP_SAMPLE,     // which articles of a dump are taken; index: the page's id
} lam_random_purpose;

// One sequence of numbers. Values of different kinds (uniform, normal, below n) drawn from one key
// are made of the same bits: a use that needs two kinds takes two keys.
typedef struct lam_random {
    uint32_t key[2];    // the seed
    uint32_t stream[2]; // the counter's upper half: step; purpose and layer
} lam_random;

// The sequence of a seed for one purpose, layer and step. Different arguments give different
// sequences, always: they are packed side by side, not hashed.
lam_random lam_random_key(uint64_t seed, lam_random_purpose purpose, uint16_t layer, uint32_t step);

// The generator itself: out = Philox4x32-10 of counter under key.
void lam_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

// Value index of the sequence, uniform in [0, 1): multiples of 2^-24, or of 2^-53.
float lam_random_uniform(const lam_random *random, uint64_t index);
double lam_random_uniform_double(const lam_random *random, uint64_t index);

// Value index of the sequence, normal with mean 0 and variance 1 (Box and Muller 1958: values 2i
// and 2i + 1 are one pair), at most 6.66 in magnitude.
float lam_random_normal(const lam_random *random, uint64_t index);

// Value index of the sequence, an integer in [0, n) without bias (Lemire 2019, "Fast random integer
// generation in an interval"). index < 2^56; n 0 gives 0.
uint64_t lam_random_below(const lam_random *random, uint64_t index, uint64_t n);

// order = a permutation of 0 .. n - 1, all equally likely (Fisher and Yates; Durstenfeld 1964).
void lam_random_permutation(const lam_random *random, int64_t n, int64_t *order);

// out[i] = value first + i, for i in [0, count); of normal values, times deviation. On the calling
// thread: to use more, fill pieces.
void lam_random_fill_uniform(const lam_random *random, uint64_t first, int64_t count, float *out);
void lam_random_fill_normal(const lam_random *random, uint64_t first, int64_t count,
                            float deviation, float *out);

#endif
