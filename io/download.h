// Downloads over HTTP: resumed where they broke off, tried again after faults that pass, checked
// before they count. By libcurl; the proxies that its environment variables name are used.
#ifndef LAM_DOWNLOAD_H
#define LAM_DOWNLOAD_H

#include "io/sha256.h"
#include "src/arena.h"
#include "src/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_download_settings {
    const char *user_agent;
    const char *proxy;   // NULL: as the environment says
    int64_t connections; // to one host at a time
    int64_t tries;       // of a download, without any progress, before it is given up
    double backoff;      // seconds before the second try; doubled for each after it, up to a minute
    double stall;        // seconds below 100 bytes/s after which a connection is given up
} lam_download_settings;

enum { LAM_BLOB_TEXT = 41, LAM_TYPE_ROOM = 64 };

// One download. Texts are kept by reference.
typedef struct lam_download {
    // What is wanted.
    const char *url;
    const char *part;   // the file that collects it; NULL: it is collected in memory
    const char *token;  // for the URL's own host and no other; NULL: none
    bool compressed;    // may come compressed, and then cannot be resumed
    bool linked;        // X-Linked-ETag and X-Linked-Size of the URL's own host may be believed
    int64_t largest;    // bytes
    int64_t size;       // bytes it must have; -1: not known
    const char *sha256; // it must have; NULL: not known
    const char *blob;   // the name that Git gives its bytes (SHA-1); NULL: not known

    // What came of it.
    bool finished;
    bool absent; // after a failure: it lies with this URL, not with the network or the disk
    lam_error error;
    int64_t bytes;
    char digest[LAM_SHA256_TEXT]; // of a part
    char type[LAM_TYPE_ROOM];     // its Content-Type, lower case, without parameters
    char *body;                   // in memory, a NUL after it; owned by the arena
} lam_download;

// Called for each download that succeeded, as soon as it did: what has come is kept, whatever
// becomes of the others. A failure ends the run.
typedef lam_code lam_download_done(void *context, lam_download *download, lam_error *error);

// Runs all downloads, in their order as far as the connections to their hosts allow. One that fails
// for its own sake (absent) leaves the others running; any other failure ends the run and is
// returned. done may be NULL. what: "pages", for the progress that is shown. Not collective.
LAM_CHECKED lam_code lam_download_all(const lam_download_settings *settings, const char *what,
                                      lam_download *downloads, size_t count,
                                      lam_download_done *done, void *context, lam_arena *arena,
                                      lam_error *error);

// LAM_USAGE for a URL that is not http or https, has no host, or carries a password, which would
// end up in manifests.
LAM_CHECKED lam_code lam_url_check(const char *url, lam_error *error);

// Text as it may stand in a URL's path or query, owned by arena; NULL: LAM_MEMORY is in *error.
const char *lam_url_escape(const char *text, lam_arena *arena, lam_error *error);

#endif
