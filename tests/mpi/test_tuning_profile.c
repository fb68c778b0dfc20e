// ranks: 1 2
// The whole tuning profile: against a plain run in Python with statsmodels (golden/demo) on a
// shared text, by its own definitions on the demo's story, and on planted activations.
#include "passage_fixture.h"

#include "src/logistic.h"
#include "src/significance.h"

// Both sides run the model in single precision, which moves an activation by about 1e-6 of its
// spread. A slope then moves by a small part of its standard error, its own measure of what the
// data leave open: 2e-5 as measured, five times that allowed. The bound on log10 p is for p
// down to 1e-12.
static const double beta_bound = 1e-4, p_bound = 1e-3, least_p = 1e-12;

static void compare_site(const char *path, const char *site, const char *reference_name,
                         const char *mode) {
    char name[64];
    loaded got;
    snprintf(name, sizeof name, "tuning/%s", site);
    load_group(path, name, &got);
    lam_safetensors *file = open_reference(reference_name, mode);
    const double *counts = reference(file, "counts")->data;
    snprintf(name, sizeof name, "%s.beta", site);
    const lam_tensor *shape = reference(file, name);
    const double *beta = shape->data;
    snprintf(name, sizeof name, "%s.p", site);
    const double *p = reference(file, name)->data;
    snprintf(name, sizeof name, "%s.accuracy", site);
    const double *accuracy = reference(file, name)->data;
    double one = 1 / (counts[0] + counts[1]), most_beta = 0, most_p = 0;
    int64_t layers = shape->shape[0], units = shape->shape[1], flagged = 0, other_targets = 0;
    bool published = strcmp(mode, "published") == 0;
    for (int64_t l = 0; l < layers; l++) {
        const double *b = row(&got, "beta", l), *e = row(&got, "standard_error", l),
                     *v = row(&got, "p_value", l);
        const float *a = row(&got, "accuracy", l);
        const int8_t *status = row(&got, "status", l);
        for (int64_t u = 0; u < units; u++) {
            int64_t i = l * units + u;
            if (status[u]) flagged++;
            if (status[u] && !published) {
                assert_true(isnan(b[u]) && isnan(e[u]) && isnan(v[u]) && isnan(a[u]));
                continue;
            }
            double beta_apart = fabs(b[u] - beta[i]) / e[u];
            double p_apart = p[i] < least_p ? 0 : fabs(log10(v[u]) - log10(p[i]));
            double targets = fabs((double)a[u] - accuracy[i]) / one;
            // Where the steps end on separated classes; the standard error there says nothing.
            if (status[u]) beta_apart = fabs(b[u] / beta[i] - 1);
            if (!(beta_apart < beta_bound) || !(p_apart < p_bound) || !(targets < 1.01))
                fail_msg("%s, unit %lld of layer %lld: beta %.9g, p %.6g, accuracy %.6f; the "
                         "reference has %.9g, %.6g, %.6f",
                         site, (long long)u, (long long)l, b[u], v[u], (double)a[u], beta[i], p[i],
                         accuracy[i]);
            most_beta = fmax(most_beta, beta_apart), most_p = fmax(most_p, p_apart);
            other_targets += targets > 0.5;
        }
    }
    // A target at P = 1/2 to 6 digits may fall on either side: not many do.
    assert_true(other_targets <= layers * units / 500);
    print_message("%s, %s: beta within %.1e standard errors, log10 p within %.1e, %lld of %lld "
                  "accuracies a target off, %lld units flagged\n",
                  site, mode, most_beta, most_p, (long long)other_targets,
                  (long long)(layers * units), (long long)flagged);
    lam_safetensors_close(file);
    unload(&got);
}

static void compare_mode(const char *mode) {
    const char *text = shared_path("data/pkd/32154-the-variable-man.txt");
    if (!text) {
        print_message("skipped: the shared data is not beside the project\n");
        skip();
    }
    char *folder = result_folder(), path[4096], keys[256];
    lam_error error;
    snprintf(path, sizeof path, "%s/tuning.nc", folder);
    snprintf(keys, sizeof keys, "mode: %s, tuning: {sites: [qkv, mlp_fc]}", mode);
    if (run_demo(&comm, text, keys, path, &error)) fail_msg("%s", error.text);
    if (comm.rank == 0) {
        compare_site(path, "qkv", "tuning", mode);
        compare_site(path, "mlp_fc", "tuning-mlp_fc", mode);
    }
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

static const char story[] = LAM_TEST_DEMO "/../story.txt";

static double attribute(const loaded *from, const char *name) {
    for (size_t i = 0; i < from->group.attribute_count; i++)
        if (strcmp(from->group.attributes[i].name, name) == 0)
            return from->group.attributes[i].number;
    fail_msg("there is no attribute %s", name);
    return NAN;
}

// Shares and means again from the units' values.
static void check_layer(const loaded *got, int64_t layer, int64_t units, int64_t targets,
                        bool components) {
    const double *beta = row(got, "beta", layer), *error = row(got, "standard_error", layer),
                 *p = row(got, "p_value", layer), *q = row(got, "q_value", layer);
    const float *accuracy = row(got, "accuracy", layer),
                *held = row(got, "held_out_accuracy", layer);
    const int8_t *status = row(got, "status", layer);
    double tested = 0, significant = 0, discovered = 0, right = 0, chosen = 0;
    for (int64_t u = 0; u < units; u++) {
        assert_int_equal(isnan(beta[u]), status[u] != 0);
        if (status[u]) continue;
        assert_true(p[u] == lam_normal_p(beta[u] / error[u]));
        assert_true(q[u] >= p[u] && q[u] <= 1);
        double times = (double)held[u] * (double)targets;
        assert_true(held[u] >= 0 && held[u] <= 1 && fabs(times - round(times)) < 1e-3);
        tested++, significant += p[u] < 0.05 / (double)units, discovered += q[u] <= 0.05;
        if (p[u] < 0.05 / (double)units && beta[u] > 0) right += (double)accuracy[u], chosen++;
    }
    assert_true(fabs(number(got, "share_significant", layer) - significant / tested) < 1e-12);
    assert_true(fabs(number(got, "share_significant_fdr", layer) - discovered / tested) < 1e-12);
    assert_true(discovered >= significant);
    assert_true(chosen > 0);
    assert_true(fabs(number(got, "mean_accuracy", layer) - right / chosen) < 1e-6);
    assert_true(number(got, "joint_held_out_accuracy", layer) > 0.5);
    assert_true(number(got, "joint_loss", layer) > 0);
    assert_int_equal(*(const int32_t *)row(got, "undefined", layer), 0);
    if (!components) return;
    const double *share = row(got, "component_share_significant", layer);
    const int32_t *failed = row(got, "component_failed", layer);
    double sum = 0;
    for (int c = 0; c < 3; c++) sum += share[c] * ((double)units / 3 - failed[c]);
    assert_true(fabs(sum - significant) < 1e-9);
    assert_int_equal(failed[0] + failed[1] + failed[2], (int)(units - (int64_t)tested));
}

static void test_story(void **state) {
    (void)state;
    char *folder = result_folder(), path[4096];
    lam_error error;
    snprintf(path, sizeof path, "%s/tuning.nc", folder);
    if (run_demo(&comm, story, "tuning: {sites: [qkv, resid_post, k]}", path, &error))
        fail_msg("%s", error.text);
    static const char *const groups[] = {"tuning/qkv", "tuning/resid_post", "tuning/k"};
    loaded got[3];
    for (int g = 0; g < 3 && comm.rank == 0; g++) {
        load_group(path, groups[g], &got[g]);
        double ones = attribute(&got[g], "targets_positive_class"),
               zeros = attribute(&got[g], "targets_negative_class");
        assert_true(ones == 136 && zeros == 109); // as the reference counts them
        assert_true(attribute(&got[g], "majority_baseline") == ones / (ones + zeros));
        int64_t units = lam_group_dimension(&got[g].group, "unit");
        const int32_t *component = row(&got[g], "unit_component", 0),
                      *head = row(&got[g], "unit_head", 0), *unit = row(&got[g], "unit", 0);
        for (int32_t u = 0; u < units; u++) {
            assert_int_equal(unit[u], u);
            assert_int_equal(component[u], g == 0 ? u / 128 : g == 1 ? -1 : 1);
            assert_int_equal(head[u], g == 1 ? -1 : u % 128 / 32);
        }
        for (int64_t l = 0; l < 12; l++)
            check_layer(&got[g], l, units, (int64_t)(ones + zeros), g == 0);
        assert_int_equal(lam_group_find(&got[g].group, "component_failed") >= 0, g == 0);
    }
    // The keys are the middle third of the fused projection: the same regressions.
    for (int64_t l = 0; l < 12 && comm.rank == 0; l++)
        assert_memory_equal(row(&got[2], "beta", l), (const double *)row(&got[0], "beta", l) + 128,
                            128 * sizeof(double));
    for (int g = 0; g < 3 && comm.rank == 0; g++) unload(&got[g]);
    drop_folder(folder);
}

static void test_same_bits(void **state) {
    (void)state;
    check_same_bits(story, "tuning: {sites: [qkv, mlp_out], before: 4, after: 1}");
    check_same_bits(story, "tuning: {sites: mlp_out, before: 4, after: 1, firth: true, joint: no}");
    check_same_bits(story, "mode: published, tuning: {before: 4, after: 1, joint: no}");
}

// A run of one layer on planted activations, without a model: targets of 20 and 30.
enum { TARGETS = 50, WIDTH = 16, HEAD_WIDTH = 4 };

typedef struct planted {
    lam_arena arena, layer_arena;
    lam_job job;
    lam_model_config config;
    lam_sequences sequences;
    lam_profile_run run;
    lam_group group[2];
    void *state;
} planted;

static bool no_tick(void *user, int64_t units, const char *detail) {
    (void)user, (void)units, (void)detail;
    return true;
}

static void plant(planted *p, lam_family family, const char *keys) {
    lam_error error;
    char yaml[512];
    *p = (planted){.config = {.family = family,
                              .layers = 1,
                              .width = WIDTH,
                              .heads = WIDTH / HEAD_WIDTH,
                              .head_width = HEAD_WIDTH,
                              .mlp_width = 4 * WIDTH,
                              .positions = 64}};
    int length = snprintf(yaml, sizeof yaml, "{model: none, %s}", keys);
    if (lam_job_parse(yaml, (size_t)length, "test", NULL, NULL, NULL, lam_profiles, &p->job,
                      &p->arena, &error) ||
        lam_sequences_create(&p->sequences, TARGETS, NULL, &p->arena, &error))
        fail_msg("%s", error.text);
    for (int i = 0; i < TARGETS; i++)
        p->sequences.start[i + 1] = i + 1, p->sequences.label[i] = i >= 20;
    p->run = (lam_profile_run){.profile = &lam_profile_tuning,
                               .distribute = LAM_GRID_ALONE_MOST,
                               .mode = (lam_mode)p->job.globals.mode,
                               .seed = 1,
                               .model = &p->config,
                               .input = &p->job.section[0].input,
                               .options = p->job.section[0].options,
                               .sequences = &p->sequences,
                               .team = &lam_team_alone};
    lam_profile_group made[2];
    size_t count = 0;
    if (lam_profile_tuning.resolve(&p->run, &error) ||
        lam_profile_tuning.groups(&p->run, made, 2, &count, &p->arena, &error) ||
        lam_profile_tuning.begin(&p->run, 0, &p->layer_arena, &p->state, &error))
        fail_msg("%s", error.text);
    for (size_t g = 0; g < count; g++) {
        lam_dimension *dimensions = lam_arena_alloc(&p->arena, 3, sizeof *dimensions, &error);
        dimensions[0] = made[g].dimensions[0];
        dimensions[1] = (lam_dimension){"layer", 1},
        dimensions[2] = (lam_dimension){"component", 3};
        if (lam_group_create(&p->group[g], made[g].name, made[g].variables, dimensions, 3, 0, 1,
                             &p->arena, &error))
            fail_msg("%s", error.text);
    }
}

// Unit u of target i at a site of so many units.
static void show(planted *p, lam_site site, int64_t width, float (*value)(int64_t i, int64_t u)) {
    for (int64_t i = 0; i < TARGETS; i++) {
        float data[4 * WIDTH];
        for (int64_t u = 0; u < width; u++) data[u] = value(i, u);
        lam_view view = {.site = site,
                         .sequence = i,
                         .length = 1,
                         .rows = 1,
                         .width = width,
                         .row_stride = width,
                         .data = data};
        lam_profile_tuning.see(&p->run, p->state, &view);
    }
}

static lam_code finish(planted *p, lam_error *error) {
    lam_tick tick = {.add = no_tick};
    return lam_profile_tuning.finish(&p->run, 0, p->state, p->group, &tick, &p->layer_arena, error);
}

static void uproot(planted *p) {
    lam_arena_destroy(&p->arena);
    lam_arena_destroy(&p->layer_arena);
}

static void *at(planted *p, int group, const char *name) {
    return lam_group_row(&p->group[group], name, 0);
}

// Overlapping classes, apart by more the higher the unit.
static float graded(int64_t i, int64_t u) {
    return (float)((double)(i * 7919 % 50) * 0.1 + (i >= 20) * 0.05 * (double)u);
}

// Published mode on GPT-NeoX: units in the module's own order [head, Q K V, d].
static void test_module_order(void **state) {
    (void)state;
    lam_error error;
    const char *keys = "tuning: {sites: [qkv, v], before: 0, after: 0}";
    char published[128];
    snprintf(published, sizeof published, "mode: published, %s", keys);
    planted own, module;
    plant(&own, LAM_GPT_NEOX, keys);
    plant(&module, LAM_GPT_NEOX, published);
    assert_true(lam_profile_tuning.sites(&module.run) == LAM_SITE_BIT(LAM_SITE_QKV));
    show(&own, LAM_SITE_QKV, 3 * WIDTH, graded);
    show(&own, LAM_SITE_V, WIDTH, graded); // its own first units: not those of qkv here
    show(&module, LAM_SITE_QKV, 3 * WIDTH, graded);
    if (finish(&own, &error) || finish(&module, &error)) fail_msg("%s", error.text);
    const double *plain = at(&own, 0, "beta"), *turned = at(&module, 0, "beta"),
                 *third = at(&module, 1, "beta");
    for (int u = 0; u < 3 * WIDTH; u++) {
        int head = u / (3 * HEAD_WIDTH), part = u / HEAD_WIDTH % 3, d = u % HEAD_WIDTH;
        double want = plain[part * WIDTH + head * HEAD_WIDTH + d];
        assert_true(fabs(turned[u] - want) < 1e-7 * (1 + fabs(want)));
        if (u >= 2 * WIDTH) assert_true(third[u - 2 * WIDTH] == turned[u]);
    }
    uproot(&own);
    uproot(&module);

    planted gpt2;
    plant(&gpt2, LAM_GPT2, published);
    assert_true(lam_profile_tuning.sites(&gpt2.run) ==
                (LAM_SITE_BIT(LAM_SITE_QKV) | LAM_SITE_BIT(LAM_SITE_V)));
    uproot(&gpt2);
}

// Units 0 and 1 constant, 2 separated, 3 quasi-separated, the others graded.
static float faulty(int64_t i, int64_t u) {
    if (u < 2) return (float)u;
    if (u == 2) return i >= 20 ? 1.5f + (float)(i % 3) : -(float)(i % 4);
    if (u == 3) return i % 10 == 0 ? 0 : i >= 20 ? 1 : -1;
    return graded(i, u);
}

// A team of one that notes what work is cut in blocks for its members.
static int64_t unit_blocks, fold_blocks;

static void note_own(const lam_team *team, int64_t blocks, int64_t *first, int64_t *count) {
    unit_blocks += blocks == (3 * WIDTH + LAM_LOGISTIC_BLOCK - 1) / LAM_LOGISTIC_BLOCK;
    fold_blocks += blocks == 5;
    lam_team_alone.own(team, blocks, first, count);
}

// Regressions and the joint one's folds are shared by the team that shares the layer.
static void test_shared(void **state) {
    (void)state;
    lam_error error;
    lam_team noting = lam_team_alone;
    noting.own = note_own;
    planted p;
    plant(&p, LAM_GPT2, "tuning: {before: 0, after: 0}");
    p.run.team = &noting;
    show(&p, LAM_SITE_QKV, 3 * WIDTH, graded);
    if (finish(&p, &error)) fail_msg("%s", error.text);
    assert_int_equal(unit_blocks, 1);
    assert_int_equal(fold_blocks, 1);
    uproot(&p);
}

static void test_flags(void **state) {
    (void)state;
    lam_error error;
    for (int mode = 0; mode < 3; mode++) {
        static const char *const keys[] = {
            "tuning: {before: 0, after: 0}", "tuning: {before: 0, after: 0, firth: true}",
            "mode: published, tuning: {before: 0, after: 0, joint: false}"};
        planted p;
        plant(&p, LAM_GPT2, keys[mode]);
        show(&p, LAM_SITE_QKV, 3 * WIDTH, faulty);
        if (finish(&p, &error)) fail_msg("%s", error.text);
        const int8_t *status = at(&p, 0, "status");
        const double *beta = at(&p, 0, "beta"), *pv = at(&p, 0, "p_value"),
                     *qv = at(&p, 0, "q_value"), *se = at(&p, 0, "standard_error");
        const float *accuracy = at(&p, 0, "accuracy"), *held = at(&p, 0, "held_out_accuracy");
        const int32_t *failed = at(&p, 0, "component_failed");
        bool firth = mode == 1, published = mode == 2;
        for (int u = 0; u < 6; u++) {
            assert_int_equal(status[u], u < 2 ? 1 : u < 4 && !firth ? 2 : 0);
            bool missing = u < 2 || (u < 4 && mode == 0);
            if (published && u < 2)
                assert_true(beta[u] == 0 && pv[u] == 1 && qv[u] == 1 && accuracy[u] == 0);
            else
                assert_true(isnan(beta[u]) == missing && isnan(pv[u]) == missing &&
                            isnan(qv[u]) == missing && isnan(accuracy[u]) == missing);
            assert_int_equal(isnan(se[u]), missing);
            assert_int_equal(isnan(held[u]), u < 2 || (u < 4 && !firth));
        }
        assert_int_equal(failed[0], mode == 0 ? 4 : 2);
        // Left out of the shares, or counted with them as published.
        double significant = 0;
        for (int u = 0; u < 3 * WIDTH; u++) significant += pv[u] < 0.05 / (3 * WIDTH);
        assert_true(significant > 0);
        assert_true(fabs(*(double *)at(&p, 0, "share_significant") -
                         significant / (3 * WIDTH - (published ? 0 : failed[0]))) < 1e-12);
        assert_int_equal(*(int32_t *)at(&p, 0, "undefined"), published ? 4 : 0);
        assert_int_equal(isnan(*(double *)at(&p, 0, "joint_loss")), published);
        uproot(&p);
    }
}

static float nothing(int64_t i, int64_t u) {
    (void)i;
    return (float)u;
}

static float infinite(int64_t i, int64_t u) {
    return i == 31 && u == 5 ? INFINITY : graded(i, u);
}

// No unit varies: all is flagged. Activations that are not finite: an error.
static void test_hostile_values(void **state) {
    (void)state;
    lam_error error;
    planted p;
    plant(&p, LAM_GPT2, "tuning: {before: 0, after: 0}");
    show(&p, LAM_SITE_QKV, 3 * WIDTH, nothing);
    if (finish(&p, &error)) fail_msg("%s", error.text);
    assert_int_equal(*(int32_t *)at(&p, 0, "undefined"), 1 + 2);
    assert_true(isnan(*(double *)at(&p, 0, "share_significant")));
    assert_true(isnan(*(double *)at(&p, 0, "mean_accuracy")));
    for (int c = 0; c < 3; c++) {
        assert_int_equal(((int32_t *)at(&p, 0, "component_undefined"))[c], 1 + 2);
        assert_int_equal(((int32_t *)at(&p, 0, "component_failed"))[c], WIDTH);
    }
    // The joint regression is left with its intercept, which tells the larger class.
    assert_true(*(double *)at(&p, 0, "joint_held_out_accuracy") == 0.6);
    double entropy = -0.4 * log(0.4) - 0.6 * log(0.6);
    assert_true(fabs(*(double *)at(&p, 0, "joint_loss") - entropy) < 1e-12);
    uproot(&p);

    plant(&p, LAM_GPT2, "tuning: {before: 0, after: 0}");
    show(&p, LAM_SITE_QKV, 3 * WIDTH, infinite);
    assert_int_equal(finish(&p, &error), LAM_NUMERIC);
    assert_non_null(strstr(error.text, "site qkv: the activation of unit 5 at target 31 is inf"));
    uproot(&p);
}

static void test_refused(void **state) {
    (void)state;
    const char *some = "It is not in the house. You should go, and he may not be in. I never do.";
    check_refused("It is not so.", "tuning: {}", LAM_INPUT, "fewer than a target's window of 101");
    check_refused("The man and the house.", "tuning: {before: 1, after: 1}", LAM_INPUT,
                  "no target of either class");
    check_refused("It is not in the house and not in the man.", "tuning: {before: 1, after: 1}",
                  LAM_INPUT, "none is of the negative one (agree, ...)");
    check_refused("You should go and he could go to the house.", "tuning: {before: 1, after: 1}",
                  LAM_INPUT, "none is of the positive one (not, ...)");
    check_refused(some, "tuning: {before: 1, after: 1}", LAM_INPUT, "fewer than the 5 folds");
    check_refused(some, "tuning: {before: 250}", LAM_USAGE, "more than the model's 256 positions");
    check_refused(some, "tuning: {sites: [q, k, q]}", LAM_USAGE, "names q twice");
    check_refused(some, "tuning: {sites: []}", LAM_USAGE, "names no site");
    check_refused(some, "tuning: {sites: scores}", LAM_USAGE, "is not one of qkv, q");
    check_refused(some, "tuning: {negative_class: []}", LAM_USAGE, "tuning.negative_class has no");
    check_refused(some, "tuning: {positive_class: [not, ' ']}", LAM_USAGE, "an empty text");
    check_refused(some, "tuning: {positive_class_contains: ['']}", LAM_USAGE,
                  "tuning.positive_class_contains holds an empty text");
    check_refused(some, "mode: published, tuning: {firth: true}", LAM_USAGE, "no penalty");
    check_refused(some, "tuning: {folds: 1}", LAM_USAGE, "'1' is not a whole number from 2");
    check_refused(some, "tuning: {ridge: 0}", LAM_USAGE, "is not a number above 0");
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_log_open(LAM_QUIET, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_standard),     cmocka_unit_test(test_published),
        cmocka_unit_test(test_story),        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_module_order), cmocka_unit_test(test_shared),
        cmocka_unit_test(test_flags),        cmocka_unit_test(test_hostile_values),
        cmocka_unit_test(test_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
