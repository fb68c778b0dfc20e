// The index of a multistream dump: for each page, where the stream begins that holds it.
#ifndef LAM_DUMP_INDEX_H
#define LAM_DUMP_INDEX_H

#include "src/arena.h"
#include "src/error.h"

#include <stdbool.h>
#include <stdint.h>

// The name that a dump's index has, by that of the dump (a path or an address):
// NAME-multistream-index.txt.bz2 for NAME-multistream.xml.bz2; NULL where the dump is no
// multistream one. Owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_dump_index_name(const char *dump, char **name, lam_arena *arena,
                                         lam_error *error);

// Whether the name is an index's.
bool lam_dump_index_named(const char *path);

// *index = the path of the index beside a dump, NULL where there is none. Owned by arena.
// LAM_MEMORY.
LAM_CHECKED lam_code lam_dump_index_find(const char *dump, char **index, lam_arena *arena,
                                         lam_error *error);

// Gives each line's offset and page id to take. LAM_IO; LAM_INPUT if it is no index.
LAM_CHECKED lam_code lam_dump_index_read(const char *index,
                                         void (*take)(void *user, uint64_t offset, int64_t id),
                                         void *user, lam_error *error);

#endif
