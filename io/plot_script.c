#include "io/plot_script.h"

#include <math.h>
#include <string.h>

// A panel's size in hundredths of an inch; the height of the figure's title and of a line of the
// key. A PNG has DOTS dots a hundredth, 300 an inch; fewer where it had more than MOST_DOTS, which
// Cairo does not draw.
enum { WIDTH = 420, HEIGHT = 310, TITLE = 30, LINE = 14, DOTS = 3, MOST_DOTS = 32000 };

static void put_quoted(FILE *out, const char *text) {
    putc('\'', out);
    for (; *text; text++) {
        if (*text == '\'') putc('\'', out);
        putc(*text, out);
    }
    putc('\'', out);
}

static void put_setting(FILE *out, const char *what, const char *text) {
    fprintf(out, "set %s ", what);
    put_quoted(out, text);
    putc('\n', out);
}

// Whole numbers at the axis of layers, heads and epochs, not more than fit.
static void put_axis(FILE *out, const char *axis, double low, double high, bool whole) {
    fprintf(out, "set %srange [%.9g:%.9g]\n", axis, low, high);
    double step = lam_figure_step(low, high, 6);
    fprintf(out, "set %stics %.9g\n", axis, whole ? fmax(step, 1) : step);
}

// A logarithmic axis: powers of ten by gnuplot; over less than two of them also 2 and 5 times
// those.
static void put_logarithmic(FILE *out, const char *axis, double low, double high) {
    fprintf(out, "set logscale %s\n", axis);
    if (high / low > 100) return;
    fprintf(out, "set %stics (", axis);
    bool any = false;
    for (double power = pow(10, floor(log10(low))); power <= high; power *= 10)
        for (int m = 1; m <= 5; m += m == 1 ? 1 : 3) {
            if (m * power < low || m * power > high) continue;
            fprintf(out, "%s%.9g", any ? ", " : "", m * power);
            any = true;
        }
    fputs(")\n", out);
}

static bool is_whole(const double *at, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (at[i] != floor(at[i])) return false;
    return count > 0;
}

static void put_palette(FILE *out, double last) {
    fputs("set palette defined (", out);
    for (int i = 0; i <= 8; i++)
        fprintf(out, "%s%d '%s'", i ? ", " : "", i, lam_shade_at(last * i / 8).text);
    fputs(")\n", out);
}

static void put_map(FILE *out, const lam_panel *panel, const char *file) {
    fputs("set cblabel offset 0,0\n", out);
    put_setting(out, "cblabel", panel->value_label);
    put_palette(out, 1);
    if (panel->logarithmic) put_logarithmic(out, "cb", panel->low, panel->high);
    fprintf(out, "set cbrange [%.9g:%.9g]\n", panel->low, panel->high);
    put_axis(out, "x", panel->x_low, panel->x_high, is_whole(panel->column_at, panel->columns));
    put_axis(out, "y", panel->y_low, panel->y_high, is_whole(panel->row_at, panel->rows));
    fprintf(out, "plot '%s' using 1:2:($3 < %.9g ? %.9g : $3) with image notitle\n", file,
            panel->low, panel->low);
}

static void put_curves_of_layers(FILE *out, const lam_panel *panel, const char *file) {
    // What a logarithmic axis cannot show leaves through its end.
    char value[80] = "$2";
    if (panel->logarithmic)
        snprintf(value, sizeof value, "$2 < %.9g ? %.9g : $2", panel->low, panel->low / 10);
    double last = (double)(panel->series_count - 1);
    put_palette(out, 0.9);
    fputs("set cblabel 'layer' offset 1,0\n", out); // clear of short numbers
    fprintf(out, "set cbrange [0:%.9g]\nset cbtics %.9g\n", fmax(last, 1), fmax(1, ceil(last / 6)));
    fprintf(
        out,
        "plot for [i = 0:%.9g] '%s' index i using 1:(%s):(i) with lines linewidth 1.2 linecolor "
        "palette notitle\n",
        last, file, value);
}

static void put_curves(FILE *out, const lam_panel *panel, const char *file) {
    // The first result's points are full; the others' are open, so that they show about the first's
    // where values are the same.
    static const int points[] = {7, 4, 8, 12, 10};
    bool any = false;
    fputs("plot ", out);
    for (size_t s = 0; s < panel->series_count; s++) {
        const lam_series *series = &panel->series[s];
        if (!series->low) continue;
        fprintf(out,
                "%s'%s' index %zu using 1:3:4 with filledcurves fillcolor '%s' fillstyle "
                "transparent solid 0.15 noborder notitle",
                any ? ", \\\n     " : "", file, s, lam_colours[series->colour]);
        any = true;
    }
    for (size_t s = 0; s < panel->series_count; s++) {
        const lam_series *series = &panel->series[s];
        fprintf(out,
                "%s'%s' index %zu using 1:2 with linespoints linewidth 1.5 linecolor '%s' "
                "dashtype %d pointtype %d pointsize %s title ",
                any ? ", \\\n     " : "", file, s, lam_colours[series->colour],
                series->dash % 5 + 1, points[series->dash % 5], series->dash ? "1" : "0.4");
        put_quoted(out, series->name);
        any = true;
    }
    putc('\n', out);
}

typedef struct key_shape {
    int columns, rows;
} key_shape;

// As many columns as gnuplot fits below a panel, judged by the longest name, and not more than a
// result has curves.
static key_shape key_of(const lam_panel *panel) {
    size_t longest = 0, alike = 0;
    for (size_t s = 0; s < panel->series_count; s++) {
        size_t length = strlen(panel->series[s].name);
        longest = length > longest ? length : longest;
        alike += panel->series[s].dash == panel->series[0].dash;
    }
    if (panel->layers || !longest) return (key_shape){1, 0};
    size_t columns = 46 / (longest + 10), most = alike > 1 ? alike : 3;
    columns = columns < 1 ? 1 : columns > most ? most : columns;
    return (key_shape){(int)columns, (int)((panel->series_count + columns - 1) / columns)};
}

// Lines of the longest key among some panels.
static int key_lines(const lam_figure *figure, size_t first, size_t count) {
    int lines = 0;
    for (size_t i = first; i < first + count && i < figure->panel_count; i++) {
        int own = key_of(&figure->panels[i]).rows;
        lines = own > lines ? own : lines;
    }
    return lines;
}

static void put_panel(FILE *out, const lam_figure *figure, size_t index) {
    const lam_panel *panel = &figure->panels[index];
    char file[300];
    snprintf(file, sizeof file, "%s-%zu.dat", figure->name, index + 1);
    bool bar = !panel->series_count || panel->layers;
    fprintf(out, "\nunset logscale\n%sset colorbox\nset cbtics autofreq\nset rmargin %d\n",
            bar ? "" : "un", bar ? 6 : 2);
    fprintf(out, "set key maxcols %d\nset bmargin %d.5\n", key_of(panel).columns,
            4 + key_lines(figure, index - index % figure->columns, figure->columns));
    put_setting(out, "title", panel->title);
    put_setting(out, "xlabel", panel->x_label);
    put_setting(out, "ylabel", panel->y_label);
    if (!panel->series_count) {
        put_map(out, panel, file);
        return;
    }
    fprintf(out, "set yrange [%.9g:%.9g]\nset ytics autofreq\n", panel->low, panel->high);
    if (panel->logarithmic)
        put_logarithmic(out, "y", panel->low, panel->high);
    else if (panel->counts)
        put_axis(out, "y", panel->low, panel->high, true);
    put_axis(out, "x", panel->x_low, panel->x_high,
             !panel->layers && is_whole(panel->series->x, panel->series->count));
    (panel->layers ? put_curves_of_layers : put_curves)(out, panel, file);
}

static void put_terminal(FILE *out, const char *format, const char *settings, const char *name) {
    fprintf(out, "if (format eq '%s') {\n    set terminal %s\n    set output '%s.%s'\n}\n", format,
            settings, name, format);
}

void lam_plot_script(FILE *out, const lam_figure *figure) {
    int count = (int)figure->panel_count;
    int columns = (int)figure->columns, rows = (count + columns - 1) / columns;
    int key = key_lines(figure, 0, figure->panel_count);
    int width = columns * WIDTH, height = rows * (HEIGHT + LINE * key) + TITLE;
    int dots = DOTS;
    while (dots > 1 && dots * height > MOST_DOTS) dots--;
    char settings[200];
    fprintf(out,
            "# Draws %s.svg: gnuplot %s.gp; a PNG or PDF: gnuplot -e \"format = 'png'\" %s.gp\n"
            "if (!exists('format')) format = 'svg'\n",
            figure->name, figure->name, figure->name);
    snprintf(settings, sizeof settings,
             "svg noenhanced size %d,%d font 'sans-serif,11' background '#ffffff'", width, height);
    put_terminal(out, "svg", settings, figure->name);
    snprintf(settings, sizeof settings,
             "pngcairo noenhanced size %d,%d font 'sans-serif,9' fontscale %d linewidth %d "
             "pointscale %d",
             dots * width, dots * height, dots, dots, dots);
    put_terminal(out, "png", settings, figure->name);
    snprintf(settings, sizeof settings,
             "pdfcairo noenhanced size %.2fin,%.2fin font 'sans-serif,8'", width / 100.0,
             height / 100.0);
    put_terminal(out, "pdf", settings, figure->name);
    fputs("set encoding utf8\nset border linewidth 0.6\nset tics out nomirror scale 0.5\n"
          "set key bmargin center horizontal reverse Left samplen 4\nset format '%g'\n"
          "set lmargin 11\n",
          out);
    fprintf(out, "set multiplot layout %d,%d title ", rows, columns);
    put_quoted(out, figure->title);
    fputs(" font ',13'\n", out);
    for (size_t i = 0; i < figure->panel_count; i++) put_panel(out, figure, i);
    fputs("\nunset multiplot\n", out);
}

static void put_number(FILE *out, double value, char after) {
    if (isfinite(value))
        fprintf(out, "%.9g%c", value, after);
    else
        fprintf(out, "NaN%c", after);
}

// Where the i-th half of a cell of width 1 lies beside the middle; 0 for a whole cell.
static double half_of(size_t i, size_t parts) {
    return parts == 1 ? 0 : i ? 0.25 : -0.25;
}

void lam_plot_data(FILE *out, const lam_panel *panel) {
    // gnuplot's images have two rows and two columns at least: a single one is given as two halves.
    size_t parts = panel->rows == 1 ? 2 : 1, strips = panel->columns == 1 ? 2 : 1;
    for (size_t i = 0; i < panel->rows * parts; i++)
        for (size_t j = 0; j < panel->columns * strips; j++) {
            size_t row = i / parts, column = j / strips;
            put_number(out, panel->column_at[column] + half_of(j, strips), ' ');
            put_number(out, panel->row_at[row] + half_of(i, parts), ' ');
            put_number(out, panel->values[row * panel->columns + column], '\n');
        }
    for (size_t s = 0; s < panel->series_count; s++) {
        const lam_series *series = &panel->series[s];
        if (s) fputs("\n\n", out);
        for (size_t i = 0; i < series->count; i++) {
            put_number(out, series->x[i], ' ');
            put_number(out, series->y[i], series->low ? ' ' : '\n');
            if (!series->low) continue;
            put_number(out, series->low[i], ' ');
            put_number(out, series->high[i], '\n');
        }
    }
}
