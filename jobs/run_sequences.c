#include "jobs/run_state.h"

#include <string.h>

// Collective: every text is read and tokenized once, whichever parts want it.
static lam_code read_texts(lam_run_state *r) {
    for (size_t i = 0; i < r->part_count; i++) {
        lam_part *part = &r->part[i];
        if (part->run.profile->needs_no_text) continue;
        LAM_TRY(lam_texts_get(&r->texts, r->comm, r->request->model, part->run.input, r->config,
                              &part->text, r->error));
    }
    // Only rank 0 needs them, or the tokenizer, from now on.
    if (r->comm->rank != 0) lam_texts_destroy(&r->texts);
    return LAM_OK;
}

// On rank 0: what the part's sequences are taken from.
static lam_code source_of(lam_run_state *r, lam_part *part, lam_source *source) {
    *source = (lam_source){0};
    if (part->run.profile->needs_no_text)
        LAM_TRY(lam_texts_tokenizer(&r->texts, r->request->model, r->config, r->error));
    if (part->text) source->text = lam_texts_running(part->text, part->run.input);
    source->tokenizer = r->texts.tokenizer;
    return LAM_OK;
}

// On rank 0: takes the sequences of every profile; equal ones share a pass.
static lam_code take_sequences(lam_run_state *r) {
    if (r->comm->rank != 0) return LAM_OK;
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

lam_code lam_run_sequences(lam_run_state *r) {
    LAM_TRY(read_texts(r));
    LAM_TRY(lam_comm_follow(r->comm, take_sequences(r), r->error));
    LAM_TRY(lam_comm_agree(r->comm, share_sequences(r), r->error));
    return lam_comm_agree(r->comm, cut_chunks(r), r->error);
}
