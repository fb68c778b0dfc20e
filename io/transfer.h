// One download's way through its tries and redirects: what download.c schedules.
#ifndef LAM_TRANSFER_H
#define LAM_TRANSFER_H

#include "io/download.h"

#include <curl/curl.h>

enum { LAM_VALIDATOR_ROOM = 256, LAM_ORIGIN_ROOM = 320 };

typedef enum lam_transfer_state {
    LAM_TRANSFER_WAITING, // until not_before
    LAM_TRANSFER_ACTIVE,  // in the hands of libcurl
    LAM_TRANSFER_ENDED,
} lam_transfer_state;

typedef struct lam_transfer {
    lam_download *download;
    const lam_download_settings *settings;
    lam_arena *arena; // of what stays

    lam_transfer_state state;
    double not_before; // on lam_transfer_clock
    double host_pause; // seconds that the host asked all to wait, at the end of a try; 0: none
    int64_t tries;     // without progress
    int hops;          // redirects of this try
    bool mismatched;   // it was whole once, and not what it should be
    char *url;         // of this hop; malloc
    char origin[LAM_ORIGIN_ROOM]; // scheme, host and port of this hop

    // Of one request.
    CURL *easy;
    struct curl_slist *headers;
    int64_t asked_from; // the Range's first byte
    bool began;         // the answer's body counts and is being written
    bool refused;       // by a callback, for good; the reason is the download's error
    bool garbled;       // the answer does not fit the question: begin anew
    char reason[CURL_ERROR_SIZE];

    // What has been collected.
    int file;          // descriptor of the part, or -1
    int64_t have, had; // bytes; had: as this try began
    int64_t expected;  // the whole's bytes, -1 where not known
    char linked_sha256[LAM_SHA256_TEXT];
    char validator[LAM_VALIDATOR_ROOM]; // of the answer that the part came with, for If-Range
    char *memory;                       // malloc
    size_t memory_room;
} lam_transfer;

// Seconds from some point on.
double lam_transfer_clock(void);

// Opens (and locks) the part and sees what is there of it. LAM_IO, LAM_MEMORY.
LAM_CHECKED lam_code lam_transfer_open(lam_transfer *transfer, lam_error *error);
void lam_transfer_close(lam_transfer *transfer);

// Makes the request of the present hop in transfer->easy, for the caller to perform. LAM_MEMORY.
LAM_CHECKED lam_code lam_transfer_request(lam_transfer *transfer, lam_error *error);

// Takes a performed request in: the transfer has then ended, or waits for its next request.
void lam_transfer_answer(lam_transfer *transfer, CURLcode result);

// --- transfer_body.c: what is collected, and where

// libcurl's write function; context: the transfer.
size_t lam_transfer_write(char *data, size_t size, size_t count, void *context);

// Sees to it that an answer without a body is begun as well. False: it was refused or is garbled.
bool lam_transfer_begin_body(lam_transfer *transfer);

// Forgets what has been collected. LAM_IO.
LAM_CHECKED lam_code lam_transfer_discard(lam_transfer *transfer, lam_error *error);

// Looks at the whole: its size and digests. LAM_INPUT where they are not what they should be,
// LAM_IO, LAM_MEMORY.
LAM_CHECKED lam_code lam_transfer_verify(lam_transfer *transfer, lam_error *error);

// A header of the answer, or NULL.
const char *lam_transfer_header(const lam_transfer *transfer, const char *name);

// The origin ("https://host:443") of a URL; false for what is not http or https, or has a user.
bool lam_url_origin(const char *url, char origin[LAM_ORIGIN_ROOM]);

// Seconds before the next try after so many: first, doubled for each after the first, at most a
// minute; of that between half and all, by a draw of all 32-bit numbers, so that many who failed
// together do not come back together.
double lam_transfer_backoff(double first, int64_t tries, uint32_t draw);

#endif
