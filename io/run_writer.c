#include "io/run_writer.h"

#include "io/run_state.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

// A file that waits.
typedef struct waiting {
    struct waiting *next;
    lam_run_file file;
    bool ends_layer;
} waiting;

struct lam_run_writer {
    const lam_run_folder *folder;
    pthread_t thread;
    pthread_mutex_t lock; // of all below
    pthread_cond_t changed;
    bool ended;
    waiting *first, *last; // the first is being written
    size_t bytes;          // of all of them
    lam_code code;         // of the files before: the first failure
    lam_error error;
};

static lam_code write_file(const lam_run_folder *folder, waiting *w, lam_error *error) {
    char seen[sizeof w->file.name + sizeof LAM_RUN_SEEN];
    LAM_TRY(lam_run_file_write(folder, &w->file, error));
    if (!w->ends_layer) return LAM_OK;
    snprintf(seen, sizeof seen, LAM_RUN_SEEN "%s", w->file.name);
    lam_run_state_remove(folder, w->file.name, -1, -1);
    lam_run_state_remove(folder, seen, -1, -1);
    return LAM_OK;
}

// Under the lock.
static void drop_first(lam_run_writer *w) {
    waiting *done = w->first;
    w->first = done->next;
    w->bytes -= done->file.bytes;
    lam_run_file_destroy(&done->file);
    free(done);
    pthread_cond_broadcast(&w->changed);
}

// What follows a failure is left out.
static void *work(void *of) {
    lam_run_writer *w = of;
    pthread_mutex_lock(&w->lock);
    while (true) {
        while (!w->first && !w->ended) pthread_cond_wait(&w->changed, &w->lock);
        if (!w->first) break;
        if (w->code == LAM_OK) {
            waiting *now = w->first;
            lam_error error;
            pthread_mutex_unlock(&w->lock);
            const lam_code code = write_file(w->folder, now, &error);
            pthread_mutex_lock(&w->lock);
            w->code = code;
            if (code != LAM_OK) w->error = error;
        }
        drop_first(w);
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
    const bool busy = w->first;
    pthread_mutex_unlock(&w->lock);
    return busy;
}

lam_code lam_run_writer_wait(lam_run_writer *w, lam_error *error) {
    pthread_mutex_lock(&w->lock);
    while (w->first) pthread_cond_wait(&w->changed, &w->lock);
    const lam_code code = w->code;
    if (code != LAM_OK) *error = w->error;
    w->code = LAM_OK;
    pthread_mutex_unlock(&w->lock);
    return code;
}

void lam_run_writer_put(lam_run_writer *w, lam_run_file *file, bool ends_layer) {
    waiting *new = malloc(sizeof *new);
    pthread_mutex_lock(&w->lock);
    if (new) {
        while (w->first && w->bytes + file->bytes > LAM_RUN_WRITER_BYTES)
            pthread_cond_wait(&w->changed, &w->lock);
        *new = (waiting){.file = *file, .ends_layer = ends_layer};
        if (w->first)
            w->last->next = new;
        else
            w->first = new;
        w->last = new;
        w->bytes += file->bytes;
        *file = (lam_run_file){0};
        pthread_cond_broadcast(&w->changed);
    } else if (w->code == LAM_OK) {
        w->code = lam_fail(&w->error, LAM_MEMORY, "memory to keep %s was refused", file->name);
    }
    pthread_mutex_unlock(&w->lock);
    lam_run_file_destroy(file);
}
