// Writes the files of a run folder by a thread of its own, one at a time, while the run goes on.
#ifndef LAM_RUN_WRITER_H
#define LAM_RUN_WRITER_H

#include "io/run_file.h"

typedef struct lam_run_writer lam_run_writer;

// folder must outlive it. LAM_MEMORY where there is no thread to be had.
LAM_CHECKED lam_code lam_run_writer_create(lam_run_writer **writer, const lam_run_folder *folder,
                                           lam_error *error);

// Waits for what is being written. NULL is left alone.
void lam_run_writer_destroy(lam_run_writer *writer);

// Whether the file before is still being written.
bool lam_run_writer_busy(lam_run_writer *writer);

// Waits for the file before, and says what came of it: LAM_IO, with the remedy; LAM_MEMORY. An
// error is told once.
LAM_CHECKED lam_code lam_run_writer_wait(lam_run_writer *writer, lam_error *error);

// Begins to write a file, which becomes the writer's; to be waited for before the next one. Once it
// is there, the states of the layer `superseded` are removed (NULL: none).
void lam_run_writer_put(lam_run_writer *writer, lam_run_file *file, const char *superseded);

#endif
