// ranks: 1 2
// The whole rsa profile of the demo model against a plain PyTorch run of the same (golden/demo),
// value by value; what has to hold between its values; and bad words.
#include <math.h>
#include <omp.h>
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

// Absolute. Both sides run the model in single precision, which rounds by 6e-8 in every one of its
// steps; the reference differs from itself by up to 4e-7 between its two ways to attention.
static const double bound = 5e-6;

static lam_comm comm;
static char *folder; // of rank 0's results

// Runs a job on the demo model over the ranks of a communicator; keys: the section's.
static lam_code run_on(const lam_comm *ranks, const char *keys, const char *name,
                       lam_error *error) {
    lam_arena arena = {0};
    char text[8192];
    const int length = snprintf(text, sizeof text, "{model: '%s', output: '%s/%s', %s}",
                                LAM_TEST_DEMO, folder ? folder : "unused", name, keys);
    lam_job job;
    lam_code code = lam_job_parse(text, (size_t)length, "test", NULL, NULL, NULL, lam_profiles,
                                  &job, &arena, error);
    if (code == LAM_OK) {
        const lam_run_request request = {.comm = ranks,
                                         .job = &job,
                                         .model = job.globals.model.item[0],
                                         .output = job.globals.output,
                                         .command = "test",
                                         .progress = LAM_PROGRESS_NONE};
        code = lam_run(&request, error);
    }
    lam_arena_destroy(&arena);
    return code;
}

static void run(const char *keys, const char *name) {
    lam_error error;
    if (run_on(&comm, keys, name, &error)) fail_msg("%s", error.text);
}

typedef struct result {
    lam_result_file file;
    lam_group group;
    lam_arena arena;
} result;

static void open_result(const char *name, result *r) {
    lam_error error;
    char path[4096];
    *r = (result){0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (lam_result_open(path, &r->file, &error)) fail_msg("%s", error.text);
    assert_int_equal(r->file.group_count, 1); // not what layer_rsa is made of
    if (lam_result_load(&r->file, 0, &r->group, &r->arena, &error)) fail_msg("%s", error.text);
    assert_string_equal(r->group.name, "rsa");
}

static void close_result(result *r) {
    lam_arena_destroy(&r->arena);
    lam_result_close(&r->file);
}

static const void *values(const result *r, const char *name) {
    const int64_t found = lam_group_find(&r->group, name);
    if (found < 0) fail_msg("there is no %s", name);
    return r->group.data[found];
}

static void compare(const result *r, const lam_safetensors *golden, const char *name) {
    const lam_tensor *tensor = lam_safetensors_find(golden, name);
    assert_non_null(tensor);
    const double *want = tensor->data, *got = values(r, name);
    const int64_t count = tensor->shape[0] * tensor->shape[1];
    assert_int_equal(lam_group_value_count(&r->group, (size_t)lam_group_find(&r->group, name)),
                     count);
    double worst = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!(fabs(got[i] - want[i]) <= bound))
            fail_msg("%s of layer %lld, %lld is %.9g, the reference has %.9g", name,
                     (long long)(i / tensor->shape[1]), (long long)(i % tensor->shape[1]), got[i],
                     want[i]);
        worst = fmax(worst, fabs(got[i] - want[i]));
    }
    print_message("%s: within %.2g\n", name, worst);
}

static void compare_mode(const char *mode) {
    char keys[256], path[4096];
    snprintf(keys, sizeof keys, "mode: %s, rsa: {permutations: 0, bootstraps: 0}", mode);
    run(keys, mode);
    if (comm.rank != 0) return;
    lam_error error;
    lam_safetensors *golden;
    // Not LAMINAR_GOLDEN's: other seeds' cases have no profiles of the demo model.
    snprintf(path, sizeof path, "%s/demo/rsa.%s.safetensors", LAM_TEST_GOLDEN, mode);
    if (lam_safetensors_open(path, &golden, &error)) fail_msg("%s", error.text);
    result r;
    open_result(mode, &r);
    compare(&r, golden, "rsa");
    compare(&r, golden, "selectivity");
    compare(&r, golden, "within");
    compare(&r, golden, "between");
    assert_int_equal(lam_group_find(&r.group, "rsa_p_value"), -1);
    assert_int_equal(lam_group_find(&r.group, "selectivity_interval"), -1);
    assert_int_equal(lam_group_find(&r.group, "similarity"), -1);
    close_result(&r);
    lam_safetensors_close(golden);
}

static void test_standard(void **state) {
    (void)state;
    compare_mode("standard");
}

static void test_published(void **state) {
    (void)state;
    compare_mode("published");
}

enum { LAYERS = 12, WORDS = 34, CATEGORIES = 3 };

// One layer and component, from its stored similarities.
static void check_similarity(const result *r, int64_t at) {
    const float *s = (const float *)values(r, "similarity") + at * WORDS * WORDS;
    const int32_t *of = values(r, "word_category");
    const double *own = (const double *)values(r, "within_category") + at * CATEGORIES;
    double sum[CATEGORIES] = {0}, pairs[CATEGORIES] = {0};
    for (int i = 0; i < WORDS; i++) {
        assert_true(s[i * WORDS + i] == 1);
        for (int j = i + 1; j < WORDS; j++) {
            assert_true(s[i * WORDS + j] == s[j * WORDS + i] &&
                        fabsf(s[i * WORDS + j]) <= 1.00001f);
            if (of[i] != of[j]) continue;
            sum[of[i]] += (double)s[i * WORDS + j], pairs[of[i]]++;
        }
    }
    double mean = 0;
    for (int g = 0; g < CATEGORIES; g++) {
        assert_true(fabs(own[g] - sum[g] / pairs[g]) <= 1e-6);
        mean += own[g] / CATEGORIES;
    }
    assert_true(fabs(((const double *)values(r, "within"))[at] - mean) <= 1e-12);
}

static void check_values(const result *r) {
    const double *within = values(r, "within"), *between = values(r, "between");
    const double *interval = values(r, "selectivity_interval"), *p = values(r, "rsa_p_value");
    const double *rsa = values(r, "rsa"), *rsa_interval = values(r, "rsa_interval");
    for (int64_t i = 0; i < LAYERS * 3; i++) {
        const double selectivity = ((const double *)values(r, "selectivity"))[i];
        check_similarity(r, i);
        assert_int_equal(((const int32_t *)values(r, "undefined"))[i], 0);
        assert_true(((const double *)values(r, "difference"))[i] == within[i] - between[i]);
        assert_true(selectivity == within[i] / between[i]);
        assert_true(interval[2 * i] < interval[2 * i + 1]);
        assert_true(rsa_interval[2 * i] < rsa_interval[2 * i + 1]);
        assert_true(fabs(rsa[i]) < 1 && fabs(((const double *)values(r, "rsa_spearman"))[i]) < 1);
        assert_true(isfinite(((const double *)values(r, "cohens_d"))[i]));
        assert_true(p[i] >= 1.0 / 1001 && p[i] <= 1);
        assert_true(((const double *)values(r, "selectivity_p_value"))[i] >= 1.0 / 1001);
    }
    const double *layer_rsa = values(r, "layer_rsa"); // [component, layer, layer]
    for (int k = 0; k < 3; k++)
        for (int l = 0; l < LAYERS; l++)
            for (int m = 0; m < LAYERS; m++) {
                const double value = layer_rsa[(k * LAYERS + l) * LAYERS + m];
                assert_true(value == layer_rsa[(k * LAYERS + m) * LAYERS + l]);
                assert_true(l == m ? value == 1 : fabs(value) < 1);
            }
}

// Pearson's correlation of two layers' stored similarities.
static double correlate(const result *r, int64_t a, int64_t b) {
    const float *s = values(r, "similarity"), *x = s + a * WORDS * WORDS,
                *y = s + b * WORDS * WORDS;
    double n = 0, sx = 0, sy = 0, sxx = 0, syy = 0, sxy = 0;
    for (int i = 0; i < WORDS; i++)
        for (int j = i + 1; j < WORDS; j++) {
            const double u = (double)x[i * WORDS + j], v = (double)y[i * WORDS + j];
            n++, sx += u, sy += v, sxx += u * u, syy += v * v, sxy += u * v;
        }
    return (sxy - sx * sy / n) / sqrt((sxx - sx * sx / n) * (syy - sy * sy / n));
}

static void test_values(void **state) {
    (void)state;
    run("rsa: {similarity: true}", "values");
    if (comm.rank != 0) return;
    result r;
    open_result("values", &r);
    check_values(&r);
    // The two ends of the pipeline, so that all ranks take part: Q, K and V of layers 0 and 11.
    for (int64_t k = 0; k < 3; k++)
        assert_true(fabs(((const double *)values(&r, "layer_rsa"))[k * LAYERS * LAYERS + 11] -
                         correlate(&r, k, 11 * 3 + k)) <= 1e-5);
    const char *const *word = values(&r, "word");
    assert_string_equal(word[0], "galaxy");
    assert_string_equal(word[33], "fruit");
    const int32_t *tokens = values(&r, "word_tokens");
    int64_t several = 0;
    for (int i = 0; i < WORDS; i++) several += tokens[i] > 1;
    for (int i = 0; i < WORDS; i++) assert_true(tokens[i] >= 1 && tokens[i] <= 8);
    for (size_t i = 0; i < r.group.attribute_count; i++)
        if (!strcmp(r.group.attributes[i].name, "words_of_several_tokens"))
            assert_true(r.group.attributes[i].number == (double)several), several = -1;
    assert_int_equal(several, -1);
    close_result(&r);
}

static void digest_of(const char *name, char digest[128]) {
    result r;
    open_result(name, &r);
    snprintf(digest, 128, "%s", lam_result_attribute(&r.file, "profile_sha256")->text);
    close_result(&r);
}

// All ranks together, and rank 0 alone with more threads.
static void test_ranks_and_threads(void **state) {
    (void)state;
    static const char *const keys[] = {
        "rsa: {}", "mode: published, rsa: {distance: correlation, bootstraps: 50}",
        "rsa: {site: resid_pre, distance: euclidean, similarity: true}"};
    const int threads = omp_get_max_threads();
    for (int i = 0; i < 3; i++) {
        run(keys[i], "all");
        if (comm.rank != 0) continue;
        lam_comm alone = {.mpi = MPI_COMM_SELF, .size = 1, .host_ranks = 1, .host = "alone"};
        lam_error error;
        omp_set_num_threads(threads == 1 ? 3 : 1);
        if (run_on(&alone, keys[i], "alone", &error)) fail_msg("%s", error.text);
        omp_set_num_threads(threads);
        char all[128], one[128];
        digest_of("all", all);
        digest_of("alone", one);
        assert_string_equal(all, one);
    }
}

// Another site has one component: no dimension for it, and no pairs of components.
static void test_site(void **state) {
    (void)state;
    run("rsa: {site: mlp_out, distance: euclidean}", "site");
    if (comm.rank != 0) return;
    result r;
    open_result("site", &r);
    assert_int_equal(lam_group_find(&r.group, "rsa"), -1);
    assert_int_equal(lam_group_find(&r.group, "pair"), -1);
    const int64_t selectivity = lam_group_find(&r.group, "selectivity");
    assert_int_equal(lam_group_value_count(&r.group, (size_t)selectivity), LAYERS);
    const double *layer_rsa = values(&r, "layer_rsa"); // [layer, layer]
    for (int l = 0; l < LAYERS; l++)
        for (int m = 0; m < LAYERS; m++)
            assert_true(l == m ? layer_rsa[l * LAYERS + m] == 1 : layer_rsa[l * LAYERS + m] < 1);
    close_result(&r);
}

static void test_usage(void **state) {
    (void)state;
    static const struct {
        const char *keys, *words;
    } cases[] = {
        {"template: The next word", "rsa.template: 'The next word' has no {}"},
        {"template: '{} or {}'", "more than one {}"},
        {"categories: {}", "0 categories are given"},
        {"categories: {a: [x, y]}", "1 category is given"},
        {"categories: {a: [x, y], b: [z]}", "'b' has 1 word,"},
        {"categories: {a: [x, y], b: []}", "'b' has 0 words,"},
        {"categories: {a: [x, y], b: [z, x]}", "'x' is in 'a' and in 'b'"},
        {"categories: {a: [x, y, x], b: [z, w]}", "'x' is twice in 'a'"},
        {"categories: {a: [x, y], b: [z, '']}", "word 2 of 'b' is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lam_error error = {0};
        char keys[256];
        snprintf(keys, sizeof keys, "rsa: {%s}", cases[i].keys);
        assert_int_equal(run_on(&comm, keys, "bad", &error), LAM_USAGE);
        if (!strstr(error.text, cases[i].words)) fail_msg("'%s'", error.text);
    }
}

static void test_long_prompt(void **state) {
    (void)state;
    lam_error error;
    char keys[4096] = "rsa: {template: '";
    for (int i = 0; i < 300; i++) strcat(keys, "so on ");
    strcat(keys, "{}'}");
    assert_int_equal(run_on(&comm, keys, "bad", &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "the prompt for 'galaxy' has "));
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_log_open(LAM_QUIET, false);
    if (comm.rank == 0) folder = temp_dir();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard),    cmocka_unit_test(test_published),
        cmocka_unit_test(test_values),      cmocka_unit_test(test_ranks_and_threads),
        cmocka_unit_test(test_site),        cmocka_unit_test(test_usage),
        cmocka_unit_test(test_long_prompt),

    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (folder) remove_tree(folder);
    free(folder);
    lam_comm_destroy(&comm);
    return failed;
}
