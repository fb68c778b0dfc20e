// profile_sha256: its definition, what it sees and what it does not.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "result_fixture.h"

static void test_digest_by_its_definition(void **state) {
    (void)state;
    // Computed apart from this program, by the definition in io/result_hash.h.
    static const char expected[] =
        "f02d8efc2ac1feb957f55a3635bd4431cdda5df1f556a7d763abebd715bbf023";
    static const lam_dimension sizes[] = {{"layer", 2}, {"word", 2}};
    static const lam_variable first[] = {{"z", LAM_DOUBLE, {"layer"}, "", "1", NULL},
                                         {"f", LAM_FLOAT, {"layer", "word"}, "", "1", NULL},
                                         {"word", LAM_STRING, {"word"}, "", NULL, NULL},
                                         {0}};
    static const lam_variable second[] = {{"i", LAM_INT, {"layer"}, "", "1", NULL},
                                          {"l", LAM_INT64, {"layer"}, "", "1", NULL},
                                          {"b", LAM_BYTE, {"layer"}, "", "1", NULL},
                                          {0}};
    lam_arena arena = {0};
    lam_group groups[2];
    lam_error error;
    char text[LAM_SHA256_TEXT];
    assert_int_equal(
        lam_group_create(&groups[0], "tuning/qkv", first, sizes, 2, 0, 2, &arena, &error), LAM_OK);
    assert_int_equal(lam_group_create(&groups[1], "sae", second, sizes, 2, 0, 2, &arena, &error),
                     LAM_OK);
    ((double *)groups[0].data[0])[0] = -0.0;
    ((double *)groups[0].data[0])[1] = -NAN;
    const float floats[] = {1.5f, NAN, -2.25f, INFINITY};
    memcpy(groups[0].data[1], floats, sizeof floats);
    ((const char **)groups[0].data[2])[0] = "é";
    ((int32_t *)groups[1].data[0])[0] = -2;
    ((int64_t *)groups[1].data[1])[1] = INT64_MIN + 1;
    ((int8_t *)groups[1].data[2])[0] = -1;
    assert_int_equal(lam_result_hash(groups, 2, text, &error), LAM_OK);
    assert_string_equal(text, expected);
    lam_arena_destroy(&arena);
}

// Collects the groups of any cut of the layers, as the ranks' collection does.
static void test_digest_is_that_of_any_cut(void **state) {
    scene *here = *state;
    char whole[LAM_SHA256_TEXT], cut[LAM_SHA256_TEXT];
    digest_of(&here->made.result, whole);
    for (int64_t parts = 2; parts <= LAYERS + 1; parts++) {
        made_result again;
        make_result(&again);
        for (size_t g = 0; g < 3; g++)
            for (int64_t part = 0; part < parts; part++) {
                int64_t first = part * LAYERS / parts, end = (part + 1) * LAYERS / parts;
                lam_group slice = make_group(again.groups[g].name, again.groups[g].variables, first,
                                             end - first, &again.arena);
                for (size_t v = 0; v < slice.variable_count; v++) {
                    const lam_variable *variable = &slice.variables[v];
                    if (!lam_variable_has_layer(variable) || first == end) continue;
                    memcpy(lam_group_row(&again.groups[g], variable->name, first), slice.data[v],
                           (size_t)lam_group_value_count(&slice, v) *
                               lam_type_size(variable->type));
                }
            }
        digest_of(&again.result, cut);
        assert_string_equal(cut, whole);
        lam_arena_destroy(&again.arena);
    }
}

static void test_digest_sees_every_bit(void **state) {
    scene *here = *state;
    char whole[LAM_SHA256_TEXT], changed[LAM_SHA256_TEXT];
    digest_of(&here->made.result, whole);
    for (size_t g = 0; g < 3; g++)
        for (size_t v = 0; v < here->made.groups[g].variable_count; v++) {
            lam_group *group = &here->made.groups[g];
            int64_t count = lam_group_value_count(group, v);
            if (!count) continue;
            if (group->variables[v].type == LAM_STRING) {
                ((const char **)group->data[v])[1] = "galaxies";
                digest_of(&here->made.result, changed);
                ((const char **)group->data[v])[1] = "";
            } else {
                // The last value's lowest bit; none of the last ones is missing.
                size_t at = (size_t)(count - 1) * lam_type_size(group->variables[v].type);
                ((char *)group->data[v])[at] ^= 1;
                digest_of(&here->made.result, changed);
                ((char *)group->data[v])[at] ^= 1;
            }
            assert_string_not_equal(changed, whole);
        }
    // Order is no matter, names and shapes are.
    lam_group first = here->made.groups[0];
    here->made.groups[0] = here->made.groups[2];
    here->made.groups[2] = first;
    digest_of(&here->made.result, changed);
    assert_string_equal(changed, whole);
    here->made.groups[2].name = "tuning/mlp_fc";
    digest_of(&here->made.result, changed);
    assert_string_not_equal(changed, whole);
    here->made.groups[2].name = "tuning/qkv";
    // A NaN is a NaN, with whatever payload; -0 is not 0.
    double *mse = here->made.groups[1].data[1];
    assert_true(isnan(mse[5]));
    mse[5] = -nan("0x123");
    digest_of(&here->made.result, changed);
    assert_string_equal(changed, whole);
    assert_true(mse[7] == 0 && signbit(mse[7]));
    mse[7] = 0;
    digest_of(&here->made.result, changed);
    assert_string_not_equal(changed, whole);
}

static void test_digest_of_the_file(void **state) {
    scene *here = *state;
    char whole[LAM_SHA256_TEXT], read[LAM_SHA256_TEXT];
    lam_error error = {0};
    digest_of(&here->made.result, whole);
    write_well(here->path, &here->made.result);
    if (lam_result_hash_file(here->path, read, &error) != LAM_OK) fail_msg("%s", error.text);
    assert_string_equal(read, whole);
    int root, variable;
    assert_int_equal(nc_open(here->path, NC_WRITE, &root), NC_NOERR);
    expect_text(root, NC_GLOBAL, "profile_sha256", whole);
    int sae = group_id(root, "sae");
    assert_int_equal(nc_inq_varid(sae, "mse", &variable), NC_NOERR);
    assert_int_equal(nc_put_var1_double(sae, variable, &(size_t){3}, &(double){0.25}), NC_NOERR);
    nc_close(root);
    assert_int_equal(lam_result_hash_file(here->path, read, &error), LAM_OK);
    assert_string_not_equal(read, whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_digest_by_its_definition),
        TEST(test_digest_is_that_of_any_cut),
        TEST(test_digest_sees_every_bit),
        TEST(test_digest_of_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
