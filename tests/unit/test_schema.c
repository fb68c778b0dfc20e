// The tables of a result: what is allocated, where rows lie, which schemas are refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const lam_dimension dimensions[] = {{"layer", 12}, {"epoch", 3}, {"pair", 2}};
static const lam_variable variables[] = {
    {"mse", LAM_DOUBLE, {"layer"}, "mean squared error", "1", NULL},
    {"loss", LAM_FLOAT, {"layer", "epoch"}, "loss", "1", NULL},
    {"status", LAM_BYTE, {"layer", "epoch", "pair"}, "status", "1", "fitted constant"},
    {"count", LAM_INT64, {"layer"}, "count", "1", NULL},
    {"failed", LAM_INT, {"layer"}, "failed", "1", NULL},
    {"pair", LAM_STRING, {"pair"}, "pair", NULL, NULL},
    {"cross", LAM_DOUBLE, {"pair", "layer"}, "layer further in: rank 0's", "1", NULL},
    {"alone", LAM_DOUBLE, {NULL}, "no dimension", "1", NULL},
    {0},
};

static lam_group made(int64_t first, int64_t layers, lam_arena *arena) {
    lam_group group;
    lam_error error;
    assert_int_equal(
        lam_group_create(&group, "sae", variables, dimensions, 3, first, layers, arena, &error),
        LAM_OK);
    return group;
}

static void test_values_start_missing_or_zero(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_group group = made(4, 5, &arena);
    assert_int_equal(group.variable_count, 8);
    const int64_t row[] = {1, 3, 6, 1, 1, 2, 24, 1}, held[] = {5, 15, 30, 5, 5, 2, 24, 1};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(lam_group_find(&group, variables[i].name), i);
        assert_int_equal(lam_group_row_count(&group, i), row[i]);
        assert_int_equal(lam_group_value_count(&group, i), held[i]);
        for (int64_t k = 0; k < held[i]; k++) {
            switch (variables[i].type) {
            case LAM_DOUBLE:
                assert_true(isnan(((double *)group.data[i])[k]));
                break;
            case LAM_FLOAT:
                assert_true(isnan(((float *)group.data[i])[k]));
                break;
            case LAM_INT:
                assert_int_equal(((int32_t *)group.data[i])[k], 0);
                break;
            case LAM_INT64:
                assert_int_equal(((int64_t *)group.data[i])[k], 0);
                break;
            case LAM_BYTE:
                assert_int_equal(((int8_t *)group.data[i])[k], 0);
                break;
            case LAM_STRING:
                assert_null(((const char **)group.data[i])[k]);
                break;
            }
        }
    }
    lam_arena_destroy(&arena);
}

static void test_rows_by_global_layer(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_group group = made(4, 5, &arena);
    assert_ptr_equal(lam_group_row(&group, "mse", 4), group.data[0]);
    assert_ptr_equal(lam_group_row(&group, "mse", 8), (double *)group.data[0] + 4);
    assert_ptr_equal(lam_group_row(&group, "loss", 6), (float *)group.data[1] + 2 * 3);
    assert_ptr_equal(lam_group_row(&group, "status", 5), (int8_t *)group.data[2] + 6);
    assert_null(lam_group_row(&group, "mse", 3));
    assert_null(lam_group_row(&group, "mse", 9));
    assert_null(lam_group_row(&group, "mse", -1));
    assert_null(lam_group_row(&group, "absent", 5));
    assert_int_equal(lam_group_find(&group, "absent"), -1);
    assert_ptr_equal(lam_group_row(&group, "pair", 99), group.data[5]);
    assert_ptr_equal(lam_group_row(&group, "cross", 0), group.data[6]);
    assert_true(lam_variable_has_layer(&variables[0]));
    assert_false(lam_variable_has_layer(&variables[6]));
    assert_false(lam_variable_has_layer(&variables[7]));
    assert_int_equal(lam_group_dimension(&group, "epoch"), 3);
    assert_int_equal(lam_group_dimension(&group, "absent"), -1);
    lam_arena_destroy(&arena);
}

static void test_a_rank_without_layers(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_group group = made(12, 0, &arena);
    assert_int_equal(lam_group_value_count(&group, 1), 0);
    assert_non_null(group.data[1]);
    assert_null(lam_group_row(&group, "mse", 12));
    assert_non_null(lam_group_row(&group, "pair", 0));
    lam_arena_destroy(&arena);
}

static void test_attributes(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_error error;
    lam_group group = made(0, 12, &arena);
    char name[16], text[16];
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof name, "name%d", i);
        snprintf(text, sizeof text, "text%d", i);
        assert_int_equal(lam_group_text(&group, name, text, &error), LAM_OK);
    }
    assert_int_equal(lam_group_number(&group, "name7", 1e-3, false, &error), LAM_OK);
    assert_int_equal(lam_group_number(&group, "seed", 9007199254740991.0, true, &error), LAM_OK);
    assert_int_equal(group.attribute_count, 51);
    assert_string_equal(group.attributes[0].name, "name0");
    assert_string_equal(group.attributes[49].text, "text49");
    assert_null(group.attributes[7].text);
    assert_true(group.attributes[7].number == 1e-3 && !group.attributes[7].integer);
    assert_true(group.attributes[50].number == 9007199254740991.0 && group.attributes[50].integer);
    lam_arena_destroy(&arena);
}

// Expects a refusal with that code and a text that has what in it.
static void refuse(const lam_variable *schema, const lam_dimension *sizes, int64_t first,
                   int64_t layers, lam_code code, const char *what) {
    lam_arena arena = {0};
    lam_group group;
    lam_error error = {0};
    assert_int_equal(
        lam_group_create(&group, "sae", schema, sizes, 3, first, layers, &arena, &error), code);
    assert_non_null(strstr(error.text, what));
    lam_arena_destroy(&arena);
}

static void test_wrong_schemas(void **state) {
    (void)state;
    const lam_variable unknown[] = {{"a", LAM_INT, {"layr"}, "", "1", NULL}, {0}};
    const lam_variable gap[] = {{"a", LAM_INT, {"layer", NULL, "epoch"}, "", "1", NULL}, {0}};
    const lam_variable twice[] = {
        {"a", LAM_INT, {"layer"}, "", "1", NULL}, {"a", LAM_INT, {"pair"}, "", "1", NULL}, {0}};
    const lam_variable texts[] = {{"a", LAM_STRING, {"layer"}, "", NULL, NULL}, {0}};
    refuse(unknown, dimensions, 0, 12, LAM_INTERNAL, "layr");
    refuse(gap, dimensions, 0, 12, LAM_INTERNAL, "epoch");
    refuse(twice, dimensions, 0, 12, LAM_INTERNAL, "twice");
    refuse(texts, dimensions, 0, 12, LAM_INTERNAL, "texts");
    refuse(variables, dimensions, 0, 13, LAM_INTERNAL, "13 layers");
    refuse(variables, dimensions, 12, 1, LAM_INTERNAL, "from 12");
    refuse(variables, dimensions, -1, 1, LAM_INTERNAL, "from -1");
    const lam_dimension negative[] = {{"layer", 12}, {"epoch", -3}, {"pair", 2}};
    refuse(variables, negative, 0, 12, LAM_INTERNAL, "epoch");
    const lam_dimension huge[] = {{"layer", 12}, {"epoch", INT64_MAX / 2}, {"pair", 2}};
    refuse(variables, huge, 0, 12, LAM_MEMORY, "loss");
}

static void test_sizes_of_types(void **state) {
    (void)state;
    assert_int_equal(lam_type_size(LAM_DOUBLE), 8);
    assert_int_equal(lam_type_size(LAM_FLOAT), 4);
    assert_int_equal(lam_type_size(LAM_INT), 4);
    assert_int_equal(lam_type_size(LAM_INT64), 8);
    assert_int_equal(lam_type_size(LAM_BYTE), 1);
    assert_int_equal(lam_type_size(LAM_STRING), sizeof(char *));
    assert_string_equal(lam_type_name(LAM_INT64), "int64");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_start_missing_or_zero),
        cmocka_unit_test(test_rows_by_global_layer),
        cmocka_unit_test(test_a_rank_without_layers),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_wrong_schemas),
        cmocka_unit_test(test_sizes_of_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
