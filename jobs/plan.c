#include "jobs/plan.h"

#include "jobs/estimate.h"
#include "src/log.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

// Bytes that a rank has resident beyond what this process has before it works: code, tables and
// buffers of products, LAPACK, MPI and netCDF that are touched then. Measured on a model of next to
// no size (Debian 12; oneDNN 2.6, Open MPI 4.1, netCDF 4.9).
static const double working = 14.5e6;

// Where nobody says otherwise: a message from host to host, and between ranks of one.
static const double latency = 2e-5, memory_speed = 4e9;

typedef struct planning {
    const lam_plan_request *request;
    lam_run_request asked;
    lam_run_state run;
    lam_estimate estimate;
    int cores, host_ranks;
    lam_plan *plan;
    lam_arena *arena;
    lam_error *error;
} planning;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

// Bytes of this process that are resident now.
static double resident(void) {
    long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file) return 0;
    if (fscanf(file, "%ld %ld", &all, &pages) != 2) pages = 0;
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

lam_plan_start lam_plan_start_now(void) {
    return (lam_plan_start){resident(), (double)clock() / CLOCKS_PER_SEC};
}

// The run up to its first layer.
static lam_code open_run(planning *p) {
    lam_run_state *r = &p->run;
    const double began = now(), before = resident();
    LAM_TRY(lam_run_open(r));
    LAM_TRY(lam_run_resolve(r));
    LAM_TRY(lam_run_sequences(r));
    p->estimate.base = p->request->start.resident + working;
    p->estimate.first = resident() - before;
    r->first_layer = 0, r->layer_count = 1;
    for (size_t i = 0; i < r->part_count; i++) LAM_TRY(lam_run_make_groups(r, &r->part[i]));
    p->estimate.start = now() - began + p->request->start.seconds;
    return LAM_OK;
}

static void add_part(lam_plan_part *parts, size_t *count, const char *name, double value,
                     double *all) {
    if (!(value > 0) || *count == LAM_PLAN_PARTS) return;
    parts[(*count)++] = (lam_plan_part){name, value};
    *all += value;
}

// Operations: the forward passes, then each profile's own, then the passes of the changed model.
static lam_code count_operations(planning *p) {
    const lam_run_state *r = &p->run;
    lam_plan *plan = p->plan;
    double all = 0, own = 0, seen = 0;
    lam_work *layer;
    LAM_ALLOC(layer, p->arena, r->config->layers, p->error);
    lam_run_costs(r, layer);
    for (int64_t l = 0; l < r->config->layers; l++) all += lam_work_operations(&layer[l]);
    double parts[LAM_PLAN_PARTS] = {0};
    for (size_t i = 0; i < r->part_count && i < LAM_PLAN_PARTS; i++) {
        lam_profile_cost cost = {.remedy = ""};
        if (r->part[i].run.profile->cost) r->part[i].run.profile->cost(&r->part[i].run, &cost);
        parts[i] = lam_work_operations(&cost.work) * (double)r->config->layers;
        seen += lam_work_operations(&cost.seen) * (double)(r->part[i].rounds * r->config->layers);
        own += parts[i];
    }
    double ignored = 0;
    add_part(plan->operations, &plan->operation_count, "model", all - own - seen, &ignored);
    add_part(plan->operations, &plan->operation_count, "looking on", seen, &ignored);
    for (size_t i = 0; i < r->part_count && i < LAM_PLAN_PARTS; i++)
        add_part(plan->operations, &plan->operation_count, r->part[i].run.profile->name, parts[i],
                 &ignored);
    plan->all_operations = all;
    return LAM_OK;
}

static lam_network network_of(double gigabits, int host_ranks) {
    return (lam_network){.host_ranks = host_ranks,
                         .bandwidth = gigabits * 1e9 / 8,
                         .latency = latency,
                         .memory = memory_speed};
}

static lam_code fill_ranks(planning *p, const lam_layout *layout) {
    lam_plan *plan = p->plan;
    LAM_ALLOC(plan->rank, p->arena, plan->ranks, p->error);
    for (int rank = 0; rank < plan->ranks; rank++) {
        const lam_place place = lam_layout_place(layout, rank);
        const double bytes = lam_estimate_memory(&p->estimate, layout, rank, false),
                     keeping = lam_estimate_memory(&p->estimate, layout, rank, true);
        plan->rank[rank] = (lam_plan_rank){.first_layer = place.first_layer,
                                           .layers = place.layer_count,
                                           .member = place.member,
                                           .members = place.members,
                                           .bytes = bytes};
        plan->memory_most = fmax(plan->memory_most, bytes);
        plan->memory_keeping = fmax(plan->memory_keeping, keeping);
        plan->memory_all += bytes;
    }
    return LAM_OK;
}

static void fill_bytes(planning *p, const lam_layout *layout) {
    lam_plan *plan = p->plan;
    const lam_traffic traffic = lam_estimate_traffic(&p->estimate, layout);
    plan->disk_result = lam_estimate_result(&p->estimate);
    plan->disk_run = lam_estimate_folder(&p->estimate, layout->teams);
    plan->disk_export = lam_estimate_export(&p->estimate);
    plan->messages = traffic.messages;
    plan->message_bytes = traffic.residual;
    plan->row_bytes = traffic.rows;
    plan->sent = lam_traffic_bytes(&traffic);
}

// All of it where ranks get in each other's way, as they take turns on the cores.
static lam_code fill_seconds(planning *p, const lam_layout *layout) {
    lam_plan *plan = p->plan;
    const lam_network network = network_of(p->request->gigabits, p->host_ranks);
    lam_duration d;
    LAM_TRY(lam_estimate_duration(&p->estimate, layout, &network, &d, p->error));
    const double slower = plan->crowding;
    const lam_plan_part stages[] = {
        {"text", d.start},
        {"weights", d.load * slower},
        {"forward pass", d.forward * slower},
        {"profiles", d.profiles * slower},
        {"changed model", d.changes * slower},
        {"result", d.end},
    };
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        add_part(plan->seconds, &plan->second_count, stages[i].name, stages[i].value,
                 &plan->all_seconds);
    return LAM_OK;
}

// On nodes with as many ranks as in the plan, each with cores of its own.
static lam_code duration_on(const planning *p, int ranks, double gigabits, lam_duration *d) {
    lam_arena scratch = {0};
    lam_layout layout;
    const lam_network network = network_of(gigabits, p->host_ranks);
    lam_code code = lam_run_layout(&p->run, ranks, &layout, &scratch, p->error);
    if (code == LAM_OK) code = lam_estimate_duration(&p->estimate, &layout, &network, d, p->error);
    lam_arena_destroy(&scratch);
    return code;
}

// The fewest ranks that come within a twentieth of the least time that any number takes.
static lam_code find_useful(planning *p) {
    lam_plan *plan = p->plan;
    const int most = 8 * (int)p->run.config->layers;
    double *seconds, least = INFINITY;
    LAM_ALLOC(seconds, p->arena, most, p->error);
    for (int ranks = 1; ranks <= most; ranks++) {
        lam_duration d;
        LAM_TRY(duration_on(p, ranks, p->request->gigabits, &d));
        seconds[ranks - 1] = lam_duration_seconds(&d);
        least = fmin(least, seconds[ranks - 1]);
    }
    for (plan->useful_ranks = 1; seconds[plan->useful_ranks - 1] > 1.05 * least;)
        plan->useful_ranks++;
    plan->useful_seconds = seconds[plan->useful_ranks - 1];
    return LAM_OK;
}

// Of what comes after the text: whether the ranks work, wait for each other, or for the network.
static lam_code fill_scale(planning *p) {
    static const int ranks[] = {1,  2,  3,  4,   6,   9,   12,  18,  24, 36,
                                48, 72, 96, 108, 144, 180, 216, 252, 288};
    lam_plan *plan = p->plan;
    if (!p->request->scale) return LAM_OK;
    plan->scale_count = sizeof ranks / sizeof *ranks;
    LAM_ALLOC(plan->scale, p->arena, plan->scale_count, p->error);
    for (size_t i = 0; i < plan->scale_count; i++) {
        lam_duration free;
        plan->scale[i].ranks = ranks[i];
        LAM_TRY(duration_on(p, ranks[i], INFINITY, &free));
        for (int n = 0; n < LAM_PLAN_NETWORKS; n++) {
            lam_duration d;
            LAM_TRY(duration_on(p, ranks[i], plan->gigabits[n], &d));
            const double seconds = lam_duration_seconds(&d) - d.start - d.end,
                         least = lam_duration_seconds(&free) - free.start - free.end;
            plan->scale[i].on[n].seconds = seconds;
            plan->scale[i].on[n].efficiency = d.work / ranks[i] / seconds;
            plan->scale[i].on[n].network = fmax(0, seconds - least) / seconds;
            plan->scale[i].on[n].waiting = fmax(0, least - d.work / ranks[i]) / seconds;
        }
    }
    return LAM_OK;
}

// A job that Slurm runs as planned (slurm/sweep.sbatch).
static lam_code fill_command(planning *p) {
    lam_plan *plan = p->plan;
    const char *ranks = "";
    if (plan->ranks % plan->nodes)
        ranks = lam_arena_format(p->arena, p->error, " -n %d", plan->ranks);
    if (ranks)
        plan->command = lam_arena_format(
            p->arena, p->error, "sbatch -N %d%s --ntasks-per-node=%d -c %d slurm/sweep.sbatch %s",
            plan->nodes, ranks, p->host_ranks, plan->threads, p->request->file);
    return plan->command ? LAM_OK : LAM_MEMORY;
}

static void speed_up(planning *p) {
    lam_speeds *speeds = &p->estimate.speeds;
    const double faster = p->request->faster;
    for (size_t i = 0; i < p->run.pass_count; i++) speeds->token[i] /= faster;
    for (size_t i = 0; i < p->run.part_count; i++) speeds->layer[i] /= faster;
    speeds->head /= faster, speeds->byte /= faster;
}

static lam_code make(planning *p) {
    lam_plan *plan = p->plan;
    lam_layout layout;
    LAM_TRY(open_run(p));
    plan->layers = p->run.config->layers;
    for (size_t pass = 0; pass < p->run.pass_count; pass++)
        plan->tokens +=
            lam_run_rounds(&p->run, pass) * p->run.passes[pass].start[p->run.passes[pass].count];
    LAM_TRY(lam_run_layout(&p->run, plan->ranks, &layout, p->arena, p->error));
    LAM_TRY(fill_ranks(p, &layout));
    fill_bytes(p, &layout);
    LAM_TRY(count_operations(p));
    LAM_TRY(fill_command(p));
    if (p->request->untimed) return LAM_OK;
    const double began = now();
    LAM_TRY(lam_calibrate(&p->run, &p->estimate.speeds, p->error));
    plan->calibration = now() - began;
    speed_up(p);
    LAM_TRY(fill_seconds(p, &layout));
    LAM_TRY(find_useful(p));
    return fill_scale(p);
}

lam_code lam_plan_make(const lam_plan_request *request, lam_plan *plan, lam_arena *arena,
                       lam_error *error) {
    const lam_job *job = request->job;
    planning p = {.request = request,
                  .asked = {.comm = request->comm,
                            .job = job,
                            .model = job->globals.model.item[0],
                            .output = request->output},
                  .cores = (int)sysconf(_SC_NPROCESSORS_ONLN),
                  .host_ranks = (request->ranks + request->nodes - 1) / request->nodes,
                  .plan = plan,
                  .arena = arena,
                  .error = error};
    p.run = (lam_run_state){.request = &p.asked,
                            .comm = request->comm,
                            .team = lam_team_alone,
                            .texts.seed = (uint64_t)job->globals.seed,
                            .error = error};
    p.estimate.run = &p.run;
    p.estimate.threads = omp_get_max_threads();
    *plan = (lam_plan){.model = p.asked.model,
                       .text = job->globals.input.text.count ? job->globals.input.text.item[0] : "",
                       .output = p.asked.output,
                       .ranks = request->ranks,
                       .nodes = request->nodes,
                       .threads = p.estimate.threads,
                       .cores = p.cores,
                       .faster = request->faster,
                       .crowding = fmax(1, (double)p.host_ranks * p.estimate.threads / p.cores),
                       .gigabits = {10, 100}};
    const lam_code code = make(&p);
    lam_texts_destroy(&p.run.texts);
    lam_checkpoint_close(p.run.checkpoint);
    lam_arena_destroy(&p.run.arena);
    return code;
}
