#include "io/plot.h"

#include "io/plot_script.h"
#include "io/replace_file.h"
#include "src/log.h"
#include "src/stop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static const char log_name[] = "gnuplot.log";

typedef struct plotting {
    const char *folder, *work; // work: in folder
    lam_arena *arena;
    lam_error *error;
} plotting;

// What gnuplot said, in one line.
static lam_code fail_by_gnuplot(const plotting *p, const char *name) {
    char said[400] = "";
    const char *path = lam_arena_format(p->arena, p->error, "%s/%s", p->work, log_name);
    FILE *log = path ? fopen(path, "r") : NULL;
    size_t length = log ? fread(said, 1, sizeof said - 1, log) : 0;
    if (log) fclose(log);
    said[length] = 0;
    const char *text = said + strspn(said, " \n\t^");
    return lam_fail(p->error, LAM_IO, "%s could not be drawn: gnuplot ended with an error: %s",
                    name, *text ? text : "without a word");
}

// Starts gnuplot in the work folder, with nothing of the user's settings. 0 or an errno.
static int spawn(const plotting *p, const char *const *arguments, pid_t *child) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t signals;
    int failed = posix_spawn_file_actions_init(&actions);
    if (failed) return failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed) {
        posix_spawn_file_actions_destroy(&actions);
        return failed;
    }
    // Nothing of what laminar does with signals (src/stop.h, and main's for SIGXFSZ).
    sigemptyset(&signals);
    failed = posix_spawnattr_setsigmask(&attributes, &signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGXFSZ);
    if (!failed) failed = posix_spawnattr_setsigdefault(&attributes, &signals);
    if (!failed)
        failed =
            posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (!failed) failed = posix_spawn_file_actions_addchdir_np(&actions, p->work);
    if (!failed) failed = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!failed)
        failed = posix_spawn_file_actions_addopen(&actions, 1, log_name,
                                                  O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (!failed) failed = posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (!failed)
        failed =
            posix_spawnp(child, arguments[0], &actions, &attributes, (char **)arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

// gnuplot's end, and its status; a request to end is its end at once.
static int wait_for(pid_t child) {
    int status = 0;
    bool ended = false;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (lam_stop_asked() && !ended) ended = kill(child, SIGKILL) == 0;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return status;
}

// Runs gnuplot on NAME.gp; what it leaves is removed with the folder.
static lam_code run_gnuplot(const plotting *p, const char *name, const char *format) {
    const char *script = lam_arena_format(p->arena, p->error, "%s.gp", name);
    const char *choice = lam_arena_format(p->arena, p->error, "format = '%s'", format);
    if (!script || !choice) return LAM_MEMORY;
    const char *const arguments[] = {"gnuplot", "-d", "-e", choice, script, NULL};
    pid_t child;
    int failed = spawn(p, arguments, &child);
    int status = failed ? 0 : wait_for(child);
    if (failed == ENOENT)
        return lam_fail(p->error, LAM_IO,
                        "gnuplot is not installed (on Debian: apt-get install gnuplot-nox); "
                        "'laminar report' draws without it");
    if (failed)
        return lam_fail(p->error, LAM_IO, "gnuplot cannot be started: %s", strerror(failed));
    LAM_TRY(lam_stop_check(p->error));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
        return lam_fail(p->error, LAM_INTERRUPTED, "interrupted while gnuplot drew %s", name);
    return status ? fail_by_gnuplot(p, name) : LAM_OK;
}

// Browsers blur gnuplot's SVG maps, which are images of a pixel a cell, unless these say otherwise.
static lam_code sharpen(const plotting *p, const char *name) {
    static const char image[] = "<image ", style[] = "style='image-rendering:pixelated' ";
    const char *path = lam_arena_format(p->arena, p->error, "%s/%s", p->work, name);
    const char *made = lam_arena_format(p->arena, p->error, "%s/sharp", p->work);
    if (!path || !made) return LAM_MEMORY;
    FILE *from = fopen(path, "r");
    if (!from) return LAM_OK; // there is none, as who moves it will say
    FILE *to = fopen(made, "w");
    char *line = NULL;
    size_t room = 0;
    for (ssize_t length; to && (length = getline(&line, &room, from)) >= 0;) {
        const char *rest = line;
        if (strncmp(line, image, strlen(image)) == 0)
            fputs(image, to), fputs(style, to), rest += strlen(image);
        fwrite(rest, 1, (size_t)(line + length - rest), to);
    }
    bool failed = !to || ferror(to) || !feof(from);
    if (to) failed |= fclose(to) != 0;
    failed = failed || rename(made, path) != 0;
    lam_code code = failed ? lam_fail(p->error, LAM_IO, "%s cannot be written: %m", path) : LAM_OK;
    fclose(from);
    free(line);
    return code;
}

static lam_code move(const plotting *p, const char *name) {
    const char *from = lam_arena_format(p->arena, p->error, "%s/%s", p->work, name);
    const char *to = lam_arena_format(p->arena, p->error, "%s/%s", p->folder, name);
    if (!from || !to) return LAM_MEMORY;
    return lam_replace_by(to, from, p->error);
}

static lam_code write_file(const plotting *p, const lam_figure *figure, const char *name,
                           size_t panel) {
    const char *path = lam_arena_format(p->arena, p->error, "%s/%s", p->work, name);
    if (!path) return LAM_MEMORY;
    FILE *out = fopen(path, "w");
    if (!out) return lam_fail(p->error, LAM_IO, "%s cannot be written: %m", path);
    if (panel)
        lam_plot_data(out, &figure->panels[panel - 1]);
    else
        lam_plot_script(out, figure);
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    return failed ? lam_fail(p->error, LAM_IO, "%s cannot be written: %m", path) : LAM_OK;
}

// The name of a figure's file, in the arena.
static const char *name_of(const plotting *p, const lam_figure *figure, size_t panel) {
    return panel ? lam_arena_format(p->arena, p->error, "%s-%zu.dat", figure->name, panel)
                 : lam_arena_format(p->arena, p->error, "%s.gp", figure->name);
}

static lam_code draw(const plotting *p, const lam_figure *figure, int formats, bool scripts) {
    static const char *const name[] = {"svg", "png", "pdf"};
    for (size_t i = 0; i <= figure->panel_count; i++) {
        const char *file = name_of(p, figure, i);
        if (!file) return LAM_MEMORY;
        LAM_TRY(write_file(p, figure, file, i));
    }
    for (size_t f = 0; f < sizeof name / sizeof *name; f++) {
        if (!(formats & 1 << f)) continue;
        const char *file = lam_arena_format(p->arena, p->error, "%s.%s", figure->name, name[f]);
        if (!file) return LAM_MEMORY;
        LAM_TRY(run_gnuplot(p, figure->name, name[f]));
        if (f == 0) LAM_TRY(sharpen(p, file));
        LAM_TRY(move(p, file));
        lam_log(LAM_NORMAL, "wrote %s/%s", p->folder, file);
    }
    for (size_t i = 0; scripts && i <= figure->panel_count; i++) {
        const char *file = name_of(p, figure, i);
        if (!file) return LAM_MEMORY;
        LAM_TRY(move(p, file));
    }
    return LAM_OK;
}

static void remove_folder(const char *path) {
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') unlinkat(dirfd(folder), entry->d_name, 0);
    if (folder) closedir(folder);
    rmdir(path);
}

lam_code lam_plot(const lam_figure *figures, size_t count, int formats, bool scripts,
                  const char *folder, lam_arena *arena, lam_error *error) {
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return lam_fail(error, LAM_IO, "%s cannot be made: %m: choose another folder", folder);
    char *work = lam_arena_format(arena, error, "%s/.laminar-plot.XXXXXX", folder);
    if (!work) return LAM_MEMORY;
    if (!mkdtemp(work))
        return lam_fail(error, LAM_IO, "nothing can be written in %s: %m: choose another folder",
                        folder);
    plotting p = {.folder = folder, .work = work, .arena = arena, .error = error};
    lam_code code = LAM_OK;
    for (size_t i = 0; i < count && code == LAM_OK; i++)
        code = draw(&p, &figures[i], formats, scripts);
    remove_folder(work);
    return code;
}
