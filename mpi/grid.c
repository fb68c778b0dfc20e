#include "mpi/grid.h"

#include "mpi/scalapack.h"

#include <math.h>
#include <string.h>

enum { TAG_BLOCK = 3 };

static const int from_first = 1;
static const double one = 1, zero = 0;

static const lam_mpi_grid *of(const lam_grid *grid) {
    return grid->state;
}

static void describe(const lam_grid *grid, const lam_matrix *a, int descriptor[LAM_DESCRIPTOR]) {
    const int block = (int)grid->block,
              all[LAM_DESCRIPTOR] = {
                  1, of(grid)->context, (int)a->rows, (int)a->columns, block, block, 0,
                  0, (int)a->stride};
    memcpy(descriptor, all, sizeof all);
}

static lam_code agree(const lam_grid *grid, lam_code code, lam_error *error) {
    return lam_comm_agree(of(grid)->comm, code, error);
}

// A sum at one rank, and from there to all: so all have the same bits.
static lam_code sum(const lam_grid *grid, double *values, int64_t count, lam_error *error) {
    enum { PIECE = 1 << 24 };
    const lam_comm *comm = of(grid)->comm;
    for (int64_t at = 0; at < count; at += PIECE) {
        const int piece = (int)(count - at < PIECE ? count - at : PIECE);
        void *from = comm->rank == 0 ? MPI_IN_PLACE : (void *)(values + at);
        LAM_TRY(
            lam_comm_check(MPI_Reduce(from, values + at, piece, MPI_DOUBLE, MPI_SUM, 0, comm->mpi),
                           "summing over ranks", error));
    }
    return lam_comm_broadcast(comm, values, (size_t)count * sizeof *values, 0, error);
}

// --- a matrix from the rank that has it, a row of blocks at a time

// Rows first .. first + count - 1, those columns of them that a rank of the grid's column has.
static void pack(const lam_grid *grid, const float *from, int64_t width, int64_t first,
                 int64_t count, int column, float *to) {
    const int64_t columns = lam_grid_count(grid, width, grid->columns, column);
    lam_grid there = *grid;
    there.column = column;
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < columns; j++)
            *to++ = from[(first + i) * width + lam_grid_column(&there, j)];
}

static void unpack(const float *from, int64_t first, int64_t count, lam_matrix *to) {
    for (int64_t i = 0; i < count; i++)
        for (int64_t j = 0; j < to->own_columns; j++)
            lam_matrix_column(to, j)[first + i] = (double)*from++;
}

// One row of blocks, from the source to the ranks of one row of the grid.
static lam_code pass_rows(const lam_grid *grid, const float *from, int64_t first, float *piece,
                          lam_matrix *to, lam_error *error) {
    const lam_mpi_grid *g = of(grid);
    const int64_t left = to->rows - first, count = left < grid->block ? left : grid->block,
                  number = first / grid->block;
    const int row = (int)(number % grid->rows);
    for (int column = 0; column < grid->columns && g->comm->rank == g->source; column++) {
        const int rank = row * grid->columns + column;
        pack(grid, from, to->columns, first, count, column, piece);
        const int64_t columns = lam_grid_count(grid, to->columns, grid->columns, column);
        if (rank == g->source)
            unpack(piece, number / grid->rows * grid->block, count, to);
        else
            LAM_TRY(lam_comm_send(g->comm, piece, (size_t)(count * columns) * sizeof *piece, rank,
                                  TAG_BLOCK, error));
    }
    if (g->comm->rank == g->source || grid->row != row) return LAM_OK;
    LAM_TRY(lam_comm_receive(g->comm, piece, (size_t)(count * to->own_columns) * sizeof *piece,
                             g->source, TAG_BLOCK, error));
    unpack(piece, number / grid->rows * grid->block, count, to);
    return LAM_OK;
}

static lam_code scatter(const lam_grid *grid, const float *from, lam_matrix *to, lam_error *error) {
    lam_arena scratch = {0};
    const int64_t most = lam_grid_count(grid, to->columns, grid->columns, 0) + grid->block;
    float *piece = lam_arena_alloc(&scratch, (size_t)(grid->block * most), sizeof *piece, error);
    lam_code code = agree(grid, piece ? LAM_OK : LAM_MEMORY, error);
    for (int64_t first = 0; first < to->rows && code == LAM_OK; first += grid->block)
        code = pass_rows(grid, from, first, piece, to, error);
    lam_arena_destroy(&scratch);
    return code;
}

// --- PBLAS

static lam_code gram(const lam_grid *grid, bool transposed, const lam_matrix *a, lam_matrix *c,
                     lam_error *error) {
    (void)error;
    int a_is[LAM_DESCRIPTOR], c_is[LAM_DESCRIPTOR];
    const int n = (int)c->rows, k = (int)(transposed ? a->rows : a->columns);
    describe(grid, a, a_is), describe(grid, c, c_is);
    pdsyrk_("L", transposed ? "T" : "N", &n, &k, &one, a->own, &from_first, &from_first, a_is,
            &zero, c->own, &from_first, &from_first, c_is);
    return LAM_OK;
}

static lam_code product(const lam_grid *grid, bool transposed, const lam_matrix *a,
                        const lam_matrix *b, int64_t first, lam_matrix *c, lam_error *error) {
    (void)error;
    int a_is[LAM_DESCRIPTOR], b_is[LAM_DESCRIPTOR], c_is[LAM_DESCRIPTOR];
    const int m = (int)c->rows, n = (int)c->columns, k = (int)b->rows, from = (int)first + 1;
    describe(grid, a, a_is), describe(grid, b, b_is), describe(grid, c, c_is);
    pdgemm_(transposed ? "T" : "N", "N", &m, &n, &k, &one, a->own, &from_first, &from_first, a_is,
            b->own, &from_first, &from, b_is, &zero, c->own, &from_first, &from_first, c_is);
    return LAM_OK;
}

// --- ScaLAPACK

// A wrong argument, on whichever rank, is a fault of the program; info of 100 i + j is argument i's
// part j.
static lam_code check(const lam_grid *grid, const char *function, int info, lam_error *error) {
    lam_code code = LAM_OK;
    if (info < 0)
        code = lam_fail(error, LAM_INTERNAL, "ScaLAPACK's %s refused argument %d", function, -info);
    return agree(grid, code, error);
}

static lam_code factor(const lam_grid *grid, lam_matrix *a, bool *definite, lam_error *error) {
    int a_is[LAM_DESCRIPTOR], info;
    const int n = (int)a->rows;
    describe(grid, a, a_is);
    pdpotrf_("L", &n, a->own, &from_first, &from_first, a_is, &info);
    *definite = info == 0;
    return check(grid, "pdpotrf", info, error);
}

static lam_code solve(const lam_grid *grid, const lam_matrix *l, lam_matrix *b, lam_error *error) {
    int l_is[LAM_DESCRIPTOR], b_is[LAM_DESCRIPTOR], info;
    const int n = (int)l->rows;
    describe(grid, l, l_is), describe(grid, b, b_is);
    pdpotrs_("L", &n, &from_first, l->own, &from_first, &from_first, l_is, b->own, &from_first,
             &from_first, b_is, &info);
    return check(grid, "pdpotrs", info, error);
}

// The room that a function asked for, as a count; what it asks for comes as a double, is not always
// a whole number, and falls short of what its own manual says by some rows: so more is given.
static lam_code room(double asked, int64_t n, int64_t block, int *count, lam_error *error) {
    const double wanted = ceil(asked) + 8 * (double)n + 4 * (double)(block * block);
    if (wanted >= 0x1p31)
        return lam_fail(error, LAM_INPUT,
                        "a matrix of order %lld is too large for these ranks: use more of them",
                        (long long)n);
    *count = (int)wanted;
    return LAM_OK;
}

typedef struct workspace {
    double *work;
    int *integers;
    int work_size, integer_size;
    lam_arena arena;
} workspace;

static lam_code make_workspace(double asked, int integers, const lam_matrix *a, int64_t block,
                               workspace *w, lam_error *error) {
    LAM_TRY(room(asked, a->rows, block, &w->work_size, error));
    LAM_TRY(room(integers, a->rows, block, &w->integer_size, error));
    LAM_ALLOC(w->work, &w->arena, w->work_size, error);
    LAM_ALLOC(w->integers, &w->arena, w->integer_size, error);
    return LAM_OK;
}

static lam_code eigen_with(const lam_grid *grid, lam_matrix *a, double *values, lam_matrix *z,
                           workspace *w, lam_error *error) {
    int a_is[LAM_DESCRIPTOR], z_is[LAM_DESCRIPTOR], info, integers = 0;
    const int n = (int)a->rows, ask = -1;
    double asked = 0;
    describe(grid, a, a_is), describe(grid, z, z_is);
    pdsyevd_("V", "L", &n, a->own, &from_first, &from_first, a_is, values, z->own, &from_first,
             &from_first, z_is, &asked, &ask, &integers, &ask, &info);
    LAM_TRY(check(grid, "pdsyevd", info, error));
    LAM_TRY(agree(grid, make_workspace(asked, integers, a, grid->block, w, error), error));
    pdsyevd_("V", "L", &n, a->own, &from_first, &from_first, a_is, values, z->own, &from_first,
             &from_first, z_is, w->work, &w->work_size, w->integers, &w->integer_size, &info);
    LAM_TRY(check(grid, "pdsyevd", info, error));
    lam_code code = LAM_OK;
    if (info > 0)
        code = lam_fail(error, LAM_NUMERIC, "the eigenvalues of a matrix of %d do not converge", n);
    return agree(grid, code, error);
}

static lam_code eigen(const lam_grid *grid, lam_matrix *a, double *values, lam_matrix *z,
                      lam_error *error) {
    workspace w = {0};
    lam_matrix unwanted = {0};
    lam_code code = LAM_OK;
    if (!z) {
        z = &unwanted;
        code = lam_matrix_create(grid, a->rows, a->rows, z, &w.arena, error);
        code = agree(grid, code, error);
    }
    if (code == LAM_OK) code = eigen_with(grid, a, values, z, &w, error);
    // Each rank has found them for itself: one's are all's.
    if (code == LAM_OK)
        code =
            lam_comm_broadcast(of(grid)->comm, values, (size_t)a->rows * sizeof *values, 0, error);
    lam_arena_destroy(&w.arena);
    return code;
}

// The vectors have a matrix of full size for want of a better way to say that one is enough.
typedef struct top_work {
    workspace space;
    lam_matrix vectors;
    double *values, *gaps;
    int *failed, *clusters;
} top_work;

static lam_code make_top(const lam_grid *grid, int64_t n, top_work *w, lam_error *error) {
    const int ranks = grid->rows * grid->columns;
    LAM_TRY(lam_matrix_create(grid, n, n, &w->vectors, &w->space.arena, error));
    LAM_ALLOC(w->values, &w->space.arena, n, error);
    LAM_ALLOC(w->failed, &w->space.arena, n, error);
    LAM_ALLOC(w->clusters, &w->space.arena, 2 * ranks, error);
    LAM_ALLOC(w->gaps, &w->space.arena, ranks, error);
    return LAM_OK;
}

static int call_top(const lam_grid *grid, lam_matrix *a, lam_matrix *b, top_work *w, double *work,
                    int work_size, int *integers, int integer_size) {
    int a_is[LAM_DESCRIPTOR], b_is[LAM_DESCRIPTOR], z_is[LAM_DESCRIPTOR];
    const int n = (int)a->rows, kind = 1;
    int found, found_vectors, info;
    describe(grid, a, a_is), describe(grid, b, b_is), describe(grid, &w->vectors, z_is);
    pdsygvx_(&kind, "V", "I", "L", &n, a->own, &from_first, &from_first, a_is, b->own, &from_first,
             &from_first, b_is, &zero, &zero, &n, &n, &zero, &found, &found_vectors, w->values,
             &zero, w->vectors.own, &from_first, &from_first, z_is, work, &work_size, integers,
             &integer_size, w->failed, w->clusters, w->gaps, &info);
    return info;
}

static lam_code top_with(const lam_grid *grid, lam_matrix *a, lam_matrix *b, double *value,
                         lam_matrix *z, bool *definite, top_work *w, lam_error *error) {
    enum { INDEFINITE = 16 };
    double asked[3] = {0}; // it writes more than one
    int integers = 0;
    LAM_TRY(agree(grid, make_top(grid, a->rows, w, error), error));
    LAM_TRY(check(grid, "pdsygvx", call_top(grid, a, b, w, asked, -1, &integers, -1), error));
    LAM_TRY(
        agree(grid, make_workspace(asked[0], integers, a, grid->block, &w->space, error), error));
    const int info = call_top(grid, a, b, w, w->space.work, w->space.work_size, w->space.integers,
                              w->space.integer_size);
    LAM_TRY(check(grid, "pdsygvx", info, error));
    *definite = info < INDEFINITE;
    lam_code code = LAM_OK;
    if (info > 0 && *definite)
        code = lam_fail(error, LAM_NUMERIC,
                        "the eigenvalues of two matrices of %lld do not "
                        "converge",
                        (long long)a->rows);
    LAM_TRY(agree(grid, code, error));
    *value = w->values[0];
    if (z->own_columns > 0) // both first columns are dealt alike
        memcpy(z->own, w->vectors.own, (size_t)z->own_rows * sizeof *z->own);
    return lam_comm_broadcast(of(grid)->comm, value, sizeof *value, 0, error);
}

static lam_code top(const lam_grid *grid, lam_matrix *a, lam_matrix *b, double *value,
                    lam_matrix *z, bool *definite, lam_error *error) {
    top_work w = {0};
    const lam_code code = top_with(grid, a, b, value, z, definite, &w, error);
    lam_arena_destroy(&w.space.arena);
    return code;
}

// --- the grid

static int squarest(int ranks) {
    int rows = 1;
    for (int r = 1; r * r <= ranks; r++)
        if (ranks % r == 0) rows = r;
    return rows;
}

void lam_mpi_grid_create(lam_mpi_grid *grid, const lam_comm *comm, int rows, int block) {
    static const int repeatable = 1;
    if (rows == 0) rows = squarest(comm->size);
    const int columns = comm->size / rows;
    *grid = (lam_mpi_grid){.comm = comm, .handle = Csys2blacs_handle(comm->mpi)};
    grid->context = grid->handle;
    Cblacs_gridinit(&grid->context, "Row", rows, columns);
    Cblacs_set(grid->context, LAM_BLACS_REPEATABLE, &repeatable);
    grid->grid = (lam_grid){.rows = rows,
                            .columns = columns,
                            .row = comm->rank / columns,
                            .column = comm->rank % columns,
                            .block = block,
                            .library = "ScaLAPACK",
                            .agree = agree,
                            .sum = sum,
                            .scatter = scatter,
                            .gram = gram,
                            .product = product,
                            .factor = factor,
                            .solve = solve,
                            .eigen = eigen,
                            .top = top,
                            .state = grid};
}

void lam_mpi_grid_destroy(lam_mpi_grid *grid) {
    Cblacs_gridexit(grid->context);
    Cfree_blacs_system_handle(grid->handle);
    *grid = (lam_mpi_grid){0};
}
