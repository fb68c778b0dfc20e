// The readable text of pages: what is kept, what is left out, and pages that no one would write.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/html.h"
#include "src/utf8.h"

#include <libxml/HTMLparser.h>
#include <libxml/xpath.h>

enum { QUIET = HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET };

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

// --- the shared pages

static char *read_shared(const char *name, size_t *bytes) {
    char path[256];
    snprintf(path, sizeof path, "data/wikipedia/%s", name);
    const char *found = shared_path(path);
    if (!found) {
        print_message("skipped: the shared pages are not beside the project\n");
        skip();
    }
    FILE *file = fopen(found, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*bytes + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    data[*bytes] = '\0';
    fclose(file);
    return data;
}

// Phrases by reading the pages in a browser: kept ones from the article's beginning, middle,
// tables, captions and end; dropped ones from its navigation, notes to readers and editors,
// references and the site around it. All are in the page's source.
static const struct {
    const char *name, *kept[6], *dropped[8];
} pages[] = {
    {"ar-Mathematics.parsoid.html",
     {"الرياضيات علم عبارة عن مفاهيم مجردة", "لوحة بابلية تحتوى على جداول رياضيات",
      "أعداد طبيعية\tأعداد صحيحة", "غريغوري تشايتين", "موسوعة على الإنترنت من سبرنجر"},
     {"بوابة", "ضبط استنادي", "نسخة محفوظة", "تم تجاهله", "كومنز", "displaystyle", "\\sqrt"}},
    {"en-Bengaluru.html",
     {"Bengaluru, also known as Bangalore", "• Metropolis\t741 km2 (286 sq mi)",
      "Bengaluru Torpedoes\tVolleyball\tPrime Volleyball League", "Minsk, Belarus (1973)",
      "Skyline of the Central Business District", "Geographic data related to Bengaluru"},
     {"redirects here", "Main article", "Hidden categories", "Retrieved", "Authority control",
      "Wikimedia Commons", "Metropolis in Karnataka, India", "[update]"}},
    {"en-Ebola_virus_epidemic_in_West_Africa.html",
     {"As of 2014, an epidemic of Ebola virus disease", "Liberia: 1,871 / 1,089",
      "31 Aug 2014\t3,707\t1,848\t771\t494", "Cumulative totals in log scale",
      "The Spread of Ebola Outbreaks (1976-2015)"},
     {"Main article", "Retrieved", "Hidden categories", "Jump to:", "[citation needed]", "[update]",
      "Printable version", "What links here"}},
    {"en-Hermitian_matrix.html",
     {"In mathematics, a Hermitian matrix (or self-adjoint matrix)", "Rayleigh quotient iteration",
      "Pauli matrices, Gell-Mann matrices", "Thus Hij = Hji (matrix symmetry)",
      "Haynsworth inertia additivity formula", "See also\n\nVector space"},
     {"displaystyle", "needs expansion", "For matrices with symmetry", "Retrieved", "[edit]",
      "[citation needed]", "Main article", "Jump to navigation"}},
    {"en-List_of_films_featuring_time_loops.html",
     {"Film\tYear\tDescription", "Groundhog Day\t1993\tSelf-centered television weatherman",
      "Misi, a high school student, relives his graduation day", "Day Break, 2006 television"},
     {"Retrieved", "[edit]", "Categories", "dynamic list", "Contents", "Log in", "Talk"}},
    {"en-Mozilla.html",
     {"Mozilla is a free-software community, created in 1998", "Industry\tOpen-source software",
      "Speakers from the Knight Foundation", "-zilla (suffix)", "Mozilla Mercurial Repository"},
     {"Contents", "Main article", "Retrieved", "[edit]", "Jump to:", "Archived", "citation needed",
      "Printable version"}},
    {"en-New_Zealand.html",
     {"is a sovereign island country in the southwestern Pacific Ocean", "Capital\tWellington",
      "• Density\t18.2/km2 (47.1/sq mi) (203rd)", "Ingredients to be prepared for a hāngi",
      "Dutch explorer Abel Tasman sighted New Zealand in 1642", "Wikimedia Atlas of New Zealand"},
     {"For other uses", "Main article", "Click on a coloured area", "Retrieved", "[update]",
      "Jump to navigation", "Authority control", "Hidden categories"}},
    {"en-t-SNE.html",
     {"is a machine learning algorithm for visualization", "non-symmetric) Kullback–Leibler",
      "ELKI contains tSNE, also with Barnes-Hut approximation", "Google Tech Talk about t-SNE"},
     {"displaystyle", "\\sigma", "Retrieved", "[edit]", "Journal of Machine", "Jump to search",
      "Categories"}},
    {"ja-Tokyo.html",
     {"日本の関東平野中央部の東京湾に面する世界最大級の世界都市", "水量の1/3ほどを支える",
      "渋谷／国会議事堂", "「東京」で始まる記事の一覧", "東京観光財団オフィシャルサイト"},
     {"曖昧さ回避", "目次", "[編集]", "ポータル", "GND識別子", "カテゴリ", "アジアの首都"}},
    {"ja-Web_scraping.html",
     {"ウェブサイトから情報を抽出するコンピュータソフトウェア技術のこと",
      "<meta name=\"robots\" content=\"noindex,nofollow\">", "岡崎市立中央図書館事件"},
     {"スタブ", "目次", "[編集]", "カテゴリ", "ナビゲーションに移動"}},
    {"zh-Pheromone.fragment.html",
     {"貓（英語：Cat）通常指家貓", "界：\t动物界 Animalia", "一隻英国短毛貓",
      "住户家附近若有飼養貓的鄰居", "盧那貓（英语：Felis lunensis）類", "剪刀找貓法"},
     {"消歧义", "目录", "编辑", "此條目需要补充更多来源", "來源請求", "mw-parser-output",
      "[來源請求]"}},
};

static void test_shared_pages(void **state) {
    (void)state;
    // In no page's text, whatever its language.
    static const char *const never[] = {"mw-parser-output", "{\\", "\\frac", "@media", "RLQ",
                                        "class=",           "/*",  "<span",  "<!--",   "\r",
                                        "\n\n\n",           "  "};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        size_t bytes;
        char *page = read_shared(pages[i].name, &bytes), *text;
        lam_error error;
        xmlDocPtr tree = htmlReadMemory(page, (int)bytes, NULL, "UTF-8", QUIET);
        char *all = (char *)xmlNodeGetContent((xmlNodePtr)tree);
        assert_non_null(all);
        assert_int_equal(article_of(page, bytes, &text, &error), LAM_OK);
        for (size_t k = 0; k < 6 && pages[i].kept[k]; k++)
            if (!strstr(text, pages[i].kept[k]))
                fail_msg("%s lacks \"%s\"", pages[i].name, pages[i].kept[k]);
        for (size_t k = 0; k < 8 && pages[i].dropped[k]; k++) {
            if (strstr(text, pages[i].dropped[k]))
                fail_msg("%s has \"%s\"", pages[i].name, pages[i].dropped[k]);
            if (!strstr(all, pages[i].dropped[k]))
                fail_msg("%s never had \"%s\"", pages[i].name, pages[i].dropped[k]);
        }
        for (size_t k = 0; k < sizeof never / sizeof never[0]; k++)
            if (strstr(text, never[k])) fail_msg("%s has \"%s\"", pages[i].name, never[k]);
        for (const char *at = text; (at = strchr(at, '[')) != NULL; at++)
            if (strspn(at + 1, "0123456789") > 0 && strspn(at + 1, "0123456789") < 4)
                assert_int_not_equal(at[1 + strspn(at + 1, "0123456789")], ']');
        free(text);
        xmlFree(all);
        xmlFreeDoc(tree);
        free(page);
    }
}

typedef struct word {
    const char *text;
    size_t length;
} word;

static int compare_words(const void *a, const void *b) {
    const word *left = a, *right = b;
    size_t length = left->length < right->length ? left->length : right->length;
    int order = memcmp(left->text, right->text, length);
    return order ? order : (left->length > right->length) - (left->length < right->length);
}

// Where a word ends: at white space, and around each character of scripts that are written without
// any (U+3000 .. U+9FFF).
static word *words_of(const char *text, size_t *count) {
    word *words = malloc((strlen(text) + 1) * sizeof *words);
    assert_non_null(words);
    *count = 0;
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, " \t\r\n"), ideograph = 0;
        for (size_t i = 0; i < length && !ideograph; i++)
            if ((unsigned char)at[i] >= 0xe3 && (unsigned char)at[i] <= 0xe9) ideograph = i + 1;
        if (ideograph == 1)
            length = 3;
        else if (ideograph)
            length = ideograph - 1;
        if (length > 0) words[(*count)++] = (word){at, length};
        at += length ? length : 1;
    }
    qsort(words, *count, sizeof *words, compare_words);
    return words;
}

// The paragraphs of the page by libxml2's tree, less what the text is told to leave out.
static char *paragraphs_of(const char *page, size_t bytes) {
    xmlDocPtr tree = htmlReadMemory(page, (int)bytes, NULL, "UTF-8", QUIET);
    assert_non_null(tree);
    xmlXPathContextPtr context = xmlXPathNewContext(tree);
    xmlXPathObjectPtr found = xmlXPathEvalExpression(
        BAD_CAST
        "(//*[@id='mw-content-text'] | /html/body[not(.//*[@id='mw-content-text'])])//p"
        "//node()[self::text() or self::br]"
        "[not(ancestor-or-self::math or ancestor-or-self::script or "
        "ancestor-or-self::style or ancestor-or-self::sup[contains(@class, 'reference') or "
        "contains(@class, 'mw-ref')])]",
        context);
    assert_non_null(found);
    char *text = malloc(2 * bytes + 2);
    assert_non_null(text);
    size_t length = 0;
    xmlNodePtr last = NULL;
    for (int i = 0; i < found->nodesetval->nodeNr; i++) {
        xmlNodePtr node = found->nodesetval->nodeTab[i], paragraph = node;
        while (paragraph && xmlStrcmp(paragraph->name, BAD_CAST "p") != 0)
            paragraph = paragraph->parent;
        if (paragraph != last || node->type != XML_TEXT_NODE) text[length++] = ' ';
        last = paragraph;
        if (node->type != XML_TEXT_NODE) continue;
        size_t size = strlen((const char *)node->content);
        assert_true(length + size < 2 * bytes);
        for (size_t k = 0; k < size; k++) {
            bool no_break = k + 1 < size && memcmp(node->content + k, "\xc2\xa0", 2) == 0;
            text[length++] = no_break ? ' ' : (char)node->content[k];
            if (no_break) k++;
        }
    }
    text[length] = '\0';
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    xmlFreeDoc(tree);
    return text;
}

static void test_words_of_paragraphs(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        size_t bytes, wanted_count, found_count, missing = 0;
        char *page = read_shared(pages[i].name, &bytes), *text;
        lam_error error;
        assert_int_equal(article_of(page, bytes, &text, &error), LAM_OK);
        char *paragraphs = paragraphs_of(page, bytes);
        word *wanted = words_of(paragraphs, &wanted_count);
        word *found = words_of(text, &found_count);
        for (size_t w = 0, f = 0; w < wanted_count; w++) {
            int order = -1;
            while (f < found_count && (order = compare_words(&wanted[w], &found[f])) > 0) f++;
            if (f < found_count && order == 0)
                f++;
            else
                missing++;
        }
        print_message("%s: %zu words in paragraphs, %zu not in the text\n", pages[i].name,
                      wanted_count, missing);
        assert_true(wanted_count > 100);
        assert_true(missing * 100 <= wanted_count);
        free(wanted);
        free(found);
        free(paragraphs);
        free(text);
        free(page);
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
        cmocka_unit_test(test_shared_pages),
        cmocka_unit_test(test_words_of_paragraphs),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    xmlCleanupParser();
    return failures;
}
