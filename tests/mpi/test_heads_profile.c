// ranks: 1 2
// The whole heads profile of the demo model: on the shared passage against a plain PyTorch run of
// the same (golden/demo), and on the demo's own story by what must hold of any.
#include "passage_fixture.h"

static const char *const story = LAM_TEST_DEMO "/../story.txt";

// A variable, the reference's name for it, and the bound. Both sides run the model in single
// precision, so values differ by a few 1e-7 of the largest; the bound is 1e-5 of it. Of shares the
// bound is absolute: a score that rounding moves across 0 is one pair.
static const struct {
    const char *ours, *theirs;
    bool share;
} compared[] = {
    {"q_mean", "q_mean", false},
    {"q_sd", "q_std", false},
    {"k_mean", "k_mean", false},
    {"k_sd", "k_std", false},
    {"same_head_mean", "same_mean", false},
    {"different_mean", "diff_mean", false},
    {"same_head_negative_share", "same_negative", true},
    {"different_negative_share", "diff_negative", true},
};

static void compare_variable(const loaded *got, const lam_safetensors *golden, const char *ours,
                             const char *theirs, bool share) {
    const lam_tensor *tensor = reference(golden, theirs);
    int64_t layers = tensor->shape[0], values = tensor->dimensions == 2 ? tensor->shape[1] : 1;
    const double *want = tensor->data;
    int64_t pairs = *(const int64_t *)row(got, values > 1 ? "same_count" : "different_count", 0);
    double worst = 0, most = 0, one_pair = 1.01 * (double)values / (double)pairs;
    for (int64_t l = 0; l < layers; l++)
        for (int64_t i = 0; i < values; i++, want++) {
            most = fmax(most, fabs(*want));
            worst = fmax(worst, fabs(((const double *)row(got, ours, l))[i] - *want));
        }
    print_message("%s: %.2g of %.2g\n", ours, worst, most);
    assert_true(worst < (share ? one_pair : 1e-5 * most));
}

static void compare_mode(const char *mode) {
    skip_without_passage();
    char *folder = result_folder(), path[4096], keys[256];
    lam_error error;
    snprintf(path, sizeof path, "%s/heads.nc", folder);
    snprintf(keys, sizeof keys, "mode: %s, heads: {}", mode);
    if (run_demo(&comm, shared_path("data/course/passage.txt"), keys, path, &error))
        fail_msg("%s", error.text);
    loaded got;
    load_group(path, "heads", &got);
    lam_safetensors *golden = open_reference("heads", mode);
    for (size_t i = 0; i < sizeof compared / sizeof *compared; i++)
        compare_variable(&got, golden, compared[i].ours, compared[i].theirs, compared[i].share);
    lam_safetensors_close(golden);
    unload(&got);
    drop_folder(folder);
}

static void test_standard(void **state) {
    (void)state;
    compare_mode("standard");
}

static void test_published(void **state) {
    (void)state;
    compare_mode("published");
}

static void check_pairs(const loaded *got, const char *kind, int64_t layer, int64_t pairs) {
    char name[64];
#define OF(rest) (snprintf(name, sizeof name, "%s_%s", kind, rest), row(got, name, layer))
    assert_int_equal(*(const int64_t *)OF("count"), pairs);
    assert_int_equal(*(const int8_t *)OF("status"), 0);
    const double *score = row(got, "score", layer);
    int64_t bins = lam_group_dimension(&got->group, "score_bin"), counted = 0;
    const int64_t *histogram = OF("histogram");
    const double *density = OF("density");
    double mass = 0, mean = *(const double *)OF("mean"), sd = *(const double *)OF("sd"), sum = 0;
    double step = score[1] - score[0], below = 0, share = *(const double *)OF("negative_share");
    for (int64_t i = 0; i < bins; i++) {
        counted += histogram[i];
        mass += density[i] * step;
        sum += score[i] * (double)histogram[i];
        if (score[i] + step / 2 <= 0) below += (double)histogram[i];
    }
#undef OF
    assert_int_equal(counted, pairs);
    assert_true(mass > 0.9 && mass < 1.001); // the tails go beyond the bins
    assert_true(sd > 0 && share >= 0 && share <= 1);
    assert_true(fabs(sum / (double)pairs - mean) < step / 2);
    assert_true(below / (double)pairs <= share);
}

static void check_layer(const loaded *got, int64_t layer) {
    int64_t heads = lam_group_dimension(&got->group, "head");
    check_pairs(got, "same", layer, 3 * 198 * heads);
    check_pairs(got, "different", layer, 3 * 198 * heads * (heads - 1));
    static const char *const by_head[] = {"q_sd", "k_sd"};
    for (int i = 0; i < 2; i++)
        for (int64_t h = 0; h < heads; h++)
            assert_true(((const double *)row(got, by_head[i], layer))[h] > 0);
    double mean = 0, negative = 0;
    for (int64_t h = 0; h < heads; h++) {
        double share = ((const double *)row(got, "causal_score_negative_share", layer))[h];
        assert_true(share >= 0 && share <= 1);
        assert_true(((const double *)row(got, "first_token_self_weight", layer))[h] == 1);
        mean += ((const double *)row(got, "same_head_mean", layer))[h] / (double)heads;
        negative +=
            ((const double *)row(got, "same_head_negative_share", layer))[h] / (double)heads;
    }
    assert_true(fabs(mean - number(got, "same_mean", layer)) < 1e-9);
    assert_true(fabs(negative - number(got, "same_negative_share", layer)) < 1e-12);
}

static void test_story(void **state) {
    (void)state;
    char *folder = result_folder(), path[4096];
    lam_error error;
    snprintf(path, sizeof path, "%s/heads.nc", folder);
    if (run_demo(&comm, story, "sequences: 3, length: 200, heads: {}", path, &error))
        fail_msg("%s", error.text);
    loaded got;
    load_group(path, "heads", &got);
    for (int64_t l = 0; l < lam_group_dimension(&got.group, "layer"); l++) check_layer(&got, l);
    unload(&got);
    drop_folder(folder);
}

// A value of q (0) or k (1) of the first sequence: in standard mode the head's own, in published
// mode that of contiguous thirds of the module's output.
static double value_of(const golden_model *m, int64_t layer, int part, int64_t head, int64_t token,
                       int64_t place, bool published) {
    int64_t third = m->heads * m->width;
    if (published)
        return (double)of_layer(m, layer,
                                "qkv")[token * 3 * third + part * third + head * m->width + place];
    return (double)of_layer(m, layer,
                            part ? "k" : "q")[(head * m->length + token) * m->width + place];
}

static double score_of(const golden_model *m, int64_t layer, int64_t q_head, int64_t k_head,
                       int64_t token, bool published) {
    double dot = 0;
    for (int64_t e = 0; e < m->width; e++)
        dot += value_of(m, layer, 0, q_head, m->length - 1, e, published) *
               value_of(m, layer, 1, k_head, token, e, published);
    return dot;
}

static void check_model_layer(const golden_model *m, const loaded *got, int64_t layer,
                              bool published) {
    double different = 0, most = 0;
    for (int64_t h = 0; h < m->heads; h++) {
        double mean[2] = {0}, same = 0;
        for (int64_t t = 1; t < m->length; t++)
            for (int64_t e = 0; e < m->width; e++)
                for (int part = 0; part < 2; part++)
                    mean[part] += value_of(m, layer, part, h, t, e, published) /
                                  (double)((m->length - 1) * m->width);
        for (int64_t t = 1; t < m->length - 1; t++)
            for (int64_t k = 0; k < m->heads; k++) {
                double score = score_of(m, layer, h, k, t, published);
                *(k == h ? &same : &different) += score / (double)(m->length - 2);
                most = fmax(most, fabs(score));
            }
        assert_true(fabs(((const double *)row(got, "q_mean", layer))[h] - mean[0]) < 2e-5);
        assert_true(fabs(((const double *)row(got, "k_mean", layer))[h] - mean[1]) < 2e-5);
        double have = ((const double *)row(got, "same_head_mean", layer))[h];
        assert_true(fabs(have - same) < 2e-5 * most);
    }
    different /= (double)(m->heads * (m->heads - 1));
    assert_true(fabs(number(got, "different_mean", layer) - different) < 2e-5 * most);
}

static void check_model(const char *name, bool published) {
    golden_model m;
    lam_error error;
    char keys[256];
    open_model(name, &m);
    snprintf(keys, sizeof keys, "mode: %s, select: first, sequences: 1, length: %lld, heads: {}",
             published ? "published" : "standard", (long long)m.length);
    if (run_model(&comm, golden_path(name), m.tokens, keys, m.result, &error))
        fail_msg("%s", error.text);
    loaded got;
    load_group(m.result, "heads", &got);
    for (int64_t l = 0; l < lam_group_dimension(&got.group, "layer"); l++)
        check_model_layer(&m, &got, l, published);
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

// Together with attention the model runs once, and the values are the same.
static void test_same_bits(void **state) {
    (void)state;
    check_same_bits(story, "sequences: 11, length: 97, heads: {}");
    check_same_bits(story, "sequences: 5, length: 256, heads: {bandwidth: silverman}, "
                           "attention: {}");
    check_same_bits(story, "mode: published, heads: {bandwidth: 0.5}");
}

static void test_refusals(void **state) {
    (void)state;
    check_refused("a b", "heads: {}", LAM_INPUT, "2 tokens, where heads needs 3 or more");
    check_refused("The lamp was still lit.", "heads: {bandwidth: -1}", LAM_USAGE,
                  "'heads.bandwidth': '-1'");
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_log_open(LAM_QUIET, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard),  cmocka_unit_test(test_published),
        cmocka_unit_test(test_story),     cmocka_unit_test(test_golden_models),
        cmocka_unit_test(test_same_bits), cmocka_unit_test(test_refusals),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
