#include "io/text.h"

#include "src/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum text_kind { PLAIN, HTML, OTHER } text_kind;

static text_kind kind_of(const char *path) {
    const char *dot = strrchr(path, '.');
    if (!dot || strchr(dot, '/')) return OTHER;
    if (strcasecmp(dot, ".txt") == 0) return PLAIN;
    if (strcasecmp(dot, ".html") == 0 || strcasecmp(dot, ".htm") == 0) return HTML;
    return OTHER;
}

static lam_code read_descriptor(int file, char **data, size_t *bytes, lam_error *error) {
    struct stat info;
    if (fstat(file, &info) != 0)
        return lam_fail(error, LAM_IO, "cannot be read: %s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return lam_fail(error, LAM_IO, "is not a regular file: name a .txt or .html file");
    size_t size = (size_t)info.st_size, got = 0;
    *data = malloc(size + 1);
    if (!*data)
        return lam_fail(error, LAM_MEMORY, "memory for its %.1f MB was refused: split it",
                        (double)size / 1e6);
    while (got < size) {
        ssize_t count = read(file, *data + got, size - got);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return lam_fail(error, LAM_IO, "cannot be read: %s", strerror(errno));
        if (count == 0) break; // it has become shorter
        got += (size_t)count;
    }
    (*data)[got] = '\0';
    *bytes = got;
    return LAM_OK;
}

// All of a file, to be freed by the caller, whatever is returned.
static lam_code read_file(const char *path, char **data, size_t *bytes, lam_error *error) {
    // Without O_NONBLOCK a named pipe would wait for a writer.
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) return lam_fail(error, LAM_IO, "cannot be opened: %s", strerror(errno));
    lam_code code = read_descriptor(file, data, bytes, error);
    close(file);
    return code;
}

// Refuses what holds no text that is worth a look.
static lam_code check(const char *data, size_t bytes, lam_error *error) {
    if (bytes >= 2 && (memcmp(data, "\xff\xfe", 2) == 0 || memcmp(data, "\xfe\xff", 2) == 0))
        return lam_fail(error, LAM_INPUT,
                        "is UTF-16 or UTF-32: make it UTF-8 first (iconv -f UTF-16 -t UTF-8)");
    size_t at = bytes >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < bytes && strchr(" \t\n\v\f\r", data[at]) && data[at]) at++;
    if (at == bytes) return lam_fail(error, LAM_INPUT, "is empty: give a file with text in it");
    return LAM_OK;
}

// Makes the text of data its own, which it takes, or of a copy.
static lam_code keep_utf8(char **data, const char *start, size_t length, lam_text *text,
                          lam_error *error) {
    if (start == *data && lam_utf8_valid(start, length) == length) {
        text->data = *data;
        text->bytes = length;
        *data = NULL;
        return LAM_OK;
    }
    size_t bytes = lam_utf8_replace(start, length, NULL, NULL);
    text->data = malloc(bytes + 1);
    if (!text->data)
        return lam_fail(error, LAM_MEMORY, "memory for its text of %.1f MB was refused: split it",
                        (double)bytes / 1e6);
    text->bytes = lam_utf8_replace(start, length, text->data, &text->replaced);
    text->data[bytes] = '\0';
    return LAM_OK;
}

// The text of a file's bytes, which *data holds and which the text may take over.
static lam_code make_text(char **data, size_t bytes, text_kind kind, lam_html_mode mode,
                          lam_text *text, lam_error *error) {
    uint8_t digest[LAM_SHA256_BYTES];
    const char *start = *data;
    size_t length = bytes;
    LAM_TRY(check(*data, bytes, error));
    LAM_TRY(lam_sha256_of(*data, bytes, digest, error));
    lam_sha256_text(digest, text->sha256);
    if (kind == HTML && mode == LAM_HTML_ARTICLE)
        return lam_html_article(*data, bytes, &text->data, &text->bytes, &text->replaced, error);
    if (kind == HTML) LAM_TRY(lam_html_clip(*data, bytes, &start, &length, error));
    return keep_utf8(data, start, length, text, error);
}

lam_code lam_text_read(const char *path, lam_html_mode mode, lam_text *text, lam_error *error) {
    *text = (lam_text){0};
    text_kind kind = kind_of(path);
    if (kind == OTHER)
        return lam_fail(
            error, LAM_INPUT,
            "%s: its name says no kind of text that is read here: .txt, .html or .htm "
            "(or .xml or .bz2, a wiki's dump, .npy, a token shard of laminar tokenize, or .yaml, a "
            "manifest of laminar fetch)",
            path);
    char *data = NULL;
    size_t bytes = 0;
    lam_code code = read_file(path, &data, &bytes, error);
    if (code == LAM_OK) code = make_text(&data, bytes, kind, mode, text, error);
    free(data);
    if (code == LAM_OK) return LAM_OK;
    lam_text_destroy(text);
    return lam_fail_within(error, "%s", path);
}

void lam_text_destroy(lam_text *text) {
    free(text->data);
    *text = (lam_text){0};
}
