#include "io/result_file.h"

#include "io/replace_file.h"
#include "io/result_hash.h"
#include "io/result_read.h"
#include "src/arena.h"
#include "src/utf8.h"

#include <math.h>
#include <netcdf.h>
#include <netcdf_mem.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    LARGE_VALUES = 1 << 20, // bytes of a variable from which on it is deflated
    CHUNK_BYTES = 1 << 22,  // at most, of a deflated variable
    DEFLATE_LEVEL = 1,      // higher ones gain little on the bits of measured values
    MOST_FLAGS = 64
};

// An empty netCDF-4 file, as HDF5's H5Fcreate makes one where the root group is told to keep the
// order of what is made in it (H5Pset_link_creation_order, H5Pset_attr_creation_order).
static const uint8_t empty_file[239] = {
    // Superblock, version 2: signature; offsets and lengths of 8 bytes, no extension;
    // the file's end, the root group's place, checksum.
    0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n', 2, 8, 8,                         //
    [20] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [28] = 239, [36] = 48, //
    [44] = 0x94, 0x33, 0x45, 0x0f,                                                //
    // The root group's header, version 2: attributes' order kept, 180 bytes of messages.
    [48] = 'O', 'H', 'D', 'R', 2, 0x0c, 180, //
    // Link info (2), 34 bytes: order kept and indexed, no heap and no index yet.
    [55] = 2, 34, [62] = 3, [71] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, //
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,                                //
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,                                //
    // Group info (10), 2 bytes; room (0), 126 bytes; checksum.
    [95] = 10, 2, [98] = 1, [104] = 126, [235] = 0x63, 0x28, 0xac, 0x1c};

// Names what was being written when netCDF said no.
#define TRY_NETCDF(call, what)                                                                     \
    do {                                                                                           \
        int try_status = (call);                                                                   \
        if (try_status != NC_NOERR) return fail_netcdf(error, try_status, what);                   \
    } while (0)

static lam_code fail_netcdf(lam_error *error, int status, const char *what) {
    if (status == NC_ENOMEM)
        return lam_fail(error, LAM_MEMORY, "memory for the result's %s was refused", what);
    return lam_fail(error, LAM_INTERNAL, "the result's %s was refused by the netCDF library (%s)",
                    what, nc_strerror(status));
}

static lam_code put_text(int id, int variable, const char *name, const char *text,
                         lam_error *error) {
    if (!text) text = "";
    size_t bytes = strlen(text), length = lam_utf8_replace(text, bytes, NULL, NULL);
    char *clean = calloc(length + 1, 1);
    if (!clean) return lam_fail(error, LAM_MEMORY, "memory for attribute %s was refused", name);
    lam_utf8_replace(text, bytes, clean, NULL);
    int status = nc_put_att_text(id, variable, name, length, clean);
    free(clean);
    TRY_NETCDF(status, name);
    return LAM_OK;
}

static lam_code put_attribute(int id, const lam_attribute *attribute, lam_error *error) {
    const char *name = attribute->name;
    if (attribute->text) return put_text(id, NC_GLOBAL, name, attribute->text, error);
    if (attribute->integer) {
        // The smallest type that holds it: not every tool reads 64-bit attributes.
        long long number = (long long)attribute->number;
        nc_type type = number >= INT32_MIN && number <= INT32_MAX ? NC_INT : NC_INT64;
        TRY_NETCDF(nc_put_att_longlong(id, NC_GLOBAL, name, type, 1, &number), name);
    } else {
        TRY_NETCDF(nc_put_att_double(id, NC_GLOBAL, name, NC_DOUBLE, 1, &attribute->number), name);
    }
    return LAM_OK;
}

static lam_code put_root_attributes(int root, const lam_result *result, lam_error *error) {
    const lam_attribute first[] = {
        {.name = "Conventions", .text = "CF-1.10, ACDD-1.3"},
        {.name = "title", .text = result->title ? result->title : ""},
        {.name = "summary", .text = result->summary ? result->summary : ""},
        {.name = "keywords", .text = "language model, transformer, layer, interpretability"},
        {.name = "history", .text = result->history ? result->history : ""},
        {.name = "source", .text = result->source ? result->source : ""},
        {.name = "date_created", .text = result->date ? result->date : ""},
    };
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        LAM_TRY(put_attribute(root, &first[i], error));
    for (size_t i = 0; i < result->attribute_count; i++)
        LAM_TRY(put_attribute(root, &result->attributes[i], error));
    return LAM_OK;
}

static lam_code put_index(int root, const char *name, const char *long_name, int64_t size,
                          int first, lam_error *error) {
    int dimension, variable;
    TRY_NETCDF(nc_def_dim(root, name, (size_t)size, &dimension), name);
    TRY_NETCDF(nc_def_var(root, name, NC_INT, 1, &dimension, &variable), name);
    LAM_TRY(put_text(root, variable, "long_name", long_name, error));
    LAM_TRY(put_text(root, variable, "units", "1", error));
    for (size_t i = 0; i < (size_t)size; i++) {
        int value = first + (int)i;
        TRY_NETCDF(nc_put_var1_int(root, variable, &i, &value), name);
    }
    return LAM_OK;
}

static lam_code put_coordinates(int root, const lam_result *result, lam_error *error) {
    if (result->runs) return put_index(root, "run", "run of the sweep", result->runs, 1, error);
    LAM_TRY(put_index(root, "layer", "transformer layer, 0 nearest the embedding", result->layers,
                      0, error));
    LAM_TRY(put_index(root, "head", "attention head", result->heads, 0, error));
    const char *components[] = {"Q", "K", "V"};
    int dimension, variable;
    TRY_NETCDF(nc_def_dim(root, "component", 3, &dimension), "component");
    TRY_NETCDF(nc_def_var(root, "component", NC_STRING, 1, &dimension, &variable), "component");
    LAM_TRY(put_text(root, variable, "long_name", "part of the fused projection: Q, K, V", error));
    TRY_NETCDF(nc_put_var_string(root, variable, components), "component");
    return LAM_OK;
}

// The group of that name, with the groups it lies in.
static lam_code define_group(int root, const char *name, int *id, lam_error *error) {
    *id = root;
    for (const char *part = name; part;) {
        const char *slash = strchr(part, '/');
        size_t length = slash ? (size_t)(slash - part) : strlen(part);
        char one[NC_MAX_NAME + 1] = {0};
        if (length > NC_MAX_NAME) return fail_netcdf(error, NC_EMAXNAME, name);
        memcpy(one, part, length);
        int parent = *id;
        if (nc_inq_grp_ncid(parent, one, id) != NC_NOERR)
            TRY_NETCDF(nc_def_grp(parent, one, id), name);
        part = slash ? slash + 1 : NULL;
    }
    return LAM_OK;
}

// The root's dimension of that name if it has one, else the group's own.
static lam_code define_dimension(int root, int id, const lam_group *group, const char *name,
                                 int *dimension, lam_error *error) {
    size_t wanted = (size_t)lam_group_dimension(group, name), found = wanted;
    if (nc_inq_dimid(root, name, dimension) == NC_NOERR) {
        TRY_NETCDF(nc_inq_dimlen(root, *dimension, &found), name);
    } else {
        int own[NC_MAX_VAR_DIMS], count;
        TRY_NETCDF(nc_inq_dimids(id, &count, own, 0), name);
        for (int i = 0; i < count; i++) {
            char other[NC_MAX_NAME + 1];
            TRY_NETCDF(nc_inq_dimname(id, own[i], other), name);
            *dimension = own[i];
            if (strcmp(other, name) == 0) return LAM_OK;
        }
        TRY_NETCDF(nc_def_dim(id, name, wanted, dimension), name);
    }
    if (found != wanted)
        return lam_fail(error, LAM_INTERNAL, "group %s has %zu along %s where the model has %zu",
                        group->name, wanted, name, found);
    return LAM_OK;
}

static nc_type netcdf_type(lam_type type) {
    switch (type) {
    case LAM_DOUBLE:
        return NC_DOUBLE;
    case LAM_FLOAT:
        return NC_FLOAT;
    case LAM_INT:
        return NC_INT;
    case LAM_INT64:
        return NC_INT64;
    case LAM_BYTE:
        return NC_BYTE;
    case LAM_STRING:
        return NC_STRING;
    }
    return NC_NAT;
}

static lam_code put_flags(int id, int variable, const lam_variable *described, lam_error *error) {
    int value[MOST_FLAGS], count = 0;
    const char *at = described->flag_meanings;
    while (*(at += strspn(at, " ")) && count < MOST_FLAGS) {
        value[count] = count;
        count++;
        at += strcspn(at, " ");
    }
    TRY_NETCDF(nc_put_att_int(id, variable, "flag_values", netcdf_type(described->type),
                              (size_t)count, value),
               described->name);
    return put_text(id, variable, "flag_meanings", described->flag_meanings, error);
}

// One layer a chunk, cut further where that is too large.
static lam_code deflate(int id, int variable, const lam_group *group, size_t index, int dimensions,
                        lam_error *error) {
    const lam_variable *described = &group->variables[index];
    size_t size = lam_type_size(described->type);
    size_t bytes = (size_t)lam_group_value_count(group, index) * size;
    if (described->type == LAM_STRING || bytes < LARGE_VALUES) return LAM_OK;
    size_t chunk[LAM_MAX_DIMENSIONS];
    for (int i = 0; i < dimensions; i++)
        chunk[i] = (size_t)lam_group_dimension(group, described->dimensions[i]);
    for (int i = 0; i < dimensions; i++)
        while (bytes > CHUNK_BYTES && chunk[i] > 1) {
            bytes = bytes / chunk[i] * ((chunk[i] + 1) / 2);
            chunk[i] = (chunk[i] + 1) / 2;
        }
    if (dimensions > 1 && lam_variable_has_layer(described)) chunk[0] = 1;
    TRY_NETCDF(nc_def_var_chunking(id, variable, NC_CHUNKED, chunk), described->name);
    TRY_NETCDF(nc_def_var_deflate(id, variable, 1, 1, DEFLATE_LEVEL), described->name);
    return LAM_OK;
}

static lam_code define_variable(int root, int id, const lam_group *group, size_t index,
                                lam_error *error) {
    const lam_variable *described = &group->variables[index];
    const char *name = described->name;
    int dimension[LAM_MAX_DIMENSIONS], dimensions = 0, variable;
    for (; dimensions < LAM_MAX_DIMENSIONS && described->dimensions[dimensions]; dimensions++)
        LAM_TRY(define_dimension(root, id, group, described->dimensions[dimensions],
                                 &dimension[dimensions], error));
    TRY_NETCDF(nc_def_var(id, name, netcdf_type(described->type), dimensions, dimension, &variable),
               name);
    // A coordinate has no missing values, and CF forbids to say what they would be.
    const char *const *own = described->dimensions;
    bool coordinate = own[0] && !own[1] && strcmp(own[0], name) == 0;
    if (described->type == LAM_DOUBLE && !coordinate)
        TRY_NETCDF(nc_def_var_fill(id, variable, NC_FILL, &(double){NAN}), name);
    if (described->type == LAM_FLOAT && !coordinate)
        TRY_NETCDF(nc_def_var_fill(id, variable, NC_FILL, &(float){NAN}), name);
    LAM_TRY(deflate(id, variable, group, index, dimensions, error));
    LAM_TRY(put_text(id, variable, "long_name", described->long_name, error));
    if (described->units) LAM_TRY(put_text(id, variable, "units", described->units, error));
    if (described->flag_meanings) LAM_TRY(put_flags(id, variable, described, error));
    return LAM_OK;
}

static lam_code put_texts(int id, int variable, const char *name, const char *const *texts,
                          int64_t count, lam_error *error) {
    const char **given = calloc((size_t)count + 1, sizeof *given);
    if (!given) return lam_fail(error, LAM_MEMORY, "memory for the texts of %s was refused", name);
    for (int64_t i = 0; i < count; i++) given[i] = texts[i] ? texts[i] : "";
    int status = nc_put_var_string(id, variable, given);
    free(given);
    TRY_NETCDF(status, name);
    return LAM_OK;
}

static lam_code put_group(int root, const lam_group *group, lam_error *error) {
    int id, variable;
    LAM_TRY(define_group(root, group->name, &id, error));
    for (size_t i = 0; i < group->attribute_count; i++)
        LAM_TRY(put_attribute(id, &group->attributes[i], error));
    for (size_t i = 0; i < group->variable_count; i++)
        LAM_TRY(define_variable(root, id, group, i, error));
    for (size_t i = 0; i < group->variable_count; i++) {
        const char *name = group->variables[i].name;
        int64_t count = lam_group_value_count(group, i);
        TRY_NETCDF(nc_inq_varid(id, name, &variable), name);
        if (group->variables[i].type == LAM_STRING)
            LAM_TRY(put_texts(id, variable, name, group->data[i], count, error));
        else if (count)
            TRY_NETCDF(nc_put_var(id, variable, group->data[i]), name);
    }
    return LAM_OK;
}

static lam_code put_result(int root, const lam_result *result, lam_error *error) {
    char digest[LAM_SHA256_TEXT];
    LAM_TRY(lam_result_hash(result->groups, result->group_count, digest, error));
    LAM_TRY(put_root_attributes(root, result, error));
    LAM_TRY(put_coordinates(root, result, error));
    for (size_t i = 0; i < result->group_count; i++) {
        lam_code code = put_group(root, &result->groups[i], error);
        if (code != LAM_OK) return lam_fail_within(error, "group %s", result->groups[i].name);
    }
    LAM_TRY(put_text(root, NC_GLOBAL, "profile_sha256", digest, error));
    TRY_NETCDF(nc_put_att_int(root, NC_GLOBAL, "complete", NC_INT, 1, &(int){1}), "complete");
    return LAM_OK;
}

// The file is made in memory: a disk that fills up while the netCDF library (4.9.0 with HDF5
// 1.10.8) writes to it makes the library print its open objects and crash when it closes the file.
// It starts from an empty file, because one that nc_create_mem makes does not keep the order of its
// groups, for which reason it can never be opened for writing again, nor long attributes.
lam_code lam_result_write(const char *path, const lam_result *result, lam_error *error) {
    int root;
    NC_memio image = {.size = sizeof empty_file, .memory = malloc(sizeof empty_file)};
    if (!image.memory) return lam_fail(error, LAM_MEMORY, "memory for the result was refused");
    memcpy(image.memory, empty_file, sizeof empty_file);
    int status = nc_open_memio("result", NC_WRITE, &image, &root); // takes the memory
    TRY_NETCDF(status, "file");
    lam_code code = put_result(root, result, error);
    if (code != LAM_OK) {
        nc_abort(root);
        return code;
    }
    TRY_NETCDF(nc_close_memio(root, &image), "file");
    code = lam_replace_file(path, image.memory, image.size, error);
    free(image.memory);
    return code;
}

lam_code lam_result_check_output(const char *path, lam_error *error) {
    struct stat info;
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0 &&
        !lam_result_recognise(path))
        return lam_fail(error, LAM_IO,
                        "%s is there and is no netCDF file: remove it or choose another output",
                        path);
    return lam_replace_check(path, error);
}
