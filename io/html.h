// What is read of an HTML page: the published cut of a Wikipedia page, or the article as text.
#ifndef LAM_HTML_H
#define LAM_HTML_H

#include "src/error.h"

#include <stddef.h>

// In the order of the option's choices: html: clip | article.
typedef enum lam_html_mode { LAM_HTML_CLIP, LAM_HTML_ARTICLE } lam_html_mode;

// The published cut, tags kept: *start .. *start + *length - 1 is the part of page from the first
// mw-body-content up to the first id="References" after it. Nothing is copied. LAM_INPUT, with the
// marker's name in the line, where one is missing (the published code then cuts at the last
// character, to no one's use).
LAM_CHECKED lam_code lam_html_clip(const char *page, size_t bytes, const char **start,
                                   size_t *length, lam_error *error);

// The readable text of a page as UTF-8: *text is to be freed by the caller, a NUL after its *length
// bytes; *replaced counts the U+FFFD that stand for what could not be decoded (io/charset.h says
// how the encoding is found).
//
// Of a MediaWiki page the text is that of id="mw-content-text", else of class mw-parser-output,
// else of class mw-body-content (Parsoid's body); of any other page it is all of it. Its lines are
// laid out as a browser copies them (the HTML standard's innerText): white space, no-break spaces
// among it, collapses; headings, paragraphs, quotes, tables and figures have an empty line around
// them; list items, table rows (an infobox's too), captions and other blocks a line of their own;
// cells are divided by tabs; preformatted text is kept as it is.
//
// Left out: scripts, styles, images, maths (MathML, its fallback image, TeX), comments, hidden
// elements; navigation (boxes, bars, side bars, contents, portals, sister projects, hatnotes such
// as "Main article: ...", message boxes, categories), edit links, what is marked as not for print
// ("[citation needed]"); reference marks, reference lists and bibliographies; coordinates of the
// page's title; and headings that nothing follows once all that is gone.
//
// Errors: LAM_INPUT if there is no text, or if elements are nested deeper than 1,024 or a tag has
// more than 1,024 attributes (beyond all sense, and beyond what is parsed in linear time).
LAM_CHECKED lam_code lam_html_article(const char *page, size_t bytes, char **text, size_t *length,
                                      size_t *replaced, lam_error *error);

#endif
