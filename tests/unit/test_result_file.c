// The result file as others see it, through the netCDF library.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "result_fixture.h"

static nc_type expected_type(lam_type type) {
    const nc_type types[] = {NC_DOUBLE, NC_FLOAT, NC_INT, NC_INT64, NC_BYTE, NC_STRING};
    return types[type];
}

static void expect_values(int id, int variable, const lam_group *group, size_t index) {
    size_t count = (size_t)lam_group_value_count(group, index);
    size_t size = lam_type_size(group->variables[index].type);
    if (!count) return;
    void *read = calloc(count, size);
    if (group->variables[index].type == LAM_STRING) {
        char **texts = read;
        assert_int_equal(nc_get_var_string(id, variable, texts), NC_NOERR);
        for (size_t i = 0; i < count; i++)
            assert_string_equal(texts[i], made_words[i] ? made_words[i] : "");
        nc_free_string(count, texts);
    } else {
        assert_int_equal(nc_get_var(id, variable, read), NC_NOERR);
        assert_memory_equal(read, group->data[index], count * size);
    }
    free(read);
}

static void expect_variable(int id, const lam_group *group, size_t index) {
    const lam_variable *described = &group->variables[index];
    int variable, dimensions, dimension[NC_MAX_VAR_DIMS];
    nc_type type;
    assert_int_equal(nc_inq_varid(id, described->name, &variable), NC_NOERR);
    assert_int_equal(nc_inq_var(id, variable, NULL, &type, &dimensions, dimension, NULL), NC_NOERR);
    assert_int_equal(type, expected_type(described->type));
    for (int i = 0; i < dimensions; i++) {
        char name[NC_MAX_NAME + 1];
        size_t size;
        assert_int_equal(nc_inq_dim(id, dimension[i], name, &size), NC_NOERR);
        assert_string_equal(name, described->dimensions[i]);
        assert_int_equal(size, lam_group_dimension(group, name));
    }
    assert_true(dimensions == LAM_MAX_DIMENSIONS || !described->dimensions[dimensions]);
    expect_text(id, variable, "long_name", described->long_name);
    if (described->units) expect_text(id, variable, "units", described->units);
    double fill = 0;
    if (described->type == LAM_DOUBLE || described->type == LAM_FLOAT) {
        assert_int_equal(nc_get_att_double(id, variable, "_FillValue", &fill), NC_NOERR);
        assert_true(isnan(fill));
    }
    if (described->flag_meanings) {
        int8_t flags[3];
        expect_text(id, variable, "flag_meanings", described->flag_meanings);
        assert_int_equal(nc_inq_atttype(id, variable, "flag_values", &type), NC_NOERR);
        assert_int_equal(type, NC_BYTE);
        assert_int_equal(nc_get_att_schar(id, variable, "flag_values", flags), NC_NOERR);
        assert_true(flags[0] == 0 && flags[1] == 1 && flags[2] == 2);
    }
    expect_values(id, variable, group, index);
}

static void test_all_is_in_the_file(void **state) {
    scene *here = *state;
    write_well(here->path, &here->made.result);
    int root;
    assert_int_equal(nc_open(here->path, NC_NOWRITE, &root), NC_NOERR);
    for (size_t g = 0; g < 3; g++) {
        const lam_group *group = &here->made.groups[g];
        for (size_t v = 0; v < group->variable_count; v++)
            expect_variable(group_id(root, group->name), group, v);
    }
    int qkv = group_id(root, "tuning/qkv"), sae = group_id(root, "sae"), found, other, deflated;
    // Model dimensions are the root's alone; others are their group's.
    assert_int_equal(nc_inq_ndims(root, &found), NC_NOERR);
    assert_int_equal(found, 3);
    assert_int_equal(nc_inq_ndims(qkv, &found), NC_NOERR);
    assert_int_equal(found, 1);
    assert_int_equal(nc_inq_varid(qkv, "beta", &other), NC_NOERR);
    assert_int_equal(nc_inq_var_deflate(qkv, other, NULL, &deflated, NULL), NC_NOERR);
    assert_int_equal(deflated, 1);
    assert_int_equal(nc_inq_varid(sae, "mse", &other), NC_NOERR);
    assert_int_equal(nc_inq_var_deflate(sae, other, NULL, &deflated, NULL), NC_NOERR);
    assert_int_equal(deflated, 0);
    expect_text(sae, NC_GLOBAL, "site", "mlp_out");
    long long latents;
    assert_int_equal(nc_get_att_longlong(sae, NC_GLOBAL, "latents", &latents), NC_NOERR);
    assert_int_equal(latents, 512);
    nc_close(root);
    assert_int_equal(files_in(here->folder), 1);
}

static void test_the_root(void **state) {
    scene *here = *state;
    write_well(here->path, &here->made.result);
    int root, variable, values[LAYERS], complete = 0;
    char *components[3];
    assert_int_equal(nc_open(here->path, NC_NOWRITE, &root), NC_NOERR);
    expect_text(root, NC_GLOBAL, "Conventions", "CF-1.10, ACDD-1.3");
    expect_text(root, NC_GLOBAL, "title", "A made-up result");
    expect_text(root, NC_GLOBAL, "date_created", "2001-02-03T04:05:06Z");
    expect_text(root, NC_GLOBAL, "job", "model: \"../models/caf\xef\xbf\xbd\"\nseed: 1\n");
    assert_int_equal(nc_get_att_int(root, NC_GLOBAL, "complete", &complete), NC_NOERR);
    assert_int_equal(complete, 1);
    nc_type type;
    assert_int_equal(nc_inq_atttype(root, NC_GLOBAL, "ranks", &type), NC_NOERR);
    assert_int_equal(type, NC_INT);
    assert_int_equal(nc_inq_atttype(root, NC_GLOBAL, "l1", &type), NC_NOERR);
    assert_int_equal(type, NC_DOUBLE);
    assert_int_equal(nc_inq_varid(root, "layer", &variable), NC_NOERR);
    assert_int_equal(nc_get_var_int(root, variable, values), NC_NOERR);
    for (int i = 0; i < LAYERS; i++) assert_int_equal(values[i], i);
    expect_text(root, variable, "long_name", "transformer layer, 0 nearest the embedding");
    assert_int_equal(nc_inq_varid(root, "component", &variable), NC_NOERR);
    assert_int_equal(nc_get_var_string(root, variable, components), NC_NOERR);
    assert_string_equal(components[0], "Q");
    assert_string_equal(components[2], "V");
    nc_free_string(3, components);
    nc_close(root);
}

// The whole job may be longer than the 64 KB that HDF5 keeps of an attribute in place.
static void test_long_attributes(void **state) {
    scene *here = *state;
    const size_t length = 300000;
    char *job = malloc(length + 1);
    memset(job, 'j', length);
    job[length] = '\0';
    const lam_attribute attributes[] = {{.name = "laminar_version", .text = "0"},
                                        {.name = "job", .text = job}};
    here->made.result.attributes = attributes;
    here->made.result.attribute_count = 2;
    write_well(here->path, &here->made.result);
    lam_result_file file;
    lam_error error;
    assert_int_equal(lam_result_open(here->path, &file, &error), LAM_OK);
    const lam_attribute *read = lam_result_attribute(&file, "job");
    assert_non_null(read);
    assert_string_equal(read->text, job);
    lam_result_close(&file);
    free(job);
}

static void test_ncdump_reads_it(void **state) {
    scene *here = *state;
    if (system("ncdump > /dev/null 2>&1; test $? -ne 127") != 0) {
        print_message("ncdump (netcdf-bin) is not installed\n");
        skip();
    }
    write_well(here->path, &here->made.result);
    char command[5000];
    snprintf(command, sizeof command, "ncdump -h '%s' > '%s/header'", here->path, here->folder);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command,
             "grep -q 'byte status(layer, unit)' '%s/header' && grep -q 'group: qkv' '%s/header'",
             here->folder, here->folder);
    assert_int_equal(system(command), 0);
}

static void test_results_that_contradict_themselves(void **state) {
    scene *here = *state;
    lam_error error = {0};
    here->made.result.heads = HEADS + 1;
    assert_int_equal(lam_result_write(here->path, &here->made.result, &error), LAM_INTERNAL);
    assert_non_null(strstr(error.text, "group sae has 4 along head where the model has 5"));
    here->made.result.heads = HEADS;
    here->made.groups[2].name = "sae";
    assert_int_equal(lam_result_write(here->path, &here->made.result, &error), LAM_INTERNAL);
    here->made.groups[2] = make_group("rsa", made_rsa, 0, LAYERS - 1, &here->made.arena);
    assert_int_equal(lam_result_write(here->path, &here->made.result, &error), LAM_INTERNAL);
    assert_non_null(strstr(error.text, "group rsa has 11 of its 12 layers"));
    here->made.groups[2].name = "a bad/";
    assert_int_equal(lam_result_write(here->path, &here->made.result, &error), LAM_INTERNAL);
    assert_int_equal(files_in(here->folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_all_is_in_the_file),
        TEST(test_the_root),
        TEST(test_long_attributes),
        TEST(test_ncdump_reads_it),
        TEST(test_results_that_contradict_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
