#include "jobs/gather.h"
#include "jobs/run_state.h"

// The sites that a pass's profiles want to see.
static lam_site_set sites_of(const lam_run_state *r, size_t pass) {
    lam_site_set sites = 0;
    for (size_t i = 0; i < r->part_count; i++)
        if (r->part[i].pass == pass) sites |= r->part[i].sites;
    return sites;
}

int64_t lam_run_rounds(const lam_run_state *r, size_t pass) {
    int64_t rounds = 0;
    for (size_t i = 0; i < r->part_count; i++)
        if (r->part[i].pass == pass && r->part[i].rounds > rounds) rounds = r->part[i].rounds;
    return rounds;
}

// The forward passes of all profiles.
static void add_passes(const lam_run_state *r, lam_work *layer) {
    const int64_t layers = r->config->layers;
    for (size_t pass = 0; pass < r->pass_count; pass++) {
        const lam_sequences *q = &r->passes[pass];
        const double rounds = (double)lam_run_rounds(r, pass);
        lam_work each = {0}, last = {0}, embedding = {0};
        lam_cost_layer(r->config, q, 0, q->count, ~(lam_site_set)0, &each);
        lam_cost_layer(r->config, q, 0, q->count, sites_of(r, pass), &last);
        lam_cost_embedding(r->config, q->start[q->count], &embedding);
        for (int64_t l = 0; l < layers; l++)
            lam_work_add(&layer[l], l < layers - 1 ? &each : &last, rounds);
        lam_work_add(&layer[0], &embedding, rounds);
    }
}

// The model again with a layer changed: each change begins in its layer, and the residual that it
// begins with goes on by one layer for every one that is changed.
static void add_changes(const lam_run_state *r, const lam_part *part, lam_work *layer) {
    const int64_t layers = r->config->layers;
    const lam_sequences *q = part->run.sequences;
    lam_work each = {0}, head = {0};
    if (!part->intervenes) return;
    lam_cost_layer(r->config, q, 0, part->asked.sequences, ~(lam_site_set)0, &each);
    lam_cost_head(r->config, q->start[part->asked.sequences], &head);
    for (int64_t l = 0; l < layers; l++)
        lam_work_add(&layer[l], &each, (double)(2 + part->asked.changes * (l + 1)));
    lam_work_add(&layer[layers - 1], &head, (double)(1 + part->asked.changes * layers));
}

void lam_run_costs(const lam_run_state *r, lam_work *layer) {
    add_passes(r, layer);
    for (size_t i = 0; i < r->part_count; i++) {
        const lam_part *part = &r->part[i];
        lam_profile_cost cost = {.remedy = ""};
        if (part->run.profile->cost) part->run.profile->cost(&part->run, &cost);
        for (int64_t l = 0; l < r->config->layers; l++) {
            lam_work_add(&layer[l], &cost.seen, (double)part->rounds);
            lam_work_add(&layer[l], &cost.work, 1);
        }
        add_changes(r, part, layer);
    }
}

lam_code lam_run_layout(const lam_run_state *r, int ranks, lam_layout *layout, lam_arena *arena,
                        lam_error *error) {
    const int64_t layers = r->config->layers;
    lam_work *work;
    double *seconds;
    LAM_ALLOC(work, arena, layers, error);
    LAM_ALLOC(seconds, arena, layers, error);
    lam_run_costs(r, work);
    for (int64_t l = 0; l < layers; l++) seconds[l] = lam_work_seconds(&work[l]);
    return lam_layout_create(layout, layers, ranks, seconds, arena, error);
}

static lam_code place(lam_run_state *r) {
    LAM_TRY(lam_run_layout(r, r->comm->size, &r->layout, &r->arena, r->error));
    const lam_place mine = lam_layout_place(&r->layout, r->comm->rank);
    r->leads = mine.member == 0;
    r->first_layer = mine.first_layer;
    r->layer_count = mine.layer_count;
    return LAM_OK;
}

// Collective: the tokens, to those who embed them too.
static lam_code share_tokens(lam_run_state *r) {
    lam_code code = LAM_OK;
    for (size_t i = 0; r->first_layer == 0 && i < r->pass_count && code == LAM_OK; i++)
        code = lam_gather_text(&r->team, &r->passes[i], &r->arena, r->error);
    return r->team.close(&r->team, code, r->error);
}

lam_code lam_run_lay_out(lam_run_state *r) {
    LAM_TRY(lam_comm_agree(r->comm, place(r), r->error));
    LAM_TRY(lam_team_create(r->comm, &r->layout, &r->team, r->error));
    return lam_comm_agree(r->comm, share_tokens(r), r->error);
}
