#include "io/run_writer.h"

#include "io/run_state.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct lam_run_writer {
    const lam_run_folder *folder;
    pthread_t thread;
    pthread_mutex_t lock; // of all below
    pthread_cond_t changed;
    bool busy, ended;
    lam_run_file file;
    char superseded[LAM_RUN_FILE_NAME];
    lam_code code; // of the file before
    lam_error error;
};

static void write_file(lam_run_writer *w) {
    w->code = lam_run_file_write(w->folder, &w->file, &w->error);
    if (w->code == LAM_OK && *w->superseded) lam_run_state_remove(w->folder, w->superseded, -1, -1);
    lam_run_file_destroy(&w->file);
}

// While busy, file, code and error are this thread's alone.
static void *work(void *of) {
    lam_run_writer *w = of;
    pthread_mutex_lock(&w->lock);
    while (true) {
        while (!w->busy && !w->ended) pthread_cond_wait(&w->changed, &w->lock);
        if (!w->busy) break;
        pthread_mutex_unlock(&w->lock);
        write_file(w);
        pthread_mutex_lock(&w->lock);
        w->busy = false;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

lam_code lam_run_writer_create(lam_run_writer **writer, const lam_run_folder *folder,
                               lam_error *error) {
    lam_run_writer *w = calloc(1, sizeof *w);
    if (!w) return lam_fail(error, LAM_MEMORY, "memory to keep a run was refused");
    w->folder = folder;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    if (pthread_create(&w->thread, NULL, work, w) != 0) {
        free(w);
        return lam_fail(error, LAM_MEMORY, "a thread to keep a run was refused");
    }
    *writer = w;
    return LAM_OK;
}

void lam_run_writer_destroy(lam_run_writer *w) {
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->ended = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

bool lam_run_writer_busy(lam_run_writer *w) {
    pthread_mutex_lock(&w->lock);
    const bool busy = w->busy;
    pthread_mutex_unlock(&w->lock);
    return busy;
}

lam_code lam_run_writer_wait(lam_run_writer *w, lam_error *error) {
    pthread_mutex_lock(&w->lock);
    while (w->busy) pthread_cond_wait(&w->changed, &w->lock);
    const lam_code code = w->code;
    if (code != LAM_OK) *error = w->error;
    w->code = LAM_OK;
    pthread_mutex_unlock(&w->lock);
    return code;
}

void lam_run_writer_put(lam_run_writer *w, lam_run_file *file, const char *superseded) {
    pthread_mutex_lock(&w->lock);
    w->superseded[0] = '\0'; // before file, whose own name it may be
    if (superseded) strncat(w->superseded, superseded, sizeof w->superseded - 1);
    w->file = *file;
    *file = (lam_run_file){0};
    w->busy = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}
