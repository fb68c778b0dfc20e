// One self-contained HTML page about results.
#ifndef LAM_REPORT_H
#define LAM_REPORT_H

#include "io/figure.h"
#include "src/error.h"

#include <stddef.h>

// Writes path, whole or not at all: what was run on what, every figure with the table behind it,
// and how to make the results again. The page asks the network for nothing and forbids itself to;
// all texts from the results stand in it as texts. Values are given to six digits. LAM_IO,
// LAM_MEMORY.
LAM_CHECKED lam_code lam_report_write(const char *path, const lam_figure_source *sources,
                                      size_t source_count, const lam_figure *figures,
                                      size_t figure_count, lam_arena *arena, lam_error *error);

#endif
