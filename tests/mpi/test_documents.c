// ranks: 1 2 3 5
// The tokens of a dump, of a multistream dump and of a manifest are the same for any number of
// ranks; and a failure is every rank's.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../unit/dump_fixture.h"
#include "io/cache.h"
#include "io/tokenizer_file.h"
#include "jobs/documents.h"

enum { PAGES = 1000 }; // room for documents
enum { MADE = 700 };   // pages of a dump: seven blocks of documents

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
    const lam_documents documents = {
        .path = path, .html = LAM_HTML_ARTICLE, .choice = *choice, .end_of_text = end_of_text};
    lam_documents_about about;
    lam_arena arena = {0};
    lam_code code = lam_documents_read(ranks, &documents, tokenizer, &sink, &about, &arena, error);
    lam_arena_destroy(&arena);
    return code;
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
    assert_same(many, &(lam_dump_choice){.sample = 150, .seed = 5}, true, 150);
    assert_same(many, &(lam_dump_choice){.limit = 130}, false, 130);
    assert_same(many, &(lam_dump_choice){0}, true, 400);
    assert_same(in_folder(folder, "corpus.yaml"), &(lam_dump_choice){0}, true, 400 + 400 + 130);
    assert_same(in_folder(folder, "corpus.yaml"), &(lam_dump_choice){.limit = 70}, false,
                70 + 70 + 130);
    assert_same(in_folder(folder, "streams.yaml"), &(lam_dump_choice){0}, true, 400);
    assert_same(in_folder(folder, "streams.yaml"), &(lam_dump_choice){.sample = 150, .seed = 5},
                false, 150);
}

// In streams by their index or in one go: the same.
static void test_same_by_streams(void **state) {
    (void)state;
    collected *whole = calloc(1, sizeof *whole), *streams = calloc(1, sizeof *streams);
    assert_true(whole && streams);
    whole->most = streams->most = PAGES;
    const lam_dump_choice all = {0};
    lam_error error = {0};
    const char *dump = in_folder(folder, "dump.xml.bz2");
    const char *many = in_folder(folder, "m-multistream.xml.bz2");
    assert_int_equal(collect(NULL, dump, &all, false, whole, &error), LAM_OK);
    assert_int_equal(collect(&comm, many, &all, false, streams, &error), LAM_OK);
    if (comm.rank == 0) {
        assert_int_equal(whole->documents, streams->documents);
        assert_int_equal(whole->ids.count, streams->ids.count);
        assert_memory_equal(whole->end, streams->end, sizeof whole->end);
        assert_memory_equal(whole->ids.id, streams->ids.id, whole->ids.count * sizeof(uint32_t));
    }
    lam_ids_destroy(&whole->ids);
    lam_ids_destroy(&streams->ids);
    free(whole);
    free(streams);
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
    // A stream that is damaged is one rank's.
    c = (collected){.ids = c.ids, .most = PAGES};
    const char *damaged = in_folder(folder, "x-multistream.xml.bz2");
    const lam_dump_choice sample = {.sample = 400, .seed = 1};
    assert_int_equal(collect(&comm, damaged, &all, false, &c, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "where its index says one does"));
    assert_int_equal(collect(&comm, damaged, &sample, false, &c, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "where its index says one does"));
    // In a manifest the index is found by its address.
    c = (collected){.ids = c.ids, .most = PAGES};
    const char *streams = in_folder(folder, "damaged.yaml");
    assert_int_equal(collect(&comm, streams, &all, false, &c, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "where its index says one does"));
    const char *changed = in_folder(folder, "changed.yaml");
    c = (collected){.ids = c.ids, .most = PAGES};
    assert_int_equal(collect(&comm, changed, &all, false, &c, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "is not what was fetched"));
    lam_ids_destroy(&c.ids);
}

// Puts a file under its digest, as laminar fetch does, and adds it to the manifest.
static void add_entry(lam_corpus *corpus, const char *from, const char *url, const char *ending,
                      lam_arena *arena) {
    char sha256[LAM_SHA256_TEXT];
    size_t bytes;
    lam_error error = {0};
    char *data = read_bytes(from, &bytes);
    assert_int_equal(lam_sha256_of_file(from, sha256, &error), LAM_OK);
    char *object = lam_cache_object(folder, sha256, ending, arena, &error);
    assert_non_null(object);
    *strrchr(object, '/') = '\0';
    assert_int_equal(lam_cache_make_folder(object, &error), LAM_OK);
    object[strlen(object)] = '/';
    write_bytes(object, data, bytes);
    free(data);
    const lam_corpus_entry entry = {.name =
                                        lam_arena_format(arena, &error, "file:%zu", corpus->count),
                                    .url = url,
                                    .time = "2026-01-01T00:00:00Z",
                                    .size = (int64_t)bytes,
                                    .sha256 = lam_arena_text(arena, sha256, strlen(sha256), &error),
                                    .ending = ending};
    assert_int_equal(lam_corpus_add(corpus, &entry, arena, &error), LAM_OK);
}

// corpus.yaml: 65 texts, a dump, 65 texts, a dump; changed.yaml: likewise, one text is another.
static void make_manifests(void) {
    lam_arena arena = {0};
    lam_error error = {0};
    lam_corpus corpus = {.cache = folder};
    char text[64];
    for (int i = 0; i < 130; i++) {
        int length = snprintf(text, sizeof text, "The text number %d is short.\n", i);
        write_bytes(in_folder(folder, "text.txt"), text, (size_t)length);
        add_entry(&corpus, in_folder(folder, "text.txt"), "http://example.org/", ".txt", &arena);
        if (i % 65 != 64) continue;
        add_entry(&corpus, in_folder(folder, i < 65 ? "dump.xml.bz2" : "dump.xml"),
                  "http://example.org/", i < 65 ? ".xml.bz2" : ".xml", &arena);
    }
    assert_int_equal(lam_corpus_write(in_folder(folder, "corpus.yaml"), &corpus, &error), LAM_OK);
    lam_corpus_entry *last = &corpus.entry[129];
    const char *object = lam_cache_object(folder, last->sha256, last->ending, &arena, &error);
    assert_non_null(object);
    last->sha256 = "0000000000000000000000000000000000000000000000000000000000000000";
    char *other = lam_cache_object(folder, last->sha256, last->ending, &arena, &error);
    size_t bytes;
    char *data = read_bytes(object, &bytes);
    *strrchr(other, '/') = '\0';
    assert_int_equal(lam_cache_make_folder(other, &error), LAM_OK);
    other[strlen(other)] = '/';
    write_bytes(other, data, bytes);
    free(data);
    assert_int_equal(lam_corpus_write(in_folder(folder, "changed.yaml"), &corpus, &error), LAM_OK);
    lam_arena_destroy(&arena);
}

// NAME.yaml: the multistream dump and its index, in that order or the other.
static void make_streams(const char *dump, const char *index, const char *manifest, bool first) {
    lam_arena arena = {0};
    lam_error error = {0};
    lam_corpus corpus = {.cache = folder};
    for (int i = 0; i < 2; i++)
        if ((i == 0) == first)
            add_entry(&corpus, in_folder(folder, index),
                      "https://example.org/x/m-multistream-index.txt.bz2", ".txt", &arena);
        else
            add_entry(&corpus, in_folder(folder, dump),
                      "https://example.org/x/m-multistream.xml.bz2", ".xml.bz2", &arena);
    assert_int_equal(lam_corpus_write(in_folder(folder, manifest), &corpus, &error), LAM_OK);
    lam_arena_destroy(&arena);
}

// The multistream dump with its second last stream of pages damaged.
static void make_damaged(void) {
    size_t bytes, lines;
    char *data = read_bytes(in_folder(folder, "m-multistream.xml.bz2"), &bytes);
    char *index = read_bytes(in_folder(folder, "m-multistream-index.txt"), &lines);
    char *line = strstr(index, ":681:");
    assert_non_null(line);
    while (line > index && line[-1] != '\n') line--;
    data[strtoull(line, NULL, 10) + 4] ^= 1;
    write_bytes(in_folder(folder, "x-multistream.xml.bz2"), data, bytes);
    write_bytes(in_folder(folder, "x-multistream-index.txt"), index, lines);
    free(data);
    free(index);
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
        write_dump(in_folder(folder, "dump.xml.bz2"), MADE, true);
        write_multistream(in_folder(folder, "m-multistream.xml.bz2"),
                          in_folder(folder, "m-multistream-index.txt"), MADE, 10);
        size_t bytes;
        char *data = read_bytes(in_folder(folder, "dump.xml.bz2"), &bytes);
        write_bytes(in_folder(folder, "cut.xml.bz2"), data, bytes - 10);
        free(data);
        write_dump(in_folder(folder, "dump.xml"), MADE, false);
        make_manifests();
        make_damaged();
        make_streams("m-multistream.xml.bz2", "m-multistream-index.txt", "streams.yaml", false);
        make_streams("x-multistream.xml.bz2", "x-multistream-index.txt", "damaged.yaml", true);
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
        cmocka_unit_test(test_same_by_streams),
        cmocka_unit_test(test_end_of_text),
        cmocka_unit_test(test_failures),
    };
    lam_error error = {0};
    if (lam_comm_create(&comm, NULL, NULL, &error) != LAM_OK) return 1;
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);
    lam_comm_destroy(&comm);
    return failed;
}
