#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "jobs/job_file.h"
#include "jobs/plan.h"
#include "jobs/sweep.h"
#include "jobs/threads.h"
#include "src/log.h"
#include "src/stop.h"

#include <string.h>

typedef struct lam_plan_options {
    int64_t ranks, nodes, only;
    double network, faster;
    bool scale, untimed, json;
} lam_plan_options;

static const lam_option plan_options[] = {
    {"ranks", LAM_OPTION_INTEGER, offsetof(lam_plan_options, ranks), "1", 1, 1e5, NULL,
     "ranks of the run"},
    {"nodes", LAM_OPTION_INTEGER, offsetof(lam_plan_options, nodes), "1", 1, 1e5, NULL,
     "nodes like this one that they share; each rank has as many threads as the job says, else "
     "OMP_NUM_THREADS, else its share of a node's cores"},
    {"only", LAM_OPTION_INTEGER, offsetof(lam_plan_options, only), "0", 0, 1e9, NULL,
     "of a job with lists of models or texts, the one run to plan for, by its number; 0: all"},
    {"network", LAM_OPTION_REAL, offsetof(lam_plan_options, network), "10", 1e-3, 1e5, NULL,
     "of the nodes, in Gbit/s"},
    {"faster", LAM_OPTION_REAL, offsetof(lam_plan_options, faster), "1", 1e-3, 1e6, NULL,
     "how many times as fast a rank is there as one of as many threads here"},
    {"scale", LAM_OPTION_BOOL, offsetof(lam_plan_options, scale), "false", 0, 0, NULL,
     "also simulate 1 to 288 ranks over 10 and 100 Gbit/s: the time, and the shares of it in which "
     "ranks work, wait for each other, and wait for the network"},
    {"untimed", LAM_OPTION_BOOL, offsetof(lam_plan_options, untimed), "false", 0, 0, NULL,
     "measure nothing and leave out what follows from it: time, ranks that are worth it"},
    {"json", LAM_OPTION_BOOL, offsetof(lam_plan_options, json), "false", 0, 0, NULL, "as JSON"},
    {NULL},
};

static const char *const examples[] = {"laminar plan led.yaml --ranks 36 --nodes 3",
                                       "laminar plan led.yaml --set sae.epochs=20 --json", NULL};

// As of a run with so many ranks on this host.
static void set_threads(const lam_comm *comm, const lam_plan_options *options, int64_t asked) {
    lam_comm crowd = *comm;
    crowd.host_ranks = (int)((options->ranks + options->nodes - 1) / options->nodes);
    lam_threads_set(&crowd, asked);
}

// As a shell takes it for one word.
static const char *quoted(const char *text, lam_arena *arena, lam_error *error) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";
    if (*text && !text[strspn(text, plain)]) return text;
    const char *made = "'";
    for (size_t length; made && *text; text += length) {
        length = strcspn(text, "'");
        made = length ? lam_arena_format(arena, error, "%s%.*s", made, (int)length, text)
                      : lam_arena_format(arena, error, "%s'\\''", made);
        length += !length;
    }
    return made ? lam_arena_format(arena, error, "%s'", made) : NULL;
}

// The job file, and what else the command line says of the job.
static const char *job_text(const lam_arguments *arguments, int64_t only, lam_arena *arena,
                            lam_error *error) {
    const char *text = quoted(arguments->operands.item[0], arena, error);
    for (size_t i = 0; text && i < arguments->sets.count; i++) {
        const char *set = quoted(arguments->sets.item[i], arena, error);
        text = set ? lam_arena_format(arena, error, "%s --set %s", text, set) : NULL;
    }
    if (text && only)
        text = lam_arena_format(arena, error, "%s --only %lld", text, (long long)only);
    return text;
}

typedef struct planned {
    const lam_comm *comm;
    const lam_plan_options *options;
    const lam_arguments *arguments;
    lam_plan_start start;
    lam_job job;
    lam_sweep_run *run;
    lam_plan *plan;
    size_t count;        // of runs, each with its plan
    const char *command; // that submits all of them
} planned;

static lam_code plan_run(planned *p, size_t i, lam_arena *arena, lam_error *error) {
    const lam_plan_options *options = p->options;
    lam_job job;
    LAM_TRY(lam_sweep_job(&p->job, &p->run[i], &job, arena, error));
    const lam_plan_request request = {.start = p->start,
                                      .comm = p->comm,
                                      .job = &job,
                                      .output = p->run[i].output,
                                      .file = job_text(p->arguments, options->only, arena, error),
                                      .ranks = (int)options->ranks,
                                      .nodes = (int)options->nodes,
                                      .gigabits = options->network,
                                      .faster = options->faster,
                                      .scale = options->scale,
                                      .untimed = options->untimed};
    if (!request.file) return LAM_MEMORY;
    if (p->count > 1) lam_log(LAM_NORMAL, "run %zu of %zu: %s", i + 1, p->count, p->run[i].output);
    LAM_TRY(lam_plan_make(&request, &p->plan[i], arena, error));
    p->command = p->plan[i].command;
    if (p->count > 1)
        p->plan[i].command = lam_arena_format(arena, error, "%s --only %zu", p->command, i + 1);
    return p->plan[i].command ? LAM_OK : LAM_MEMORY;
}

static lam_code plan_alone(const lam_comm *comm, const lam_plan_options *options,
                           const lam_arguments *arguments, lam_arena *arena, lam_error *error) {
    planned p = {
        .comm = comm, .options = options, .arguments = arguments, .start = lam_plan_start_now()};
    LAM_TRY(lam_job_read(arguments->operands.item[0], &arguments->sets, NULL, lam_profiles, &p.job,
                         arena, error));
    LAM_TRY(lam_sweep_runs(&p.job, options->only, &p.run, &p.count, arena, error));
    if (options->scale && p.count > 1)
        return lam_fail(error, LAM_USAGE,
                        "--scale is about one run, and the job has %zu: name it, --only 1",
                        p.count);
    set_threads(comm, options, p.job.globals.threads);
    LAM_ALLOC(p.plan, arena, p.count, error);
    for (size_t i = 0; i < p.count; i++) LAM_TRY(plan_run(&p, i, arena, error));
    const lam_plans plans = {p.plan, p.count, p.command};
    if (options->json) return lam_plans_print_json(&plans, stdout, error);
    lam_plans_print(&plans, stdout);
    return LAM_OK;
}

// MPI is started so that its memory is counted.
static lam_code plan(const lam_command *command, const lam_arguments *arguments, lam_arena *arena,
                     lam_error *error) {
    const lam_plan_options *options = command->groups->options;
    lam_comm comm;
    if (options->nodes > options->ranks)
        return lam_fail(error, LAM_USAGE, "--nodes: %lld ranks cannot be spread over %lld nodes",
                        (long long)options->ranks, (long long)options->nodes);
    if (options->scale && options->untimed)
        return lam_fail(error, LAM_USAGE, "--scale is about time: leave out --untimed");
    LAM_TRY(lam_stop_begin(error));
    LAM_TRY(lam_comm_create(&comm, NULL, NULL, error));
    lam_code code = LAM_OK;
    if (comm.size > 1)
        code = lam_fail(error, LAM_USAGE,
                        "laminar plan is one process: start it without mpirun, --ranks says the "
                        "ranks to plan for");
    if (code == LAM_OK) code = plan_alone(&comm, options, arguments, arena, error);
    lam_comm_destroy(&comm);
    return code;
}

lam_code lam_command_plan(int argc, const char *const *argv, lam_error *error) {
    lam_plan_options options = {0};
    const lam_option_group groups[] = {{"Options", plan_options, &options}, {NULL, NULL, NULL}};
    const lam_command command = {
        .name = "plan",
        .operands = "JOB.yaml [options]",
        .summary = "Say what a job will take before it is run: which rank has which layers, memory "
                   "of every rank, disk, bytes sent, operations, and, from a calibration of some "
                   "seconds here, the time, how many ranks are worth it, and a line for sbatch. "
                   "The model is not run, and of its weights only the shapes are read. Where the "
                   "job lists models or texts: a line for each run, and what all of them take.",
        .fewest = 1,
        .most = 1,
        .groups = groups,
        .takes_sets = true,
        .examples = examples};
    return lam_command_alone(&command, plan, argc, argv, error);
}
