#include "progress.h"

#include "src/columns.h"
#include "src/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>
#include <unistd.h>

// Each stage has a tag of its own, so that a rank which is ahead is not heard too early.
enum {
    TAG_PROGRESS = 1024,
    STAGE_TAGS = 1024,
    NARROWEST_BAR = 8,
    WIDEST_BAR = 40,
    MOST_COLUMNS = 500
};

static const double draw_every = 0.2, line_every = 30.0; // seconds

typedef struct lam_report { // from a rank to rank 0
    int64_t done, final;
} lam_report;

struct lam_progress {
    const lam_comm *comm;
    lam_progress_style style;
    const char *stage, *unit;
    char detail[128];
    int64_t serial, total, steps_each;
    int64_t done;               // by this rank
    int64_t *done_by;           // [rank], on rank 0
    int finished;               // ranks other than 0 that sent their final report
    double seconds;             // of the stage that ended
    double began, shown, lined; // seconds
    lam_report report;          // in flight
    MPI_Request request;
    bool drawn; // the line at the cursor holds a bar
};

// A person watches if standard error is a terminal; mpirun hands its ranks a pipe, and then it is
// mpirun's own standard error that counts.
static bool is_watched(void) {
    const char *terminal = getenv("TERM");
    if (!terminal || !*terminal || strcmp(terminal, "dumb") == 0) return false; // moves no cursor
    if (isatty(STDERR_FILENO)) return true;
    char link[64], target[64] = "";
    snprintf(link, sizeof link, "/proc/%ld/fd/2", (long)getppid());
    ssize_t length = readlink(link, target, sizeof target - 1);
    return length > 0 && getenv("OMPI_COMM_WORLD_RANK") &&
           (strncmp(target, "/dev/pts/", 9) == 0 || strncmp(target, "/dev/tty", 8) == 0);
}

static int tag(const lam_progress *p) {
    return TAG_PROGRESS + (int)(p->serial % STAGE_TAGS);
}

static double now(void) {
    return MPI_Wtime();
}

lam_code lam_progress_create(lam_progress **progress, const lam_comm *comm,
                             lam_progress_style style, lam_arena *arena, lam_error *error) {
    lam_progress *p;
    LAM_ALLOC(p, arena, 1, error);
    LAM_ALLOC(p->done_by, arena, comm->size, error);
    p->comm = comm;
    p->request = MPI_REQUEST_NULL;
    p->style = style != LAM_PROGRESS_AUTO ? style
               : is_watched()             ? LAM_PROGRESS_BAR
                                          : LAM_PROGRESS_LINES;
    if (lam_log_level_now() == LAM_QUIET) p->style = LAM_PROGRESS_NONE;
    *progress = p;
    return LAM_OK;
}

void lam_progress_begin(lam_progress *progress, const char *stage, const char *unit, int64_t total,
                        int64_t steps_each) {
    lam_progress *p = progress;
    p->stage = stage, p->unit = unit, p->total = total, p->steps_each = steps_each;
    p->serial++;
    p->done = 0, p->finished = 0;
    p->detail[0] = '\0';
    memset(p->done_by, 0, (size_t)p->comm->size * sizeof *p->done_by);
    p->began = p->lined = now();
    p->shown = 0;
}

static int columns(void) {
    return lam_columns(STDERR_FILENO, 1, MOST_COLUMNS);
}

static void describe_time(char *text, size_t room, double seconds) {
    int64_t s = (int64_t)(seconds + 0.5);
    if (s < 120)
        snprintf(text, room, "%lld s", (long long)s);
    else if (s < 7200)
        snprintf(text, room, "%lld min", (long long)(s + 30) / 60);
    else
        snprintf(text, room, "%lld h %lld min", (long long)s / 3600, (long long)s % 3600 / 60);
}

// "45%  6400 tokens/s  12 s left  layer 3, epoch 12 of 75"
static void describe(const lam_progress *p, char *text, size_t room, double share, int64_t done) {
    double elapsed = now() - p->began;
    double rate = elapsed > 0 ? (double)(done / p->steps_each) / elapsed : 0;
    char left[32] = "?";
    if (share > 0) describe_time(left, sizeof left, elapsed * (1 - share) / share);
    snprintf(text, room, "%3.0f%%  %.*f %s/s  %s left  %s", 100 * share, rate < 10 ? 1 : 0, rate,
             p->unit, left, p->detail);
}

static void draw(lam_progress *p) {
    int64_t done = p->done;
    for (int r = 1; r < p->comm->size; r++) done += p->done_by[r];
    double share = p->total > 0 ? (double)done / (double)p->total : 1;
    if (share > 1) share = 1;
    char text[256];
    describe(p, text, sizeof text, share, done);
    if (p->style == LAM_PROGRESS_BAR) {
        int room = columns() - 1 - (int)strlen(p->stage) - 4 - (int)strlen(text);
        int width = room < NARROWEST_BAR ? 0 : room > WIDEST_BAR ? WIDEST_BAR : room;
        char bar[WIDEST_BAR + 1];
        memset(bar, '.', sizeof bar);
        memset(bar, '#', (size_t)(share * width));
        char line[512];
        int length = width ? snprintf(line, sizeof line, "%s [%.*s] %s", p->stage, width, bar, text)
                           : snprintf(line, sizeof line, "%s %s", p->stage, text);
        int limit = columns() - 1;
        fprintf(stderr, "\r%.*s\033[K", length < limit ? length : limit, line);
        fflush(stderr);
        p->drawn = true;
    } else if (p->style == LAM_PROGRESS_LINES && now() - p->lined >= line_every) {
        lam_log(LAM_NORMAL, "%s: %s", p->stage, text);
        p->lined = now();
    }
    p->shown = now();
}

// Rank 0: takes in the reports that have come.
static lam_code take_reports(lam_progress *p, lam_error *error) {
    for (;;) {
        int there = 0;
        MPI_Status status;
        LAM_TRY(lam_comm_check(MPI_Iprobe(MPI_ANY_SOURCE, tag(p), p->comm->mpi, &there, &status),
                               "looking for progress", error));
        if (!there) return LAM_OK;
        lam_report report;
        LAM_TRY(
            lam_comm_receive(p->comm, &report, sizeof report, status.MPI_SOURCE, tag(p), error));
        p->done_by[status.MPI_SOURCE] = report.done;
        p->finished += report.final ? 1 : 0;
    }
}

void lam_progress_add(lam_progress *progress, int64_t amount, const char *detail, ...) {
    lam_progress *p = progress;
    p->done += amount;
    if (now() - p->shown < draw_every) return;
    lam_error error; // a lost report is no loss: what is wrong shows at the end of the stage
    if (p->comm->rank == 0) {
        va_list arguments;
        va_start(arguments, detail);
        vsnprintf(p->detail, sizeof p->detail, detail, arguments);
        va_end(arguments);
        if (take_reports(p, &error) == LAM_OK) draw(p);
        return;
    }
    int sent = 0;
    if (lam_comm_check(MPI_Test(&p->request, &sent, MPI_STATUS_IGNORE), "reporting", &error) !=
            LAM_OK ||
        !sent)
        return;
    p->report = (lam_report){.done = p->done};
    if (lam_comm_check(MPI_Isend(&p->report, (int)sizeof p->report, MPI_BYTE, 0, tag(p),
                                 p->comm->mpi, &p->request),
                       "reporting", &error) == LAM_OK)
        p->shown = now();
}

static lam_code await_all(lam_progress *p, lam_error *error) {
    LAM_TRY(take_reports(p, error));
    while (p->finished < p->comm->size - 1) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        LAM_TRY(take_reports(p, error));
        if (now() - p->shown >= draw_every) draw(p);
    }
    return LAM_OK;
}

lam_code lam_progress_end(lam_progress *progress, double *seconds, lam_error *error) {
    lam_progress *p = progress;
    if (p->comm->rank != 0) {
        LAM_TRY(lam_comm_check(MPI_Wait(&p->request, MPI_STATUS_IGNORE), "reporting", error));
        lam_report final = {.done = p->done, .final = 1};
        return lam_comm_send(p->comm, &final, sizeof final, 0, tag(p), error);
    }
    LAM_TRY(await_all(p, error));
    *seconds = now() - p->began;
    if (p->drawn) fprintf(stderr, "\r\033[K");
    p->drawn = false;
    p->seconds = *seconds;
    return LAM_OK;
}

void lam_progress_report(const lam_progress *progress) {
    const lam_progress *p = progress;
    int64_t done = p->done;
    for (int r = 1; r < p->comm->size; r++) done += p->done_by[r];
    done /= p->steps_each;
    lam_log(LAM_NORMAL, "%s: %lld %s in %.2f s (%.0f %s/s)", p->stage, (long long)done, p->unit,
            p->seconds, p->seconds > 0 ? (double)done / p->seconds : 0, p->unit);
}
