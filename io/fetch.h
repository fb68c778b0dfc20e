// Texts, Wikipedia pages and models from the network into the cache folder (cache.h), each with an
// entry that says what it is. What was asked for before is taken from the cache without a request.
//
// All functions: not collective; entries and texts are owned by fetch->arena. Errors: LAM_USAGE for
// what cannot be asked for, LAM_INPUT where the other side has nothing of use under that name,
// LAM_IO for the network and the disk (what has come is kept, and continued by the next call),
// LAM_MEMORY; each names the URL or the title and the remedy.
#ifndef LAM_FETCH_H
#define LAM_FETCH_H

#include "io/corpus.h"
#include "io/download.h"
#include "src/arena.h"
#include "src/error.h"
#include "src/option.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_fetch {
    lam_download_settings network;
    const char *cache; // folder, open
    const char *wiki;  // "https://{lang}.wikipedia.org": {lang} becomes the language
    const char *hub;   // "https://huggingface.co"
    const char *token; // for the hub; NULL: none
    int64_t largest;   // bytes of a file; LAM_AUTO_INTEGER: by what it is
    bool refresh;      // ask again for what is in the cache
    lam_arena *arena;
} lam_fetch;

// Texts by their URLs: .txt, .html, .xml, .bz2 by the URL's ending, else by what the server says.
LAM_CHECKED lam_code lam_fetch_texts(const lam_fetch *fetch, const lam_strings *urls,
                                     lam_corpus *corpus, lam_error *error);

// Pages of a MediaWiki as they are served, each pinned to its current revision; with one title, to
// revision (0: the current one).
LAM_CHECKED lam_code lam_fetch_pages(const lam_fetch *fetch, const lam_strings *titles,
                                     const char *language, int64_t revision, lam_corpus *corpus,
                                     lam_error *error);

// A checkpoint folder of the hub at a revision (a commit, branch or tag; NULL: the main branch):
// config.json, the tokenizer's files, safetensors. *folder: where it lies, under the commit's name.
LAM_CHECKED lam_code lam_fetch_model(const lam_fetch *fetch, const char *name, const char *revision,
                                     const char **folder, lam_error *error);

// --- what the three share

typedef struct lam_wanted {
    const char *key;        // of the cache's record: what was asked for, and of whom
    lam_corpus_entry entry; // name, url, revision; the rest once it is there
    bool found;             // entry is whole
    const char *type;       // of a page: what the server must call it; NULL: any
    bool any_ending;        // the ending follows from the URL or the type
    int64_t largest;        // where fetch->largest is auto
    bool compressed, linked;
    const char *token;
    int64_t size; // -1: not known
    const char *sha256, *blob;
} lam_wanted;

// Looks in the cache; *missing: those not found.
LAM_CHECKED lam_code lam_fetch_recall(const lam_fetch *fetch, const char *what, lam_wanted *wanted,
                                      size_t count, size_t *missing, lam_error *error);

// Downloads those that are not found.
LAM_CHECKED lam_code lam_fetch_files(const lam_fetch *fetch, const char *what, lam_wanted *wanted,
                                     size_t count, lam_error *error);

// The JSON objects at some URLs, with the token where they are the hub's, each the caller's to
// json_decref, also after a failure (then NULL or an object).
LAM_CHECKED lam_code lam_fetch_json(const lam_fetch *fetch, const char *what,
                                    const char *const *urls, size_t count, bool hub,
                                    json_t **objects, lam_error *error);

#endif
