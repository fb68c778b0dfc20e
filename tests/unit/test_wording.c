#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/option.h"
#include "src/wording.h"

#include <stdio.h>
#include <string.h>

static void test_names_are_found_and_near_ones_suggested(void **state) {
    (void)state;
    static const lam_option names[] = {{.name = "length"}, {.name = "learning_rate"},
                                       {.name = "l1"},     {.name = "text"},
                                       {.name = "epochs"}, {0}};
    static const struct {
        const char *wanted, *near;
    } cases[] = {{"lenght", "length"},
                 {"Length", "length"},
                 {"leng", "length"},
                 {"learn_rate", "learning_rate"},
                 {"learnig-rate", "learning_rate"},
                 {"epoch", "epochs"},
                 {"l2", "l1"},
                 {"tetx", "text"},
                 {"rate", NULL},
                 {"xt", NULL},
                 {"", NULL},
                 {"k", NULL},
                 {"completely_else", NULL},
                 {"eopchs", "epochs"},
                 {"leanring_rates", "learning_rate"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *near = lam_option_nearest(names, cases[i].wanted);
        if (cases[i].near)
            assert_string_equal(near ? near : "none", cases[i].near);
        else
            assert_null(near);
    }
    assert_ptr_equal(lam_option_find(names, "learning-rate"), &names[1]);
    assert_ptr_equal(lam_option_find(names, "learning_rate"), &names[1]);
    assert_null(lam_option_find(names, "learning_rat"));
    assert_null(lam_option_find(names, "learning_rates"));
    assert_null(lam_option_find(names, ""));
}

static void test_excerpts_end_between_characters(void **state) {
    (void)state;
    char text[400] = "";
    assert_string_equal(lam_excerpt_of("short").text, "short");
    for (int lead = 0; lead < 4; lead++) {
        memset(text, 'a', (size_t)lead);
        text[lead] = '\0';
        for (int i = 0; i < 60; i++) strcat(text, "é€");
        lam_excerpt cut = lam_excerpt_of(text);
        size_t length = strlen(cut.text);
        assert_true(length > 50 && length < LAM_EXCERPT_ROOM);
        assert_string_equal(cut.text + length - 3, "...");
        assert_memory_equal(cut.text, text, length - 3);
        assert_true(((unsigned char)text[length - 3] & 0xC0) != 0x80);
    }
}

// Known distances, seen through the threshold: a third of the longer name, rounded to nearest.
static void test_distances(void **state) {
    (void)state;
    static const struct {
        const char *wanted, *name;
        size_t distance;
    } cases[] = {{"sequences", "sequences", 0}, {"sequnces", "sequences", 1},
                 {"seqeunces", "sequences", 1}, {"esquenecs", "sequences", 2},
                 {"sequence", "sequences", 1},  {"xequencex", "sequences", 2},
                 {"SEQUENCES", "sequences", 0}, {"a-b-c-d", "a_b_c_d", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lam_nearest nearest = {.wanted = cases[i].wanted};
        lam_nearest_offer(&nearest, cases[i].name);
        assert_ptr_equal(nearest.name, cases[i].name);
        assert_int_equal(nearest.distance, cases[i].distance);
    }
    lam_nearest first_of_equals = {.wanted = "mean"};
    lam_nearest_offer(&first_of_equals, "bean");
    lam_nearest_offer(&first_of_equals, "lean");
    assert_string_equal(first_of_equals.name, "bean");
    lam_nearest_offer(&first_of_equals, "mean");
    assert_string_equal(lam_nearest_hint(&first_of_equals).text, " (nearest: 'mean')");
    char longer[200];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    lam_nearest none = {.wanted = longer};
    lam_nearest_offer(&none, longer);
    assert_string_equal(lam_nearest_hint(&none).text, "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_found_and_near_ones_suggested),
        cmocka_unit_test(test_excerpts_end_between_characters),
        cmocka_unit_test(test_distances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
