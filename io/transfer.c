#include "io/transfer.h"

#include "src/log.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#if LIBCURL_VERSION_NUM < 0x075500
#error "libcurl 7.85 or newer is needed (Debian 12: libcurl4-openssl-dev)"
#endif

enum { MOST_HOPS = 10, LONGEST_WAIT = 60, LONGEST_PATIENCE = 600, CONNECT_SECONDS = 30 };

double lam_transfer_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// --- the part

// Opens the part and locks it. Whoever held the lock before may have moved the file away since.
static int open_part(const char *path) {
    for (;;) {
        int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (file < 0) return -1;
        struct stat opened, named;
        if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            close(file);
            errno = EWOULDBLOCK;
            return -1;
        }
        if (fstat(file, &opened) == 0 && stat(path, &named) == 0 && opened.st_ino == named.st_ino)
            return file;
        close(file);
    }
}

static void load_validator(lam_transfer *t) {
    char path[4096];
    snprintf(path, sizeof path, "%s.etag", t->download->part);
    FILE *file = fopen(path, "re");
    if (!file) return;
    size_t got = fread(t->validator, 1, sizeof t->validator - 1, file);
    t->validator[got] = '\0';
    for (char *c = t->validator; *c; c++)
        if (!isprint((unsigned char)*c)) *t->validator = '\0';
    fclose(file);
}

static bool has_checksum(const lam_transfer *t) {
    return t->download->sha256 || t->download->blob || *t->linked_sha256;
}

// Whether what is there can be continued: something must tell that the rest is of the same bytes.
static bool resumable(const lam_transfer *t) {
    return t->file >= 0 && !t->download->compressed && (*t->validator || has_checksum(t));
}

lam_code lam_transfer_open(lam_transfer *t, lam_error *error) {
    const lam_download *d = t->download;
    struct stat info;
    t->file = -1;
    t->expected = d->size;
    if (!d->part) return LAM_OK;
    t->file = open_part(d->part);
    if (t->file < 0 && errno == EWOULDBLOCK)
        return lam_fail(error, LAM_IO,
                        "%s is being fetched into the same cache by another laminar: wait until it "
                        "has ended",
                        d->url);
    if (t->file < 0 || fstat(t->file, &info) != 0)
        return lam_fail(error, LAM_IO, "%s cannot be written: %s: choose another cache by --cache",
                        d->part, strerror(errno));
    load_validator(t);
    t->have = t->had = info.st_size;
    if (!resumable(t) || t->have > d->largest || (d->size >= 0 && t->have > d->size))
        return lam_transfer_discard(t, error);
    if (lseek(t->file, 0, SEEK_END) < 0)
        return lam_fail(error, LAM_IO, "%s cannot be read: %s", d->part, strerror(errno));
    return LAM_OK;
}

static void end_request(lam_transfer *t) {
    if (t->easy) curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    t->easy = NULL;
    t->headers = NULL;
}

// Nothing is left of what came to nothing. The lock is still held: see open_part.
static void remove_empty(const lam_transfer *t) {
    char path[4096];
    snprintf(path, sizeof path, "%s.etag", t->download->part);
    unlink(path);
    unlink(t->download->part);
}

void lam_transfer_close(lam_transfer *t) {
    end_request(t);
    if (t->file >= 0 && t->have == 0 && !t->download->finished) remove_empty(t);
    if (t->file >= 0) close(t->file);
    t->file = -1;
    free(t->url);
    free(t->memory);
    t->url = t->memory = NULL;
}

// --- URLs

bool lam_url_origin(const char *url, char origin[LAM_ORIGIN_ROOM]) {
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
    bool fit = parts && !curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) &&
               !curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) &&
               (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
               !curl_url_get(parts, CURLUPART_HOST, &host, 0) && *host &&
               !curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) &&
               curl_url_get(parts, CURLUPART_USER, &user, 0) == CURLUE_NO_USER;
    if (fit)
        fit = snprintf(origin, LAM_ORIGIN_ROOM, "%s://%s:%s", scheme, host, port) < LAM_ORIGIN_ROOM;
    for (char *c = origin; fit && *c; c++) *c = (char)tolower((unsigned char)*c);
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_free(user);
    curl_url_cleanup(parts);
    return fit;
}

static bool is_secure(const char *origin) {
    return strncmp(origin, "https:", 6) == 0;
}

// A token goes to the host it is meant for, and over no line where others could read it.
static bool takes_token(const lam_transfer *t) {
    char own[LAM_ORIGIN_ROOM];
    const char *host = strstr(t->origin, "://") + 3;
    bool here = strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost:", 10) == 0 ||
                strncmp(host, "[::1]:", 6) == 0;
    return t->download->token && lam_url_origin(t->download->url, own) &&
           strcmp(own, t->origin) == 0 && (is_secure(own) || here);
}

// --- the request

__attribute__((format(printf, 2, 3))) static bool add_header(lam_transfer *t, const char *format,
                                                             ...) {
    char line[8192];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line) return false;
    struct curl_slist *longer = curl_slist_append(t->headers, line);
    if (longer) t->headers = longer;
    explicit_bzero(line, sizeof line);
    return longer;
}

static bool add_headers(lam_transfer *t) {
    bool done = true;
    t->asked_from = resumable(t) ? t->have : 0;
    if (t->asked_from > 0) {
        done = add_header(t, "Range: bytes=%lld-", (long long)t->asked_from);
        if (*t->validator) done = done && add_header(t, "If-Range: %s", t->validator);
    }
    if (takes_token(t))
        done = done && add_header(t, "Authorization: Bearer %s", t->download->token);
    return done;
}

static void set_options(lam_transfer *t) {
    const lam_download_settings *s = t->settings;
    const char *bundle = getenv("CURL_CA_BUNDLE"); // read by the curl program, not by its library
    CURL *easy = t->easy;
    curl_easy_setopt(easy, CURLOPT_URL, t->url);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, t->headers);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, s->user_agent);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, lam_transfer_write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->reason);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); // each hop is looked at in follow()
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 100L); // bytes a second
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, s->stall < 1 ? 1L : (long)s->stall);
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L << 10);
    if (s->proxy) curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy);
    if (bundle && *bundle) curl_easy_setopt(easy, CURLOPT_CAINFO, bundle);
    if (t->download->compressed) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
}

lam_code lam_transfer_request(lam_transfer *t, lam_error *error) {
    t->began = t->garbled = false;
    t->host_pause = 0;
    *t->reason = '\0';
    if (!t->url) {
        t->url = strdup(t->download->url);
        t->hops = 0;
        if (!t->url || !lam_url_origin(t->url, t->origin))
            return lam_fail(error, LAM_MEMORY, "no memory for %s", t->download->url);
    }
    t->easy = curl_easy_init();
    if (!t->easy || !add_headers(t))
        return lam_fail(error, LAM_MEMORY, "no memory for a request to %s", t->origin);
    set_options(t);
    return LAM_OK;
}

// --- the answer

__attribute__((format(printf, 4, 5))) static void give_up(lam_transfer *t, lam_code code,
                                                          bool absent, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lam_fail(&t->download->error, code, "%s: %s", t->download->url, text);
    t->download->absent = absent;
    t->state = LAM_TRANSFER_ENDED;
}

double lam_transfer_backoff(double first, int64_t tries, uint32_t draw) {
    double seconds = first;
    for (int64_t i = 1; i < tries && seconds < LONGEST_WAIT; i++) seconds *= 2;
    if (seconds > LONGEST_WAIT) seconds = LONGEST_WAIT;
    return seconds * (0.5 + 0.5 * (double)draw / UINT32_MAX);
}

static uint32_t random_bits(void) {
    uint32_t draw;
    return getrandom(&draw, sizeof draw, 0) == sizeof draw ? draw : UINT32_MAX;
}

// asked: seconds that the server asks for, 0 for none. counts: whether what came counts as
// progress.
static void try_again(lam_transfer *t, const char *reason, int64_t asked, bool counts) {
    if (counts && resumable(t) && t->have > t->had) t->tries = 0;
    t->had = t->have;
    t->tries++;
    free(t->url);
    t->url = NULL;
    if (asked > LONGEST_PATIENCE) {
        give_up(t, LAM_IO, false,
                "%s and wants no request for %lld s: run the same command then; what has come is "
                "kept",
                reason, (long long)asked);
        return;
    }
    if (t->tries >= t->settings->tries) {
        give_up(t, LAM_IO, false,
                "%s (tries: %lld): run the same command later; what has come is kept", reason,
                (long long)t->tries);
        return;
    }
    double wait = lam_transfer_backoff(t->settings->backoff, t->tries, random_bits());
    if (wait < (double)asked) wait = (double)asked;
    t->host_pause = (double)asked;
    t->not_before = lam_transfer_clock() + wait;
    t->state = LAM_TRANSFER_WAITING;
    lam_log(t->tries > 1 || asked ? LAM_NORMAL : LAM_VERBOSE, "%s: %s: again in %.1f s",
            t->download->url, reason, wait);
}

// What the hub says of a file before it sends to the storage that holds it.
static void read_linked(lam_transfer *t) {
    const char *size = lam_transfer_header(t, "X-Linked-Size");
    char own[LAM_ORIGIN_ROOM], *end;
    if (!t->download->linked || !lam_url_origin(t->download->url, own) ||
        strcmp(own, t->origin) != 0)
        return;
    long long bytes = size ? strtoll(size, &end, 10) : -1;
    if (size && end != size && !*end && bytes >= 0 && t->expected < 0) t->expected = bytes;
    const char *tag = lam_transfer_header(t, "X-Linked-ETag");
    if (!tag) return;
    tag += strspn(tag, "\"");
    size_t digits = strspn(tag, "0123456789abcdef");
    if (digits == LAM_SHA256_TEXT - 1 && (!tag[digits] || tag[digits] == '"')) {
        memcpy(t->linked_sha256, tag, digits);
        t->linked_sha256[digits] = '\0';
    }
}

static void follow(lam_transfer *t) {
    char *to = NULL, origin[LAM_ORIGIN_ROOM];
    read_linked(t);
    curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
    if (!to) {
        give_up(t, LAM_INPUT, true, "is redirected to nowhere: check the address");
    } else if (!lam_url_origin(to, origin)) {
        give_up(t, LAM_INPUT, true,
                "is redirected to '%.40s...', which is no plain http or https address and is not "
                "followed",
                to);
    } else if (is_secure(t->origin) && !is_secure(origin)) {
        give_up(t, LAM_INPUT, true,
                "is redirected from https to http (%s), which is not followed: others could "
                "change it on its way",
                origin);
    } else if (++t->hops > MOST_HOPS) {
        give_up(t, LAM_INPUT, true, "is redirected more than %d times: check the address",
                MOST_HOPS);
    } else {
        free(t->url);
        t->url = strdup(to);
        strcpy(t->origin, origin);
        t->state = LAM_TRANSFER_WAITING;
        t->not_before = 0;
        if (!t->url) give_up(t, LAM_MEMORY, false, "no memory for its redirect");
    }
}

static void fault(lam_transfer *t, CURLcode result) {
    const char *reason = *t->reason ? t->reason : curl_easy_strerror(result);
    switch (result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        give_up(t, LAM_IO, false,
                "its certificate is not trusted (%s): where a proxy signs for it, name the "
                "proxy's certificates by CURL_CA_BUNDLE",
                reason);
        break;
    case CURLE_OUT_OF_MEMORY:
        give_up(t, LAM_MEMORY, false, "no memory is left for libcurl");
        break;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        give_up(t, LAM_INPUT, true, "is no address that can be asked: %s", reason);
        break;
    case CURLE_COULDNT_RESOLVE_PROXY:
        give_up(t, LAM_IO, false,
                "the proxy cannot be found (%s): check --proxy, http_proxy and "
                "https_proxy",
                reason);
        break;
    default:
        try_again(t, reason, 0, result != CURLE_OPERATION_TIMEDOUT);
    }
}

static void complete(lam_transfer *t) {
    lam_error error = {0};
    if (!lam_transfer_begin_body(t)) { // an answer without a body
        if (t->refused) t->state = LAM_TRANSFER_ENDED;
        if (!t->refused) try_again(t, "answers with another range than was asked for", 0, false);
        return;
    }
    lam_code code = lam_transfer_verify(t, &error);
    if (code == LAM_INPUT && !t->mismatched) { // what was continued, or a cache on the way
        t->mismatched = true;
        code = lam_transfer_discard(t, &error);
        if (code == LAM_OK) {
            try_again(t, "is not what it should be", 0, false);
            return;
        }
    }
    t->download->error = error;
    t->download->absent = code == LAM_INPUT;
    t->download->finished = code == LAM_OK;
    t->state = LAM_TRANSFER_ENDED;
    if (code == LAM_INPUT && lam_transfer_discard(t, &error) != LAM_OK) t->download->error = error;
}

// 416: there is nothing behind what is there, which is then the whole, or something else.
static void out_of_range(lam_transfer *t) {
    const char *text = lam_transfer_header(t, "Content-Range");
    long long whole = -1;
    if (text && sscanf(text, "bytes */%lld", &whole) == 1 && whole == t->have) {
        t->began = true;
        complete(t);
    } else if (lam_transfer_discard(t, &t->download->error) != LAM_OK) {
        t->state = LAM_TRANSFER_ENDED;
    } else {
        try_again(t, "cannot be continued, and is begun anew", 0, false);
    }
}

static bool passes(long status) {
    return status == 408 || status == 425 || status == 429 || status == 500 || status == 502 ||
           status == 503 || status == 504;
}

static void refused_by_server(lam_transfer *t, long status) {
    char reason[128];
    curl_off_t asked = 0;
    const char *token = !t->download->linked ? ""
                        : t->download->token
                            ? ": HF_TOKEN may not be valid, or may not have access"
                            : ": if it is there, it needs an account: set HF_TOKEN";
    if (passes(status)) {
        curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &asked); // a date as well
        snprintf(reason, sizeof reason, "the server is busy or broken (status %ld)", status);
        try_again(t, reason, asked, true);
    } else if (status == 401 || status == 403) {
        give_up(t, LAM_INPUT, true, "the server does not give it out (status %ld)%s", status,
                token);
    } else if (status == 404 || status == 410) {
        give_up(t, LAM_INPUT, true, "is not there (status %ld): check the name and the revision",
                status);
    } else {
        give_up(t, LAM_INPUT, true, "the server answers with status %ld: check the address",
                status);
    }
}

void lam_transfer_answer(lam_transfer *t, CURLcode result) {
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->refused) {
        t->state = LAM_TRANSFER_ENDED;
    } else if (t->garbled) {
        if (lam_transfer_discard(t, &t->download->error) != LAM_OK)
            t->state = LAM_TRANSFER_ENDED;
        else
            try_again(t, "answers with another range than was asked for", 0, false);
    } else if (status == 301 || status == 302 || status == 303 || status == 307 || status == 308) {
        follow(t);
    } else if (status == 416 && t->asked_from > 0) {
        out_of_range(t);
    } else if (status >= 300) {
        refused_by_server(t, status);
    } else if (result != CURLE_OK) {
        fault(t, result);
    } else {
        complete(t);
    }
    end_request(t);
}
