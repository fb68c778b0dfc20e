#include "io/dump_bytes.h"

#include "src/bzip2.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

struct lam_dump_bytes {
    const char *path;
    int file;
    bool ended;                    // the file
    lam_bzip2 *unpacker;           // NULL: the file is not packed
    const lam_dump_stream *stream; // [streams]; NULL: all of the file
    size_t streams, begun;         // begun: of the streams
    bool in_stream;
};

static lam_code read_file(void *user, char *to, size_t room, size_t *got, lam_error *error) {
    lam_dump_bytes *bytes = user;
    while (true) {
        ssize_t count = read(bytes->file, to, room);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0)
            return lam_fail(error, LAM_IO, "%s: cannot be read: %s", bytes->path, strerror(errno));
        *got = (size_t)count;
        bytes->ended = count == 0;
        return LAM_OK;
    }
}

lam_code lam_dump_bytes_open(const char *path, const lam_dump_stream *stream, size_t count,
                             lam_dump_bytes **bytes, lam_error *error) {
    size_t length = strlen(path);
    struct stat info;
    lam_dump_bytes *made = calloc(1, sizeof *made);
    if (!made) return lam_fail(error, LAM_MEMORY, "%s: no memory to read it", path);
    made->path = path;
    made->stream = stream;
    made->streams = count;
    made->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // not to wait for a pipe's writer
    lam_code code = LAM_OK;
    if (made->file < 0)
        code = lam_fail(error, LAM_IO, "%s: cannot be opened: %s", path, strerror(errno));
    else if (fstat(made->file, &info) != 0 || !S_ISREG(info.st_mode))
        code = lam_fail(error, LAM_IO, "%s: is not a regular file: name a dump", path);
    else if (length > 4 && strcasecmp(path + length - 4, ".bz2") == 0 &&
             !(made->unpacker = lam_bzip2_create(read_file, made)))
        code = lam_fail(error, LAM_MEMORY, "%s: no memory to unpack it", path);
    if (code != LAM_OK) {
        lam_dump_bytes_close(made);
        return code;
    }
    *bytes = made;
    return LAM_OK;
}

// The stream that is read, or was read last; NULL where there is no list of them.
static const lam_dump_stream *current(const lam_dump_bytes *bytes) {
    return bytes->stream && bytes->begun ? &bytes->stream[bytes->begun - 1] : NULL;
}

static lam_code seek(lam_dump_bytes *bytes, lam_error *error) {
    uint64_t begin = bytes->stream[bytes->begun++].begin;
    lam_bzip2_restart(bytes->unpacker, begin);
    if (begin <= INT64_MAX && lseek(bytes->file, (off_t)begin, SEEK_SET) >= 0) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "%s: has no byte %llu, which its index speaks of",
                    bytes->path, (unsigned long long)begin);
}

// What the unpacker said, with the file's name, and its index's part where there is one.
static lam_code said(const lam_dump_bytes *bytes, lam_code code, lam_error *error) {
    if (code != LAM_INPUT) return code; // all is well, or read_file said it
    if (!bytes->stream || bytes->ended) return lam_fail_within(error, "%s", bytes->path);
    return lam_fail(error, LAM_INPUT,
                    "%s: no stream of bzip2 that is whole begins at byte %llu, where its index "
                    "says one does: they are not of one dump, or damaged: fetch both again",
                    bytes->path, (unsigned long long)current(bytes)->begin);
}

// Begins the next stream. *end: there is none.
static lam_code begin_stream(lam_dump_bytes *bytes, bool *end, lam_error *error) {
    const lam_dump_stream *last = current(bytes);
    bool goes_on = !bytes->stream || (last && last->end == LAM_DUMP_TO_END);
    *end = !goes_on && bytes->begun == bytes->streams;
    if (*end) return LAM_OK;
    if (!goes_on) LAM_TRY(seek(bytes, error));
    LAM_TRY(said(bytes, lam_bzip2_begin(bytes->unpacker, end, error), error));
    bytes->in_stream = !*end;
    if (goes_on || !*end) return LAM_OK;
    return lam_fail(error, LAM_INPUT,
                    "%s: ends before byte %llu, which its index speaks of: fetch both again",
                    bytes->path, (unsigned long long)current(bytes)->begin);
}

// That the stream ended where the index has the next one begin: else it leaves some out.
static lam_code check_end(const lam_dump_bytes *bytes, lam_error *error) {
    const lam_dump_stream *stream = current(bytes);
    uint64_t here = lam_bzip2_position(bytes->unpacker);
    if (!stream || !stream->end || stream->end == LAM_DUMP_TO_END || here == stream->end)
        return LAM_OK;
    return lam_fail(error, LAM_INPUT,
                    "%s: its stream at byte %llu ends at byte %llu, where its index has the next "
                    "at %llu: they are not of one dump: fetch both again, or remove the index",
                    bytes->path, (unsigned long long)stream->begin, (unsigned long long)here,
                    (unsigned long long)stream->end);
}

static lam_code read_packed(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                            lam_error *error) {
    bool end = false;
    for (*got = 0; *got == 0 && !end;) {
        if (!bytes->in_stream) {
            LAM_TRY(begin_stream(bytes, &end, error));
            continue;
        }
        LAM_TRY(said(bytes, lam_bzip2_read(bytes->unpacker, to, room, got, error), error));
        if (*got > 0) continue;
        bytes->in_stream = false;
        LAM_TRY(check_end(bytes, error));
    }
    return LAM_OK;
}

lam_code lam_dump_bytes_read(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                             lam_error *error) {
    return bytes->unpacker ? read_packed(bytes, to, room, got, error)
                           : read_file(bytes, to, room, got, error);
}

size_t lam_dump_bytes_stream(const lam_dump_bytes *bytes) {
    return bytes->begun ? bytes->begun - 1 : 0;
}

void lam_dump_bytes_close(lam_dump_bytes *bytes) {
    if (!bytes) return;
    lam_bzip2_destroy(bytes->unpacker);
    if (bytes->file >= 0) close(bytes->file);
    free(bytes);
}
