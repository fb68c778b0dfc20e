// The figures of results, one or several per profile: what is drawn, apart from how. The table in
// figure_table.c says which variables make a figure; laminar plot and laminar report draw it.
#ifndef LAM_FIGURE_H
#define LAM_FIGURE_H

#include "io/result_read.h"
#include "src/arena.h"
#include "src/error.h"
#include "src/schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// --- the table

typedef enum lam_panel_kind {
    LAM_BY_LAYER, // curves against depth: of [layer], or [layer, k] with a curve for each k;
                  // [layer, c, k] makes a panel for each c
    LAM_CURVES,   // a curve for each layer: [layer, k] against x
    LAM_MAP,      // colours: [layer, k] against x; [c, layer, k] makes a panel for each c
} lam_panel_kind;

enum { LAM_PANEL_VARIABLES = 2 };

typedef struct lam_panel_entry {
    lam_panel_kind kind;
    const char *title;
    const char *variables[LAM_PANEL_VARIABLES]; // drawn together; missing ones are left out
    const char *names[LAM_PANEL_VARIABLES];     // of the variables, where there are two
    const char *interval; // [layer, k, 2], about the first variable's curves; NULL: none
    const char *x;        // [k] or [layer, k]; NULL: the index k. Not of BY_LAYER
    const char *x_label;  // not of BY_LAYER
    const char *label;    // of the values
    bool logarithmic;
    const char *level; // an attribute of the group: a straight line, named by its words. NULL: none
} lam_panel_entry;     // a figure's end with a NULL title

typedef struct lam_figure_entry {
    const char *name;  // of the file: "sae"
    const char *group; // "sae"; "tuning/": a figure for each subgroup
    const char *title;
    const char *caption; // how to read it, in plain words
    size_t columns;      // of panels, on paper and with one result
    const lam_panel_entry *panels;
} lam_figure_entry; // the table ends with a NULL name

extern const lam_figure_entry lam_figure_table[];

// --- what is drawn

typedef struct lam_series {
    const char *name;  // "Q"; "" where one curve is alone
    int colour;        // of lam_colours, where shade is NaN
    int dash;          // 0, 1...: which result
    double shade;      // 0 .. 1: the layer's place from first to last
    size_t count;      // of points
    const double *x;   // [count]
    const double *y;   // [count], NaN where missing
    const double *low; // [count], with high: an interval; NULL: none
    const double *high;
} lam_series;

typedef struct lam_panel {
    const char *title, *x_label, *y_label;
    bool logarithmic;     // y, or the map's colours
    bool counts;          // all y are whole numbers
    double low, high;     // of y or the colours, low < high; values below low stand at low
    double x_low, x_high; // of x; with y_low, y_high of a map's rows: its edges
    double y_low, y_high;
    lam_series *series;
    size_t series_count;     // 0: a map
    bool layers;             // the series are one for each layer, told apart by shade
    const char *value_label; // of a map
    const double *values;    // [rows][columns], NaN where missing
    size_t rows, columns;
    const double *row_at, *column_at; // equally spaced
} lam_panel;

typedef struct lam_figure {
    const char *name, *title, *caption;
    lam_panel *panels;
    size_t panel_count;
    size_t columns; // of panels, on paper
} lam_figure;

// Round numbers step apart that divide low .. high into at most `most` parts.
double lam_figure_step(double low, double high, int most);

// Colours that the colour-blind tell apart (Okabe and Ito 2008), as "#rrggbb".
enum { LAM_COLOURS = 7 };
extern const char *const lam_colours[LAM_COLOURS];

// Viridis at 0 .. 1, as "#rrggbb".
typedef struct lam_shade {
    char text[8];
} lam_shade;
lam_shade lam_shade_at(double place);

// --- making them

typedef struct lam_figure_source {
    lam_result_file file;
    const char *label; // the file's name without its folder and ".nc"; its path, if two are one
    lam_group *groups; // [file.group_count], with their values
} lam_figure_source;

// Opens and loads the results; *sources is the arena's and to be closed, also after an error.
// Errors as lam_result_open and lam_result_load, and LAM_INPUT for a sweep's summary.
LAM_CHECKED lam_code lam_figure_open(const char *const *paths, size_t count,
                                     lam_figure_source **sources, lam_arena *arena,
                                     lam_error *error);
void lam_figure_close(lam_figure_source *sources, size_t count);

// The group of that name, or NULL.
const lam_group *lam_figure_group(const lam_figure_source *source, const char *name);

// Makes all figures that the results have values for, in the order of the table. fraction: depth is
// 0 for the first layer and 1 for the last, else the layer's number. Everything is the arena's.
// LAM_INPUT if there is nothing to draw; LAM_MEMORY.
LAM_CHECKED lam_code lam_figures_make(const lam_figure_source *sources, size_t count, bool fraction,
                                      lam_figure **figures, size_t *figure_count, lam_arena *arena,
                                      lam_error *error);

// text as UTF-8 without control characters, and cut where it is long: fit to be drawn. NULL: no
// memory.
const char *lam_figure_text(const char *text, lam_arena *arena, lam_error *error);

#endif
