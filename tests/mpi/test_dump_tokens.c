// ranks: 1 2 3 5
// A dump's tokens are the same for any number of ranks; and a failure is every rank's.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../unit/dump_fixture.h"
#include "io/tokenizer_file.h"
#include "jobs/dump_tokens.h"

enum { PAGES = 700 }; // seven blocks of documents

static lam_comm comm;
static char folder[2048];
static lam_tokenizer *tokenizer;

typedef struct collected {
    lam_ids ids;
    size_t documents, end[PAGES];
    size_t most; // documents; then it fails
} collected;

static lam_code put(void *user, const uint32_t *id, size_t count, lam_error *error) {
    collected *c = user;
    assert_int_equal(lam_ids_reserve(&c->ids, count, error), LAM_OK);
    memcpy(c->ids.id + c->ids.count, id, count * sizeof *id);
    c->ids.count += count;
    return LAM_OK;
}

static lam_code end_document(void *user, lam_error *error) {
    collected *c = user;
    if (c->documents == c->most) return lam_fail(error, LAM_IO, "the disk is full");
    c->end[c->documents++] = c->ids.count;
    return LAM_OK;
}

static lam_code collect(const lam_comm *ranks, const char *path, const lam_dump_choice *choice,
                        bool end_of_text, collected *to, lam_error *error) {
    const lam_token_sink sink = {put, end_document, to};
    return lam_dump_tokens(ranks, path, choice, tokenizer, end_of_text, &sink, error);
}

static void assert_same(const char *path, const lam_dump_choice *choice, bool end_of_text,
                        size_t documents) {
    collected *alone = calloc(1, sizeof *alone), *together = calloc(1, sizeof *together);
    assert_true(alone && together);
    alone->most = together->most = PAGES;
    lam_error error = {0};
    if (collect(NULL, path, choice, end_of_text, alone, &error) != LAM_OK)
        fail_msg("%s", error.text);
    if (collect(&comm, path, choice, end_of_text, together, &error) != LAM_OK)
        fail_msg("%s", error.text);
    assert_int_equal(alone->documents, documents);
    assert_int_equal(alone->end[documents - 1], alone->ids.count);
    assert_int_equal(together->documents, comm.rank == 0 ? documents : 0);
    if (comm.rank == 0) {
        assert_int_equal(alone->ids.count, together->ids.count);
        assert_memory_equal(alone->end, together->end, sizeof alone->end);
        assert_memory_equal(alone->ids.id, together->ids.id, alone->ids.count * sizeof(uint32_t));
    }
    lam_ids_destroy(&alone->ids);
    lam_ids_destroy(&together->ids);
    free(alone);
    free(together);
}

static void test_same_tokens(void **state) {
    (void)state;
    const char *dump = in_folder(folder, "dump.xml.bz2");
    const char *many = in_folder(folder, "m-multistream.xml.bz2");
    assert_same(dump, &(lam_dump_choice){0}, false, 400);
    assert_same(dump, &(lam_dump_choice){.limit = 130}, false, 130);
    assert_same(dump, &(lam_dump_choice){.limit = 128}, true, 128);
    assert_same(dump, &(lam_dump_choice){.sample = 150, .seed = 5}, false, 150);
    assert_same(many, &(lam_dump_choice){.sample = 3, .seed = 5}, false, 3);
}

// The token is between documents: one less than there are.
static void test_end_of_text(void **state) {
    (void)state;
    const char *dump = in_folder(folder, "dump.xml.bz2");
    const lam_dump_choice three = {.limit = 3};
    collected without = {.most = PAGES}, with = {.most = PAGES};
    lam_error error = {0};
    assert_int_equal(collect(NULL, dump, &three, false, &without, &error), LAM_OK);
    assert_int_equal(collect(NULL, dump, &three, true, &with, &error), LAM_OK);
    uint32_t end = (uint32_t)lam_tokenizer_find(tokenizer, "<|endoftext|>", 13);
    assert_int_equal(with.ids.count, without.ids.count + 2);
    assert_int_equal(with.ids.id[with.end[0] - 1], end);
    assert_int_equal(with.ids.id[with.end[1] - 1], end);
    assert_int_equal(with.end[0], without.end[0] + 1);
    assert_int_not_equal(with.ids.id[with.end[2] - 1], end);
    lam_ids_destroy(&without.ids);
    lam_ids_destroy(&with.ids);
}

// What goes wrong on all ranks, on rank 0 alone, on a rank that reads another dump.
static void test_failures(void **state) {
    (void)state;
    lam_error error = {0};
    const lam_dump_choice all = {0};
    const char *dump = in_folder(folder, "dump.xml.bz2"), *cut = in_folder(folder, "cut.xml.bz2");
    collected c = {.most = PAGES};
    assert_int_equal(collect(&comm, cut, &all, false, &c, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "cut short"));
    c = (collected){.ids = c.ids, .most = 300};
    assert_int_equal(collect(&comm, dump, &all, false, &c, &error), LAM_IO);
    assert_string_equal(error.text, "the disk is full");
    c = (collected){.ids = c.ids, .most = PAGES};
    bool last = comm.rank == comm.size - 1;
    assert_int_equal(collect(&comm, last ? cut : dump, &all, false, &c, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "cut short"));
    lam_ids_destroy(&c.ids);
}

// Rank 0 makes the dumps in a folder that all see.
static int set_up(void **state) {
    (void)state;
    lam_error error = {0};
    if (comm.rank == 0) {
        char *made = temp_dir();
        assert_non_null(made);
        snprintf(folder, sizeof folder, "%s", made);
        free(made);
        write_dump(in_folder(folder, "dump.xml.bz2"), PAGES, true);
        write_multistream(in_folder(folder, "m-multistream.xml.bz2"),
                          in_folder(folder, "m-multistream-index.txt"), PAGES, 10);
        size_t bytes;
        char *data = read_bytes(in_folder(folder, "dump.xml.bz2"), &bytes);
        write_bytes(in_folder(folder, "cut.xml.bz2"), data, bytes - 10);
        free(data);
    }
    if (lam_comm_broadcast(&comm, folder, sizeof folder, 0, &error) != LAM_OK) return -1;
    return lam_tokenizer_load(LAM_TEST_DEMO, &tokenizer, &error) == LAM_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    MPI_Barrier(comm.mpi);
    if (comm.rank == 0) remove_tree(folder);
    lam_tokenizer_destroy(tokenizer);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_tokens),
        cmocka_unit_test(test_end_of_text),
        cmocka_unit_test(test_failures),
    };
    lam_error error = {0};
    if (lam_comm_create(&comm, NULL, NULL, &error) != LAM_OK) return 1;
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    lam_comm_destroy(&comm);
    return failed;
}
