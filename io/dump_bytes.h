// The bytes of a wiki's dump as they are unpacked, piece by piece: a plain file, or one that bzip2
// has packed in one stream or in many.
#ifndef LAM_DUMP_BYTES_H
#define LAM_DUMP_BYTES_H

#include "src/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct lam_dump_bytes lam_dump_bytes;

// Opens a file, packed where its name ends in .bz2. With stream not NULL only the streams that
// begin at these offsets [count] of the packed file are read, in this order, each to its end;
// stream must outlive *bytes. Not collective. LAM_IO, LAM_MEMORY; errors name the file, here and
// below.
LAM_CHECKED lam_code lam_dump_bytes_open(const char *path, const uint64_t *stream, size_t count,
                                         lam_dump_bytes **bytes, lam_error *error);

// The next bytes, at most room of them: *got of them, 0 at the end. LAM_IO; LAM_INPUT if what is
// there is cut short or no bzip2.
LAM_CHECKED lam_code lam_dump_bytes_read(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                                         lam_error *error);

void lam_dump_bytes_close(lam_dump_bytes *bytes);

#endif
