#include "io/figure.h"

#include "io/info_parts.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST_PANELS = 400, MOST_SERIES = 512 };

// What a logarithmic axis shows below its highest value.
static const double logarithmic_reach = 1e-5;

// The colour of straight lines: the last, grey.
enum { LEVEL_COLOUR = LAM_COLOURS - 1 };

// --- making figures

typedef struct maker {
    const lam_figure_source *sources;
    size_t count;
    bool fraction;
    const lam_panel_entry *entry;
    lam_figure *figure; // that panels are added to
    lam_arena *arena;
    lam_error *error;
} maker;

// A variable of numbers: its dimensions' names and sizes.
typedef struct view {
    const lam_group *group;
    size_t variable, dimensions;
    const char *name[LAM_MAX_DIMENSIONS];
    int64_t size[LAM_MAX_DIMENSIONS];
} view;

static bool find(const lam_group *group, const char *name, view *found) {
    int64_t index = name && group ? lam_group_find(group, name) : -1;
    if (index < 0 || group->variables[index].type == LAM_STRING) return false;
    *found = (view){.group = group, .variable = (size_t)index};
    const char *const *dimension = group->variables[index].dimensions;
    for (; found->dimensions < LAM_MAX_DIMENSIONS && dimension[found->dimensions];
         found->dimensions++) {
        found->name[found->dimensions] = dimension[found->dimensions];
        found->size[found->dimensions] = lam_group_dimension(group, dimension[found->dimensions]);
        if (found->size[found->dimensions] < 1) return false;
    }
    return true;
}

static double value_at(const view *v, int64_t index) {
    return lam_group_value(v->group, v->variable, index);
}

static double depth_of(const maker *m, int64_t layer, int64_t layers) {
    if (!m->fraction) return (double)layer;
    return layers > 1 ? (double)layer / (double)(layers - 1) : 0;
}

// The name of entry i along a dimension: the file's text or number for it; "" where one is alone.
static const char *entry_name(const maker *m, const view *v, size_t dimension, int64_t i) {
    static const char *const components[] = {"Q", "K", "V"};
    const char *name = v->name[dimension];
    if (v->size[dimension] == 1) return "";
    if (strcmp(name, "component") == 0 && v->size[dimension] == 3) return components[i];
    int64_t index = lam_group_find(v->group, name);
    bool coordinate = index >= 0 && lam_group_value_count(v->group, (size_t)index) > i;
    if (coordinate && v->group->variables[index].type == LAM_STRING)
        return lam_figure_text(((const char *const *)v->group->data[index])[i], m->arena, m->error);
    double number = coordinate ? lam_group_value(v->group, (size_t)index, i) : (double)i;
    return lam_arena_format(m->arena, m->error, "%s %g", name, number);
}

// "a: b", or the one of them that is not empty. NULL in, NULL out.
static const char *join(const maker *m, const char *a, const char *b) {
    if (!a || !b) return NULL;
    return !*a ? b : !*b ? a : lam_arena_format(m->arena, m->error, "%s: %s", a, b);
}

static lam_code add_panel(maker *m, const char *title, lam_panel **panel) {
    lam_figure *figure = m->figure;
    if (figure->panel_count == MOST_PANELS)
        return lam_fail(m->error, LAM_INPUT, "%s: more than %d panels: draw fewer results at once",
                        figure->name, MOST_PANELS);
    if (!title) return LAM_MEMORY;
    *panel = &figure->panels[figure->panel_count++];
    **panel = (lam_panel){.title = title, .logarithmic = m->entry->logarithmic};
    return LAM_OK;
}

static void include(const lam_panel *panel, const double *values, size_t count, double *low,
                    double *high) {
    for (size_t i = 0; values && i < count; i++) {
        if (!isfinite(values[i]) || (panel->logarithmic && values[i] <= 0)) continue;
        *low = fmin(*low, values[i]);
        *high = fmax(*high, values[i]);
    }
}

// The edges of cells about equally spaced positions.
static void set_edges(const double *at, size_t count, double *low, double *high) {
    double half = count > 1 ? (at[1] - at[0]) / 2 : 0.5;
    *low = at[0] - half;
    *high = at[count - 1] + half;
}

static void set_x_range(lam_panel *panel) {
    double low = INFINITY, high = -INFINITY;
    for (size_t s = 0; s < panel->series_count; s++)
        for (size_t i = 0; i < panel->series[s].count; i++) {
            if (!isfinite(panel->series[s].x[i])) continue;
            low = fmin(low, panel->series[s].x[i]);
            high = fmax(high, panel->series[s].x[i]);
        }
    if (!(low <= high)) low = high = 0;
    double room = high > low ? (high - low) * (panel->layers ? 0 : 0.03) : 0.5;
    panel->x_low = low - room;
    panel->x_high = high + room;
}

static bool all_whole(const lam_panel *panel) {
    for (size_t s = 0; s < panel->series_count; s++)
        for (size_t i = 0; i < panel->series[s].count; i++) {
            const double y = panel->series[s].y[i];
            if (isfinite(y) && y != floor(y)) return false;
        }
    return panel->series_count > 0;
}

// Of values from low to high, both above 0; points have some room about them, lines and colours
// none.
static void set_logarithmic_range(lam_panel *panel, double low, double high) {
    low = fmin(fmax(low, high * logarithmic_reach), high / 10);
    double room = panel->values || panel->layers ? 1 : pow(high / low, 0.05);
    panel->low = low / room;
    panel->high = high * room;
}

// The ranges, with some room about curves; a panel without values is taken back.
static void end_panel(maker *m) {
    lam_panel *panel = &m->figure->panels[m->figure->panel_count - 1];
    double low = INFINITY, high = -INFINITY;
    include(panel, panel->values, panel->rows * panel->columns, &low, &high);
    for (size_t s = 0; s < panel->series_count; s++) {
        const lam_series *series = &panel->series[s];
        include(panel, series->y, series->count, &low, &high);
        include(panel, series->low, series->count, &low, &high);
        include(panel, series->high, series->count, &low, &high);
    }
    if (!(low <= high)) {
        m->figure->panel_count--;
        return;
    }
    if (panel->values) {
        set_edges(panel->column_at, panel->columns, &panel->x_low, &panel->x_high);
        set_edges(panel->row_at, panel->rows, &panel->y_low, &panel->y_high);
    } else {
        set_x_range(panel);
    }
    panel->counts = all_whole(panel);
    if (panel->logarithmic) {
        set_logarithmic_range(panel, low, high);
        return;
    }
    bool flat = high - low <= 1e-9 * fmax(fabs(low), fabs(high));
    double room = flat ? (low != 0 ? fabs(low) / 10 : 1) : panel->values ? 0 : (high - low) / 20;
    panel->low = low >= 0 && low < room ? 0 : low - room;
    panel->high = high + room;
}

// What the values of a result's panel are: published densities are no densities.
static const char *label_of_values(const maker *m, const lam_group *group) {
    for (size_t i = 0; i < group->attribute_count; i++) {
        const lam_attribute *about = &group->attributes[i];
        if (strcmp(about->name, "densities") == 0 && strcmp(m->entry->label, "density") == 0 &&
            about->text && strcmp(about->text, "divided by their maximum") == 0)
            return "density / its maximum";
    }
    return m->entry->label;
}

// Panels of one measure, from the first on, get the same range, so that they can be compared.
static void share_ranges(const lam_figure *figure, size_t first) {
    for (size_t i = first; i < figure->panel_count; i++) {
        lam_panel *to = &figure->panels[i];
        for (size_t k = first; k < figure->panel_count; k++) {
            const lam_panel *from = &figure->panels[k];
            const char *label = to->values ? to->value_label : to->y_label;
            if (strcmp(label, from->values ? from->value_label : from->y_label) != 0) continue;
            to->low = fmin(to->low, from->low);
            to->high = fmax(to->high, from->high);
            if (to->values) continue;
            to->x_low = fmin(to->x_low, from->x_low);
            to->x_high = fmax(to->x_high, from->x_high);
        }
    }
}

static const char *depth_label(const maker *m) {
    return m->fraction ? "relative depth" : "layer";
}

// The values of v at [layer][first + k * step...] for all layers.
static lam_code column_of(maker *m, const view *v, int64_t row, int64_t offset, double **values) {
    LAM_ALLOC(*values, m->arena, v->size[0], m->error);
    for (int64_t layer = 0; layer < v->size[0]; layer++)
        (*values)[layer] = value_at(v, layer * row + offset);
    return LAM_OK;
}

// Adds a curve against depth of offset `at` in each layer's row, with its interval where there is
// one of twice the row.
static lam_code add_curve(maker *m, lam_panel *panel, const view *v, const view *interval,
                          int64_t row, int64_t at, lam_series series) {
    if (panel->series_count == MOST_SERIES || !series.name)
        return series.name ? LAM_OK : LAM_MEMORY;
    double *x, *y, *low = NULL, *high = NULL;
    LAM_ALLOC(x, m->arena, v->size[0], m->error);
    for (int64_t layer = 0; layer < v->size[0]; layer++) x[layer] = depth_of(m, layer, v->size[0]);
    LAM_TRY(column_of(m, v, row, at, &y));
    if (interval) {
        LAM_TRY(column_of(m, interval, 2 * row, 2 * at, &low));
        LAM_TRY(column_of(m, interval, 2 * row, 2 * at + 1, &high));
    }
    series.shade = NAN;
    series.count = (size_t)v->size[0];
    series.x = x, series.y = y, series.low = low, series.high = high;
    panel->series[panel->series_count++] = series;
    return LAM_OK;
}

// Colours 0 to 2 are Q, K and V's; pairs of them have others.
static int first_colour(const view *v, size_t dimension) {
    return dimension && strcmp(v->name[dimension], "pair") == 0 ? 3 : 0;
}

// The curves of one source's variable in the panel for entry c of its middle dimension.
static lam_code add_curves(maker *m, lam_panel *panel, size_t source, size_t which, const view *v,
                           int64_t c) {
    const lam_panel_entry *entry = m->entry;
    size_t last = v->dimensions - 1;
    int64_t curves = last ? v->size[last] : 1, row = lam_group_row_count(v->group, v->variable);
    view interval;
    bool has_interval = which == 0 && find(v->group, entry->interval, &interval) &&
                        lam_group_row_count(v->group, interval.variable) == 2 * row;
    for (int64_t k = 0; k < curves; k++) {
        const char *own = last ? entry_name(m, v, last, k) : "";
        if (entry->variables[1]) own = join(m, entry->names[which], own);
        if (m->count > 1) own = join(m, m->sources[source].label, own);
        bool alone = curves == 1 && !entry->variables[1];
        int colour = alone ? (int)source : first_colour(v, last) + (int)(last ? k : 0) + (int)which;
        lam_series series = {.name = own, .colour = colour % LAM_COLOURS, .dash = (int)source};
        LAM_TRY(
            add_curve(m, panel, v, has_interval ? &interval : NULL, row, c * curves + k, series));
    }
    return LAM_OK;
}

// The number that a result's group says by the entry's level; NaN where it does not.
static double level_of(const maker *m, size_t source, const char *group) {
    const lam_group *there = lam_figure_group(&m->sources[source], group);
    for (size_t i = 0; there && m->entry->level && i < there->attribute_count; i++)
        if (strcmp(there->attributes[i].name, m->entry->level) == 0 && !there->attributes[i].text)
            return there->attributes[i].number;
    return NAN;
}

// A straight line there, one for all results that have the same.
static lam_code add_level(maker *m, lam_panel *panel, size_t source, const view *v) {
    const double level = level_of(m, source, v->group->name);
    if (isnan(level) || panel->series_count == MOST_SERIES) return LAM_OK;
    bool alike = true;
    for (size_t s = 0; s < m->count; s++) {
        const double other = level_of(m, s, v->group->name);
        if (other == level && s < source) return LAM_OK;
        if (!isnan(other) && other != level) alike = false;
    }
    char *name = lam_arena_text(m->arena, m->entry->level, strlen(m->entry->level), m->error);
    for (char *at = name; at && (at = strchr(at, '_'));) *at = ' ';
    double *x, *y;
    LAM_ALLOC(x, m->arena, v->size[0], m->error);
    LAM_ALLOC(y, m->arena, v->size[0], m->error);
    for (int64_t layer = 0; layer < v->size[0]; layer++) {
        x[layer] = depth_of(m, layer, v->size[0]);
        y[layer] = level;
    }
    lam_series *series = &panel->series[panel->series_count++];
    *series = (lam_series){.name = alike ? name : join(m, m->sources[source].label, name),
                           .colour = LEVEL_COLOUR,
                           .dash = (int)source,
                           .shade = NAN,
                           .count = (size_t)v->size[0],
                           .x = x,
                           .y = y};
    return series->name ? LAM_OK : LAM_MEMORY;
}

static lam_code find_group(const maker *m, size_t source, const char *group, size_t which,
                           view *v) {
    const lam_group *there = lam_figure_group(&m->sources[source], group);
    bool found = there && find(there, m->entry->variables[which], v);
    return found ? LAM_OK : LAM_INPUT;
}

// Panel c of an entry by layer: of all results and variables that have it. *any: there was one.
static lam_code by_layer_panel(maker *m, const char *group, int64_t c, bool *any) {
    lam_panel *panel = NULL;
    *any = false;
    for (size_t s = 0; s < m->count; s++)
        for (size_t which = 0; which < LAM_PANEL_VARIABLES; which++) {
            view v;
            if (find_group(m, s, group, which, &v) != LAM_OK) continue;
            bool nested = v.dimensions == 3;
            if (strcmp(v.name[0], "layer") != 0 || v.dimensions > 3) continue;
            if (c >= (nested ? v.size[1] : 1)) continue;
            *any = true;
            if (!panel) {
                const char *part = nested ? entry_name(m, &v, 1, c) : "";
                LAM_TRY(add_panel(m, join(m, m->entry->title, part), &panel));
                panel->x_label = depth_label(m);
                panel->y_label = m->entry->label;
                LAM_ALLOC(panel->series, m->arena, MOST_SERIES, m->error);
            }
            LAM_TRY(add_curves(m, panel, s, which, &v, c));
            if (which == 0) LAM_TRY(add_level(m, panel, s, &v));
        }
    if (panel) end_panel(m);
    return LAM_OK;
}

// The panel's title with the result's label, where there are several.
static const char *title_of(const maker *m, size_t source, const char *part) {
    const char *title = join(m, m->entry->title, part);
    return m->count > 1 ? join(m, title, m->sources[source].label) : title;
}

// x of [k] or [layer, k]; NULL, with *error set, without memory.
static const double *x_of(maker *m, const view *v, size_t dimension, int64_t layer) {
    int64_t count = v->size[dimension];
    double *x = lam_arena_alloc(m->arena, (size_t)count, sizeof *x, m->error);
    view given;
    bool found = find(v->group, m->entry->x, &given) && given.size[given.dimensions - 1] == count &&
                 given.dimensions <= 2;
    int64_t first = found && given.dimensions == 2 && layer < given.size[0] ? layer * count : 0;
    for (int64_t k = 0; x && k < count; k++) x[k] = found ? value_at(&given, first + k) : (double)k;
    return x;
}

static lam_code curves_panel(maker *m, size_t source, const view *v) {
    lam_panel *panel = NULL;
    LAM_TRY(add_panel(m, title_of(m, source, ""), &panel));
    panel->x_label = m->entry->x_label;
    panel->y_label = label_of_values(m, v->group);
    panel->layers = true;
    panel->series_count = (size_t)v->size[0];
    LAM_ALLOC(panel->series, m->arena, panel->series_count, m->error);
    for (int64_t layer = 0; layer < v->size[0]; layer++) {
        double *y;
        LAM_ALLOC(y, m->arena, v->size[1], m->error);
        for (int64_t k = 0; k < v->size[1]; k++) y[k] = value_at(v, layer * v->size[1] + k);
        lam_series *series = &panel->series[layer];
        series->name = lam_arena_format(m->arena, m->error, "layer %lld", (long long)layer);
        series->shade = v->size[0] > 1 ? (double)layer / (double)(v->size[0] - 1) : 0;
        series->count = (size_t)v->size[1];
        series->x = x_of(m, v, 1, layer);
        series->y = y;
        if (!series->name || !series->x) return LAM_MEMORY;
    }
    end_panel(m);
    return LAM_OK;
}

// A map of v[layer, k], or of v[c, layer, k].
static lam_code map_panel(maker *m, size_t source, const view *v, int64_t c) {
    size_t first = v->dimensions - 2;
    lam_panel *panel = NULL;
    const char *part = first ? entry_name(m, v, 0, c) : "";
    if (!part) return LAM_MEMORY;
    LAM_TRY(add_panel(m, title_of(m, source, part), &panel));
    bool depth = strcmp(v->name[first + 1], "other_layer") == 0;
    panel->x_label = depth ? depth_label(m) : m->entry->x_label;
    panel->y_label = depth_label(m);
    panel->value_label = label_of_values(m, v->group);
    panel->rows = (size_t)v->size[first];
    panel->columns = (size_t)v->size[first + 1];
    double *values, *row_at, *column_at;
    LAM_ALLOC(values, m->arena, panel->rows * panel->columns, m->error);
    LAM_ALLOC(row_at, m->arena, panel->rows, m->error);
    LAM_ALLOC(column_at, m->arena, panel->columns, m->error);
    const double *x = x_of(m, v, first + 1, 0);
    if (!x) return LAM_MEMORY;
    int64_t count = (int64_t)(panel->rows * panel->columns);
    for (int64_t i = 0; i < count; i++) values[i] = value_at(v, c * count + i);
    for (size_t i = 0; i < panel->rows; i++) row_at[i] = depth_of(m, (int64_t)i, v->size[first]);
    for (size_t i = 0; i < panel->columns; i++)
        column_at[i] = depth ? depth_of(m, (int64_t)i, v->size[first + 1]) : x[i];
    panel->values = values;
    panel->row_at = row_at;
    panel->column_at = column_at;
    end_panel(m);
    return LAM_OK;
}

static lam_code add_entry(maker *m, const char *group) {
    const size_t first = m->figure->panel_count;
    if (m->entry->kind == LAM_BY_LAYER) {
        bool any = true;
        for (int64_t c = 0; any && c < MOST_PANELS; c++) LAM_TRY(by_layer_panel(m, group, c, &any));
        share_ranges(m->figure, first);
        return LAM_OK;
    }
    for (size_t s = 0; s < m->count; s++) {
        view v;
        if (find_group(m, s, group, 0, &v) != LAM_OK || v.dimensions < 2) continue;
        bool map = m->entry->kind == LAM_MAP;
        if (v.dimensions > (map ? 3 : 2) || strcmp(v.name[v.dimensions - 2], "layer") != 0)
            continue;
        if (!map) LAM_TRY(curves_panel(m, s, &v));
        for (int64_t c = 0; map && c < (v.dimensions == 3 ? v.size[0] : 1); c++)
            LAM_TRY(map_panel(m, s, &v, c));
    }
    share_ranges(m->figure, first);
    return LAM_OK;
}

// The figure of one group, if any panel of it has values.
static lam_code add_figure(maker *m, const lam_figure_entry *entry, const char *group,
                           lam_figure *figure, size_t *figure_count) {
    const char *part = strrchr(group, '/');
    const char *site = part ? lam_figure_text(part + 1, m->arena, m->error) : "";
    if (!site) return LAM_MEMORY;
    *figure = (lam_figure){.caption = entry->caption, .title = join(m, entry->title, site)};
    char *name = lam_arena_format(m->arena, m->error, "%s%s%s", entry->name, part ? "_" : "", site);
    if (!name || !figure->title) return LAM_MEMORY;
    figure->name = name;
    for (; *name; name++) // it becomes a file's
        if (!isalnum((unsigned char)*name)) *name = '_';
    LAM_ALLOC(figure->panels, m->arena, MOST_PANELS, m->error);
    m->figure = figure;
    figure->columns = entry->columns;
    for (m->entry = entry->panels; m->entry->title; m->entry++) {
        LAM_TRY(add_entry(m, group));
        // a result's own panels stand below each other
        if (m->entry->kind != LAM_BY_LAYER && m->count > 1)
            figure->columns = m->count < 4 ? m->count : 4;
    }
    if (figure->columns > figure->panel_count) figure->columns = figure->panel_count;
    if (figure->panel_count) (*figure_count)++;
    return LAM_OK;
}

// Whether the group of source s is there in a result before it.
static bool seen(const maker *m, size_t s, const char *group) {
    for (size_t i = 0; i < s; i++)
        if (lam_figure_group(&m->sources[i], group)) return true;
    return false;
}

lam_code lam_figures_make(const lam_figure_source *sources, size_t count, bool fraction,
                          lam_figure **figures, size_t *figure_count, lam_arena *arena,
                          lam_error *error) {
    maker m = {
        .sources = sources, .count = count, .fraction = fraction, .arena = arena, .error = error};
    size_t most = 0;
    *figure_count = 0;
    for (size_t s = 0; s < count; s++) most += sources[s].file.group_count;
    size_t entries = 0;
    while (lam_figure_table[entries].name) entries++;
    LAM_ALLOC(*figures, arena, most * entries, error);
    for (const lam_figure_entry *entry = lam_figure_table; entry->name; entry++) {
        size_t length = strlen(entry->group);
        bool nested = entry->group[length - 1] == '/';
        for (size_t s = 0; s < count; s++)
            for (size_t g = 0; g < sources[s].file.group_count; g++) {
                const char *name = sources[s].groups[g].name;
                if (strncmp(name, entry->group, length) != 0 || (!nested && name[length])) continue;
                if (seen(&m, s, name)) continue;
                LAM_TRY(add_figure(&m, entry, name, &(*figures)[*figure_count], figure_count));
            }
    }
    if (*figure_count) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "%s%s: no profile that can be drawn", sources[0].file.path,
                    count > 1 ? " and the others" : "");
}
