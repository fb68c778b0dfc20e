#include "schema.h"

#include <math.h>
#include <string.h>

size_t lam_type_size(lam_type type) {
    switch (type) {
    case LAM_DOUBLE:
        return sizeof(double);
    case LAM_FLOAT:
        return sizeof(float);
    case LAM_INT:
        return sizeof(int32_t);
    case LAM_INT64:
        return sizeof(int64_t);
    case LAM_BYTE:
        return sizeof(int8_t);
    case LAM_STRING:
        return sizeof(const char *);
    }
    return 0;
}

const char *lam_type_name(lam_type type) {
    switch (type) {
    case LAM_DOUBLE:
        return "double";
    case LAM_FLOAT:
        return "float";
    case LAM_INT:
        return "int";
    case LAM_INT64:
        return "int64";
    case LAM_BYTE:
        return "byte";
    case LAM_STRING:
        return "string";
    }
    return "unknown";
}

bool lam_variable_has_layer(const lam_variable *variable) {
    return variable->dimensions[0] && strcmp(variable->dimensions[0], "layer") == 0;
}

int64_t lam_group_dimension(const lam_group *group, const char *name) {
    for (size_t i = 0; i < group->dimension_count; i++)
        if (strcmp(group->dimensions[i].name, name) == 0) return group->dimensions[i].size;
    return -1;
}

int64_t lam_group_find(const lam_group *group, const char *name) {
    for (size_t i = 0; i < group->variable_count; i++)
        if (strcmp(group->variables[i].name, name) == 0) return (int64_t)i;
    return -1;
}

int64_t lam_group_row_count(const lam_group *group, size_t variable) {
    const lam_variable *described = &group->variables[variable];
    int64_t count = 1;
    for (int i = lam_variable_has_layer(described); i < LAM_MAX_DIMENSIONS; i++)
        if (described->dimensions[i]) count *= lam_group_dimension(group, described->dimensions[i]);
    return count;
}

int64_t lam_group_value_count(const lam_group *group, size_t variable) {
    int64_t rows = lam_variable_has_layer(&group->variables[variable]) ? group->layers : 1;
    return rows * lam_group_row_count(group, variable);
}

static lam_code check_dimensions(const lam_group *group, lam_error *error) {
    for (size_t i = 0; i < group->dimension_count; i++)
        if (group->dimensions[i].size < 0)
            return lam_fail(error, LAM_INTERNAL, "group %s: dimension %s has the size %lld",
                            group->name, group->dimensions[i].name,
                            (long long)group->dimensions[i].size);
    int64_t all = lam_group_dimension(group, "layer");
    if (group->layers < 0 || group->first_layer < 0 ||
        (all >= 0 && (group->layers > all || group->first_layer > all - group->layers)))
        return lam_fail(error, LAM_INTERNAL, "group %s: %lld layers from %lld on, of %lld",
                        group->name, (long long)group->layers, (long long)group->first_layer,
                        (long long)all);
    return LAM_OK;
}

// A schema's faults show here, at the start of a run, and not when its result is written.
static lam_code check_variable(const lam_group *group, size_t index, lam_error *error) {
    const lam_variable *variable = &group->variables[index];
    if (lam_group_find(group, variable->name) != (int64_t)index)
        return lam_fail(error, LAM_INTERNAL, "group %s: variable %s is there twice", group->name,
                        variable->name);
    if (variable->type == LAM_STRING && lam_variable_has_layer(variable))
        return lam_fail(error, LAM_INTERNAL, "group %s: variable %s has texts by layer",
                        group->name, variable->name);
    bool ended = false;
    int64_t count = (int64_t)lam_type_size(variable->type);
    for (int i = 0; i < LAM_MAX_DIMENSIONS; i++) {
        const char *name = variable->dimensions[i];
        if (!name) {
            ended = true;
            continue;
        }
        int64_t size = lam_group_dimension(group, name);
        if (size < 0 || ended)
            return lam_fail(error, LAM_INTERNAL,
                            "group %s: dimension %s of variable %s is unknown or out of place",
                            group->name, name, variable->name);
        if (__builtin_mul_overflow(count, size, &count))
            return lam_fail(error, LAM_MEMORY, "group %s: variable %s is larger than memory can be",
                            group->name, variable->name);
    }
    return LAM_OK;
}

static void fill_missing(void *data, lam_type type, int64_t count) {
    if (type == LAM_DOUBLE)
        for (int64_t i = 0; i < count; i++) ((double *)data)[i] = NAN;
    if (type == LAM_FLOAT)
        for (int64_t i = 0; i < count; i++) ((float *)data)[i] = NAN;
}

lam_code lam_group_create(lam_group *group, const char *name, const lam_variable *variables,
                          const lam_dimension *dimensions, size_t dimension_count,
                          int64_t first_layer, int64_t layers, lam_arena *arena, lam_error *error) {
    *group = (lam_group){.name = name,
                         .variables = variables,
                         .dimensions = dimensions,
                         .dimension_count = dimension_count,
                         .first_layer = first_layer,
                         .layers = layers,
                         .arena = arena};
    while (variables[group->variable_count].name) group->variable_count++;
    LAM_TRY(check_dimensions(group, error));
    LAM_ALLOC(group->data, arena, group->variable_count, error);
    for (size_t i = 0; i < group->variable_count; i++) {
        LAM_TRY(check_variable(group, i, error));
        int64_t count = lam_group_value_count(group, i);
        group->data[i] =
            lam_arena_alloc(arena, (size_t)count, lam_type_size(variables[i].type), error);
        if (!group->data[i]) return LAM_MEMORY;
        fill_missing(group->data[i], variables[i].type, count);
    }
    return LAM_OK;
}

void *lam_group_row(const lam_group *group, const char *variable, int64_t layer) {
    int64_t index = lam_group_find(group, variable);
    if (index < 0) return NULL;
    const lam_variable *described = &group->variables[index];
    if (!lam_variable_has_layer(described)) return group->data[index];
    int64_t row = layer - group->first_layer;
    if (row < 0 || row >= group->layers) return NULL;
    int64_t bytes =
        lam_group_row_count(group, (size_t)index) * (int64_t)lam_type_size(described->type);
    return (char *)group->data[index] + row * bytes;
}

// The attribute of that name, made if need be. NULL, with *error set, if memory is refused.
static lam_attribute *attribute_of(lam_group *group, const char *name, lam_error *error) {
    for (size_t i = 0; i < group->attribute_count; i++)
        if (strcmp(group->attributes[i].name, name) == 0) return &group->attributes[i];
    if (group->attribute_count == group->attribute_room) {
        size_t room = group->attribute_room ? 2 * group->attribute_room : 16;
        lam_attribute *more = lam_arena_alloc(group->arena, room, sizeof *more, error);
        if (!more) return NULL;
        if (group->attribute_count)
            memcpy(more, group->attributes, group->attribute_count * sizeof *more);
        group->attributes = more;
        group->attribute_room = room;
    }
    char *copy = lam_arena_text(group->arena, name, strlen(name), error);
    if (!copy) return NULL;
    lam_attribute *attribute = &group->attributes[group->attribute_count++];
    *attribute = (lam_attribute){.name = copy};
    return attribute;
}

lam_code lam_group_text(lam_group *group, const char *name, const char *text, lam_error *error) {
    char *copy = lam_arena_text(group->arena, text, strlen(text), error);
    lam_attribute *attribute = copy ? attribute_of(group, name, error) : NULL;
    if (!attribute) return LAM_MEMORY;
    *attribute = (lam_attribute){.name = attribute->name, .text = copy};
    return LAM_OK;
}

lam_code lam_group_number(lam_group *group, const char *name, double number, bool integer,
                          lam_error *error) {
    lam_attribute *attribute = attribute_of(group, name, error);
    if (!attribute) return LAM_MEMORY;
    *attribute = (lam_attribute){.name = attribute->name, .number = number, .integer = integer};
    return LAM_OK;
}
