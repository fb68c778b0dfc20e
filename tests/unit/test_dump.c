// Dumps: which pages are articles, samples, packed and multistream dumps, real ones, hostile ones.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dump_fixture.h"
#include "io/dump.h"
#include "src/utf8.h"

#include <sys/resource.h>
#include <sys/stat.h>

static char *folder;

static int make_folder(void **state) {
    (void)state;
    folder = temp_dir();
    return folder ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    remove_tree(folder);
    free(folder);
    return 0;
}

// All plain texts one after the other, a line "=" after each.
typedef struct collected {
    char *text;
    size_t length, room, count, bytes;
    int64_t id[5000];
    bool count_only;
} collected;

static lam_code collect(void *user, const lam_dump_article *article, bool *stop, lam_error *error) {
    (void)stop;
    collected *c = user;
    char *text;
    size_t length;
    assert_int_equal(lam_utf8_valid(article->wikitext, article->bytes), article->bytes);
    assert_int_equal(
        lam_wikitext_plain(article->wikitext, article->bytes, article->site, &text, &length, error),
        LAM_OK);
    c->bytes += article->bytes;
    if (c->count < sizeof c->id / sizeof c->id[0]) c->id[c->count] = article->id;
    c->count++;
    if (!c->count_only) {
        if (c->room - c->length < length + 3) {
            c->room = 2 * (c->room + length + 3);
            c->text = realloc(c->text, c->room);
            assert_non_null(c->text);
        }
        memcpy(c->text + c->length, text, length);
        strcpy(c->text + c->length + length, "=\n");
        c->length += length + 2;
    }
    free(text);
    return LAM_OK;
}

static collected read_dump(const char *path, int64_t limit, int64_t sample, uint64_t seed) {
    collected c = {0};
    lam_error error = {0};
    const lam_dump_choice choice = {limit, sample, seed};
    if (lam_dump_read(path, &choice, collect, &c, &error) != LAM_OK) fail_msg("%s", error.text);
    return c;
}

static void assert_refused(const char *path, const lam_dump_choice *choice, lam_code code,
                           const char *words) {
    collected c = {.count_only = true};
    lam_error error = {0};
    lam_code got = lam_dump_read(path, choice, collect, &c, &error);
    if (got != code || !strstr(error.text, words) || strchr(error.text, '\n'))
        fail_msg("\"%s\" was expected, not %d: %s", words, got, error.text);
}

static const lam_dump_choice everything = {0};

static const char golden_text[] = "A mill grinds corn & \"more\".\n=\n"
                                  "Water turns the wheel. Вода. 水車。\n=\n"
                                  "A horse & a mill.\n=\n";

static void test_articles(void **state) {
    (void)state;
    size_t bytes;
    char *xml = read_bytes(LAM_TEST_GOLDEN "/dump.xml", &bytes);
    collected c = read_dump(LAM_TEST_GOLDEN "/dump.xml", 0, 0, 0);
    assert_string_equal(c.text, golden_text);
    assert_int_equal(c.count, 3);
    assert_true(c.id[0] == 11 && c.id[1] == 14 && c.id[2] == 17);
    free(c.text);
    char *packed = in_folder(folder, "a.xml-p1p17.bz2");
    write_packed(packed, xml, bytes);
    c = read_dump(packed, 0, 0, 0);
    assert_string_equal(c.text, golden_text);
    free(c.text);
    // Streams that end in the middle of anything.
    FILE *file = fopen(packed, "wb");
    for (size_t at = 0; at < bytes; at += 100)
        append_packed(file, xml + at, bytes - at < 100 ? bytes - at : 100);
    fclose(file);
    c = read_dump(packed, 2, 0, 0);
    assert_int_equal(c.count, 2);
    assert_memory_equal(c.text, golden_text, c.length);
    free(c.text);
    free(xml);
}

static void test_names(void **state) {
    (void)state;
    assert_true(lam_dump_named("a.xml"));
    assert_true(lam_dump_named("a/enwiki-pages-articles1.xml-p1p41242.BZ2"));
    assert_false(lam_dump_named("a.html"));
    assert_false(lam_dump_named(".xml"));
}

static void test_utf16(void **state) {
    (void)state;
    const char *path = shared_path("data/dumps/bgwiki-latest-pages-articles-shortened.xml.bz2");
    if (!path) {
        print_message("no shared dumps\n");
        skip();
    }
    collected c = read_dump(path, 0, 0, 0);
    assert_int_equal(c.count, 1);
    assert_non_null(strstr(c.text, "Григорианският календар (понякога наричан и Грегориански "
                                   "календар, „нов стил“) е съвременният международно признат"));
    assert_null(strstr(c.text, "Категория:"));
    assert_null(strstr(c.text, "{{"));
    free(c.text);
}

// The same sample however the dump is read; another for another seed; every article has its turn.
static void test_samples(void **state) {
    (void)state;
    enum { PAGES = 1000 };
    char *plain = in_folder(folder, "s.xml");
    char *many = in_folder(folder, "w-pages-articles-multistream.xml.bz2");
    char *index = in_folder(folder, "w-pages-articles-multistream-index.txt");
    write_dump(plain, PAGES, false);
    write_multistream(many, index, PAGES, 10);
    collected all = read_dump(plain, 0, 0, 0);
    size_t articles = all.count;
    for (int64_t id = 1, n = 0; id <= PAGES; id++)
        if (made_article(id)) assert_int_equal(all.id[n++], id);
    free(all.text);
    static const int64_t sizes[] = {1, 7, 100, PAGES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        collected a = read_dump(plain, 0, sizes[i], 3), b = read_dump(many, 0, sizes[i], 3);
        assert_int_equal(a.count, (size_t)sizes[i] < articles ? (size_t)sizes[i] : articles);
        assert_int_equal(a.count, b.count);
        assert_memory_equal(a.id, b.id, a.count * sizeof a.id[0]);
        assert_string_equal(a.text, b.text);
        for (size_t k = 1; k < a.count; k++) assert_true(a.id[k - 1] < a.id[k]);
        free(a.text), free(b.text);
    }
    int taken[PAGES + 1] = {0};
    for (uint64_t seed = 0; seed < 60; seed++) {
        collected a = read_dump(plain, 0, 100, seed);
        for (size_t k = 0; k < a.count; k++) taken[a.id[k]]++;
        free(a.text);
    }
    // 60 draws of 100 from 571: 10.5 each, with a deviation of 2.9; six of them allowed.
    for (int64_t id = 1; id <= PAGES; id++)
        if (made_article(id)) assert_in_range(taken[id], 0, 28);
    assert_int_equal(taken[3], 0);
}

// Only the streams that were asked for are unpacked: the others are damaged here.
static void test_streams_are_left_alone(void **state) {
    (void)state;
    char *many = in_folder(folder, "d-multistream1.xml-p1p100.bz2");
    char *index = in_folder(folder, "d-multistream-index1.txt-p1p100");
    write_multistream(many, index, 20000, 10);
    collected a = read_dump(many, 0, 2, 1);
    size_t bytes, lines;
    char *data = read_bytes(many, &bytes), *text = read_bytes(index, &lines);
    size_t damaged = 0;
    for (char *line = strchr(text, ':') ? text : NULL; line; line = strchr(line, '\n')) {
        if (*line == '\n' && !*++line) break;
        char *end;
        size_t start = strtoull(line, &end, 10);
        long long id = strtoll(end + 1, NULL, 10);
        bool candidate = false;
        // A sample of 2 looks at 72 candidates at most; these streams have articles of the sample.
        for (size_t k = 0; k < a.count; k++) candidate |= a.id[k] > id - 10 && a.id[k] < id + 10;
        if (!candidate && id > 19000 && data[start + 4] == '1') data[start + 4] = 'x', damaged++;
    }
    assert_true(damaged > 50);
    write_bytes(many, data, bytes);
    lam_error error = {0};
    collected b = {.count_only = true};
    int read = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        const lam_dump_choice choice = {0, 1, seed};
        lam_code code = lam_dump_read(many, &choice, collect, &b, &error);
        if (code == LAM_OK)
            read++;
        else
            assert_non_null(strstr(error.text, "where its index says one does"));
    }
    assert_true(read > 0); // of 68 candidates none in the damaged twentieth: one time in 33
    free(a.text), free(data), free(text);
}

static void test_wrong_index(void **state) {
    (void)state;
    const lam_dump_choice sample = {0, 3, 1};
    char *many = in_folder(folder, "i-multistream.xml.bz2");
    char *index = in_folder(folder, "i-multistream-index.txt");
    write_multistream(many, index, 50, 10);
    write_bytes(index, "5:1:a\n", 6);
    assert_refused(many, &sample, LAM_INPUT, "where its index says one does");
    write_bytes(index, "99999999:1:a\n", 13);
    assert_refused(many, &sample, LAM_INPUT, "ends before byte 99999999");
    write_bytes(index, "0:77:a\n", 7);
    assert_refused(many, &sample, LAM_INPUT, "has no article");
    write_bytes(index, "<html>\n", 7);
    assert_refused(many, &sample, LAM_INPUT, "line 1 is not \"offset:page:title\"");
}

// Who reads every second stream unpacks no other: one of the others is damaged here.
static void test_own_streams_alone(void **state) {
    (void)state;
    enum { PAGES = 100 };
    char *many = in_folder(folder, "o-multistream.xml.bz2");
    char *index = in_folder(folder, "o-multistream-index.txt");
    write_multistream(many, index, PAGES, 10);
    size_t bytes, lines;
    char *data = read_bytes(many, &bytes), *text = read_bytes(index, &lines);
    char *line = strstr(text, ":41:"); // the fifth of ten streams
    assert_non_null(line);
    while (line[-1] != '\n') line--;
    data[strtoull(line, NULL, 10) + 4] ^= 1;
    write_bytes(many, data, bytes);
    lam_dump_plan plan;
    lam_error error = {0};
    int64_t count;
    collected c = {.count_only = true};
    assert_int_equal(lam_dump_plan_create(many, NULL, &everything, NULL, &plan, &error), LAM_OK);
    assert_int_equal(plan.streams, 10);
    assert_int_equal(lam_dump_plan_read(&plan, 1, 2, collect, &c, &count, &error), LAM_OK);
    size_t articles = 0;
    for (int64_t id = 1; id <= PAGES; id++)
        if (made_article(id) && (id - 1) / 10 % 2 == 1) assert_int_equal(c.id[articles++], id);
    assert_int_equal(count, articles);
    assert_int_equal(c.count, articles);
    assert_int_equal(lam_dump_plan_read(&plan, 0, 2, collect, &c, &count, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "where its index says one does"));
    lam_dump_plan_destroy(&plan);
    free(data), free(text);
}

// All of a dump by its index: what the index leaves out is missed, not skipped in silence.
static void test_index_with_gaps(void **state) {
    (void)state;
    char *many = in_folder(folder, "g-multistream.xml.bz2");
    char *index = in_folder(folder, "g-multistream-index.txt");
    write_multistream(many, index, 50, 10);
    size_t lines;
    char *text = read_bytes(index, &lines);
    collected all = read_dump(many, 0, 0, 0);
    assert_int_equal(all.count, 29);
    char *second = strstr(text, ":11:"), *third = strstr(text, ":21:"),
         *last = strstr(text, ":41:");
    assert_true(second && third && last);
    while (second[-1] != '\n') second--;
    while (third[-1] != '\n') third--;
    while (last[-1] != '\n') last--;
    // Without the last stream's lines it is read all the same: nothing begins behind them.
    write_bytes(index, text, (size_t)(last - text));
    collected cut = read_dump(many, 0, 0, 0);
    assert_string_equal(cut.text, all.text);
    write_bytes(index, second, lines - (size_t)(second - text));
    assert_refused(many, &everything, LAM_INPUT, "where its index has the next");
    memmove(second, third, lines - (size_t)(third - text) + 1);
    write_bytes(index, text, strlen(text));
    assert_refused(many, &everything, LAM_INPUT, "where its index has the next");
    strcpy(text, "700:1:a\n600:2:b\n");
    write_bytes(index, text, strlen(text));
    assert_refused(many, &everything, LAM_INPUT, "not in the order of the dump");
    free(text), free(all.text), free(cut.text);
}

static void test_refusals(void **state) {
    (void)state;
    static const struct {
        const char *xml, *words;
    } cases[] = {
        {"", "is empty"},
        {"<html><body>x</body></html>", "no dump of a wiki: it begins with <html>"},
        {"just text, no XML", "its XML is broken or cut short at line 1"},
        {"<mediawiki><page><ns>0</ns><revision><text>x</text></revision></page>",
         "its XML is broken or cut short at line 1, after 1 pages"},
        {"<mediawiki><page></mediawiki>", "its XML is broken"},
        {"<mediawiki><page><revision><text>&lol;</text></revision></page></mediawiki>",
         "its XML is broken"},
        {"<!DOCTYPE mediawiki [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
         "<mediawiki><page><revision><text>&b;</text></revision></page></mediawiki>",
         "<!DOCTYPE"},
        {"<mediawiki></mediawiki>", "has no article"},
        {"<mediawiki><page><ns>1</ns><revision><text>x</text></revision></page></mediawiki>",
         "has no article"},
        {"<mediawiki><page><revision><text>\xff\xff\xff</text></revision></page></mediawiki>",
         "its XML is broken"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *path = in_folder(folder, "r.xml");
        write_bytes(path, cases[i].xml, strlen(cases[i].xml));
        assert_refused(path, &everything, LAM_INPUT, cases[i].words);
    }
    const lam_dump_choice both = {1, 1, 1};
    assert_refused(LAM_TEST_GOLDEN "/dump.xml", &both, LAM_USAGE, "give one of the two");
    assert_refused(in_folder(folder, "none.xml"), &everything, LAM_IO, "cannot be opened");
    mkdir(in_folder(folder, "folder.xml"), 0777);
    assert_refused(in_folder(folder, "folder.xml"), &everything, LAM_IO, "is not a regular file");
}

static void test_damaged_packing(void **state) {
    (void)state;
    size_t bytes;
    char *path = in_folder(folder, "p.xml.bz2"), *cut = in_folder(folder, "cut.xml.bz2");
    write_dump(path, 300, true);
    char *data = read_bytes(path, &bytes);
    for (size_t length = 4; length < bytes; length += 97) {
        write_bytes(cut, data, length);
        assert_refused(cut, &everything, LAM_INPUT, "it was cut short: fetch it again");
    }
    write_bytes(cut, data, bytes - 1);
    assert_refused(cut, &everything, LAM_INPUT, "it was cut short: fetch it again");
    write_bytes(cut, data, 0);
    assert_refused(cut, &everything, LAM_INPUT, "is empty");
    for (size_t at = 0; at < bytes; at += 61) {
        data[at] ^= 0x10;
        write_bytes(cut, data, bytes);
        data[at] ^= 0x10;
        collected c = {.count_only = true};
        lam_error error = {0};
        lam_code code = lam_dump_read(cut, &everything, collect, &c, &error);
        // A bit that does not count; or an error, of the XML where that shows before bzip2's own
        // check, which comes at a block's end.
        if (code == LAM_OK)
            assert_int_equal(c.count, 171);
        else if (code != LAM_INPUT || strncmp(error.text, cut, strlen(cut)) != 0)
            fail_msg("byte %zu: %s", at, error.text);
    }
    write_bytes(cut, "<mediawiki></mediawiki>", 23);
    assert_refused(cut, &everything, LAM_INPUT, "is not what bzip2 packed");
    free(data);
}

// One page of 100 MB, and one of a comment of 100 MB; neither is ever in memory.
static void test_endless_page(void **state) {
    (void)state;
    static const char *const starts[] = {"<mediawiki><page><revision><text>", "<mediawiki><!--"};
    static const char *const words[] = {"page number 1 has more than 8 MiB of text",
                                        "its XML is broken"};
    char line[1000];
    memset(line, 'x', sizeof line);
    for (int i = 0; i < 2; i++) {
        char *path = in_folder(folder, "endless.xml");
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fputs(starts[i], file);
        for (int n = 0; n < 100000; n++) assert_int_equal(fwrite(line, 1, sizeof line, file), 1000);
        fclose(file);
        assert_refused(path, &everything, LAM_INPUT, words[i]);
        remove(path);
    }
}

// A dump of 300 MB (30 under a sanitizer), streamed: peak memory stays below 200 MB.
static void test_large_dump(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    const size_t large = 30 << 20;
#else
    const size_t large = 300 << 20;
#endif
    char *path = in_folder(folder, "large.xml");
    FILE *file = fopen(path, "wb");
    char *paragraph = calloc(1, 20001);
    assert_true(file && paragraph);
    for (size_t i = 0; i < 20000; i++) paragraph[i] = "A [[mill]] turns. "[i % 18];
    fputs(dump_head, file);
    size_t written = 0, pages = 0;
    for (; written < large; pages++)
        written += (size_t)fprintf(file,
                                   "<page><ns>0</ns><id>%zu</id><revision><text>%s</text>"
                                   "</revision></page>\n",
                                   pages + 1, paragraph);
    fputs(dump_tail, file);
    assert_int_equal(fclose(file), 0);
    collected c = {.count_only = true};
    lam_error error = {0};
    assert_int_equal(lam_dump_read(path, &everything, collect, &c, &error), LAM_OK);
    assert_int_equal(c.count, pages);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    print_message("%zu pages, %zu MiB, peak memory %ld MiB\n", pages, written >> 20,
                  usage.ru_maxrss >> 10);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(usage.ru_maxrss < 200 << 10);
#endif
    remove(path);
    free(paragraph);
}

// Phrases picked by reading the pages; and no markup in any of them.
static void test_real_dumps(void **state) {
    (void)state;
    const char *path =
        shared_path("data/dumps/enwiki-latest-pages-articles1.xml-p000000010p000030302"
                    "-shortened.bz2");
    const char *tables = shared_path("data/dumps/enwiki-table-markup.xml.bz2");
    if (!path || !tables) {
        print_message("no shared dumps\n");
        skip();
    }
    static const char *const there[] = {
        "Anarchism is a political philosophy that advocates self-governed societies based on "
        "voluntary institutions.",
        "\n\nEtymology and terminology\n\n",
        "The ideal of the kouros (a beardless, athletic youth), Apollo has been variously "
        "recognized as a god of music, truth and prophecy, healing, the sun and light",
        "Apollo (Attic, Ionic, and Homeric Greek: Ἀπόλλων, Apollōn (GEN Ἀπόλλωνος)",
        "Algeria (al-Jazā'ir; ⵍⵣⵣⴰⵢⴻⵔ Dzayer), officially People's Democratic Republic of Algeria",
    };
    static const char *const gone[] = {
        "{{",     "}}",        "]]",     "'''",      "<ref",   "</",  "Category:", "[[File:",
        "thumb|", "wikitable", "style=", "cite web", "&nbsp;", "<br", "__NOTOC__",
    };
    collected c = read_dump(path, 0, 0, 0);
    assert_int_equal(c.count, 106);
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++)
        if (!strstr(c.text, there[i])) fail_msg("not there: %s", there[i]);
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        const char *at = strstr(c.text, gone[i]);
        if (at) fail_msg("%s is there: %.100s", gone[i], at);
    }
    free(c.text);
    c = read_dump(tables, 0, 0, 0);
    assert_int_equal(c.count, 5);
    assert_non_null(strstr(c.text, "The constructive vote of no confidence (in German: "
                                   "konstruktives Misstrauensvotum, in Spanish: moción de censura "
                                   "constructiva) is a variation on the motion of no confidence"));
    assert_null(strstr(c.text, "Opposition candidate (party)")); // of a table
    assert_null(strstr(c.text, "bgcolor"));
    free(c.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_dump), // first: the peak is then its own
        cmocka_unit_test(test_articles),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_utf16),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_streams_are_left_alone),
        cmocka_unit_test(test_wrong_index),
        cmocka_unit_test(test_own_streams_alone),
        cmocka_unit_test(test_index_with_gaps),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_damaged_packing),
        cmocka_unit_test(test_endless_page),
        cmocka_unit_test(test_real_dumps),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
