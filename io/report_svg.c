#include "io/report_parts.h"

#include <math.h>
#include <string.h>

// The drawing in its own units, about a pixel each; margins hold ticks and names of the axes.
enum { WIDTH = 420, HEIGHT = 290, LEFT = 62, RIGHT = 12, TOP = 10, BOTTOM = 44, BAR = 86 };
enum { LEVELS = 32, SHADES = 12, MOST_DOTS = 100 };

typedef struct axis {
    double low, high, from, to; // values, and where they stand
    bool logarithmic;
} axis;

static double place(const axis *a, double value) {
    double low = a->low, high = a->high;
    if (a->logarithmic) {
        low = log10(low), high = log10(high);
        value = value > 0 ? log10(value) : low;
        value = fmax(value, low);
    }
    return a->from + (a->to - a->from) * (value - low) / (high - low);
}

// --- axes

enum { MOST_TICKS = 16 };

static int ticks_of(const axis *a, int most, bool whole, double *tick) {
    int count = 0;
    if (a->logarithmic && log10(a->high / a->low) >= 0.7) {
        // Powers of ten; over less than two of them also 2 and 5 times those.
        double decades = log10(a->high / a->low), every = fmax(1, ceil(decades / most));
        for (double e = floor(log10(a->low)); e <= log10(a->high) + 1e-9; e += every)
            for (int m = 1; m <= (decades < 2 ? 5 : 1) && count < MOST_TICKS; m += m == 1 ? 1 : 3) {
                double value = m * pow(10, e);
                if (value >= a->low * (1 - 1e-9) && value <= a->high * (1 + 1e-9))
                    tick[count++] = value;
            }
        return count;
    }
    double step = lam_figure_step(a->low, a->high, most);
    if (whole) step = fmax(step, 1);
    for (double k = ceil(a->low / step - 1e-9); count < MOST_TICKS; k++) {
        if (k * step > a->high + 1e-9 * step) break;
        tick[count++] = k != 0 ? k * step : 0;
    }
    return count;
}

static void put_x_axis(FILE *out, const axis *x, const char *label, bool whole) {
    double tick[MOST_TICKS];
    int count = ticks_of(x, 6, whole, tick), y = HEIGHT - BOTTOM;
    for (int i = 0; i < count; i++) {
        double at = place(x, tick[i]);
        fprintf(out, "<path class=\"tick\" d=\"M%.1f %dv4\"/><text x=\"%.1f\" y=\"%d\">%g</text>",
                at, y, at, y + 16, tick[i]);
    }
    fprintf(out, "<text class=\"name\" x=\"%.1f\" y=\"%d\">", (x->from + x->to) / 2, HEIGHT - 8);
    lam_html_put(out, label);
    fputs("</text>\n", out);
}

// An axis to the left of `at`, or, of a bar of colours, to its right.
static void put_y_axis(FILE *out, const axis *y, const char *label, int at, bool right, bool whole,
                       bool lines) {
    double tick[MOST_TICKS];
    int count = ticks_of(y, 6, whole, tick);
    fprintf(out, "<g class=\"%s\">", right ? "bar" : "side");
    for (int i = 0; i < count; i++) {
        double height = place(y, tick[i]);
        if (lines)
            fprintf(out, "<path class=\"line\" d=\"M%d %.1fH%d\"/>", LEFT, height, WIDTH - RIGHT);
        fprintf(out, "<path class=\"tick\" d=\"M%d %.1fh%d\"/><text x=\"%d\" y=\"%.1f\">%g</text>",
                at, height, right ? 4 : -4, right ? at + 7 : at - 7, height + 4, tick[i]);
    }
    fputs("</g>", out);
    double middle = (y->from + y->to) / 2;
    int x = right ? WIDTH - 4 : 13;
    fprintf(out, "<text class=\"name\" transform=\"translate(%d %.1f)rotate(-90)\">", x, middle);
    lam_html_put(out, label);
    fputs("</text>\n", out);
}

static void put_frame(FILE *out, const axis *x, const axis *y) {
    fprintf(out, "<path class=\"frame\" d=\"M%.1f %.1fV%.1fH%.1fV%.1fz\"/>\n", x->from, y->to,
            y->from, x->to, y->to);
}

static bool all_whole(const double *at, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (at[i] != floor(at[i])) return false;
    return true;
}

// --- curves

static void put_color(FILE *out, const lam_series *series) {
    if (isnan(series->shade))
        fprintf(out, "c%d", series->colour);
    else
        fprintf(out, "l%d", (int)lround(series->shade * (SHADES - 1)));
}

// A line through the points; a missing one breaks it.
static void put_line(FILE *out, const lam_series *series, const axis *x, const axis *y) {
    bool down = false, low = false; // low: the point before is where a logarithmic axis ends
    fputs("<path class=\"curve ", out);
    put_color(out, series);
    fprintf(out, " d%d\" d=\"", series->dash % 4);
    for (size_t i = 0; i < series->count; i++) {
        bool there = isfinite(series->y[i]) && isfinite(series->x[i]);
        bool under = there && y->logarithmic && series->y[i] <= y->low;
        if (there)
            fprintf(out, "%c%.1f %.1f", down && !(low && under) ? 'L' : 'M', place(x, series->x[i]),
                    place(y, series->y[i]));
        down = there;
        low = under;
    }
    fputs("\"/>\n", out);
}

// A line of length 0 with round ends is a dot.
static void put_dots_of(FILE *out, const char *class, const lam_series *series, const axis *x,
                        const axis *y) {
    fprintf(out, "<path class=\"%s ", class);
    put_color(out, series);
    fputs("\" d=\"", out);
    for (size_t i = 0; i < series->count; i++)
        if (isfinite(series->y[i]) && isfinite(series->x[i]))
            fprintf(out, "M%.1f %.1fh0", place(x, series->x[i]), place(y, series->y[i]));
    fputs("\"/>\n", out);
}

// The first result's points are dots, the others' rings.
static void put_dots(FILE *out, const lam_series *series, const axis *x, const axis *y) {
    if (series->count > MOST_DOTS) return;
    put_dots_of(out, series->dash ? "dots ring" : "dots", series, x, y);
    if (series->dash) put_dots_of(out, "hole", series, x, y);
}

static void put_band(FILE *out, const lam_series *series, const axis *x, const axis *y) {
    for (size_t first = 0, last; first < series->count; first = last + 1) {
        for (last = first;
             last < series->count && isfinite(series->low[last]) && isfinite(series->high[last]);
             last++) {
        }
        if (last == first) continue;
        fprintf(out, "<path class=\"band c%d\" d=\"", series->colour);
        for (size_t i = first; i < last; i++)
            fprintf(out, "%c%.1f %.1f", i == first ? 'M' : 'L', place(x, series->x[i]),
                    place(y, series->low[i]));
        for (size_t i = last; i-- > first;)
            fprintf(out, "L%.1f %.1f", place(x, series->x[i]), place(y, series->high[i]));
        fputs("z\"/>\n", out);
    }
}

static void put_curves(FILE *out, const lam_panel *panel, const axis *x, const axis *y) {
    bool whole = panel->series_count && all_whole(panel->series->x, panel->series->count);
    put_y_axis(out, y, panel->y_label, LEFT, false, panel->counts && !panel->logarithmic, true);
    put_x_axis(out, x, panel->x_label, whole);
    put_frame(out, x, y);
    for (size_t s = 0; s < panel->series_count; s++)
        if (panel->series[s].low) put_band(out, &panel->series[s], x, y);
    for (size_t s = 0; s < panel->series_count; s++) put_line(out, &panel->series[s], x, y);
    // Dots of the first result above the others' rings, which show where values are the same.
    for (size_t s = panel->series_count; s-- > 0;) put_dots(out, &panel->series[s], x, y);
}

// --- maps

static const double seam = 0.4; // by which cells reach under their neighbours

static int level_of(const lam_panel *panel, double value) {
    axis colours = {panel->low, panel->high, 0, LEVELS, panel->logarithmic};
    if (!isfinite(value)) return -1;
    double level = floor(place(&colours, value));
    return (int)fmin(fmax(level, 0), LEVELS - 1);
}

// The cells of one level as one path, neighbours in a row together.
static void put_level(FILE *out, const lam_panel *panel, const axis *x, const axis *y, int level) {
    double width = (x->to - x->from) / (double)panel->columns;
    double height = (y->from - y->to) / (double)panel->rows;
    bool any = false;
    for (size_t row = 0; row < panel->rows; row++)
        for (size_t column = 0; column < panel->columns; column++) {
            const double *values = &panel->values[row * panel->columns];
            if (level_of(panel, values[column]) != level) continue;
            size_t first = column;
            while (column + 1 < panel->columns && level_of(panel, values[column + 1]) == level)
                column++;
            // No gap is to be seen between cells, whatever the size of the window.
            bool last = column + 1 == panel->columns;
            double run = width * (double)(column + 1 - first) + (last ? 0 : seam);
            if (!any) {
                lam_shade shade = lam_shade_at((level + 0.5) / LEVELS);
                fprintf(out, "<path fill=\"%s\" d=\"", shade.text);
            }
            any = true;
            fprintf(out, "M%.2f %.2fh%.2fv%.2fh%.2fz", x->from + width * (double)first,
                    y->from - height * (double)(row + 1), run, height + (row ? seam : 0), -run);
        }
    if (any) fputs("\"/>\n", out);
}

static void put_map(FILE *out, const lam_panel *panel, const axis *x, const axis *y) {
    put_y_axis(out, y, panel->y_label, LEFT, false, all_whole(panel->row_at, panel->rows), false);
    put_x_axis(out, x, panel->x_label, all_whole(panel->column_at, panel->columns));
    fprintf(out, "<path class=\"none\" d=\"M%.1f %.1fV%.1fH%.1fV%.1fz\"/><g class=\"cells\">\n",
            x->from, y->to, y->from, x->to, y->to);
    for (int level = 0; level < LEVELS; level++) put_level(out, panel, x, y, level);
    double from = x->to + 8, step = (y->from - y->to) / LEVELS;
    for (int level = 0; level < LEVELS; level++)
        fprintf(out, "<path fill=\"%s\" d=\"M%.1f %.2fh10v%.2fh-10z\"/>",
                lam_shade_at((level + 0.5) / LEVELS).text, from, y->from - step * (level + 1),
                step);
    fputs("</g>\n", out);
    put_frame(out, x, y);
    axis colours = {panel->low, panel->high, y->from, y->to, panel->logarithmic};
    put_y_axis(out, &colours, panel->value_label, (int)from + 10, true, false, false);
}

void lam_report_svg(FILE *out, const lam_panel *panel, const char *table_id) {
    bool map = panel->values != NULL;
    axis x = {panel->x_low, panel->x_high, LEFT, WIDTH - (map ? BAR : RIGHT), false};
    axis y = {map ? panel->y_low : panel->low, map ? panel->y_high : panel->high, HEIGHT - BOTTOM,
              TOP, !map && panel->logarithmic};
    fprintf(
        out,
        "<svg viewBox=\"0 0 %d %d\" role=\"img\" tabindex=\"0\" data-kind=\"%s\" data-table=\"%s\" "
        "data-x=\"%.9g %.9g %.9g %.9g 0\" data-y=\"%.9g %.9g %.9g %.9g %d\" aria-label=\"",
        WIDTH, HEIGHT, map ? "map" : "curves", table_id, x.low, x.high, x.from, x.to, y.low, y.high,
        y.from, y.to, y.logarithmic);
    lam_html_put(out, panel->title);
    fputs(": ", out);
    lam_html_put(out, map ? panel->value_label : panel->y_label);
    fputs(map ? " by " : " against ", out);
    lam_html_put(out, panel->x_label);
    if (map) {
        fputs(" and ", out);
        lam_html_put(out, panel->y_label);
    }
    fputs(". Arrow keys read the values out.\">\n", out);
    (map ? put_map : put_curves)(out, panel, &x, &y);
    fputs("</svg>\n", out);
}
