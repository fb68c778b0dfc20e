#include "team.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Of a long array so many values are summed at a time.
enum { PIECE = 1 << 18 };

typedef struct lam_crew { // what a team keeps
    lam_comm comm;        // its own: rank and size are member and members
    bool left;            // a member has failed: there is no more to be done together
    char *room;           // [room_size] bytes of the sums
    size_t room_size;
    int *count[2], *offset[2]; // [members] values sent and received
} lam_crew;

// Every call begins so: a member that failed meets the others here, whatever they call.
static lam_code meet(lam_crew *crew, lam_code code, lam_error *error) {
    int failed = code != LAM_OK, any;
    if (crew->left) return code;
    LAM_TRY(lam_comm_check(MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, crew->comm.mpi),
                           "agreeing in a team", error));
    crew->left = any;
    if (!any || failed) return code;
    lam_fail(error, LAM_INTERNAL, "another rank of the same layer has failed");
    error->passed_on = true;
    return error->code;
}

static void own_of(int member, int members, int64_t blocks, int64_t *first, int64_t *count) {
    *first = (blocks * member + members - 1) / members;
    *count = (blocks * (member + 1) + members - 1) / members - *first;
}

static void own(const lam_team *team, int64_t blocks, int64_t *first, int64_t *count) {
    own_of(team->member, team->members, blocks, first, count);
}

// --- sums

// One sum over the blocks of all members. Each member adds up a share of the values.
typedef struct lam_summing {
    lam_crew *crew;
    int64_t blocks, length;
    int64_t own_nodes, all_nodes;
    lam_team_node *node;   // [all_nodes] member by member
    int *nodes_of;         // [member]
    float *parts;          // [own_nodes, length]
    float *packed, *ready; // [own_nodes, PIECE], [all_nodes, PIECE / members + 1]
} lam_summing;

// The nodes of the tree that the members hold; node is NULL to count them only.
static int64_t list_nodes(const lam_team *team, int64_t blocks, lam_team_node *node,
                          int *nodes_of) {
    int64_t all = 0;
    for (int m = 0; m < team->members; m++) {
        lam_team_node found[LAM_TEAM_NODES];
        int64_t first, count;
        own_of(m, team->members, blocks, &first, &count);
        const int64_t nodes = lam_team_nodes(blocks, first, count, found);
        if (node) memcpy(node + all, found, (size_t)nodes * sizeof *node);
        if (nodes_of) nodes_of[m] = (int)nodes;
        all += nodes;
    }
    return all;
}

// The sum of size blocks from first on, as far as there are so many, of the nodes from *next on;
// each has count values, and is used up.
static float *sum_nodes(const lam_summing *s, int64_t *next, int64_t first, int64_t size,
                        int64_t count) {
    const lam_team_node *node = &s->node[*next];
    const int64_t here = size < s->blocks - first ? size : s->blocks - first;
    if (node->first == first && node->count == here) return s->ready + (*next)++ * count;
    float *left = sum_nodes(s, next, first, size / 2, count);
    if (first + size / 2 >= s->blocks) return left;
    const float *right = sum_nodes(s, next, first + size / 2, size / 2, count);
    for (int64_t i = 0; i < count; i++) left[i] += right[i];
    return left;
}

static int64_t share_of(const lam_crew *crew, int member, int64_t count) {
    return count * member / crew->comm.size;
}

// Values at .. at + count - 1 of the sum: every member gets its share of them from all, adds it up
// and gives it to all.
static lam_code sum_piece(const lam_summing *s, int64_t at, int64_t count, lam_error *error) {
    lam_crew *crew = s->crew;
    const int members = crew->comm.size;
    const int64_t mine = share_of(crew, crew->comm.rank, count),
                  own = share_of(crew, crew->comm.rank + 1, count) - mine;
    int sent = 0, received = 0;
    for (int m = 0; m < members; m++) {
        const int64_t first = share_of(crew, m, count), size = share_of(crew, m + 1, count) - first;
        crew->offset[0][m] = sent, crew->offset[1][m] = received;
        crew->count[0][m] = (int)(s->own_nodes * size);
        crew->count[1][m] = (int)(s->nodes_of[m] * own);
        for (int64_t n = 0; n < s->own_nodes; n++, sent += (int)size)
            memcpy(s->packed + sent, s->parts + n * s->length + at + first,
                   (size_t)size * sizeof *s->packed);
        received += crew->count[1][m];
    }
    LAM_TRY(lam_comm_check(MPI_Alltoallv(s->packed, crew->count[0], crew->offset[0], MPI_FLOAT,
                                         s->ready, crew->count[1], crew->offset[1], MPI_FLOAT,
                                         crew->comm.mpi),
                           "exchanging sums", error));
    int64_t next = 0, size = 1;
    while (size < s->blocks) size *= 2;
    const float *sum = sum_nodes(s, &next, 0, size, own);
    for (int m = 0; m < members; m++) {
        crew->offset[1][m] = (int)share_of(crew, m, count);
        crew->count[1][m] = (int)share_of(crew, m + 1, count) - crew->offset[1][m];
    }
    return lam_comm_check(MPI_Allgatherv(sum, (int)own, MPI_FLOAT, s->parts + at, crew->count[1],
                                         crew->offset[1], MPI_FLOAT, crew->comm.mpi),
                          "sharing sums", error);
}

// Finds room for a sum of so many values, or more.
static lam_code make_room(lam_summing *s, const lam_team *team, lam_error *error) {
    lam_crew *crew = s->crew;
    const size_t members = (size_t)crew->comm.size;
    s->all_nodes = list_nodes(team, s->blocks, NULL, NULL);
    const size_t packed = (size_t)s->own_nodes * PIECE * sizeof(float);
    const size_t ready = (size_t)s->all_nodes * (PIECE / members + 1) * sizeof(float);
    const size_t nodes = (size_t)s->all_nodes * sizeof(lam_team_node);
    const size_t size = nodes + packed + ready + members * sizeof(int);
    if (size > crew->room_size) {
        free(crew->room);
        crew->room = malloc(size);
        crew->room_size = crew->room ? size : 0;
    }
    if (!crew->room)
        return lam_fail(error, LAM_MEMORY, "memory for a sum over %d ranks was refused",
                        crew->comm.size);
    s->node = (lam_team_node *)crew->room;
    s->packed = (float *)(crew->room + nodes);
    s->ready = (float *)(crew->room + nodes + packed);
    s->nodes_of = (int *)(crew->room + nodes + packed + ready);
    list_nodes(team, s->blocks, s->node, s->nodes_of);
    return LAM_OK;
}

static lam_code sum(const lam_team *team, int64_t blocks, float *parts, int64_t length,
                    lam_error *error) {
    lam_summing s = {.crew = team->state, .blocks = blocks, .length = length, .parts = parts};
    lam_team_node nodes[LAM_TEAM_NODES];
    int64_t first, count;
    own(team, blocks, &first, &count);
    s.own_nodes = lam_team_nodes(blocks, first, count, nodes);
    LAM_TRY(meet(s.crew, make_room(&s, team, error), error));
    for (int64_t at = 0; at < length; at += PIECE)
        LAM_TRY(sum_piece(&s, at, length - at < PIECE ? length - at : PIECE, error));
    return LAM_OK;
}

// --- what the others need

static lam_code share(const lam_team *team, int64_t blocks, double *values, int64_t length,
                      lam_error *error) {
    lam_crew *crew = team->state;
    LAM_TRY(meet(crew, LAM_OK, error));
    for (int m = 0; m < team->members; m++) {
        int64_t first, count;
        own_of(m, team->members, blocks, &first, &count);
        LAM_TRY(lam_comm_broadcast(&crew->comm, values + first * length,
                                   (size_t)(count * length) * sizeof *values, m, error));
    }
    return LAM_OK;
}

static lam_code gather(const lam_team *team, void *data, int64_t parts, const size_t *start,
                       lam_error *error) {
    lam_crew *crew = team->state;
    LAM_TRY(meet(crew, LAM_OK, error));
    for (int64_t i = 0; i < parts; i++)
        LAM_TRY(lam_comm_broadcast(&crew->comm, (char *)data + start[i], start[i + 1] - start[i],
                                   (int)(i % team->members), error));
    return LAM_OK;
}

static lam_code any(const lam_team *team, bool *flag, lam_error *error) {
    lam_crew *crew = team->state;
    LAM_TRY(meet(crew, LAM_OK, error));
    return lam_comm_check(MPI_Allreduce(MPI_IN_PLACE, flag, 1, MPI_C_BOOL, MPI_LOR, crew->comm.mpi),
                          "agreeing in a team", error);
}

static lam_code close_team(const lam_team *team, lam_code code, lam_error *error) {
    return meet(team->state, code, error);
}

// --- from the start to the end

static lam_code make_crew(const lam_comm *comm, const lam_place *place, lam_crew **crew,
                          lam_error *error) {
    *crew = calloc(1, sizeof **crew);
    if (!*crew) return lam_fail(error, LAM_MEMORY, "memory for a team of ranks was refused");
    (*crew)->comm = *comm;
    (*crew)->comm.mpi = MPI_COMM_NULL;
    (*crew)->comm.rank = place->member;
    (*crew)->comm.size = place->members;
    for (int i = 0; i < 2; i++) {
        (*crew)->count[i] = calloc((size_t)place->members, sizeof(int));
        (*crew)->offset[i] = calloc((size_t)place->members, sizeof(int));
        if (!(*crew)->count[i] || !(*crew)->offset[i])
            return lam_fail(error, LAM_MEMORY, "memory for a team of ranks was refused");
    }
    return LAM_OK;
}

lam_code lam_team_create(const lam_comm *comm, const lam_layout *layout, lam_team *team,
                         lam_error *error) {
    const lam_place place = lam_layout_place(layout, comm->rank);
    lam_crew *crew = NULL;
    lam_code code = make_crew(comm, &place, &crew, error);
    *team = (lam_team){.member = place.member,
                       .members = place.members,
                       .own = own,
                       .sum = sum,
                       .share = share,
                       .gather = gather,
                       .any = any,
                       .close = close_team,
                       .state = crew};
    LAM_TRY(lam_comm_agree(comm, code, error));
    code = lam_comm_check(MPI_Comm_split(comm->mpi, place.team, place.member, &crew->comm.mpi),
                          "forming teams", error);
    return lam_comm_agree(comm, code, error);
}

void lam_team_destroy(lam_team *team) {
    lam_crew *crew = team->state;
    if (!crew) return;
    if (crew->comm.mpi != MPI_COMM_NULL) MPI_Comm_free(&crew->comm.mpi);
    for (int i = 0; i < 2; i++) {
        free(crew->count[i]);
        free(crew->offset[i]);
    }
    free(crew->room);
    free(crew);
    *team = (lam_team){0};
}
