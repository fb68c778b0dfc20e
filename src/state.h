// What a calculation needs so that another process can go on with it: flat bytes, cut in the same
// blocks as the work (team.h). Each rank of a team hands over its own blocks, and reads back
// whichever are its own then: the cut may be another one.
#ifndef LAM_STATE_H
#define LAM_STATE_H

#include "team.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LAM_STATE_COMMON = -1, LAM_STATE_TEXT = 64 };

typedef struct lam_state {
    const lam_team *team;
    int64_t blocks;   // of the whole team
    int64_t position; // 0 or more; later is greater, and the bytes follow from it
    // Copies a block (LAM_STATE_COMMON: what all ranks have alike) to bytes or, where back, from
    // them; with bytes NULL it only counts. Returns how many bytes.
    size_t (*copy)(void *of, int64_t block, char *bytes, bool back);
    // Where it stands, for people: "epoch 12 of 75".
    void (*tell)(const void *of, char text[LAM_STATE_TEXT]);
    void *of;
} lam_state;

// For copy: where the next value goes.
typedef struct lam_state_cursor {
    char *bytes;
    bool back;
    size_t at;
} lam_state_cursor;

void lam_state_move(lam_state_cursor *cursor, void *data, size_t bytes);

#endif
