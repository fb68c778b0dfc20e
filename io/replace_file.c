#include "io/replace_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_TEMPORARIES = 1000 };

typedef struct lam_replacement {
    const char *given; // as the user wrote it
    char *path;        // with a symbolic link resolved
    char *folder;      // of path
    char *temporary;   // in folder; NULL where there is none
    int descriptor;    // of the temporary, or -1
    size_t bytes;      // written so far
} output;

// The reason and the remedy, for an errno.
static lam_code fail(const output *file, int number, size_t bytes, lam_error *error) {
    struct stat status;
    const char *folder = file->folder ? file->folder : "";
    bool folder_there = stat(folder, &status) == 0;
    const char *why = strerror(number), *remedy = "choose another output";
    if (number == ENOENT && !folder_there) {
        why = "its folder does not exist";
        remedy = "create the folder or choose another output";
    } else if (number == ENOTDIR || (folder_there && !S_ISDIR(status.st_mode))) {
        why = "what should be its folder is a file";
    } else if (number == EACCES || number == EPERM) {
        why = "its folder is not writable for this user";
        remedy = "change the folder's permissions or choose another output";
    } else if (number == EROFS) {
        why = "its folder lies on a read-only file system";
    } else if (number == ENOSPC || number == EDQUOT) {
        return lam_fail(error, LAM_IO,
                        "%s cannot be written: %s (%zu bytes are needed): free some space in %s or "
                        "choose another output",
                        file->given, number == ENOSPC ? "the disk is full" : "the quota is used up",
                        bytes, folder);
    } else if (number == EFBIG) {
        return lam_fail(error, LAM_IO,
                        "%s cannot be written: its %zu bytes are over the limit on file sizes: "
                        "raise the limit (ulimit -f)",
                        file->given, bytes);
    }
    return lam_fail(error, LAM_IO, "%s cannot be written: %s (%s): %s", file->given, why, folder,
                    remedy);
}

static void discard(output *file) {
    if (file->descriptor >= 0) close(file->descriptor);
    if (file->temporary) unlink(file->temporary);
    free(file->temporary);
    free(file->folder);
    free(file->path);
}

static lam_code resolve(output *file, const char *given, lam_error *error) {
    size_t length = strlen(given);
    if (!length) return lam_fail(error, LAM_IO, "the output's name is empty: give a file name");
    if (given[length - 1] == '/')
        return lam_fail(error, LAM_IO,
                        "%s is a folder's name: give the name of a file in it as output", given);
    file->path = realpath(given, NULL);
    if (!file->path) file->path = strdup(given);
    if (!file->path) return lam_fail(error, LAM_MEMORY, "no memory for a file name");
    char *slash = strrchr(file->path, '/');
    file->folder = !slash                ? strdup(".")
                   : slash == file->path ? strdup("/")
                                         : strndup(file->path, (size_t)(slash - file->path));
    if (!file->folder) return lam_fail(error, LAM_MEMORY, "no memory for a file name");
    struct stat status;
    if (stat(file->path, &status) != 0) {
        // A name too long for the file system would otherwise show only when it is renamed.
        return errno == ENAMETOOLONG ? fail(file, errno, 0, error) : LAM_OK;
    }
    if (S_ISDIR(status.st_mode))
        return lam_fail(error, LAM_IO, "%s is a folder: give the name of a file in it as output",
                        given);
    if (!S_ISREG(status.st_mode))
        return lam_fail(error, LAM_IO,
                        "%s is not a file that can be replaced: choose another output", given);
    if (access(file->path, W_OK) != 0)
        return lam_fail(error, LAM_IO,
                        "%s is there and write-protected: change its permissions or choose another "
                        "output",
                        given);
    return LAM_OK;
}

// O_EXCL makes the name this process's own, also among hosts that share the folder.
static lam_code create_temporary(output *file, lam_error *error) {
    for (int i = 0; i < MOST_TEMPORARIES; i++) {
        if (asprintf(&file->temporary, "%s/.laminar-%ld-%d.tmp", file->folder, (long)getpid(), i) <
            0) {
            file->temporary = NULL;
            return lam_fail(error, LAM_MEMORY, "no memory for a file name");
        }
        file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (file->descriptor >= 0) return LAM_OK;
        int number = errno;
        free(file->temporary);
        file->temporary = NULL;
        if (number != EEXIST && number != EINTR) return fail(file, number, 0, error);
    }
    return lam_fail(error, LAM_IO,
                    "%s cannot be written: its folder %s is full of temporary files of laminar: "
                    "remove .laminar-*.tmp there",
                    file->given, file->folder);
}

static lam_code begin(output *file, const char *path, lam_error *error) {
    *file = (output){.given = path, .descriptor = -1};
    LAM_TRY(resolve(file, path, error));
    return create_temporary(file, error);
}

// 0 or an errno.
static int write_all(int descriptor, const char *data, size_t bytes) {
    while (bytes > 0) {
        size_t most = bytes < (1 << 30) ? bytes : 1 << 30;
        ssize_t written = write(descriptor, data, most);
        if (written < 0 && errno != EINTR) return errno;
        if (written == 0) return EIO;
        if (written > 0) data += written, bytes -= (size_t)written;
    }
    return 0;
}

// 0 or an errno. Some file systems cannot sync a folder and say so by EINVAL.
static int sync_whole(int descriptor) {
    while (fsync(descriptor) != 0) {
        if (errno == EINVAL || errno == ENOTSUP) return 0;
        if (errno != EINTR) return errno;
    }
    return 0;
}

static int sync_folder(const char *folder) {
    int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return errno == EACCES ? 0 : errno; // writable, not readable: no way to sync
    int number = sync_whole(descriptor);
    close(descriptor);
    return number;
}

// Network file systems tell of a full disk only at close.
static int close_temporary(output *file) {
    int closed = close(file->descriptor);
    file->descriptor = -1;
    return closed != 0 && errno != EINTR ? errno : 0;
}

static lam_code rename_output(output *file, lam_error *error) {
    int number = sync_whole(file->descriptor);
    if (!number) number = close_temporary(file);
    if (!number && rename(file->temporary, file->path) != 0) number = errno;
    if (number) return fail(file, number, file->bytes, error);
    free(file->temporary);
    file->temporary = NULL;
    number = sync_folder(file->folder);
    return number ? fail(file, number, file->bytes, error) : LAM_OK;
}

lam_code lam_replacement_open(const char *path, lam_replacement **file, lam_error *error) {
    lam_replacement *made = calloc(1, sizeof *made);
    if (!made) return lam_fail(error, LAM_MEMORY, "%s: no memory to write it", path);
    lam_code code = begin(made, path, error);
    if (code == LAM_OK)
        *file = made;
    else
        lam_replacement_discard(made);
    return code;
}

lam_code lam_replacement_write(lam_replacement *file, const void *data, size_t bytes,
                               lam_error *error) {
    file->bytes += bytes;
    int number = write_all(file->descriptor, data, bytes);
    return number ? fail(file, number, file->bytes, error) : LAM_OK;
}

lam_code lam_replacement_rewind(lam_replacement *file, lam_error *error) {
    int number = lseek(file->descriptor, 0, SEEK_SET) < 0 ? errno : 0;
    file->bytes = 0;
    return number ? fail(file, number, 0, error) : LAM_OK;
}

const char *lam_replacement_temporary(const lam_replacement *file) {
    return file->temporary;
}

lam_code lam_replacement_commit(lam_replacement *file, lam_error *error) {
    lam_code code = rename_output(file, error);
    lam_replacement_discard(file);
    return code;
}

void lam_replacement_discard(lam_replacement *file) {
    if (!file) return;
    discard(file);
    free(file);
}

lam_code lam_replace_file(const char *path, const void *data, size_t bytes, lam_error *error) {
    output file;
    lam_code code = begin(&file, path, error);
    if (code == LAM_OK) code = lam_replacement_write(&file, data, bytes, error);
    if (code == LAM_OK) code = rename_output(&file, error);
    discard(&file);
    return code;
}

static lam_code replace_by(output *to, const char *from, lam_error *error) {
    LAM_TRY(resolve(to, to->given, error));
    to->descriptor = open(from, O_WRONLY | O_CLOEXEC);
    struct stat status = {0};
    int number = to->descriptor < 0 || fstat(to->descriptor, &status) != 0 ? errno : 0;
    if (!number) number = sync_whole(to->descriptor);
    if (!number) number = close_temporary(to);
    if (!number && rename(from, to->path) != 0) number = errno;
    if (!number) number = sync_folder(to->folder);
    return number ? fail(to, number, (size_t)status.st_size, error) : LAM_OK;
}

lam_code lam_replace_by(const char *path, const char *file, lam_error *error) {
    output to = {.given = path, .descriptor = -1};
    lam_code code = replace_by(&to, file, error);
    discard(&to);
    return code;
}

lam_code lam_replace_check(const char *path, lam_error *error) {
    output file;
    lam_code code = begin(&file, path, error);
    discard(&file);
    return code;
}
