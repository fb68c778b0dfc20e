// The cache folder of what was fetched, and its manifests.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/cache.h"
#include "io/corpus.h"
#include "io/fetch_list.h"

#include <sys/stat.h>

// SHA-256 of "abc" (FIPS 180-2, appendix B.1).
static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

typedef struct scene {
    char *folder;
    lam_arena arena;
    lam_error error;
} scene;

static int set_up(void **state) {
    scene *here = calloc(1, sizeof *here);
    if (!here || !(here->folder = temp_dir())) return -1;
    unsetenv("LAMINAR_CACHE");
    *state = here;
    return 0;
}

static int tear_down(void **state) {
    scene *here = *state;
    remove_tree(here->folder);
    lam_arena_destroy(&here->arena);
    free(here->folder);
    free(here);
    return 0;
}

static const char *path_in(scene *here, const char *name) {
    return lam_arena_format(&here->arena, &here->error, "%s/%s", here->folder, name);
}

static const char *store(scene *here, const char *name, const char *text) {
    const char *path = path_in(here, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    return path;
}

static lam_corpus_entry an_entry(void) {
    return (lam_corpus_entry){.name = "en:A \"quoted\": page # 1\t日本",
                              .url = "https://example.org/w?title=A&oldid=1",
                              .revision = "1",
                              .time = "2026-01-31T12:00:00Z",
                              .size = 3,
                              .sha256 = abc,
                              .ending = ".html"};
}

static void assert_same(const lam_corpus_entry *a, const lam_corpus_entry *b) {
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->url, b->url);
    if (a->revision) assert_string_equal(a->revision, b->revision);
    assert_true(!a->revision == !b->revision);
    assert_string_equal(a->time, b->time);
    assert_true(a->size == b->size);
    assert_string_equal(a->sha256, b->sha256);
    assert_string_equal(a->ending, b->ending);
}

static void test_a_manifest_is_read_as_written(void **state) {
    scene *here = *state;
    lam_corpus corpus = {.cache = here->folder}, read;
    lam_corpus_entry entry = an_entry(), other = an_entry();
    other.name = "~", other.revision = NULL, other.ending = "", other.size = INT64_MAX;
    for (int i = 0; i < 50; i++) {
        entry.name = lam_arena_format(&here->arena, &here->error, "%s %d", an_entry().name, i);
        assert_int_equal(lam_corpus_add(&corpus, &entry, &here->arena, &here->error), LAM_OK);
    }
    assert_int_equal(lam_corpus_add(&corpus, &other, &here->arena, &here->error), LAM_OK);
    const char *path = path_in(here, "corpus.yaml");
    assert_int_equal(lam_corpus_write(path, &corpus, &here->error), LAM_OK);
    assert_int_equal(lam_corpus_read(path, &read, &here->arena, &here->error), LAM_OK);
    assert_string_equal(read.cache, here->folder);
    assert_int_equal(read.count, 51);
    for (size_t i = 0; i < read.count; i++) assert_same(&corpus.entry[i], &read.entry[i]);
    // One of a name that is there takes its place; others are added behind.
    other.size = 5;
    assert_int_equal(lam_corpus_add(&read, &other, &here->arena, &here->error), LAM_OK);
    assert_int_equal(read.count, 51);
    assert_true(read.entry[50].size == 5);
    other.name = "new";
    assert_int_equal(lam_corpus_add(&read, &other, &here->arena, &here->error), LAM_OK);
    assert_int_equal(read.count, 52);
    assert_same(&corpus.entry[49], &read.entry[49]);
}

static void test_a_name_that_is_no_text_is_refused(void **state) {
    scene *here = *state;
    lam_corpus_entry entry = an_entry();
    entry.name = "\xff\xfe";
    lam_corpus corpus = {.cache = here->folder, .count = 1, .entry = &entry};
    const char *path = path_in(here, "corpus.yaml");
    assert_int_equal(lam_corpus_write(path, &corpus, &here->error), LAM_INPUT);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_what_is_no_manifest_is_refused(void **state) {
    scene *here = *state;
    static const char *const texts[] = {
        "",
        "text",
        "[1, 2]",
        "laminar_corpus: 1\n",
        "entries: []\n",
        "laminar_corpus: 2\nentries: []\n",
        "laminar_corpus: 1\nentries: {a: 1}\n",
        "laminar_corpus: 1\nentries: [a]\n",
        "laminar_corpus: 1\nentries: [{name: [a]}]\n",
        "laminar_corpus: [\n",
        "laminar_corpus: 1\nentries: &a [*a]\n",
        "\x01\x02",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        lam_corpus corpus;
        const char *path = store(here, "corpus.yaml", texts[i]);
        assert_int_equal(lam_corpus_read(path, &corpus, &here->arena, &here->error), LAM_INPUT);
        assert_non_null(strstr(here->error.text, "corpus.yaml"));
    }
    lam_corpus corpus;
    assert_int_equal(lam_corpus_read(here->folder, &corpus, &here->arena, &here->error), LAM_IO);
    assert_int_equal(
        lam_corpus_read(path_in(here, "missing.yaml"), &corpus, &here->arena, &here->error),
        LAM_IO);
}

// Every entry with one key that is wrong is refused, and the key is named.
static void test_entries_are_checked(void **state) {
    scene *here = *state;
    static const char *const keys[] = {"name", "url", "time", "size", "sha256", "ending"};
    static const char *const good[] = {"a", "http://a/", "t", "3", abc, ".txt"};
    static const char *const bad[][6] = {
        {NULL, NULL, NULL, "-1", "BA7816", "/../x"},
        {"[a]", "{a: b}", "[]", "3.5", "../../../../etc/passwd", ".tar.gz.x"},
        {NULL, NULL, NULL, "99999999999999999999", "", "."},
        {NULL, NULL, NULL, NULL, NULL, ".verylongending"},
    };
    for (size_t k = 0; k < 6; k++)
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            char text[1024] = "laminar_corpus: 1\nentries:\n- revision: 7\n";
            if (k == 5 && !bad[b][k]) continue; // an ending may be left out
            for (size_t i = 0; i < 6; i++) {
                const char *value = i == k ? bad[b][k] : good[i];
                bool flow = value && (*value == '[' || *value == '{');
                if (value)
                    sprintf(text + strlen(text), flow ? "  %s: %s\n" : "  %s: \"%s\"\n", keys[i],
                            value);
            }
            lam_corpus corpus;
            const char *path = store(here, "corpus.yaml", text);
            lam_code code = lam_corpus_read(path, &corpus, &here->arena, &here->error);
            assert_int_equal(code, LAM_INPUT);
            assert_non_null(strstr(here->error.text, keys[k]));
            assert_non_null(strstr(here->error.text, "corpus.yaml:3"));
        }
}

static void test_the_folder_follows_from_the_environment(void **state) {
    scene *here = *state;
    const char *folder;
    setenv("HOME", "/home/someone", 1);
    setenv("XDG_CACHE_HOME", "relative", 1);
    assert_int_equal(lam_cache_folder(NULL, &folder, &here->arena, &here->error), LAM_OK);
    assert_string_equal(folder, "/home/someone/.cache/laminar");
    setenv("XDG_CACHE_HOME", "/xdg", 1);
    assert_int_equal(lam_cache_folder(NULL, &folder, &here->arena, &here->error), LAM_OK);
    assert_string_equal(folder, "/xdg/laminar");
    setenv("LAMINAR_CACHE", "/set", 1);
    assert_int_equal(lam_cache_folder(NULL, &folder, &here->arena, &here->error), LAM_OK);
    assert_string_equal(folder, "/set");
    assert_int_equal(lam_cache_folder("given", &folder, &here->arena, &here->error), LAM_OK);
    assert_int_equal(*folder, '/');
    assert_string_equal(folder + strlen(folder) - 6, "/given");
    unsetenv("LAMINAR_CACHE");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    assert_int_equal(lam_cache_folder(NULL, &folder, &here->arena, &here->error), LAM_USAGE);
    setenv("HOME", here->folder, 1);
}

static void test_a_part_becomes_an_object_and_is_recalled(void **state) {
    scene *here = *state;
    const char *cache = path_in(here, "a/new/cache"), *located;
    lam_corpus_entry entry = an_entry(), found;
    lam_corpus corpus = {.cache = cache, .count = 1, .entry = &entry};
    bool there;
    assert_int_equal(lam_cache_open(cache, &here->error), LAM_OK);
    assert_int_equal(lam_cache_recall(cache, "key", &there, &found, &here->arena, &here->error),
                     LAM_OK);
    assert_false(there);
    // A record without its object is worth nothing.
    assert_int_equal(lam_cache_record(cache, "key", &entry, &here->error), LAM_OK);
    assert_int_equal(lam_cache_recall(cache, "key", &there, &found, &here->arena, &here->error),
                     LAM_OK);
    assert_false(there);
    assert_int_equal(lam_corpus_locate(&corpus, &entry, &located, &here->arena, &here->error),
                     LAM_IO);
    const char *part = lam_cache_part(cache, "../../key", &here->arena, &here->error);
    assert_non_null(strstr(part, "/a/new/cache/parts/"));
    assert_null(strstr(part, ".."));
    FILE *file = fopen(part, "w");
    assert_non_null(file);
    fputs("abc", file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(lam_cache_commit(cache, part, abc, ".html", &here->error), LAM_OK);
    assert_int_equal(access(part, F_OK), -1);
    assert_int_equal(lam_cache_recall(cache, "key", &there, &found, &here->arena, &here->error),
                     LAM_OK);
    assert_true(there);
    assert_same(&entry, &found);
    assert_int_equal(lam_corpus_locate(&corpus, &entry, &located, &here->arena, &here->error),
                     LAM_OK);
    assert_true(lam_cache_has(located, 3));
    // Another size, another ending: not there.
    entry.size = 4;
    assert_int_equal(lam_corpus_locate(&corpus, &entry, &located, &here->arena, &here->error),
                     LAM_IO);
    assert_non_null(strstr(here->error.text, "LAMINAR_CACHE"));
}

static void test_a_broken_record_is_no_record(void **state) {
    scene *here = *state;
    bool there = true;
    lam_corpus_entry entry = an_entry(), found;
    assert_int_equal(lam_cache_open(here->folder, &here->error), LAM_OK);
    assert_int_equal(lam_cache_record(here->folder, "key", &entry, &here->error), LAM_OK);
    char command[4400];
    snprintf(command, sizeof command, "for f in '%s'/records/*; do echo '[' >\"$f\"; done",
             here->folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(
        lam_cache_recall(here->folder, "key", &there, &found, &here->arena, &here->error), LAM_OK);
    assert_false(there);
}

static void test_a_cache_needs_a_folder(void **state) {
    scene *here = *state;
    const char *file = store(here, "file", "x");
    assert_int_equal(lam_cache_open(file, &here->error), LAM_IO);
    assert_non_null(strstr(here->error.text, "--cache"));
}

static void test_lists(void **state) {
    scene *here = *state;
    lam_strings lines;
    const char *path = store(here, "list", "\xef\xbb\xbf One \r\n# left out\n\n\t\n日本\nlast");
    assert_int_equal(lam_fetch_list(path, &lines, &here->arena, &here->error), LAM_OK);
    assert_int_equal(lines.count, 3);
    assert_string_equal(lines.item[0], "One");
    assert_string_equal(lines.item[1], "日本");
    assert_string_equal(lines.item[2], "last");
    path = store(here, "list", "good\n\xff\n");
    assert_int_equal(lam_fetch_list(path, &lines, &here->arena, &here->error), LAM_INPUT);
    assert_non_null(strstr(here->error.text, "list:2"));
    assert_int_equal(lam_fetch_list(path_in(here, "missing"), &lines, &here->arena, &here->error),
                     LAM_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_manifest_is_read_as_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_name_that_is_no_text_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_manifest_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_entries_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_folder_follows_from_the_environment, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_part_becomes_an_object_and_is_recalled, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_broken_record_is_no_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_cache_needs_a_folder, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lists, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
