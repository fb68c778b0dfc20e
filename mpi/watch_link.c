#include "watch_link.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const struct timeval longest_wait = {.tv_sec = 2}; // for one word, or one address

// The addresses of this host, those that others can reach first.
static int find_addresses(struct sockaddr_in *address, in_port_t port, bool host_only) {
    struct ifaddrs *all = NULL;
    int count = 0;
    if (!host_only && getifaddrs(&all) != 0) all = NULL;
    for (const struct ifaddrs *i = all; i && count < LAM_WATCH_ADDRESSES - 1; i = i->ifa_next) {
        if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
            i->ifa_flags & IFF_LOOPBACK)
            continue;
        memcpy(&address[count], i->ifa_addr, sizeof *address);
        address[count++].sin_port = port;
    }
    if (all) freeifaddrs(all);
    address[count++] = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return count;
}

int lam_watch_listen(bool host_only, lam_watch_place *place) {
    struct sockaddr_in own = {.sin_family = AF_INET,
                              .sin_addr.s_addr = htonl(host_only ? INADDR_LOOPBACK : INADDR_ANY)};
    socklen_t size = sizeof own;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0) return -1;
    if (getrandom(&place->secret, sizeof place->secret, 0) != (ssize_t)sizeof place->secret ||
        bind(listener, (struct sockaddr *)&own, size) != 0 || listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)&own, &size) != 0) {
        close(listener);
        return -1;
    }
    place->count = find_addresses(place->address, own.sin_port, host_only);
    return listener;
}

// One word, waited for.
static bool await_word(int socket, uint64_t secret, lam_word *word) {
    return setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &longest_wait, sizeof longest_wait) == 0 &&
           recv(socket, word, sizeof *word, MSG_WAITALL) == (ssize_t)sizeof *word &&
           word->secret == secret && word->kind == LAM_WORD_HELLO;
}

static void set_up(int socket) {
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int lam_watch_accept(int listener, const lam_watch_place *place, int *rank) {
    lam_word hello;
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0) return -1;
    if (!await_word(socket, place->secret, &hello)) {
        close(socket);
        return -1;
    }
    set_up(socket);
    lam_watch_say(socket, place->secret, LAM_WORD_HELLO, 0);
    *rank = hello.number;
    return socket;
}

static int connect_to(const struct sockaddr_in *address, uint64_t secret, int rank) {
    lam_word welcome;
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (to < 0) return -1;
    // The time limit of sending is that of connecting.
    if (setsockopt(to, SOL_SOCKET, SO_SNDTIMEO, &longest_wait, sizeof longest_wait) == 0 &&
        connect(to, (const struct sockaddr *)address, sizeof *address) == 0) {
        set_up(to);
        lam_watch_say(to, secret, LAM_WORD_HELLO, rank);
        if (await_word(to, secret, &welcome)) return to;
    }
    close(to);
    return -1;
}

int lam_watch_connect(const lam_watch_place *place, int rank) {
    int to = -1;
    for (int i = 0; i < place->count && to < 0; i++)
        to = connect_to(&place->address[i], place->secret, rank);
    return to;
}

void lam_watch_say(int socket, uint64_t secret, lam_word_kind kind, int number) {
    const lam_word word = {.secret = secret, .kind = (uint32_t)kind, .number = number};
    ssize_t sent = send(socket, &word, sizeof word, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)sent; // what is wrong shows when the other side is listened to
}

lam_heard lam_watch_hear(int socket, uint64_t secret, lam_word *word) {
    ssize_t there = recv(socket, word, sizeof *word, MSG_DONTWAIT | MSG_PEEK);
    if (there == 0) return LAM_HEARD_END;
    if (there < 0)
        return errno == EAGAIN || errno == EINTR       ? LAM_HEARD_NOTHING
               : errno == ECONNRESET || errno == EPIPE ? LAM_HEARD_END
                                                       : LAM_HEARD_SILENCE;
    if (there < (ssize_t)sizeof *word) return LAM_HEARD_NOTHING;
    if (recv(socket, word, sizeof *word, MSG_DONTWAIT) != (ssize_t)sizeof *word ||
        word->secret != secret)
        return LAM_HEARD_SILENCE;
    return LAM_HEARD_WORD;
}
