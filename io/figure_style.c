// Colours and ticks of figures.
#include "io/figure.h"

#include <math.h>
#include <stdio.h>

const char *const lam_colours[LAM_COLOURS] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                              "#56b4e9", "#e69f00", "#777777"};

lam_shade lam_shade_at(double place) {
    // Viridis (van der Walt and Smith 2015, CC0) at every eighth, red, green, blue.
    static const double stop[9][3] = {{68, 1, 84},    {71, 44, 122},  {59, 81, 139},
                                      {44, 113, 142}, {33, 144, 141}, {39, 173, 129},
                                      {92, 200, 99},  {170, 220, 50}, {253, 231, 37}};
    double at = 8 * fmin(fmax(place, 0), 1);
    int before = at < 8 ? (int)at : 7;
    int part[3];
    for (int i = 0; i < 3; i++)
        part[i] =
            (int)lround(stop[before][i] + (at - before) * (stop[before + 1][i] - stop[before][i]));
    lam_shade shade;
    snprintf(shade.text, sizeof shade.text, "#%02x%02x%02x", part[0] & 255, part[1] & 255,
             part[2] & 255);
    return shade;
}

double lam_figure_step(double low, double high, int most) {
    double least = (high - low) / most, step = pow(10, floor(log10(least)));
    return step >= least       ? step
           : 2 * step >= least ? 2 * step
           : 5 * step >= least ? 5 * step
                               : 10 * step;
}
