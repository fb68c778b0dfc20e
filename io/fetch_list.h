// Lists of titles or addresses, one a line.
#ifndef LAM_FETCH_LIST_H
#define LAM_FETCH_LIST_H

#include "src/arena.h"
#include "src/error.h"
#include "src/option.h"

// The lines of a file, without white space around them; empty ones and those that begin with # are
// left out. Owned by arena. LAM_IO if it cannot be read, LAM_INPUT for a line that is not UTF-8 or
// too long, with its number, LAM_MEMORY.
LAM_CHECKED lam_code lam_fetch_list(const char *path, lam_strings *lines, lam_arena *arena,
                                    lam_error *error);

#endif
