// The tables of a result, one a profile, as the profile's schema describes them. They alone drive
// the collection over ranks and the netCDF definitions; names are those of the result file.
#ifndef LAM_SCHEMA_H
#define LAM_SCHEMA_H

#include "arena.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum lam_type {
    LAM_DOUBLE,
    LAM_FLOAT,
    LAM_INT, // int32_t
    LAM_INT64,
    LAM_BYTE,  // int8_t
    LAM_STRING // const char *, owned by the group's arena; only in variables without a layer
} lam_type;

size_t lam_type_size(lam_type type);

// "double", "float", "int", "int64", "byte", "string": as ncdump has it.
const char *lam_type_name(lam_type type);

typedef struct lam_dimension {
    const char *name;
    int64_t size;
} lam_dimension;

enum { LAM_MAX_DIMENSIONS = 5 };

// One variable of a schema. With "layer" first, each layer's owner fills its row; else rank 0
// fills all of it (coordinates, and what has "layer" further in). Missing values of floats are NaN.
typedef struct lam_variable {
    const char *name;
    lam_type type;
    const char *dimensions[LAM_MAX_DIMENSIONS]; // names, outermost first; the rest NULL
    const char *long_name;
    const char *units; // "1" where none; NULL for strings
    const char
        *flag_meanings; // of a status variable: blank-separated, values 0, 1, 2...; else NULL
} lam_variable;         // a schema ends with a NULL name

typedef struct lam_attribute {
    const char *name;
    const char *text; // NULL: a number
    double number;
    bool integer; // the number is written as a 64-bit integer
} lam_attribute;

// The values of one schema, for layers first_layer .. first_layer + layers - 1; layers may be 0.
typedef struct lam_group {
    const char *name; // "sae"; a slash makes a subgroup ("tuning/qkv")
    const lam_variable *variables;
    size_t variable_count;
    const lam_dimension *dimensions; // with "layer" among them, at its full size
    size_t dimension_count;
    int64_t first_layer, layers;
    void **data; // [variable]: rows of the layers held here, or the whole of a layer-free variable
    lam_attribute *attributes;
    size_t attribute_count, attribute_room;
    lam_arena *arena;
} lam_group;

// Makes *group with zeroed values (floats NaN) for the layers given. Everything is owned by arena;
// name, variables and dimensions are kept by reference. Errors: LAM_INTERNAL for a schema that
// cannot be written (a dimension unknown, a variable twice, texts by layer) or layers out of range;
// LAM_MEMORY. Not collective.
LAM_CHECKED lam_code lam_group_create(lam_group *group, const char *name,
                                      const lam_variable *variables,
                                      const lam_dimension *dimensions, size_t dimension_count,
                                      int64_t first_layer, int64_t layers, lam_arena *arena,
                                      lam_error *error);

// The index of a variable by name, or -1.
int64_t lam_group_find(const lam_group *group, const char *name);

// The size of a dimension by name, or -1.
int64_t lam_group_dimension(const lam_group *group, const char *name);

// Whether its first dimension is "layer".
bool lam_variable_has_layer(const lam_variable *variable);

// Values a layer of variable i (its product of dimensions but "layer"), or of all of a layer-free
// one.
int64_t lam_group_row_count(const lam_group *group, size_t variable);

// Values of variable i that are held here: of all rows in data[i].
int64_t lam_group_value_count(const lam_group *group, size_t variable);

// The row of layer (a global number) of the variable of that name, to be filled by the profile; its
// type is the schema's. NULL where the variable or layer is not here. For layer-free variables
// the layer is ignored.
void *lam_group_row(const lam_group *group, const char *variable, int64_t layer);

// Sets an attribute of the group; a second one of the same name takes its place. Name and text are
// copied. Integers are exact up to 2^53. LAM_MEMORY.
LAM_CHECKED lam_code lam_group_text(lam_group *group, const char *name, const char *text,
                                    lam_error *error);
LAM_CHECKED lam_code lam_group_number(lam_group *group, const char *name, double number,
                                      bool integer, lam_error *error);

#endif
