// Two results compared: what is the same, what is not, and where.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/result_compare.h"
#include "result_fixture.h"

// Writes the scene's result to other.nc beside a first one that it wrote as it was; what compare
// prints, in static storage.
static const char *compare(scene *here, double tolerance, lam_comparison *found) {
    static char text[4096];
    char other[4200];
    snprintf(other, sizeof other, "%s/other.nc", here->folder);
    write_well(other, &here->made.result);
    FILE *out = fmemopen(text, sizeof text, "w");
    lam_error error = {0};
    if (lam_result_compare(here->path, other, tolerance, out, found, &error) != LAM_OK)
        fail_msg("%s", error.text);
    long length = ftell(out);
    fclose(out);
    text[length] = '\0';
    return text;
}

static void *row(scene *here, int group, const char *variable, int64_t layer) {
    return lam_group_row(&here->made.groups[group], variable, layer);
}

static void test_equal(void **state) {
    scene *here = *state;
    lam_comparison found;
    write_well(here->path, &here->made.result);
    assert_string_equal(compare(here, 0, &found), "");
    assert_int_equal(found.different_values, 0);
    assert_int_equal(found.different_variables, 0);
    assert_string_equal(found.first, "");
    int64_t values = 0, variables = 0;
    for (int g = 0; g < 3; g++)
        for (size_t v = 0; v < here->made.groups[g].variable_count; v++, variables++)
            values += lam_group_value_count(&here->made.groups[g], v);
    assert_int_equal(found.variables, variables);
    assert_int_equal(found.values, values);
}

static void test_place(void **state) {
    scene *here = *state;
    lam_comparison found;
    double *beta = row(here, 0, "beta", 4);
    beta[17] = 8, beta[40] = 1;
    write_well(here->path, &here->made.result);
    beta[17] = 12, beta[40] = NAN;
    const char *said = compare(here, 0, &found);
    assert_non_null(strstr(said,
                           "tuning/qkv/beta: 2 of 147456 values differ, the first at layer 4, "
                           "unit 17: "));
    assert_non_null(strstr(said, ": 8 and 12; relative difference at most inf"));
    assert_int_equal(found.different_values, 2);
    assert_int_equal(found.different_variables, 1);
    assert_string_equal(found.first, "tuning/qkv/beta at layer 4, unit 17");
}

// One bit in any type counts, and a zero's sign, but not which of the many NaN it is.
static void test_bits(void **state) {
    scene *here = *state;
    lam_comparison found;
    *(double *)row(here, 1, "mse", 3) = 0.0;
    *(int64_t *)row(here, 1, "rows", 2) = INT64_MAX;
    *(float *)row(here, 1, "epoch_loss", 1) = NAN;
    write_well(here->path, &here->made.result);
    *(double *)row(here, 1, "mse", 3) = -0.0;
    *(int64_t *)row(here, 1, "rows", 2) = INT64_MAX - 1;
    *(float *)row(here, 1, "epoch_loss", 1) = -(float)NAN;
    ((const char **)row(here, 2, "word", 0))[1] = "melon";
    const char *said = compare(here, 0, &found);
    assert_non_null(strstr(said, "sae/mse: 1 of 12 values differ, the first at layer 3: 0 and -0"));
    assert_non_null(strstr(said, "9223372036854775807 and 9223372036854775806"));
    assert_non_null(strstr(said, "rsa/word: 1 of 5 values differ, the first at word 1: '' and "
                                 "'melon'\n"));
    assert_int_equal(found.different_variables, 3);
}

static void test_tolerance(void **state) {
    scene *here = *state;
    lam_comparison found;
    *(double *)row(here, 1, "mse", 3) = -1000;
    write_well(here->path, &here->made.result);
    *(double *)row(here, 1, "mse", 3) = -1001;
    compare(here, 1e-3, &found); // 1 / 1001
    assert_int_equal(found.different_values, 0);
    compare(here, 9.98e-4, &found);
    assert_int_equal(found.different_values, 1);
}

static void test_shapes(void **state) {
    scene *here = *state;
    lam_comparison found;
    here->made.result.group_count = 2;
    write_well(here->path, &here->made.result);
    static const lam_variable other_sae[] = {
        {"epoch", LAM_INT64, {"epoch"}, "epoch, from 1", "1", NULL},
        {"mse", LAM_DOUBLE, {"layer", "head"}, "mean squared error", "1", NULL},
        {"new", LAM_DOUBLE, {"layer"}, "new", "1", NULL},
        {0},
    };
    here->made.groups[0] = make_group("sae", other_sae, 0, LAYERS, &here->made.arena);
    here->made.groups[1] = make_group("rsa", made_rsa, 0, LAYERS, &here->made.arena);
    const char *said = compare(here, 0, &found);
    assert_non_null(strstr(said, "sae/epoch: int in one result, int64 in the other\n"));
    assert_non_null(strstr(said, "sae/mse: its dimensions have other names\n"));
    assert_non_null(strstr(said, "sae/rows: only in "));
    assert_non_null(strstr(said, "sae/new: only in "));
    assert_non_null(strstr(said, "tuning/qkv: the whole group is only in "));
    assert_non_null(strstr(said, "rsa: the whole group is only in "));
    assert_int_equal(found.lone_groups, 2);
    char first[sizeof here->path + 64];
    snprintf(first, sizeof first, "group tuning/qkv, only in %s", here->path);
    assert_string_equal(found.first, first);
}

static void test_no_result(void **state) {
    scene *here = *state;
    lam_comparison found;
    lam_error error = {0};
    write_well(here->path, &here->made.result);
    assert_int_equal(lam_result_compare(here->path, "/no/such.nc", 0, NULL, &found, &error),
                     LAM_IO);
    assert_int_equal(lam_result_compare("/dev/null", here->path, 0, NULL, &found, &error),
                     LAM_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {TEST(test_equal),  TEST(test_place),
                                       TEST(test_bits),   TEST(test_tolerance),
                                       TEST(test_shapes), TEST(test_no_result)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
