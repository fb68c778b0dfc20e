// What the files of wikitext share. First the markup is resolved (wikitext.c), which leaves lines;
// then these are laid out (wikitext_lines.c).
#ifndef LAM_WIKITEXT_PARTS_H
#define LAM_WIKITEXT_PARTS_H

#include "wikitext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Control characters are no part of wikitext: between the two steps they carry what follows.
enum {
    LAM_WIKI_GONE = 0x1d,  // a template, a reference or the like was here
    LAM_WIKI_BREAK = 0x1e, // a line ends here, and the paragraph goes on
};

// A character that is text, whatever it looks like, as the control character that stands for it; a
// character that could not be taken for markup is itself.
char lam_wiki_protect(char c);
// The other way.
char lam_wiki_unprotect(char c);

typedef enum lam_wiki_tag_kind {
    LAM_WIKI_TEXT,    // no tag: what looks like one is text
    LAM_WIKI_INLINE,  // the tag goes, what is in it stays
    LAM_WIKI_BLOCK,   // likewise, and begins or ends a paragraph
    LAM_WIKI_LINE,    // <br>
    LAM_WIKI_LITERAL, // what is in it is text as it stands
    LAM_WIKI_DROPPED, // with all that is in it
} lam_wiki_tag_kind;

enum { LAM_WIKI_TAGS = 128 }; // more than there are

// The kind of the tag of that name, and in *number which one of all it is.
lam_wiki_tag_kind lam_wiki_tag(const char *name, size_t bytes, size_t *number);

// What a template leaves of its body ("lang|fr|mot", inner templates resolved), which is part of it
// or static. False: nothing.
bool lam_wiki_template(const char *body, size_t bytes, const char **kept, size_t *kept_bytes);

// Whether a template of this body ends a table ("end", "s-end").
bool lam_wiki_ends_table(const char *body, size_t bytes);

// Whether a link with this body ("File:a.jpg|thumb|a caption") is left out.
bool lam_wiki_link_dropped(const char *body, size_t bytes, const lam_wikitext_site *site);

// The text of an entity at text ("&amp;", "&#8211;"), with its characters protected: its bytes in
// utf8 and their number in *made; the result is how many bytes of text it takes up, 0 if it is
// none.
size_t lam_wiki_entity(const char *text, size_t bytes, char utf8[4], size_t *made);

// Lays lines out: writes the plain text to out, which has room for 2 * bytes + 2, and returns its
// length.
size_t lam_wiki_lay_out(const char *lines, size_t bytes, char *out);

#endif
