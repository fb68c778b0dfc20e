// The readable text of pages: what is kept, what is left out, and pages that no one would write.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/html.h"
#include "src/utf8.h"

#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lam_code article_of(const char *page, size_t bytes, char **text, lam_error *error) {
    size_t length = 0, replaced = 0;
    *text = NULL;
    *error = (lam_error){0};
    lam_code code = lam_html_article(page, bytes, text, &length, &replaced, error);
    if (code == LAM_OK) {
        assert_int_equal((*text)[length], 0);
        assert_int_equal((*text)[length - 1], '\n');
    } else {
        assert_null(*text);
        assert_int_equal(error->code, code);
    }
    return code;
}

static void assert_article(const char *page, const char *expected) {
    char *text;
    lam_error error;
    assert_int_equal(article_of(page, strlen(page), &text, &error), LAM_OK);
    assert_string_equal(text, expected);
    free(text);
}

static void test_layout(void **state) {
    (void)state;
    assert_article("<h1>Moss</h1><p>A  <b>soft</b>\n plant&nbsp;\xc2\xa0of <i>shade</i>.</p>"
                   "<p>It has no&#32;roots.<br>None.<br><br>At all.</p>",
                   "Moss\n\nA soft plant of shade.\n\nIt has no roots.\nNone.\n\nAt all.\n");
    assert_article("<p>Kinds:</p><ul><li>peat</li><li>rock <ol><li>wet</li><li>dry</li></ol></li>"
                   "</ul><dl><dt>Seta</dt><dd>A stalk</dd></dl><p>End</p>",
                   "Kinds:\n\npeat\nrock\nwet\ndry\nSeta\nA stalk\n\nEnd\n");
    assert_article("<p>See<table><caption>Sizes</caption><tr><th>Name<th>cm<tr><td>Peat<td>30"
                   "<tr><td><p>Rock</p></td><td><div>one</div><div>two</div></td><td></td></tr>"
                   "<tr><td></td><td> 4 </td></tr></table>there",
                   "See\n\nSizes\nName\tcm\nPeat\t30\nRock\tone\ntwo\n4\n\nthere\n");
    assert_article("<div>One</div><div>two<blockquote><p>Said</p></blockquote>three</div>"
                   "<figure><img src=a.png alt=no><figcaption>Seen</figcaption></figure>four",
                   "One\ntwo\n\nSaid\n\nthree\n\nSeen\n\nfour\n");
    assert_article("<p>Code:</p><pre>\nif (a &lt; b)\n    c  =  <b>d</b>;\n\n</pre><p>so</p>",
                   "Code:\n\nif (a < b)\n    c  =  d;\n\nso\n");
    assert_article("m<sup>2</sup> H<sub>2</sub>O a<wbr>b &copy;&eacute;&#x20AC; AT&T &unknown;",
                   "m2 H2O ab \xc2\xa9\xc3\xa9\xe2\x82\xac AT&T &unknown;\n");
}

static void test_what_is_left_out(void **state) {
    (void)state;
    assert_article("<head><title>T</title><style>p{}</style></head><body><p>a<script>if (1 < 2) "
                   "f('</p>')</script>b<style>.x{}</style><!-- c --><noscript>d</noscript>e</p>",
                   "abe\n");
    assert_article("<p>so<sup class=\"reference\" id=x><a href=#n>[1]</a></sup> it<sup class=\""
                   "noprint Inline-Template\">[citation needed]</sup> is</p><ol class=references>"
                   "<li>Book</li></ol><div class='reflist columns'>Book 2</div>",
                   "so it is\n");
    assert_article("<h2>Bogs<span class=mw-editsection>[<a>edit</a>]</span></h2><div class=\""
                   "hatnote navigation-not-searchable\">Main article: Bog</div><p>Wet.</p>"
                   "<div id=toc>Contents</div><table class='navbox x'><tr><td><p>More</table>"
                   "<div role=navigation><div>Deep<div>er</div></div></div><nav>Menu</nav>",
                   "Bogs\n\nWet.\n");
    assert_article("<p>where <span class='mwe-math-element'><span style='display: none'><math><mi>x"
                   "</mi><annotation>{\\displaystyle x}</annotation></math></span><img alt='x'>"
                   "</span> is <math><mi>y</mi></math>one</p>",
                   "where is one\n");
    assert_article("a<span style='color:red; DISPLAY :none'>b</span><span hidden>c</span>"
                   "<span hidden=until-found>d</span><span style='display:inline'>e</span>",
                   "ade\n");
    // A class has to be the word, not a part of it; spans may be marked as not for print.
    assert_article(
        "<p class=references-like>a <span class=noprint>b</span> <i class=navboxes>c</i>",
        "a b c\n");
    assert_article("a <span class=sfrac><span>1</span><span style='display:none'>/</span>"
                   "<span>3</span></span> b",
                   "a 1/3 b\n");
    // A drawn-in frame hides what it loads; the page itself is not hidden.
    assert_article("<body style='display:none'>a<iframe>b</iframe><svg><text>c</text></svg>",
                   "a\n");
}

static void test_empty_headings(void **state) {
    (void)state;
    assert_article("<h2>A</h2><p>a</p><h2>B</h2><h3>C</h3><p>c</p><h2>D</h2><h3>E</h3><h3>F</h3>"
                   "<div class=reflist>x</div><h2>G</h2>g<h2>References</h2><ol class=references>"
                   "<li>x</ol>",
                   "A\n\na\n\nB\n\nC\n\nc\n\nG\n\ng\n");
    assert_article("<h4>A</h4><h2>B</h2><h3>C</h3>c", "B\n\nC\n\nc\n");
}

static void test_roots(void **state) {
    (void)state;
    assert_article("<body>menu<div class=mw-body-content>tabs<div class='mw-parser-output'>icon"
                   "</div><div id='mw-content-text'>text<div class='mw-parser-output'>, all</div>"
                   "</div>foot</div>end</body>",
                   "text\n, all\n");
    assert_article("menu<div class='x mw-parser-output'>text</div>foot<div class=mw-parser-output>"
                   "more</div>",
                   "text\n");
    assert_article("menu<div class='mw-body-content'>text</div>foot", "text\n");
    assert_article("<html><body class='a mw-body-content mw-parser-output'><p>text</body></html>",
                   "text\n");
    assert_article("<div class=noprint><div id=mw-content-text>text</div>foot</div>", "text\n");
    assert_article("no <b>markup</b> to speak of", "no markup to speak of\n");
}

static void test_encodings(void **state) {
    (void)state;
    static const struct {
        const char *page, *text;
    } pages[] = {
        {"\xef\xbb\xbf<p>\xc3\xa9t\xc3\xa9</p>", "\xc3\xa9t\xc3\xa9\n"},
        {"<p>\xc3\xa9t\xc3\xa9</p>", "\xc3\xa9t\xc3\xa9\n"},
        {"<meta charset=iso-8859-1><p>\xe9t\xe9 \x80</p>", "\xc3\xa9t\xc3\xa9 \xe2\x82\xac\n"},
        {"<META http-equiv=Content-Type content=\"text/html; charset=Shift_JIS\">\x93\x8c\x8b\x9e",
         "\xe6\x9d\xb1\xe4\xba\xac\n"},
        {"<?xml version='1.0' encoding=\"koi8-r\"?><p>\xcd\xc9\xd2", "\xd0\xbc\xd0\xb8\xd1\x80\n"},
        {"<meta charset=\"iso-2022-jp\">\x1b$B El5~ \x1b(B", NULL},
        // Declarations that are wrong, unknown, hostile or impossible.
        {"<meta charset=windows-1252>\xc3\xa9", "\xc3\xa9\n"},
        {"<meta charset=no-such-thing>\xe9!", "\xef\xbf\xbd!\n"},
        {"<meta charset=../../etc/passwd>\xe9!", "\xef\xbf\xbd!\n"},
        {"<meta charset=utf-16le>a\xe9!", "a\xef\xbf\xbd!\n"},
        {"<meta charset=>\xe9!", "\xef\xbf\xbd!\n"},
        {"<meta charset=gb2312>\xb6\xab\xbe\xa9\xff!", "\xe4\xb8\x9c\xe4\xba\xac\xef\xbf\xbd!\n"},
        {"<p>\xe9</p><p>a\xe2\x82</p>", "\xef\xbf\xbd\n\na\xef\xbf\xbd\n"},
    };
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        char *text;
        lam_error error;
        assert_int_equal(article_of(pages[i].page, strlen(pages[i].page), &text, &error), LAM_OK);
        if (pages[i].text) assert_string_equal(text, pages[i].text);
        free(text);
    }
    assert_article("<meta charset='iso-2022-jp'><p>\x1b$BEl5~\x1b(B</p>",
                   "\xe6\x9d\xb1\xe4\xba\xac\n");
}

static void test_broken_markup(void **state) {
    (void)state;
    assert_article("<p>a<div class=navbox<p>b</div>c<p>d", "a\n\nb\nc\n\nd\n");
    // The parser puts text outside the body in paragraphs of its own.
    assert_article("</p></div></html>a</body><b>b<i>c</b>d</i>e", "a\n\nbc\n\nde\n");
    assert_article("<body></p></div>a<b>b<i>c</b>d</i>e", "abcde\n");
    assert_article("<table><tr><td>a<div class=navbox>b</table>c", "a\n\nc\n");
    assert_article("a < b <> c <3 d &; &# &#x; &#xFFFFFFFF; e", "a < b <> c <3 d &; e\n");
    assert_article("a<![if !x]> b <![endif]><!--[if y]> c <![endif]-->d<!e f>", "a b d\n");
    assert_article("<script>i<!j; '<![x'; <!-- a</script>b<i title='<!x'>c</i>", "bc\n");
    assert_article("a<p title=\"b", "a\n");
    assert_article("a<!-- b", "a\n");
    assert_article("<body><body class=x>a<html><head><title>t</title>b", "ab\n");
    // NULs, and controls that are no characters, divide or vanish, and do not end the text.
    char *text;
    lam_error error;
    static const char nuls[] = "\0<p>a\0b\x01\x7f</p\0><scr\0ipt>c</p>\0<p>d<script>e\0f</script>";
    assert_int_equal(article_of(nuls, sizeof nuls - 1, &text, &error), LAM_OK);
    assert_non_null(strstr(text, "a b"));
    assert_non_null(strstr(text, "d\n"));
    assert_null(strchr(text, 'e'));
    free(text);
}

static void assert_refused(const char *page, size_t bytes, const char *piece) {
    char *text;
    lam_error error;
    assert_int_equal(article_of(page, bytes, &text, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, piece));
}

static void test_pages_without_text(void **state) {
    (void)state;
    static const char *const pages[] = {
        "<",
        "<p>",
        "<!DOCTYPE html>",
        "<html><head><title>T</title></head><body> </body></html>",
        "<!-- a -->",
        "<script>a</script>",
        "<h2>References</h2><div class=reflist>x</div>",
        "<p>a</p><div id=mw-content-text></div>",
        "&nbsp;<br>&#160;",
    };
    for (size_t i = 1; i < sizeof pages / sizeof pages[0]; i++)
        assert_refused(pages[i], strlen(pages[i]), "no text");
}

// piece, times over.
static char *repeat(const char *before, const char *piece, size_t times, const char *after) {
    size_t length = strlen(piece), at = strlen(before);
    char *text = malloc(at + times * length + strlen(after) + 1);
    assert_non_null(text);
    memcpy(text, before, at);
    for (size_t i = 0; i < times; i++, at += length) memcpy(text + at, piece, length);
    strcpy(text + at, after);
    return text;
}

static void test_hostile_pages(void **state) {
    (void)state;
    char *page = repeat("a", "<div>", 100000, "b");
    assert_refused(page, strlen(page), "deeper than 1024");
    free(page);
    page = repeat("", "<b><i>", 100000, "b");
    assert_refused(page, strlen(page), "deeper than 1024");
    free(page);
    page = repeat("a", "<div>", 1000, "b");
    assert_article(page, "a\n\nb\n"); // the parser puts the a in a paragraph of its own
    free(page);
    // Quadratic in the parser, were they let through.
    page = malloc(10 * 1000 * 1000);
    assert_non_null(page);
    size_t at = (size_t)sprintf(page, "<p");
    for (int i = 0; i < 1000 * 1000; i++) at += (size_t)sprintf(page + at, " a%d", i);
    at += (size_t)sprintf(page + at, ">text");
    assert_refused(page, at, "more than 1024 attributes");
    free(page);
    page = repeat("<a title='> x", " b", 100000, "'>text</a>");
    assert_article(page, "text\n");
    free(page);
    page = repeat("<script>i<n", " b", 100000, "</script>text");
    assert_article(page, "text\n");
    free(page);
    page = repeat("text", "</x></p>", 1000 * 1000, "");
    assert_article(page, "text\n");
    free(page);
    page = repeat("<p>text", "<", 1000 * 1000, "");
    char *text;
    lam_error error;
    assert_int_equal(article_of(page, strlen(page), &text, &error), LAM_OK);
    assert_int_equal(strlen(text), 4 + 1000 * 1000 + 1);
    free(text);
    free(page);
    page = repeat("text<p class='", "navbo x ", 1000 * 1000, "navbox'>more");
    assert_article(page, "text\n");
    free(page);
}

static void test_large_page(void **state) {
    (void)state;
    static const char paragraph[] = "<p>Peat <a href=x>mosses</a> hold water.</p>\n<ul><li>a</ul>";
    size_t count = 50 * 1000 * 1000 / (sizeof paragraph - 1) + 1;
    char *page = repeat("<div id=mw-content-text>", paragraph, count, "</div>"), *text;
    lam_error error;
    assert_int_equal(article_of(page, strlen(page), &text, &error), LAM_OK);
    assert_int_equal(strlen(text), count * strlen("Peat mosses hold water.\n\na\n\n") - 1);
    free(text);
    free(page);
}

// Bytes by chance, and a page with bytes changed by chance: no crash, and text in UTF-8 or a line.
static void test_garbage(void **state) {
    (void)state;
    static const char pieces[][24] = {
        "<div class=navbox>",
        "<p>",
        "</div>",
        "<table><tr><td>",
        "</table>",
        "<pre>",
        "<h2>",
        "</h2>",
        "text ",
        "<!--",
        "-->",
        "<script>",
        "&amp;",
        "\xe2\x82",
        "<sup class=reference>",
        "</sup>",
        "\xe6\x9d\xb1",
        "<meta charset=euc-jp>",
        "<x y='",
        "\xff",
        "<br/>",
        "</",
        "<",
        "<div id=mw-content-text>",
        "<span style=x",
    };
    uint64_t seed = 88172645463325252u;
    for (int round = 0; round < 3000; round++) {
        char page[4096], *text;
        size_t length = 0;
        lam_error error;
        while (length < 600 + (size_t)(round % 7) * 400) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17; // xorshift
            const char *piece = pieces[seed % (sizeof pieces / sizeof pieces[0])];
            if (round % 3 == 0) {
                page[length++] = (char)(seed >> 32);
            } else {
                memcpy(page + length, piece, strlen(piece));
                length += strlen(piece);
            }
        }
        lam_code code = article_of(page, length, &text, &error);
        assert_true(code == LAM_OK || code == LAM_INPUT);
        if (text) assert_int_equal(lam_utf8_valid(text, strlen(text)), strlen(text));
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_empty_headings),
        cmocka_unit_test(test_roots),
        cmocka_unit_test(test_encodings),
        cmocka_unit_test(test_broken_markup),
        cmocka_unit_test(test_pages_without_text),
        cmocka_unit_test(test_hostile_pages),
        cmocka_unit_test(test_large_page),
        cmocka_unit_test(test_garbage),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    xmlCleanupParser();
    return failures;
}
