#include "jobs/commands.h"
#include "jobs/job_file.h"
#include "jobs/sweep.h"
#include "jobs/threads.h"
#include "lam_version.h"
#include "src/log.h"
#include "src/stop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef struct sweep_options {
    int64_t only;
    bool list;
} sweep_options;

static const lam_option sweep_option_table[] = {
    {"only", LAM_OPTION_INTEGER, offsetof(sweep_options, only), "0", 0, 1e9, NULL,
     "the one run wanted, by its number, without the others and without a summary; 0: all"},
    {"list", LAM_OPTION_BOOL, offsetof(sweep_options, list), "no", 0, 0, NULL,
     "run nothing: print the result file of each run, a line each"},
    {0},
};

typedef struct lam_request_text { // the command line, parsed
    lam_arguments arguments;
    lam_job job;
    sweep_options options;
    lam_option_group groups[2]; // sweep's
    lam_command command;
    bool ended; // help or version was asked for, and given
} lam_request_text;

static const char *const sweep_examples[] = {
    "laminar sweep demo.yaml",
    "mpirun -n 4 laminar sweep led.yaml -o led.nc --set sae.epochs=20",
    "laminar sweep led.yaml --list",
    NULL,
};

static const lam_command sweep = {
    .name = "sweep",
    .operands = "JOB.yaml [options]",
    .summary = "Run the profiles of a job file and write the result. Under mpirun or srun, the "
               "ranks share the layers. Where the job lists models or texts, every model runs on "
               "every text: led.nc becomes led-MODEL-TEXT.nc (by the folder's and the file's "
               "names; only what is a list is in the name) for each run, and led.summary.nc "
               "says what each came to; a run that fails does not stop the others.",
    .fewest = 1,
    .most = 1,
    .takes_output = true,
    .takes_sets = true,
    .takes_job_file = true,
    .takes_resume = true,
    .examples = sweep_examples,
};

static void print_sweep_help(const lam_command *command) {
    lam_help_print(stdout, command);
    puts("\nkeys of a job file:");
    const lam_option *const tables[] = {lam_global_options, lam_input_options};
    for (size_t t = 0; t < 2; t++)
        for (const lam_option *o = tables[t]; o->name; o++)
            lam_help_entry(stdout, o->name, o->help);
    puts("\nsections of a job file, one a profile, each with keys of its own:");
    for (const lam_profile *const *p = lam_profiles; *p; p++)
        lam_help_entry(stdout, (*p)->name, (*p)->summary);
    puts("\n'laminar help job' lists all keys, with what they take and their defaults.");
}

// Purely local, before MPI is up, so that help is there where MPI is not.
static lam_code parse(const lam_profile *profile, int argc, const char *const *argv,
                      lam_request_text *request, lam_arena *arena, lam_error *error) {
    lam_arguments *arguments = &request->arguments;
    if (profile)
        LAM_TRY(
            lam_job_from_arguments(profile, argc, argv, arguments, &request->job, arena, error));
    else {
        request->groups[0] = (lam_option_group){"Sweep", sweep_option_table, &request->options};
        request->command = sweep;
        request->command.groups = request->groups;
        LAM_TRY(lam_options_default(sweep_option_table, &request->options, arena, error));
        LAM_TRY(lam_arguments_parse(&request->command, argc, argv, arguments, arena, error));
    }
    request->ended = arguments->help || arguments->version;
    if (request->ended || profile) return LAM_OK;
    return lam_job_read(arguments->operands.item[0], &arguments->sets, arguments->output,
                        lam_profiles, &request->job, arena, error);
}

static void print_help_or_version(const lam_profile *profile, const lam_request_text *request) {
    const lam_arguments *arguments = &request->arguments;
    if (!arguments->help)
        puts("laminar " LAM_VERSION);
    else if (profile)
        lam_job_help(stdout, profile);
    else
        print_sweep_help(&request->command);
}

static void set_threads(const lam_comm *comm, int64_t asked) {
    char text[LAM_THREADS_ROOM];
    const lam_threads threads = lam_threads_set(comm, asked);
    if (lam_threads_bound(comm, &threads, text)) lam_log(LAM_NORMAL, "%s", text);
    if (lam_threads_crowded(comm, &threads, text)) lam_log(LAM_NORMAL, "%s", text);
}

static char *command_line(const lam_profile *profile, int argc, const char *const *argv,
                          lam_arena *arena, lam_error *error) {
    char *line = lam_arena_format(arena, error, "laminar %s", profile ? profile->name : sweep.name);
    for (int i = 0; line && i < argc; i++)
        line = lam_arena_format(arena, error, "%s %s", line, argv[i]);
    return line;
}

static lam_code print_list(const lam_request_text *request, lam_arena *arena, lam_error *error) {
    lam_sweep_run *runs;
    size_t count;
    LAM_TRY(lam_sweep_runs(&request->job, request->options.only, &runs, &count, arena, error));
    for (size_t i = 0; i < count; i++) puts(runs[i].output);
    return LAM_OK;
}

// From MPI's start to its end. code is what parsing ended with, on this rank.
static lam_code run_ranks(lam_code code, const lam_request_text *request, const char *command,
                          bool *speaks, lam_arena *arena, lam_error *error) {
    lam_comm comm;
    lam_error broken;
    if (lam_comm_create(&comm, NULL, NULL, &broken) != LAM_OK) return *error = broken, broken.code;
    signal(SIGPIPE, SIG_IGN); // whoever read what is said may go; the run goes on
    *speaks = comm.rank == 0;
    lam_log_open(request->arguments.level, *speaks);
    code = lam_comm_agree(&comm, code, error);
    if (code == LAM_OK) code = lam_comm_watch(&comm, request->job.globals.watchdog, error);
    if (code == LAM_OK) {
        set_threads(&comm, request->job.globals.threads);
        const lam_sweep_request asked = {
            .command = command, .resume = request->arguments.resume, .only = request->options.only};
        code = lam_sweep(&comm, &request->job, &asked, arena, error);
    }
    if (code == LAM_PEER) {
        // The ranks can no longer agree, nor end together. Where one of them is gone the watch
        // names it within this second, and ends this process.
        if (comm.watch) sleep(1);
        fprintf(stderr, "laminar: error: %s\n", error->text);
        lam_comm_abort(&comm, code);
    }
    lam_comm_destroy(&comm);
    return code;
}

lam_code lam_command_run(const lam_profile *profile, int argc, const char *const *argv,
                         bool *speaks, lam_error *error) {
    lam_arena arena = {0};
    lam_request_text request = {0};
    char *command = NULL;
    lam_code code = lam_stop_begin(error);
    if (code == LAM_OK) code = parse(profile, argc, argv, &request, &arena, error);
    if (code == LAM_OK && !(command = command_line(profile, argc, argv, &arena, error)))
        code = LAM_MEMORY;
    if (code == LAM_OK && request.ended)
        print_help_or_version(profile, &request);
    else if (code == LAM_OK && request.options.list)
        code = print_list(&request, &arena, error);
    else
        code = run_ranks(code, &request, command, speaks, &arena, error);
    lam_arena_destroy(&arena);
    return code;
}
