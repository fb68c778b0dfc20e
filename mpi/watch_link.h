// The connections of the watch (watch.h): words of a fixed size between each rank and rank 0, over
// TCP and IPv4, as MPI between hosts without a fabric of their own.
#ifndef LAM_WATCH_LINK_H
#define LAM_WATCH_LINK_H

#include "src/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum lam_word_kind {
    LAM_WORD_HELLO,
    LAM_WORD_HERE,
    LAM_WORD_LOST,
    LAM_WORD_LEAVE,
    LAM_WORD_BYE
} lam_word_kind;

// secret keeps strangers out, and ranks of other runs that listen on the same port elsewhere.
typedef struct lam_word {
    uint64_t secret;
    uint32_t kind;  // lam_word_kind
    int32_t number; // HELLO: the rank; HERE: the signal that asked it to end, or 0
} lam_word;

enum { LAM_WATCH_ADDRESSES = 32 };

// Where rank 0 listens, for MPI to tell the others.
typedef struct lam_watch_place {
    uint64_t secret;
    int count;
    struct sockaddr_in address[LAM_WATCH_ADDRESSES];
} lam_watch_place;

// On rank 0: a socket that listens, on this host alone or on all its addresses, and where it is.
// -1 where there is none.
int lam_watch_listen(bool host_only, lam_watch_place *place);

// Takes one connection in: its socket, and in *rank what it says it is; -1 where it is none of
// ours.
int lam_watch_accept(int listener, const lam_watch_place *place, int *rank);

// Of the other ranks: connects to rank 0, within some seconds; -1 where that is not possible.
int lam_watch_connect(const lam_watch_place *place, int rank);

// Sends a word without waiting; one that there is no room for is lost, as others follow.
void lam_watch_say(int socket, uint64_t secret, lam_word_kind kind, int number);

typedef enum lam_heard {
    LAM_HEARD_NOTHING,
    LAM_HEARD_WORD,
    LAM_HEARD_END,
    LAM_HEARD_SILENCE
} lam_heard;

// What has come: a word; nothing more; the end of the process at the other side; or that the
// network gave up.
lam_heard lam_watch_hear(int socket, uint64_t secret, lam_word *word);

#endif
