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
    size_t stream;                 // of lam_dump_plan's
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

// Those who read a dump together, each some of its streams.
typedef struct lam_dump_share {
    size_t rank, size;
    // Closes a stage: each brings its code, all leave with one; flag[i] becomes true for all where
    // it is for any. Collective over the share.
    lam_code (*any)(void *user, lam_code code, bool *flag, size_t count, lam_error *error);
    void *user;
} lam_dump_share;

// What is to be read of a dump, known before it is.
typedef struct lam_dump_plan {
    const char *path;
    int64_t limit;    // articles; 0: no limit
    uint64_t *stream; // [streams] where those begin that may have wanted articles, in their order;
    size_t streams;   // 0: the dump is no multistream dump with an index, and is read in one go
    bool all_streams; // they are all there are
    int64_t *id;      // [ids] of the wanted pages, in order; NULL: of all
    size_t ids;
} lam_dump_plan;

// Finds out what is to be read. Where a multistream dump has its index, streams are read by
// themselves, and of a sample only those that may have a wanted article. index: its path; NULL: it
// may lie beside the dump (dump_index.h). A sample takes a pass over these, or over the whole dump;
// the others of the share (NULL: nobody) take their part of it. To be destroyed, whatever is
// returned. path is kept by reference. Errors as lam_dump_read.
LAM_CHECKED lam_code lam_dump_plan_create(const char *path, const char *index,
                                          const lam_dump_choice *choice,
                                          const lam_dump_share *share, lam_dump_plan *plan,
                                          lam_error *error);

// Gives the wanted articles to take, in the order of the dump: of every step-th stream from first
// on, or, of a plan without streams, all. Not collective. *count: how many there were.
LAM_CHECKED lam_code lam_dump_plan_read(const lam_dump_plan *plan, size_t first, size_t step,
                                        lam_dump_take take, void *user, int64_t *count,
                                        lam_error *error);
void lam_dump_plan_destroy(lam_dump_plan *plan);

// LAM_INPUT: there was none.
LAM_CHECKED lam_code lam_dump_no_article(const char *path, lam_error *error);

// All of it by one: gives each wanted article of a dump to take, in the order of the dump. UTF-8
// and UTF-16. Not collective; reads nothing but the dump and its index. Errors name the file:
// LAM_IO, LAM_MEMORY, LAM_INPUT if it is no dump, cut short, damaged, has no article, or a page
// beyond all sense (a document type declaration, wikitext beyond LAM_DUMP_LONGEST); what take
// returns; LAM_USAGE for both limit and sample.
LAM_CHECKED lam_code lam_dump_read(const char *path, const lam_dump_choice *choice,
                                   lam_dump_take take, void *user, lam_error *error);

#endif
