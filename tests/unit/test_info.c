// What is said of a result: to people, within the page's width, and to programs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/info.h"
#include "result_fixture.h"

#include <jansson.h>

// What is said of a result, to be freed, and the code in *code.
static char *say(lam_code (*inform)(const char *, FILE *, lam_error *), const char *path,
                 lam_code *code, lam_error *error) {
    const size_t room = 1 << 22;
    char *text = calloc(room, 1);
    FILE *out = text ? fmemopen(text, room, "w") : NULL;
    assert_non_null(out);
    *code = inform(path, out, error);
    fclose(out);
    return text;
}

static void expect(const char *text, const char *part) {
    if (!strstr(text, part)) fail_msg("\"%s\" is not in:\n%s", part, text);
}

static size_t columns_of(const char *line, size_t bytes) {
    size_t columns = 0;
    for (size_t i = 0; i < bytes; i++) columns += ((unsigned char)line[i] & 0xc0) != 0x80;
    return columns;
}

static void test_to_people(void **state) {
    scene *here = *state;
    // Values that are easy to tell: rising by layer, layer 5 missing.
    for (int64_t layer = 0; layer < LAYERS; layer++) {
        *(double *)lam_group_row(&here->made.groups[1], "mse", layer) =
            layer == 5 ? NAN : (double)layer + 0.5;
        *(int64_t *)lam_group_row(&here->made.groups[1], "rows", layer) = 10230;
    }
    write_well(here->path, &here->made.result);
    lam_error error = {0};
    lam_code code;
    setenv("LC_ALL", "C", 1);
    char *text = say(lam_info_result, here->path, &code, &error);
    assert_int_equal(code, LAM_OK);
    expect(text, here->path);
    expect(text, "result of laminar 0.1.0");
    expect(text, "  title      A made-up result\n");
    expect(text, "  model      gpt2, 12 layers, 4 heads; sha256 9f86d081884c7d65...\n");
    expect(text, "  mode       standard\n");
    expect(text, "  checkpoint ../models/gpt2-small\n");
    expect(text, "https://example.org/wiki/Page?oldid=1; sha256 2c26b46b68ffc68f...\n");
    expect(text, "  made       2001-02-03T04:05:06Z\n");
    expect(text, "  by         2 ranks x 1 thread\n");
    expect(text, "  seconds    load: 0.1\n             forward: 2.5\n");
    expect(text, "  profile_sha256, verified:\n");
    expect(text, "\nsae\n  l1 0.001, latents 512, site mlp_out\n");
    expect(text, "\ntuning/qkv\n");
    expect(text, "  mse                            0.5       6.5      11.5  11233.566788\n");
    expect(text, "1 of 12 missing\n");
    expect(text, "  rows                         10230     10230     10230  111111111111\n");
    expect(text, "  status[12288]           fitted ");
    expect(text, "  word[5]                 galaxy  ");
    expect(text, "  none[0]                 no values\n");
    // Nothing in the file may steer the terminal, and a locale without UTF-8 gets none.
    expect(text, "Some CPU ?[31mred");
    for (const char *at = text; *at; at++) assert_true(*at == '\n' || (*at >= ' ' && *at < 127));
    free(text);
    setenv("LC_ALL", "C.UTF-8", 1);
    text = say(lam_info_result, here->path, &code, &error);
    assert_int_equal(code, LAM_OK);
    expect(text, "  ▁▁▂▃▃.▅▆▆▇██\n");
    const char *line = strchr(text, '\n') + 1; // the first has the path
    for (const char *end; (end = strchr(line, '\n')); line = end + 1)
        if (columns_of(line, (size_t)(end - line)) > 80) fail_msg("over 80 columns: %s", line);
    free(text);
    unsetenv("LC_ALL");
}

static void test_to_programs(void **state) {
    scene *here = *state;
    write_well(here->path, &here->made.result);
    lam_error error = {0};
    lam_code code;
    char *text = say(lam_info_result_json, here->path, &code, &error), digest[LAM_SHA256_TEXT];
    assert_int_equal(code, LAM_OK);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    json_t *sha256 = json_object_get(root, "profile_sha256");
    assert_true(json_is_true(json_object_get(sha256, "verified")));
    digest_of(&here->made.result, digest);
    assert_string_equal(json_string_value(json_object_get(sha256, "computed")), digest);
    assert_string_equal(json_string_value(json_object_get(root, "path")), here->path);
    json_t *attributes = json_object_get(root, "attributes");
    assert_string_equal(json_string_value(json_object_get(attributes, "mode")), "standard");
    assert_int_equal(json_integer_value(json_object_get(attributes, "ranks")), 2);
    json_t *groups = json_object_get(root, "groups");
    assert_int_equal(json_array_size(groups), 3);
    json_t *sae = json_array_get(groups, 1);
    assert_string_equal(json_string_value(json_object_get(sae, "name")), "sae");
    json_t *mse = json_array_get(json_object_get(sae, "variables"), 1);
    assert_string_equal(json_string_value(json_object_get(mse, "name")), "mse");
    assert_int_equal(json_integer_value(json_object_get(mse, "missing")), 1);
    json_t *values = json_object_get(mse, "values");
    assert_int_equal(json_array_size(values), LAYERS);
    const double *wrote = here->made.groups[1].data[1];
    for (size_t i = 0; i < LAYERS; i++) {
        json_t *value = json_array_get(values, i);
        if (isnan(wrote[i]))
            assert_true(json_is_null(value));
        else
            assert_true(json_real_value(value) == wrote[i]);
    }
    json_t *rows = json_array_get(json_object_get(sae, "variables"), 3);
    assert_true(json_integer_value(json_array_get(json_object_get(rows, "values"), 2)) ==
                ((int64_t *)here->made.groups[1].data[3])[2]);
    json_t *loss = json_array_get(json_object_get(sae, "variables"), 2);
    assert_null(json_object_get(loss, "values"));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(loss, "shape"), 1)), EPOCHS);
    json_decref(root);
    free(text);
}

static void test_altered_values(void **state) {
    scene *here = *state;
    write_well(here->path, &here->made.result);
    int root, variable;
    assert_int_equal(nc_open(here->path, NC_WRITE, &root), NC_NOERR);
    int sae = group_id(root, "sae");
    assert_int_equal(nc_inq_varid(sae, "mse", &variable), NC_NOERR);
    assert_int_equal(nc_put_var1_double(sae, variable, &(size_t){3}, &(double){0.25}), NC_NOERR);
    nc_close(root);
    lam_error error = {0};
    lam_code code;
    char *text = say(lam_info_result, here->path, &code, &error);
    assert_int_equal(code, LAM_INPUT);
    expect(error.text, here->path);
    expect(error.text, "are not those it was written with");
    expect(text, "NOT VERIFIED");
    expect(text, "\nsae\n"); // all is said nevertheless
    free(text);
    text = say(lam_info_result_json, here->path, &code, &error);
    assert_int_equal(code, LAM_INPUT);
    expect(text, "\"verified\": false");
    free(text);
}

static void test_nobody_to_tell(void **state) {
    scene *here = *state;
    write_well(here->path, &here->made.result);
    lam_error error = {0};
    for (int json = 0; json < 2; json++) {
        FILE *full = fopen("/dev/full", "w");
        assert_non_null(full);
        assert_int_equal(json ? lam_info_result_json(here->path, full, &error)
                              : lam_info_result(here->path, full, &error),
                         LAM_IO);
        fclose(full);
    }
    assert_int_equal(lam_info_result(here->folder, stdout, &error), LAM_INPUT);
    expect(error.text, here->folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_to_people),
        TEST(test_to_programs),
        TEST(test_altered_values),
        TEST(test_nobody_to_tell),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
