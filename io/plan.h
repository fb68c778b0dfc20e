// What laminar plan says of a run before it is made: as a text for people, and as JSON.
#ifndef LAM_PLAN_H
#define LAM_PLAN_H

#include "src/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct lam_plan_rank {
    int64_t first_layer, layers;
    int member, members; // of its team
    double bytes;        // its largest resident memory
} lam_plan_rank;

typedef struct lam_plan_part { // of what it adds up to, one line
    const char *name;          // "forward pass"
    double value;
} lam_plan_part;

enum { LAM_PLAN_PARTS = 16, LAM_PLAN_NETWORKS = 2 };

// One number of ranks on each of the networks.
typedef struct lam_plan_scale {
    int ranks;
    struct {
        double seconds, efficiency; // of the ranks' time, the share in which they work
        double waiting, network;    // the shares in which they wait for work, for messages
    } on[LAM_PLAN_NETWORKS];
} lam_plan_scale;

typedef struct lam_plan {
    const char *model, *text, *output; // text: the job's, "" for none
    int64_t layers, tokens;            // tokens: that pass the model, all passes
    int ranks, nodes, threads, cores;
    double faster;       // a rank than measured, by this factor
    double crowding;     // ranks' threads for each core, 1 where there are cores enough
    lam_plan_rank *rank; // [ranks]
    double memory_most, memory_all;
    double memory_keeping; // the most while what is kept of the text waits to be written
    double disk_result, disk_run, disk_export;
    double messages, message_bytes; // of the residual, from team to team
    double row_bytes;               // of results, to rank 0
    double sent;                    // all, in bytes
    lam_plan_part operations[LAM_PLAN_PARTS], seconds[LAM_PLAN_PARTS];
    size_t operation_count, second_count;
    double all_operations, all_seconds;
    double calibration; // seconds that measuring took
    int useful_ranks;   // beyond these nothing is gained
    double useful_seconds;
    const char *command; // to submit it
    double gigabits[LAM_PLAN_NETWORKS];
    lam_plan_scale *scale; // [scale_count]; NULL: not asked for
    size_t scale_count;
} lam_plan;

// Of the runs of one job, which come one after the other on the same ranks.
typedef struct lam_plans {
    const lam_plan *plan; // [count]
    size_t count;
    const char *command; // to submit all of them
} lam_plans;

// To out: a single one as a page, several as a table with what they add up to; as JSON a single one
// by itself, several as "runs" beside that. The second fails with LAM_MEMORY.
void lam_plans_print(const lam_plans *plans, FILE *out);
LAM_CHECKED lam_code lam_plans_print_json(const lam_plans *plans, FILE *out, lam_error *error);

#endif
