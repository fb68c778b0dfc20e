// The cache folder of what was fetched:
//
//     objects/ab/abcdef....html   each file under its SHA-256, with the ending that says its kind
//     parts/HASH, HASH.etag       what is on its way, and what tells whether it can be continued
//     records/HASH.yaml           what a request led to (a manifest of one entry): asked once
//     models/NAME/REVISION/       checkpoint folders: links to objects, and their manifest
//
// Nothing in it is ever changed: files appear whole, by rename.
#ifndef LAM_CACHE_H
#define LAM_CACHE_H

#include "io/corpus.h"
#include "src/arena.h"
#include "src/error.h"

#include <stdbool.h>
#include <stdint.h>

// The folder as an absolute path, owned by arena: given, else LAMINAR_CACHE, else laminar in
// XDG_CACHE_HOME, else in ~/.cache. It need not be there. LAM_USAGE where nothing says it,
// LAM_MEMORY.
LAM_CHECKED lam_code lam_cache_folder(const char *given, const char **folder, lam_arena *arena,
                                      lam_error *error);

// Makes a folder and those above it, where they are missing. LAM_IO with the remedy.
LAM_CHECKED lam_code lam_cache_make_folder(const char *path, lam_error *error);

// Makes the cache's own folders. LAM_IO with the remedy.
LAM_CHECKED lam_code lam_cache_open(const char *folder, lam_error *error);

// The path of an object; of a part, for a key (any text). Owned by arena; NULL, with LAM_MEMORY in
// *error.
char *lam_cache_object(const char *folder, const char *sha256, const char *ending, lam_arena *arena,
                       lam_error *error);
char *lam_cache_part(const char *folder, const char *key, lam_arena *arena, lam_error *error);

// Whether a regular file of that size is there.
bool lam_cache_has(const char *path, int64_t size);

// Turns a finished part, whose digest has been verified, into an object: synced, then renamed.
// LAM_IO with the remedy, LAM_MEMORY.
LAM_CHECKED lam_code lam_cache_commit(const char *folder, const char *part, const char *sha256,
                                      const char *ending, lam_error *error);

// What a request led to, if it was answered before and its object is still there; else *found is
// false, also for a record that cannot be read. The entry is owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_cache_recall(const char *folder, const char *key, bool *found,
                                      lam_corpus_entry *entry, lam_arena *arena, lam_error *error);
LAM_CHECKED lam_code lam_cache_record(const char *folder, const char *key,
                                      const lam_corpus_entry *entry, lam_error *error);

#endif
