#include "io/safetensors.h"

#include "src/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lam_safetensors_writer {
    lam_arena arena;
    char *path, *temporary;
    int descriptor;
    size_t promised, written; // bytes of data
};

static lam_code cannot_write(const lam_safetensors_writer *writer, int cause, size_t bytes,
                             lam_error *error) {
    return lam_fail(error, LAM_IO, "cannot write %s (%.1f MB): %s", writer->path,
                    (double)bytes / 1e6, strerror(cause));
}

// Appends an entry to the header; *offset is where its data begins, and then where it ends.
static bool add_entry(json_t *header, const lam_tensor *tensor, size_t *offset) {
    size_t bytes = lam_dtype_size(tensor->dtype);
    json_t *shape = json_array();
    bool failed = !shape;
    for (int i = 0; i < tensor->dimensions; i++) {
        bytes *= (size_t)tensor->shape[i];
        failed |= json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i])) != 0;
    }
    json_t *entry =
        json_pack("{s:s, s:o, s:[I, I]}", "dtype", lam_dtype_name(tensor->dtype), "shape", shape,
                  "data_offsets", (json_int_t)*offset, (json_int_t)(*offset + bytes));
    *offset += bytes;
    return json_object_set_new(header, tensor->name, entry) == 0 && !failed;
}

// The header's text, to be freed, padded with blanks so that the data begins at a multiple of 8.
static lam_code make_header(const lam_tensor *tensors, size_t count, const char *path, char **text,
                            size_t *data_bytes, lam_error *error) {
    json_t *header = json_pack("{s:{s:s}}", "__metadata__", "format", "pt");
    bool made = header != NULL;
    *data_bytes = 0;
    for (size_t i = 0; i < count && made; i++) {
        if (json_object_get(header, tensors[i].name)) {
            json_decref(header);
            return lam_fail(error, LAM_INTERNAL, "%s: two tensors are called %s", path,
                            tensors[i].name);
        }
        made = add_entry(header, &tensors[i], data_bytes);
    }
    char *dumped = made ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    size_t length = dumped ? strlen(dumped) : 0, padded = (length + 7) / 8 * 8;
    *text = dumped ? realloc(dumped, padded + 1) : NULL;
    if (!*text) {
        free(dumped);
        return lam_fail(error, LAM_MEMORY, "no memory for the header of %s", path);
    }
    memset(*text + length, ' ', padded - length);
    (*text)[padded] = '\0';
    return LAM_OK;
}

static lam_code put(lam_safetensors_writer *writer, const void *data, size_t bytes,
                    lam_error *error) {
    for (size_t done = 0; done < bytes;) {
        ssize_t put = write(writer->descriptor, (const char *)data + done, bytes - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return cannot_write(writer, errno, writer->promised, error);
        done += (size_t)put;
    }
    return LAM_OK;
}

static lam_code begin(lam_safetensors_writer *writer, const char *header, lam_error *error) {
    uint64_t length = strlen(header);
    writer->descriptor =
        open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (writer->descriptor < 0) return cannot_write(writer, errno, writer->promised, error);
    // A disk too small is known now and not after minutes; a file system that cannot reserve is
    // fine.
    off_t total = (off_t)(sizeof length + length + writer->promised);
    if (fallocate(writer->descriptor, 0, 0, total) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return cannot_write(writer, errno, writer->promised, error);
    LAM_TRY(put(writer, &length, sizeof length, error));
    return put(writer, header, length, error);
}

lam_code lam_safetensors_create(const char *path, const lam_tensor *tensors, size_t count,
                                lam_safetensors_writer **writer, lam_error *error) {
    char *header;
    size_t bytes;
    *writer = NULL;
    LAM_TRY(make_header(tensors, count, path, &header, &bytes, error));
    lam_safetensors_writer *new = calloc(1, sizeof *new);
    lam_code code = new ? LAM_OK : lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    if (code == LAM_OK) {
        new->descriptor = -1;
        new->promised = bytes;
        new->path = lam_arena_text(&new->arena, path, strlen(path), error);
        new->temporary =
            lam_arena_format(&new->arena, error, "%s.partial-%ld", path, (long)getpid());
        code = new->path &&new->temporary ? begin(new, header, error) : LAM_MEMORY;
    }
    free(header);
    if (code != LAM_OK) {
        lam_safetensors_abandon(new);
        return code;
    }
    *writer = new;
    return LAM_OK;
}

lam_code lam_safetensors_write(lam_safetensors_writer *writer, const void *data, size_t bytes,
                               lam_error *error) {
    if (bytes > writer->promised - writer->written)
        return lam_fail(error, LAM_INTERNAL, "%s: more data than the %zu bytes of its tensors",
                        writer->path, writer->promised);
    writer->written += bytes;
    return put(writer, data, bytes, error);
}

// So that the renaming itself is on disk. Failure is not: the file is whole either way.
static void sync_folder(char *path) {
    int descriptor = open(dirname(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    (void)!fsync(descriptor);
    close(descriptor);
}

lam_code lam_safetensors_finish(lam_safetensors_writer *writer, lam_error *error) {
    lam_code code = LAM_OK;
    if (writer->written != writer->promised)
        code = lam_fail(error, LAM_INTERNAL, "%s: %zu bytes of data instead of %zu", writer->path,
                        writer->written, writer->promised);
    else if (fsync(writer->descriptor) != 0 || rename(writer->temporary, writer->path) != 0)
        code = cannot_write(writer, errno, writer->promised, error);
    else {
        writer->temporary = NULL;
        sync_folder(writer->path);
    }
    lam_safetensors_abandon(writer);
    return code;
}

void lam_safetensors_abandon(lam_safetensors_writer *writer) {
    if (!writer) return;
    if (writer->descriptor >= 0) {
        close(writer->descriptor);
        if (writer->temporary) unlink(writer->temporary);
    }
    lam_arena_destroy(&writer->arena);
    free(writer);
}
