#include "io/dump_bytes.h"

#include <bzlib.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PACKED_BYTES = 1 << 16 };

struct lam_dump_bytes {
    const char *path;
    int file;
    bool packed;
    const lam_dump_stream *stream; // [streams]; NULL: all of the file
    size_t streams, begun;         // begun: of the streams
    bz_stream unpacker;
    bool in_stream; // the unpacker is at work
    char buffer[PACKED_BYTES];
};

lam_code lam_dump_bytes_open(const char *path, const lam_dump_stream *stream, size_t count,
                             lam_dump_bytes **bytes, lam_error *error) {
    size_t length = strlen(path);
    struct stat info;
    lam_dump_bytes *made = calloc(1, sizeof *made);
    if (!made) return lam_fail(error, LAM_MEMORY, "%s: no memory to read it", path);
    made->path = path;
    made->packed = length > 4 && strcasecmp(path + length - 4, ".bz2") == 0;
    made->stream = stream;
    made->streams = count;
    made->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // not to wait for a pipe's writer
    lam_code code = LAM_OK;
    if (made->file < 0)
        code = lam_fail(error, LAM_IO, "%s: cannot be opened: %s", path, strerror(errno));
    else if (fstat(made->file, &info) != 0 || !S_ISREG(info.st_mode))
        code = lam_fail(error, LAM_IO, "%s: is not a regular file: name a dump", path);
    if (code != LAM_OK) {
        lam_dump_bytes_close(made);
        return code;
    }
    *bytes = made;
    return LAM_OK;
}

static lam_code read_file(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                          lam_error *error) {
    while (true) {
        ssize_t count = read(bytes->file, to, room);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0)
            return lam_fail(error, LAM_IO, "%s: cannot be read: %s", bytes->path, strerror(errno));
        *got = (size_t)count;
        return LAM_OK;
    }
}

// More packed bytes, where none are left. *end: there are none.
static lam_code refill(lam_dump_bytes *bytes, bool *end, lam_error *error) {
    bz_stream *unpacker = &bytes->unpacker;
    *end = false;
    if (unpacker->avail_in > 0) return LAM_OK;
    size_t got = 0;
    LAM_TRY(read_file(bytes, bytes->buffer, sizeof bytes->buffer, &got, error));
    unpacker->next_in = bytes->buffer;
    unpacker->avail_in = (unsigned)got;
    *end = got == 0;
    return LAM_OK;
}

// The stream that is read, or was read last; NULL where there is no list of them.
static const lam_dump_stream *current(const lam_dump_bytes *bytes) {
    return bytes->stream && bytes->begun ? &bytes->stream[bytes->begun - 1] : NULL;
}

static lam_code seek(lam_dump_bytes *bytes, lam_error *error) {
    uint64_t begin = bytes->stream[bytes->begun++].begin;
    bytes->unpacker.avail_in = 0;
    if (begin <= INT64_MAX && lseek(bytes->file, (off_t)begin, SEEK_SET) >= 0) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "%s: has no byte %llu, which its index speaks of",
                    bytes->path, (unsigned long long)begin);
}

// Begins the next stream. *end: there is none.
static lam_code begin_stream(lam_dump_bytes *bytes, bool *end, lam_error *error) {
    const lam_dump_stream *last = current(bytes);
    bool goes_on = !bytes->stream || (last && last->end == LAM_DUMP_TO_END);
    *end = !goes_on && bytes->begun == bytes->streams;
    if (*end) return LAM_OK;
    if (!goes_on) LAM_TRY(seek(bytes, error));
    LAM_TRY(refill(bytes, end, error));
    if (*end && !goes_on)
        return lam_fail(error, LAM_INPUT,
                        "%s: ends before byte %llu, which its index speaks of: fetch both again",
                        bytes->path, (unsigned long long)current(bytes)->begin);
    if (*end) return LAM_OK;
    bz_stream fresh = {.next_in = bytes->unpacker.next_in, .avail_in = bytes->unpacker.avail_in};
    bytes->unpacker = fresh;
    if (BZ2_bzDecompressInit(&bytes->unpacker, 0, 0) != BZ_OK)
        return lam_fail(error, LAM_MEMORY, "%s: no memory to unpack it", bytes->path);
    bytes->in_stream = true;
    return LAM_OK;
}

static void end_stream(lam_dump_bytes *bytes) {
    if (bytes->in_stream) BZ2_bzDecompressEnd(&bytes->unpacker);
    bytes->in_stream = false;
}

// Of the next packed byte.
static off_t position(const lam_dump_bytes *bytes) {
    return lseek(bytes->file, 0, SEEK_CUR) - (off_t)bytes->unpacker.avail_in;
}

static lam_code bad(lam_dump_bytes *bytes, int result, lam_error *error) {
    if (result == BZ_MEM_ERROR)
        return lam_fail(error, LAM_MEMORY, "%s: no memory to unpack it", bytes->path);
    if (bytes->stream)
        return lam_fail(error, LAM_INPUT,
                        "%s: no stream of bzip2 that is whole begins at byte %llu, where its index "
                        "says one does: they are not of one dump, or damaged: fetch both again",
                        bytes->path, (unsigned long long)current(bytes)->begin);
    off_t here = position(bytes);
    return lam_fail(error, LAM_INPUT,
                    "%s: is not what bzip2 packed, or damaged, near byte %lld: fetch it again",
                    bytes->path, (long long)here);
}

// That the stream ended where the index has the next one begin: else it leaves some out.
static lam_code check_end(const lam_dump_bytes *bytes, lam_error *error) {
    const lam_dump_stream *stream = current(bytes);
    if (!stream || !stream->end || stream->end == LAM_DUMP_TO_END ||
        (uint64_t)position(bytes) == stream->end)
        return LAM_OK;
    return lam_fail(error, LAM_INPUT,
                    "%s: its stream at byte %llu ends at byte %lld, where its index has the next "
                    "at %llu: they are not of one dump: fetch both again, or remove the index",
                    bytes->path, (unsigned long long)stream->begin, (long long)position(bytes),
                    (unsigned long long)stream->end);
}

static lam_code read_packed(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                            lam_error *error) {
    bz_stream *unpacker = &bytes->unpacker;
    bool end = false;
    for (*got = 0; *got == 0 && !end;) {
        if (!bytes->in_stream) {
            LAM_TRY(begin_stream(bytes, &end, error));
            continue;
        }
        LAM_TRY(refill(bytes, &end, error));
        if (end)
            return lam_fail(error, LAM_INPUT,
                            "%s: ends in the middle of its packed text: it was cut short: fetch "
                            "it again",
                            bytes->path);
        unpacker->next_out = to;
        unpacker->avail_out = (unsigned)room;
        int result = BZ2_bzDecompress(unpacker);
        if (result != BZ_OK && result != BZ_STREAM_END) return bad(bytes, result, error);
        *got = room - unpacker->avail_out;
        if (result != BZ_STREAM_END) continue;
        end_stream(bytes);
        LAM_TRY(check_end(bytes, error));
    }
    return LAM_OK;
}

lam_code lam_dump_bytes_read(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                             lam_error *error) {
    return bytes->packed ? read_packed(bytes, to, room, got, error)
                         : read_file(bytes, to, room, got, error);
}

size_t lam_dump_bytes_stream(const lam_dump_bytes *bytes) {
    return bytes->begun ? bytes->begun - 1 : 0;
}

void lam_dump_bytes_close(lam_dump_bytes *bytes) {
    if (!bytes) return;
    end_stream(bytes);
    if (bytes->file >= 0) close(bytes->file);
    free(bytes);
}
