#include "io/safetensors.h"

#include "src/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are read as they are stored");

enum { LENGTH_BYTES = 8 };
static const uint64_t max_header = 100000000; // as in the reference implementation

struct lam_safetensors {
    lam_arena arena;
    char *path;
    int descriptor;
    unsigned char *map;
    size_t bytes, data_start;
    size_t count;
    lam_tensor *tensors; // by name
};

static const struct dtype {
    const char *name;
    size_t bytes;
} dtypes[] = {
#define X(name, text, bytes) [name] = {text, bytes},
    LAM_DTYPES(X)
#undef X
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

const char *lam_dtype_name(lam_dtype dtype) {
    return dtypes[dtype].name;
}

size_t lam_dtype_size(lam_dtype dtype) {
    return dtypes[dtype].bytes;
}

void lam_shape_text(int dimensions, const int64_t *shape, char text[LAM_SHAPE_TEXT]) {
    size_t used = 1;
    strcpy(text, "[");
    for (int i = 0; i < dimensions && used < LAM_SHAPE_TEXT - 24; i++)
        used += (size_t)snprintf(text + used, LAM_SHAPE_TEXT - used, "%s%" PRId64, i ? ", " : "",
                                 shape[i]);
    strcpy(text + used, "]");
}

static lam_code damaged(const lam_safetensors *file, const char *name, const char *what,
                        lam_error *error) {
    return lam_fail(error, LAM_INPUT,
                    "%s: tensor %.200s %s: the file is damaged, download it again", file->path,
                    name, what);
}

// An array of whole numbers, none negative, of which there must be minimum to maximum.
static bool read_sizes(const json_t *array, size_t minimum, size_t maximum, int64_t *sizes) {
    size_t count = json_array_size(array);
    if (!json_is_array(array) || count < minimum || count > maximum) return false;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0) return false;
        sizes[i] = json_integer_value(item);
    }
    return true;
}

static lam_code read_dtype(const lam_safetensors *file, const char *name, const json_t *value,
                           lam_dtype *dtype, lam_error *error) {
    if (!json_is_string(value)) return damaged(file, name, "has no dtype", error);
    for (int i = 0; i < DTYPES; i++)
        if (strcmp(json_string_value(value), dtypes[i].name) == 0) {
            *dtype = (lam_dtype)i;
            return LAM_OK;
        }
    return lam_fail(error, LAM_INPUT,
                    "%s: tensor %.200s has the dtype %.40s, which laminar does not know: "
                    "download the model as F32, F16 or BF16",
                    file->path, name, json_string_value(value));
}

// One entry of the header; the data it points at lies within the file when this succeeds.
static lam_code read_tensor(const lam_safetensors *file, const char *name, const json_t *entry,
                            lam_tensor *tensor, lam_error *error) {
    int64_t offset[2];
    const json_t *shape = json_object_get(entry, "shape");
    if (!json_is_object(entry)) return damaged(file, name, "is not described by an object", error);
    LAM_TRY(read_dtype(file, name, json_object_get(entry, "dtype"), &tensor->dtype, error));
    if (!read_sizes(shape, 0, LAM_TENSOR_DIMENSIONS, tensor->shape))
        return damaged(file, name, "has a shape that is not 0 to 8 sizes of 0 or more", error);
    if (!read_sizes(json_object_get(entry, "data_offsets"), 2, 2, offset))
        return damaged(file, name, "has data_offsets that are not two positions", error);
    if (json_object_size(entry) != 3)
        return damaged(file, name, "has more than dtype, shape and data_offsets", error);
    if (offset[0] > offset[1]) return damaged(file, name, "ends before it begins", error);
    uint64_t room = file->bytes - file->data_start;
    if ((uint64_t)offset[1] > room)
        return lam_fail(error, LAM_INPUT,
                        "%s: tensor %.200s ends at byte %" PRId64 " of the data, which has %" PRIu64
                        ": the file is cut short, download it again",
                        file->path, name, offset[1], room);
    tensor->dimensions = (int)json_array_size(shape);
    tensor->bytes = dtypes[tensor->dtype].bytes;
    bool overflow = false;
    for (int i = 0; i < tensor->dimensions; i++)
        overflow |= __builtin_mul_overflow(tensor->bytes, (size_t)tensor->shape[i], &tensor->bytes);
    if (overflow || tensor->bytes != (size_t)(offset[1] - offset[0]))
        return damaged(file, name, "has data of another length than its shape and dtype", error);
    tensor->name = name;
    tensor->data = file->map + file->data_start + offset[0];
    return LAM_OK;
}

static int compare_data(const void *left, const void *right) {
    const lam_tensor *a = left, *b = right;
    if (a->data != b->data) return (const char *)a->data < (const char *)b->data ? -1 : 1;
    return a->bytes < b->bytes ? -1
                               : a->bytes > b->bytes; // an empty one comes before its neighbour
}

static int compare_names(const void *left, const void *right) {
    return strcmp(((const lam_tensor *)left)->name, ((const lam_tensor *)right)->name);
}

// All data belongs to one tensor each.
static lam_code check_cover(lam_safetensors *file, lam_error *error) {
    const char *end = (const char *)file->map + file->data_start;
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_data);
    for (size_t i = 0; i < file->count; i++) {
        const lam_tensor *tensor = &file->tensors[i];
        const char *data = tensor->data;
        if (data < end) return damaged(file, tensor->name, "overlaps another", error);
        if (data > end) return damaged(file, tensor->name, "has unused bytes before it", error);
        end += tensor->bytes;
    }
    size_t rest = file->bytes - (size_t)(end - (const char *)file->map);
    if (rest)
        return lam_fail(error, LAM_INPUT,
                        "%s: %zu bytes at its end belong to no tensor: the file is damaged, "
                        "download it again",
                        file->path, rest);
    return LAM_OK;
}

// Free texts of the file's maker, of no use here; but the format has them as texts.
static lam_code check_metadata(const lam_safetensors *file, const json_t *metadata,
                               lam_error *error) {
    const char *key;
    json_t *value;
    bool right = json_is_object(metadata);
    json_object_foreach((json_t *)metadata, key, value) right = right && json_is_string(value);
    if (right) return LAM_OK;
    return lam_fail(error, LAM_INPUT,
                    "%s: __metadata__ is not an object of texts: the file is damaged, download it "
                    "again",
                    file->path);
}

static lam_code read_header(lam_safetensors *file, const json_t *header, lam_error *error) {
    const char *name;
    json_t *entry;
    LAM_ALLOC(file->tensors, &file->arena, json_object_size(header), error);
    json_object_foreach((json_t *)header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            LAM_TRY(check_metadata(file, entry, error));
            continue;
        }
        lam_tensor *tensor = &file->tensors[file->count];
        LAM_TRY(read_tensor(file, name, entry, tensor, error));
        tensor->name = lam_arena_text(&file->arena, name, strlen(name), error);
        if (!tensor->name) return LAM_MEMORY;
        file->count++;
    }
    LAM_TRY(check_cover(file, error));
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_names);
    return LAM_OK;
}

static lam_code parse_header(lam_safetensors *file, lam_error *error) {
    uint64_t length;
    if (file->bytes < LENGTH_BYTES)
        return lam_fail(error, LAM_INPUT,
                        "%s has %zu bytes, too few for a safetensors file: download it again",
                        file->path, file->bytes);
    memcpy(&length, file->map, LENGTH_BYTES);
    if (length > max_header)
        return lam_fail(
            error, LAM_INPUT,
            "%s claims a header of %" PRIu64
            " bytes (at most 100 MB are allowed): it is no safetensors file or damaged, "
            "download it again",
            file->path, length);
    if (length > file->bytes - LENGTH_BYTES)
        return lam_fail(error, LAM_INPUT,
                        "%s is cut short within its header (%" PRIu64
                        " bytes of header, %zu of file): download it again",
                        file->path, length, file->bytes);
    file->data_start = LENGTH_BYTES + (size_t)length;
    json_error_t where;
    json_t *header = json_loadb((const char *)file->map + LENGTH_BYTES, (size_t)length,
                                JSON_REJECT_DUPLICATES, &where);
    lam_code code;
    if (json_is_object(header))
        code = read_header(file, header, error);
    else
        code = lam_fail(error, LAM_INPUT,
                        "%s: the header is not a JSON object (%s): the file is damaged, "
                        "download it again",
                        file->path, header ? "something else" : where.text);
    json_decref(header);
    lam_safetensors_drop(file, file->map, file->data_start);
    return code;
}

static lam_code map_file(lam_safetensors *file, lam_error *error) {
    struct stat info;
    // not to wait for a writer where the path is a pipe
    file->descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->descriptor < 0 || fstat(file->descriptor, &info) != 0)
        return lam_fail(error, LAM_IO, "cannot open %s: %s", file->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return lam_fail(error, LAM_IO, "%s is not a regular file", file->path);
    file->bytes = (size_t)info.st_size;
    if (file->bytes == 0) return LAM_OK; // nothing to map; the header's check says so
    void *map = mmap(NULL, file->bytes, PROT_READ, MAP_PRIVATE, file->descriptor, 0);
    if (map == MAP_FAILED)
        return lam_fail(error, errno == ENOMEM ? LAM_MEMORY : LAM_IO,
                        "cannot map %s into memory: %s", file->path, strerror(errno));
    file->map = map;
    return LAM_OK;
}

lam_code lam_safetensors_open(const char *path, lam_safetensors **file, lam_error *error) {
    *file = NULL;
    lam_safetensors *new = calloc(1, sizeof *new);
    if (!new) return lam_fail(error, LAM_MEMORY, "no memory to open %s", path);
    new->descriptor = -1;
    new->path = lam_arena_text(&new->arena, path, strlen(path), error);
    lam_code code = new->path ? map_file(new, error) : LAM_MEMORY;
    if (code == LAM_OK) code = parse_header(new, error);
    if (code != LAM_OK) {
        lam_safetensors_close(new);
        return code;
    }
    *file = new;
    return LAM_OK;
}

void lam_safetensors_close(lam_safetensors *file) {
    if (!file) return;
    if (file->map) munmap(file->map, file->bytes);
    if (file->descriptor >= 0) close(file->descriptor);
    lam_arena_destroy(&file->arena);
    free(file);
}

const char *lam_safetensors_path(const lam_safetensors *file) {
    return file->path;
}

size_t lam_safetensors_count(const lam_safetensors *file) {
    return file->count;
}

const lam_tensor *lam_safetensors_at(const lam_safetensors *file, size_t index) {
    return &file->tensors[index];
}

const lam_tensor *lam_safetensors_find(const lam_safetensors *file, const char *name) {
    const lam_tensor key = {.name = name};
    return bsearch(&key, file->tensors, file->count, sizeof key, compare_names);
}

lam_code lam_safetensors_recheck(const lam_safetensors *file, lam_error *error) {
    struct stat info;
    if (fstat(file->descriptor, &info) != 0)
        return lam_fail(error, LAM_IO, "cannot read %s: %s", file->path, strerror(errno));
    if ((size_t)info.st_size < file->bytes)
        return lam_fail(error, LAM_INPUT,
                        "%s has become shorter since it was opened (%jd bytes, it had %zu): do not "
                        "change a checkpoint while it is in use",
                        file->path, (intmax_t)info.st_size, file->bytes);
    return LAM_OK;
}

static void advise(const lam_safetensors *file, const void *data, size_t bytes, int advice) {
    if (!file->map || !bytes) return;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t start = (size_t)((const unsigned char *)data - file->map), end = start + bytes;
    start = start / page * page;
    end = end < file->bytes ? (end + page - 1) / page * page : file->bytes;
    madvise(file->map + start, end - start, advice); // advice: to be refused does no harm
}

void lam_safetensors_fetch(const lam_safetensors *file, const void *data, size_t bytes) {
    advise(file, data, bytes, MADV_WILLNEED);
}

void lam_safetensors_drop(const lam_safetensors *file, const void *data, size_t bytes) {
    advise(file, data, bytes, MADV_DONTNEED);
}
