// ranks: 1 2 3 4 6
// Matrices over a grid of ranks (ScaLAPACK) against those of one rank (LAPACK), in every shape of
// the grid, with blocks so small that all ranks have several.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mpi/grid.h"
#include "src/random.h"
#include "tests/unit/spectrum_fixture.h"

static lam_comm comm;
static lam_error error;
static lam_arena arena;

enum { BLOCK = 5 };

// Both libraries' rounding, times the condition of these problems.
static const double bound = 1e-11;

static void succeed(lam_code code) {
    if (code) fail_msg("%s", error.text);
}

static double *get(int64_t count) {
    double *made = lam_arena_alloc(&arena, (size_t)count, sizeof *made, &error);
    assert_non_null(made);
    return made;
}

static lam_matrix matrix(const lam_grid *grid, int64_t rows, int64_t columns) {
    lam_matrix made;
    succeed(lam_matrix_create(grid, rows, columns, &made, &arena, &error));
    return made;
}

// The same values on any grid, from the rank that is the source.
static lam_matrix filled(const lam_grid *grid, int64_t rows, int64_t columns, uint32_t number,
                         bool has) {
    float *values = lam_arena_alloc(&arena, (size_t)(rows * columns), sizeof *values, &error);
    assert_non_null(values);
    const lam_random random = lam_random_key(3, LAM_RANDOM_SYNTH, 0, number);
    lam_random_fill_normal(&random, 0, rows * columns, 1, values);
    lam_matrix made = matrix(grid, rows, columns);
    succeed(grid->scatter(grid, has ? values : NULL, &made, &error));
    return made;
}

// The part of whole (of one rank) that the matrix has, within bound of the largest value; of
// symmetric ones the lower triangle.
static void check_same(const lam_grid *grid, const lam_matrix *got, const lam_matrix *whole,
                       bool lower) {
    double most = 0;
    for (int64_t i = 0; i < whole->rows * whole->columns; i++)
        most = fmax(most, fabs(whole->own[i]));
    assert_int_equal(got->rows, whole->rows);
    assert_int_equal(got->columns, whole->columns);
    for (int64_t j = 0; j < got->own_columns; j++)
        for (int64_t i = 0; i < got->own_rows; i++) {
            const int64_t row = lam_grid_row(grid, i), column = lam_grid_column(grid, j);
            const double want = lam_matrix_column(whole, column)[row],
                         have = lam_matrix_column(got, j)[i];
            if ((!lower || row >= column) && !(fabs(have - want) <= bound * most))
                fail_msg("(%d, %d) is %.17g, not %.17g", (int)row, (int)column, have, want);
        }
}

static void check_near(const double *got, const double *want, int64_t count) {
    double most = 0;
    for (int64_t i = 0; i < count; i++) most = fmax(most, fabs(want[i]));
    for (int64_t i = 0; i < count; i++)
        if (!(fabs(got[i] - want[i]) <= bound * most))
            fail_msg("value %d is %.17g, not %.17g", (int)i, got[i], want[i]);
}

// What is looked at on both kinds of grid.
typedef struct answers {
    lam_matrix x, gram[2], product[2], rebuilt;
    double *row_sums, *column_sums, *diagonal, *solution, *values[2], *top, value;
    bool definite[3];
} answers;

static void multiply(const lam_grid *grid, int64_t rows, int64_t columns, bool has, answers *a) {
    a->x = filled(grid, rows, columns, 0, has);
    lam_matrix other = filled(grid, rows, columns + 3, 1, has);
    a->gram[0] = matrix(grid, rows, rows), a->gram[1] = matrix(grid, columns, columns);
    for (int t = 0; t < 2; t++) succeed(grid->gram(grid, t == 1, &a->x, &a->gram[t], &error));
    a->product[0] = matrix(grid, columns, 7), a->product[1] = matrix(grid, rows, 6);
    succeed(grid->product(grid, true, &a->x, &other, columns - 4, &a->product[0], &error));
    succeed(grid->product(grid, false, &a->x, &a->product[0], 1, &a->product[1], &error));
    double *weight = get(rows + columns);
    for (int64_t i = 0; i < rows + columns; i++) weight[i] = 1 + (double)(i % 3);
    a->row_sums = get(columns), a->column_sums = get(rows), a->diagonal = get(columns);
    succeed(lam_matrix_sum_rows(grid, &a->x, weight, a->row_sums, &error));
    succeed(lam_matrix_sum_columns(grid, &a->x, weight, a->column_sums, &error));
    succeed(lam_matrix_diagonal(grid, &a->gram[1], a->diagonal, &error));
}

// A positive definite matrix of that order.
static lam_matrix positive(const lam_grid *grid, int64_t order, uint32_t number, bool has) {
    lam_matrix x = filled(grid, order + 9, order, number, has), made = matrix(grid, order, order);
    succeed(grid->gram(grid, true, &x, &made, &error));
    lam_matrix_add_diagonal(grid, &made, order / 2, 2);
    return made;
}

static void solve(const lam_grid *grid, int64_t order, bool has, answers *a) {
    lam_matrix l = positive(grid, order, 2, has), x = matrix(grid, order, 1);
    succeed(grid->factor(grid, &l, &a->definite[0], &error));
    lam_matrix_from_vector(grid, a->row_sums, &x);
    succeed(grid->solve(grid, &l, &x, &error));
    a->solution = get(order);
    succeed(lam_matrix_to_vector(grid, &x, a->solution, &error));
    lam_matrix negative = positive(grid, order, 2, has);
    lam_matrix_add_diagonal(grid, &negative, order - 1, -1e6);
    succeed(grid->factor(grid, &negative, &a->definite[1], &error));
}

// Signs of eigenvectors are free; what they make up again with the eigenvalues is not.
static void decompose(const lam_grid *grid, int64_t order, bool has, answers *a) {
    lam_matrix z = matrix(grid, order, order);
    for (int v = 0; v < 2; v++) {
        lam_matrix m = positive(grid, order, 3, has);
        a->values[v] = get(order);
        succeed(grid->eigen(grid, &m, a->values[v], v ? &z : NULL, &error));
    }
    for (int64_t j = 0; j < z.own_columns; j++)
        for (int64_t i = 0; i < z.own_rows; i++)
            lam_matrix_column(&z, j)[i] *= sqrt(a->values[1][lam_grid_column(grid, j)]);
    a->rebuilt = matrix(grid, order, order);
    succeed(grid->gram(grid, false, &z, &a->rebuilt, &error));
}

static void compare_two(const lam_grid *grid, int64_t order, bool has, answers *a) {
    lam_matrix m = positive(grid, order, 3, has), b = positive(grid, order, 4, has),
               z = matrix(grid, order, 1);
    succeed(grid->top(grid, &m, &b, &a->value, &z, &a->definite[2], &error));
    a->top = get(order);
    succeed(lam_matrix_to_vector(grid, &z, a->top, &error));
    int64_t largest = 0;
    for (int64_t i = 0; i < order; i++)
        if (fabs(a->top[i]) > fabs(a->top[largest])) largest = i;
    for (int64_t i = 0; i < order && a->top[largest] < 0; i++)
        a->top[i] = i == largest ? a->top[i] : -a->top[i];
    a->top[largest] = fabs(a->top[largest]);
    m = positive(grid, order, 3, has);
    lam_matrix negative = positive(grid, order, 4, has);
    lam_matrix_add_diagonal(grid, &negative, order - 1, -1e6);
    bool definite = true;
    double value;
    succeed(grid->top(grid, &m, &negative, &value, &z, &definite, &error));
    assert_false(definite);
}

static answers ask(const lam_grid *grid, int64_t rows, int64_t columns, bool has) {
    answers a = {0};
    multiply(grid, rows, columns, has, &a);
    solve(grid, columns, has, &a);
    decompose(grid, columns, has, &a);
    compare_two(grid, columns, has, &a);
    return a;
}

static void check_answers(const lam_grid *grid, int64_t rows, int64_t columns, bool has) {
    const answers want = ask(&lam_grid_alone, rows, columns, true),
                  got = ask(grid, rows, columns, has);
    check_same(grid, &got.x, &want.x, false);
    for (int i = 0; i < 2; i++) {
        check_same(grid, &got.gram[i], &want.gram[i], true);
        check_same(grid, &got.product[i], &want.product[i], false);
        check_near(got.values[i], want.values[i], columns);
    }
    check_same(grid, &got.rebuilt, &want.rebuilt, true);
    check_near(got.row_sums, want.row_sums, columns);
    check_near(got.column_sums, want.column_sums, rows);
    check_near(got.diagonal, want.diagonal, columns);
    check_near(got.solution, want.solution, columns);
    check_near(got.top, want.top, columns);
    check_near(&got.value, &want.value, 1);
    assert_true(got.definite[0] && !got.definite[1] && got.definite[2]);
    assert_true(want.definite[0] && !want.definite[1] && want.definite[2]);
    lam_arena_destroy(&arena);
}

// Every shape of the grid, and every rank as the source.
static void test_shapes(void **state) {
    (void)state;
    int source = 0;
    for (int rows = 1; rows <= comm.size; rows++) {
        if (comm.size % rows) continue;
        lam_mpi_grid grid;
        lam_mpi_grid_create(&grid, &comm, rows, BLOCK);
        assert_int_equal(grid.grid.rows * grid.grid.columns, comm.size);
        grid.source = source++ % comm.size;
        const bool has = comm.rank == grid.source;
        check_answers(&grid.grid, 40, 23, has);
        check_answers(&grid.grid, 17, 31, has);
        check_golden_spectrum(&grid.grid, "tall", has, 1e-10);
        check_golden_spectrum(&grid.grid, "wide", has, 1e-10);
        lam_mpi_grid_destroy(&grid);
    }
}

// Matrices smaller than a block: most ranks have nothing.
static void test_small(void **state) {
    (void)state;
    lam_mpi_grid grid;
    lam_mpi_grid_create(&grid, &comm, 0, 64);
    check_answers(&grid.grid, 12, 8, comm.rank == 0);
    lam_mpi_grid_destroy(&grid);
}

// The same bits from time to time on the same ranks, in more than one block of sums.
static void test_repeatable(void **state) {
    (void)state;
    lam_mpi_grid grid;
    lam_mpi_grid_create(&grid, &comm, 0, BLOCK);
    enum { ORDER = 60, TIMES = 6 };
    double first[ORDER], again[ORDER];
    for (int t = 0; t < TIMES; t++) {
        lam_matrix m = positive(&grid.grid, ORDER, 5, comm.rank == 0),
                   z = matrix(&grid.grid, ORDER, ORDER);
        succeed(grid.grid.eigen(&grid.grid, &m, t ? again : first, &z, &error));
        if (t) assert_memory_equal(first, again, sizeof first);
        lam_arena_destroy(&arena);
    }
    lam_mpi_grid_destroy(&grid);
}

int main(int argc, char **argv) {
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_small),
        cmocka_unit_test(test_repeatable),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
