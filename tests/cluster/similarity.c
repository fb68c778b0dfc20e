// Cosine matrices of more words than a rank should hold, by ScaLAPACK, against blocks of them
// computed apart:  mpirun -n 4 similarity [WORDS WIDTH], 20000 and 1280 unless told otherwise.
// Takes 8 bytes x WORDS x (WORDS + WIDTH) over all ranks. Ends with status 0 where all agree.
#include "mpi/grid.h"
#include "src/blas.h"
#include "src/random.h"
#include "src/rsa_shared.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EDGE = 100, STEPS = 8 }; // of the blocks, along the rows and the columns

// Double precision's rounding over the width of a row.
static const double bound = 1e-13;

// Row number of the matrix, the same on every rank, made when it is asked for.
static void row_of(int64_t number, int64_t width, float *row) {
    const lam_random random = lam_random_key(1, LAM_RANDOM_SYNTH, 0, (uint32_t)number);
    lam_random_fill_normal(&random, 0, width, 1, row);
    for (int64_t u = 0; u < width; u++) row[u] += 0.3F;
}

static double cosine(const float *a, const float *b, int64_t width) {
    double ab = 0, aa = 0, bb = 0;
    for (int64_t u = 0; u < width; u++) {
        ab += (double)a[u] * (double)b[u];
        aa += (double)a[u] * (double)a[u];
        bb += (double)b[u] * (double)b[u];
    }
    return ab / sqrt(aa * bb);
}

// The largest difference among this rank's pairs in blocks spread over the matrix; how many.
static double compare(const lam_grid *grid, const lam_matrix *s, int64_t width, float *row[2],
                      int64_t *count) {
    const int64_t step = s->rows / STEPS, edge = step < EDGE ? step : EDGE;
    double most = 0;
    *count = 0;
    for (int64_t j = 0; j < s->own_columns; j++) {
        const int64_t column = lam_grid_column(grid, j);
        if (column % step >= edge) continue;
        row_of(column, width, row[0]);
        for (int64_t i = 0; i < s->own_rows; i++) {
            const int64_t other = lam_grid_row(grid, i);
            if (other < column || (other + step / 2) % step >= edge) continue;
            row_of(other, width, row[1]);
            const double apart = fabs(lam_matrix_column(s, j)[i] - cosine(row[0], row[1], width));
            most = apart > most || isnan(apart) ? apart : most, ++*count;
        }
    }
    return most;
}

static lam_code run(const lam_comm *comm, int64_t words, int64_t width, bool *agree,
                    lam_arena *arena, lam_error *error) {
    lam_mpi_grid grid;
    lam_matrix s;
    float *x = NULL,
          *row[2] = {malloc((size_t)width * sizeof *x), malloc((size_t)width * sizeof *x)};
    int64_t undirected, count;
    lam_mpi_grid_create(&grid, comm, 0, 64);
    if (comm->rank == 0) x = lam_arena_alloc(arena, (size_t)(words * width), sizeof *x, error);
    const bool room = row[0] && row[1] && (x || comm->rank != 0);
    LAM_TRY(lam_comm_agree(comm, room ? LAM_OK : lam_fail(error, LAM_MEMORY, "no memory"), error));
    for (int64_t i = 0; x && i < words; i++) row_of(i, width, x + i * width);
    const double began = MPI_Wtime();
    LAM_TRY(lam_similarity_shared(&grid.grid, LAM_COSINE, x, words, width, &s, &undirected, arena,
                                  error));
    const double seconds = MPI_Wtime() - began;
    const double apart = compare(&grid.grid, &s, width, row, &count);
    double sums[2] = {(double)count, !(apart <= bound) || undirected != 0};
    LAM_TRY(grid.grid.sum(&grid.grid, sums, 2, error));
    *agree = sums[0] > 0 && sums[1] == 0;
    printf("rank %d: %lld x %lld here, %lld pairs compared, at most %.1e apart\n", comm->rank,
           (long long)s.own_rows, (long long)s.own_columns, (long long)count, apart);
    if (comm->rank == 0)
        printf("%lld words of %lld values on %d x %d ranks: %.1f s\n", (long long)words,
               (long long)width, grid.grid.rows, grid.grid.columns, seconds);
    lam_mpi_grid_destroy(&grid);
    free(row[0]), free(row[1]);
    return LAM_OK;
}

int main(int argc, char **argv) {
    lam_comm comm;
    lam_error error;
    lam_arena arena = {0};
    bool agree = false;
    if (lam_blas_settle()) execv("/proc/self/exe", argv); // as laminar does
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    const int64_t words = argc > 1 ? atoll(argv[1]) : 20000,
                  width = argc > 2 ? atoll(argv[2]) : 1280;
    if (run(&comm, words, width, &agree, &arena, &error)) fprintf(stderr, "%s\n", error.text);
    lam_arena_destroy(&arena);
    lam_comm_destroy(&comm);
    return agree ? 0 : 1;
}
