// ranks: 2
// seconds: 600
// The whole sae profile of the demo model on a shared page against a plain PyTorch run of the same
// (golden/demo). Its random start is another, so final density and MSE are compared as means over
// the layers.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/result_read.h"
#include "io/safetensors.h"
#include "jobs/job_file.h"
#include "jobs/run.h"
#include "src/log.h"
#include "tests/unit/fixture.h"

// Relative. In a single layer three seeds of the reference itself are up to 7.5% apart (MSE of
// layer 5, standard), so that a layer by itself is only held to be of the right size.
static const double bound = 0.03, layer_bound = 0.1;

static lam_comm comm;

static void run_mode(const char *mode, const char *output) {
    lam_error error;
    lam_arena arena = {0};
    char text[8192];
    // As the reference was run: the first 10 x 256 tokens of the page's published cut.
    int length =
        snprintf(text, sizeof text,
                 "{model: '%s', mode: %s, text: '%s', html: clip, select: first, "
                 "sequences: 10, length: 256, output: '%s', sae: {}}",
                 LAM_TEST_DEMO, mode, shared_path("data/wikipedia/en-New_Zealand.html"), output);
    lam_job job;
    if (lam_job_parse(text, (size_t)length, "test", NULL, NULL, NULL, lam_profiles, &job, &arena,
                      &error))
        fail_msg("%s", error.text);
    lam_run_request request = {.comm = &comm,
                               .job = &job,
                               .model = job.globals.model.item[0],
                               .output = job.globals.output,
                               .command = "test",
                               .progress = LAM_PROGRESS_NONE};
    if (lam_run(&request, &error)) fail_msg("%s", error.text);
    lam_arena_destroy(&arena);
}

static double mean_of(const double *value, int64_t count) {
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += value[i];
    return sum / (double)count;
}

static void compare(const lam_group *group, const lam_safetensors *golden, const char *name) {
    const lam_tensor *tensor = lam_safetensors_find(golden, name);
    int64_t found = lam_group_find(group, name);
    assert_true(tensor && found >= 0);
    const double *want = tensor->data, *got = group->data[found];
    int64_t layers = tensor->shape[0];
    for (int64_t l = 0; l < layers; l++)
        if (!(fabs(got[l] / want[l] - 1) <= layer_bound))
            fail_msg("%s of layer %lld is %.6g, the reference has %.6g", name, (long long)l, got[l],
                     want[l]);
    print_message("%s: mean over layers %.6g, reference %.6g\n", name, mean_of(got, layers),
                  mean_of(want, layers));
    assert_true(fabs(mean_of(got, layers) / mean_of(want, layers) - 1) <= bound);
}

static void compare_mode(const char *mode) {
    if (!shared_path("data/wikipedia/en-New_Zealand.html")) {
        print_message("skipped: the shared data is not beside the project\n");
        skip();
    }
    char *folder = comm.rank == 0 ? temp_dir() : strdup("unused");
    char output[4096], golden_path[4096];
    snprintf(output, sizeof output, "%s/sae.nc", folder);
    run_mode(mode, output);
    if (comm.rank == 0) {
        lam_error error;
        lam_result_file file;
        lam_safetensors *golden;
        lam_group group;
        lam_arena arena = {0};
        // Not LAMINAR_GOLDEN's: other seeds' cases have no profiles of the demo model.
        snprintf(golden_path, sizeof golden_path, "%s/demo/sae.%s.safetensors", LAM_TEST_GOLDEN,
                 mode);
        if (lam_safetensors_open(golden_path, &golden, &error)) fail_msg("%s", error.text);
        if (lam_result_open(output, &file, &error)) fail_msg("%s", error.text);
        if (lam_result_load(&file, 0, &group, &arena, &error)) fail_msg("%s", error.text);
        compare(&group, golden, "density");
        compare(&group, golden, "mse");
        lam_arena_destroy(&arena);
        lam_result_close(&file);
        lam_safetensors_close(golden);
        remove_tree(folder);
    }
    free(folder);
}

static void test_standard(void **state) {
    (void)state;
    compare_mode("standard");
}

static void test_published(void **state) {
    (void)state;
    compare_mode("published");
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_log_open(LAM_QUIET, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard),
        cmocka_unit_test(test_published),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
