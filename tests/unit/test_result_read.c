// Reading a result back, and files that are none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/replace_file.h"
#include "io/result_read.h"
#include "result_fixture.h"

#include <sys/stat.h>

static void test_read_back(void **state) {
    scene *here = *state;
    write_well(here->path, &here->made.result);
    lam_result_file file;
    lam_error error = {0};
    if (lam_result_open(here->path, &file, &error) != LAM_OK) fail_msg("%s", error.text);
    assert_true(lam_result_recognise(here->path));
    assert_int_equal(file.group_count, 3);
    assert_int_equal(file.dimension_count, 3);
    assert_true(lam_result_attribute(&file, "l1")->number == 1e-3);
    assert_true(lam_result_attribute(&file, "ranks")->integer);
    assert_null(lam_result_attribute(&file, "absent"));
    for (size_t g = 0; g < 3; g++) {
        const lam_group *wrote = &here->made.groups[g];
        lam_arena arena = {0};
        lam_group read;
        assert_string_equal(file.groups[g].name, wrote->name);
        assert_int_equal(lam_result_load(&file, g, &read, &arena, &error), LAM_OK);
        assert_int_equal(read.variable_count, wrote->variable_count);
        assert_int_equal(read.attribute_count, wrote->attribute_count);
        for (size_t v = 0; v < wrote->variable_count; v++) {
            const lam_variable *was = &wrote->variables[v], *is = &read.variables[v];
            assert_string_equal(is->name, was->name);
            assert_int_equal(is->type, was->type);
            assert_string_equal(is->long_name, was->long_name);
            for (int d = 0; d < LAM_MAX_DIMENSIONS; d++)
                if (was->dimensions[d])
                    assert_string_equal(is->dimensions[d], was->dimensions[d]);
                else
                    assert_null(is->dimensions[d]);
            if (was->flag_meanings) assert_string_equal(is->flag_meanings, was->flag_meanings);
            if (was->type != LAM_STRING)
                assert_memory_equal(read.data[v], wrote->data[v],
                                    (size_t)lam_group_value_count(wrote, v) *
                                        lam_type_size(was->type));
            else
                assert_string_equal(((const char **)read.data[v])[2], "Ł𝛼 ");
        }
        lam_arena_destroy(&arena);
    }
    lam_result_close(&file);
}

// Expects path not to be opened, for that reason and in one line that names it.
static void refuse_to_open(const char *path, lam_code code, const char *why) {
    lam_result_file file;
    lam_error error = {0};
    assert_int_equal(lam_result_open(path, &file, &error), code);
    lam_result_close(&file);
    if (!strstr(error.text, why) || !strstr(error.text, path)) fail_msg("%s", error.text);
}

static void test_what_is_no_result(void **state) {
    scene *here = *state;
    refuse_to_open(here->path, LAM_IO, "No such file");
    refuse_to_open(here->folder, LAM_INPUT, "folder");
    refuse_to_open("/dev/null", LAM_INPUT, "device");
    lam_error error = {0};
    assert_int_equal(lam_replace_file(here->path, "", 0, &error), LAM_OK);
    refuse_to_open(here->path, LAM_INPUT, "empty");
    assert_int_equal(lam_replace_file(here->path, "model: gpt2\n", 12, &error), LAM_OK);
    refuse_to_open(here->path, LAM_INPUT, "not a netCDF-4 file");
    assert_false(lam_result_recognise(here->path));
    char garbage[4096] = "\211HDF\r\n\032\n";
    for (size_t i = 8; i < sizeof garbage; i++) garbage[i] = (char)(i * i * 7 + i / 3);
    assert_int_equal(lam_replace_file(here->path, garbage, sizeof garbage, &error), LAM_OK);
    refuse_to_open(here->path, LAM_INPUT, "damaged or cut short");
    int root;
    assert_int_equal(nc_create(here->path, NC_NETCDF4, &root), NC_NOERR);
    nc_close(root);
    refuse_to_open(here->path, LAM_INPUT, "not a result of laminar");
    assert_int_equal(nc_open(here->path, NC_WRITE, &root), NC_NOERR);
    nc_put_att_text(root, NC_GLOBAL, "laminar_version", 1, "1");
    nc_close(root);
    refuse_to_open(here->path, LAM_INPUT, "not finished");
}

static void test_cut_short_anywhere(void **state) {
    scene *here = *state;
    write_well(here->path, &here->made.result);
    struct stat status;
    assert_int_equal(stat(here->path, &status), 0);
    for (off_t left = status.st_size - 1; left > 0; left -= 1 + status.st_size / 37) {
        char part[4200], command[9000];
        snprintf(part, sizeof part, "%s.part", here->path);
        snprintf(command, sizeof command, "head -c %lld '%s' > '%s'", (long long)left, here->path,
                 part);
        assert_int_equal(system(command), 0);
        lam_result_file file;
        lam_error error = {0};
        lam_code code = lam_result_open(part, &file, &error);
        lam_result_close(&file);
        // HDF5 reserves a little more than it uses: without the very end nothing is lost.
        if (status.st_size - left <= 65536 && code == LAM_OK) continue;
        assert_int_equal(code, LAM_INPUT);
    }
}

// A file of a few KB that says it holds terabytes, and one with two dimensions of one name.
static void test_lying_files(void **state) {
    scene *here = *state;
    for (int lie = 0; lie < 2; lie++) {
        int root, group, dimension[2], variable;
        assert_int_equal(nc_create(here->path, NC_NETCDF4 | NC_CLOBBER, &root), NC_NOERR);
        nc_put_att_text(root, NC_GLOBAL, "laminar_version", 1, "1");
        nc_put_att_int(root, NC_GLOBAL, "complete", NC_INT, 1, &(int){1});
        nc_def_grp(root, "sae", &group);
        nc_def_dim(root, "unit", lie == 0 ? (size_t)1 << 40 : 1000, &dimension[0]);
        nc_def_dim(group, lie == 0 ? "other" : "unit", 5, &dimension[1]);
        nc_def_var(group, "x", NC_DOUBLE, 1, &dimension[0], &variable);
        if (lie == 0) nc_def_var_chunking(group, variable, NC_CHUNKED, (size_t[]){1024});
        nc_def_var(group, "y", NC_DOUBLE, 1, &dimension[1], &variable);
        assert_int_equal(nc_close(root), NC_NOERR);
        lam_error error = {0};
        char text[LAM_SHA256_TEXT];
        assert_int_equal(lam_result_hash_file(here->path, text, &error), LAM_INPUT);
        const char *why = lie == 0 ? "more values than bytes" : "two dimensions of one name";
        if (!strstr(error.text, why)) fail_msg("%s", error.text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_read_back),
        TEST(test_what_is_no_result),
        TEST(test_cut_short_anywhere),
        TEST(test_lying_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
