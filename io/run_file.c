#include "io/run_file.h"

#include "io/replace_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// A format that changes gets another mark.
typedef struct seal {
    char mark[16];
    char name[LAM_RUN_FILE_NAME];
    uint8_t identity[LAM_SHA256_BYTES]; // of the run
    uint8_t digest[LAM_SHA256_BYTES];   // of the content
    uint64_t bytes;                     // of the content
} seal;

static const char mark[16] = "laminar run 3";
enum { PATH_ROOM = 4096 };

// The name a file of another length would have differs, too: what is beyond its end is zero.
static void begin_seal(seal *head, const lam_run_folder *folder, const char *name, size_t bytes) {
    *head = (seal){.bytes = bytes};
    memcpy(head->mark, mark, sizeof mark);
    memcpy(head->identity, folder->identity, sizeof head->identity);
    snprintf(head->name, sizeof head->name, "%s", name);
}

lam_code lam_run_file_create(lam_run_file *file, const char *name, size_t bytes, lam_error *error) {
    *file = (lam_run_file){.data = malloc(sizeof(seal) + bytes), .bytes = bytes};
    if (!file->data)
        return lam_fail(error, LAM_MEMORY, "memory to keep %s (%zu bytes) was refused", name,
                        bytes);
    file->content = file->data + sizeof(seal);
    snprintf(file->name, sizeof file->name, "%s", name);
    return LAM_OK;
}

void lam_run_file_destroy(lam_run_file *file) {
    free(file->data);
    *file = (lam_run_file){0};
}

lam_code lam_run_file_write(const lam_run_folder *folder, lam_run_file *file, lam_error *error) {
    char path[PATH_ROOM];
    seal head;
    begin_seal(&head, folder, file->name, file->bytes);
    LAM_TRY(lam_sha256_of(file->content, file->bytes, head.digest, error));
    memcpy(file->data, &head, sizeof head);
    snprintf(path, sizeof path, "%s/%s", folder->path, file->name);
    return lam_replace_file(path, file->data, sizeof head + file->bytes, error);
}

static lam_code check(const lam_run_folder *folder, const lam_run_file *file, bool *good,
                      lam_error *error) {
    seal head;
    begin_seal(&head, folder, file->name, file->bytes);
    LAM_TRY(lam_sha256_of(file->content, file->bytes, head.digest, error));
    *good = memcmp(&head, file->data, sizeof head) == 0;
    return LAM_OK;
}

// Reads a file that is open into memory; *whole says whether it could.
static lam_code read_whole(FILE *from, const char *name, lam_run_file *file, bool *whole,
                           lam_error *error) {
    struct stat status;
    *whole = false;
    if (fstat(fileno(from), &status) != 0 || !S_ISREG(status.st_mode) ||
        (uint64_t)status.st_size < sizeof(seal))
        return LAM_OK;
    const size_t bytes = (size_t)status.st_size;
    LAM_TRY(lam_run_file_create(file, name, bytes - sizeof(seal), error));
    *whole = fread(file->data, 1, bytes, from) == bytes;
    return LAM_OK;
}

lam_code lam_run_file_read(const lam_run_folder *folder, const char *name, lam_run_file *file,
                           lam_run_file_found *found, lam_error *error) {
    char path[PATH_ROOM];
    bool good;
    *file = (lam_run_file){0};
    *found = LAM_RUN_FILE_NONE;
    snprintf(path, sizeof path, "%s/%s", folder->path, name);
    FILE *from = fopen(path, "rbe");
    if (!from) return LAM_OK;
    lam_code code = read_whole(from, name, file, &good, error);
    fclose(from);
    if (code == LAM_OK && good) code = check(folder, file, &good, error);
    *found = good ? LAM_RUN_FILE_GOOD : LAM_RUN_FILE_DAMAGED;
    if (code != LAM_OK || !good) lam_run_file_destroy(file);
    return code;
}
