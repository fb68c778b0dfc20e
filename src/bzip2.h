// Unpacks what bzip2 has packed.
#ifndef LAM_BZIP2_H
#define LAM_BZIP2_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Gives the next packed bytes, at most room: *got of them, 0 at the end. Errors are passed on.
typedef lam_code lam_bzip2_source(void *user, char *to, size_t room, size_t *got, lam_error *error);

typedef struct lam_bzip2 lam_bzip2;

// What reads from source(user, ...), whose first byte is at position 0. NULL: no memory (6 MB; 19
// for blocks made to take more). To be destroyed.
lam_bzip2 *lam_bzip2_create(lam_bzip2_source *source, void *user);

// Begins the next stream. *end: there is none, for the source has ended. LAM_INPUT, with a text
// that goes on from "FILE: ", if what is there is cut short or no bzip2, here and below; the
// source's own errors. After an error only restart and destroy are allowed.
LAM_CHECKED lam_code lam_bzip2_begin(lam_bzip2 *unpacker, bool *end, lam_error *error);

// The next bytes of the stream, at most room > 0: *got of them, 0 at the end of the stream. Blocks
// marked as randomised, which nothing has made since bzip2 0.9.5 of 1999, count as damaged.
LAM_CHECKED lam_code lam_bzip2_read(lam_bzip2 *unpacker, char *to, size_t room, size_t *got,
                                    lam_error *error);

// Of the next packed byte; at the end of a stream the one behind it.
uint64_t lam_bzip2_position(const lam_bzip2 *unpacker);

// What the source gives next is at this position, and begins a stream.
void lam_bzip2_restart(lam_bzip2 *unpacker, uint64_t position);

void lam_bzip2_destroy(lam_bzip2 *unpacker);

#endif
