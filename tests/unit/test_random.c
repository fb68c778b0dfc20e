#include "src/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// The vectors that come with the authors' own implementation (Random123, kat_vectors).
static void test_known_answers(void **state) {
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        lam_philox(known[i].counter, known[i].key, out);
        assert_memory_equal(out, known[i].answer, sizeof out);
    }
}

// Each of seed, purpose, layer and step has its own bits of the counter and the key.
static void test_keys_are_packed(void **state) {
    (void)state;
    lam_random random = lam_random_key(0x0123456789abcdefu, LAM_RANDOM_SAE_ORDER, 65535, ~0u);
    assert_int_equal(random.key[0], 0x89abcdefu);
    assert_int_equal(random.key[1], 0x01234567u);
    assert_int_equal(random.stream[0], ~0u);
    assert_int_equal(random.stream[1], (uint32_t)LAM_RANDOM_SAE_ORDER << 16 | 65535u);
}

// FNV-1a over the words of an array.
static uint32_t hash_of(const float *value, int count) {
    uint32_t hash = 2166136261u, word;
    for (int i = 0; i < count; i++) {
        memcpy(&word, &value[i], sizeof word);
        hash = (hash ^ word) * 16777619u;
    }
    return hash;
}

// Values are part of every result: they must not change from version to version, nor with the CPU.
static void test_values_stay(void **state) {
    (void)state;
    lam_random random = lam_random_key(1, LAM_RANDOM_SYNTH, 0, 0);
    float value[1000];
    lam_random_fill_normal(&random, 0, 1000, 1.0f, value);
    assert_int_equal(hash_of(value, 1000), 0xaa378cb2u);
    lam_random_fill_uniform(&random, 0, 1000, value);
    assert_int_equal(hash_of(value, 1000), 0xf7746cf6u);
    assert_int_equal(lam_random_below(&random, 0, UINT64_C(1000000000000)), UINT64_C(577867963723));
}

// An array is the single values one after another, wherever it begins and ends.
static void test_fill_is_the_values(void **state) {
    (void)state;
    static const uint64_t first[] = {0, 1, 255, 256, 1000003, UINT64_C(1) << 33, ~0ull - 700};
    static const int64_t count[] = {0, 1, 3, 64, 255, 256, 257, 700};
    lam_random random = lam_random_key(5, LAM_RANDOM_SAE_WEIGHTS, 3, 9);
    for (size_t f = 0; f < sizeof first / sizeof *first; f++)
        for (size_t c = 0; c < sizeof count / sizeof *count; c++) {
            float normal[701], uniform[701];
            normal[count[c]] = uniform[count[c]] = -77; // the guard behind the end
            lam_random_fill_normal(&random, first[f], count[c], 0.5f, normal);
            lam_random_fill_uniform(&random, first[f], count[c], uniform);
            for (int64_t i = 0; i < count[c]; i++) {
                float expected = 0.5f * lam_random_normal(&random, first[f] + (uint64_t)i);
                assert_memory_equal(&normal[i], &expected, sizeof expected);
                expected = lam_random_uniform(&random, first[f] + (uint64_t)i);
                assert_memory_equal(&uniform[i], &expected, sizeof expected);
            }
            assert_true(normal[count[c]] == -77 && uniform[count[c]] == -77);
        }
}

// Against the defining formula in double precision, on the generator's own words.
static void test_normal_is_box_muller(void **state) {
    (void)state;
    const double turn = 8 * atan(1) / 4294967296.0;
    lam_random random = lam_random_key(11, LAM_RANDOM_SYNTH, 0, 1);
    for (uint32_t block = 0; block < 20000; block++) {
        uint32_t counter[4] = {block, 0, random.stream[0], random.stream[1]}, word[4];
        lam_philox(counter, random.key, word);
        for (uint32_t pair = 0; pair < 2; pair++) {
            double radius = sqrt(-2 * log((word[2 * pair] + 0.5) / 4294967296.0));
            // quarters are counted from their middle: the angle is an eighth of a turn less
            double angle = (word[2 * pair + 1] - 536870912.0) * turn;
            uint64_t index = 4 * (uint64_t)block + 2 * pair;
            // the radius near 0 hangs on the last bits of a float near 1: 2^-24 in u, 3e-4 in sqrt
            double slack = 3e-6 + 2e-7 / (radius + 1e-3);
            assert_true(fabs(lam_random_normal(&random, index) - radius * cos(angle)) < slack);
            assert_true(fabs(lam_random_normal(&random, index + 1) - radius * sin(angle)) < slack);
        }
    }
}

enum { MANY = 1 << 20 };

// Moments and tails within five standard errors of the normal distribution's.
static void test_normal_moments(void **state) {
    (void)state;
    float *value = malloc(MANY * sizeof *value);
    assert_non_null(value);
    lam_random random = lam_random_key(2, LAM_RANDOM_SYNTH, 0, 2);
    lam_random_fill_normal(&random, 0, MANY, 1.0f, value);
    double sum[5] = {0}, beyond2 = 0, beyond4 = 0, pair = 0;
    for (int i = 0; i < MANY; i++) {
        double x = value[i];
        for (int power = 1; power < 5; power++) sum[power] += pow(x, power);
        beyond2 += fabs(x) > 2, beyond4 += fabs(x) > 4;
        if (i % 2) pair += x * value[i - 1];
    }
    const double error = 5 / sqrt(MANY);
    assert_true(fabs(sum[1] / MANY) < error);
    assert_true(fabs(sum[2] / MANY - 1) < error * sqrt(2));
    assert_true(fabs(sum[3] / MANY) < error * sqrt(15));
    assert_true(fabs(sum[4] / MANY - 3) < error * sqrt(96));
    assert_true(fabs(beyond2 / MANY - 0.0455003) < error * 0.21);
    assert_true(fabs(beyond4 / MANY - 6.334e-5) < error * 8e-3);
    assert_true(fabs(pair / MANY * 2) < error * sqrt(2)); // the two of a pair are independent
    free(value);
}

// chi-squared of counts against equal odds; degrees of freedom: cells - 1.
static double chi_squared(const int64_t *count, int cells, double total) {
    double sum = 0, expected = total / cells;
    for (int i = 0; i < cells; i++)
        sum += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
    return sum;
}

static void test_uniform(void **state) {
    (void)state;
    int64_t single[64] = {0}, twice[64] = {0};
    lam_random random = lam_random_key(3, LAM_RANDOM_SYNTH, 0, 3);
    for (uint64_t i = 0; i < MANY; i++) {
        float x = lam_random_uniform(&random, i);
        double y = lam_random_uniform_double(&random, i);
        assert_true(x >= 0 && x < 1 && y >= 0 && y < 1);
        single[(int)(x * 64)]++, twice[(int)(y * 64)]++;
    }
    // 63 degrees of freedom: 63 +- 11.2, five of which are 56
    assert_true(chi_squared(single, 64, MANY) < 119 && chi_squared(single, 64, MANY) > 7);
    assert_true(chi_squared(twice, 64, MANY) < 119 && chi_squared(twice, 64, MANY) > 7);
}

static void test_below(void **state) {
    (void)state;
    int64_t dice[6] = {0}, thirds[3] = {0};
    lam_random random = lam_random_key(4, LAM_RANDOM_SEQUENCES, 0, 0);
    const uint64_t large = UINT64_C(3) << 62; // a quarter of all words must be drawn again
    for (uint64_t i = 0; i < 60000; i++) {
        dice[lam_random_below(&random, i, 6)]++;
        uint64_t value = lam_random_below(&random, i, large);
        assert_true(value < large);
        thirds[value % 3]++; // without, multiples of 3 would come twice as often
        assert_int_equal(lam_random_below(&random, i, 1), 0);
        assert_int_equal(lam_random_below(&random, i, 0), 0);
    }
    assert_true(chi_squared(dice, 6, 60000) < 25);   // 5 degrees: odds of more 1.4e-4
    assert_true(chi_squared(thirds, 3, 60000) < 18); // 2 degrees: 1.2e-4
}

static void test_permutation(void **state) {
    (void)state;
    int64_t order[1000], seen[6] = {0}, none = 42;
    bool there[1000] = {false};
    lam_random random = lam_random_key(6, LAM_RANDOM_SAE_ORDER, 1, 0);
    lam_random_permutation(&random, 0, &none);
    assert_int_equal(none, 42);
    lam_random_permutation(&random, 1000, order);
    int64_t fixed = 0;
    for (int i = 0; i < 1000; i++) {
        assert_in_range(order[i], 0, 999);
        assert_false(there[order[i]]);
        there[order[i]] = true;
        fixed += order[i] == i;
    }
    assert_true(fixed < 9); // Poisson with mean 1
    for (uint32_t step = 0; step < 6000; step++) {
        random = lam_random_key(6, LAM_RANDOM_SAE_ORDER, 1, step);
        lam_random_permutation(&random, 3, order);
        seen[2 * order[0] + (order[1] > order[2])]++;
    }
    assert_true(chi_squared(seen, 6, 6000) < 25);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),
        cmocka_unit_test(test_keys_are_packed),
        cmocka_unit_test(test_values_stay),
        cmocka_unit_test(test_fill_is_the_values),
        cmocka_unit_test(test_normal_is_box_muller),
        cmocka_unit_test(test_normal_moments),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
