// What gnuplot reads: a script a figure, a file of data a panel.
#ifndef LAM_PLOT_SCRIPT_H
#define LAM_PLOT_SCRIPT_H

#include "io/figure.h"

#include <stdio.h>

// The script NAME.gp, which draws NAME.svg, or what its variable `format` says (png, pdf), from
// NAME-1.dat, NAME-2.dat... No text in it is read as anything but text: single quotes keep gnuplot
// from expanding it, and its markup is off.
void lam_plot_script(FILE *out, const lam_figure *figure);

// Of a map "column row value"; else "x y [low high]", two empty lines between series.
void lam_plot_data(FILE *out, const lam_panel *panel);

#endif
