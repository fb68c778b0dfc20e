// MediaWiki's wikitext as plain text: the prose that a reader of the page sees.
#ifndef LAM_WIKITEXT_H
#define LAM_WIKITEXT_H

#include "error.h"

#include <stddef.h>

// What a wiki calls its namespaces of files, media and categories: links that begin with such a
// name are left out. The English names, "Image" and its like in some languages always count.
typedef struct lam_wikitext_site {
    const char *const *dropped; // [dropped_count] UTF-8, in any case of letters
    size_t dropped_count;
} lam_wikitext_site;

// *text = the plain text of wikitext, to be freed by the caller, a NUL after its *length bytes; of
// valid UTF-8 it is valid UTF-8. site may be NULL. No text at all is no error: *length is 0 then.
//
// In: the text of paragraphs, headings, list items, links (inner and outer), quotes; nowiki and pre
// as they stand. Entities are decoded. Out: comments; templates (but for a few that wrap a word or
// stand for a character: lang, nowrap, convert, ndash, ...); tables; references; files, media,
// categories and links to other languages' pages; maths, code listings, galleries and their like;
// tags and bold or italic marks; magic words; headings that nothing follows once that is gone.
// Chinese variants (-{...}-) are read as the first one. What stands unclosed is text, without its
// marks: but for what nowiki, pre and entities bring in, the result never has {{ }} [[ ]] '' or
// <ref in it.
//
// Paragraphs and headings have an empty line between them, list items and <br> a line of their own;
// white space collapses, and a full text ends with one newline. Time and memory are in proportion
// to bytes, whatever is nested in what. Pure; for any number of threads at once. LAM_MEMORY.
LAM_CHECKED lam_code lam_wikitext_plain(const char *wikitext, size_t bytes,
                                        const lam_wikitext_site *site, char **text, size_t *length,
                                        lam_error *error);

#endif
