// ranks: 1 2 3
// seconds: 120
// Profiles whose matrices outgrow a rank: with the size at which that is so lowered, all ranks
// together come to what one finds alone.
#include "jobs/together.h"
#include "tests/mpi/passage_fixture.h"

static const char story[] = LAM_TEST_DEMO "/../story.txt";

static const char *text_attribute(const loaded *from, const char *name) {
    for (size_t i = 0; i < from->group.attribute_count; i++)
        if (strcmp(from->group.attributes[i].name, name) == 0) {
            const lam_attribute *a = &from->group.attributes[i];
            return a->text ? a->text : a->number == LAM_TOGETHER_TOLERANCE ? "number" : "another";
        }
    return "";
}

// Every value of the group within the tolerance that the file states, of the variable's largest.
static void compare_values(const loaded *got, const loaded *want) {
    assert_int_equal(got->group.variable_count, want->group.variable_count);
    for (size_t v = 0; v < want->group.variable_count; v++) {
        const lam_variable *variable = &want->group.variables[v];
        const int64_t count = lam_group_value_count(&want->group, v);
        if (variable->type != LAM_DOUBLE) {
            if (variable->type != LAM_STRING)
                assert_memory_equal(got->group.data[v], want->group.data[v],
                                    (size_t)count * lam_type_size(variable->type));
            continue;
        }
        const double *a = got->group.data[v], *b = want->group.data[v];
        // What falls into one of 2^22 bins has one rank: pairs that near are few, of 561.
        const bool binned = strcmp(variable->name, "rsa_spearman") == 0;
        const double tolerance = binned ? 1e-6 : LAM_TOGETHER_TOLERANCE;
        double most = 0;
        for (int64_t i = 0; i < count; i++) most = fmax(most, isnan(b[i]) ? 0 : fabs(b[i]));
        for (int64_t i = 0; i < count; i++)
            if (isnan(a[i]) != isnan(b[i]) || fabs(a[i] - b[i]) > tolerance * most)
                fail_msg("%s/%s, value %d: %.17g, not %.17g", want->group.name, variable->name,
                         (int)i, a[i], b[i]);
    }
}

// keys: of the job and its sections; size: where matrices begin to be shared. Group by group, what
// the attribute has to say.
static void check_together(const char *keys, int size, const char *const groups[][2]) {
    char *folder = result_folder(), alone[4096], together[4096], all[512];
    lam_error error;
    snprintf(alone, sizeof alone, "%s/alone.nc", folder);
    snprintf(together, sizeof together, "%s/together.nc", folder);
    if (run_demo(&comm, story, keys, alone, &error)) fail_msg("%s", error.text);
    snprintf(all, sizeof all, "distribute: %d, %s", size, keys);
    if (run_demo(&comm, story, all, together, &error)) fail_msg("%s", error.text);
    for (int g = 0; groups[g][0]; g++) {
        loaded got, want;
        load_group(together, groups[g][0], &got);
        load_group(alone, groups[g][0], &want);
        compare_values(&got, &want);
        assert_string_equal(text_attribute(&want, "distributed"), "");
        assert_string_equal(text_attribute(&want, "distributed_tolerance"), "");
        assert_string_equal(text_attribute(&got, "distributed"), groups[g][1]);
        assert_string_equal(text_attribute(&got, "distributed_tolerance"),
                            *groups[g][1] ? "number" : "");
        unload(&got), unload(&want);
    }
    drop_folder(folder);
}

// 124 rows of 128 and of 512 units; 245 targets.
static void test_spectrum(void **state) {
    (void)state;
    const char keys[] = "sequences: 4, length: 32, "
                        "spectrum: {sites: [resid_post, mlp_fc], before: 4, after: 1, folds: 2}";
    static const char *const all[][2] = {
        {"spectrum/resid_post", "all"}, {"spectrum/mlp_fc", "all"}, {NULL, NULL}};
    static const char *const some[][2] = {
        {"spectrum/resid_post", "separation_components, top_eigenvalue, training_t, held_out_t"},
        {"spectrum/mlp_fc", "separation_components, top_eigenvalue, training_t, held_out_t"},
        {NULL, NULL}};
    static const char *const one[][2] = {
        {"spectrum/resid_post", ""},
        {"spectrum/mlp_fc", "separation_components, top_eigenvalue, training_t, held_out_t"},
        {NULL, NULL}};
    check_together(keys, 100, all);
    check_together(keys, 125, some);
    check_together(keys, 200, one);
}

// 245 targets and 384 or 128 units: systems of 245 and 129 unknowns.
static void test_tuning(void **state) {
    (void)state;
    const char keys[] = "tuning: {sites: [qkv, resid_post], before: 4, after: 1, folds: 2}";
    static const char *const all[][2] = {
        {"tuning/qkv", "joint_held_out_accuracy, joint_loss"},
        {"tuning/resid_post", "joint_held_out_accuracy, joint_loss"},
        {NULL, NULL}};
    static const char *const one[][2] = {{"tuning/qkv", "joint_held_out_accuracy, joint_loss"},
                                         {"tuning/resid_post", ""},
                                         {NULL, NULL}};
    check_together(keys, 129, all);
    check_together(keys, 130, one);
}

// The default words, 34 of them.
static void test_rsa(void **state) {
    (void)state;
    static const char *const shared[][2] = {{"rsa", "all but layer_rsa"}, {NULL, NULL}};
    static const char *const alone[][2] = {{"rsa", ""}, {NULL, NULL}};
    check_together("rsa: {permutations: 0, bootstraps: 0}", 34, shared);
    check_together("rsa: {permutations: 0, bootstraps: 0, distance: correlation, site: mlp_out}",
                   20, shared);
    check_together("rsa: {permutations: 5, bootstraps: 5}", 35, alone);
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_log_open(LAM_QUIET, false);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_spectrum),
                                       cmocka_unit_test(test_tuning), cmocka_unit_test(test_rsa)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
