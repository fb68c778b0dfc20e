// A file of a run folder: sealed by the run's identity, its own name and a digest, so that one that
// is torn, changed, renamed or another run's is found out.
#ifndef LAM_RUN_FILE_H
#define LAM_RUN_FILE_H

#include "io/run_folder.h"

enum { LAM_RUN_FILE_NAME = 64 };

typedef struct lam_run_file {
    char name[LAM_RUN_FILE_NAME]; // in the folder
    char *data;                   // the seal, then the content
    char *content;
    size_t bytes; // of the content
} lam_run_file;

typedef enum lam_run_file_found {
    LAM_RUN_FILE_NONE,
    LAM_RUN_FILE_DAMAGED, // or another run's
    LAM_RUN_FILE_GOOD,
} lam_run_file_found;

// Makes room for so many bytes of content. LAM_MEMORY.
LAM_CHECKED lam_code lam_run_file_create(lam_run_file *file, const char *name, size_t bytes,
                                         lam_error *error);
void lam_run_file_destroy(lam_run_file *file);

// Seals the file and writes it, whole or not at all. LAM_IO, with the remedy; LAM_MEMORY.
LAM_CHECKED lam_code lam_run_file_write(const lam_run_folder *folder, lam_run_file *file,
                                        lam_error *error);

// Reads a file; there is something to destroy where it is good. LAM_MEMORY.
LAM_CHECKED lam_code lam_run_file_read(const lam_run_folder *folder, const char *name,
                                       lam_run_file *file, lam_run_file_found *found,
                                       lam_error *error);

#endif
