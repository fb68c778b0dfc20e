// Figures as files, drawn by gnuplot.
#ifndef LAM_PLOT_H
#define LAM_PLOT_H

#include "io/figure.h"
#include "src/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { LAM_PLOT_SVG = 1, LAM_PLOT_PNG = 2, LAM_PLOT_PDF = 4 };

// Draws every figure in every of the formats (a sum of the above) as FOLDER/NAME.svg and so on,
// each whole or not at all; the folder is made if it is not there. scripts: leaves NAME.gp and its
// data, NAME-1.dat..., beside them. gnuplot is started without a shell and reads nothing but these,
// in a hidden folder in FOLDER that goes away again. LAM_IO if gnuplot is not installed or ends
// with an error, or a file cannot be written; LAM_INTERRUPTED if a signal ended it; LAM_MEMORY.
LAM_CHECKED lam_code lam_plot(const lam_figure *figures, size_t count, int formats, bool scripts,
                              const char *folder, lam_arena *arena, lam_error *error);

#endif
