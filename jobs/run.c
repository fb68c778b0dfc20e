#include "jobs/run.h"

#include "io/result_file.h"
#include "io/result_read.h"
#include "jobs/run_state.h"
#include "src/log.h"

#include <stdio.h>
#include <string.h>

// That the result and the folder of what is kept until then could be written.
static lam_code name_folder(lam_run_state *r) {
    LAM_TRY(lam_run_folder_name(&r->folder, r->request->output, &r->arena, r->error));
    if (r->comm->rank != 0) return LAM_OK;
    LAM_TRY(lam_result_check_output(r->request->output, r->error));
    return lam_run_folder_check(&r->folder, r->request->resume, r->error);
}

// That what profiles write beside the result could be written.
static lam_code check_exports(lam_run_state *r) {
    for (size_t i = 0; i < r->part_count; i++)
        if (r->part[i].run.profile->check_export)
            LAM_TRY(r->part[i].run.profile->check_export(&r->part[i].run, r->error));
    return LAM_OK;
}

// Loads this rank's slice. What several ranks hold one of them hashes, as what none has to hold.
static lam_code load_weights(lam_run_state *r, uint8_t (*digest)[LAM_SHA256_BYTES], bool *present) {
    lam_checkpoint_part part = {.first_layer = r->first_layer,
                                .layer_count = r->layer_count,
                                .embedding = r->first_layer == 0};
    LAM_TRY(lam_checkpoint_load(r->checkpoint, &part, &r->weights, &r->model,
                                r->leads ? digest : NULL, r->leads ? present : NULL, r->error));
    lam_checkpoint_part unused = {.final_norm = true, .head = !r->config->tied_head};
    if (r->comm->rank == r->layout.lead[r->layout.teams - 1])
        LAM_TRY(lam_checkpoint_digest(r->checkpoint, &unused, digest, present, r->error));
    return LAM_OK;
}

// Collective: the model's digest from those of its tensors.
static lam_code hash_weights(lam_run_state *r, uint8_t (*digest)[LAM_SHA256_BYTES], bool *present) {
    size_t count = lam_checkpoint_tensor_count(r->checkpoint);
    LAM_TRY(lam_comm_check(MPI_Allreduce(MPI_IN_PLACE, digest, (int)(count * LAM_SHA256_BYTES),
                                         MPI_BYTE, MPI_BOR, r->comm->mpi),
                           "gathering digests", r->error));
    LAM_TRY(lam_comm_check(
        MPI_Allreduce(MPI_IN_PLACE, present, (int)count, MPI_C_BOOL, MPI_LOR, r->comm->mpi),
        "gathering digests", r->error));
    return lam_checkpoint_sha256(r->checkpoint, digest, present, r->model_sha256, r->error);
}

static lam_code load(lam_run_state *r) {
    size_t count = lam_checkpoint_tensor_count(r->checkpoint);
    uint8_t(*digest)[LAM_SHA256_BYTES] =
        lam_arena_alloc(&r->arena, count, sizeof *digest, r->error);
    bool *present = lam_arena_alloc(&r->arena, count, sizeof *present, r->error);
    lam_code code = digest && present ? load_weights(r, digest, present) : LAM_MEMORY;
    LAM_TRY(lam_comm_agree(r->comm, code, r->error));
    return hash_weights(r, digest, present);
}

// The job with what was left open filled in, for this model alone.
static lam_code resolved_job(lam_run_state *r, lam_job *job) {
    *job = *r->request->job;
    LAM_ALLOC(job->section, &r->arena, r->part_count, r->error);
    LAM_ALLOC(job->globals.model.item, &r->arena, 1, r->error);
    job->globals.model.count = 1;
    job->globals.model.item[0] = r->request->model;
    job->globals.output = r->request->output;
    for (size_t i = 0; i < r->part_count; i++)
        job->section[i] = (lam_job_section){.profile = r->part[i].run.profile,
                                            .input = *r->part[i].run.input,
                                            .options = r->part[i].run.options};
    return LAM_OK;
}

static lam_code provenance_of(lam_run_state *r, lam_job *resolved, lam_provenance *about) {
    LAM_TRY(resolved_job(r, resolved));
    *about = (lam_provenance){.comm = r->comm,
                              .job = resolved,
                              .model = r->request->model,
                              .config = r->config,
                              .model_sha256 = r->model_sha256,
                              .run_sha256 = r->run_sha256,
                              .command = r->request->command,
                              .texts = &r->texts,
                              .seconds = &r->seconds};
    return LAM_OK;
}

// Whether the output is the result of this very run, come to its end before.
static lam_code find_result(lam_run_state *r) {
    lam_result_file file;
    lam_error ignored;
    if (lam_result_open(r->request->output, &file, &ignored) == LAM_OK) {
        const lam_attribute *of = lam_result_attribute(&file, "run_sha256");
        r->ended = of && of->text && strcmp(of->text, r->run_sha256) == 0;
    }
    lam_result_close(&file);
    if (r->ended) lam_log(LAM_NORMAL, "%s is there already", r->request->output);
    return LAM_OK;
}

// On rank 0.
static lam_code open_folder(lam_run_state *r) {
    if (r->comm->rank != 0) return LAM_OK;
    lam_job resolved;
    lam_provenance about;
    LAM_TRY(provenance_of(r, &resolved, &about));
    const char *identity = lam_provenance_identity(&about, &r->arena, r->error);
    if (!identity) return LAM_MEMORY;
    LAM_TRY(lam_sha256_of(identity, strlen(identity), r->folder.identity, r->error));
    lam_sha256_text(r->folder.identity, r->run_sha256);
    if (r->request->resume) LAM_TRY(find_result(r));
    if (r->ended) return LAM_OK;
    LAM_TRY(lam_run_folder_open(&r->folder, identity, &r->resumed, r->error));
    r->opened = true;
    if (r->request->resume && !r->resumed) LAM_TRY(find_result(r)); // of a run that was waited for
    if (r->ended) lam_run_folder_remove(&r->folder);
    if (r->resumed) lam_log(LAM_NORMAL, "going on with what is kept in %s", r->folder.path);
    return LAM_OK;
}

// Collective.
static lam_code share_folder(lam_run_state *r) {
    const lam_comm *comm = r->comm;
    LAM_TRY(lam_comm_follow(comm, open_folder(r), r->error));
    LAM_TRY(lam_comm_broadcast(comm, &r->resumed, sizeof r->resumed, 0, r->error));
    LAM_TRY(lam_comm_broadcast(comm, &r->ended, sizeof r->ended, 0, r->error));
    return lam_comm_broadcast(comm, r->folder.identity, sizeof r->folder.identity, 0, r->error);
}

// On rank 0.
static lam_code write_result(lam_run_state *r) {
    if (r->comm->rank != 0) return LAM_OK;
    size_t count = 0;
    lam_group *groups;
    LAM_ALLOC(groups, &r->arena, r->part_count * MAX_GROUPS, r->error);
    for (size_t i = 0; i < r->part_count; i++) {
        lam_part *part = &r->part[i];
        LAM_TRY(part->run.profile->describe(&part->run, part->whole, r->error));
        for (size_t g = 0; g < part->written_count; g++) {
            LAM_TRY(lam_provenance_input(&part->whole[g], part->run.input, part->text,
                                         part->run.sequences, r->error));
            groups[count++] = part->whole[g];
        }
    }
    lam_job resolved;
    lam_provenance about;
    LAM_TRY(provenance_of(r, &resolved, &about));
    lam_result result;
    LAM_TRY(lam_provenance_result(&about, &result, &r->arena, r->error));
    result.groups = groups, result.group_count = count;
    LAM_TRY(lam_result_write(r->request->output, &result, r->error));
    lam_log(LAM_NORMAL, "wrote %s", r->request->output);
    lam_run_folder_remove(&r->folder);
    return LAM_OK;
}

// The data's way. Every step ends in an agreement: all ranks go on, or none does.
static lam_code run(lam_run_state *r) {
    LAM_TRY(lam_comm_agree(r->comm, lam_run_open(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, lam_run_resolve(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, name_folder(r), r->error));
    LAM_TRY(lam_run_sequences(r));
    LAM_TRY(lam_run_lay_out(r));
    LAM_TRY(lam_comm_agree(r->comm, check_exports(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, load(r), r->error));
    LAM_TRY(share_folder(r));
    if (r->ended) return LAM_OK;
    lam_keeper_create(&r->keeper, &r->folder, r->request->job->globals.checkpoint, r->resumed);
    lam_code code = lam_run_layers(r);
    lam_keeper_destroy(&r->keeper);
    // All ranks' files are there before rank 0 says so, or removes them.
    LAM_TRY(lam_comm_agree(r->comm, code, r->error));
    LAM_TRY(lam_comm_follow(r->comm, write_result(r), r->error));
    return lam_memory_report(r->comm, r->error);
}

// On rank 0: what is kept stays for a later run, but where that would fail again.
static void leave_folder(lam_run_state *r, lam_code code) {
    if (code == LAM_OK || r->comm->rank != 0 || !r->folder.path) return;
    const bool holds = lam_run_folder_holds(&r->folder);
    if (r->opened && (!holds || code == LAM_USAGE || code == LAM_INPUT || code == LAM_NUMERIC))
        lam_run_folder_remove(&r->folder);
    if (code != LAM_INTERRUPTED) return;
    char how[sizeof r->error->text / 2];
    snprintf(how, sizeof how, "%.*s", (int)sizeof how - 1, r->error->text);
    if (holds)
        lam_fail(r->error, code, "%s; what is done is kept in %s: go on with --resume", how,
                 r->folder.path);
    else
        lam_fail(r->error, code, "%s before anything was finished", how);
}

lam_code lam_run(const lam_run_request *request, lam_error *error) {
    lam_run_state r = {.request = request,
                       .comm = request->comm,
                       .team = lam_team_alone, // until there is a layout
                       .texts.seed = (uint64_t)request->job->globals.seed,
                       .error = error};
    lam_seconds_begin(&r.seconds);
    lam_code code = lam_progress_create(&r.progress, r.comm, request->progress, &r.arena, error);
    code = lam_comm_agree(r.comm, code, error);
    if (code == LAM_OK) code = run(&r);
    leave_folder(&r, code);
    for (size_t i = 0; r.part && i < r.part_count; i++)
        for (int64_t l = 0; r.part[i].layer_arena && l < r.layer_count; l++)
            lam_arena_destroy(&r.part[i].layer_arena[l]);
    lam_run_folder_close(&r.folder);
    lam_team_destroy(&r.team);
    lam_texts_destroy(&r.texts);
    lam_checkpoint_close(r.checkpoint);
    lam_arena_destroy(&r.weights);
    lam_arena_destroy(&r.arena);
    return code;
}
