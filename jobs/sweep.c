#include "jobs/sweep.h"

#include "io/checkpoint.h"
#include "io/info.h"
#include "io/result_file.h"
#include "io/sweep_file.h"
#include "jobs/memory.h"
#include "jobs/run.h"
#include "jobs/texts.h"
#include "lam_version.h"
#include "src/hub_name.h"
#include "src/log.h"
#include "src/product.h"

#include <omp.h>
#include <stdio.h>
#include <string.h>

typedef struct sweep {
    const lam_comm *comm;
    const lam_job *job;
    const lam_sweep_request *request;
    lam_sweep_run *run; // [model, text], or the only one wanted
    size_t count, failed;
    const char *summary; // the path of the summary
    lam_arena *arena;
    lam_error *error;
} sweep;

// A path's last part, without the ending of a file's name; of a pinned model without its commit.
static const char *name_of(const char *path, bool file, size_t *length) {
    size_t pinned = file ? 0 : lam_hub_pinned(path), end = pinned ? pinned : strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    for (size_t i = end; file && i > begin + 1; i--)
        if (path[i - 1] == '.') {
            end = i - 1;
            break;
        }
    *length = end - begin;
    return path + begin;
}

// The job's output with more at the end of its name: led.nc, "-" and "gpt2" make led-gpt2.nc.
static char *output_with(const sweep *s, const char *joint, const char *more) {
    const char *output = s->job->globals.output, *dot = strrchr(output, '.');
    size_t stem = dot && !strchr(dot, '/') ? (size_t)(dot - output) : strlen(output);
    return lam_arena_format(s->arena, s->error, "%.*s%s%s%s", (int)stem, output, joint, more,
                            output + stem);
}

static lam_code name_run(const sweep *s, lam_sweep_run *run) {
    size_t model_length, text_length = 0;
    const char *model = name_of(run->model, false, &model_length), *text = "";
    if (run->text) text = name_of(run->text, true, &text_length);
    if (s->job->globals.model.count < 2) model_length = 0;
    if (s->job->globals.input.text.count < 2) text_length = 0;
    run->name = lam_arena_format(s->arena, s->error, "%.*s%s%.*s", (int)model_length, model,
                                 model_length && text_length ? "-" : "", (int)text_length, text);
    run->output = run->name ? output_with(s, *run->name ? "-" : "", run->name) : NULL;
    return run->output ? LAM_OK : LAM_MEMORY;
}

// "gpt2 on page.html", of the paths.
static const char *words_of(const sweep *s, const lam_sweep_run *run, lam_error *error) {
    const char *words = lam_arena_format(s->arena, error, "%s%s%s", run->model,
                                         run->text ? " on " : "", run->text ? run->text : "");
    return words ? words : run->model;
}

static lam_code check_name(const sweep *s, const lam_sweep_run *run) {
    for (const lam_sweep_run *other = s->run; other < run; other++)
        if (strcmp(other->output, run->output) == 0)
            return lam_fail(s->error, LAM_USAGE,
                            "%s and %s would both be written to %s: run them one by one, or give "
                            "the folders or texts different names",
                            words_of(s, other, s->error), words_of(s, run, s->error), run->output);
    return LAM_OK;
}

// A section's own text is one for all runs; a list that no section takes is a mistake.
static lam_code check_sections(const sweep *s) {
    const lam_input *shared = &s->job->globals.input;
    bool used = false;
    for (size_t i = 0; i < s->job->section_count; i++) {
        const lam_job_section *section = &s->job->section[i];
        bool own = section->input.text.item != shared->text.item;
        if (own && section->input.text.count > 1)
            return lam_fail(s->error, LAM_USAGE,
                            "%s.text: a profile's own text is a single one: to sweep several, "
                            "write the list at the top of the job file",
                            section->profile->name);
        used = used || (!own && !section->profile->needs_no_text);
    }
    if (shared->text.count > 1 && !used)
        return lam_fail(s->error, LAM_USAGE,
                        "text: a list of %zu, but no profile of this job takes the job's text",
                        shared->text.count);
    return LAM_OK;
}

// Of all runs the only one wanted.
static lam_code choose(sweep *s) {
    const int64_t only = s->request->only;
    if (only == 0) return LAM_OK;
    if (only > (int64_t)s->count)
        return lam_fail(s->error, LAM_USAGE, "run %lld was asked for, but the job has %zu",
                        (long long)only, s->count);
    s->run += only - 1;
    s->count = 1;
    return LAM_OK;
}

static lam_code plan(sweep *s) {
    const lam_strings *models = &s->job->globals.model, *texts = &s->job->globals.input.text;
    size_t each = texts->count ? texts->count : 1;
    LAM_TRY(check_sections(s));
    LAM_ALLOC(s->run, s->arena, models->count * each, s->error);
    for (size_t i = 0; i < models->count * each; i++, s->count++) {
        s->run[i].model = models->item[i / each];
        s->run[i].text = texts->count ? texts->item[i % each] : NULL;
        LAM_TRY(name_run(s, &s->run[i]));
        LAM_TRY(check_name(s, &s->run[i]));
    }
    s->summary = output_with(s, ".", "summary");
    return s->summary ? choose(s) : LAM_MEMORY;
}

// What the sections took from the job's list is this text.
lam_code lam_sweep_job(const lam_job *job, const lam_sweep_run *run, lam_job *one, lam_arena *arena,
                       lam_error *error) {
    *one = *job;
    LAM_ALLOC(one->globals.model.item, arena, 1, error);
    one->globals.model.item[0] = run->model;
    one->globals.model.count = 1;
    if (run->text) {
        LAM_ALLOC(one->globals.input.text.item, arena, 1, error);
        one->globals.input.text.item[0] = run->text;
        one->globals.input.text.count = 1;
    }
    LAM_ALLOC(one->section, arena, one->section_count, error);
    for (size_t i = 0; i < one->section_count; i++) {
        one->section[i] = job->section[i];
        if (one->section[i].input.text.item == job->globals.input.text.item)
            one->section[i].input.text = one->globals.input.text;
    }
    return LAM_OK;
}

static lam_code job_of(const sweep *s, const lam_sweep_run *run, lam_job *one) {
    return lam_sweep_job(s->job, run, one, s->arena, s->error);
}

// Before hours of work on the first run: that all can be opened and have results of their own. A
// single run looks for itself.
static lam_code check_runs(const sweep *s) {
    for (size_t i = 0; i < s->count; i++) {
        lam_checkpoint *checkpoint;
        if (i > 0 && s->run[i].model == s->run[i - 1].model) continue;
        LAM_TRY(lam_checkpoint_open(s->run[i].model, &checkpoint, s->error));
        lam_checkpoint_close(checkpoint);
    }
    if (s->count == 1 || s->comm->rank != 0) return LAM_OK;
    for (size_t i = 0; i < s->count; i++) {
        lam_job one;
        LAM_TRY(job_of(s, &s->run[i], &one));
        for (size_t k = 0; k < one.section_count; k++)
            if (!one.section[k].profile->needs_no_text)
                LAM_TRY(
                    lam_texts_check(&one.section[k].input, (lam_mode)one.globals.mode, s->error));
        LAM_TRY(lam_result_check_output(s->run[i].output, s->error));
    }
    return lam_result_check_output(s->summary, s->error);
}

// Collective. LAM_OK also where the run failed but the others can go on.
static lam_code run_one(sweep *s, lam_sweep_run *run, lam_code *first) {
    size_t number = (size_t)(run - s->run) + 1;
    const char *words = words_of(s, run, s->error);
    lam_job one;
    LAM_TRY(lam_comm_agree(s->comm, job_of(s, run, &one), s->error));
    if (s->count > 1) lam_log(LAM_NORMAL, "run %zu of %zu: %s", number, s->count, words);
    lam_run_request request = {.comm = s->comm,
                               .job = &one,
                               .command = s->request->command,
                               .model = run->model,
                               .output = run->output,
                               .name = run->name,
                               .resume = s->request->resume};
    double began = MPI_Wtime();
    lam_code code = lam_run(&request, s->error);
    run->seconds = MPI_Wtime() - began;
    if (code == LAM_OK || s->count == 1 || code == LAM_PEER || code == LAM_INTERRUPTED) return code;
    lam_log(LAM_NORMAL, "run %zu of %zu failed: %s", number, s->count, s->error->text);
    run->failure = lam_arena_text(s->arena, s->error->text, strlen(s->error->text), s->error);
    if (s->failed++ == 0) *first = code;
    return lam_comm_agree(s->comm, run->failure ? LAM_OK : LAM_MEMORY, s->error);
}

// On rank 0.
static lam_code summarise(const sweep *s) {
    if (s->comm->rank != 0) return LAM_OK;
    lam_attribute attributes[] = {
        {.name = "laminar_version", .text = LAM_VERSION},
        {.name = "job", .text = lam_job_yaml(s->job, s->arena, s->error)},
        {.name = "ranks", .number = s->comm->size, .integer = true},
        {.name = "threads_per_rank", .number = omp_get_max_threads(), .integer = true},
    };
    lam_sweep_about about = {.command = s->request->command,
                             .attributes = attributes,
                             .attribute_count = sizeof attributes / sizeof *attributes};
    about.source =
        lam_arena_format(s->arena, s->error, "laminar " LAM_VERSION ", %s", lam_product_name());
    if (!attributes[1].text || !about.source) return LAM_MEMORY;
    LAM_TRY(lam_sweep_write(s->summary, s->run, s->count, &about, s->error));
    lam_log(LAM_NORMAL, "wrote %s", s->summary);
    if (lam_log_level_now() == LAM_QUIET) return LAM_OK;
    return lam_info_result(s->summary, stdout, s->error);
}

static lam_code run_all(sweep *s) {
    LAM_TRY(lam_comm_agree(s->comm, plan(s), s->error));
    LAM_TRY(lam_comm_agree(s->comm, check_runs(s), s->error));
    lam_code first = LAM_OK;
    if (s->count > 1) lam_memory_keep_less();
    for (size_t i = 0; i < s->count; i++) LAM_TRY(run_one(s, &s->run[i], &first));
    if (s->count == 1) return LAM_OK;
    LAM_TRY(lam_comm_follow(s->comm, summarise(s), s->error));
    if (!s->failed) return LAM_OK;
    return lam_fail(s->error, first, "%zu of %zu runs failed: %s says which and why", s->failed,
                    s->count, s->summary);
}

lam_code lam_sweep(const lam_comm *comm, const lam_job *job, const lam_sweep_request *request,
                   lam_arena *arena, lam_error *error) {
    sweep s = {.comm = comm, .job = job, .request = request, .arena = arena, .error = error};
    return run_all(&s);
}

lam_code lam_sweep_runs(const lam_job *job, int64_t only, lam_sweep_run **runs, size_t *count,
                        lam_arena *arena, lam_error *error) {
    const lam_sweep_request request = {.only = only};
    sweep s = {.job = job, .request = &request, .arena = arena, .error = error};
    LAM_TRY(plan(&s));
    *runs = s.run, *count = s.count;
    return LAM_OK;
}
