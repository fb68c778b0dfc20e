#include "state.h"

#include <string.h>

void lam_state_move(lam_state_cursor *cursor, void *data, size_t bytes) {
    char *there = cursor->bytes + cursor->at;
    if (cursor->bytes && bytes)
        memcpy(cursor->back ? data : there, cursor->back ? there : data, bytes);
    cursor->at += bytes;
}
