// What HTML's elements and MediaWiki's attributes say of the text in them.
#ifndef LAM_HTML_ELEMENT_H
#define LAM_HTML_ELEMENT_H

#include <stdbool.h>

// How surely an element is the one that holds a page's article.
typedef enum lam_html_rank {
    LAM_HTML_WHOLE_PAGE,    // any element
    LAM_HTML_BODY_CONTENT,  // class mw-body-content: MediaWiki's skins; Parsoid's <body>
    LAM_HTML_PARSER_OUTPUT, // class mw-parser-output: the article and a few fragments around it
    LAM_HTML_CONTENT_TEXT,  // id mw-content-text: once a page
} lam_html_rank;

typedef struct lam_html_element {
    const char *name;
    int newlines; // wanted before and after it: 0, 1, or 2 for an empty line
    bool dropped; // with all that is in it
} lam_html_element;

// What is known of an element by its name (in lower case); NULL of one that is plain inline text.
const lam_html_element *lam_html_element_find(const char *name);

typedef struct lam_html_traits {
    bool dropped;  // is no part of the article
    bool hidden;   // is not shown
    bool fraction; // is a fraction that is drawn with a bar
    lam_html_rank rank;
} lam_html_traits;

// What an element's attributes say of it: names and values in turn, ended by a NULL name, as
// libxml2 has them, or NULL.
lam_html_traits lam_html_traits_of(const char *name, const unsigned char **attributes);

#endif
