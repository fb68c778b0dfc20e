// UTF-8 as Python has it, and text files as they go to the tokenizer.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "folder_fixture.h"
#include "io/sha256.h"
#include "io/text.h"
#include "src/utf8.h"

#include <sys/stat.h>

// A file of that name in the test's folder. Static storage.
static const char *store(const char *name, const void *data, size_t bytes) {
    static char path[4200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

static const char *store_text(const char *name, const char *text) {
    return store(name, text, strlen(text));
}

static void assert_sha256(const void *data, size_t bytes, const char *expected) {
    lam_error error;
    uint8_t digest[LAM_SHA256_BYTES];
    char text[LAM_SHA256_TEXT];
    assert_int_equal(lam_sha256_of(data, bytes, digest, &error), LAM_OK);
    lam_sha256_text(digest, text);
    assert_string_equal(text, expected);
}

// Reading fails with that code, and the line names the file and holds both pieces.
static void assert_refused(const char *path, lam_html_mode mode, lam_code code, const char *first,
                           const char *second) {
    lam_error error = {0};
    lam_text text;
    assert_int_equal(lam_text_read(path, mode, &text, &error), code);
    assert_int_equal(error.code, code);
    assert_memory_equal(error.text, path, strlen(path));
    assert_non_null(strstr(error.text, first));
    assert_non_null(strstr(error.text, second));
    assert_null(text.data);
}

static void test_utf8_cases(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
        size_t count;
    } cases[] = {
        {"", "", 0},
        {"plain ASCII of more than eight bytes", "plain ASCII of more than eight bytes", 0},
        {"\xef\xbb\xbf"
         "a",
         "\xef\xbb\xbf"
         "a",
         0},
        {"caf\xe9", "caf\xef\xbf\xbd", 1},
        {"\xf0\x9f\x98"
         "a",
         "\xef\xbf\xbd"
         "a",
         1},
        {"\xe2\x82", "\xef\xbf\xbd", 1},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd", 2},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 3},
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 4},
        {"\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", "\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[64];
        size_t count, length = strlen(cases[i].in);
        size_t made = lam_utf8_replace(cases[i].in, length, out, &count);
        assert_int_equal(made, strlen(cases[i].out));
        assert_memory_equal(out, cases[i].out, made);
        assert_int_equal(count, cases[i].count);
        assert_int_equal(lam_utf8_replace(cases[i].in, length, NULL, NULL), made);
        assert_int_equal(lam_utf8_valid(cases[i].in, length) == length, count == 0);
    }
}

// Every sequence of four bytes from those at the bounds of UTF-8's table: the length, the number of
// U+FFFD and the SHA-256 of all results, one after the other, are Python 3.11's.
static void test_utf8_is_pythons(void **state) {
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                    0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                    0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    enum { COUNT = sizeof bytes, ALL = COUNT * COUNT * COUNT * COUNT };
    char *made = malloc(12 * (size_t)ALL);
    assert_non_null(made);
    size_t length = 0, replaced = 0;
    for (unsigned i = 0; i < ALL; i++) {
        char text[4];
        for (unsigned k = 4, rest = i; k-- > 0; rest /= COUNT) text[k] = (char)bytes[rest % COUNT];
        size_t count;
        length += lam_utf8_replace(text, 4, made + length, &count);
        replaced += count;
    }
    assert_int_equal(length, 3908004);
    assert_int_equal(replaced, 1215304);
    assert_sha256(made, length, "e7215c56747fb0da8f1e65305f5a3e66a6b0db8aa73c52338131684747373e78");
    free(made);
}

static void test_plain_text_is_kept(void **state) {
    (void)state;
    static const char stored[] = "\xef\xbb\xbfOne\r\ntwo\tthree \xe2\x82\xac\r\n\r\n";
    lam_error error = {0};
    lam_text text;
    const char *path = store_text("bom.TXT", stored);
    assert_int_equal(lam_text_read(path, LAM_HTML_CLIP, &text, &error), LAM_OK);
    assert_int_equal(text.bytes, strlen(stored));
    assert_string_equal(text.data, stored);
    assert_int_equal(text.replaced, 0);
    // Of the file, by sha256sum.
    assert_string_equal(text.sha256,
                        "af5ca273fc25f238c2ceee955fe02fd2dd2571b73de905fec24b83419ae3132b");
    lam_text_destroy(&text);
    assert_null(text.data);
}

static void test_invalid_text_is_replaced(void **state) {
    (void)state;
    static const char stored[] = "caf\xe9 \0 \xff";
    lam_error error = {0};
    lam_text text;
    const char *path = store("latin.txt", stored, sizeof stored - 1);
    assert_int_equal(lam_text_read(path, LAM_HTML_CLIP, &text, &error), LAM_OK);
    assert_int_equal(text.bytes, 12);
    assert_memory_equal(text.data, "caf\xef\xbf\xbd \0 \xef\xbf\xbd", 13);
    assert_int_equal(text.replaced, 2);
    lam_text_destroy(&text);
}

static void test_unusable_files(void **state) {
    (void)state;
    char path[4200];
    assert_refused("no/such.txt", LAM_HTML_CLIP, LAM_IO, "cannot be opened", "No such file");
    snprintf(path, sizeof path, "%s/folder.txt", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused(path, LAM_HTML_CLIP, LAM_IO, "not a regular file", ".txt");
    snprintf(path, sizeof path, "%s/pipe.html", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, LAM_HTML_CLIP, LAM_IO, "not a regular file", ".html");
    assert_refused("paper.pdf", LAM_HTML_CLIP, LAM_INPUT, ".html", ".txt");
    assert_refused("no.ending/name", LAM_HTML_CLIP, LAM_INPUT, ".html", ".txt");

    assert_refused(store_text("empty.txt", ""), LAM_HTML_CLIP, LAM_INPUT, "is empty", "");
    assert_refused(store_text("empty.html", ""), LAM_HTML_CLIP, LAM_INPUT, "is empty", "");
    assert_refused(store_text("blank.txt", " \r\n\t\f\v\n"), LAM_HTML_CLIP, LAM_INPUT, "is empty",
                   "");
    assert_refused(store_text("bom.txt", "\xef\xbb\xbf\n"), LAM_HTML_CLIP, LAM_INPUT, "is empty",
                   "");
    assert_refused(store("wide.txt", "\xff\xfe\x61\0\x62\0", 6), LAM_HTML_CLIP, LAM_INPUT, "UTF-16",
                   "iconv");
    assert_refused(store("wide.html", "\xfe\xff\0<", 4), LAM_HTML_ARTICLE, LAM_INPUT, "UTF-16",
                   "iconv");
}

static const char page[] = "<html><body><div class=\"mw-body-content\" id=\"bodyContent\">\r\n"
                           "<p>Caf\xe9 &amp; <b>bar</b></p><h2><span id=\"References\">Notes"
                           "</span></h2><span id=\"References\">again</span></div></body></html>";

static void test_clip(void **state) {
    (void)state;
    lam_error error = {0};
    lam_text text;
    assert_int_equal(lam_text_read(store_text("page.htm", page), LAM_HTML_CLIP, &text, &error),
                     LAM_OK);
    assert_string_equal(text.data, "mw-body-content\" id=\"bodyContent\">\r\n<p>Caf\xef\xbf\xbd "
                                   "&amp; <b>bar</b></p><h2><span ");
    assert_int_equal(text.bytes, strlen(text.data));
    assert_int_equal(text.replaced, 1);
    lam_text_destroy(&text);

    assert_int_equal(lam_text_read(store_text("page.html", page), LAM_HTML_ARTICLE, &text, &error),
                     LAM_OK);
    assert_string_equal(text.data, "Caf\xef\xbf\xbd & bar\n\nNotes\n\nagain\n");
    assert_int_equal(text.replaced, 1);
    lam_text_destroy(&text);
}

static void test_clip_without_markers(void **state) {
    (void)state;
    assert_refused(store_text("a.html", "<p>text</p> id=\"References\""), LAM_HTML_CLIP, LAM_INPUT,
                   "no mw-body-content", "use html: article");
    assert_refused(store_text("b.html", "<div class=\"mw-body-content\">text</div>"), LAM_HTML_CLIP,
                   LAM_INPUT, "no id=\"References\"", "use html: article");
    assert_refused(store_text("c.html", "id=\"References\" mw-body-content"), LAM_HTML_CLIP,
                   LAM_INPUT, "no id=\"References\" after mw-body-content", "use html: article");
    // A file that has been cut short in the marker.
    assert_refused(store_text("d.html", "mw-body-content id=\"Referenc"), LAM_HTML_CLIP, LAM_INPUT,
                   "no id=\"References\"", "use html: article");
    assert_refused(store_text("e.html", "<body><nav>Menu</nav></body>"), LAM_HTML_ARTICLE,
                   LAM_INPUT, "no text", "");
}

// Length and SHA-256 of what the published lines of Python give for the shared pages.
static void test_clip_of_shared_pages(void **state) {
    (void)state;
    static const struct {
        const char *name;
        size_t bytes;
        const char *sha256;
    } pages[] = {
        {"en-Bengaluru.html", 300907,
         "2df9d231fa0fd3a27ecf2e9d7b9e58536270afb80baead686a9f219e0a1809fe"},
        {"en-Ebola_virus_epidemic_in_West_Africa.html", 161206,
         "f18cc2d7566b428441a91d43c4429f3dd740dd18f5158305c605c75b8b772a01"},
        {"en-Hermitian_matrix.html", 241179,
         "23df2038fa4bfe41722ef4a41e82e07d95812bda6dd05e301bd7f8b92eaf854f"},
        {"en-List_of_films_featuring_time_loops.html", 68652,
         "fbb9ce93a57e77f2e32186cdbe23f7a42e5e4fd5c8e7a2a65fc37df9ee43a7e6"},
        {"en-Mozilla.html", 72927,
         "3fff99701625fcff40c26dde212bce4f2bf751a01da0fec3a355b1348124a5ac"},
        {"en-New_Zealand.html", 599072,
         "c6097f2990cd3b791742661c432060e2a03cb1b9d4bd28605483767d22f06865"},
        {"en-t-SNE.html", 65573,
         "c99a20827c0428bc8c24d1d77e21866adfa7770926bf8173dd9ac28553dfd570"},
    };
    if (!shared_path("data/wikipedia")) {
        print_message("skipped: the shared pages are not beside the project\n");
        skip();
    }
    char name[256];
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        lam_error error = {0};
        lam_text text;
        snprintf(name, sizeof name, "data/wikipedia/%s", pages[i].name);
        assert_int_equal(lam_text_read(shared_path(name), LAM_HTML_CLIP, &text, &error), LAM_OK);
        assert_int_equal(text.bytes, pages[i].bytes);
        assert_sha256(text.data, text.bytes, pages[i].sha256);
        lam_text_destroy(&text);
    }
    assert_refused(shared_path("data/wikipedia/ja-Tokyo.html"), LAM_HTML_CLIP, LAM_INPUT,
                   "no id=\"References\"", "use html: article");
    assert_refused(shared_path("data/wikipedia/zh-Pheromone.fragment.html"), LAM_HTML_CLIP,
                   LAM_INPUT, "no mw-body-content", "use html: article");
}

static void test_shared_texts(void **state) {
    (void)state;
    const char *path = shared_path("data/pkd/32154-the-variable-man.txt");
    if (!path) {
        print_message("skipped: the shared texts are not beside the project\n");
        skip();
    }
    lam_error error = {0};
    lam_text text;
    assert_int_equal(lam_text_read(path, LAM_HTML_CLIP, &text, &error), LAM_OK);
    assert_int_equal(text.bytes, 170577);
    assert_sha256(text.data, text.bytes, text.sha256); // as stored, line ends and all
    assert_string_equal(text.sha256,
                        "d0f31f795eabf082edd34b55c10253e79e70865b3fd78b5f7686a7675b30ad5c");
    lam_text_destroy(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_cases),
        cmocka_unit_test(test_utf8_is_pythons),
        cmocka_unit_test(test_plain_text_is_kept),
        cmocka_unit_test(test_invalid_text_is_replaced),
        cmocka_unit_test(test_unusable_files),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_clip_without_markers),
        cmocka_unit_test(test_clip_of_shared_pages),
        cmocka_unit_test(test_shared_texts),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
