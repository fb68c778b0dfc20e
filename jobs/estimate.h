// What a run will take on so many ranks: memory, disk and bytes sent by its shapes, seconds by the
// speeds that were measured.
#ifndef LAM_ESTIMATE_H
#define LAM_ESTIMATE_H

#include "jobs/calibrate.h"
#include "jobs/run_state.h"
#include "src/schedule.h"

// Of a run that has its sequences (lam_run_sequences). What else the estimates need to know:
typedef struct lam_estimate {
    const lam_run_state *run;
    int threads;        // of a rank
    double base, first; // bytes of a rank without work, and what rank 0 has beyond that
    double start;       // seconds until the sequences are there
    lam_speeds speeds;  // of as many threads
} lam_estimate;

// The most that a rank of that layout has resident at any time; keeping: with copies of what its
// layers have seen of the text, as many as may wait to be written (io/run_writer.h).
double lam_estimate_memory(const lam_estimate *estimate, const lam_layout *layout, int rank,
                           bool keeping);

// Bytes on disk: the result before it is deflated; what a run folder holds at most, so many layers
// being trained at a time; what is exported. groups of every part are made (lam_run_make_groups).
double lam_estimate_result(const lam_estimate *estimate);
double lam_estimate_folder(const lam_estimate *estimate, int teams);
double lam_estimate_export(const lam_estimate *estimate);

typedef struct lam_traffic {
    double messages, residual; // from team to team, those of a changed model too: number, bytes
    double rows;               // results to rank 0
    double teams;              // within teams
    double tables;             // sequences, digests, tokens
} lam_traffic;

lam_traffic lam_estimate_traffic(const lam_estimate *estimate, const lam_layout *layout);
double lam_traffic_bytes(const lam_traffic *traffic);

// Seconds of each stage: the next one begins when all ranks are there.
typedef struct lam_duration {
    double start, load, forward, profiles, changes, end;
    double work; // of all ranks, without what they wait
} lam_duration;

LAM_CHECKED lam_code lam_estimate_duration(const lam_estimate *estimate, const lam_layout *layout,
                                           const lam_network *network, lam_duration *duration,
                                           lam_error *error);
double lam_duration_seconds(const lam_duration *duration);

#endif
