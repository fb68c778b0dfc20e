// ranks: 1 2 3
// Messages longer than one of MPI's may be, whose 32-bit counts end at 2 GB: cut in pieces, here of
// a thousand bytes.
#define LAM_COMM_PIECE 1000
#include "mpi/comm.c" // in the place of the library's

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "mpi/team.h"

static lam_comm comm;
static lam_error error;

// --- what is handed to MPI, by its profiling interface

static size_t most, pieces; // bytes of the longest message, and how many there were

static void note(int count, MPI_Datatype type) {
    int size;
    PMPI_Type_size(type, &size);
    const size_t bytes = (size_t)count * (size_t)size;
    pieces++;
    if (bytes > most) most = bytes;
}

int MPI_Bcast(void *data, int count, MPI_Datatype type, int root, MPI_Comm of) {
    note(count, type);
    return PMPI_Bcast(data, count, type, root, of);
}

int MPI_Send(const void *data, int count, MPI_Datatype type, int to, int tag, MPI_Comm of) {
    note(count, type);
    return PMPI_Send(data, count, type, to, tag, of);
}

int MPI_Recv(void *data, int count, MPI_Datatype type, int from, int tag, MPI_Comm of,
             MPI_Status *status) {
    note(count, type);
    return PMPI_Recv(data, count, type, from, tag, of, status);
}

// As of an MPI that is up already, and was built without threads.
static int asked_threads;

int MPI_Init_thread(int *argc, char ***argv, int required, int *provided) {
    int is_up;
    asked_threads = required;
    *provided = MPI_THREAD_SINGLE;
    PMPI_Initialized(&is_up);
    return is_up ? MPI_SUCCESS : PMPI_Init_thread(argc, argv, required, provided);
}

static void begin(void) {
    most = pieces = 0;
}

static void check_pieces(size_t bytes) {
    assert_int_equal(pieces, (bytes + LAM_COMM_PIECE - 1) / LAM_COMM_PIECE);
    assert_true(most <= LAM_COMM_PIECE);
}

static void succeed(lam_code code) {
    if (code != LAM_OK) fail_msg("%s", error.text);
}

enum { LONGEST = 12345 };
static const size_t sizes[] = {0, 1, 999, 1000, 1001, 3000, LONGEST};
static unsigned char data[LONGEST + 1];

// Byte i of what rank sends; the last is there to be left alone.
static unsigned char byte_of(int rank, size_t i) {
    return (unsigned char)(i * 7 + i / 1000 + (size_t)rank * 31 + 1);
}

static void fill(size_t bytes) {
    memset(data, 0, sizeof data);
    for (size_t i = 0; i < bytes; i++) data[i] = byte_of(comm.rank, i);
}

static void check_from(int rank, size_t bytes) {
    for (size_t i = 0; i < bytes; i++) assert_int_equal(data[i], byte_of(rank, i));
    assert_int_equal(data[bytes], 0);
}

static void test_broadcast(void **state) {
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int root = 0; root < comm.size; root++) {
            fill(sizes[s]);
            begin();
            succeed(lam_comm_broadcast(&comm, data, sizes[s], root, &error));
            check_pieces(sizes[s]);
            check_from(root, sizes[s]);
        }
}

// From each rank to the next one.
static void test_send(void **state) {
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int from = 0; from + 1 < comm.size; from++) {
            fill(sizes[s]);
            begin();
            if (comm.rank == from)
                succeed(lam_comm_send(&comm, data, sizes[s], from + 1, 5, &error));
            else if (comm.rank == from + 1)
                succeed(lam_comm_receive(&comm, data, sizes[s], from, 5, &error));
            else
                continue;
            check_pieces(sizes[s]);
            check_from(from, sizes[s]);
        }
}

// What the members of a team bring to each other.
static void test_team(void **state) {
    (void)state;
    enum { PARTS = 4, BLOCKS = 7, LENGTH = 300 };
    static const size_t start[PARTS + 1] = {0, 10, 4010, 4010, LONGEST};
    static double values[BLOCKS][LENGTH];
    lam_arena arena = {0};
    lam_layout layout;
    lam_team team;
    int64_t first, count;
    succeed(lam_layout_create(&layout, 1, comm.size, NULL, &arena, &error));
    succeed(lam_team_create(&comm, &layout, &team, &error));
    fill(LONGEST);
    begin();
    succeed(team.gather(&team, data, PARTS, start, &error));
    assert_true(most <= LAM_COMM_PIECE);
    for (int part = 0; part < PARTS; part++)
        for (size_t i = start[part]; i < start[part + 1]; i++)
            assert_int_equal(data[i], byte_of(part % comm.size, i));
    team.own(&team, BLOCKS, &first, &count);
    for (int64_t b = first; b < first + count; b++)
        for (int64_t i = 0; i < LENGTH; i++) values[b][i] = (double)(b * LENGTH + i);
    begin();
    succeed(team.share(&team, BLOCKS, values[0], LENGTH, &error));
    assert_true(most <= LAM_COMM_PIECE);
    for (int64_t b = 0; b < BLOCKS; b++)
        for (int64_t i = 0; i < LENGTH; i++) assert_true(values[b][i] == (double)(b * LENGTH + i));
    lam_team_destroy(&team);
    lam_arena_destroy(&arena);
}

static void test_no_threads(void **state) {
    (void)state;
    lam_comm other;
    assert_int_equal(asked_threads, MPI_THREAD_FUNNELED);
    assert_int_equal(lam_comm_create(&other, NULL, NULL, &error), LAM_PEER);
    assert_non_null(strstr(error.text, "laminar needs MPI_THREAD_FUNNELED"));
}

int main(int argc, char **argv) {
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_send),
        cmocka_unit_test(test_team),
        cmocka_unit_test(test_no_threads),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
