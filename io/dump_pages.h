// The pages of a dump, or of some of its streams.
#ifndef LAM_DUMP_PAGES_H
#define LAM_DUMP_PAGES_H

#include "io/dump.h"
#include "io/dump_bytes.h"

// Gives the articles of a dump to take; with stream not NULL those of these streams [count],
// ascending, the first of them at 0 (where the dump's beginning is): an article's stream is its
// place in this list. Errors as lam_dump_read.
LAM_CHECKED lam_code lam_dump_pages(const char *path, const lam_dump_stream *stream, size_t count,
                                    lam_dump_take take, void *user, lam_error *error);

#endif
