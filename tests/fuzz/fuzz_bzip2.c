// libFuzzer over the unpacking of what bzip2 packed. What libbz2 makes of it, damaged or not, it
// makes of it, too; but nothing of randomised blocks. From the project's folder:
//     clang-14 -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. \
//         tests/fuzz/fuzz_bzip2.c src/bzip2.c src/error.c -lbz2 -o fuzz_bzip2 && \
//     mkdir -p corpus && bzip2 -c LICENSE >corpus/seed && ./fuzz_bzip2 -max_len=20000 corpus
#include "src/bzip2.h"

#include <bzlib.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 2 << 20 };

typedef struct packed {
    const uint8_t *data;
    size_t left, piece;
} packed;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds) {
    if (!holds) abort();
}

static lam_code give(void *user, char *to, size_t room, size_t *got, lam_error *error) {
    (void)error;
    packed *p = user;
    *got = p->left < p->piece ? p->left : p->piece;
    if (*got > room) *got = room;
    if (*got) memcpy(to, p->data, *got);
    p->data += *got;
    p->left -= *got;
    return LAM_OK;
}

// Unpacks the first stream into out [ROOM], as much as there is room for.
static lam_code unpack(lam_bzip2 *unpacker, char *out, size_t room, size_t *length) {
    bool end;
    size_t got;
    lam_error error;
    LAM_TRY(lam_bzip2_begin(unpacker, &end, &error));
    must(!end);
    do {
        size_t left = ROOM - *length;
        LAM_TRY(lam_bzip2_read(unpacker, out + *length, room < left ? room : left, &got, &error));
        *length += got;
    } while (got > 0 && *length < ROOM);
    return LAM_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char own[ROOM], theirs[ROOM];
    if (bytes < 2) return 0;
    size_t length = 0, room = data[0] + 1u;
    packed source = {data + 1, bytes - 1, data[0] % 7 == 0 ? 1 : bytes};
    lam_bzip2 *unpacker = lam_bzip2_create(give, &source);
    must(unpacker != NULL);
    lam_code code = unpack(unpacker, own, room * room, &length);
    bz_stream stream = {.next_in = (char *)data + 1,
                        .avail_in = (unsigned)(bytes - 1),
                        .next_out = theirs,
                        .avail_out = ROOM};
    must(BZ2_bzDecompressInit(&stream, 0, 0) == BZ_OK);
    int result = BZ2_bzDecompress(&stream);
    size_t expected = ROOM - stream.avail_out;
    must(memcmp(own, theirs, length < expected ? length : expected) == 0);
    if (code == LAM_OK && length < ROOM) {
        must(result == BZ_STREAM_END && length == expected);
        must(lam_bzip2_position(unpacker) == bytes - 1 - stream.avail_in);
    }
    BZ2_bzDecompressEnd(&stream);
    lam_bzip2_destroy(unpacker);
    return 0;
}
