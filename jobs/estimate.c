#include "jobs/estimate.h"

#include "io/run_writer.h"
#include "src/next_token.h"

#include <math.h>

enum {
    MESSAGE_BUFFERS = 3,               // of the pipeline
    SEQUENCE_BYTES = 8 + 4,            // of its tables, that every rank holds and is sent
    HEADER_BYTES = 16 * sizeof(float), // of a message
    MOST_BATCHES = 2048,               // that the pipeline is simulated for; more are alike
    PARTS_OF_STATE = 2                 // states of a layer that a run folder holds
};

// Seconds of a run's end: rank 0 writes the result. On local disks, for results of some megabytes.
static const double writing = 0.2;

static lam_profile_cost cost_of(const lam_part *part) {
    lam_profile_cost cost = {.remedy = ""};
    if (part->run.profile->cost) part->run.profile->cost(&part->run, &cost);
    return cost;
}

static double group_bytes(const lam_group *group, bool of_layer) {
    double bytes = 0;
    for (size_t v = 0; v < group->variable_count; v++)
        if (lam_variable_has_layer(&group->variables[v]) == of_layer)
            bytes += (double)lam_group_row_count(group, v) *
                     (double)lam_type_size(group->variables[v].type);
    return bytes;
}

// A layer's rows of all groups of a part, or only of those that are written.
static double row_bytes(const lam_part *part, bool written) {
    double bytes = 0;
    for (size_t g = 0; g < (written ? part->written_count : part->group_count); g++)
        bytes += group_bytes(&part->mine[g], true);
    return bytes;
}

// --- memory

// What a rank of the layout holds of all parts from the first on, for so many layers.
static double kept_from(const lam_run_state *r, size_t first, double layers) {
    double bytes = 0;
    for (size_t i = first; i < r->part_count; i++) bytes += layers * cost_of(&r->part[i]).kept;
    return bytes;
}

static double forward_bytes(const lam_estimate *e, size_t pass) {
    const lam_run_state *r = e->run;
    bool fc = false;
    for (size_t i = 0; i < r->part_count; i++)
        fc = fc || (r->part[i].pass == pass && r->part[i].sites & LAM_SITE_BIT(LAM_SITE_MLP_FC));
    return lam_cost_forward_bytes(r->config, &r->passes[pass], e->threads, fc) +
           MESSAGE_BUFFERS * lam_cost_message_bytes(r->config, &r->passes[pass]);
}

static lam_checkpoint_part weights_of(const lam_layout *layout, const lam_place *place,
                                      bool changes) {
    const bool last = changes && place->team == layout->teams - 1;
    return (lam_checkpoint_part){.first_layer = place->first_layer,
                                 .layer_count = place->layer_count,
                                 .embedding = place->team == 0,
                                 .final_norm = last,
                                 .head = last};
}

// While the model runs again, changed.
static double changing_bytes(const lam_estimate *e, const lam_layout *layout,
                             const lam_place *place, const lam_part *part) {
    const lam_run_state *r = e->run;
    const lam_checkpoint_part weights = weights_of(layout, place, true);
    const double tokens = (double)part->run.sequences->start[part->asked.sequences];
    double bytes = (double)lam_checkpoint_part_bytes(r->checkpoint, &weights) +
                   forward_bytes(e, part->pass) + tokens * (double)r->config->width * sizeof(float);
    if (weights.head)
        bytes += (double)LAM_NEXT_TOKEN_ROWS * (double)r->config->vocabulary * sizeof(float);
    return bytes;
}

// Copies of what layers keep, this rank's share of each, that wait to be written and the one that
// is to join them; none where nothing is kept.
static double waiting_bytes(const lam_run_state *r, const lam_place *place) {
    const double members = place->members,
                 all = kept_from(r, 0, (double)place->layer_count) / members;
    double largest = 0;
    if (!(r->request->job->globals.checkpoint > 0)) return 0;
    for (size_t i = 0; i < r->part_count; i++)
        largest = fmax(largest, cost_of(&r->part[i]).kept / members);
    return fmin(all, fmax(LAM_RUN_WRITER_BYTES, largest) + largest);
}

double lam_estimate_memory(const lam_estimate *e, const lam_layout *layout, int rank,
                           bool keeping) {
    const lam_run_state *r = e->run;
    const lam_place place = lam_layout_place(layout, rank);
    const lam_checkpoint_part part = weights_of(layout, &place, false);
    const double layers = (double)place.layer_count, all = (double)layout->layers;
    double bytes = e->base + (rank == 0 ? e->first : 0), most = 0;
    for (size_t pass = 0; pass < r->pass_count; pass++) {
        bytes += (SEQUENCE_BYTES + 8) * (double)r->passes[pass].count;
        most = fmax(most, forward_bytes(e, pass));
    }
    most += (double)lam_checkpoint_part_bytes(r->checkpoint, &part) + kept_from(r, 0, layers);
    if (keeping) most += waiting_bytes(r, &place);
    for (size_t i = 0; i < r->part_count; i++) {
        const lam_profile_cost cost = cost_of(&r->part[i]);
        const double scratch = cost.split ? cost.scratch / place.members : cost.scratch;
        bytes += row_bytes(&r->part[i], false) * (rank == 0 ? layers + all : layers);
        // A state is copied to be written beside the training, when it is time.
        most = fmax(most, kept_from(r, i, layers) + scratch);
        if (r->part[i].intervenes)
            most = fmax(most,
                        kept_from(r, i, layers) + changing_bytes(e, layout, &place, &r->part[i]));
    }
    return bytes + most;
}

// --- disk

double lam_estimate_result(const lam_estimate *e) {
    const lam_run_state *r = e->run;
    double bytes = 0;
    for (size_t i = 0; i < r->part_count; i++)
        for (size_t g = 0; g < r->part[i].written_count; g++)
            bytes += group_bytes(&r->part[i].mine[g], true) * (double)r->config->layers +
                     group_bytes(&r->part[i].mine[g], false);
    return bytes;
}

double lam_estimate_folder(const lam_estimate *e, int teams) {
    const lam_run_state *r = e->run;
    double bytes = 0, state = 0;
    for (size_t i = 0; i < r->part_count; i++) {
        bytes += row_bytes(&r->part[i], false) * (double)r->config->layers;
        state = fmax(state, cost_of(&r->part[i]).state);
    }
    if (r->request->job->globals.checkpoint > 0) bytes += PARTS_OF_STATE * state * teams;
    return bytes;
}

double lam_estimate_export(const lam_estimate *e) {
    const lam_run_state *r = e->run;
    double bytes = 0;
    for (size_t i = 0; i < r->part_count; i++)
        bytes += cost_of(&r->part[i]).exported * (double)r->config->layers;
    return bytes;
}

// --- messages

static int64_t batch_count(const lam_sequences *q, int64_t end) {
    int64_t batches = 0;
    for (int64_t s = 0; s < end; batches++) s += lam_batch_from(q, s).count;
    return batches;
}

// A residual of so many tokens, in so many micro-batches, from one team to the next.
static double residual_bytes(const lam_run_state *r, double tokens, double batches) {
    return tokens * (double)r->config->width * sizeof(float) + batches * HEADER_BYTES;
}

// Of the changed passes each begins in its layer's team.
static void add_changed(const lam_run_state *r, const lam_layout *layout, const lam_part *part,
                        lam_traffic *traffic) {
    const int64_t end = part->asked.sequences;
    const double batches = (double)batch_count(part->run.sequences, end);
    double times = layout->teams - 1;
    if (!part->intervenes) return;
    for (int t = 0; t < layout->teams; t++)
        times += (double)(layout->layer[t + 1] - layout->layer[t]) * part->asked.changes *
                 (layout->teams - 1 - t);
    traffic->messages += times * batches;
    traffic->residual +=
        times * residual_bytes(r, (double)part->run.sequences->start[end], batches);
}

lam_traffic lam_estimate_traffic(const lam_estimate *e, const lam_layout *layout) {
    const lam_run_state *r = e->run;
    const double others = layout->ranks - 1;
    lam_traffic traffic = {.tables = others * (double)lam_checkpoint_tensor_count(r->checkpoint) *
                                     (LAM_SHA256_BYTES + 1) * 2};
    for (size_t pass = 0; pass < r->pass_count; pass++) {
        const lam_sequences *q = &r->passes[pass];
        const double batches = (double)batch_count(q, q->count),
                     times = (double)lam_run_rounds(r, pass) * (layout->teams - 1);
        traffic.messages += times * batches;
        traffic.residual += times * residual_bytes(r, (double)q->start[q->count], batches);
        traffic.tables += others * SEQUENCE_BYTES * (double)q->count +
                          (layout->lead[1] - 1) * (double)q->start[q->count] * sizeof(uint32_t);
    }
    for (size_t i = 0; i < r->part_count; i++) {
        const lam_part *part = &r->part[i];
        const lam_profile_cost cost = cost_of(part);
        traffic.rows += row_bytes(part, false) * (double)(layout->layers - layout->layer[1]);
        add_changed(r, layout, part, &traffic);
        for (int t = 0; t < layout->teams; t++) {
            const double members = layout->lead[t + 1] - layout->lead[t],
                         layers = (double)(layout->layer[t + 1] - layout->layer[t]);
            // Each member sends its share of every other's sums, and then of its own to every one;
            // and before it what it has kept of the text.
            traffic.teams += layers * (members - 1) * (cost.sent + cost.kept);
        }
    }
    return traffic;
}

double lam_traffic_bytes(const lam_traffic *t) {
    return t->residual + t->rows + t->teams + t->tables;
}

// --- time

static double layers_of(const lam_layout *layout, int team) {
    return (double)(layout->layer[team + 1] - layout->layer[team]);
}

static int members_of(const lam_layout *layout, int team) {
    return layout->lead[team + 1] - layout->lead[team];
}

static lam_site_set sites_of(const lam_run_state *r, size_t pass) {
    lam_site_set sites = 0;
    for (size_t i = 0; i < r->part_count; i++)
        if (r->part[i].pass == pass) sites |= r->part[i].sites;
    return sites;
}

// Seconds of a token in a team's layers: the last of the model is cut short.
static double token_seconds(const lam_estimate *e, const lam_layout *layout, size_t pass,
                            int team) {
    const lam_run_state *r = e->run;
    const lam_sequences *q = &r->passes[pass];
    double layers = layers_of(layout, team);
    if (team == layout->teams - 1) {
        lam_work each = {0}, last = {0};
        lam_cost_layer(r->config, q, 0, q->count, ~(lam_site_set)0, &each);
        lam_cost_layer(r->config, q, 0, q->count, sites_of(r, pass), &last);
        layers -= 1 - lam_work_seconds(&last) / lam_work_seconds(&each);
    }
    return layers * e->speeds.token[pass];
}

static lam_code add_forward(const lam_estimate *e, const lam_layout *layout,
                            const lam_network *network, size_t pass, lam_duration *d,
                            lam_arena *arena, lam_error *error) {
    const lam_run_state *r = e->run;
    const lam_sequences *q = &r->passes[pass];
    const double tokens = (double)q->start[q->count], rounds = (double)lam_run_rounds(r, pass);
    const int64_t batches = batch_count(q, q->count), chunks = r->chunks[pass].count,
                  each = (batches + chunks - 1) / chunks;
    double *seconds, found;
    LAM_ALLOC(seconds, arena, layout->teams, error);
    for (int t = 0; t < layout->teams; t++) {
        seconds[t] = token_seconds(e, layout, pass, t) * tokens / (double)batches;
        d->work += rounds * (double)batches * seconds[t];
    }
    lam_schedule schedule = {.teams = layout->teams,
                             .batches = each < MOST_BATCHES ? each : MOST_BATCHES,
                             .lead = layout->lead,
                             .seconds = seconds,
                             .bytes = residual_bytes(r, tokens / (double)batches, 1),
                             .network = *network};
    LAM_TRY(lam_schedule_run(&schedule, &found, error));
    found *= (double)each / (double)schedule.batches;
    d->forward += rounds * (double)chunks * found;
    return LAM_OK;
}

// What a team's members send each other of one layer, bytes each in all, to every other member
// alike. Of a team on two hosts what goes from one to the other shares a link.
static double team_seconds(const lam_layout *layout, int team, const lam_network *network,
                           double bytes) {
    const int members = members_of(layout, team), room = network->host_ranks,
              here = room - layout->lead[team] % room; // until the host is full
    if (here >= members) return bytes * (members - 1) / members / network->memory;
    const int there = members - here < room ? members - here : room;
    const double most = fmax((double)here * (members - here), (double)there * (members - there));
    return bytes * most / members / network->bandwidth;
}

// The slowest team's layers of a part.
static void add_part(const lam_estimate *e, const lam_layout *layout, const lam_network *network,
                     size_t i, lam_duration *d) {
    const lam_profile_cost cost = cost_of(&e->run->part[i]);
    double most = 0;
    for (int t = 0; t < layout->teams; t++) {
        const int members = members_of(layout, t);
        const double layers = layers_of(layout, t), alone = layers * e->speeds.layer[i];
        double seconds = cost.shared ? alone / members : alone;
        d->work += alone;
        if (members > 1)
            seconds += layers * team_seconds(layout, t, network, cost.sent + cost.kept);
        most = fmax(most, seconds);
    }
    d->profiles += most;
}

static void add_changes(const lam_estimate *e, const lam_layout *layout, const lam_part *part,
                        lam_duration *d) {
    const double tokens = (double)part->run.sequences->start[part->asked.sequences];
    const double changes = part->asked.changes, layers = (double)layout->layers;
    double most = 0;
    if (!part->intervenes) return;
    for (int t = 0; t < layout->teams; t++) {
        double passes = 0; // of one layer
        for (int64_t l = layout->layer[t]; l < layout->layer[t + 1]; l++)
            passes += 2 + changes * (double)(l + 1);
        double seconds = tokens * passes * e->speeds.token[part->pass];
        if (t == layout->teams - 1) seconds += tokens * e->speeds.head * (1 + changes * layers);
        d->work += seconds;
        most = fmax(most, seconds / members_of(layout, t));
    }
    d->changes += most + d->load;
}

// The share of what loading makes of weights that is stored.
static double stored_share(const lam_checkpoint *checkpoint) {
    const char *dtype = lam_checkpoint_tensor_at(checkpoint, 0).dtype;
    return dtype[0] == 'F' && dtype[1] == '3' ? 1 : 0.5;
}

static double load_seconds(const lam_estimate *e, const lam_layout *layout) {
    double most = 0;
    for (int t = 0; t < layout->teams; t++) {
        const lam_place place = lam_layout_place(layout, layout->lead[t]);
        const lam_checkpoint_part part = weights_of(layout, &place, false);
        const double bytes = (double)lam_checkpoint_part_bytes(e->run->checkpoint, &part);
        most = fmax(most, bytes * stored_share(e->run->checkpoint) * e->speeds.byte);
    }
    return most / e->threads;
}

lam_code lam_estimate_duration(const lam_estimate *e, const lam_layout *layout,
                               const lam_network *network, lam_duration *duration,
                               lam_error *error) {
    const lam_run_state *r = e->run;
    *duration = (lam_duration){.start = e->start, .load = load_seconds(e, layout), .end = writing};
    duration->work = duration->load * layout->ranks;
    lam_arena arena = {0};
    lam_code code = LAM_OK;
    for (size_t pass = 0; code == LAM_OK && pass < r->pass_count; pass++)
        code = add_forward(e, layout, network, pass, duration, &arena, error);
    for (size_t i = 0; i < r->part_count; i++) {
        add_part(e, layout, network, i, duration);
        add_changes(e, layout, &r->part[i], duration);
    }
    lam_arena_destroy(&arena);
    return code;
}

double lam_duration_seconds(const lam_duration *d) {
    return d->start + d->load + d->forward + d->profiles + d->changes + d->end;
}
