// Writes the files of a run folder by a thread of its own, one after the other, while the run goes
// on.
#ifndef LAM_RUN_WRITER_H
#define LAM_RUN_WRITER_H

#include "io/run_file.h"

typedef struct lam_run_writer lam_run_writer;

// Of files that wait, unless it is a single one.
enum { LAM_RUN_WRITER_BYTES = 256 << 20 };

// folder must outlive it. LAM_MEMORY where there is no thread to be had.
LAM_CHECKED lam_code lam_run_writer_create(lam_run_writer **writer, const lam_run_folder *folder,
                                           lam_error *error);

// Waits for what is being written. NULL is left alone.
void lam_run_writer_destroy(lam_run_writer *writer);

// Whether a file is still being written, or waits for it.
bool lam_run_writer_busy(lam_run_writer *writer);

// Waits for all files, and says what came of them: LAM_IO, with the remedy; LAM_MEMORY. An error is
// told once; files that were put after the one that failed, and before it was told, are left out.
LAM_CHECKED lam_code lam_run_writer_wait(lam_run_writer *writer, lam_error *error);

// Has a file written, which becomes the writer's, after those before; waits where these are too
// large for both. ends_layer: it is a finished layer's, whose states are removed once it is there.
void lam_run_writer_put(lam_run_writer *writer, lam_run_file *file, bool ends_layer);

#endif
