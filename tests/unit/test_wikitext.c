// Wikitext as plain text: one kind of markup after the other, whole articles, hostile input.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/utf8.h"
#include "src/wikitext.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *plain_of(const char *wikitext, size_t bytes, const lam_wikitext_site *site,
                      size_t *length) {
    lam_error error = {0};
    char *text = NULL;
    // Exactly as long as it is said to be, for the address sanitizer.
    char *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    memcpy(copy, wikitext, bytes);
    assert_int_equal(lam_wikitext_plain(copy, bytes, site, &text, length, &error), LAM_OK);
    assert_non_null(text);
    assert_int_equal(text[*length], '\0');
    free(copy);
    return text;
}

static void assert_plain_at(const char *wikitext, const lam_wikitext_site *site,
                            const char *expected) {
    size_t length;
    char *text = plain_of(wikitext, strlen(wikitext), site, &length);
    if (strcmp(text, expected) != 0)
        fail_msg("of \"%s\":\n\"%s\" where this is expected:\n\"%s\"", wikitext, text, expected);
    assert_int_equal(length, strlen(expected));
    free(text);
}

static void assert_plain(const char *wikitext, const char *expected) {
    assert_plain_at(wikitext, NULL, expected);
}

static void test_links(void **state) {
    (void)state;
    assert_plain("The [[river]] runs to the [[North Sea|sea]].", "The river runs to the sea.\n");
    assert_plain("two [[apple]]s and a [[mill]]stone", "two apples and a millstone\n");
    assert_plain("see [[:Category:Mills]] and [[:File:Mill.jpg|this]]",
                 "see Category:Mills and this\n");
    assert_plain("[[#History|above]] [[Mill#Wheels]] [[Mill|]]", "above Mill#Wheels Mill\n");
    assert_plain("a [https://example.org/a_b?c=d the mill's page] b [http://example.org] c",
                 "a the mill's page b c\n");
    assert_plain("[//example.org so] and [sic] and [mailto:a@example.org A]",
                 "so and [sic] and A\n");
    assert_plain("https://example.org/plain stays", "https://example.org/plain stays\n");
    assert_plain("[http://example.org a [[link]] in it]", "a link in it\n");
    assert_plain("Mill\n[[fr:Moulin]]\n[[zh-yue:磨坊]]\n[[simple:Mill]]", "Mill\n");
    assert_plain("[[wikt:mill|mill]] and [[S:Mill]]", "mill and S:Mill\n");
}

static void test_files_and_categories(void **state) {
    (void)state;
    static const char *const names[] = {"Файл", "Категория", "カテゴリ"};
    const lam_wikitext_site site = {names, 3};
    assert_plain("[[File:Mill.jpg|thumb|A [[mill]] of [[Delft]], {{circa|1650}} "
                 "[http://example.org x]]]Text\n[[Category:Mills| ]]\n[[image:a.png]]",
                 "Text\n");
    assert_plain_at("[[Файл:Мелница.jpg|мини|Стара [[мелница]]]]Мелницата мели.\n"
                    "[[категория:Мелници]]",
                    &site, "Мелницата мели.\n");
    assert_plain_at("水車は回る。\n[[カテゴリ:水車]]", &site, "水車は回る。\n");
    assert_plain("[[File talk:Mill]] [[Filer|not a file]]", "File talk:Mill not a file\n");
    assert_plain("<gallery>\nFile:a.jpg|One\nFile:b.jpg|Two\n</gallery>after", "after\n");
}

static void test_templates(void **state) {
    (void)state;
    assert_plain("{{Infobox mill\n| name = {{nowrap|The {{lang|nl|Gekroonde Poelenburg}}}}\n"
                 "| built = 1867\n|}}\nThe mill{{citation needed|date=May 2015}} saws.",
                 "The mill saws.\n");
    assert_plain("a{{b|{{c|{{d}}}}|e}}f{{{parameter|default}}}g {{{{{x}}}}}h", "afg h\n");
    assert_plain("The {{lang|nl|molen}} is {{convert|12.5|m|ft}} high{{ndash}}or so, {{nowrap|12 "
                 "men}} say {{formatnum:1234567}}.",
                 "The molen is 12.5 m high\u2013or so, 12 men say 1234567.\n");
    assert_plain("{{convert|10|to|20|km}} {{Lang-nl|molen}} {{'}} {{transl|ru|melnitsa}}",
                 "molen ' melnitsa\n");
    assert_plain("{{quote|text=It mills.|author=Me}}{{quote|1=It grinds.}}", "It grinds.\n");
    // What stood in brackets and is gone takes them along.
    assert_plain("Mills ({{IPA|mɪlz}}) grind ({{lang-nl|}}; {{x}}, singular mill) x (a{{y}}).",
                 "Mills grind (singular mill) x (a).\n");
    assert_plain("水車（{{lang|en|}}）は（{{読み仮名}}、みずぐるま）", "水車は（みずぐるま）\n");
    assert_plain("main() is a function", "main() is a function\n");
    assert_plain("a {{x}}, b {{y}}. c", "a, b. c\n");
}

static void test_tables(void **state) {
    (void)state;
    assert_plain("before\n{| class=\"wikitable\"\n|-\n! Name !! Year\n|-\n| [[A]] || 1867\n"
                 "{| \n| inner\n|}\n| {{x|\n|}}\n|}\nafter",
                 "before\n\nafter\n");
    assert_plain(":{|\n| a\n|}\nafter", "after\n");
    assert_plain("{| \n|a\n{{end}}\nText", "Text\n");
    assert_plain("{| never closed\n| a cell\n\nText stays", "Text stays\n");
    assert_plain("x <table><tr><td>cell</td></tr></table> y", "x y\n");
    assert_plain("|}\nx {| y |} z", "x {| y |} z\n");
}

static void test_tags(void **state) {
    (void)state;
    assert_plain(
        "Fact.<ref>Book, p. 7 [[x]] {{y</ref> More.<ref name=\"a\" /> End<ref name=a>b</ref >.",
        "Fact. More. End.\n");
    assert_plain("x<!-- a [[ {{ --> y<!-- never closed", "x y\n");
    assert_plain("one\n<!-- alone on its line -->\ntwo", "one two\n");
    assert_plain("E = <math>m {c}^2</math> and H<sub>2</sub>O, <small>small</small> <B>bold</B>",
                 "E = and H2O, small bold\n");
    assert_plain("one<br/>two<BR >three", "one\ntwo\nthree\n");
    assert_plain("a <div class=\"x\">b</div> c", "a\n\nb\n\nc\n");
    assert_plain("1 < 2 and a <b and <unknown>tag</unknown>",
                 "1 < 2 and a <b and <unknown>tag</unknown>\n");
    assert_plain("<syntaxhighlight lang=\"c\">int a[[]];</syntaxhighlight>code", "code\n");
    assert_plain("<nowiki>[[not a link]] ''</nowiki> <nowiki/>x", "[[not a link]] '' x\n");
    assert_plain("<pre>\none\n  {{two}}</pre>", "one\n{{two}}\n");
    assert_plain("<ref>never closed and <ref name=x", "never closed and name=x\n");
    assert_plain("__NOTOC__ __ИНДЕКС__ snake__case __init__", "snake__case __init__\n");
    assert_plain("<references>\n<ref name=a>b</ref>\n</references>x", "x\n");
}

static void test_quotes_and_entities(void **state) {
    (void)state;
    assert_plain("'''Bold''', ''italic'', '''''both''''', it's l''''eau'''",
                 "Bold, italic, both, it's l'eau\n");
    assert_plain(
        "&quot;A&nbsp;&amp;&nbsp;B&quot; 3&ndash;4 &#8364;5 &#x1F600; &eacute; &lt;ref&gt;",
        "\"A & B\" 3\u20134 \u20ac5 \U0001F600 \u00e9 <ref>\n");
    assert_plain("AT&T &unknown; &#0; &#xD800; &#99999999999; & ;",
                 "AT&T &unknown; &#0; &#xD800; &#99999999999; & ;\n");
    assert_plain("&#91;&#91;x]] &#123;&#123;", "[[x {{\n");
    assert_plain("a\u00a0b\tc   d", "a b c d\n");
}

static void test_lines(void **state) {
    (void)state;
    assert_plain("One\ngoes on.\n\nTwo.\n\n\n\nThree.", "One goes on.\n\nTwo.\n\nThree.\n");
    assert_plain("Intro\n== History ==\nOld.\n===Wheels===\nRound.",
                 "Intro\n\nHistory\n\nOld.\n\nWheels\n\nRound.\n");
    assert_plain("List:\n* one\n** two\n# three\n; term: text\n:indented\n*\nend",
                 "List:\none\ntwo\nthree\nterm: text\nindented\nend\n");
    // A heading goes if nothing follows it, or only a heading of its own level or above.
    assert_plain(
        "Text\n== See ==\n=== More ===\n{{x}}\n== References ==\n{{reflist}}\n== Links ==\n"
        "* here\n== End ==\n<references/>",
        "Text\n\nLinks\n\nhere\n");
    assert_plain("a\n----\nb", "a\n\nb\n");
    assert_plain("x = y =", "x = y =\n");
    assert_plain("", "");
    assert_plain("{{stub}}\n[[Category:x]]\n", "");
    assert_plain("a\r\nb\r\n\r\nc", "a b\n\nc\n");
}

static void test_scripts(void **state) {
    (void)state;
    assert_plain("'''Мелница''' е [[машина]] за ''мелене''.{{източник}} [[Река|Реката]] тече.",
                 "Мелница е машина за мелене. Реката тече.\n");
    assert_plain(
        "'''水車小屋'''は、[[川]]の<ref>本</ref>水で[[粉|粉]]を挽く。\n\n== 歴史 ==\n古い。",
        "水車小屋は、川の水で粉を挽く。\n\n歴史\n\n古い。\n");
    assert_plain("'''الطاحونة''' [[آلة]] تطحن [[قمح|القمح]]{{بحاجة لمصدر}}.",
                 "الطاحونة آلة تطحن القمح.\n");
    assert_plain("-{zh-hans:磨坊里的软件;zh-hant:磨坊裡的軟體}-很好，-{磨}-转-{T|zh:x}-。",
                 "磨坊里的软件很好，磨转。\n");
    assert_plain("'''חווה''' ו[[טחנה|טחנת קמח]] &ndash; ישנה", "חווה וטחנת קמח \u2013 ישנה\n");
}

// Marks that do not match leave their text, and never themselves.
static void test_unbalanced(void **state) {
    (void)state;
    static const char *const marks[] = {"{{", "}}", "[[", "]]", "''", "<ref"};
    static const char *const pieces[] = {
        "{{",    "}}", "[[",        "]]",   "'",   "''",   "'''", "{|", "|}",      "\n", "|",
        "<ref>", "<",  "ref",       "{",    "}",   "[",    "]",   "x ", "</ref>",  "==", "-{",
        "}-",    "*",  "http://a ", "<!--", "-->", "<br>", "(",   ")",  "lang|a|", ":"};
    enum { PIECES = sizeof pieces / sizeof pieces[0], LENGTH = 40 };
    uint64_t random = 1;
    assert_plain("a {{b and [[c", "a b and c\n");
    assert_plain("a }} b ]] c", "a b c\n");
    for (int n = 0; n < 20000; n++) {
        char wikitext[LENGTH * 16] = "";
        for (int i = 0; i < LENGTH; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            strcat(wikitext, pieces[(random >> 33) % PIECES]);
        }
        size_t length;
        char *text = plain_of(wikitext, strlen(wikitext), NULL, &length);
        for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
            if (strcasestr(text, marks[i]))
                fail_msg("%s in \"%s\" of \"%s\"", marks[i], text, wikitext);
        for (size_t i = 0; i < length; i++)
            assert_true((uint8_t)text[i] >= 0x20 || text[i] == '\n');
        free(text);
    }
}

// [count] pieces, `middle`, [count] ends.
static char *nested(const char *piece, const char *middle, const char *end, size_t count) {
    char *all = malloc(count * (strlen(piece) + strlen(end)) + strlen(middle) + 1), *at = all;
    assert_non_null(all);
    for (size_t i = 0; i < count; i++) at = stpcpy(at, piece);
    at = stpcpy(at, middle);
    for (size_t i = 0; i < count; i++) at = stpcpy(at, end);
    return all;
}

// Time in proportion to length, whatever is nested: quadratic time would exceed the test's limit.
static void test_hostile_nesting(void **state) {
    (void)state;
    static const char *const cases[][3] = {
        {"{{", "x", "}}"},        {"[[", "x", "]]"},        {"{{", "x", ""},
        {"[[a|", "x", "]]"},      {"{|\n", "x", "\n|}"},    {"{{nowrap|", "x", "}}"},
        {"<ref>", "x", ""},       {"<ref>", "x", "</ref>"}, {"<!--", "x", ""},
        {"[http://a ", "x", "]"}, {"-{a:", "x", "}-"},      {"''", "x", "'''"},
        {"<nowiki>", "x", ""},    {"<b ", "x", ">"},        {"&", "x", ";"},
        {"({{x}}", "x", ")"},     {"=", "x", "="},          {"*", "x", "\n"},
        {"[[File:", "x", "]]"},   {"__A", "x", "__"},       {":{|", "x", "|}"},
        {"{{{{{", "x", "}}}"},    {"\n== a ==", "x", "\n"}, {"<pre>&lt;", "x", "</pre>"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *wikitext = nested(cases[i][0], cases[i][1], cases[i][2], 100000);
        size_t length;
        free(plain_of(wikitext, strlen(wikitext), NULL, &length));
        free(wikitext);
    }
}

// Every byte, alone and among marks; the end of the text within every mark.
static void test_any_bytes(void **state) {
    (void)state;
    static const char all[] = "a [[b|c]] {{d|{{lang|e|f}}}} '''g''' <ref name=\"h\">i</ref> &amp; "
                              "-{j:k;l:m}- [http://n o] <nowiki>p</nowiki> {{{q}}}\n{|\n|r\n|}\n"
                              "== s ==\n* t <!-- u --> __V__ <br/> （{{w}}） \xc2\xa0\xe6\xb0\xb4";
    size_t length;
    for (size_t bytes = 0; bytes < sizeof all; bytes++) free(plain_of(all, bytes, NULL, &length));
    for (size_t from = 0; from < sizeof all; from++)
        free(plain_of(all + from, sizeof all - 1 - from, NULL, &length));
    for (int c = 0; c < 256; c++) {
        char text[8] = {'x', (char)c, '{', (char)c, '[', (char)c, '&', (char)c};
        free(plain_of(text, sizeof text, NULL, &length));
    }
    char *text = plain_of(all, sizeof all - 1, NULL, &length);
    assert_int_equal(lam_utf8_valid(text, length), length);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),      cmocka_unit_test(test_files_and_categories),
        cmocka_unit_test(test_templates),  cmocka_unit_test(test_tables),
        cmocka_unit_test(test_tags),       cmocka_unit_test(test_quotes_and_entities),
        cmocka_unit_test(test_lines),      cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_unbalanced), cmocka_unit_test(test_hostile_nesting),
        cmocka_unit_test(test_any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
