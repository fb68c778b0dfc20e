#include "jobs/run_state.h"

#include <string.h>

lam_code lam_run_open(lam_run_state *r) {
    LAM_TRY(lam_checkpoint_open(r->request->model, &r->checkpoint, r->error));
    r->config = lam_checkpoint_config(r->checkpoint);
    return LAM_OK;
}

// Fills in what the job left open, now that the model is known.
lam_code lam_run_resolve(lam_run_state *r) {
    const lam_job *job = r->request->job;
    r->part_count = job->section_count;
    LAM_ALLOC(r->part, &r->arena, r->part_count, r->error);
    LAM_ALLOC(r->passes, &r->arena, r->part_count, r->error);
    for (size_t i = 0; i < r->part_count; i++) {
        const lam_job_section *section = &job->section[i];
        lam_part *part = &r->part[i];
        part->run = (lam_profile_run){.profile = section->profile,
                                      .mode = (lam_mode)job->globals.mode,
                                      .seed = (uint64_t)job->globals.seed,
                                      .model = r->config,
                                      .model_path = r->request->model,
                                      .name = r->request->name ? r->request->name : "",
                                      .distribute = job->globals.distribute,
                                      .team = &r->team};
        // A copy: a sweep resolves the same section for several models.
        LAM_ALLOC(part->run.input, &r->arena, 1, r->error);
        *part->run.input = section->input;
        part->run.options = lam_arena_alloc(&r->arena, 1, section->profile->options_size, r->error);
        if (!part->run.options) return LAM_MEMORY;
        memcpy(part->run.options, section->options, section->profile->options_size);
        LAM_TRY(lam_input_resolve(part->run.input, part->run.mode, r->config,
                                  section->profile->name, r->error));
        LAM_TRY(section->profile->resolve(&part->run, r->error));
        part->sites = section->profile->sites(&part->run);
        part->intervenes =
            section->profile->intervene && section->profile->intervene(&part->run, &part->asked);
    }
    return LAM_OK;
}
