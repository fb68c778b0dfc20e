#include "src/similarity.h"

#include "io/safetensors.h"
#include "src/random.h"
#include "tests/unit/fixture.h"

#include <math.h>
#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const lam_similarity_kind kinds[] = {LAM_COSINE, LAM_CORRELATION, LAM_EUCLIDEAN};

// The measure of two rows by its definition.
static double plain(lam_similarity_kind kind, const double *x, const double *y, int64_t width) {
    double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0, squares = 0;
    for (int64_t k = 0; k < width && kind == LAM_CORRELATION; k++) {
        mean_x += x[k] / (double)width;
        mean_y += y[k] / (double)width;
    }
    for (int64_t k = 0; k < width; k++) {
        const double u = x[k] - mean_x, v = y[k] - mean_y;
        xx += u * u, yy += v * v, xy += u * v, squares += (u - v) * (u - v);
    }
    return kind == LAM_EUCLIDEAN ? sqrt(squares) : xy / sqrt(xx * yy);
}

static double *random_rows(int64_t rows, int64_t width, uint32_t step) {
    lam_random random = lam_random_key(1, LAM_RANDOM_SYNTH, 0, step);
    double *x = malloc((size_t)(rows * width) * sizeof *x);
    for (int64_t i = 0; i < rows * width; i++)
        x[i] = lam_random_uniform_double(&random, (uint64_t)i) - 0.3;
    return x;
}

// The pairs of a copy of x.
static double *pairs_of(lam_similarity_kind kind, const double *x, int64_t rows, int64_t width,
                        int64_t *undirected) {
    lam_error error;
    const size_t bytes = (size_t)(rows * width) * sizeof *x;
    double *copy = malloc(bytes), *pairs = malloc((size_t)lam_pair_count(rows) * sizeof *pairs + 1);
    memcpy(copy, x, bytes);
    assert_int_equal(
        lam_similarity(kind, copy, rows, width, pairs, undirected, &lam_team_alone, &error),
        LAM_OK);
    free(copy);
    return pairs;
}

static void test_golden(void **state) {
    (void)state;
    lam_error error;
    lam_safetensors *golden;
    if (lam_safetensors_open(golden_path("rsa.safetensors"), &golden, &error))
        fail_msg("%s", error.text);
    static const char *const names[][2] = {
        {"q.x", "q.cosine"}, {"k.x", "k.cosine"}, {"v.x", "v.cosine"}};
    for (int c = 0; c < 3; c++) {
        const lam_tensor *x = lam_safetensors_find(golden, names[c][0]);
        const lam_tensor *cosine = lam_safetensors_find(golden, names[c][1]);
        assert_true(x && cosine);
        const int64_t rows = x->shape[0];
        int64_t undirected;
        double *pairs = pairs_of(LAM_COSINE, x->data, rows, x->shape[1], &undirected);
        assert_int_equal(undirected, 0);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = i + 1; j < rows; j++)
                assert_true(fabs(pairs[lam_pair_row(rows, i) + j] -
                                 ((const double *)cosine->data)[i * rows + j]) <= 1e-10);
        free(pairs);
    }
    lam_safetensors_close(golden);
}

// Every pair has its place, once, whatever is left over by tiles and blocks.
static void test_definition(void **state) {
    (void)state;
    static const int64_t rows[] = {1, 2, 3, 5, 6, 7, 8, 9, 13, 63, 64, 65, 71, 130};
    static const int64_t widths[] = {2, 3, 17, 96};
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            const int64_t n = rows[r], width = widths[w];
            double *x = random_rows(n, width, (uint32_t)(10 * r + w));
            for (size_t kind = 0; kind < 3; kind++) {
                int64_t undirected, at = 0;
                double *pairs = pairs_of(kinds[kind], x, n, width, &undirected);
                assert_int_equal(undirected, 0);
                for (int64_t i = 0; i < n; i++)
                    for (int64_t j = i + 1; j < n; j++, at++) {
                        assert_int_equal(lam_pair_row(n, i) + j, at);
                        const double want = plain(kinds[kind], x + i * width, x + j * width, width);
                        assert_true(fabs(pairs[at] - want) <= 1e-12);
                    }
                assert_int_equal(at, lam_pair_count(n));
                free(pairs);
            }
            free(x);
        }
}

// Where a row stands, and how many threads there are, does not show in a single bit.
static void test_bits(void **state) {
    (void)state;
    enum { ROWS = 150, WIDTH = 33 };
    const int threads = omp_get_max_threads();
    double *x = random_rows(ROWS, WIDTH, 5), *turned = malloc(ROWS * WIDTH * sizeof *turned);
    for (int64_t i = 0; i < ROWS; i++)
        memcpy(turned + (ROWS - 1 - i) * WIDTH, x + i * WIDTH, WIDTH * sizeof *x);
    for (size_t kind = 0; kind < 3; kind++) {
        int64_t undirected;
        omp_set_num_threads(1);
        double *one = pairs_of(kinds[kind], x, ROWS, WIDTH, &undirected);
        omp_set_num_threads(4);
        double *four = pairs_of(kinds[kind], x, ROWS, WIDTH, &undirected);
        double *back = pairs_of(kinds[kind], turned, ROWS, WIDTH, &undirected);
        omp_set_num_threads(threads);
        assert_memory_equal(one, four, (size_t)lam_pair_count(ROWS) * sizeof *one);
        for (int64_t i = 0; i < ROWS; i++)
            for (int64_t j = i + 1; j < ROWS; j++)
                assert_memory_equal(&one[lam_pair_row(ROWS, i) + j],
                                    &back[lam_pair_row(ROWS, ROWS - 1 - j) + ROWS - 1 - i],
                                    sizeof *one);
        free(one), free(four), free(back);
    }
    free(x), free(turned);
}

// Rows without a direction are counted, and their pairs are numbers all the same.
static void test_undirected(void **state) {
    (void)state;
    enum { ROWS = 9, WIDTH = 7 };
    double *x = random_rows(ROWS, WIDTH, 6);
    for (int k = 0; k < WIDTH; k++) {
        x[2 * WIDTH + k] = 0;
        x[4 * WIDTH + k] = 0.1; // rounding its sum must not look like a direction
        x[8 * WIDTH + k] = -1e-310;
    }
    static const int64_t want[] = {1, 3, 0};
    for (size_t kind = 0; kind < 3; kind++) {
        int64_t undirected;
        double *pairs = pairs_of(kinds[kind], x, ROWS, WIDTH, &undirected);
        assert_int_equal(undirected, want[kind]);
        for (int64_t p = 0; p < lam_pair_count(ROWS); p++) assert_true(isfinite(pairs[p]));
        if (kind < 2) assert_true(pairs[lam_pair_row(ROWS, 2) + 5] == 0);
        if (kind == 1) assert_true(pairs[lam_pair_row(ROWS, 4) + 5] == 0);
        free(pairs);
    }
    free(x);
}

// Squares beyond what a double holds, and below it.
static void test_scales(void **state) {
    (void)state;
    enum { ROWS = 6, WIDTH = 11 };
    static const double scale[ROWS] = {1e300, 1e-300, 1, 1e155, 1e-160, 1e307};
    double *x = random_rows(ROWS, WIDTH, 7), *scaled = random_rows(ROWS, WIDTH, 7);
    for (int i = 0; i < ROWS * WIDTH; i++) scaled[i] *= scale[i / WIDTH];
    for (size_t kind = 0; kind < 2; kind++) {
        int64_t undirected;
        double *pairs = pairs_of(kinds[kind], x, ROWS, WIDTH, &undirected);
        double *same = pairs_of(kinds[kind], scaled, ROWS, WIDTH, &undirected);
        assert_int_equal(undirected, 0);
        for (int64_t p = 0; p < lam_pair_count(ROWS); p++)
            assert_true(fabs(pairs[p] - same[p]) <= 1e-13);
        free(pairs), free(same);
    }
    free(x), free(scaled);
}

// Equal rows: one value, to the bit, and no distance; near ones keep the digits of theirs.
static void test_equal_rows(void **state) {
    (void)state;
    enum { ROWS = 20, WIDTH = 40 };
    double *x = random_rows(ROWS, WIDTH, 8);
    for (int i = 1; i < ROWS; i++) memcpy(x + i * WIDTH, x, WIDTH * sizeof *x);
    for (size_t kind = 0; kind < 3; kind++) {
        int64_t undirected;
        double *pairs = pairs_of(kinds[kind], x, ROWS, WIDTH, &undirected);
        for (int64_t p = 1; p < lam_pair_count(ROWS); p++) assert_true(pairs[p] == pairs[0]);
        assert_true(fabs(pairs[0] - (kind == 2 ? 0 : 1)) <= 1e-14);
        free(pairs);
    }
    for (int i = 0; i < ROWS; i++) x[i * WIDTH] += i * 0x1p-40;
    int64_t undirected;
    double *pairs = pairs_of(LAM_EUCLIDEAN, x, ROWS, WIDTH, &undirected);
    assert_true(fabs(pairs[lam_pair_row(ROWS, 3) + 8] / (5 * 0x1p-40) - 1) <= 1e-3);
    free(pairs), free(x);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_definition),
        cmocka_unit_test(test_bits),   cmocka_unit_test(test_undirected),
        cmocka_unit_test(test_scales), cmocka_unit_test(test_equal_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
