// ranks: 1 2 3 5
// The ranks of one layer share the work of its analyses: results are one rank's to the last bit,
// and no member does what is another's.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mpi/team.h"
#include "src/folds.h"
#include "src/logistic.h"
#include "src/random.h"
#include "src/ridge_logistic.h"

static lam_comm comm;
static lam_team team; // of all ranks
static lam_error error;

// --- a team that watches over what is brought to it

static struct {
    size_t own, all; // bytes that this member has brought and that all have
} brought;

static bool is_untouched(const char *data, size_t bytes) {
    for (size_t i = 0; i < bytes; i++)
        if (data[i]) return false;
    return true;
}

// Memory is zero where nobody has worked: a member that fills another's part is found.
static lam_code watched_gather(const lam_team *spy, void *data, int64_t parts, const size_t *start,
                               lam_error *why) {
    for (int64_t i = 0; i < parts; i++) {
        const size_t bytes = start[i + 1] - start[i];
        brought.all += bytes;
        if (i % spy->members == spy->member)
            brought.own += bytes;
        else if (!is_untouched((char *)data + start[i], bytes))
            fail_msg("member %d has done the work of another: part %lld", spy->member,
                     (long long)i);
    }
    return team.gather(&team, data, parts, start, why);
}

static lam_team watched(void) {
    lam_team spy = team;
    spy.gather = watched_gather;
    memset(&brought, 0, sizeof brought);
    return spy;
}

// That about a member's share was brought, not all of it by each. small: bytes beside the work.
static void check_shared(size_t small) {
    const size_t members = (size_t)team.members;
    assert_true(brought.all > 0);
    if (brought.own > brought.all / members + brought.all / 4 + small)
        fail_msg("member %d brought %zu of %zu bytes", team.member, brought.own, brought.all);
}

static void succeed(lam_code code) {
    if (code != LAM_OK) fail_msg("%s", error.text);
}

static double normal(uint64_t index) {
    const lam_random key = lam_random_key(9, LAM_RANDOM_SYNTH, 0, 0);
    return (double)lam_random_normal(&key, index);
}

// --- regressions

enum { ROWS = 60, UNITS = 10 * LAM_LOGISTIC_BLOCK + 5, FOLDS = 5 };

typedef struct targets {
    int32_t label[ROWS], fold[ROWS];
    float x[ROWS * UNITS];
} targets;

static lam_logistic_rows make_targets(targets *t, lam_arena *arena) {
    for (int i = 0; i < ROWS; i++) t->label[i] = i % 5 < 2;
    for (int i = 0; i < ROWS * UNITS; i++)
        t->x[i] = (float)(normal((uint64_t)i) + t->label[i / UNITS] * 0.1 * (i % UNITS % 20));
    succeed(lam_folds_deal(t->label, ROWS, FOLDS, 1, t->fold, arena, &error));
    return (lam_logistic_rows){ROWS, t->label, t->fold, FOLDS};
}

// units: fewer than there are members have blocks, a ragged last one, several each.
static void check_fits(lam_logistic_kind kind, int64_t units) {
    lam_arena arena = {0};
    targets *t = lam_arena_alloc(&arena, 1, sizeof *t, &error);
    assert_non_null(t);
    const lam_logistic_rows rows = make_targets(t, &arena);
    lam_logistic *logistic;
    succeed(lam_logistic_create(&logistic, &rows, kind, &arena, &error));
    lam_logistic_fit *fit[2];
    const lam_team spy = watched();
    for (int i = 0; i < 2; i++) {
        fit[i] = lam_arena_alloc(&arena, (size_t)units, sizeof **fit, &error);
        assert_non_null(fit[i]);
        succeed(lam_logistic_fit_units(logistic, t->x, UNITS, units, fit[i],
                                       i ? &spy : &lam_team_alone, &arena, &error));
    }
    for (int64_t u = 0; u < units; u++) {
        assert_true(fit[0][u].status == fit[1][u].status);
        assert_true(fit[0][u].failed == fit[1][u].failed);
        assert_memory_equal(&fit[0][u].intercept, &fit[1][u].intercept, 7 * sizeof(double));
    }
    check_shared(2 * LAM_LOGISTIC_BLOCK * sizeof **fit);
    lam_arena_destroy(&arena);
}

static void test_fits(void **state) {
    (void)state;
    for (lam_logistic_kind kind = LAM_LOGISTIC_MAXIMUM; kind <= LAM_LOGISTIC_PLAIN; kind++) {
        check_fits(kind, 3);
        check_fits(kind, LAM_LOGISTIC_BLOCK + 1);
        check_fits(kind, UNITS);
    }
}

// Rows of folds that two members told, or none, would make the accuracy another.
static void test_joint(void **state) {
    (void)state;
    lam_arena arena = {0};
    targets *t = lam_arena_alloc(&arena, 1, sizeof *t, &error);
    assert_non_null(t);
    const lam_logistic_rows rows = make_targets(t, &arena);
    for (int64_t units = 7; units <= UNITS; units += UNITS - 7) { // by units and by rows
        lam_ridge_fit fit[2];
        const lam_team spy = watched();
        for (int i = 0; i < 2; i++)
            succeed(lam_ridge_logistic(&rows, t->x, UNITS, units, 1, &fit[i], NULL,
                                       i ? &spy : &lam_team_alone, &arena, &error));
        assert_true(fit[0].converged && fit[1].converged);
        assert_memory_equal(&fit[0].intercept, &fit[1].intercept, 4 * sizeof(double));
        assert_true(brought.all > 0);
    }
    lam_arena_destroy(&arena);
}

int main(int argc, char **argv) {
    lam_arena arena = {0};
    lam_layout layout;
    if (lam_comm_create(&comm, &argc, &argv, &error) ||
        lam_layout_create(&layout, 1, comm.size, NULL, &arena, &error) ||
        lam_team_create(&comm, &layout, &team, &error))
        return fprintf(stderr, "%s\n", error.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_joint),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_team_destroy(&team);
    lam_arena_destroy(&arena);
    lam_comm_destroy(&comm);
    return failed;
}
