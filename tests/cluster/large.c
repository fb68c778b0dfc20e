// What ScaLAPACK does at the sizes it is there for, for large.py to compare with numpy and scipy:
//     mpirun -n 4 large FOLDER ridge UNITS      the joint ridge regression on so many units
//     mpirun -n 4 large FOLDER spectrum UNITS   eigenvalues of a covariance of that order, and the
//                                               generalized problem of two classes of rows
// Rank 0 writes what it was of, and what came out, into the folder: x [row, unit], label and fold
// [row], then eta [row], or values [unit] and separation [components, top_eigenvalue, training_t,
// held_out_t].
#include "mpi/grid.h"
#include "src/blas.h"
#include "src/random.h"
#include "src/ridge_logistic.h"
#include "src/spectrum.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDS = 2, RIDGE_ROWS = 600, CLASS_ROWS = 800, BLOCK = 64 };

typedef struct large {
    const lam_comm *comm;
    const char *folder;
    int64_t units, rows;
    float *x; // [rows, units] on rank 0, else NULL
    int32_t *label, *fold;
    lam_mpi_grid grid;
    lam_arena arena;
    lam_error *error;
} large;

static lam_code write_file(const large *l, const char *name, const void *data, size_t bytes) {
    if (l->comm->rank != 0) return LAM_OK;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", l->folder, name);
    FILE *file = fopen(path, "wb");
    const bool whole = file && fwrite(data, 1, bytes, file) == bytes;
    if ((!file || fclose(file) == 0) && whole) return LAM_OK;
    return lam_fail(l->error, LAM_IO, "%s cannot be written", path);
}

// Rows of two classes in turn; in every seventh unit class 1 lies higher and varies more.
static lam_code make_rows(large *l) {
    LAM_ALLOC(l->label, &l->arena, l->rows, l->error);
    LAM_ALLOC(l->fold, &l->arena, l->rows, l->error);
    for (int64_t i = 0; i < l->rows; i++)
        l->label[i] = (int32_t)(i % 2), l->fold[i] = (int32_t)(i / 2 % FOLDS);
    if (l->comm->rank != 0) return LAM_OK;
    LAM_ALLOC(l->x, &l->arena, l->rows * l->units, l->error);
    for (int64_t i = 0; i < l->rows; i++) {
        const lam_random random = lam_random_key(2, LAM_RANDOM_SYNTH, 0, (uint32_t)i);
        float *row = l->x + i * l->units;
        lam_random_fill_normal(&random, 0, l->units, 1, row);
        for (int64_t u = 0; l->label[i] && u < l->units; u += 7) row[u] = 0.2F + 1.5F * row[u];
    }
    return LAM_OK;
}

static lam_code write_rows(const large *l, int64_t classes) {
    const size_t rows = (size_t)l->rows, labels = (size_t)classes;
    LAM_TRY(write_file(l, "x", l->x, rows * (size_t)l->units * sizeof *l->x));
    LAM_TRY(write_file(l, "label", l->label, labels * sizeof *l->label));
    return write_file(l, "fold", l->fold, labels * sizeof *l->fold);
}

static lam_code ridge(large *l) {
    const lam_logistic_rows rows = {l->rows, l->label, l->fold, FOLDS};
    lam_ridge_fit fit;
    double *eta;
    LAM_ALLOC(eta, &l->arena, l->rows, l->error);
    LAM_TRY(lam_ridge_logistic_shared(&l->grid.grid, &rows, l->x, l->units, 1, &fit, eta, &l->arena,
                                      l->error));
    if (l->comm->rank == 0)
        printf("ridge: %s, held-out accuracy %.4f\n", fit.converged ? "converged" : "NOT CONVERGED",
               fit.held_out_accuracy);
    LAM_TRY(write_rows(l, l->rows));
    return write_file(l, "eta", eta, (size_t)l->rows * sizeof *eta);
}

static lam_code spectrum(large *l) {
    const lam_spectrum_rows rows = {l->rows, l->units, l->x};
    const int64_t count = l->rows < CLASS_ROWS ? l->rows : CLASS_ROWS;
    const lam_separation_rows classes = {{count, l->units, l->x}, l->label, l->fold, FOLDS};
    const lam_separation_rule rule = {.share = 0.99, .shrinkage = 0.01};
    lam_separation found;
    double *values;
    LAM_ALLOC(values, &l->arena, l->units, l->error);
    LAM_TRY(lam_spectrum_eigenvalues(&l->grid.grid, &rows, values, &l->arena, l->error));
    LAM_TRY(lam_spectrum_separate(&l->grid.grid, &classes, &rule, &found, &lam_team_alone,
                                  &l->arena, l->error));
    const double separation[] = {(double)found.components, found.top_eigenvalue, found.training_t,
                                 found.held_out_t};
    LAM_TRY(write_rows(l, count));
    LAM_TRY(write_file(l, "values", values, (size_t)l->units * sizeof *values));
    return write_file(l, "separation", separation, sizeof separation);
}

static lam_code run(large *l, bool is_ridge) {
    lam_mpi_grid_create(&l->grid, l->comm, 0, BLOCK);
    LAM_TRY(lam_comm_agree(l->comm, make_rows(l), l->error));
    const double began = MPI_Wtime();
    const lam_code code = is_ridge ? ridge(l) : spectrum(l);
    if (l->comm->rank == 0 && code == LAM_OK)
        printf("%" PRId64 " rows of %" PRId64 " units on %d x %d ranks: %.0f s\n", l->rows,
               l->units, l->grid.grid.rows, l->grid.grid.columns, MPI_Wtime() - began);
    lam_mpi_grid_destroy(&l->grid);
    return code;
}

int main(int argc, char **argv) {
    lam_comm comm;
    lam_error error;
    if (lam_blas_settle()) execv("/proc/self/exe", argv); // as laminar does
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    if (argc != 4) return fprintf(stderr, "usage: large FOLDER ridge|spectrum UNITS\n"), 2;
    const bool is_ridge = strcmp(argv[2], "ridge") == 0;
    large l = {.comm = &comm, .folder = argv[1], .units = atoll(argv[3]), .error = &error};
    // More rows than units, so that the matrix is of the units' order.
    l.rows = is_ridge ? RIDGE_ROWS : l.units + l.units / 8;
    const lam_code code = run(&l, is_ridge);
    if (code) fprintf(stderr, "%s\n", error.text);
    lam_arena_destroy(&l.arena);
    if (code) lam_comm_abort(&comm, code);
    lam_comm_destroy(&comm);
    return 0;
}
