#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/stop.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void wait_seconds(double seconds) {
    struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&time, NULL);
}

// Whether a request comes within some seconds.
static bool comes(void) {
    for (int i = 0; i < 500 && !lam_stop_asked(); i++) wait_seconds(0.01);
    return lam_stop_asked();
}

// What a child that runs this ends with, as of waitpid.
static int in_child(int (*run)(void)) {
    int status = -1;
    pid_t child = fork();
    if (child == 0) _exit(run());
    waitpid(child, &status, 0);
    return status;
}

static int ask(int number, const char *line) {
    lam_error error;
    if (lam_stop_begin(&error) != LAM_OK || lam_stop_check(&error) != LAM_OK) return 1;
    kill(getpid(), number);
    if (!comes() || lam_stop_signal() != number) return 2;
    if (lam_stop_check(&error) != LAM_INTERRUPTED || strcmp(error.text, line) != 0) return 3;
    // Where it happened is no matter.
    if (lam_fail_within(&error, "layer 3") != LAM_INTERRUPTED || strcmp(error.text, line) != 0)
        return 4;
    return 0;
}

static int ask_term(void) {
    return ask(SIGTERM, "ended by SIGTERM");
}

static int ask_int(void) {
    return ask(SIGINT, "ended by SIGINT");
}

static int ask_usr1(void) {
    return ask(SIGUSR1, "ended by SIGUSR1");
}

static void test_signals_are_requests(void **state) {
    (void)state;
    assert_int_equal(in_child(ask_term), 0);
    assert_int_equal(in_child(ask_int), 0);
    assert_int_equal(in_child(ask_usr1), 0);
}

static int ask_twice(double apart) {
    if (ask_term() != 0) return 1;
    wait_seconds(apart);
    kill(getpid(), SIGINT);
    wait_seconds(apart > 1 ? 5 : 0.2);
    return lam_stop_signal() == SIGTERM ? 0 : 2;
}

static int ask_twice_at_once(void) {
    return ask_twice(0.1);
}

static int ask_again(void) {
    return ask_twice(1.1);
}

static void test_a_second_one_ends_the_process(void **state) {
    (void)state;
    assert_int_equal(in_child(ask_twice_at_once), 0);
    int status = in_child(ask_again);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGINT);
}

static int ask_ignored(void) {
    lam_error error;
    signal(SIGINT, SIG_IGN);
    if (lam_stop_begin(&error) != LAM_OK) return 1;
    kill(getpid(), SIGINT);
    wait_seconds(0.2);
    return lam_stop_asked();
}

static void test_what_is_ignored_stays_so(void **state) {
    (void)state;
    assert_int_equal(in_child(ask_ignored), 0);
}

static int hear(void) {
    lam_stop_tell(SIGUSR1);
    lam_stop_tell(SIGTERM); // the first one counts
    return lam_stop_signal() == SIGUSR1 && strcmp(lam_stop_name(), "SIGUSR1") == 0 ? 0 : 1;
}

static void test_another_rank_may_have_been_asked(void **state) {
    (void)state;
    assert_int_equal(in_child(hear), 0);
    assert_false(lam_stop_asked());
}

static int defer(void) {
    lam_error error;
    lam_stop_tell(SIGUSR1);
    lam_stop_defer(true);
    if (lam_stop_asked() || lam_stop_check(&error) != LAM_OK || !lam_stop_signal()) return 1;
    lam_stop_defer(false);
    return lam_stop_asked() && lam_stop_check(&error) == LAM_INTERRUPTED ? 0 : 2;
}

static void test_requests_can_be_deferred(void **state) {
    (void)state;
    assert_int_equal(in_child(defer), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_are_requests),
        cmocka_unit_test(test_a_second_one_ends_the_process),
        cmocka_unit_test(test_what_is_ignored_stays_so),
        cmocka_unit_test(test_another_rank_may_have_been_asked),
        cmocka_unit_test(test_requests_can_be_deferred),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
