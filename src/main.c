#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "jobs/job_reference.h"
#include "lam_version.h"
#include "src/blas.h"
#include "src/log.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct lam_simple_command {
    const char *name, *summary;
    lam_code (*run)(int argc, const char *const *argv, lam_error *error);
    // or, where ranks may work together; *speaks: whether this one prints the error
    lam_code (*run_ranks)(int argc, const char *const *argv, bool *speaks, lam_error *error);
} lam_simple_command;

static const lam_simple_command simple_commands[] = {
    {"fetch", "get pages, texts and models from the network, for later runs", lam_command_fetch,
     NULL},
    {"plan", "say what a job will take: memory, time, ranks", lam_command_plan, NULL},
    {"info", "say what a checkpoint folder, a token file or a result holds", lam_command_info,
     NULL},
    {"plot", "draw the figures of results, by gnuplot", lam_command_plot, NULL},
    {"report", "write one page about results, for a browser", lam_command_report, NULL},
    {"compare", "say where the values of two results differ", lam_command_compare, NULL},
    {"tokenize", "turn a text into a file of tokens, or show its pieces", NULL,
     lam_command_tokenize},
    {"doctor", "say whether runs will work here, how fast, and what to do", NULL,
     lam_command_doctor},
    {"synth", "make a checkpoint of any shape with random weights", lam_command_synth, NULL},
    {NULL, NULL, NULL, NULL},
};

static void print_help(FILE *out) {
    fputs("laminar " LAM_VERSION ": profiles of every layer of a language model, by MPI\n\n"
          "usage: laminar COMMAND ...\n"
          "       mpirun -n RANKS laminar sweep JOB.yaml\n\ncommands:\n",
          out);
    lam_help_entry(out, "sweep", "run the profiles of a job file and write the result (netCDF)");
    for (const lam_profile *const *p = lam_profiles; *p; p++) {
        char text[256];
        snprintf(text, sizeof text, "%s: one profile, without a job file", (*p)->summary);
        lam_help_entry(out, (*p)->name, text);
    }
    for (const lam_simple_command *c = simple_commands; c->name; c++)
        lam_help_entry(out, c->name, c->summary);
    fputs("\n'laminar COMMAND --help' explains a command, 'laminar help job' the keys of a job "
          "file;\n"
          "'laminar --version' says which laminar this is.\n\nexit status:\n",
          out);
#define X(name, status, text)                                                                      \
    {                                                                                              \
        char term[8];                                                                              \
        snprintf(term, sizeof term, "%d", status);                                                 \
        lam_help_entry(out, term, text);                                                           \
    }
    LAM_CODES(X)
#undef X
}

static lam_code run(int argc, const char *const *argv, bool *speaks, lam_error *error) {
    if (argc < 2) {
        print_help(stderr);
        return lam_fail(error, LAM_USAGE, "a command is missing");
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        if (argc == 2 || name[0] == '-') return print_help(stdout), LAM_OK;
        if (strcmp(argv[2], "job") == 0) return lam_job_reference(stdout), LAM_OK;
        const char *const help[] = {argv[0], argv[2], "--help"};
        return run(3, help, speaks, error);
    }
    if (strcmp(name, "--version") == 0) return puts("laminar " LAM_VERSION), LAM_OK;
    if (strcmp(name, "sweep") == 0) return lam_command_run(NULL, argc - 2, argv + 2, speaks, error);
    for (const lam_profile *const *p = lam_profiles; *p; p++)
        if (strcmp(name, (*p)->name) == 0)
            return lam_command_run(*p, argc - 2, argv + 2, speaks, error);
    for (const lam_simple_command *c = simple_commands; c->name; c++)
        if (strcmp(name, c->name) == 0)
            return c->run ? c->run(argc - 2, argv + 2, error)
                          : c->run_ranks(argc - 2, argv + 2, speaks, error);
    return lam_fail(error, LAM_USAGE, "there is no command '%s' (see 'laminar --help')", name);
}

// The same process from its beginning, with the environment as it is now; where that cannot be, it
// goes on as it is.
static void start_again(char **argv) {
    char path[PATH_MAX]; // by its name, as the process is called by it
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    if (length <= 0 || length == (ssize_t)sizeof path) return;
    path[length] = '\0';
    execv(path, argv);
}

// Whoever read standard output has left, as 'head' does: that is no error, and ends a program in
// silence.
static void end_if_nobody_reads(void) {
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    if (poll(&output, 1, 0) != 1 || !(output.revents & POLLERR)) return;
    signal(SIGPIPE, SIG_DFL);
    raise(SIGPIPE);
}

int main(int argc, char **argv) {
    if (lam_blas_settle()) start_again(argv);
    // A file beyond a limit is an error like any other.
    signal(SIGXFSZ, SIG_IGN);
    lam_error error = {0};
    bool speaks = true;
    lam_code code = run(argc, (const char *const *)argv, &speaks, &error);
    const bool unsaid = fflush(stdout) != 0 || ferror(stdout);
    if (unsaid && (code == LAM_OK || code == LAM_IO)) end_if_nobody_reads();
    if (code == LAM_OK && unsaid)
        code = lam_fail(&error, LAM_IO, "standard output cannot be written");
    if (code != LAM_OK && speaks)
        fprintf(stderr, "laminar: %s%s\n", code == LAM_INTERRUPTED ? "" : "error: ", error.text);
    return (int)code;
}
