#include "io/json_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The whole file in memory, to be freed.
static lam_code read_all(const char *path, int descriptor, size_t bytes, char **text,
                         lam_error *error) {
    *text = malloc(bytes + 1);
    if (!*text) return lam_fail(error, LAM_MEMORY, "no memory for %s (%zu bytes)", path, bytes);
    for (size_t done = 0; done < bytes;) {
        ssize_t got = read(descriptor, *text + done, bytes - done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            free(*text);
            return lam_fail(error, LAM_IO, "cannot read %s: %s", path,
                            got < 0 ? strerror(errno) : "it became shorter while it was read");
        }
        done += (size_t)got;
    }
    return LAM_OK;
}

static lam_code parse(const char *path, const char *text, size_t bytes, json_t **object,
                      lam_error *error) {
    json_error_t where;
    *object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
    if (!*object)
        return lam_fail(error, LAM_INPUT,
                        "%s is not valid JSON (line %d, column %d: %s): download it again", path,
                        where.line, where.column, where.text);
    if (json_is_object(*object)) return LAM_OK;
    json_decref(*object);
    *object = NULL;
    return lam_fail(error, LAM_INPUT, "%s holds no JSON object: download it again", path);
}

lam_code lam_json_read(const char *path, size_t limit, json_t **object, lam_error *error) {
    // not to wait for a writer where the path is a pipe
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return lam_fail(error, LAM_IO, "cannot open %s: %s", path, strerror(errno));
    struct stat info;
    char *text = NULL;
    lam_code code = LAM_OK;
    if (fstat(descriptor, &info) != 0)
        code = lam_fail(error, LAM_IO, "cannot read %s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        code = lam_fail(error, LAM_IO, "%s is not a regular file", path);
    else if ((uintmax_t)info.st_size > limit)
        code =
            lam_fail(error, LAM_INPUT, "%s has %jd bytes, more than the %zu such a file may have",
                     path, (intmax_t)info.st_size, limit);
    else
        code = read_all(path, descriptor, (size_t)info.st_size, &text, error);
    close(descriptor);
    if (code != LAM_OK) return code;
    code = parse(path, text, (size_t)info.st_size, object, error);
    free(text);
    return code;
}

lam_code lam_json_write(const char *path, const json_t *object, lam_error *error) {
    FILE *file = fopen(path, "wxe");
    if (!file) return lam_fail(error, LAM_IO, "cannot write %s: %s", path, strerror(errno));
    errno = ENOMEM; // the only failure that sets none
    int failed =
        json_dumpf(object, file, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(15));
    failed = failed || fputc('\n', file) == EOF || fflush(file) != 0 || fsync(fileno(file)) != 0;
    int cause = errno;
    if (fclose(file) != 0 && !failed) failed = 1, cause = errno;
    if (!failed) return LAM_OK;
    unlink(path);
    return lam_fail(error, LAM_IO, "cannot write %s: %s", path, strerror(cause));
}
