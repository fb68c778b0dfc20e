// What the tests of spectra share: the golden cases, on any grid of ranks.
#ifndef LAM_SPECTRUM_FIXTURE_H
#define LAM_SPECTRUM_FIXTURE_H

// After cmocka.h.
#include "io/safetensors.h"
#include "src/spectrum.h"
#include "tests/unit/fixture.h"

#include <math.h>
#include <stdio.h>

static const lam_separation_rule golden_rule = {0.99, 0.01};

static inline const lam_tensor *golden_tensor(const lam_safetensors *golden, const char *of,
                                              const char *what) {
    char name[64];
    snprintf(name, sizeof name, "%s.%s", of, what);
    const lam_tensor *tensor = lam_safetensors_find(golden, name);
    if (!tensor) fail_msg("no %s", name);
    return tensor;
}

static inline void golden_near(const lam_safetensors *golden, const char *of, const char *what,
                               double got, double bound) {
    const double want = *(const double *)golden_tensor(golden, of, what)->data;
    if (!(fabs(got - want) <= bound * fabs(want)))
        fail_msg("%s.%s is %.17g, not %.17g", of, what, got, want);
}

// The case within bound of the reference; has_x: whether this rank has the rows.
static inline void check_golden_spectrum(const lam_grid *grid, const char *of, bool has_x,
                                         double bound) {
    lam_error error = {0};
    lam_arena arena = {0};
    lam_safetensors *golden;
    if (lam_safetensors_open(LAM_TEST_GOLDEN "/spectrum.safetensors", &golden, &error))
        fail_msg("%s", error.text);
    const lam_tensor *x = golden_tensor(golden, of, "x");
    const double *want = golden_tensor(golden, of, "eigenvalues")->data;
    const int64_t width = x->shape[1];
    lam_separation_rows rows = {{x->shape[0], width, has_x ? x->data : NULL},
                                golden_tensor(golden, of, "label")->data,
                                golden_tensor(golden, of, "fold")->data,
                                0};
    for (int64_t i = 0; i < rows.rows.count; i++)
        if (rows.fold[i] >= rows.folds) rows.folds = rows.fold[i] + 1;
    double *values = lam_arena_alloc(&arena, (size_t)width, sizeof *values, &error);
    assert_non_null(values);
    if (lam_spectrum_eigenvalues(grid, &rows.rows, values, &arena, &error))
        fail_msg("%s", error.text);
    for (int64_t i = 0; i < width; i++)
        if (!(fabs(values[i] - want[i]) <= bound * want[0]))
            fail_msg("%s: eigenvalue %d is %.17g, not %.17g", of, (int)i, values[i], want[i]);
    golden_near(golden, of, "participation", lam_spectrum_participation(values, width), bound);
    golden_near(golden, of, "components",
                (double)lam_spectrum_components(values, width, golden_rule.share), 0);
    lam_separation made;
    if (lam_spectrum_separate(grid, &rows, &golden_rule, &made, &lam_team_alone, &arena, &error))
        fail_msg("%s", error.text);
    assert_int_equal(made.flags, 0);
    golden_near(golden, of, "kept", (double)made.components, 0);
    golden_near(golden, of, "top", made.top_eigenvalue, bound);
    golden_near(golden, of, "training_t", made.training_t, bound);
    golden_near(golden, of, "held_out_t", made.held_out_t, bound);
    lam_safetensors_close(golden);
    lam_arena_destroy(&arena);
}

#endif
