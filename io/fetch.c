#include "io/fetch.h"

#include "io/cache.h"
#include "src/log.h"
#include "src/wording.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST_ANSWER = 64 << 20 }; // bytes of JSON

static const char *now_text(lam_arena *arena, lam_error *error) {
    char text[32] = "";
    time_t seconds = time(NULL);
    struct tm utc;
    if (gmtime_r(&seconds, &utc)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return lam_arena_text(arena, text, strlen(text), error);
}

lam_code lam_fetch_recall(const lam_fetch *fetch, const char *what, lam_wanted *wanted,
                          size_t count, size_t *missing, lam_error *error) {
    *missing = count;
    for (size_t i = 0; i < count && !fetch->refresh; i++) {
        lam_wanted *w = &wanted[i];
        LAM_TRY(lam_cache_recall(fetch->cache, w->key, &w->found, &w->entry, fetch->arena, error));
        *missing -= w->found;
    }
    if (*missing < count)
        lam_log(LAM_NORMAL, "%zu of %zu %s: in the cache already (--refresh asks for them again)",
                count - *missing, count, what);
    return LAM_OK;
}

typedef struct fetch_run {
    const lam_fetch *fetch;
    lam_download *downloads;
    lam_wanted **wanted; // [download]
    size_t count;
} fetch_run;

// The ending that the path of a URL has, without its query; "" for one that says no kind of text.
static const char *ending_of(const char *url) {
    static const char *const known[][2] = {
        {".txt", ".txt"},         {".html", ".html"}, {".htm", ".html"}, {".xml", ".xml"},
        {".xml.bz2", ".xml.bz2"}, {".bz2", ".bz2"}}; // of a dump in parts: .xml-p1p2.bz2
    size_t length = strcspn(url, "?#");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        size_t end = strlen(known[i][0]);
        if (length > end && strncasecmp(url + length - end, known[i][0], end) == 0)
            return known[i][1];
    }
    return "";
}

// The ending of what came; NULL, with the reason in d->error, if it is not what it should be.
static const char *choose_ending(const lam_wanted *w, lam_download *d) {
    const char *ending = ending_of(d->url);
    bool page = strcmp(d->type, "text/html") == 0 || strcmp(d->type, "application/xhtml+xml") == 0;
    if (w->type && strcmp(d->type, w->type) != 0) {
        lam_fail(&d->error, LAM_INPUT, "%s: comes as '%s', where '%s' is wanted: check the address",
                 d->url, lam_excerpt_of(d->type).text, w->type);
        return NULL;
    }
    if (!w->any_ending) return w->entry.ending ? w->entry.ending : "";
    if (page && *ending && strcmp(ending, ".html") != 0) {
        lam_fail(&d->error, LAM_INPUT,
                 "%s: comes as a page (%s), not as the file of its name: open the address in a "
                 "browser to see what it says",
                 d->url, d->type);
        return NULL;
    }
    if (*ending) return ending;
    if (page) return ".html";
    if (strcmp(d->type, "text/plain") == 0) return ".txt";
    lam_fail(&d->error, LAM_INPUT,
             "%s: comes as '%s', which is no kind of text that is read here: text/plain or "
             "text/html",
             d->url, lam_excerpt_of(d->type).text);
    return NULL;
}

// Puts what came under its digest and records it.
static lam_code keep(void *context, lam_download *d, lam_error *error) {
    fetch_run *run = context;
    const lam_fetch *fetch = run->fetch;
    lam_wanted *w = run->wanted[d - run->downloads];
    const char *ending = choose_ending(w, d);
    if (!ending) {
        d->finished = false;
        d->absent = true;
        unlink(d->part);
        return LAM_OK;
    }
    w->entry.ending = ending;
    w->entry.size = d->bytes;
    w->entry.sha256 = lam_arena_text(fetch->arena, d->digest, strlen(d->digest), error);
    w->entry.time = now_text(fetch->arena, error);
    if (!w->entry.sha256 || !w->entry.time) return LAM_MEMORY;
    LAM_TRY(lam_cache_commit(fetch->cache, d->part, d->digest, ending, error));
    LAM_TRY(lam_cache_record(fetch->cache, w->key, &w->entry, error));
    w->found = true;
    lam_log(LAM_VERBOSE, "%s: %lld bytes", w->entry.name, (long long)d->bytes);
    return LAM_OK;
}

static lam_wanted *same_url(const fetch_run *run, const char *url) {
    for (size_t i = 0; i < run->count; i++)
        if (strcmp(run->downloads[i].url, url) == 0) return run->wanted[i];
    return NULL;
}

static lam_code plan(fetch_run *run, lam_wanted *w, lam_error *error) {
    const lam_fetch *fetch = run->fetch;
    lam_download *d = &run->downloads[run->count];
    if (w->found || same_url(run, w->entry.url)) return LAM_OK;
    LAM_TRY(lam_url_check(w->entry.url, error));
    *d = (lam_download){.url = w->entry.url,
                        .token = w->token,
                        .compressed = w->compressed,
                        .linked = w->linked,
                        .largest = fetch->largest == LAM_AUTO_INTEGER ? w->largest : fetch->largest,
                        .size = w->size,
                        .sha256 = w->sha256,
                        .blob = w->blob};
    d->part = lam_cache_part(fetch->cache, d->url, fetch->arena, error);
    if (!d->part) return error->code;
    if (d->size > d->largest)
        return lam_fail(error, LAM_INPUT,
                        "%s: has %lld bytes, and %lld are allowed: if that is right, raise "
                        "--largest",
                        d->url, (long long)d->size, (long long)d->largest);
    run->wanted[run->count++] = w;
    return LAM_OK;
}

// Says what failed; those that lie with their URL were left out while the rest came.
static lam_code report(const fetch_run *run, const char *what, lam_error *error) {
    size_t failed = 0;
    const lam_download *first = NULL;
    for (size_t i = 0; i < run->count; i++) {
        const lam_download *d = &run->downloads[i];
        if (d->finished) continue;
        if (!first) first = d;
        if (failed++) lam_log(LAM_NORMAL, "%s", d->error.text);
    }
    if (!failed) return LAM_OK;
    *error = first->error;
    if (run->count == 1) return error->code;
    return lam_fail_within(error, "%zu of %zu %s cannot be had (the others are kept)", failed,
                           run->count, what);
}

lam_code lam_fetch_files(const lam_fetch *fetch, const char *what, lam_wanted *wanted, size_t count,
                         lam_error *error) {
    fetch_run run = {.fetch = fetch};
    LAM_ALLOC(run.downloads, fetch->arena, count, error);
    LAM_ALLOC(run.wanted, fetch->arena, count, error);
    for (size_t i = 0; i < count; i++) LAM_TRY(plan(&run, &wanted[i], error));
    if (!run.count) return LAM_OK;
    LAM_TRY(lam_download_all(&fetch->network, what, run.downloads, run.count, keep, &run,
                             fetch->arena, error));
    LAM_TRY(report(&run, what, error));
    for (size_t i = 0; i < count; i++) {
        if (wanted[i].found) continue; // else it came under another name
        lam_wanted *twin = same_url(&run, wanted[i].entry.url);
        const char *name = wanted[i].entry.name;
        wanted[i].entry = twin->entry;
        wanted[i].entry.name = name;
        wanted[i].found = true;
        LAM_TRY(lam_cache_record(fetch->cache, wanted[i].key, &wanted[i].entry, error));
    }
    return LAM_OK;
}

static lam_code parse(const lam_download *d, json_t **object, lam_error *error) {
    json_error_t where;
    *object = json_loadb(d->body, (size_t)d->bytes, JSON_REJECT_DUPLICATES, &where);
    if (json_is_object(*object)) return LAM_OK;
    if (*object || strcmp(d->type, "text/html") != 0)
        return lam_fail(error, LAM_INPUT, "%s: answers with no JSON object: check the address",
                        d->url);
    return lam_fail(error, LAM_INPUT,
                    "%s: answers with a page for people, not with JSON: check the address, and "
                    "whether this network asks for a login first",
                    d->url);
}

lam_code lam_fetch_json(const lam_fetch *fetch, const char *what, const char *const *urls,
                        size_t count, bool hub, json_t **objects, lam_error *error) {
    lam_download *downloads;
    LAM_ALLOC(downloads, fetch->arena, count, error);
    for (size_t i = 0; i < count; i++) {
        objects[i] = NULL;
        LAM_TRY(lam_url_check(urls[i], error));
        downloads[i] = (lam_download){.url = urls[i],
                                      .token = hub ? fetch->token : NULL,
                                      .compressed = true,
                                      .linked = hub,
                                      .largest = LARGEST_ANSWER,
                                      .size = -1};
    }
    LAM_TRY(
        lam_download_all(&fetch->network, what, downloads, count, NULL, NULL, fetch->arena, error));
    for (size_t i = 0; i < count; i++) {
        if (!downloads[i].finished) return *error = downloads[i].error, error->code;
        LAM_TRY(parse(&downloads[i], &objects[i], error));
    }
    return LAM_OK;
}
