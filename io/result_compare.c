#include "io/result_compare.h"

#include "io/info_parts.h"
#include "io/result_read.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { NAME = 160, PLACE = 240 };

typedef struct comparing {
    const lam_result_file *file[2];
    double tolerance;
    FILE *out;
    lam_comparison *found;
} comparing;

// Says "group/variable: how it differs".
__attribute__((format(printf, 4, 5))) static void
tell(comparing *c, const lam_group *group, const char *variable, const char *format, ...) {
    lam_comparison *found = c->found;
    if (!found->different_variables++ && !found->lone_groups)
        snprintf(found->first, sizeof found->first, "%s/%s", group->name, variable);
    if (!c->out) return;
    va_list list;
    fprintf(c->out, "%s/%s: ", group->name, variable);
    va_start(list, format);
    vfprintf(c->out, format, list);
    va_end(list);
    fputc('\n', c->out);
}

static void tell_group(comparing *c, const char *group, const lam_result_file *only_in) {
    lam_comparison *found = c->found;
    if (!found->lone_groups++ && !found->different_variables)
        snprintf(found->first, sizeof found->first, "group %s, only in %s", group, only_in->path);
    if (c->out) fprintf(c->out, "%s: the whole group is only in %s\n", group, only_in->path);
}

// How far apart two numbers are, relative to the larger: 0 for two missing ones, infinite for one.
static double distance(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b) ? 0 : INFINITY;
    if (a == b) return 0;
    return fabs(a - b) / fmax(fabs(a), fabs(b));
}

// Value i of a variable in either result, at[f] being its index in group f.
static bool equal_at(const comparing *c, const lam_group group[2], const int64_t at[2], int64_t i) {
    const lam_type type = group[0].variables[at[0]].type;
    const void *a = group[0].data[at[0]], *b = group[1].data[at[1]];
    if (type == LAM_STRING)
        return strcmp(((const char *const *)a)[i], ((const char *const *)b)[i]) == 0;
    const double x = lam_group_value(&group[0], (size_t)at[0], i);
    const double y = lam_group_value(&group[1], (size_t)at[1], i);
    if (isnan(x) && isnan(y)) return true;
    if (c->tolerance > 0) return distance(x, y) <= c->tolerance;
    const size_t size = lam_type_size(type);
    return memcmp((const char *)a + (size_t)i * size, (const char *)b + (size_t)i * size, size) ==
           0;
}

// "layer 4, unit 17": where value i of a variable stands, counted from 0.
static void place_of(const lam_group *group, const lam_variable *variable, int64_t i,
                     char place[PLACE]) {
    int count = 0;
    int64_t index[LAM_MAX_DIMENSIONS];
    while (count < LAM_MAX_DIMENSIONS && variable->dimensions[count]) count++;
    for (int d = count - 1; d >= 0; d--) {
        const int64_t size = lam_group_dimension(group, variable->dimensions[d]);
        index[d] = i % size, i /= size;
    }
    int used = snprintf(place, PLACE, count ? "" : "its only value");
    for (int d = 0; d < count && used < PLACE; d++)
        used += snprintf(place + used, (size_t)(PLACE - used), "%s%s %" PRId64, d ? ", " : "",
                         variable->dimensions[d], index[d]);
}

static void text_at(const lam_group *group, int64_t at, int64_t i, char text[NAME]) {
    const lam_type type = group->variables[at].type;
    if (type == LAM_STRING)
        snprintf(text, NAME, "'%s'", ((const char *const *)group->data[at])[i]);
    else if (type == LAM_INT64) // more digits than a double has
        snprintf(text, NAME, "%" PRId64, ((const int64_t *)group->data[at])[i]);
    else
        snprintf(text, NAME, "%.17g", lam_group_value(group, (size_t)at, i));
}

static void compare_values(comparing *c, const lam_group group[2], const int64_t at[2]) {
    const lam_variable *variable = &group[0].variables[at[0]];
    const int64_t count = lam_group_value_count(&group[0], (size_t)at[0]);
    int64_t different = 0, first = 0;
    double largest = 0;
    for (int64_t i = 0; i < count; i++) {
        if (equal_at(c, group, at, i)) continue;
        if (!different++) first = i;
        if (variable->type != LAM_STRING)
            largest = fmax(largest, distance(lam_group_value(&group[0], (size_t)at[0], i),
                                             lam_group_value(&group[1], (size_t)at[1], i)));
    }
    c->found->values += count;
    c->found->different_values += different;
    if (!different) return;
    char place[PLACE], text[2][NAME], how_far[64] = "";
    place_of(&group[0], variable, first, place);
    for (int f = 0; f < 2; f++) text_at(&group[f], at[f], first, text[f]);
    if (variable->type != LAM_STRING)
        snprintf(how_far, sizeof how_far, "; relative difference at most %.3g", largest);
    const bool is_first = !c->found->different_variables && !c->found->lone_groups;
    tell(c, &group[0], variable->name,
         "%" PRId64 " of %" PRId64 " values differ, the first at %s: %s and %s%s", different, count,
         place, text[0], text[1], how_far);
    if (!is_first) return;
    char *where = c->found->first;
    const size_t used = strlen(where);
    snprintf(where + used, sizeof c->found->first - used, " at %s", place);
}

// Whether both variables have one type and the same dimensions; says so if not.
static bool same_shape(comparing *c, const lam_group group[2], const int64_t at[2]) {
    const lam_variable *a = &group[0].variables[at[0]], *b = &group[1].variables[at[1]];
    if (a->type != b->type) {
        tell(c, &group[0], a->name, "%s in one result, %s in the other", lam_type_name(a->type),
             lam_type_name(b->type));
        return false;
    }
    for (int d = 0; d < LAM_MAX_DIMENSIONS; d++) {
        const char *x = a->dimensions[d], *y = b->dimensions[d];
        if (!x && !y) return true;
        if (!x || !y || strcmp(x, y) != 0) {
            tell(c, &group[0], a->name, "its dimensions have other names");
            return false;
        }
        const int64_t size = lam_group_dimension(&group[0], x);
        const int64_t other = lam_group_dimension(&group[1], y);
        if (size != other) {
            tell(c, &group[0], a->name, "%s is %" PRId64 " in one result, %" PRId64 " in the other",
                 x, size, other);
            return false;
        }
    }
    return true;
}

static void compare_variables(comparing *c, const lam_group group[2]) {
    for (size_t i = 0; i < group[0].variable_count; i++) {
        const int64_t at[2] = {(int64_t)i, lam_group_find(&group[1], group[0].variables[i].name)};
        if (at[1] < 0) {
            tell(c, &group[0], group[0].variables[i].name, "only in %s", c->file[0]->path);
            continue;
        }
        c->found->variables++;
        if (same_shape(c, group, at)) compare_values(c, group, at);
    }
    for (size_t i = 0; i < group[1].variable_count; i++)
        if (lam_group_find(&group[0], group[1].variables[i].name) < 0)
            tell(c, &group[1], group[1].variables[i].name, "only in %s", c->file[1]->path);
}

static int64_t find_group(const lam_result_file *file, const char *name) {
    for (size_t i = 0; i < file->group_count; i++)
        if (strcmp(file->groups[i].name, name) == 0) return (int64_t)i;
    return -1;
}

static lam_code compare_groups(comparing *c, lam_error *error) {
    for (size_t i = 0; i < c->file[0]->group_count; i++) {
        const char *name = c->file[0]->groups[i].name;
        const int64_t at[2] = {(int64_t)i, find_group(c->file[1], name)};
        if (at[1] < 0) {
            tell_group(c, name, c->file[0]);
            continue;
        }
        lam_arena arena = {0};
        lam_group group[2];
        lam_code code = LAM_OK;
        for (int f = 0; f < 2 && code == LAM_OK; f++)
            code = lam_result_load(c->file[f], (size_t)at[f], &group[f], &arena, error);
        if (code == LAM_OK) compare_variables(c, group);
        lam_arena_destroy(&arena);
        LAM_TRY(code);
    }
    for (size_t i = 0; i < c->file[1]->group_count; i++)
        if (find_group(c->file[0], c->file[1]->groups[i].name) < 0)
            tell_group(c, c->file[1]->groups[i].name, c->file[1]);
    return LAM_OK;
}

lam_code lam_result_compare(const char *path, const char *other, double tolerance, FILE *out,
                            lam_comparison *comparison, lam_error *error) {
    lam_result_file file[2];
    *comparison = (lam_comparison){0};
    comparing c = {{&file[0], &file[1]}, tolerance, out, comparison};
    lam_code code = lam_result_open(path, &file[0], error);
    if (code == LAM_OK) {
        code = lam_result_open(other, &file[1], error);
        if (code == LAM_OK) code = compare_groups(&c, error);
        lam_result_close(&file[1]);
    }
    lam_result_close(&file[0]);
    return code;
}
