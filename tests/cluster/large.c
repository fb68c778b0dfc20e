// What ScaLAPACK does at the sizes it is there for, for large.py to compare with numpy and scipy:
//     mpirun -n 4 large FOLDER ridge UNITS      the joint ridge regression on so many units
//     mpirun -n 4 large FOLDER spectrum UNITS   eigenvalues of a covariance of that order, and the
//                                               generalized problem of two classes of rows
//     mpirun -n 4 large FOLDER rsa WORDS        similarities of so many words, in four categories,
//                                               of which each rank has blocks
// Rank 0 writes what it was of, and what came out, into the folder: x [row, unit], label and fold
// [row], then eta [row], or values [unit] and separation [components, top_eigenvalue, training_t,
// held_out_t]; of the words x [component, word, unit], label [word], and measures [component] and
// rsa [pair of components].
#include "mpi/grid.h"
#include "src/blas.h"
#include "src/random.h"
#include "src/ridge_logistic.h"
#include "src/rsa_shared.h"
#include "src/spectrum.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FOLDS = 2,
    RIDGE_ROWS = 600,
    CLASS_ROWS = 800,
    CATEGORIES = 4,
    WORD_UNITS = 1280,
    BLOCK = 64
};

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

// Of every component: what all share of a word, what it has of it alone, and what it has of its
// category.
static lam_code make_words(large *l, const lam_categories *categories) {
    const int64_t units = l->units;
    float *part;
    if (l->comm->rank != 0) return LAM_OK;
    LAM_ALLOC(l->x, &l->arena, LAM_RSA_COMPONENTS * l->rows * units, l->error);
    LAM_ALLOC(part, &l->arena, 3 * units, l->error);
    for (int64_t i = 0; i < LAM_RSA_COMPONENTS * l->rows; i++) {
        const uint16_t component = (uint16_t)(i / l->rows);
        const uint32_t word = (uint32_t)(i % l->rows);
        const lam_random of[] = {
            lam_random_key(3, LAM_RANDOM_SYNTH, 0, word),
            lam_random_key(3, LAM_RANDOM_SYNTH, (uint16_t)(1 + component), word),
            lam_random_key(4, LAM_RANDOM_SYNTH, component, (uint32_t)categories->of[word])};
        for (int p = 0; p < 3; p++) lam_random_fill_normal(&of[p], 0, units, 1, part + p * units);
        for (int64_t u = 0; u < units; u++)
            l->x[i * units + u] =
                0.3F + part[u] + 0.7F * part[units + u] + 0.5F * part[2 * units + u];
    }
    return LAM_OK;
}

// Categories of a tenth of the words, of two, of three and of four.
static lam_code make_categories(large *l, lam_categories *categories) {
    int64_t *start;
    LAM_ALLOC(start, &l->arena, CATEGORIES + 1, l->error);
    LAM_ALLOC(l->label, &l->arena, l->rows, l->error);
    for (int g = 0; g <= CATEGORIES; g++) start[g] = l->rows * g * (g + 1) / 20;
    for (int64_t i = 0, g = 0; i < l->rows; i++) {
        if (i == start[g + 1]) g++;
        l->label[i] = (int32_t)g;
    }
    *categories = (lam_categories){l->rows, CATEGORIES, start, l->label};
    return LAM_OK;
}

static lam_code rsa(large *l, const lam_categories *categories) {
    enum { MEASURES = 7 + CATEGORIES };
    lam_rsa_shared found;
    double within[LAM_RSA_COMPONENTS][CATEGORIES], measures[LAM_RSA_COMPONENTS][MEASURES];
    LAM_TRY(lam_rsa_measure_shared(&l->grid.grid, LAM_COSINE, categories, LAM_RSA_COMPONENTS, l->x,
                                   l->units, &found, within[0], &l->arena, l->error));
    for (int k = 0; k < LAM_RSA_COMPONENTS; k++) {
        const lam_contrast *c = &found.contrast[k];
        const double all[] = {c->within,      c->between,      c->difference, c->selectivity,
                              c->pair_within, c->pair_between, c->cohens_d};
        memcpy(measures[k], all, sizeof all);
        memcpy(measures[k] + sizeof all / sizeof *all, within[k], sizeof within[k]);
    }
    LAM_TRY(
        write_file(l, "x", l->x, LAM_RSA_COMPONENTS * (size_t)(l->rows * l->units) * sizeof *l->x));
    LAM_TRY(write_file(l, "label", l->label, (size_t)l->rows * sizeof *l->label));
    LAM_TRY(write_file(l, "measures", measures, sizeof measures));
    return write_file(l, "rsa", found.rsa, sizeof found.rsa);
}

static lam_code measure(large *l, const char *what, double *began) {
    lam_categories categories;
    if (strcmp(what, "rsa") != 0) {
        LAM_TRY(lam_comm_agree(l->comm, make_rows(l), l->error));
        *began = MPI_Wtime();
        return strcmp(what, "ridge") == 0 ? ridge(l) : spectrum(l);
    }
    lam_code code = make_categories(l, &categories);
    if (code == LAM_OK) code = make_words(l, &categories);
    LAM_TRY(lam_comm_agree(l->comm, code, l->error));
    *began = MPI_Wtime();
    return rsa(l, &categories);
}

static lam_code run(large *l, const char *what) {
    double began = 0;
    lam_mpi_grid_create(&l->grid, l->comm, 0, BLOCK);
    const lam_code code = measure(l, what, &began);
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
    if (argc != 4) return fprintf(stderr, "usage: large FOLDER ridge|spectrum|rsa NUMBER\n"), 2;
    const int64_t number = atoll(argv[3]);
    large l = {.comm = &comm, .folder = argv[1], .units = number, .error = &error};
    // Of a spectrum more rows than units, so that the matrix is of the units' order.
    l.rows = strcmp(argv[2], "ridge") == 0 ? RIDGE_ROWS : number + number / 8;
    if (strcmp(argv[2], "rsa") == 0) l.rows = number, l.units = WORD_UNITS;
    const lam_code code = run(&l, argv[2]);
    if (code) fprintf(stderr, "%s\n", error.text);
    lam_arena_destroy(&l.arena);
    if (code) lam_comm_abort(&comm, code);
    lam_comm_destroy(&comm);
    return 0;
}
