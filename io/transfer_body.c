#include "io/transfer.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *lam_transfer_header(const lam_transfer *transfer, const char *name) {
    struct curl_header *header;
    if (curl_easy_header(transfer->easy, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    return header->value;
}

static lam_code fail_part(const lam_transfer *t, int number, lam_error *error) {
    if (number == ENOSPC || number == EDQUOT)
        return lam_fail(error, LAM_IO,
                        "%s cannot be kept: the %s: free some space, or choose another cache by "
                        "--cache; what has come is continued then",
                        t->download->url,
                        number == ENOSPC ? "cache's disk is full" : "quota is used up");
    return lam_fail(error, LAM_IO, "%s cannot be kept: %s: %s", t->download->url, t->download->part,
                    strerror(number));
}

// An entity tag that stands for the same bytes, else the date, as If-Range takes them.
static void read_validator(const lam_transfer *t, char validator[LAM_VALIDATOR_ROOM]) {
    const char *tag = lam_transfer_header(t, "ETag");
    const char *text = tag && *tag == '"' ? tag : lam_transfer_header(t, "Last-Modified");
    *validator = '\0';
    if (!text || strlen(text) >= LAM_VALIDATOR_ROOM) return;
    for (const char *c = text; *c; c++)
        if (!isprint((unsigned char)*c)) return;
    strcpy(validator, text);
}

static lam_code save_validator(const lam_transfer *t, lam_error *error) {
    char path[4096];
    snprintf(path, sizeof path, "%s.etag", t->download->part);
    FILE *file = fopen(path, "we");
    if (!file) return fail_part(t, errno, error);
    bool failed = fputs(t->validator, file) < 0;
    failed |= fclose(file) != 0;
    return failed ? fail_part(t, errno, error) : LAM_OK;
}

lam_code lam_transfer_discard(lam_transfer *t, lam_error *error) {
    t->have = t->had = 0;
    *t->validator = '\0';
    if (t->file >= 0 && (ftruncate(t->file, 0) != 0 || lseek(t->file, 0, SEEK_SET) != 0))
        return fail_part(t, errno, error);
    return LAM_OK;
}

static bool refuse(lam_transfer *t) {
    t->refused = true;
    return false;
}

static bool too_large(lam_transfer *t, int64_t bytes) {
    if (bytes <= t->download->largest) return false;
    t->download->absent = true;
    lam_fail(&t->download->error, LAM_INPUT,
             "%s: has %lld bytes or more, and %lld are allowed: if that is right, raise "
             "--largest",
             t->download->url, (long long)bytes, (long long)t->download->largest);
    return true;
}

// "bytes FIRST-LAST/WHOLE" of an answer 206.
static bool range_fits(lam_transfer *t) {
    const char *text = lam_transfer_header(t, "Content-Range");
    char validator[LAM_VALIDATOR_ROOM];
    long long first, last, whole = -1;
    if (!text || sscanf(text, "bytes %lld-%lld/%lld", &first, &last, &whole) < 2) return false;
    if (first != t->asked_from || last < first || (whole >= 0 && last >= whole)) return false;
    if (t->expected >= 0 && whole >= 0 && whole != t->expected) return false;
    read_validator(t, validator);
    if (*validator && *t->validator && strcmp(validator, t->validator) != 0) return false;
    if (whole >= 0) t->expected = whole;
    return true;
}

// What the answer says of the size of the whole, or -1.
static int64_t announced(const lam_transfer *t) {
    curl_off_t length = -1;
    if (lam_transfer_header(t, "Content-Encoding")) return -1;
    if (curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) != CURLE_OK)
        return -1;
    return length;
}

static bool begin_whole(lam_transfer *t) {
    int64_t length = announced(t);
    if (length >= 0 && too_large(t, length)) return refuse(t);
    if (t->download->size >= 0 && length >= 0 && length != t->download->size) {
        t->download->absent = true;
        lam_fail(&t->download->error, LAM_INPUT,
                 "%s: has %lld bytes, where its index says %lld: it is damaged or is being "
                 "changed: try again later",
                 t->download->url, (long long)length, (long long)t->download->size);
        return refuse(t);
    }
    if (length >= 0)
        t->expected = length;
    else if (!*t->linked_sha256)
        t->expected = t->download->size; // what an earlier answer said may not hold any more
    if (lam_transfer_discard(t, &t->download->error) != LAM_OK) return refuse(t);
    if (t->file < 0 || t->download->compressed) return true;
    read_validator(t, t->validator);
    return save_validator(t, &t->download->error) == LAM_OK || refuse(t);
}

bool lam_transfer_begin_body(lam_transfer *t) {
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->began) return true;
    t->began = true;
    const char *type = lam_transfer_header(t, "Content-Type");
    size_t length = type ? strcspn(type, "; \t") : 0;
    if (length >= LAM_TYPE_ROOM) length = LAM_TYPE_ROOM - 1;
    for (size_t i = 0; i < length; i++)
        t->download->type[i] = (char)tolower((unsigned char)type[i]);
    t->download->type[length] = '\0';
    if (status == 200) return begin_whole(t);
    if (status == 206 && t->asked_from > 0 && range_fits(t)) return true;
    t->garbled = true;
    return false;
}

static bool collect_in_memory(lam_transfer *t, const char *data, size_t bytes) {
    size_t needed = (size_t)t->have + bytes + 1;
    if (needed > t->memory_room) {
        size_t room = 2 * needed;
        char *larger = realloc(t->memory, room);
        if (!larger) {
            lam_fail(&t->download->error, LAM_MEMORY, "no memory for %s", t->download->url);
            return refuse(t);
        }
        t->memory = larger;
        t->memory_room = room;
    }
    memcpy(t->memory + t->have, data, bytes);
    t->memory[(size_t)t->have + bytes] = '\0';
    t->have += (int64_t)bytes;
    return true;
}

static bool collect_in_file(lam_transfer *t, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t written = write(t->file, data, bytes);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            fail_part(t, written < 0 ? errno : EIO, &t->download->error);
            return refuse(t);
        }
        data += written;
        bytes -= (size_t)written;
        t->have += written;
    }
    return true;
}

size_t lam_transfer_write(char *data, size_t size, size_t count, void *context) {
    lam_transfer *t = context;
    size_t bytes = size * count;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200 && status != 206) return bytes; // a page for people that says why not
    if (!lam_transfer_begin_body(t)) return CURL_WRITEFUNC_ERROR;
    if (too_large(t, t->have + (int64_t)bytes)) return refuse(t), CURL_WRITEFUNC_ERROR;
    bool kept = t->file < 0 ? collect_in_memory(t, data, bytes) : collect_in_file(t, data, bytes);
    return kept ? bytes : CURL_WRITEFUNC_ERROR;
}

static void hexadecimal(const unsigned char *digest, unsigned bytes, char *text) {
    for (unsigned i = 0; i < bytes; i++) snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

// The SHA-256 of the part, and the name that Git gives it: the SHA-1 of "blob SIZE", a NUL and it.
static lam_code digest_part(lam_transfer *t, char blob[LAM_BLOB_TEXT], lam_error *error) {
    enum { BLOCK = 1 << 20 };
    char head[32];
    int head_bytes = snprintf(head, sizeof head, "blob %lld", (long long)t->have) + 1;
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned sum_bytes = 0;
    char *block = malloc(BLOCK);
    EVP_MD_CTX *sha256 = EVP_MD_CTX_new(), *sha1 = EVP_MD_CTX_new();
    bool done = block && sha256 && sha1 && EVP_DigestInit_ex(sha256, EVP_sha256(), NULL) &&
                EVP_DigestInit_ex(sha1, EVP_sha1(), NULL) &&
                EVP_DigestUpdate(sha1, head, (size_t)head_bytes);
    lam_code code = done ? LAM_OK : lam_fail(error, LAM_MEMORY, "OpenSSL could not begin a digest");
    for (int64_t at = 0; code == LAM_OK && at < t->have;) {
        ssize_t got = pread(t->file, block, BLOCK, at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            code = fail_part(t, got < 0 ? errno : EIO, error);
            break;
        }
        EVP_DigestUpdate(sha256, block, (size_t)got);
        if (t->download->blob) EVP_DigestUpdate(sha1, block, (size_t)got);
        at += got;
    }
    if (code == LAM_OK && EVP_DigestFinal_ex(sha256, sum, &sum_bytes))
        hexadecimal(sum, sum_bytes, t->download->digest);
    if (code == LAM_OK && EVP_DigestFinal_ex(sha1, sum, &sum_bytes))
        hexadecimal(sum, sum_bytes, blob);
    EVP_MD_CTX_free(sha256);
    EVP_MD_CTX_free(sha1);
    free(block);
    return code;
}

lam_code lam_transfer_verify(lam_transfer *t, lam_error *error) {
    lam_download *d = t->download;
    char blob[LAM_BLOB_TEXT] = "";
    int64_t size = d->size >= 0 ? d->size : t->expected;
    const char *sha256 = d->sha256 ? d->sha256 : *t->linked_sha256 ? t->linked_sha256 : NULL;
    if (size >= 0 && t->have != size)
        return lam_fail(error, LAM_INPUT,
                        "%s: came with %lld bytes, where it should have %lld: try again later",
                        d->url, (long long)t->have, (long long)size);
    d->bytes = t->have;
    if (t->file < 0) return LAM_OK;
    LAM_TRY(digest_part(t, blob, error));
    if (sha256 && strcmp(sha256, d->digest) != 0)
        return lam_fail(error, LAM_INPUT,
                        "%s: came with the SHA-256 %s, where it should have %s: it is damaged on "
                        "its way or at its source: try again later",
                        d->url, d->digest, sha256);
    if (d->blob && strcmp(d->blob, blob) != 0)
        return lam_fail(error, LAM_INPUT,
                        "%s: came as the Git blob %s, where it should be %s: it is damaged on its "
                        "way or at its source: try again later",
                        d->url, blob, d->blob);
    return LAM_OK;
}
