#include "io/result_read.h"

#include "src/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <netcdf.h>
#include <netcdf_mem.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MOST_DEPTH = 8,       // of groups in groups
    MOST_GROUPS = 1000,   // a damaged file may hold a group within itself
    MOST_DEFLATION = 1032 // what deflate can make of long runs, at best
};

static const char hdf5_mark[8] = "\211HDF\r\n\032\n";

typedef struct reader {
    lam_result_file *file;
    lam_error *error;
    lam_group *groups;
    int *ids;
    size_t count, room;
} reader;

static lam_code fail_damaged(const lam_result_file *file, const char *what, lam_error *error) {
    return lam_fail(error, LAM_INPUT,
                    "%s is damaged or cut short (%s): copy it again, or run its job again",
                    file->path, what);
}

static lam_code fail_foreign(const lam_result_file *file, const char *what, lam_error *error) {
    return lam_fail(error, LAM_INPUT, "%s is not a result of laminar (%s): give one that is",
                    file->path, what);
}

#define TRY_READ(call)                                                                             \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (try_status == NC_ENOMEM)                                                               \
            return lam_fail(error, LAM_MEMORY, "memory to read %s was refused", file->path);       \
        if (try_status != NC_NOERR) return fail_damaged(file, nc_strerror(try_status), error);     \
    } while (0)

bool lam_result_recognise(const char *path) {
    char mark[sizeof hdf5_mark] = {0};
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    size_t length = fread(mark, 1, sizeof mark, file);
    fclose(file);
    return (length == sizeof mark && memcmp(mark, hdf5_mark, sizeof mark) == 0) ||
           (length > 3 && memcmp(mark, "CDF", 3) == 0);
}

static lam_code map_opened(lam_result_file *file, int descriptor, lam_error *error) {
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return lam_fail(error, LAM_IO, "%s cannot be read: %s", file->path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fail_foreign(file, "not a file but a folder or device", error);
    if ((size_t)status.st_size < sizeof hdf5_mark)
        return fail_foreign(file, status.st_size ? "only a few bytes" : "it is empty", error);
    file->bytes = (size_t)status.st_size;
    file->map = mmap(NULL, file->bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (file->map == MAP_FAILED) {
        file->map = NULL;
        return lam_fail(error, LAM_IO, "%s cannot be read: %s", file->path, strerror(errno));
    }
    if (memcmp(file->map, hdf5_mark, sizeof hdf5_mark) != 0)
        return fail_foreign(file, "not a netCDF-4 file", error);
    return LAM_OK;
}

static lam_code map_file(lam_result_file *file, lam_error *error) {
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return lam_fail(error, LAM_IO, "%s cannot be read: %s: check the name", file->path,
                        strerror(errno));
    lam_code code = map_opened(file, descriptor, error);
    close(descriptor);
    return code;
}

// A name from the file as everybody else may rely on it: UTF-8. NULL: no memory.
static char *copy_name(lam_result_file *file, const char *given, lam_error *error) {
    size_t bytes = strlen(given), length = lam_utf8_replace(given, bytes, NULL, NULL);
    char *copy = lam_arena_alloc(&file->arena, length + 1, 1, error);
    if (copy) lam_utf8_replace(given, bytes, copy, NULL);
    return copy;
}

// A text attribute of one value, as chars or a string; *text is NULL for any other.
static lam_code read_text(lam_result_file *file, int id, int variable, const char *name,
                          const char **text, lam_error *error) {
    nc_type type;
    size_t length;
    *text = NULL;
    int status = nc_inq_att(id, variable, name, &type, &length);
    if (status == NC_ENOTATT) return LAM_OK;
    TRY_READ(status);
    if (type == NC_CHAR) {
        char *copy = lam_arena_alloc(&file->arena, length + 1, 1, error);
        if (!copy) return LAM_MEMORY;
        if (length) TRY_READ(nc_get_att_text(id, variable, name, copy));
        *text = copy;
    } else if (type == NC_STRING && length == 1) {
        char *given = NULL;
        TRY_READ(nc_get_att_string(id, variable, name, &given));
        *text = lam_arena_text(&file->arena, given ? given : "", given ? strlen(given) : 0, error);
        nc_free_string(1, &given);
        if (!*text) return LAM_MEMORY;
    }
    return LAM_OK;
}

static bool is_number(nc_type type) {
    return type >= NC_BYTE && type <= NC_UINT64 && type != NC_CHAR;
}

// Arrays and types of others' making are passed over.
static lam_code read_attributes(lam_result_file *file, int id, const lam_attribute **attributes,
                                size_t *kept, lam_error *error) {
    int count;
    TRY_READ(nc_inq_natts(id, &count));
    lam_attribute *made;
    LAM_ALLOC(made, &file->arena, count, error);
    *attributes = made;
    for (int i = 0; i < count; i++) {
        char name[NC_MAX_NAME + 1];
        nc_type type;
        size_t length;
        lam_attribute *one = &made[*kept];
        TRY_READ(nc_inq_attname(id, NC_GLOBAL, i, name));
        TRY_READ(nc_inq_att(id, NC_GLOBAL, name, &type, &length));
        LAM_TRY(read_text(file, id, NC_GLOBAL, name, &one->text, error));
        if (!one->text) {
            if (!is_number(type) || length != 1) continue;
            TRY_READ(nc_get_att_double(id, NC_GLOBAL, name, &one->number));
            one->integer = type != NC_FLOAT && type != NC_DOUBLE;
        }
        one->name = copy_name(file, name, error);
        if (!one->name) return LAM_MEMORY;
        (*kept)++;
    }
    return LAM_OK;
}

static bool type_of(nc_type type, lam_type *found) {
    switch (type) {
    case NC_DOUBLE:
        *found = LAM_DOUBLE;
        return true;
    case NC_FLOAT:
        *found = LAM_FLOAT;
        return true;
    case NC_INT:
        *found = LAM_INT;
        return true;
    case NC_INT64:
        *found = LAM_INT64;
        return true;
    case NC_BYTE:
        *found = LAM_BYTE;
        return true;
    case NC_STRING:
        *found = LAM_STRING;
        return true;
    default:
        return false;
    }
}

// The group's table of dimensions is by name; an inner dimension may hide an outer one of another
// size, which laminar never writes and must not believe.
static lam_code read_dimension(lam_result_file *file, int id, int dimension, lam_group *group,
                               lam_dimension *table, const char **name, lam_error *error) {
    char given[NC_MAX_NAME + 1];
    size_t size;
    TRY_READ(nc_inq_dim(id, dimension, given, &size));
    *name = copy_name(file, given, error);
    if (!*name) return LAM_MEMORY;
    int64_t known = lam_group_dimension(group, *name);
    if (size > INT64_MAX || (known >= 0 && known != (int64_t)size))
        return fail_foreign(file, "two dimensions of one name", error);
    if (known < 0)
        table[group->dimension_count++] = (lam_dimension){.name = *name, .size = (int64_t)size};
    return LAM_OK;
}

static lam_code read_variable(lam_result_file *file, int id, int variable, lam_group *group,
                              lam_dimension *table, lam_variable *made, lam_error *error) {
    char name[NC_MAX_NAME + 1];
    nc_type type;
    int count, dimension[NC_MAX_VAR_DIMS];
    TRY_READ(nc_inq_var(id, variable, name, &type, &count, dimension, NULL));
    made->name = copy_name(file, name, error);
    if (!made->name) return LAM_MEMORY;
    if (count > LAM_MAX_DIMENSIONS || !type_of(type, &made->type))
        return fail_foreign(file, "a variable of a kind that laminar does not write", error);
    for (int i = 0; i < count; i++)
        LAM_TRY(read_dimension(file, id, dimension[i], group, table, &made->dimensions[i], error));
    if (made->type == LAM_STRING && lam_variable_has_layer(made))
        return fail_foreign(file, "texts by layer", error);
    LAM_TRY(read_text(file, id, variable, "long_name", &made->long_name, error));
    LAM_TRY(read_text(file, id, variable, "units", &made->units, error));
    return read_text(file, id, variable, "flag_meanings", &made->flag_meanings, error);
}

static lam_code read_variables(lam_result_file *file, int id, int count, lam_group *group,
                               lam_error *error) {
    lam_variable *variables;
    lam_dimension *table;
    LAM_ALLOC(variables, &file->arena, count + 1, error);
    LAM_ALLOC(table, &file->arena, (size_t)count * LAM_MAX_DIMENSIONS, error);
    group->variables = variables;
    group->dimensions = table;
    for (int i = 0; i < count; i++, group->variable_count++)
        LAM_TRY(read_variable(file, id, i, group, table, &variables[i], error));
    int64_t layers = lam_group_dimension(group, "layer");
    group->layers = layers < 0 ? 0 : layers;
    return LAM_OK;
}

static lam_code read_group(reader *reading, int id, const char *name) {
    lam_result_file *file = reading->file;
    lam_error *error = reading->error;
    int count;
    TRY_READ(nc_inq_nvars(id, &count));
    if (!count) return LAM_OK;
    if (reading->count == MOST_GROUPS) return fail_foreign(file, "too many groups", error);
    lam_group *group = &reading->groups[reading->count];
    group->name = name;
    LAM_TRY(read_variables(file, id, count, group, error));
    const lam_attribute *attributes;
    LAM_TRY(read_attributes(file, id, &attributes, &group->attribute_count, error));
    group->attributes = (lam_attribute *)attributes;
    reading->ids[reading->count++] = id;
    return LAM_OK;
}

static lam_code read_groups(reader *reading, int parent, const char *path, int depth) {
    lam_result_file *file = reading->file;
    lam_error *error = reading->error;
    int count, ids[MOST_GROUPS];
    TRY_READ(nc_inq_grps(parent, &count, NULL));
    if (count > MOST_GROUPS || (count && depth == MOST_DEPTH))
        return fail_foreign(file, "too many groups", error);
    TRY_READ(nc_inq_grps(parent, NULL, ids));
    for (int i = 0; i < count; i++) {
        char own[NC_MAX_NAME + 1];
        TRY_READ(nc_inq_grpname(ids[i], own));
        const char *clean = copy_name(file, own, error);
        if (!clean) return LAM_MEMORY;
        const char *name =
            lam_arena_format(&file->arena, error, "%s%s%s", path, *path ? "/" : "", clean);
        if (!name) return LAM_MEMORY;
        LAM_TRY(read_group(reading, ids[i], name));
        LAM_TRY(read_groups(reading, ids[i], name, depth + 1));
    }
    return LAM_OK;
}

static lam_code read_root_dimensions(lam_result_file *file, lam_error *error) {
    int count;
    TRY_READ(nc_inq_ndims(file->id, &count));
    int *ids;
    lam_dimension *table;
    LAM_ALLOC(ids, &file->arena, count, error);
    LAM_ALLOC(table, &file->arena, count, error);
    TRY_READ(nc_inq_dimids(file->id, NULL, ids, 0));
    lam_group root = {.dimensions = table};
    for (int i = 0; i < count; i++) {
        const char *name;
        LAM_TRY(read_dimension(file, file->id, ids[i], &root, table, &name, error));
    }
    file->dimensions = table;
    file->dimension_count = root.dimension_count;
    return LAM_OK;
}

static lam_code describe(lam_result_file *file, lam_error *error) {
    LAM_TRY(read_attributes(file, file->id, &file->attributes, &file->attribute_count, error));
    if (!lam_result_attribute(file, "laminar_version") &&
        !lam_result_attribute(file, "profile_sha256"))
        return fail_foreign(file, "it does not say that laminar wrote it", error);
    if (!lam_result_attribute(file, "complete"))
        return lam_fail(error, LAM_INPUT, "%s was not finished: run its job again", file->path);
    LAM_TRY(read_root_dimensions(file, error));
    reader reading = {.file = file, .error = error};
    LAM_ALLOC(reading.groups, &file->arena, MOST_GROUPS, error);
    LAM_ALLOC(reading.ids, &file->arena, MOST_GROUPS, error);
    LAM_TRY(read_groups(&reading, file->id, "", 0));
    file->groups = reading.groups;
    file->group_ids = reading.ids;
    file->group_count = reading.count;
    return LAM_OK;
}

lam_code lam_result_open(const char *path, lam_result_file *file, lam_error *error) {
    *file = (lam_result_file){.path = path, .id = -1};
    LAM_TRY(map_file(file, error));
    int status = nc_open_mem("result", NC_NOWRITE, file->bytes, file->map, &file->id);
    if (status != NC_NOERR) {
        file->id = -1;
        return status == NC_ENOMEM
                   ? lam_fail(error, LAM_MEMORY, "memory to read %s was refused", path)
                   : fail_damaged(file, nc_strerror(status), error);
    }
    return describe(file, error);
}

void lam_result_close(lam_result_file *file) {
    if (file->id >= 0) nc_close(file->id);
    if (file->map) munmap(file->map, file->bytes);
    lam_arena_destroy(&file->arena);
    *file = (lam_result_file){.id = -1};
}

const lam_attribute *lam_result_attribute(const lam_result_file *file, const char *name) {
    for (size_t i = 0; i < file->attribute_count; i++)
        if (strcmp(file->attributes[i].name, name) == 0) return &file->attributes[i];
    return NULL;
}

// netCDF's strings are its own: copied into the arena and given back.
static lam_code load_texts(const lam_result_file *file, int id, int variable, const char **texts,
                           int64_t count, lam_arena *arena, lam_error *error) {
    char **given;
    LAM_ALLOC(given, arena, count, error);
    TRY_READ(nc_get_var_string(id, variable, given));
    lam_code code = LAM_OK;
    for (int64_t i = 0; i < count && code == LAM_OK; i++) {
        const char *text = given[i] ? given[i] : "";
        texts[i] = lam_arena_text(arena, text, strlen(text), error);
        if (!texts[i]) code = LAM_MEMORY;
    }
    nc_free_string((size_t)count, given);
    return code;
}

// A small file cannot hold many values: one that says so is not given the memory.
static lam_code check_sizes(const lam_result_file *file, const lam_group *described,
                            lam_error *error) {
    int64_t left = file->bytes > INT64_MAX / MOST_DEFLATION ? INT64_MAX
                                                            : (int64_t)file->bytes * MOST_DEFLATION;
    for (size_t i = 0; i < described->variable_count; i++) {
        const lam_variable *variable = &described->variables[i];
        int64_t bytes = (int64_t)lam_type_size(variable->type);
        for (int d = 0; d < LAM_MAX_DIMENSIONS && variable->dimensions[d]; d++)
            if (__builtin_mul_overflow(
                    bytes, lam_group_dimension(described, variable->dimensions[d]), &bytes))
                return fail_damaged(file, "more values than memory can hold", error);
        if (bytes > left) return fail_damaged(file, "more values than bytes to hold them", error);
        left -= bytes;
    }
    return LAM_OK;
}

lam_code lam_result_load(const lam_result_file *file, size_t index, lam_group *group,
                         lam_arena *arena, lam_error *error) {
    const lam_group *described = &file->groups[index];
    int id = file->group_ids[index];
    LAM_TRY(check_sizes(file, described, error));
    LAM_TRY(lam_group_create(group, described->name, described->variables, described->dimensions,
                             described->dimension_count, 0, described->layers, arena, error));
    group->attributes = described->attributes;
    group->attribute_count = group->attribute_room = described->attribute_count;
    for (size_t i = 0; i < group->variable_count; i++) {
        int64_t count = lam_group_value_count(group, i);
        if (!count) continue;
        if (described->variables[i].type == LAM_STRING)
            LAM_TRY(load_texts(file, id, (int)i, group->data[i], count, arena, error));
        else
            TRY_READ(nc_get_var(id, (int)i, group->data[i]));
    }
    return LAM_OK;
}
