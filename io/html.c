#include "io/html.h"

#include "io/charset.h"
#include "io/html_element.h"

#include <ctype.h>
#include <libxml/HTMLparser.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEEPEST = 1024, MOST_ATTRIBUTES = 1024, HEADING_LEVELS = 6 };

lam_code lam_html_clip(const char *page, size_t bytes, const char **start, size_t *length,
                       lam_error *error) {
    static const char first[] = "mw-body-content", last[] = "id=\"References\"";
    static const char remedy[] = "clip wants a Wikipedia page as served: use html: article";
    const char *from = memmem(page, bytes, first, strlen(first));
    if (!from) return lam_fail(error, LAM_INPUT, "there is no %s in the page; %s", first, remedy);
    size_t left = bytes - (size_t)(from - page);
    const char *to = memmem(from, left, last, strlen(last));
    if (!to)
        return lam_fail(error, LAM_INPUT, "there is no %s after %s in the page; %s", last, first,
                        remedy);
    *start = from;
    *length = (size_t)(to - from);
    return LAM_OK;
}

// The text as it grows, and where in the page the parser is. Depths count open elements; an element
// at depth n is open as long as the parser's stack holds n names or more. (The parser may drop an
// element from its stack without a word, so that ends are not to be counted.)
typedef struct article {
    htmlParserCtxtPtr parser;
    char *text;
    size_t length, room;
    int newlines; // due before the next character: 0, 1, or 2 for an empty line
    bool space;   // likewise, where no newline is
    bool tab;     // a table's cell began or ended here, and no character has followed
    lam_html_rank rank;
    bool outside;                                   // the root has ended
    int root, skipped, verbatim, heading, fraction; // depths of such elements, 0: in none
    size_t empty_heading[HEADING_LEVELS];   // where headings begin that no text has followed yet
    int empty_level[HEADING_LEVELS], empty; // their levels, increasing; how many there are
    bool too_deep, no_memory;
} article;

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static void append(article *page, const char *bytes, size_t count) {
    if (page->room - page->length <= count) {
        size_t room = 2 * page->room + count + 1;
        char *text = realloc(page->text, room);
        if (!text) {
            page->no_memory = true;
            if (page->parser) xmlStopParser(page->parser);
            return;
        }
        page->text = text;
        page->room = room;
    }
    memcpy(page->text + page->length, bytes, count);
    page->length += count;
}

static void trim_end(article *page) {
    while (page->length > 0 && is_blank(page->text[page->length - 1])) page->length--;
}

// Writes the white space that is due before a character.
static void append_gap(article *page) {
    if (page->heading == 0) page->empty = 0;
    if (page->newlines > 0) trim_end(page);
    if (page->length > 0) {
        if (page->newlines > 0)
            append(page, "\n\n", (size_t)page->newlines);
        else if (page->tab)
            append(page, "\t", 1);
        else if (page->space)
            append(page, " ", 1);
    }
    page->newlines = 0;
    page->space = page->tab = false;
}

static void want_newlines(article *page, int count) {
    if (page->newlines < count) page->newlines = count;
}

// The newlines before or after an element. Those at the edges of a cell are the row's alone.
static void divide(article *page, const char *name, int newlines) {
    bool row = strcmp(name, "tr") == 0 || strcmp(name, "table") == 0;
    if (newlines == 0 || (page->tab && !row)) return;
    want_newlines(page, newlines);
    page->tab = false;
}

static bool is_cell(const char *name) {
    return strcmp(name, "td") == 0 || strcmp(name, "th") == 0;
}

// Takes back the headings at the end of the text that are not above level.
static void drop_empty_headings(article *page, int level) {
    while (page->empty > 0 && page->empty_level[page->empty - 1] >= level) {
        page->length = page->empty_heading[--page->empty];
        want_newlines(page, 2);
    }
}

// Forgets the elements that are no longer open when depth of them are.
static void settle(article *page, int depth) {
    if (page->skipped > depth) page->skipped = 0;
    if (page->verbatim > depth) page->verbatim = 0;
    if (page->heading > depth) page->heading = 0;
    if (page->fraction > depth) page->fraction = 0;
    if (page->root > depth) page->outside = true;
}

// --- the parser's events

// The text begins anew in an element that is more surely the article than what went before.
static void begin_root(article *page, lam_html_rank rank) {
    page->rank = rank;
    page->root = page->parser->nameNr;
    page->outside = false;
    page->length = 0;
    page->newlines = 0;
    page->space = page->tab = false;
    page->skipped = page->verbatim = page->heading = page->fraction = page->empty = 0;
}

static void begin_heading(article *page, int level) {
    drop_empty_headings(page, level);
    page->heading = page->parser->nameNr;
    page->empty_level[page->empty] = level;
    page->empty_heading[page->empty++] = page->length;
}

static void on_start(void *context, const xmlChar *tag, const xmlChar **attributes) {
    htmlParserCtxtPtr parser = context;
    article *page = parser->_private;
    const char *name = (const char *)tag;
    int depth = parser->nameNr;
    if (depth > DEEPEST) {
        page->too_deep = true;
        xmlStopParser(parser);
        return;
    }
    settle(page, depth - 1);
    lam_html_traits found = lam_html_traits_of(name, attributes);
    if (found.rank > page->rank && (!page->skipped || found.rank == LAM_HTML_CONTENT_TEXT)) {
        begin_root(page, found.rank);
        return;
    }
    if (page->skipped || page->outside) return;
    const lam_html_element *known = lam_html_element_find(name);
    if (known) divide(page, name, known->newlines);
    bool all = strcmp(name, "html") == 0 || strcmp(name, "body") == 0;
    // A fraction that is drawn with a bar has its stroke hidden: without it 1/3 would read 13.
    bool hidden = found.hidden && !page->fraction;
    if (found.fraction && !page->fraction) page->fraction = depth;
    if (!all && (found.dropped || hidden || (known && known->dropped))) {
        page->skipped = depth;
    } else if (strcmp(name, "br") == 0) {
        if (page->newlines < 2 && !page->tab) page->newlines++;
    } else if (is_cell(name)) {
        page->tab = true;
    } else if (!page->verbatim && (strcmp(name, "pre") == 0 || strcmp(name, "listing") == 0 ||
                                   strcmp(name, "xmp") == 0)) {
        page->verbatim = depth;
    } else if (!page->heading && name[0] == 'h' && name[1] >= '1' && name[1] <= '6' && !name[2]) {
        begin_heading(page, name[1] - '0');
    }
}

static void on_end(void *context, const xmlChar *tag) {
    htmlParserCtxtPtr parser = context;
    article *page = parser->_private;
    const char *name = (const char *)tag;
    int depth = parser->nameNr; // the element's own
    settle(page, depth);
    if (!page->outside && (!page->skipped || page->skipped == depth)) {
        const lam_html_element *known = lam_html_element_find(name);
        if (known) divide(page, name, known->newlines);
        if (is_cell(name)) {
            if (!page->tab) page->newlines = 0;
            page->tab = true;
        }
    }
    settle(page, depth - 1);
}

// Length of the white space at the beginning of text, no-break spaces among it.
static size_t blanks(const char *text, size_t length) {
    size_t at = 0;
    while (at < length) {
        if (is_blank(text[at]))
            at++;
        else if (length - at >= 2 && memcmp(text + at, "\xc2\xa0", 2) == 0)
            at += 2;
        else
            break;
    }
    return at;
}

static void append_verbatim(article *page, const char *text, size_t length) {
    // The line's end after <pre> is no part of the text.
    if (page->newlines > 0 && length > 0 && text[0] == '\n') text++, length--;
    if (length == 0) return;
    append_gap(page);
    append(page, text, length);
}

static void on_text(void *context, const xmlChar *characters, int count) {
    htmlParserCtxtPtr parser = context;
    article *page = parser->_private;
    const char *text = (const char *)characters;
    size_t length = (size_t)count;
    settle(page, parser->nameNr);
    if (page->skipped || page->outside || page->no_memory) return;
    if (page->verbatim) {
        append_verbatim(page, text, length);
        return;
    }
    while (length > 0 && !page->no_memory) {
        size_t blank = blanks(text, length);
        if (blank > 0) page->space = true;
        text += blank;
        length -= blank;
        size_t word = 0;
        while (word < length && blanks(text + word, length - word) == 0) word++;
        if (word > 0) {
            append_gap(page);
            append(page, text, word);
        }
        text += word;
        length -= word;
    }
}

// --- the whole

// Where the tag at *at ends, and how many attributes it has at most (by its words and equal signs).
static char *end_of_tag(char *at, char *end, size_t *attributes) {
    *attributes = 0;
    for (at++; at < end && *at != '>'; at++) {
        if (is_blank(*at) && !is_blank(at[-1])) ++*attributes;
        if (*at != '=') continue;
        ++*attributes;
        while (at + 1 < end && is_blank(at[1])) at++;
        if (at + 1 == end || (at[1] != '"' && at[1] != '\'')) continue;
        char *close = memchr(at + 2, at[1], (size_t)(end - at - 2));
        if (close) at = close;
    }
    return at;
}

// Makes a page, which ends with a NUL, what the parser wants: blanks for other NULs, which it would
// take for the end, and for declarations, which it would take for text (office programs write
// <![if ...]>). False if a tag has more than MOST_ATTRIBUTES: it compares each one's name with all
// before it.
static bool prepare(char *page, size_t bytes) {
    char *end = page + bytes, *at = page;
    while ((at = memchr(at, 0, (size_t)(end - at))) != NULL) *at = ' ';
    at = page;
    while (at && (at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        char *mark = at++;
        size_t attributes = 0;
        if (isalpha((unsigned char)mark[1])) {
            at = end_of_tag(mark, end, &attributes);
        } else if (strncmp(mark, "<!--", 4) == 0) {
            at = strstr(mark + 4, "-->");
        } else if (mark[1] == '!' && strncasecmp(mark + 2, "doctype", 7) != 0) {
            at = strchr(mark, '>');
            if (at) memset(mark, ' ', (size_t)(at - mark) + 1);
        }
        if (attributes > 2 * MOST_ATTRIBUTES) return false;
        // What is in these is no markup, and may be anything.
        if (strncasecmp(mark, "<script", 7) == 0)
            at = strcasestr(at, "</script");
        else if (strncasecmp(mark, "<style", 6) == 0)
            at = strcasestr(at, "</style");
    }
    return true;
}

// Runs the parser over a page in UTF-8 without NULs.
static lam_code parse(const char *utf8, size_t bytes, article *page, lam_error *error) {
    htmlSAXHandler events = {.startElement = on_start, .endElement = on_end, .characters = on_text};
    htmlParserCtxtPtr parser = htmlCreateMemoryParserCtxt(utf8, (int)bytes);
    if (!parser) return lam_fail(error, LAM_MEMORY, "memory for libxml2's parser was refused");
    page->parser = parser;
    *parser->sax = events;
    parser->_private = page;
    htmlCtxtUseOptions(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                   HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
    xmlSwitchEncoding(parser, XML_CHAR_ENCODING_UTF8);
    htmlParseDocument(parser); // its result says whether the page is without error: none is
    bool no_memory = page->no_memory || parser->errNo == XML_ERR_NO_MEMORY;
    htmlFreeParserCtxt(parser);
    page->parser = NULL;
    if (no_memory)
        return lam_fail(error, LAM_MEMORY, "memory for the text of a page of %.1f MB was refused",
                        (double)bytes / 1e6);
    if (page->too_deep)
        return lam_fail(error, LAM_INPUT,
                        "elements are nested deeper than %d: this is no page that people read; "
                        "mend it or give its text as a .txt file",
                        (int)DEEPEST);
    return LAM_OK;
}

lam_code lam_html_article(const char *page, size_t bytes, char **text, size_t *length,
                          size_t *replaced, lam_error *error) {
    char *utf8 = NULL;
    size_t utf8_bytes = 0;
    article made = {0};
    LAM_TRY(lam_charset_decode(page, bytes, &utf8, &utf8_bytes, replaced, error));
    lam_code code = LAM_OK;
    if (utf8_bytes > INT_MAX / 2)
        code = lam_fail(error, LAM_INPUT, "a page of %.0f MB is too large: split it",
                        (double)bytes / 1e6);
    else if (!prepare(utf8, utf8_bytes))
        code = lam_fail(error, LAM_INPUT,
                        "a tag has more than %d attributes: this is no page that people read; "
                        "mend it or give its text as a .txt file",
                        (int)MOST_ATTRIBUTES);
    else
        code = parse(utf8, utf8_bytes, &made, error);
    free(utf8);
    if (code == LAM_OK) {
        drop_empty_headings(&made, 1);
        trim_end(&made);
        if (made.length == 0)
            code = lam_fail(error, LAM_INPUT, "the page has no text of an article");
        else
            append(&made, "\n", 1);
        if (made.no_memory)
            code = lam_fail(error, LAM_MEMORY, "memory for the text of a page was refused");
    }
    if (code != LAM_OK) {
        free(made.text);
        return code;
    }
    made.text[made.length] = '\0'; // append leaves room for it
    *text = made.text;
    *length = made.length;
    return LAM_OK;
}
