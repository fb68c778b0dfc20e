// ranks: 1 2 3 5 7
// The ranks of one layer: sums in the fixed tree, what is shared and gathered, histograms of all,
// and members that fail while the others work.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mpi/team.h"
#include "src/histogram.h"
#include "src/random.h"
#include "tests/unit/fixture.h"

#include <stdlib.h>

static lam_comm comm;
static lam_team team;

static float value_of(int64_t block, int64_t i) {
    return (float)((block * 7919 + i * 104729) % 1000003) * 1.1e-3f;
}

// The sum of a node, by its definition.
static float sum_of(int64_t blocks, int64_t first, int64_t size, int64_t i) {
    if (size == 1) return value_of(first, i);
    float left = sum_of(blocks, first, size / 2, i);
    if (first + size / 2 >= blocks) return left;
    return left + sum_of(blocks, first + size / 2, size / 2, i);
}

static void check_sum(int64_t blocks, int64_t length) {
    lam_error error;
    lam_team_node node[LAM_TEAM_NODES];
    int64_t first, count, size = 1;
    while (size < blocks) size *= 2;
    team.own(&team, blocks, &first, &count);
    const int64_t nodes = lam_team_nodes(blocks, first, count, node);
    float *parts = malloc((size_t)((nodes ? nodes : 1) * length) * sizeof *parts);
    assert_non_null(parts);
    for (int64_t n = 0; n < nodes; n++) {
        int64_t whole = 1;
        while (whole < node[n].count) whole *= 2;
        for (int64_t i = 0; i < length; i++)
            parts[n * length + i] = sum_of(blocks, node[n].first, whole, i);
    }
    if (team.sum(&team, blocks, parts, length, &error)) fail_msg("%s", error.text);
    for (int64_t i = 0; i<length; i += length> 1000 ? 331 : 1)
        if (parts[i] != sum_of(blocks, 0, size, i))
            fail_msg("%lld blocks, value %lld of %lld: %.9g, not %.9g", (long long)blocks,
                     (long long)i, (long long)length, (double)parts[i],
                     (double)sum_of(blocks, 0, size, i));
    free(parts);
}

static void test_sum(void **state) {
    (void)state;
    for (int64_t blocks = 1; blocks <= 21; blocks++) {
        check_sum(blocks, 1);
        check_sum(blocks, 64);
    }
    check_sum(12, 1000);
    check_sum(13, (1 << 18) * 2 + 5); // several pieces
}

static void test_share(void **state) {
    (void)state;
    lam_error error;
    double values[40 * 3];
    for (int64_t blocks = 1; blocks <= 40; blocks++) {
        int64_t first, count;
        team.own(&team, blocks, &first, &count);
        for (int64_t i = 0; i < 3 * blocks; i++)
            values[i] = i / 3 >= first && i / 3 < first + count ? (double)i : -1;
        if (team.share(&team, blocks, values, 3, &error)) fail_msg("%s", error.text);
        for (int64_t i = 0; i < 3 * blocks; i++) assert_true(values[i] == (double)i);
    }
}

static void test_gather(void **state) {
    (void)state;
    lam_error error;
    lam_arena arena = {0};
    enum { PARTS = 20 };
    size_t start[PARTS + 1] = {0}, *starts;
    unsigned char data[PARTS * PARTS];
    for (size_t i = 0; i < PARTS; i++) start[i + 1] = start[i] + i;
    memset(data, 255, sizeof data);
    for (size_t i = 0; i < PARTS; i++)
        if ((int)i % team.members == team.member) memset(data + start[i], (int)i, i);
    if (team.gather(&team, data, PARTS, start, &error)) fail_msg("%s", error.text);
    for (size_t i = 0; i < PARTS; i++)
        for (size_t at = start[i]; at < start[i + 1]; at++) assert_int_equal(data[at], i);

    if (lam_team_starts(&team, 10 + (size_t)team.member, &starts, &arena, &error))
        fail_msg("%s", error.text);
    for (int m = 0; m <= team.members; m++) assert_int_equal(starts[m], 10 * m + m * (m - 1) / 2);
    for (int m = -1; m < team.members; m++) {
        bool flag = m == team.member;
        if (team.any(&team, &flag, &error)) fail_msg("%s", error.text);
        assert_int_equal(flag, m >= 0);
    }
    int64_t counts[] = {1, team.member};
    if (lam_team_add(&team, counts, 2, &arena, &error)) fail_msg("%s", error.text);
    assert_int_equal(counts[0], team.members);
    assert_int_equal(counts[1], team.members * (team.members - 1) / 2);
    lam_arena_destroy(&arena);
}

// Values of very different size, so that members' bins are of different levels; the last member has
// none, where there are several.
static void check_histogram(int64_t count, bool exact) {
    lam_error error;
    lam_arena arena = {0};
    lam_histogram all, mine;
    lam_sample want, got;
    lam_random key = lam_random_key(5, LAM_RANDOM_SEQUENCES, 0, 0);
    if (lam_histogram_create(&all, LAM_FEWEST_BINS, exact, &arena, &error) ||
        lam_histogram_create(&mine, LAM_FEWEST_BINS, exact, &arena, &error))
        fail_msg("%s", error.text);
    for (int64_t i = 0; i < count; i++) {
        float value;
        lam_random_fill_normal(&key, (uint64_t)i, 1, 1, &value);
        const int64_t working = team.members > 1 ? team.members - 1 : 1;
        const int64_t member = i % 100 < 90 ? 0 : i % working;
        if (member) value = (float)(i % 3) / 3;
        if (lam_histogram_add(&all, &value, 1, &error) ||
            (member == team.member && lam_histogram_add(&mine, &value, 1, &error)))
            fail_msg("%s", error.text);
    }
    if (lam_histogram_join(&mine, &team, &arena, &error) ||
        lam_histogram_sample(&all, &want, &arena, &error) ||
        lam_histogram_sample(&mine, &got, &arena, &error))
        fail_msg("%s", error.text);
    assert_int_equal(got.total, want.total);
    assert_int_equal(got.size, want.size);
    assert_memory_equal(got.value, want.value, (size_t)want.size * sizeof *want.value);
    assert_memory_equal(got.count, want.count, (size_t)want.size * sizeof *want.count);
    for (double level = 0; count && level <= 1; level += 0.125)
        assert_true(lam_histogram_quantile(&mine, level) == lam_histogram_quantile(&all, level));
    if (count) assert_true(lam_histogram_lowest(&mine) == lam_histogram_lowest(&all));
    if (count) assert_true(lam_histogram_highest(&mine) == lam_histogram_highest(&all));
    lam_arena_destroy(&arena);
}

static void test_histogram(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        check_histogram(0, exact);
        check_histogram(3, exact);
        check_histogram(30000, exact);
    }
}

static lam_layout one_layer(lam_arena *arena) {
    lam_error error;
    lam_layout layout;
    if (lam_layout_create(&layout, 1, comm.size, NULL, arena, &error)) fail_msg("%s", error.text);
    return layout;
}

// Every member in turn fails before each of the calls, or after the last one: nobody waits, and all
// ranks end with what it says, under its name.
static void test_failure(void **state) {
    (void)state;
    enum { CALLS = 4 };
    for (int failing = 0; failing < comm.size; failing++)
        for (int before = 0; before <= CALLS; before++) {
            lam_error error;
            lam_arena arena = {0};
            lam_layout layout = one_layer(&arena);
            lam_team crew;
            if (lam_team_create(&comm, &layout, &crew, &error)) fail_msg("%s", error.text);
            lam_code code = LAM_OK;
            for (int call = 0; call <= CALLS && code == LAM_OK; call++) { // the last one: none
                float parts[256] = {0};
                double values[100] = {0};
                const size_t start[2] = {0, sizeof parts};
                if (crew.member == failing && call == before)
                    code = lam_fail(&error, LAM_NUMERIC, "value %d is not finite", failing);
                else if (call == CALLS)
                    break;
                else if (call % 3 == 0)
                    code = crew.sum(&crew, 10, parts, 8, &error);
                else if (call % 3 == 1)
                    code = crew.share(&crew, 10, values, 10, &error);
                else
                    code = crew.gather(&crew, parts, 1, start, &error);
            }
            code = crew.close(&crew, code, &error);
            assert_true(code != LAM_OK);
            assert_int_equal(error.passed_on, crew.member != failing);
            assert_int_equal(lam_comm_agree(&comm, code, &error), LAM_NUMERIC);
            char want[64];
            snprintf(want, sizeof want, "rank %d (", failing);
            assert_int_equal(strncmp(error.text, want, strlen(want)) == 0, comm.size > 1);
            snprintf(want, sizeof want, "value %d is not finite", failing);
            assert_non_null(strstr(error.text, want));
            lam_team_destroy(&crew);
            lam_arena_destroy(&arena);
        }
}

int main(int argc, char **argv) {
    lam_error error;
    lam_arena arena = {0};
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_layout layout = one_layer(&arena);
    if (lam_team_create(&comm, &layout, &team, &error))
        return fprintf(stderr, "%s\n", error.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sum),     cmocka_unit_test(test_share),
        cmocka_unit_test(test_gather),  cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_failure),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_team_destroy(&team);
    lam_arena_destroy(&arena);
    lam_comm_destroy(&comm);
    return failed;
}
