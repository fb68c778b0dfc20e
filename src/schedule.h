// The pipeline of micro-batches as a model of events: what the forward pass of so many ranks takes
// on a network, and where the time goes. As mpi/pipeline.h does it: a team's members take
// micro-batches in turn, each from the team before and, without waiting, on to the next team.
#ifndef LAM_SCHEDULE_H
#define LAM_SCHEDULE_H

#include "arena.h"
#include "error.h"

#include <stdint.h>

typedef struct lam_network {
    int host_ranks;   // ranks that share a host and its link
    double bandwidth; // bytes a second of a host's link, each way; infinite: nothing is waited for
    double latency;   // seconds
    double memory;    // bytes a second between ranks of one host
} lam_network;

typedef struct lam_schedule {
    int64_t teams, batches;
    const int *lead;       // [teams + 1] first rank of each team, then ranks
    const double *seconds; // [team] of one member for a micro-batch
    double bytes;          // of a message: a micro-batch between two teams
    lam_network network;
} lam_schedule;

// Seconds that one message takes, alone, between two ranks.
double lam_network_seconds(const lam_network *network, int from, int to, double bytes);

// *seconds = until the last micro-batch has left the last team. A link carries one message at a
// time each way, in the order in which they are ready; a rank waits where the message before last
// has not left it. LAM_MEMORY.
LAM_CHECKED lam_code lam_schedule_run(const lam_schedule *schedule, double *seconds,
                                      lam_error *error);

#endif
