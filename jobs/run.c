#include "jobs/run.h"

#include "io/checkpoint.h"
#include "io/result_file.h"
#include "io/result_read.h"
#include "io/run_layer.h"
#include "jobs/gather.h"
#include "jobs/intervene.h"
#include "jobs/keeper.h"
#include "jobs/memory.h"
#include "jobs/provenance.h"
#include "jobs/texts.h"
#include "jobs/together.h"
#include "mpi/collect.h"
#include "mpi/pipeline.h"
#include "mpi/team.h"
#include "src/log.h"
#include "src/stop.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_GROUPS = 16 }; // of one profile

// What one profile does in this run.
typedef struct lam_part {
    lam_profile_run run;
    const lam_text_tokens *text; // on rank 0; NULL where it needs none
    size_t pass;                 // which of the run's passes through the model it sees
    lam_site_set sites;
    void **state;           // [own layer]
    lam_arena *layer_arena; // [own layer]
    bool *kept;             // [own layer] finished by an earlier run
    lam_group mine[MAX_GROUPS], whole[MAX_GROUPS];
    size_t group_count, written_count; // the written ones come first
    bool buffers;
    int64_t rounds; // times that it sees its sequences
    bool intervenes, outgrows;
    lam_intervention asked; // where it does
} lam_part;

typedef struct lam_run_state {
    const lam_run_request *request;
    const lam_comm *comm;
    lam_arena arena, weights; // for the whole run; until the last pass is through
    lam_progress *progress;
    lam_checkpoint *checkpoint;
    const lam_model_config *config;
    lam_layout layout;
    lam_team team;                    // of this rank's layers
    bool leads;                       // it: what all members find, this rank alone counts and keeps
    int64_t first_layer, layer_count; // this rank's
    lam_model model;
    char model_sha256[LAM_SHA256_TEXT];
    lam_part *part; // [job section]
    size_t part_count;
    lam_run_folder folder;
    bool resumed;                     // there is something in the folder
    lam_keeper keeper;                // where this rank has layers
    bool opened;                      // on rank 0: the folder is this run's
    bool ended;                       // nothing is left to do: the result of this very run is there
    int64_t *rounds;                  // [pass] that any rank's layers need, those not kept
    char run_sha256[LAM_SHA256_TEXT]; // on rank 0: of what decides the bits
    lam_texts texts;                  // on rank 0
    lam_sequences *passes; // sequences that go through the model, each once for all profiles that
    size_t pass_count;     // asked for the same
    lam_chunks *chunks;    // [pass]
    lam_memory memory;
    size_t current_pass;
    int64_t current_round;
    lam_seconds seconds;
    lam_error *error;
} lam_run_state;

static lam_code open_model(lam_run_state *r) {
    LAM_TRY(lam_run_folder_name(&r->folder, r->request->output, &r->arena, r->error));
    LAM_TRY(lam_checkpoint_open(r->request->model, &r->checkpoint, r->error));
    r->config = lam_checkpoint_config(r->checkpoint);
    LAM_TRY(
        lam_layout_create(&r->layout, r->config->layers, r->comm->size, NULL, &r->arena, r->error));
    const lam_place place = lam_layout_place(&r->layout, r->comm->rank);
    r->leads = place.member == 0;
    r->first_layer = place.first_layer;
    r->layer_count = place.layer_count;
    return LAM_OK;
}

// Fills in what the job left open, now that the model is known.
static lam_code resolve(lam_run_state *r) {
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

// On rank 0: what the part's sequences are taken from. Its text is read and tokenized now, unless
// an earlier part's is the same.
static lam_code source_of(lam_run_state *r, lam_part *part, lam_source *source) {
    *source = (lam_source){0};
    if (part->run.profile->needs_no_text)
        LAM_TRY(lam_texts_tokenizer(&r->texts, r->request->model, r->config, r->error));
    else
        LAM_TRY(lam_texts_get(&r->texts, r->request->model, part->run.input, r->config, &part->text,
                              r->error));
    if (part->text) source->text = lam_texts_running(part->text, part->run.input);
    source->tokenizer = r->texts.tokenizer;
    return LAM_OK;
}

// On rank 0: reads and tokenizes every text once, and takes the sequences of every profile; equal
// ones share a pass.
static lam_code take_sequences(lam_run_state *r) {
    if (r->comm->rank != 0) return LAM_OK;
    LAM_TRY(lam_result_check_output(r->request->output, r->error));
    LAM_TRY(lam_run_folder_check(&r->folder, r->request->resume, r->error));
    for (size_t i = 0; i < r->part_count; i++) {
        lam_part *part = &r->part[i];
        lam_source source;
        LAM_TRY(source_of(r, part, &source));
        lam_sequences *taken = &r->passes[r->pass_count];
        if (part->run.profile->take(&part->run, &source, taken, &r->arena, r->error) != LAM_OK)
            return part->text ? lam_fail_within(r->error, "%s", part->text->path) : r->error->code;
        for (part->pass = 0; !lam_sequences_equal(&r->passes[part->pass], taken);) part->pass++;
        r->pass_count += part->pass == r->pass_count;
    }
    return LAM_OK;
}

// That what profiles write beside the result could be written.
static lam_code check_exports(lam_run_state *r) {
    for (size_t i = 0; i < r->part_count; i++)
        if (r->part[i].run.profile->check_export)
            LAM_TRY(r->part[i].run.profile->check_export(&r->part[i].run, r->error));
    return LAM_OK;
}

// Collective: all that the other ranks need of them, which is not the tokens.
static lam_code share_sequences(lam_run_state *r) {
    const lam_comm *comm = r->comm;
    LAM_TRY(lam_comm_broadcast(comm, &r->pass_count, sizeof r->pass_count, 0, r->error));
    for (size_t i = 0; i < r->part_count; i++)
        LAM_TRY(lam_comm_broadcast(comm, &r->part[i].pass, sizeof r->part[i].pass, 0, r->error));
    for (size_t i = 0; i < r->pass_count; i++) {
        lam_sequences *q = &r->passes[i];
        int64_t count = q->count;
        LAM_TRY(lam_comm_broadcast(comm, &count, sizeof count, 0, r->error));
        lam_code code = LAM_OK;
        if (comm->rank != 0) code = lam_sequences_create(q, count, NULL, &r->arena, r->error);
        LAM_TRY(lam_comm_agree(comm, code, r->error));
        LAM_TRY(lam_comm_broadcast(comm, q->start, (size_t)(count + 1) * sizeof *q->start, 0,
                                   r->error));
        LAM_TRY(lam_comm_broadcast(comm, q->label, (size_t)count * sizeof *q->label, 0, r->error));
    }
    for (size_t i = 0; i < r->part_count; i++)
        r->part[i].run.sequences = &r->passes[r->part[i].pass];
    return LAM_OK;
}

// Collective: the tokens, to those who embed them too.
static lam_code share_tokens(lam_run_state *r) {
    lam_code code = LAM_OK;
    for (size_t i = 0; r->first_layer == 0 && i < r->pass_count && code == LAM_OK; i++)
        code = lam_gather_text(&r->team, &r->passes[i], &r->arena, r->error);
    return r->team.close(&r->team, code, r->error);
}

// How each pass's sequences come: in chunks that suit all its profiles.
static lam_code cut_chunks(lam_run_state *r) {
    LAM_ALLOC(r->chunks, &r->arena, r->pass_count, r->error);
    for (size_t pass = 0; pass < r->pass_count; pass++) {
        int64_t most = 0;
        for (size_t i = 0; i < r->part_count; i++) {
            lam_part *part = &r->part[i];
            lam_buffering asked = {.rounds = 1};
            if (part->pass != pass) continue;
            part->run.chunks = &r->chunks[pass];
            part->buffers =
                part->run.profile->buffers && part->run.profile->buffers(&part->run, &asked);
            part->rounds = asked.rounds;
            if (part->buffers && (!most || asked.sequences < most)) most = asked.sequences;
        }
        LAM_TRY(lam_chunks_cut(&r->passes[pass], most, &r->chunks[pass], &r->arena, r->error));
    }
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

static lam_code make_groups(lam_run_state *r, lam_part *part) {
    lam_profile_group groups[MAX_GROUPS];
    LAM_TRY(part->run.profile->groups(&part->run, groups, MAX_GROUPS, &part->group_count, &r->arena,
                                      r->error));
    for (size_t g = 0; g < part->group_count; g++) {
        lam_dimension *dimensions;
        size_t count = groups[g].dimension_count;
        part->written_count += !groups[g].unwritten;
        LAM_ALLOC(dimensions, &r->arena, count + 3, r->error);
        memcpy(dimensions, groups[g].dimensions, count * sizeof *dimensions);
        dimensions[count++] = (lam_dimension){"layer", r->config->layers};
        dimensions[count++] = (lam_dimension){"head", r->config->heads};
        dimensions[count++] = (lam_dimension){"component", 3};
        LAM_TRY(lam_group_create(&part->mine[g], groups[g].name, groups[g].variables, dimensions,
                                 count, r->first_layer, r->layer_count, &r->arena, r->error));
        if (r->comm->rank == 0)
            LAM_TRY(lam_group_create(&part->whole[g], groups[g].name, groups[g].variables,
                                     dimensions, count, 0, r->config->layers, &r->arena, r->error));
    }
    return LAM_OK;
}

// Makes a profile's groups, and finds what an earlier run finished of this rank's layers. What a
// profile asks of the model afterwards needs all its layers anew.
static lam_code open_part(lam_run_state *r, lam_part *part) {
    part->outgrows = part->run.profile->outgrows && part->run.profile->outgrows(&part->run);
    LAM_TRY(lam_memory_check(&r->memory, &part->run, r->layer_count, r->error));
    LAM_TRY(make_groups(r, part));
    LAM_ALLOC(part->state, &r->arena, r->layer_count, r->error);
    LAM_ALLOC(part->layer_arena, &r->arena, r->layer_count, r->error);
    LAM_ALLOC(part->kept, &r->arena, r->layer_count, r->error);
    for (int64_t l = 0; l < r->layer_count && r->leads; l++)
        if (r->resumed && !part->intervenes)
            LAM_TRY(lam_run_layer_load(&r->folder, part->run.profile->name, r->first_layer + l,
                                       part->mine, part->group_count, &part->kept[l], r->error));
    return LAM_OK;
}

// Makes what one profile keeps of the layers that are not finished, on all members alike.
static lam_code begin_part(lam_run_state *r, lam_part *part) {
    const size_t kept[] = {0, (size_t)r->layer_count * sizeof *part->kept};
    LAM_TRY(r->team.gather(&r->team, part->kept, 1, kept, r->error));
    for (int64_t l = 0; l < r->layer_count; l++)
        if (!part->kept[l])
            LAM_TRY(part->run.profile->begin(&part->run, r->first_layer + l, &part->layer_arena[l],
                                             &part->state[l], r->error));
    return LAM_OK;
}

static lam_code open_layers(lam_run_state *r) {
    LAM_ALLOC(r->rounds, &r->arena, r->pass_count, r->error);
    r->memory = lam_memory_of(r->comm);
    for (size_t i = 0; i < r->part_count; i++) LAM_TRY(open_part(r, &r->part[i]));
    return LAM_OK;
}

// Collective.
static lam_code begin_layers(lam_run_state *r) {
    lam_code code = LAM_OK;
    for (size_t i = 0; i < r->part_count && code == LAM_OK; i++) code = begin_part(r, &r->part[i]);
    return r->team.close(&r->team, code, r->error);
}

// Whether a profile sees what passes now.
static bool sees(const lam_run_state *r, const lam_part *part) {
    return part->pass == r->current_pass && r->current_round < part->rounds;
}

static void see(void *user, const lam_view *view) {
    lam_run_state *r = user;
    for (size_t i = 0; i < r->part_count; i++) {
        lam_part *part = &r->part[i];
        const int64_t layer = view->layer - r->first_layer;
        if (sees(r, part) && part->sites & LAM_SITE_BIT(view->site) && !part->kept[layer])
            part->run.profile->see(&part->run, part->state[layer], view);
    }
}

static void tick_tokens(void *user, int64_t tokens) {
    lam_run_state *r = user;
    lam_progress_add(r->progress, tokens * r->layer_count, "layers %lld to %lld",
                     (long long)r->first_layer, (long long)(r->first_layer + r->layer_count - 1));
}

// Collective: ends a stage's progress and agrees on what each rank's part of it came to.
static lam_code end_stage(lam_run_state *r, const char *stage, lam_code code) {
    lam_error broken;
    if (code == LAM_PEER) return code;
    if (lam_progress_end(r->progress, lam_seconds_of(&r->seconds, stage), &broken) != LAM_OK &&
        code == LAM_OK)
        *r->error = broken, code = broken.code;
    LAM_TRY(lam_comm_agree(r->comm, code, r->error));
    lam_progress_report(r->progress);
    return LAM_OK;
}

typedef struct lam_layer_tick {
    lam_progress *progress;
    lam_keeper *keeper;
    const char *profile;
    int64_t layer;
    bool leads;
} lam_layer_tick;

static bool tick_units(void *user, int64_t units, const char *detail) {
    const lam_layer_tick *tick = user;
    lam_progress_add(tick->progress, tick->leads ? units : 0, "layer %lld, %s",
                     (long long)tick->layer, detail);
    return !lam_stop_asked();
}

// Of work between the chunks of a stage that counts tokens.
static bool tick_detail(void *user, int64_t units, const char *detail) {
    (void)units;
    return tick_units(user, 0, detail);
}

// How often this rank's layers still need each pass.
static void find_needs(lam_run_state *r) {
    for (size_t i = 0; i < r->part_count; i++) {
        const lam_part *part = &r->part[i];
        for (int64_t l = 0; l < r->layer_count; l++)
            if (!part->kept[l] && r->rounds[part->pass] < part->rounds)
                r->rounds[part->pass] = part->rounds;
    }
}

// The sites that this rank's layers want to see of what passes now.
static lam_site_set wanted(const lam_run_state *r) {
    lam_site_set sites = 0;
    for (size_t i = 0; i < r->part_count; i++)
        for (int64_t l = 0; l < r->layer_count; l++)
            if (sees(r, &r->part[i]) && !r->part[i].kept[l]) sites |= r->part[i].sites;
    return sites;
}

// What the profiles that buffer do with a chunk.
static lam_code drain(lam_run_state *r) {
    for (size_t i = 0; i < r->part_count; i++) {
        lam_part *part = &r->part[i];
        for (int64_t l = 0; sees(r, part) && part->buffers && l < r->layer_count; l++) {
            lam_layer_tick at = {
                .progress = r->progress, .layer = r->first_layer + l, .leads = r->leads};
            lam_tick tick = {.add = tick_detail, .user = &at};
            if (part->kept[l]) continue;
            lam_code code = part->run.profile->drain(&part->run, at.layer, part->state[l],
                                                     part->mine, &tick, r->error);
            if (r->team.close(&r->team, code, r->error) != LAM_OK)
                return lam_fail_within(r->error, "%s, layer %lld", part->run.profile->name,
                                       (long long)at.layer);
        }
    }
    return LAM_OK;
}

// Collective.
static lam_code run_chunk(lam_run_state *r, int64_t chunk) {
    const int64_t *first = &r->chunks[r->current_pass].first[chunk];
    lam_sequences sequences = r->passes[r->current_pass];
    sequences.count = first[1];
    lam_hooks hooks = {.sites = wanted(r), .see = see, .user = r, .residual_unused = true};
    lam_pipeline pipeline = {.comm = r->comm,
                             .layout = &r->layout,
                             .model = &r->model,
                             .sequences = &sequences,
                             .first = first[0],
                             .hooks = &hooks,
                             .tick = tick_tokens,
                             .user = r};
    LAM_TRY(lam_pipeline_run(&pipeline, r->error));
    return lam_comm_agree(r->comm, drain(r), r->error);
}

static lam_code run_pass(lam_run_state *r, size_t pass) {
    r->current_pass = pass;
    for (r->current_round = 0; r->current_round < r->rounds[pass]; r->current_round++)
        for (int64_t chunk = 0; chunk < r->chunks[pass].count; chunk++)
            LAM_TRY(run_chunk(r, chunk));
    return LAM_OK;
}

// Collective: every pass of sequences through the model that any layer still needs.
static lam_code forward(lam_run_state *r) {
    find_needs(r);
    LAM_TRY(lam_comm_check(MPI_Allreduce(MPI_IN_PLACE, r->rounds, (int)r->pass_count, MPI_INT64_T,
                                         MPI_MAX, r->comm->mpi),
                           "agreeing on passes", r->error));
    int64_t tokens = 0;
    for (size_t i = 0; i < r->pass_count; i++)
        tokens += r->rounds[i] * r->passes[i].start[r->passes[i].count];
    lam_progress_begin(r->progress, "forward pass", "tokens", tokens * r->config->layers,
                       r->config->layers);
    lam_code code = LAM_OK;
    for (size_t i = 0; i < r->pass_count && code == LAM_OK; i++) code = run_pass(r, i);
    lam_arena_destroy(&r->weights);
    return end_stage(r, "forward", code);
}

static lam_code tick_restore(void *user, lam_state *state, bool *found, lam_error *error) {
    const lam_layer_tick *tick = user;
    return lam_keeper_restore(tick->keeper, tick->profile, tick->layer, state, found, error);
}

static lam_code tick_keep(void *user, const lam_state *state, bool now, lam_error *error) {
    const lam_layer_tick *tick = user;
    return lam_keeper_state(tick->keeper, state, now, error);
}

// The layer function of one profile over this rank's layers.
static lam_code finish_layers(lam_run_state *r, lam_part *part) {
    for (int64_t l = 0; l < r->layer_count; l++) {
        lam_layer_tick at = {r->progress, &r->keeper, part->run.profile->name, r->first_layer + l,
                             r->leads};
        if (part->kept[l]) {
            tick_units(&at, part->run.profile->units(&part->run), "kept");
            continue;
        }
        lam_tick tick = {tick_units, tick_restore, tick_keep, &at};
        lam_code code = part->run.profile->finish(&part->run, at.layer, part->state[l], part->mine,
                                                  &tick, &part->layer_arena[l], r->error);
        if (r->team.close(&r->team, code, r->error) != LAM_OK)
            return lam_fail_within(r->error, "%s, layer %lld", part->run.profile->name,
                                   (long long)at.layer);
        if (part->intervenes || part->outgrows) continue;
        lam_arena_destroy(&part->layer_arena[l]);
        if (r->leads)
            lam_keeper_layer(&r->keeper, at.profile, at.layer, part->mine, part->group_count);
    }
    return LAM_OK;
}

typedef struct lam_shared_part {
    lam_run_state *run;
    lam_part *part;
} lam_shared_part;

static void end_shared_layer(void *user, int64_t layer) {
    const lam_shared_part *shared = user;
    if (shared->part->intervenes) return;
    lam_arena_destroy(&shared->part->layer_arena[layer - shared->run->first_layer]);
    if (shared->run->leads)
        lam_keeper_layer(&shared->run->keeper, shared->part->run.profile->name, layer,
                         shared->part->mine, shared->part->group_count);
    lam_progress_add(shared->run->progress, shared->run->leads, "layer %lld", (long long)layer);
}

// Collective: what the layer functions left to all ranks.
static lam_code work_together(lam_run_state *r, lam_part *part) {
    if (!part->outgrows) return LAM_OK;
    lam_shared_part shared = {r, part};
    lam_together_request request = {.comm = r->comm,
                                    .layout = &r->layout,
                                    .run = &part->run,
                                    .state = part->state,
                                    .kept = part->kept,
                                    .groups = part->mine,
                                    .done = end_shared_layer,
                                    .user = &shared};
    lam_progress_begin(r->progress, "shared matrices", "layers", r->config->layers, 1);
    return end_stage(r, "shared_matrices", lam_together(&request, r->error));
}

static void tick_changed(void *user, int64_t steps, int64_t layer) {
    lam_progress_add(user, steps, "layer %lld changed", (long long)layer);
}

// Collective: what the profile asks of the changed model.
static lam_code intervene(lam_run_state *r, lam_part *part) {
    if (!part->intervenes) return LAM_OK;
    lam_intervene_request request = {.comm = r->comm,
                                     .layout = &r->layout,
                                     .checkpoint = r->checkpoint,
                                     .run = &part->run,
                                     .asked = &part->asked,
                                     .state = part->state,
                                     .groups = part->mine,
                                     .tick = tick_changed,
                                     .user = r->progress};
    lam_progress_begin(r->progress, "interventions", "tokens", lam_intervene_steps(&request),
                       lam_intervene_steps_each(&request));
    lam_code code = lam_intervene(&request, r->error);
    for (int64_t l = 0; l < r->layer_count; l++) lam_arena_destroy(&part->layer_arena[l]);
    return end_stage(r, "interventions", code);
}

// Collective: all layer functions of one profile, then its rows to rank 0.
static lam_code analyse(lam_run_state *r, lam_part *part) {
    const lam_profile *profile = part->run.profile;
    lam_progress_begin(r->progress, profile->name, profile->unit,
                       profile->units(&part->run) * r->config->layers, 1);
    lam_code code = finish_layers(r, part);
    LAM_TRY(end_stage(r, profile->name, code));
    LAM_TRY(work_together(r, part));
    LAM_TRY(intervene(r, part));
    for (size_t g = 0; g < part->group_count; g++)
        LAM_TRY(lam_collect_group(r->comm, &r->layout, &part->mine[g], &part->whole[g], r->error));
    return LAM_OK;
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

static lam_code work_layers(lam_run_state *r) {
    LAM_TRY(lam_comm_agree(r->comm, open_layers(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, begin_layers(r), r->error));
    LAM_TRY(forward(r));
    for (size_t i = 0; i < r->part_count; i++)
        LAM_TRY(lam_comm_agree(r->comm, analyse(r, &r->part[i]), r->error));
    return LAM_OK;
}

// The data's way. Every step ends in an agreement: all ranks go on, or none does.
static lam_code run(lam_run_state *r) {
    LAM_TRY(lam_comm_agree(r->comm, open_model(r), r->error));
    LAM_TRY(lam_team_create(r->comm, &r->layout, &r->team, r->error));
    LAM_TRY(lam_comm_agree(r->comm, resolve(r), r->error));
    LAM_TRY(lam_comm_follow(r->comm, take_sequences(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, share_sequences(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, share_tokens(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, cut_chunks(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, check_exports(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, load(r), r->error));
    LAM_TRY(share_folder(r));
    if (r->ended) return LAM_OK;
    lam_keeper_create(&r->keeper, &r->folder, r->request->job->globals.checkpoint, r->resumed);
    lam_code code = work_layers(r);
    lam_keeper_destroy(&r->keeper);
    // All ranks' files are there before rank 0 says so, or removes them.
    LAM_TRY(lam_comm_agree(r->comm, code, r->error));
    return lam_comm_follow(r->comm, write_result(r), r->error);
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
    lam_team_destroy(&r.team);
    lam_texts_destroy(&r.texts);
    lam_checkpoint_close(r.checkpoint);
    lam_arena_destroy(&r.weights);
    lam_arena_destroy(&r.arena);
    return code;
}
