// The safetensors format: an 8-byte little-endian length, a JSON header of that length (name ->
// dtype, shape, data_offsets; and "__metadata__"), then the tensors' bytes without gaps. Files are
// mapped, so that only what is looked at is read; a writer streams them out.
#ifndef LAM_SAFETENSORS_H
#define LAM_SAFETENSORS_H

#include "src/error.h"

#include <stddef.h>
#include <stdint.h>

// Name in C, name in the file, bytes.
#define LAM_DTYPES(X)                                                                              \
    X(LAM_DTYPE_F32, "F32", 4)                                                                     \
    X(LAM_DTYPE_F16, "F16", 2)                                                                     \
    X(LAM_DTYPE_BF16, "BF16", 2)                                                                   \
    X(LAM_DTYPE_F64, "F64", 8)                                                                     \
    X(LAM_DTYPE_F8_E4M3, "F8_E4M3", 1)                                                             \
    X(LAM_DTYPE_F8_E5M2, "F8_E5M2", 1)                                                             \
    X(LAM_DTYPE_I64, "I64", 8)                                                                     \
    X(LAM_DTYPE_I32, "I32", 4)                                                                     \
    X(LAM_DTYPE_I16, "I16", 2)                                                                     \
    X(LAM_DTYPE_I8, "I8", 1)                                                                       \
    X(LAM_DTYPE_U64, "U64", 8)                                                                     \
    X(LAM_DTYPE_U32, "U32", 4)                                                                     \
    X(LAM_DTYPE_U16, "U16", 2)                                                                     \
    X(LAM_DTYPE_U8, "U8", 1)                                                                       \
    X(LAM_DTYPE_BOOL, "BOOL", 1)

typedef enum lam_dtype {
#define X(name, text, bytes) name,
    LAM_DTYPES(X)
#undef X
} lam_dtype;

const char *lam_dtype_name(lam_dtype dtype); // "F32"
size_t lam_dtype_size(lam_dtype dtype);      // bytes of one value

enum { LAM_TENSOR_DIMENSIONS = 8, LAM_SHAPE_TEXT = 200 };

// A tensor of a file, or one to be written (then without data).
typedef struct lam_tensor {
    const char *name;
    lam_dtype dtype;
    int dimensions; // 0: a scalar
    int64_t shape[LAM_TENSOR_DIMENSIONS];
    const void *data; // row-major, little-endian; a multiple of the value's size only if the writer
                      // saw to it (all do today)
    size_t bytes;     // product of shape x size of dtype
} lam_tensor;

// "[48, 192]"
void lam_shape_text(int dimensions, const int64_t *shape, char text[LAM_SHAPE_TEXT]);

typedef struct lam_safetensors lam_safetensors;

// Maps the file and checks its header whole: every field, and that the tensors cover the data
// without overlap, gap or rest, as the reference implementation demands. The tensors' bytes are not
// touched. LAM_IO if the file cannot be opened or read; LAM_INPUT, naming what is wrong, if it is
// not a safetensors file or cut short. The file is the caller's to close.
LAM_CHECKED lam_code lam_safetensors_open(const char *path, lam_safetensors **file,
                                          lam_error *error);
void lam_safetensors_close(lam_safetensors *file); // NULL: nothing

const char *lam_safetensors_path(const lam_safetensors *file);
size_t lam_safetensors_count(const lam_safetensors *file);
// In the order of their names (strcmp), index below the count. Lives as long as the file is open.
const lam_tensor *lam_safetensors_at(const lam_safetensors *file, size_t index);
// By name; NULL if the file has no such tensor.
const lam_tensor *lam_safetensors_find(const lam_safetensors *file, const char *name);

// LAM_INPUT if the file has become shorter since it was opened: touching what it lost would end the
// program (SIGBUS). To be asked just before data is read.
LAM_CHECKED lam_code lam_safetensors_recheck(const lam_safetensors *file, lam_error *error);

// Advice on bytes within a tensor's data, rounded outward to pages; both are harmless at any time.
// Fetch starts reading them in; drop takes their pages out of this process, so that memory holds
// only what is at work. Both may be called by several threads at once.
void lam_safetensors_fetch(const lam_safetensors *file, const void *data, size_t bytes);
void lam_safetensors_drop(const lam_safetensors *file, const void *data, size_t bytes);

typedef struct lam_safetensors_writer lam_safetensors_writer;

// Begins a file of the given tensors (name, dtype, shape; copied), whose bytes then follow by
// lam_safetensors_write in this order, in pieces of any length. It is written under a temporary
// name beside path. LAM_IO if it cannot be made or the disk has no room for all of it; LAM_INTERNAL
// for two tensors of one name.
LAM_CHECKED lam_code lam_safetensors_create(const char *path, const lam_tensor *tensors,
                                            size_t count, lam_safetensors_writer **writer,
                                            lam_error *error);
LAM_CHECKED lam_code lam_safetensors_write(lam_safetensors_writer *writer, const void *data,
                                           size_t bytes, lam_error *error);
// Syncs, renames to path and frees the writer; on failure too, and then nothing is left behind.
// LAM_INTERNAL if not all bytes were written.
LAM_CHECKED lam_code lam_safetensors_finish(lam_safetensors_writer *writer, lam_error *error);
// Frees the writer and removes what was written. NULL: nothing.
void lam_safetensors_abandon(lam_safetensors_writer *writer);

#endif
