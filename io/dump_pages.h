// The pages of a dump, or of some of its streams.
#ifndef LAM_DUMP_PAGES_H
#define LAM_DUMP_PAGES_H

#include "io/dump.h"

// Gives the articles of a dump to take; with stream not NULL those of the streams that begin at
// these offsets [count], ascending, the first of them 0 (where the dump's beginning is). Errors as
// lam_dump_read.
LAM_CHECKED lam_code lam_dump_pages(const char *path, const uint64_t *stream, size_t count,
                                    lam_dump_take take, void *user, lam_error *error);

#endif
