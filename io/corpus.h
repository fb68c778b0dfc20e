// Manifests of fetched files (corpus.yaml): what was fetched from where, when, and with which
// bytes. A job names one in the place of a text; the files themselves lie in the cache folder
// (cache.h).
//
//     laminar_corpus: 1
//     cache: /home/me/.cache/laminar
//     entries:
//     - name: "en:Light-emitting diode"
//       url: "https://en.wikipedia.org/w/index.php?title=Light-emitting_diode&oldid=1234"
//       revision: "1234"
//       time: "2026-01-31T12:00:00Z"
//       size: 512345
//       sha256: "..."
//       ending: ".html"
#ifndef LAM_CORPUS_H
#define LAM_CORPUS_H

#include "src/arena.h"
#include "src/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_corpus_entry {
    const char *name;     // what was asked for: "en:TITLE", the URL, the file's name in a model
    const char *url;      // what was fetched, pinned to the revision where there is one
    const char *revision; // NULL: its source knows none
    const char *time;     // when it was fetched, UTC
    int64_t size;         // bytes
    const char *sha256;   // 64 digits, lower case
    const char *ending;   // ".html", ".txt", ".xml.bz2"; "": none is needed
} lam_corpus_entry;

typedef struct lam_corpus {
    const char *cache;  // the folder they were fetched to, absolute
    size_t count, room; // entries that are there, and that there is memory for
    lam_corpus_entry *entry;
} lam_corpus;

// Whether a path is a manifest's, by its name: it ends in .yaml or .yml.
bool lam_corpus_is(const char *path);

// Whether an ending is one that the name of a file in the cache may have: "", or one or two parts
// of a dot and letters or digits.
bool lam_corpus_ending_valid(const char *ending);

// Reads a manifest; everything in *corpus is owned by arena. Not collective. LAM_IO if the file
// cannot be read, LAM_INPUT if it is no manifest, with file and line, LAM_MEMORY.
LAM_CHECKED lam_code lam_corpus_read(const char *path, lam_corpus *corpus, lam_arena *arena,
                                     lam_error *error);

// Writes a manifest, whole or not at all. LAM_INPUT for a text that is not UTF-8, LAM_IO,
// LAM_MEMORY.
LAM_CHECKED lam_code lam_corpus_write(const char *path, const lam_corpus *corpus, lam_error *error);

// Appends an entry, or puts it in the place of the one of the same name. LAM_MEMORY.
LAM_CHECKED lam_code lam_corpus_add(lam_corpus *corpus, const lam_corpus_entry *entry,
                                    lam_arena *arena, lam_error *error);

// The path of an entry's file: in LAMINAR_CACHE where that is set and has it, in the folder that
// the manifest names, or in this user's own cache folder. Owned by arena. LAM_IO, with the remedy,
// where none has it in its full size.
LAM_CHECKED lam_code lam_corpus_locate(const lam_corpus *corpus, const lam_corpus_entry *entry,
                                       const char **path, lam_arena *arena, lam_error *error);

#endif
