// The bytes of a wiki's dump as they are unpacked, piece by piece: a plain file, or one that bzip2
// has packed in one stream or in many.
#ifndef LAM_DUMP_BYTES_H
#define LAM_DUMP_BYTES_H

#include "src/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lam_dump_bytes lam_dump_bytes;

// One of a packed file's streams, by offsets in it.
typedef struct lam_dump_stream {
    uint64_t begin;
    uint64_t end; // where it must end; 0: not known; LAM_DUMP_TO_END: those behind it belong to it
} lam_dump_stream;

#define LAM_DUMP_TO_END UINT64_MAX

// Opens a file, packed where its name ends in .bz2. With stream not NULL only these streams [count]
// of the packed file are read, in this order, each to its end; stream must outlive *bytes. Not
// collective. LAM_IO, LAM_MEMORY; errors name the file, here and below.
LAM_CHECKED lam_code lam_dump_bytes_open(const char *path, const lam_dump_stream *stream,
                                         size_t count, lam_dump_bytes **bytes, lam_error *error);

// The next bytes, at most room of them: *got of them, 0 at the end. LAM_IO; LAM_INPUT if what is
// there is cut short or no bzip2.
LAM_CHECKED lam_code lam_dump_bytes_read(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                                         lam_error *error);

// Which of the streams the bytes were from that were read last; no read gives bytes of two.
size_t lam_dump_bytes_stream(const lam_dump_bytes *bytes);

void lam_dump_bytes_close(lam_dump_bytes *bytes);

#endif
