// The articles of a wiki's dump (MediaWiki's XML export), streamed: memory does not depend on the
// dump's size.
#ifndef LAM_DUMP_H
#define LAM_DUMP_H

#include "src/error.h"
#include "src/wikitext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAM_DUMP_LONGEST = 8 << 20 }; // bytes of a page's wikitext (MediaWiki's own limit is 2 MiB)

// A page of the main namespace that is no redirect and written in wikitext; of several revisions
// the last. All belongs to the reader.
typedef struct lam_dump_article {
    int64_t id; // the page's; of the n-th page of a dump that has none, -n
    const char *wikitext;
    size_t bytes;
    const lam_wikitext_site *site; // the namespaces, for lam_wikitext_plain
} lam_dump_article;

// Is given each article in turn. *stop = true: no more of them.
typedef lam_code (*lam_dump_take)(void *user, const lam_dump_article *article, bool *stop,
                                  lam_error *error);

// Which articles are wanted: all where both numbers are 0; or the first `limit`; or `sample` of
// them, drawn so that each has the same chance. The draw gives each page a number by (seed, its id)
// and takes the smallest, so it does not depend on how the dump is read.
typedef struct lam_dump_choice {
    int64_t limit, sample;
    uint64_t seed;
} lam_dump_choice;

// Whether the name is a dump's: it ends in .xml or .bz2.
bool lam_dump_named(const char *path);

// Gives each wanted article of a dump to take, in the order of the dump. A sample takes two passes;
// where the index of a multistream dump lies beside it (NAME-multistream-index.txt[.bz2] for
// NAME-multistream.xml.bz2), only those streams are unpacked that may hold wanted articles. UTF-8
// and UTF-16. Not collective; reads nothing but these two files. Errors name the file: LAM_IO,
// LAM_MEMORY, LAM_INPUT if it is no dump, cut short, damaged, has no article, or a page beyond all
// sense (a document type declaration, wikitext beyond LAM_DUMP_LONGEST); what take returns;
// LAM_USAGE for both limit and sample.
LAM_CHECKED lam_code lam_dump_read(const char *path, const lam_dump_choice *choice,
                                   lam_dump_take take, void *user, lam_error *error);

#endif
