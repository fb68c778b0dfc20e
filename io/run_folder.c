#include "io/run_folder.h"

#include "io/replace_file.h"
#include "io/run_state.h"
#include "src/stop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, MOST_IDENTITY = 1 << 22 };

lam_code lam_run_folder_name(lam_run_folder *folder, const char *output, lam_arena *arena,
                             lam_error *error) {
    size_t length = strlen(output);
    if (length > 3 && strcmp(output + length - 3, ".nc") == 0) length -= 3;
    folder->path = lam_arena_format(arena, error, "%.*s.run", (int)length, output);
    return folder->path ? LAM_OK : LAM_MEMORY;
}

// --- one run at a time: it has the file "lock" locked for as long as its process lives

enum { PATIENCE = 75 }; // looks, 0.2 s apart: a run that was ended may take 15 s to be gone

typedef enum locked { OURS, ANOTHERS, NOBODYS } locked;

// NOBODYS: the file is not there, cannot be made, or lies where there are no locks.
static locked try_lock(lam_run_folder *folder, int flags) {
    char path[PATH_ROOM];
    struct stat status = {.st_nlink = 1};
    snprintf(path, sizeof path, "%s/lock", folder->path);
    const int lock = open(path, O_RDWR | O_CLOEXEC | flags, 0666);
    if (lock < 0) return NOBODYS;
    const bool locks = flock(lock, LOCK_EX | LOCK_NB) == 0;
    const bool anothers = !locks && errno == EWOULDBLOCK;
    if (locks && (fstat(lock, &status) != 0 || status.st_nlink > 0)) {
        folder->lock = lock, folder->locked = true;
        return OURS;
    }
    close(lock);
    // Its run has just ended, and removed the folder: this was the last of it.
    return anothers || locks ? ANOTHERS : NOBODYS;
}

static lam_code fail_at_work(const lam_run_folder *folder, lam_error *error) {
    return lam_fail(error, LAM_USAGE,
                    "%s is of a run that is at work: wait for its end, or choose another output",
                    folder->path);
}

// Makes the folder and locks it; waits for a run that is about to be gone.
static lam_code make_folder(lam_run_folder *folder, lam_error *error) {
    for (int i = 0; i < PATIENCE; i++) {
        if (mkdir(folder->path, 0777) != 0 && errno != EEXIST)
            return lam_fail(error, LAM_IO, "%s cannot be made: %s: choose another output",
                            folder->path, strerror(errno));
        if (try_lock(folder, O_CREAT) != ANOTHERS) return LAM_OK;
        LAM_TRY(lam_stop_check(error));
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
    }
    return fail_at_work(folder, error);
}

void lam_run_folder_close(lam_run_folder *folder) {
    if (folder->locked) close(folder->lock);
    folder->locked = false;
}

lam_code lam_run_folder_check(lam_run_folder *folder, bool resume, lam_error *error) {
    struct stat status;
    if (resume || lstat(folder->path, &status) != 0) return LAM_OK;
    const locked by = try_lock(folder, 0);
    lam_run_folder_close(folder);
    if (by == ANOTHERS) return fail_at_work(folder, error);
    return lam_fail(error, LAM_USAGE,
                    "%s is of a run that has not ended: go on with --resume, or remove it",
                    folder->path);
}

// The whole of a file, ended by a NUL; *data is NULL where it cannot be read.
static lam_code read_whole(const char *path, size_t most, char **data, size_t *bytes,
                           lam_error *error) {
    *data = NULL;
    FILE *file = fopen(path, "rbe");
    struct stat status;
    if (!file && errno == ENOENT) return LAM_OK;
    if (!file) return lam_fail(error, LAM_IO, "%s cannot be read: %s", path, strerror(errno));
    if (fstat(fileno(file), &status) == 0 && S_ISREG(status.st_mode) &&
        (uint64_t)status.st_size <= most) {
        *bytes = (size_t)status.st_size;
        *data = malloc(*bytes + 1);
        if (!*data) {
            fclose(file);
            return lam_fail(error, LAM_MEMORY, "memory for %s was refused", path);
        }
        (*data)[*bytes] = '\0';
        if (fread(*data, 1, *bytes, file) != *bytes) free(*data), *data = NULL;
    }
    fclose(file);
    return LAM_OK;
}

// One line of an identity: its key with its section's, and its value.
typedef struct line {
    char key[128];
    const char *value;
    size_t length;
} line;

static const char *next_line(const char *text, char section[64], line *found) {
    size_t length = strcspn(text, "\n"), indent = strspn(text, " "), name = strcspn(text, ":\n");
    if (indent == 0) section[0] = '\0';
    snprintf(found->key, sizeof found->key, "%s%.*s", section, (int)(name - indent), text + indent);
    found->value = text + (name < length ? name + 1 : length);
    found->length = (size_t)(text + length - found->value);
    if (indent == 0) snprintf(section, 64, "%.*s.", (int)name, text);
    return text + length + (text[length] == '\n');
}

// What a process that was killed left of a file it was writing.
static bool is_temporary(const char *name) {
    return strncmp(name, ".laminar-", 9) == 0;
}

static void remove_temporaries(const lam_run_folder *folder) {
    char path[PATH_ROOM];
    DIR *entries = opendir(folder->path);
    if (!entries) return;
    for (struct dirent *entry; (entry = readdir(entries));) {
        if (!is_temporary(entry->d_name)) continue;
        snprintf(path, sizeof path, "%s/%s", folder->path, entry->d_name);
        unlink(path);
    }
    closedir(entries);
}

// Says which key of two identities is the first that differs.
static lam_code fail_other(const lam_run_folder *folder, const char *was, const char *is,
                           lam_error *error) {
    char section[2][64] = {"", ""};
    line a = {0}, b = {0};
    while (*was || *is) {
        was = next_line(was, section[0], &a);
        is = next_line(is, section[1], &b);
        if (strcmp(a.key, b.key) != 0 || a.length != b.length ||
            memcmp(a.value, b.value, a.length) != 0)
            break;
    }
    if (strcmp(a.key, b.key) != 0)
        return lam_fail(error, LAM_USAGE,
                        "%s is of another job (%s, where this one has %s): choose another output, "
                        "or remove it",
                        folder->path, *a.key ? a.key : "its end", *b.key ? b.key : "its end");
    return lam_fail(error, LAM_USAGE,
                    "%s is of another run: %s was%.*s and is%.*s: choose another output, or remove "
                    "it",
                    folder->path, a.key, (int)a.length, a.value, (int)b.length, b.value);
}

lam_code lam_run_folder_open(lam_run_folder *folder, const char *identity, bool *found,
                             lam_error *error) {
    char path[PATH_ROOM], *was;
    size_t bytes;
    LAM_TRY(lam_sha256_of(identity, strlen(identity), folder->identity, error));
    snprintf(path, sizeof path, "%s/identity", folder->path);
    LAM_TRY(make_folder(folder, error));
    LAM_TRY(read_whole(path, MOST_IDENTITY, &was, &bytes, error));
    *found = was != NULL;
    if (!was) {
        lam_code written = lam_replace_file(path, identity, strlen(identity), error);
        snprintf(path, sizeof path, "%s/lock", folder->path);
        if (written != LAM_OK) unlink(path), rmdir(folder->path);
        return written;
    }
    lam_code code = strcmp(was, identity) == 0 ? LAM_OK : fail_other(folder, was, identity, error);
    if (code == LAM_OK) remove_temporaries(folder);
    free(was);
    return code;
}

// "sae-3"
static bool is_layer(const char *name) {
    const char *dash = strrchr(name, '-');
    return *name != '.' && dash && dash > name && dash[1] &&
           strspn(dash + 1, "0123456789") == strlen(dash + 1);
}

// With remove, removes what laminar wrote in the folder; returns how many layers, finished or not,
// were in it.
static int go_through(const lam_run_folder *folder, bool remove) {
    char path[PATH_ROOM];
    int layers = 0;
    DIR *entries = opendir(folder->path);
    if (!entries) return 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        const char *name = entry->d_name;
        const bool layer = is_layer(name) || lam_run_state_is_name(name);
        layers += layer;
        if (!remove || !(layer || strcmp(name, "identity") == 0 || strcmp(name, "lock") == 0 ||
                         is_temporary(name)))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder->path, name);
        unlink(path);
    }
    closedir(entries);
    return layers;
}

bool lam_run_folder_holds(const lam_run_folder *folder) {
    return go_through(folder, false) > 0;
}

void lam_run_folder_remove(const lam_run_folder *folder) {
    go_through(folder, true);
    rmdir(folder->path);
}
