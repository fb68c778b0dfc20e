#include "io/html_element.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int compare_names(const void *name, const void *entry) {
    return strcmp(name, ((const lam_html_element *)entry)->name);
}

const lam_html_element *lam_html_element_find(const char *name) {
    // Sorted by name.
    static const lam_html_element elements[] = {
        {"address", 1, false},    {"annotation", 0, true},  {"annotation-xml", 0, true},
        {"applet", 0, true},      {"article", 1, false},    {"aside", 1, false},
        {"audio", 0, true},       {"blockquote", 2, false}, {"button", 0, true},
        {"canvas", 0, true},      {"caption", 1, false},    {"center", 1, false},
        {"datalist", 0, true},    {"dd", 1, false},         {"details", 1, false},
        {"dir", 1, false},        {"div", 1, false},        {"dl", 1, false},
        {"dt", 1, false},         {"embed", 0, true},       {"fieldset", 1, false},
        {"figcaption", 1, false}, {"figure", 2, false},     {"footer", 1, true},
        {"form", 1, false},       {"h1", 2, false},         {"h2", 2, false},
        {"h3", 2, false},         {"h4", 2, false},         {"h5", 2, false},
        {"h6", 2, false},         {"head", 0, true},        {"header", 1, false},
        {"hgroup", 1, false},     {"hr", 2, false},         {"iframe", 0, true},
        {"legend", 1, false},     {"li", 1, false},         {"listing", 2, false},
        {"main", 1, false},       {"map", 0, true},         {"math", 0, true},
        {"menu", 1, false},       {"nav", 1, true},         {"noframes", 0, true},
        {"noscript", 0, true},    {"object", 0, true},      {"ol", 1, false},
        {"optgroup", 0, true},    {"option", 0, true},      {"p", 2, false},
        {"pre", 2, false},        {"script", 0, true},      {"section", 1, false},
        {"select", 0, true},      {"style", 0, true},       {"summary", 1, false},
        {"svg", 0, true},         {"table", 2, false},      {"template", 0, true},
        {"textarea", 0, true},    {"title", 0, true},       {"tr", 1, false},
        {"ul", 1, false},         {"video", 0, true},       {"xmp", 2, false},
    };
    return bsearch(name, elements, sizeof elements / sizeof elements[0], sizeof elements[0],
                   compare_names);
}

// MediaWiki's classes and ids, past and present and of several wikis, of what is not the article.
static const char *const dropped_words[] = {
    // navigation
    "navbox", "navbox-styles", "vertical-navbox", "navbar", "navigation-not-searchable", "sidebar",
    "toc", "mw-toc", "portal", "portalbox", "portal-bar", "bandeau-portail", "sistersitebox",
    "sisterproject", "sister-bar", "sisterlinks", "side-box", "mbox-small", "hatnote", "dablink",
    "rellink", "mw-jump-link", "mw-jump", "jump-to-nav", "catlinks", "printfooter", "siteSub",
    "contentSub", "mw-indicators", "authority-control", "coordinates",
    // messages to editors, edit links
    "ambox", "tmbox", "ombox", "cmbox", "fmbox", "asbox", "metadata", "mw-editsection",
    "mw-editsection-like", "editsection", "mw-ext-cite-error",
    // references
    "reference", "mw-ref", "references", "reflist", "refbegin", "mw-references-wrap",
    "mw-references", "mw-cite-backlink",
    // maths source, and what the site's style sheets hide
    "mwe-math-element", "tex", "katex-mathml", "MathJax_Preview", "geo-nondefault",
    "geo-multi-punct", "noteTA"};

// Whether the text up to length is word.
static bool is_word(const char *text, size_t length, const char *word) {
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

static bool is_dropped_word(const char *text, size_t length) {
    for (size_t i = 0; i < sizeof dropped_words / sizeof dropped_words[0]; i++)
        if (is_word(text, length, dropped_words[i])) return true;
    return false;
}

// The next blank-divided word of *text, or NULL; *text moves behind it.
static const char *next_word(const char **text, size_t *length) {
    const char *word = *text + strspn(*text, " \t\n\r\f");
    *length = strcspn(word, " \t\n\r\f");
    *text = word + *length;
    return *length ? word : NULL;
}

static bool is_hidden_by(const char *style) {
    for (; (style = strcasestr(style, "display")) != NULL; style++) {
        const char *value = style + strlen("display");
        value += strspn(value, " \t\n\r\f");
        if (*value++ != ':') continue;
        value += strspn(value, " \t\n\r\f");
        if (strncasecmp(value, "none", 4) == 0) return true;
    }
    return false;
}

static void read_classes(const char *name, const char *classes, lam_html_traits *found) {
    size_t length;
    for (const char *word; (word = next_word(&classes, &length)) != NULL;) {
        if (is_dropped_word(word, length)) found->dropped = true;
        // Some wikis mark words of the running text so, by spans and marks.
        if (is_word(word, length, "noprint") && strcmp(name, "span") && strcmp(name, "mark"))
            found->dropped = true;
        if (is_word(word, length, "sfrac")) found->fraction = true;
        if (is_word(word, length, "mw-body-content") && found->rank < LAM_HTML_BODY_CONTENT)
            found->rank = LAM_HTML_BODY_CONTENT;
        if (is_word(word, length, "mw-parser-output") && found->rank < LAM_HTML_PARSER_OUTPUT)
            found->rank = LAM_HTML_PARSER_OUTPUT;
    }
}

lam_html_traits lam_html_traits_of(const char *name, const unsigned char **attributes) {
    lam_html_traits found = {.rank = LAM_HTML_WHOLE_PAGE};
    for (; attributes && attributes[0]; attributes += 2) {
        const char *key = (const char *)attributes[0];
        const char *value = attributes[1] ? (const char *)attributes[1] : "";
        if (strcmp(key, "class") == 0) {
            read_classes(name, value, &found);
        } else if (strcmp(key, "id") == 0) {
            if (is_dropped_word(value, strlen(value))) found.dropped = true;
            if (strcmp(value, "mw-content-text") == 0) found.rank = LAM_HTML_CONTENT_TEXT;
        } else if (strcmp(key, "style") == 0) {
            if (is_hidden_by(value)) found.hidden = true;
        } else if (strcmp(key, "role") == 0) {
            if (strcmp(value, "navigation") == 0) found.dropped = true;
        } else if (strcmp(key, "hidden") == 0) {
            // A section that is folded in on small screens says until-found.
            if (strcasecmp(value, "until-found") != 0) found.hidden = true;
        }
    }
    return found;
}
