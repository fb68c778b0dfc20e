#include "io/download.h"

#include "io/download_meter.h"
#include "io/transfer.h"
#include "src/stop.h"
#include "src/wording.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ACTIVE = 16, POLL_MILLISECONDS = 200 };

typedef struct host {
    char origin[LAM_ORIGIN_ROOM];
    int64_t active;
    double not_before; // it asked for a pause
} host;

typedef struct run {
    const lam_download_settings *settings;
    CURLM *multi;
    lam_transfer *transfer;
    size_t count, first; // first: all before it have ended
    host *hosts;
    size_t host_count, host_room;
    int active;
    lam_download_done *done;
    void *context;
    lam_meter meter;
    lam_arena *arena;
    lam_error *error;
} run;

lam_code lam_url_check(const char *url, lam_error *error) {
    char origin[LAM_ORIGIN_ROOM];
    if (lam_url_origin(url, origin)) return LAM_OK;
    return lam_fail(error, LAM_USAGE,
                    "'%s' is not an address that can be fetched: it begins with http:// or "
                    "https://, and has no password in it",
                    strchr(url, '@') ? "..." : lam_excerpt_of(url).text);
}

const char *lam_url_escape(const char *text, lam_arena *arena, lam_error *error) {
    char *escaped = curl_easy_escape(NULL, text, 0);
    if (!escaped) {
        lam_fail(error, LAM_MEMORY, "no memory for an address");
        return NULL;
    }
    const char *copy = lam_arena_text(arena, escaped, strlen(escaped), error);
    curl_free(escaped);
    return copy;
}

static lam_code host_of(run *r, const lam_transfer *t, host **found) {
    char origin[LAM_ORIGIN_ROOM];
    if (t->url)
        strcpy(origin, t->origin);
    else if (!lam_url_origin(t->download->url, origin))
        return lam_url_check(t->download->url, r->error);
    for (size_t i = 0; i < r->host_count; i++)
        if (strcmp(r->hosts[i].origin, origin) == 0) return *found = &r->hosts[i], LAM_OK;
    if (r->host_count == r->host_room) {
        host *larger;
        r->host_room = 2 * r->host_room + 4;
        LAM_ALLOC(larger, r->arena, r->host_room, r->error);
        if (r->host_count) memcpy(larger, r->hosts, r->host_count * sizeof *larger);
        r->hosts = larger;
    }
    *found = &r->hosts[r->host_count++];
    strcpy((*found)->origin, origin);
    return LAM_OK;
}

// A transfer that has ended: handed over if it is whole; whether the run can go on.
static lam_code settle(run *r, lam_transfer *t) {
    lam_download *d = t->download;
    lam_code code = LAM_OK;
    if (d->finished && !d->part) {
        d->body = lam_arena_text(r->arena, t->memory ? t->memory : "", (size_t)d->bytes, r->error);
        if (!d->body) code = LAM_MEMORY;
    }
    if (code == LAM_OK && d->finished && r->done) code = r->done(r->context, d, r->error);
    lam_transfer_close(t);
    r->meter.bytes_before += t->have;
    r->meter.items_done++;
    if (code != LAM_OK) return code;
    if (d->finished || d->absent) return LAM_OK;
    *r->error = d->error;
    return d->error.code;
}

static lam_code start(run *r, lam_transfer *t, host *at) {
    if (t->file == -2) { // not opened yet
        LAM_TRY(lam_transfer_open(t, r->error));
        r->meter.bytes_found += t->have;
        if (t->file >= 0 && t->download->size == t->have && // whole, but for the rename
            lam_transfer_verify(t, r->error) == LAM_OK) {
            t->download->finished = true;
            t->state = LAM_TRANSFER_ENDED;
            return settle(r, t);
        }
        if (t->download->size == t->have) LAM_TRY(lam_transfer_discard(t, r->error));
    }
    LAM_TRY(lam_transfer_request(t, r->error));
    if (curl_multi_add_handle(r->multi, t->easy) != CURLM_OK)
        return lam_fail(r->error, LAM_MEMORY, "no memory is left for libcurl");
    t->state = LAM_TRANSFER_ACTIVE;
    at->active++;
    r->active++;
    return LAM_OK;
}

// Starts what may start now; *wake: when something that waits may.
static lam_code start_some(run *r, double *wake) {
    double now = lam_transfer_clock();
    *wake = now + 1;
    while (r->first < r->count && r->transfer[r->first].state == LAM_TRANSFER_ENDED) r->first++;
    for (size_t i = r->first; i < r->count && r->active < MOST_ACTIVE; i++) {
        lam_transfer *t = &r->transfer[i];
        host *at;
        if (t->state != LAM_TRANSFER_WAITING) continue;
        LAM_TRY(host_of(r, t, &at));
        double due = t->not_before > at->not_before ? t->not_before : at->not_before;
        if (due > now && due < *wake) *wake = due;
        if (due <= now && at->active < r->settings->connections) LAM_TRY(start(r, t, at));
    }
    return LAM_OK;
}

static lam_code take_answers(run *r) {
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(r->multi, &left))) {
        if (message->msg != CURLMSG_DONE) continue;
        lam_transfer *t = NULL;
        host *at;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&t);
        LAM_TRY(host_of(r, t, &at));
        curl_multi_remove_handle(r->multi, t->easy);
        at->active--;
        r->active--;
        lam_transfer_answer(t, result);
        if (t->host_pause > 0 && at->not_before < t->not_before) at->not_before = t->not_before;
        if (t->state == LAM_TRANSFER_ENDED) LAM_TRY(settle(r, t));
    }
    return LAM_OK;
}

static void show(run *r) {
    int64_t bytes = r->meter.bytes_before, expected = bytes;
    if (!lam_meter_due(&r->meter)) return;
    for (size_t i = r->first; i < r->count; i++) {
        const lam_transfer *t = &r->transfer[i];
        if (t->state == LAM_TRANSFER_ENDED) continue;
        int64_t size = t->expected >= 0 ? t->expected : t->download->size;
        bytes += t->have;
        expected = expected < 0 || size < 0 ? -1 : expected + size;
    }
    lam_meter_show(&r->meter, bytes, expected);
}

static lam_code perform(run *r) {
    while (r->first < r->count) {
        double wake;
        int running;
        LAM_TRY(lam_stop_check(r->error));
        LAM_TRY(start_some(r, &wake));
        if (curl_multi_perform(r->multi, &running) != CURLM_OK)
            return lam_fail(r->error, LAM_MEMORY, "no memory is left for libcurl");
        size_t active = (size_t)r->active;
        LAM_TRY(take_answers(r));
        show(r);
        if ((size_t)r->active != active) continue; // others may start
        double wait = 1000 * (wake - lam_transfer_clock());
        int milliseconds = wait < 1 ? 1 : wait > POLL_MILLISECONDS ? POLL_MILLISECONDS : (int)wait;
        if (r->first < r->count) curl_multi_poll(r->multi, NULL, 0, milliseconds, NULL);
    }
    return LAM_OK;
}

lam_code lam_download_all(const lam_download_settings *settings, const char *what,
                          lam_download *downloads, size_t count, lam_download_done *done,
                          void *context, lam_arena *arena, lam_error *error) {
    run r = {.settings = settings,
             .count = count,
             .done = done,
             .context = context,
             .arena = arena,
             .error = error};
    LAM_ALLOC(r.transfer, arena, count, error);
    for (size_t i = 0; i < count; i++)
        r.transfer[i] = (lam_transfer){
            .download = &downloads[i], .settings = settings, .arena = arena, .file = -2};
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0 || !(r.multi = curl_multi_init()))
        return lam_fail(error, LAM_MEMORY, "libcurl cannot be started");
    lam_meter_begin(&r.meter, what, (int64_t)count);
    lam_code code = perform(&r);
    lam_meter_end(&r.meter);
    for (size_t i = 0; i < count; i++) {
        if (r.transfer[i].easy) curl_multi_remove_handle(r.multi, r.transfer[i].easy);
        lam_transfer_close(&r.transfer[i]);
    }
    curl_multi_cleanup(r.multi);
    curl_global_cleanup();
    return code;
}
