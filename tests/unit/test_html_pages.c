// The readable text of the shared pages: phrases that are in it or are not, and the words of the
// paragraphs.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/html.h"

#include <libxml/HTMLparser.h>
#include <libxml/xpath.h>

enum { QUIET = HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET };

static char *article_of(const char *page, size_t bytes) {
    char *text;
    size_t length, replaced;
    lam_error error = {0};
    assert_int_equal(lam_html_article(page, bytes, &text, &length, &replaced, &error), LAM_OK);
    assert_int_equal(strlen(text), length);
    assert_int_equal(replaced, 0);
    return text;
}

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
        xmlDocPtr tree = htmlReadMemory(page, (int)bytes, NULL, "UTF-8", QUIET);
        char *all = (char *)xmlNodeGetContent((xmlNodePtr)tree);
        assert_non_null(all);
        text = article_of(page, bytes);
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
        text = article_of(page, bytes);
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
        cmocka_unit_test(test_shared_pages),
        cmocka_unit_test(test_words_of_paragraphs),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    xmlCleanupParser();
    return failures;
}
