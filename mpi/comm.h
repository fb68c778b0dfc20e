// The ranks of a run: who they are, and how they agree on errors.
#ifndef LAM_COMM_H
#define LAM_COMM_H

#include "src/error.h"

#include <mpi.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_comm {
    MPI_Comm mpi;
    int rank, size;
    int host_ranks; // ranks on this rank's host, this one included
    char host[MPI_MAX_PROCESSOR_NAME];
    struct lam_watch *watch; // NULL: none
} lam_comm;

// Starts MPI (threads funneled) over all ranks, with errors returned, not fatal. Collective.
// LAM_PEER if MPI will not start or offers no threads.
LAM_CHECKED lam_code lam_comm_create(lam_comm *comm, int *argc, char ***argv, lam_error *error);

// Starts the watch over all ranks (watch.h): none may die or fall silent unseen, and what asks one
// to end asks all. Collective. LAM_MEMORY, LAM_PEER.
LAM_CHECKED lam_code lam_comm_watch(lam_comm *comm, double patience, lam_error *error);

// Ends MPI. Collective, unless the run is lost: then lam_comm_abort.
void lam_comm_destroy(lam_comm *comm);

// Ends all ranks at once with code's exit status, for when they cannot agree any more.
_Noreturn void lam_comm_abort(const lam_comm *comm, lam_code code);

// LAM_OK for MPI_SUCCESS, else LAM_PEER and a line that says what was being done.
LAM_CHECKED lam_code lam_comm_check(int mpi_result, const char *doing, lam_error *error);

// Closes a stage: every rank brings its own code, all leave with the lowest failing rank's code and
// text, which names that rank where it failed alone. A rank that was asked to end brings
// LAM_INTERRUPTED for LAM_OK; one that brings LAM_PEER cannot agree, and returns at once: the run
// is lost. An error that is passed on (error.h) does not count. Collective; called by failing ranks
// too.
LAM_CHECKED lam_code lam_comm_agree(const lam_comm *comm, lam_code code, lam_error *error);

// Closes a stage that rank 0 alone worked in: all leave with its code and text. Collective.
LAM_CHECKED lam_code lam_comm_follow(const lam_comm *comm, lam_code code, lam_error *error);

// bytes of data from root to all, in pieces that MPI's 32-bit counts allow. Collective.
LAM_CHECKED lam_code lam_comm_broadcast(const lam_comm *comm, void *data, size_t bytes, int root,
                                        lam_error *error);

// One message of any size between two ranks, in such pieces. Both wait.
LAM_CHECKED lam_code lam_comm_send(const lam_comm *comm, const void *data, size_t bytes, int to,
                                   int tag, lam_error *error);
LAM_CHECKED lam_code lam_comm_receive(const lam_comm *comm, void *data, size_t bytes, int from,
                                      int tag, lam_error *error);

#endif
