#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "jobs/doctor.h"
#include "lam_version.h"
#include "src/stop.h"

#include <jansson.h>
#include <stdio.h>

typedef struct doctor_options {
    bool json;
} doctor_options;

static const lam_option doctor_option_table[] = {
    {"json", LAM_OPTION_BOOL, offsetof(doctor_options, json), "no", 0, 0, NULL,
     "print one JSON object, for programs"},
    {NULL},
};

static const char *const examples[] = {"laminar doctor", "mpirun -n 4 laminar doctor --json", NULL};

static const char *const health_names[] = {"ok", "warning", "failure"}; // lam_health

static void print_text(const lam_diagnosis *of) {
    printf("laminar " LAM_VERSION ", %s, %s\n", of->cpu, of->features);
    for (size_t i = 0; i < of->count; i++) {
        const lam_finding *f = &of->finding[i];
        char term[32];
        snprintf(term, sizeof term, "%-8s %s", health_names[f->health], f->name);
        lam_help_entry(stdout, term, f->text);
        if (f->remedy) lam_help_entry(stdout, "  what to do", f->remedy);
    }
}

static json_t *speed_json(const lam_speed *of) {
    return json_pack("{s:f, s:f, s:f, s:f}", "registers_flops", of->registers, "products_flops",
                     of->products, "blas_flops", of->blas, "memory_bytes_per_second", of->memory);
}

static lam_code print_json(const lam_diagnosis *of, bool fit, lam_error *error) {
    json_t *findings = json_array(), *ranks = json_array();
    for (size_t i = 0; i < of->count; i++) {
        const lam_finding *f = &of->finding[i];
        json_array_append_new(findings, json_pack("{s:s, s:s, s:s, s:s?}", "name", f->name,
                                                  "health", health_names[f->health], "text",
                                                  f->text, "remedy", f->remedy));
    }
    for (int r = 0; r < of->ranks; r++) {
        const lam_rank_facts *rank = &of->rank[r];
        json_array_append_new(ranks, json_pack("{s:s, s:i, s:i, s:i, s:i, s:f, s:o}", "host",
                                               rank->host, "ranks_on_host", rank->host_ranks,
                                               "cores", rank->cores, "usable_cores", rank->usable,
                                               "threads", rank->threads, "memory_bytes", rank->room,
                                               "speed", speed_json(&rank->speed)));
    }
    json_t *all =
        json_pack("{s:s, s:b, s:s, s:s, s:o, s:o}", "laminar", LAM_VERSION, "fit", fit, "cpu",
                  of->cpu, "cpu_features", of->features, "findings", findings, "ranks", ranks);
    if (!all) return lam_fail(error, LAM_MEMORY, "memory for the JSON was refused");
    const int failed = json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
    json_decref(all);
    putchar('\n');
    return failed ? lam_fail(error, LAM_IO, "standard output cannot be written") : LAM_OK;
}

// On rank 0.
static lam_code report(const lam_comm *comm, const lam_diagnosis *of, bool json, lam_error *error) {
    if (comm->rank != 0) return LAM_OK;
    const lam_finding *worst = NULL;
    for (size_t i = 0; i < of->count && !worst; i++)
        if (of->finding[i].health == LAM_UNWELL) worst = &of->finding[i];
    if (json)
        LAM_TRY(print_json(of, !worst, error));
    else
        print_text(of);
    if (!worst) return LAM_OK;
    return lam_fail(error, LAM_UNFIT, "runs would fail here (%s): %s", worst->name, worst->remedy);
}

static lam_code examine(const lam_arguments *arguments, bool json, bool *speaks, lam_arena *arena,
                        lam_error *error) {
    lam_comm comm;
    lam_diagnosis diagnosis;
    LAM_TRY(lam_stop_begin(error));
    LAM_TRY(lam_comm_create(&comm, NULL, NULL, error));
    *speaks = comm.rank == 0;
    lam_log_open(arguments->level, *speaks);
    lam_code code = lam_comm_watch(&comm, 0, error);
    if (code == LAM_OK) code = lam_diagnose(&comm, &diagnosis, arena, error);
    if (code == LAM_OK)
        code = lam_comm_follow(&comm, report(&comm, &diagnosis, json, error), error);
    if (code == LAM_PEER) {
        fprintf(stderr, "laminar: error: %s\n", error->text);
        lam_comm_abort(&comm, code);
    }
    lam_comm_destroy(&comm);
    return code;
}

lam_code lam_command_doctor(int argc, const char *const *argv, bool *speaks, lam_error *error) {
    doctor_options options = {0};
    const lam_option_group groups[] = {{"Options", doctor_option_table, &options}, {NULL}};
    const lam_command command = {
        .name = "doctor",
        .operands = "[options]",
        .summary = "Say whether runs will work here and how fast, and what to do if not: MPI, "
                   "threads and binding, the matrix products' and BLAS's speed beside what the "
                   "processor's registers reach, netCDF, memory, disk, the cache, gnuplot. Under "
                   "mpirun or srun as runs are launched, it looks at all ranks and hosts, and "
                   "prints one report. The exit status is 10 where runs would fail.",
        .groups = groups,
        .examples = examples};
    lam_arena arena = {0};
    lam_arguments arguments;
    bool ended = false;
    lam_code code = lam_arguments_open(&command, argc, argv, &arguments, &ended, &arena, error);
    if (code == LAM_OK && !ended) code = examine(&arguments, options.json, speaks, &arena, error);
    lam_arena_destroy(&arena);
    return code;
}
