// Counts what a run sends, between the program and MPI: LD_PRELOAD=libcluster_messages.so in the
// environment of its ranks. At the end rank 0 says, in one line on standard error, how many
// messages of residual (tag 1, mpi/pipeline.c) and of rows (tag 2, mpi/collect.c) all ranks sent
// and their bytes, and how many collective calls they made.
#include <mpi.h>
#include <stdio.h>

enum { RESIDUAL = 1, ROWS = 2, COLLECTIVE = 0, KINDS = 3 };

static double calls[KINDS], bytes[KINDS];

static void add(int kind, int count, MPI_Datatype type) {
    int size = 0;
    PMPI_Type_size(type, &size);
    if (kind < 0 || kind >= KINDS) return;
    calls[kind]++;
    bytes[kind] += (double)count * size;
}

int MPI_Isend(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request) {
    add(tag, count, type);
    return PMPI_Isend(data, count, type, to, tag, comm, request);
}

int MPI_Send(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm) {
    add(tag, count, type);
    return PMPI_Send(data, count, type, to, tag, comm);
}

int MPI_Allreduce(const void *from, void *to, int count, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
    add(COLLECTIVE, count, type);
    return PMPI_Allreduce(from, to, count, type, op, comm);
}

int MPI_Bcast(void *data, int count, MPI_Datatype type, int root, MPI_Comm comm) {
    add(COLLECTIVE, count, type);
    return PMPI_Bcast(data, count, type, root, comm);
}

int MPI_Alltoallv(const void *from, const int counts[], const int offsets[], MPI_Datatype type,
                  void *to, const int to_counts[], const int to_offsets[], MPI_Datatype to_type,
                  MPI_Comm comm) {
    int size = 0, sent = 0;
    PMPI_Comm_size(comm, &size);
    for (int i = 0; i < size; i++) sent += counts[i];
    add(COLLECTIVE, sent, type);
    return PMPI_Alltoallv(from, counts, offsets, type, to, to_counts, to_offsets, to_type, comm);
}

int MPI_Allgatherv(const void *from, int count, MPI_Datatype type, void *to, const int counts[],
                   const int offsets[], MPI_Datatype to_type, MPI_Comm comm) {
    int size = 0;
    PMPI_Comm_size(comm, &size);
    add(COLLECTIVE, count * (size - 1), type);
    return PMPI_Allgatherv(from, count, type, to, counts, offsets, to_type, comm);
}

int MPI_Finalize(void) {
    double all[2 * KINDS] = {0}, mine[2 * KINDS];
    int rank = 0;
    for (int k = 0; k < KINDS; k++) mine[2 * k] = calls[k], mine[2 * k + 1] = bytes[k];
    PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
    PMPI_Reduce(mine, all, 2 * KINDS, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0)
        fprintf(stderr, "sent: residual %.0f %.0f rows %.0f %.0f collective %.0f %.0f\n",
                all[2 * RESIDUAL], all[2 * RESIDUAL + 1], all[2 * ROWS], all[2 * ROWS + 1],
                all[2 * COLLECTIVE], all[2 * COLLECTIVE + 1]);
    return PMPI_Finalize();
}
