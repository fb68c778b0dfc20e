#include "io/info_parts.h"
#include "src/utf8.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

// jansson's constructors give NULL when memory is refused, and its _new setters take a NULL value
// as a failure: one flag holds what happened.
typedef struct maker {
    bool failed;
} maker;

static void set(maker *making, json_t *object, const char *key, json_t *value) {
    // Keys come from the file, too.
    if (json_object_set_new(object, key, value) != 0) making->failed = true;
}

static void append(maker *making, json_t *array, json_t *value) {
    if (json_array_append_new(array, value) != 0) making->failed = true;
}

static json_t *make_text(const char *text) {
    if (!text) return json_null();
    size_t bytes = strlen(text), length = lam_utf8_replace(text, bytes, NULL, NULL);
    char *clean = malloc(length + 1);
    if (!clean) return NULL;
    lam_utf8_replace(text, bytes, clean, NULL);
    json_t *made = json_stringn(clean, length);
    free(clean);
    return made;
}

// JSON has no infinities and no NaN.
static json_t *make_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *make_attributes(maker *making, const lam_attribute *attributes, size_t count) {
    json_t *made = json_object();
    for (size_t i = 0; i < count; i++) {
        const lam_attribute *one = &attributes[i];
        set(making, made, one->name,
            one->text ? make_text(one->text)
            : one->integer && fabs(one->number) < 9007199254740992.0
                ? json_integer((json_int_t)one->number)
                : make_number(one->number));
    }
    return made;
}

static json_t *make_value(const lam_group *group, size_t index, int64_t i) {
    switch (group->variables[index].type) {
    case LAM_STRING:
        return make_text(((const char *const *)group->data[index])[i]);
    case LAM_INT64:
        return json_integer(((const int64_t *)group->data[index])[i]);
    case LAM_INT:
    case LAM_BYTE:
        return json_integer((json_int_t)lam_group_value(group, index, i));
    default:
        return make_number(lam_group_value(group, index, i));
    }
}

static lam_code add_figures(maker *making, json_t *made, const lam_group *group, size_t index,
                            lam_error *error) {
    lam_summary summary;
    LAM_TRY(lam_summarise(group, index, 0, lam_group_value_count(group, index), &summary, error));
    set(making, made, "minimum", make_number(summary.minimum));
    set(making, made, "median", make_number(summary.median));
    set(making, made, "maximum", make_number(summary.maximum));
    set(making, made, "missing", json_integer(summary.missing));
    return LAM_OK;
}

static lam_code add_variable(maker *making, json_t *all, const lam_group *group, size_t index,
                             lam_error *error) {
    const lam_variable *variable = &group->variables[index];
    json_t *made = json_object(), *dimensions = json_array(), *shape = json_array();
    append(making, all, made);
    set(making, made, "name", make_text(variable->name));
    set(making, made, "type", json_string(lam_type_name(variable->type)));
    set(making, made, "dimensions", dimensions);
    set(making, made, "shape", shape);
    for (int i = 0; i < LAM_MAX_DIMENSIONS && variable->dimensions[i]; i++) {
        append(making, dimensions, make_text(variable->dimensions[i]));
        append(making, shape, json_integer(lam_group_dimension(group, variable->dimensions[i])));
    }
    set(making, made, "long_name", make_text(variable->long_name));
    set(making, made, "units", make_text(variable->units));
    if (variable->flag_meanings)
        set(making, made, "flag_meanings", make_text(variable->flag_meanings));
    if (variable->type != LAM_STRING) LAM_TRY(add_figures(making, made, group, index, error));
    if (variable->dimensions[0] && variable->dimensions[1]) return LAM_OK;
    json_t *values = json_array();
    set(making, made, "values", values);
    for (int64_t i = 0; i < lam_group_value_count(group, index); i++)
        append(making, values, make_value(group, index, i));
    return LAM_OK;
}

static lam_code add_group(maker *making, json_t *all, const lam_group *group, lam_error *error) {
    json_t *made = json_object(), *dimensions = json_object(), *variables = json_array();
    append(making, all, made);
    set(making, made, "name", make_text(group->name));
    set(making, made, "attributes",
        make_attributes(making, group->attributes, group->attribute_count));
    set(making, made, "dimensions", dimensions);
    set(making, made, "variables", variables);
    for (size_t i = 0; i < group->dimension_count; i++)
        set(making, dimensions, group->dimensions[i].name, json_integer(group->dimensions[i].size));
    for (size_t i = 0; i < group->variable_count; i++)
        LAM_TRY(add_variable(making, variables, group, i, error));
    return LAM_OK;
}

static lam_code add_result(maker *making, json_t *made, const lam_result_file *file,
                           const lam_info_digest *digest, lam_error *error) {
    json_t *sha256 = json_object(), *groups = json_array();
    set(making, made, "path", make_text(file->path));
    set(making, made, "bytes", json_integer((json_int_t)file->bytes));
    set(making, made, "profile_sha256", sha256);
    set(making, sha256, "stored", make_text(digest->stored));
    set(making, sha256, "computed", make_text(digest->computed));
    set(making, sha256, "verified", json_boolean(digest->verified));
    set(making, made, "attributes",
        make_attributes(making, file->attributes, file->attribute_count));
    set(making, made, "groups", groups);
    for (size_t i = 0; i < file->group_count; i++) {
        lam_arena arena = {0};
        lam_group group;
        lam_code code = lam_result_load(file, i, &group, &arena, error);
        if (code == LAM_OK) code = add_group(making, groups, &group, error);
        lam_arena_destroy(&arena);
        LAM_TRY(code);
    }
    return LAM_OK;
}

lam_code lam_info_print_json(const lam_result_file *file, const lam_info_digest *digest, FILE *out,
                             lam_error *error) {
    maker making = {.failed = false};
    json_t *made = json_object();
    lam_code code = add_result(&making, made, file, digest, error);
    if (code == LAM_OK && making.failed)
        code = lam_fail(error, LAM_MEMORY, "memory to describe %s as JSON was refused", file->path);
    if (code == LAM_OK && (json_dumpf(made, out, JSON_INDENT(2)) != 0 || fputc('\n', out) == EOF))
        code = lam_fail(error, LAM_IO, "the JSON of %s could not be printed", file->path);
    json_decref(made);
    return code;
}
