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
    const uint64_t *stream; // those that are left to read; NULL: all of the file
    size_t streams;
    bz_stream unpacker;
    bool in_stream; // the unpacker is at work
    uint64_t from;  // where the stream begins, if that is known
    char buffer[PACKED_BYTES];
};

lam_code lam_dump_bytes_open(const char *path, const uint64_t *stream, size_t count,
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

// Begins the next stream. *end: there is none.
static lam_code begin_stream(lam_dump_bytes *bytes, bool *end, lam_error *error) {
    *end = bytes->stream && bytes->streams == 0;
    if (*end) return LAM_OK;
    if (bytes->stream) {
        bytes->from = *bytes->stream++;
        bytes->streams--;
        bytes->unpacker.avail_in = 0;
        if (bytes->from > INT64_MAX || lseek(bytes->file, (off_t)bytes->from, SEEK_SET) < 0)
            return lam_fail(error, LAM_INPUT, "%s: has no byte %llu, which its index speaks of",
                            bytes->path, (unsigned long long)bytes->from);
    }
    LAM_TRY(refill(bytes, end, error));
    if (*end && bytes->stream)
        return lam_fail(error, LAM_INPUT,
                        "%s: ends before byte %llu, which its index speaks of: fetch both again",
                        bytes->path, (unsigned long long)bytes->from);
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

static lam_code bad(lam_dump_bytes *bytes, int result, lam_error *error) {
    if (result == BZ_MEM_ERROR)
        return lam_fail(error, LAM_MEMORY, "%s: no memory to unpack it", bytes->path);
    if (bytes->stream)
        return lam_fail(error, LAM_INPUT,
                        "%s: no stream of bzip2 that is whole begins at byte %llu, where its index "
                        "says one does: they are not of one dump, or damaged: fetch both again",
                        bytes->path, (unsigned long long)bytes->from);
    off_t here = lseek(bytes->file, 0, SEEK_CUR) - (off_t)bytes->unpacker.avail_in;
    return lam_fail(error, LAM_INPUT,
                    "%s: is not what bzip2 packed, or damaged, near byte %lld: fetch it again",
                    bytes->path, (long long)here);
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
        if (result == BZ_STREAM_END) end_stream(bytes);
    }
    return LAM_OK;
}

lam_code lam_dump_bytes_read(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                             lam_error *error) {
    return bytes->packed ? read_packed(bytes, to, room, got, error)
                         : read_file(bytes, to, room, got, error);
}

void lam_dump_bytes_close(lam_dump_bytes *bytes) {
    if (!bytes) return;
    end_stream(bytes);
    if (bytes->file >= 0) close(bytes->file);
    free(bytes);
}
