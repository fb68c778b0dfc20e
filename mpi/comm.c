#include "comm.h"

#include "src/stop.h"
#include "watch.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Bytes of one MPI message; a test has fewer.
#ifndef LAM_COMM_PIECE
#define LAM_COMM_PIECE (1 << 30)
#endif

lam_code lam_comm_check(int mpi_result, const char *doing, lam_error *error) {
    if (mpi_result == MPI_SUCCESS) return LAM_OK;
    char reason[MPI_MAX_ERROR_STRING] = "unknown";
    int length = 0;
    MPI_Error_string(mpi_result, reason, &length);
    return lam_fail(error, LAM_PEER, "MPI failed while %s: %s", doing, reason);
}

lam_code lam_comm_create(lam_comm *comm, int *argc, char ***argv, lam_error *error) {
    *comm = (lam_comm){.mpi = MPI_COMM_WORLD};
    int provided = MPI_THREAD_SINGLE, length = 0;
    LAM_TRY(lam_comm_check(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided), "starting",
                           error));
    LAM_TRY(
        lam_comm_check(MPI_Comm_set_errhandler(comm->mpi, MPI_ERRORS_RETURN), "starting", error));
    LAM_TRY(lam_comm_check(MPI_Comm_rank(comm->mpi, &comm->rank), "starting", error));
    LAM_TRY(lam_comm_check(MPI_Comm_size(comm->mpi, &comm->size), "starting", error));
    LAM_TRY(lam_comm_check(MPI_Get_processor_name(comm->host, &length), "starting", error));
    if (provided < MPI_THREAD_FUNNELED)
        return lam_fail(error, LAM_PEER,
                        "this MPI was built without threads: laminar needs MPI_THREAD_FUNNELED");
    MPI_Comm host;
    LAM_TRY(lam_comm_check(
        MPI_Comm_split_type(comm->mpi, MPI_COMM_TYPE_SHARED, comm->rank, MPI_INFO_NULL, &host),
        "finding the ranks of a host", error));
    LAM_TRY(lam_comm_check(MPI_Comm_size(host, &comm->host_ranks), "starting", error));
    return lam_comm_check(MPI_Comm_free(&host), "starting", error);
}

lam_code lam_comm_watch(lam_comm *comm, double patience, lam_error *error) {
    return lam_watch_create(&comm->watch, comm, patience, error);
}

void lam_comm_destroy(lam_comm *comm) {
    lam_watch_destroy(comm->watch);
    MPI_Finalize();
    *comm = (lam_comm){0};
}

_Noreturn void lam_comm_abort(const lam_comm *comm, lam_code code) {
    fflush(NULL);
    lam_watch_abandon(comm->watch);
    MPI_Abort(comm->mpi, (int)code);
    exit((int)code);
}

lam_code lam_comm_agree(const lam_comm *comm, lam_code code, lam_error *error) {
    if (code == LAM_PEER) return code;
    if (code != LAM_OK && error->passed_on) code = LAM_OK;
    if (code == LAM_OK) code = lam_stop_check(error);
    int mine[2] = {code == LAM_OK ? INT_MAX : comm->rank, code == LAM_OK ? 0 : 1};
    int lowest, failed;
    lam_error unreachable;
    LAM_TRY(lam_comm_check(MPI_Allreduce(&mine[0], &lowest, 1, MPI_INT, MPI_MIN, comm->mpi),
                           "agreeing on errors", error));
    if (lowest == INT_MAX) return LAM_OK;
    LAM_TRY(lam_comm_check(MPI_Allreduce(&mine[1], &failed, 1, MPI_INT, MPI_SUM, comm->mpi),
                           "agreeing on errors", error));
    // What all ranks found needs no address; what some found does.
    if (comm->rank == lowest && failed < comm->size && comm->size > 1)
        lam_fail_within(error, "rank %d (%s)", comm->rank, comm->host);
    if (lam_comm_broadcast(comm, error, sizeof *error, lowest, &unreachable) != LAM_OK)
        *error = unreachable;
    return error->code;
}

lam_code lam_comm_follow(const lam_comm *comm, lam_code code, lam_error *error) {
    lam_error unreachable;
    if (code == LAM_PEER) return code;
    if (code == LAM_OK) error->code = LAM_OK;
    if (lam_comm_broadcast(comm, error, sizeof *error, 0, &unreachable) != LAM_OK)
        *error = unreachable;
    return error->code;
}

lam_code lam_comm_broadcast(const lam_comm *comm, void *data, size_t bytes, int root,
                            lam_error *error) {
    for (size_t at = 0; at < bytes; at += LAM_COMM_PIECE) {
        int piece = (int)(bytes - at < LAM_COMM_PIECE ? bytes - at : LAM_COMM_PIECE);
        LAM_TRY(lam_comm_check(MPI_Bcast((char *)data + at, piece, MPI_BYTE, root, comm->mpi),
                               "broadcasting", error));
    }
    return LAM_OK;
}

lam_code lam_comm_send(const lam_comm *comm, const void *data, size_t bytes, int to, int tag,
                       lam_error *error) {
    for (size_t at = 0; at < bytes; at += LAM_COMM_PIECE) {
        int piece = (int)(bytes - at < LAM_COMM_PIECE ? bytes - at : LAM_COMM_PIECE);
        LAM_TRY(
            lam_comm_check(MPI_Send((const char *)data + at, piece, MPI_BYTE, to, tag, comm->mpi),
                           "sending", error));
    }
    return LAM_OK;
}

lam_code lam_comm_receive(const lam_comm *comm, void *data, size_t bytes, int from, int tag,
                          lam_error *error) {
    for (size_t at = 0; at < bytes; at += LAM_COMM_PIECE) {
        int piece = (int)(bytes - at < LAM_COMM_PIECE ? bytes - at : LAM_COMM_PIECE);
        LAM_TRY(lam_comm_check(
            MPI_Recv((char *)data + at, piece, MPI_BYTE, from, tag, comm->mpi, MPI_STATUS_IGNORE),
            "receiving", error));
    }
    return LAM_OK;
}
