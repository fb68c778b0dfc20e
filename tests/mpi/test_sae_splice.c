// ranks: 1 2 3
// The loss recovered by the autoencoders of the demo model on its own text.
#include "tests/mpi/passage_fixture.h"

#define TEXT LAM_TEST_DEMO "/../story.txt"
#define SEQUENCES "seed: 3, sequences: 3, length: 100, select: first"

static void run_sae(const char *keys, const char *path) {
    lam_error error;
    char job[512];
    snprintf(job, sizeof job, SEQUENCES ", sae: {epochs: 4, latents: 96, %s}", keys);
    if (run_demo(&comm, TEXT, job, path, &error)) fail_msg("%s", error.text);
}

static void test_losses(void **state) {
    (void)state;
    char *folder = result_folder(), with[4096], without[4096];
    loaded spliced, plain;
    snprintf(with, sizeof with, "%s/with.nc", folder);
    snprintf(without, sizeof without, "%s/without.nc", folder);
    run_sae("splice: 2", with);
    run_sae("splice: 0", without);
    MPI_Barrier(comm.mpi);
    load_group(with, "sae", &spliced);
    load_group(without, "sae", &plain);
    assert_true(lam_group_find(&plain.group, "loss_recovered") < 0);
    assert_true(lam_group_find(&plain.group, "loss_status") < 0);
    for (int64_t l = 0; l < spliced.group.layers; l++) {
        double clean = number(&spliced, "loss_clean", l), zero = number(&spliced, "loss_zero", l);
        double own = number(&spliced, "loss_spliced", l);
        assert_true(clean > 0 && clean == number(&spliced, "loss_clean", 0));
        assert_true(own > 0 && zero > 0 && own != clean && own != zero);
        assert_true(number(&spliced, "loss_recovered", l) == (zero - own) / (zero - clean));
        assert_int_equal(*(const int8_t *)row(&spliced, "loss_status", l), 0);
        // Nothing else is another for it.
        assert_true(number(&spliced, "mse", l) == number(&plain, "mse", l));
    }
    // Without its first layer's MLP the model is lost; what is left of it is worth much.
    assert_true(number(&spliced, "loss_recovered", 0) > 0.5);
    unload(&spliced);
    unload(&plain);
    drop_folder(folder);
}

static void test_bits(void **state) {
    (void)state;
    check_same_bits(TEXT, SEQUENCES ", sae: {epochs: 2, latents: 96, splice: 3}");
    check_same_bits(TEXT, SEQUENCES ", sae: {epochs: 2, latents: 96, splice: 2, site: resid_post}");
    check_same_bits(TEXT, SEQUENCES
                    ", mode: published, sae: {epochs: 2, latents: 96, splice: 3, site: mlp_act}");
}

static void test_refused(void **state) {
    (void)state;
    check_refused("Some words, and then some more of them.",
                  "sequences: 2, length: 3, sae: {epochs: 1, splice: 3}", LAM_USAGE,
                  "sae.splice is 3, but there are 2 sequences");
    check_refused("Some words, and then some more of them.",
                  "mode: published, sequences: 2, length: 1, sae: {epochs: 1, splice: 2}",
                  LAM_USAGE, "sae.splice: in sequences of 1 token");
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_log_open(LAM_QUIET, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
