// ranks: 1 2
// Every kind of autoencoder through the whole profile, on the demo model's own text, and the
// options that do not go together.
#include "tests/mpi/passage_fixture.h"

#define TEXT LAM_TEST_DEMO "/../story.txt"
#define SEQUENCES "seed: 3, sequences: 2, length: 60, select: first"
#define WORDS "Some words, and then some more of them."

static void test_bits(void **state) {
    (void)state;
    static const char *const kinds[] = {
        "kind: relu, warmup: 0.2, decay: 0.5, resample: 1",
        "kind: topk, k: 5, dead_after: 60",
        "kind: batchtopk, k: 5, dead_after: 60, aux_coefficient: 0.5, decoder_norm: unit",
        "kind: jumprelu, l0: 1e-2, bandwidth: 0.05",
        "kind: gated, l1: 1e-3, resample: 1",
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char job[512];
        snprintf(job, sizeof job, SEQUENCES ", sae: {epochs: 2, latents: 70, batch: 50, %s}",
                 kinds[i]);
        check_same_bits(TEXT, job);
    }
}

// What is left to the program, and what it says of it.
static void test_values(void **state) {
    (void)state;
    lam_error error;
    char *folder = result_folder(), path[4096];
    loaded topk;
    snprintf(path, sizeof path, "%s/result.nc", folder);
    if (run_demo(&comm, TEXT, SEQUENCES ", sae: {kind: topk, k: 3, epochs: 2, latents: 70}", path,
                 &error))
        fail_msg("%s", error.text);
    MPI_Barrier(comm.mpi);
    load_group(path, "sae", &topk);
    for (int64_t l = 0; l < topk.group.layers; l++) {
        assert_true(number(&topk, "l0", l) == 3);
        assert_true(number(&topk, "fvu", l) > 0 && number(&topk, "cosine", l) > 0);
        assert_true(number(&topk, "epoch_mse", l) > 0);
    }
    unload(&topk);
    drop_folder(folder);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *keys, *says;
    } wrong[] = {
        {"kind: topk, latents: 70, k: 71", "sae.k is 71, but there are 70 latents"},
        {"k: 3", "sae.k does not apply to kind relu"},
        {"kind: jumprelu, k: 3", "sae.k does not apply to kind jumprelu"},
        {"kind: topk, l1: 0.1", "sae.l1 does not apply to kind topk"},
        {"kind: gated, l0: 0.1", "sae.l0 does not apply to kind gated"},
        {"kind: relu, bandwidth: 0.1", "sae.bandwidth does not apply to kind relu"},
        {"kind: gated, dead_after: 9", "sae.dead_after does not apply to kind gated"},
        {"aux_coefficient: 0", "sae.aux_coefficient does not apply to kind relu"},
        {"warmup: 0.6, decay: 0.5", "sae.warmup and sae.decay are 0.6 and 0.5"},
        {"warmup: 1.5", "sae.warmup"},
        {"kind: swish", "sae.kind"},
        {"decoder_norm: 2", "sae.decoder_norm"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char job[512];
        snprintf(job, sizeof job, "length: 4, sequences: 1, sae: {%s}", wrong[i].keys);
        check_refused(WORDS, job, LAM_USAGE, wrong[i].says);
    }
    static const char *const standard[] = {
        "kind: topk",   "k: 3",        "aux_coefficient: 0", "dead_after: 9",      "l0: 0.1",
        "bandwidth: 1", "warmup: 0.1", "decay: 0.1",         "decoder_norm: free", "resample: 2"};
    for (size_t i = 0; i < sizeof standard / sizeof *standard; i++) {
        char job[512], says[64];
        snprintf(job, sizeof job, "mode: published, length: 4, sequences: 1, sae: {%s}",
                 standard[i]);
        snprintf(says, sizeof says, "sae.%.*s: published mode has its own",
                 (int)strcspn(standard[i], ":"), standard[i]);
        check_refused(WORDS, job, LAM_USAGE, says);
    }
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    lam_log_open(LAM_QUIET, false);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
