// The model of the pipeline against times that can be worked out by hand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "src/schedule.h"

#include <math.h>

enum { TEAMS = 5, BATCHES = 40 };

static const lam_network nothing = {.host_ranks = 1, .bandwidth = INFINITY, .memory = INFINITY};

// Until all has passed teams of so many ranks each, of which a micro-batch takes these seconds.
static double seconds_of(int64_t teams, int members, const double *seconds, double bytes,
                         lam_network network) {
    int lead[TEAMS + 1];
    double found = -1;
    lam_error error;
    for (int t = 0; t <= teams; t++) lead[t] = t * members;
    const lam_schedule schedule = {.teams = teams,
                                   .batches = BATCHES,
                                   .lead = lead,
                                   .seconds = seconds,
                                   .bytes = bytes,
                                   .network = network};
    if (lam_schedule_run(&schedule, &found, &error) != LAM_OK) fail_msg("%s", error.text);
    return found;
}

static void assert_seconds(double found, double wanted) {
    if (fabs(found - wanted) > 1e-9 * wanted) fail_msg("%.12g s, not %.12g", found, wanted);
}

static const double even[TEAMS] = {1, 1, 1, 1, 1};

// One team works without a pause; of several the last begins when the first micro-batch has come
// through all others.
static void test_bubble(void **state) {
    (void)state;
    for (int64_t teams = 1; teams <= TEAMS; teams++)
        assert_seconds(seconds_of(teams, 1, even, 1, nothing), (double)(BATCHES + teams - 1));
}

// All wait for the slowest.
static void test_slowest(void **state) {
    (void)state;
    const double uneven[TEAMS] = {1, 2, 1, 3, 0.5};
    assert_seconds(seconds_of(TEAMS, 1, uneven, 1, nothing), 1 + 2 + 1 + 3 * BATCHES + 0.5);
}

// A team of two takes two micro-batches at a time.
static void test_members(void **state) {
    (void)state;
    assert_seconds(seconds_of(1, 2, even, 1, nothing), BATCHES / 2);
    assert_seconds(seconds_of(TEAMS, 2, even, 1, nothing), BATCHES / 2 + TEAMS - 1);
}

// A message that takes less than the work on it is hidden behind that, but for the first one's way;
// one that takes longer is what all wait for.
static void test_network(void **state) {
    (void)state;
    lam_network network = nothing;
    network.bandwidth = 10;
    assert_seconds(seconds_of(2, 1, even, 5, network), 2 + 0.5 + BATCHES - 1);
    assert_seconds(seconds_of(2, 1, even, 40, network), 1 + 4 * BATCHES + 1);
    network.latency = 0.25;
    assert_seconds(seconds_of(2, 1, even, 5, network), 2 + 0.5 + 0.25 + BATCHES - 1);
    // Two ranks a host: of three hops one is between hosts.
    network = (lam_network){.host_ranks = 2, .bandwidth = 10, .memory = INFINITY};
    assert_seconds(seconds_of(4, 1, even, 5, network), 4 + 0.5 + BATCHES - 1);
    // Both members' messages leave by the same link, one by one.
    assert_seconds(seconds_of(2, 2, even, 10, network), 1 + BATCHES + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bubble),
        cmocka_unit_test(test_slowest),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
