// What can be said of downloads without a server; tests/fetch has one.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/download_meter.h"
#include "io/transfer.h"

#include <string.h>

static void test_origins(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"https://example.org/a?b#c", "https://example.org:443"},
        {"HTTP://Example.ORG/", "http://example.org:80"},
        {"http://example.org:8080/x", "http://example.org:8080"},
        {"http://[::1]:9/x", "http://[::1]:9"},
        {"https://example.org:443", "https://example.org:443"},
    };
    char origin[LAM_ORIGIN_ROOM];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(lam_url_origin(cases[i][0], origin));
        assert_string_equal(origin, cases[i][1]);
    }
}

static void test_addresses_that_are_not_fetched(void **state) {
    (void)state;
    static const char *const urls[] = {
        "",
        "file:///etc/passwd",
        "ftp://example.org/a",
        "example.org/a",
        "http://",
        "http://me@example.org/a",
        "javascript:alert(1)",
        "http://me:secret@a/",
        "//a/b",

        "https://a b/",
        "http://a:99999/",
        "gopher://a",
        "http://[::1/",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        lam_error error;
        assert_int_equal(lam_url_check(urls[i], &error), LAM_USAGE);
        assert_null(strstr(error.text, "secret"));
    }
}

static void test_escapes(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_error error;
    assert_string_equal(lam_url_escape("A b&c=d/é", &arena, &error), "A%20b%26c%3Dd%2F%C3%A9");
    lam_arena_destroy(&arena);
}

static void test_the_meter_says_rate_and_time_left(void **state) {
    (void)state;
    char text[256];
    lam_meter meter = {.what = "pages", .items = 4, .items_done = 1, .bytes_found = 20000000};
    lam_meter_text(&meter, 50000000, 110000000, 10, text, sizeof text);
    assert_string_equal(text, "1 of 4 pages  50.0 of 110.0 MB  3.00 MB/s  20 s left");
    lam_meter_text(&meter, 50000000, -1, 100, text, sizeof text);
    assert_string_equal(text, "1 of 4 pages  50.0 MB  0.30 MB/s  5 min left");
    meter.items_done = 0;
    lam_meter_text(&meter, 20000000, -1, 0, text, sizeof text);
    assert_string_equal(text, "0 of 4 pages  20.0 MB  0.00 MB/s  ? left");
}

static void test_pauses_grow_to_a_cap(void **state) {
    (void)state;
    for (int64_t tries = 1; tries < 100; tries++) {
        double whole = tries < 7 ? (double)(1 << (tries - 1)) : 60;
        assert_true(lam_transfer_backoff(1, tries, 0) == whole / 2);
        assert_true(lam_transfer_backoff(1, tries, UINT32_MAX) == whole);
        double between = lam_transfer_backoff(1, tries, UINT32_MAX / 2);
        assert_true(between > 0.74 * whole && between < 0.76 * whole);
    }
    assert_true(lam_transfer_backoff(0, 50, UINT32_MAX) == 0);
    assert_true(lam_transfer_backoff(60, 1, UINT32_MAX) == 60);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_addresses_that_are_not_fetched),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_pauses_grow_to_a_cap),
        cmocka_unit_test(test_the_meter_says_rate_and_time_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
