// ranks: 1 2
// The whole attention profile of the demo model: on the shared passage against a plain PyTorch and
// scipy run of the same (golden/demo), and on the demo's own story by what must hold of any.
#include "passage_fixture.h"

static const char *const kinds[] = {"final", "self"};
static const char *const story = LAM_TEST_DEMO "/../story.txt";

static const double *curve(const loaded *from, const char *kind, const char *rest, int64_t layer) {
    char name[64];
    snprintf(name, sizeof name, "%s_%s", kind, rest);
    return row(from, name, layer);
}

static double largest(const double *value, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++) most = fmax(most, value[i]);
    return most;
}

// The largest difference of two curves over the peak of the second, each times a factor.
static double difference(const double *a, double a_factor, const double *b, double b_factor,
                         int64_t count) {
    double worst = 0;
    for (int64_t i = 0; i < count; i++)
        worst = fmax(worst, fabs(a[i] * a_factor - b[i] * b_factor));
    return worst / (largest(b, count) * b_factor);
}

// Both sides run the model in single precision; its weights then differ by a few 1e-7 of themselves
// (seen: bandwidths by 6e-7), and exactly estimated densities by 5e-7 of the peak; other kinds of
// CPU are given room. Binned is allowed 1e-4.
static void compare_mode(const char *mode, bool exact) {
    skip_without_passage();
    double bound = exact ? 1e-5 : 1e-4;
    bool published = strcmp(mode, "published") == 0;
    char *folder = result_folder(), path[4096], keys[256];
    lam_error error;
    snprintf(path, sizeof path, "%s/attention.nc", folder);
    snprintf(keys, sizeof keys, "mode: %s, attention: {exact: %s}", mode, exact ? "true" : "false");
    if (run_demo(&comm, shared_path("data/course/passage.txt"), keys, path, &error))
        fail_msg("%s", error.text);
    loaded got;
    load_group(path, "attention", &got);
    lam_safetensors *golden = open_reference("attention", mode);
    const double *widths = reference(golden, "bandwidth")->data; // [layer, kind]
    double worst[2] = {0}, worst_width = 0;
    for (int k = 0; k < 2; k++) {
        const lam_tensor *density = reference(golden, kinds[k]);
        int64_t layers = density->shape[0], points = density->shape[1];
        for (int64_t l = 0; l < layers; l++) {
            const double *want = (const double *)density->data + l * points;
            double factor = published ? 1 / largest(want, points) : 1;
            const double *have = curve(&got, kinds[k], "density", l);
            worst[k] = fmax(worst[k], difference(have, 1, want, factor, points));
            double width = curve(&got, kinds[k], "bandwidth", l)[0];
            worst_width = fmax(worst_width, fabs(width / widths[2 * l + k] - 1));
        }
    }
    print_message("%s, %s: final %.2g, self %.2g of the peak, bandwidths %.2g\n", mode,
                  exact ? "exact" : "binned", worst[0], worst[1], worst_width);
    assert_true(worst[0] < bound && worst[1] < bound);
    assert_true(worst_width < 5e-6);
    lam_safetensors_close(golden);
    unload(&got);
    drop_folder(folder);
}

static void test_standard(void **state) {
    (void)state;
    compare_mode("standard", false);
    compare_mode("standard", true);
}

static void test_published(void **state) {
    (void)state;
    compare_mode("published", false);
    compare_mode("published", true);
}

static void check_layer(const loaded *got, int64_t layer, int64_t count, int64_t length) {
    const double *grid = row(got, "grid", 0);
    int64_t points = lam_group_dimension(&got->group, "grid");
    for (int k = 0; k < 2; k++) {
        assert_int_equal(*(const int64_t *)curve(got, kinds[k], "count", layer), count);
        assert_int_equal(*(const int8_t *)curve(got, kinds[k], "status", layer), 0);
        const double *quantile = curve(got, kinds[k], "quantile", layer);
        double mean = curve(got, kinds[k], "mean", layer)[0];
        double above = curve(got, kinds[k], "share_above_half", layer)[0];
        double width = curve(got, kinds[k], "bandwidth", layer)[0];
        for (int q = 0; q < 4; q++) assert_true(quantile[q] <= quantile[q + 1]);
        assert_true(quantile[0] >= 0 && quantile[4] <= 1 && mean > 0 && mean < 1 && width > 0);
        assert_true(above >= 0 && above <= 1 && (above < 0.5) == (quantile[2] <= 0.5));
        // The reflected curve keeps all mass between 0 and 1, where the grid can tell.
        const double *mended = curve(got, kinds[k], "density_reflected", layer);
        const double *plain = curve(got, kinds[k], "density", layer);
        double mass = -(mended[0] + mended[points - 1]) / 2 / (double)(points - 1);
        for (int64_t i = 0; i < points; i++) {
            mass += mended[i] / (double)(points - 1);
            assert_true(mended[i] >= plain[i]);
        }
        if (width > grid[1]) assert_true(fabs(mass - 1) < 1e-6);
    }
    const double *self = row(got, "self_weight", layer), *entropy = row(got, "entropy", layer);
    const double *first = row(got, "first_token_weight", layer);
    const double *previous = row(got, "previous_token_weight", layer);
    int64_t heads = lam_group_dimension(&got->group, "head");
    double mean = 0;
    for (int64_t h = 0; h < heads; h++) {
        assert_true(self[h] > 0 && first[h] > 0 && previous[h] > 0);
        // The second token's first is its previous: one weight in both.
        assert_true(self[h] + first[h] + previous[h] < 1 + 1.0 / (double)(length - 1));
        assert_true(entropy[h] > 0 && entropy[h] < log((double)length));
        mean += self[h] / (double)heads;
    }
    assert_true(fabs(mean / number(got, "self_mean", layer) - 1) < 1e-6);
}

static void test_story(void **state) {
    (void)state;
    char *folder = result_folder(), path[4096], published[4096], exact[4096];
    lam_error error;
    snprintf(path, sizeof path, "%s/standard.nc", folder);
    snprintf(exact, sizeof exact, "%s/exact.nc", folder);
    snprintf(published, sizeof published, "%s/published.nc", folder);
    const char *keys = "sequences: 3, length: 200, attention: {reflected: true}";
    if (run_demo(&comm, story, keys, path, &error)) fail_msg("%s", error.text);
    keys = "sequences: 3, length: 200, attention: {exact: true}";
    if (run_demo(&comm, story, keys, exact, &error)) fail_msg("%s", error.text);
    // One passage, the first: of the same model without rotation, so the same weights.
    keys = "mode: published, sequences: 3, length: 200, attention: {}";
    if (run_demo(&comm, story, keys, published, &error)) fail_msg("%s", error.text);
    loaded got, direct, curves;
    load_group(path, "attention", &got);
    load_group(exact, "attention", &direct);
    load_group(published, "attention", &curves);
    int64_t layers = lam_group_dimension(&got.group, "layer");
    int64_t heads = lam_group_dimension(&got.group, "head");
    int64_t points = lam_group_dimension(&got.group, "grid");
    for (int64_t l = 0; l < layers; l++) {
        check_layer(&got, l, 3 * 199 * heads, 200);
        for (int k = 0; k < 2; k++) {
            assert_true(difference(curve(&got, kinds[k], "density", l), 1,
                                   curve(&direct, kinds[k], "density", l), 1, points) < 1e-4);
            assert_true(largest(curve(&curves, kinds[k], "density", l), points) == 1);
            assert_int_equal(*(const int64_t *)curve(&curves, kinds[k], "count", l), 199 * heads);
        }
    }
    unload(&got);
    unload(&direct);
    unload(&curves);
    drop_folder(folder);
}

// Published weights are made another way, but a GPT-2's are those of the model.
static void test_published_weights(void **state) {
    (void)state;
    char *folder = result_folder(), paths[2][4096];
    lam_error error;
    for (int i = 0; i < 2; i++) {
        const char *keys = i ? "mode: published, select: first, sequences: 1, attention: {}"
                             : "mode: standard, select: first, sequences: 1, attention: {}";
        snprintf(paths[i], sizeof paths[i], "%s/%d.nc", folder, i);
        if (run_demo(&comm, story, keys, paths[i], &error)) fail_msg("%s", error.text);
    }
    loaded a, b;
    load_group(paths[0], "attention", &a);
    load_group(paths[1], "attention", &b);
    int64_t heads = lam_group_dimension(&a.group, "head");
    for (int64_t l = 0; l < lam_group_dimension(&a.group, "layer"); l++)
        for (int64_t h = 0; h < heads; h++) {
            const double *x = row(&a, "entropy", l), *y = row(&b, "entropy", l);
            assert_true(fabs(x[h] - y[h]) < 1e-6);
        }
    unload(&a);
    unload(&b);
    drop_folder(folder);
}

// By head, in double precision from the reference's values: self, first, previous, entropy.
typedef struct figures {
    double value[4];
} figures;

static const char *const figure_names[] = {"self_weight", "first_token_weight",
                                           "previous_token_weight", "entropy"};

static void add_query(figures *to, const double *weight, int64_t token) {
    to->value[0] += weight[token];
    to->value[1] += weight[0];
    to->value[2] += weight[token - 1];
    for (int64_t j = 0; j <= token; j++) to->value[3] -= weight[j] * log(weight[j]);
}

// The model's own weights, of all sequences.
static figures standard_figures(const golden_model *m, int64_t layer, int64_t head) {
    const float *weights = of_layer(m, layer, "weights"); // [sequence, head, query, key]
    figures sums = {0};
    for (int64_t s = 0; s < m->sequences; s++)
        for (int64_t t = 1; t < m->length; t++) {
            double weight[64];
            for (int64_t j = 0; j <= t; j++)
                weight[j] =
                    (double)weights[((s * m->heads + head) * m->length + t) * m->length + j];
            add_query(&sums, weight, t);
        }
    return sums;
}

// Contiguous thirds of the module's output, without rotation, of the first sequence.
static figures published_figures(const golden_model *m, int64_t layer, int64_t head) {
    int64_t third = m->heads * m->width;
    const float *qkv = of_layer(m, layer, "qkv") + head * m->width; // [sequence, token, 3 third]
    figures sums = {0};
    for (int64_t t = 1; t < m->length; t++) {
        double weight[64], sum = 0;
        for (int64_t j = 0; j <= t; j++) {
            double dot = 0;
            for (int64_t e = 0; e < m->width; e++)
                dot += (double)qkv[t * 3 * third + e] * (double)qkv[j * 3 * third + third + e];
            sum += weight[j] = exp(dot / sqrt((double)m->width));
        }
        for (int64_t j = 0; j <= t; j++) weight[j] /= sum;
        add_query(&sums, weight, t);
    }
    return sums;
}

static void check_model(const char *name, bool published) {
    golden_model m;
    lam_error error;
    char keys[256];
    open_model(name, &m);
    assert_true(m.length <= 64);
    snprintf(keys, sizeof keys,
             "mode: %s, select: first, sequences: %lld, length: %lld, attention: {}",
             published ? "published" : "standard", (long long)m.sequences, (long long)m.length);
    if (run_model(&comm, golden_path(name), m.tokens, keys, m.result, &error))
        fail_msg("%s", error.text);
    loaded got;
    load_group(m.result, "attention", &got);
    double queries = (double)((m.length - 1) * (published ? 1 : m.sequences));
    for (int64_t l = 0; l < lam_group_dimension(&got.group, "layer"); l++)
        for (int64_t h = 0; h < m.heads; h++) {
            figures want = (published ? published_figures : standard_figures)(&m, l, h);
            for (int i = 0; i < 4; i++) {
                double have = ((const double *)row(&got, figure_names[i], l))[h];
                // The bound of the golden cases, for weights of up to 1.
                assert_true(fabs(have - want.value[i] / queries) < 2e-5);
            }
        }
    unload(&got);
    close_model(&m);
}

// Both families, without a tokenizer: the text is tokens.
static void test_golden_models(void **state) {
    (void)state;
    static const char *const names[] = {"gpt2-f32", "neox-parallel", "neox-serial"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        check_model(names[i], false);
        check_model(names[i], true);
    }
}

static void test_same_bits(void **state) {
    (void)state;
    check_same_bits(story, "sequences: 11, length: 97, attention: {reflected: true}");
    check_same_bits(story, "sequences: 6, length: 256, attention: {exact: true}");
    check_same_bits(story, "mode: published, attention: {bandwidth: silverman}");
}

// White space around a passage is no part of it, and a short one is one sequence.
static void test_short_passage(void **state) {
    (void)state;
    static const char *const text[] = {"The lamp was still lit.",
                                       " \n The lamp was still lit.\n\n"};
    char digest[2][LAM_SHA256_TEXT];
    for (int i = 0; i < 2; i++) {
        char *folder = result_folder(), path[4096];
        lam_error error;
        snprintf(path, sizeof path, "%s/result.nc", folder);
        if (run_demo(&comm, text_file(folder, text[i]), "attention: {}", path, &error))
            fail_msg("%s", error.text);
        digest_of(path, digest[i]);
        drop_folder(folder);
    }
    assert_string_equal(digest[0], digest[1]);
}

static void test_refusals(void **state) {
    (void)state;
    const char *text = "The lamp was still lit.";
    check_refused("a b\n", "attention: {}", LAM_INPUT, "2 tokens, where attention needs 3 or more");
    check_refused(text, "length: 2, attention: {}", LAM_USAGE, "choose a length of 3 or more");
    check_refused(text, "length: 3, attention: {}", LAM_INPUT, "choose fewer sequences");
    check_refused(text, "attention: {bandwidth: 0}", LAM_USAGE, "'attention.bandwidth': '0'");
    check_refused(text, "attention: {bandwidth: scot}", LAM_USAGE, "'scot' is not scott");
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_log_open(LAM_QUIET, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard),      cmocka_unit_test(test_published),
        cmocka_unit_test(test_story),         cmocka_unit_test(test_published_weights),
        cmocka_unit_test(test_golden_models), cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_short_passage), cmocka_unit_test(test_refusals),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
