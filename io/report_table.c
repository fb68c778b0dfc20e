#include "io/report_parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void put_value(FILE *out, double value) {
    fputs("<td>", out);
    if (isfinite(value)) fprintf(out, "%.6g", value + 0.0);
}

static void put_heading(FILE *out, const char *before, const char *text, const char *after) {
    fputs("<th scope=\"col\">", out);
    lam_html_put(out, before);
    lam_html_put(out, text);
    lam_html_put(out, after);
}

static void put_bound(FILE *out, const char *name, const char *which) {
    fputs("<th scope=\"col\" data-bound>", out);
    lam_html_put(out, name);
    lam_html_put(out, which);
}

static int compare(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

// Whether all series stand over the same x.
static bool share_x(const lam_panel *panel) {
    const lam_series *first = panel->series;
    for (size_t s = 1; s < panel->series_count; s++) {
        const lam_series *other = &panel->series[s];
        if (other->count != first->count ||
            memcmp(other->x, first->x, first->count * sizeof *first->x) != 0)
            return false;
    }
    return true;
}

// All x of the series, in order, each once.
static double *union_of(const lam_panel *panel, size_t *count) {
    size_t all = 0, kept = 0;
    for (size_t s = 0; s < panel->series_count; s++) all += panel->series[s].count;
    double *x = malloc((all ? all : 1) * sizeof *x);
    if (!x) return NULL;
    for (size_t s = 0, at = 0; s < panel->series_count; at += panel->series[s++].count)
        memcpy(x + at, panel->series[s].x, panel->series[s].count * sizeof *x);
    qsort(x, all, sizeof *x, compare);
    for (size_t i = 0; i < all; i++)
        if (!kept || x[i] != x[kept - 1]) x[kept++] = x[i];
    *count = kept;
    return x;
}

static void put_series_headings(FILE *out, const lam_panel *panel, bool pairs) {
    for (size_t s = 0; s < panel->series_count; s++) {
        const lam_series *series = &panel->series[s];
        const char *name = *series->name ? series->name : panel->y_label;
        if (pairs) put_heading(out, panel->x_label, ", ", name);
        put_heading(out, name, "", "");
        if (!series->low) continue;
        put_bound(out, name, ", lower bound");
        put_bound(out, name, ", upper bound");
    }
}

static void put_point(FILE *out, const lam_series *series, size_t i) {
    bool there = i < series->count;
    put_value(out, there ? series->y[i] : NAN);
    if (!series->low) return;
    put_value(out, there ? series->low[i] : NAN);
    put_value(out, there ? series->high[i] : NAN);
}

// Series over few, partly common x (depths): a row for each x.
static lam_code put_merged(FILE *out, const lam_panel *panel, lam_error *error) {
    size_t count;
    double *x = union_of(panel, &count);
    if (!x) return lam_fail(error, LAM_MEMORY, "memory for a table was refused");
    put_heading(out, panel->x_label, "", "");
    put_series_headings(out, panel, false);
    fputs("<tbody>\n", out);
    for (size_t row = 0; row < count; row++) {
        fprintf(out, "<tr><th scope=\"row\">%.6g", x[row]);
        for (size_t s = 0; s < panel->series_count; s++) {
            const lam_series *series = &panel->series[s];
            const double *at = bsearch(&x[row], series->x, series->count, sizeof *x, compare);
            put_point(out, series, at ? (size_t)(at - series->x) : series->count);
        }
        fputs("</tr>\n", out);
    }
    free(x);
    return LAM_OK;
}

// Series that have x of their own, a pair of columns each.
static void put_pairs(FILE *out, const lam_panel *panel) {
    size_t rows = 0;
    for (size_t s = 0; s < panel->series_count; s++)
        rows = panel->series[s].count > rows ? panel->series[s].count : rows;
    put_heading(out, "point", "", "");
    put_series_headings(out, panel, true);
    fputs("<tbody>\n", out);
    for (size_t row = 0; row < rows; row++) {
        fprintf(out, "<tr><th scope=\"row\">%zu", row);
        for (size_t s = 0; s < panel->series_count; s++) {
            const lam_series *series = &panel->series[s];
            put_value(out, row < series->count ? series->x[row] : NAN);
            put_point(out, series, row);
        }
        fputs("</tr>\n", out);
    }
}

static void put_map(FILE *out, const lam_panel *panel) {
    char text[64];
    put_heading(out, panel->x_label, "", "");
    for (size_t row = 0; row < panel->rows; row++) {
        snprintf(text, sizeof text, " %.6g", panel->row_at[row]);
        put_heading(out, panel->y_label, text, "");
    }
    fputs("<tbody>\n", out);
    for (size_t column = 0; column < panel->columns; column++) {
        fprintf(out, "<tr><th scope=\"row\">%.6g", panel->column_at[column]);
        for (size_t row = 0; row < panel->rows; row++)
            put_value(out, panel->values[row * panel->columns + column]);
        fputs("</tr>\n", out);
    }
}

lam_code lam_report_table(FILE *out, const lam_panel *panel, const char *id, lam_error *error) {
    bool map = panel->values != NULL, pairs = !map && panel->layers && !share_x(panel);
    fprintf(out, "<table class=\"values\" id=\"%s\"%s><caption>", id, pairs ? " data-pairs" : "");
    lam_html_put(out, panel->title);
    fputs(": ", out);
    lam_html_put(out, map ? panel->value_label : panel->y_label);
    fputs("</caption><thead><tr>", out);
    lam_code code = LAM_OK;
    if (map)
        put_map(out, panel);
    else if (pairs)
        put_pairs(out, panel);
    else
        code = put_merged(out, panel, error);
    fputs("</table>\n", out);
    return code;
}
