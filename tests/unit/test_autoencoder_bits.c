// The standard autoencoder gives the same bits for any number of threads and ranks, interrupted or
// not, and gone on with from what was kept of it.
#include "autoencoder_fixture.h"

#include "src/autoencoder_state.h"

#include <pthread.h>

enum { WIDTH = 70, LATENTS = 1600, ROWS = 1300, BATCH = 600, EPOCHS = 2, SEED = 11, LAYER = 2 };

enum { STRIDE = (WIDTH + LAM_COLUMN_TILE - 1) / LAM_COLUMN_TILE * LAM_COLUMN_TILE };

typedef struct weights {
    float encoder[LATENTS][STRIDE], decoder[LATENTS][STRIDE];
    float encoder_bias[LATENTS], decoder_bias[STRIDE];
} weights;

// All that a training leaves.
typedef struct outcome {
    weights *weights;
    curve_memory curves;
    lam_autoencoder_measures measures;
} outcome;

static lam_autoencoder_options options_of(void) {
    lam_autoencoder_options options = lam_autoencoder_defaults(WIDTH);
    options.latents = LATENTS, options.batch = BATCH, options.epochs = EPOCHS;
    return options;
}

// Every kind, each with options that the others leave alone.
static lam_autoencoder_options options_of_kind(int kind) {
    lam_autoencoder_options options = options_of();
    options.kind = (lam_autoencoder_kind)kind;
    options.k = 20, options.dead_after = BATCH, options.bandwidth = 0.05;
    options.warmup = 0.3, options.decay = 0.5, options.resample = 1;
    options.unit_decoder = kind % 2 == 0;
    return options;
}

static void make_room(outcome *all) {
    *all = (outcome){.weights = calloc(1, sizeof(weights))};
}

// Puts the weights of this rank's latents where they belong among all; the rest is left alone.
static void collect(const lam_autoencoder *a, weights *all) {
    const int64_t first = a->first_block * LAM_LATENT_BLOCK;
    const size_t own = (size_t)a->own_latents;
    memcpy(all->encoder[first], a->encoder, own * sizeof all->encoder[0]);
    memcpy(all->decoder[first], a->decoder, own * sizeof all->decoder[0]);
    memcpy(all->encoder_bias + first, a->encoder_bias.value, own * sizeof(float));
    memcpy(all->decoder_bias, a->decoder_bias.value, sizeof all->decoder_bias);
}

static bool equal(const outcome *a, const outcome *b) {
    return !memcmp(a->weights, b->weights, sizeof *a->weights) &&
           !memcmp(a->curves.values, b->curves.values, sizeof a->curves.values) &&
           a->curves.curves.last_loss == b->curves.curves.last_loss &&
           a->curves.curves.status == b->curves.curves.status &&
           !memcmp(&a->measures, &b->measures, sizeof a->measures);
}

// The bytes of a state, by block, the common one first.
typedef struct kept {
    char *block[1 + (LATENTS + LAM_LATENT_BLOCK - 1) / LAM_LATENT_BLOCK];
} kept;

// What is common is kept by the rank of block 0, as all have it alike.
static void keep(const lam_state *state, kept *to) {
    int64_t first, own;
    state->team->own(state->team, state->blocks, &first, &own);
    for (int64_t b = LAM_STATE_COMMON; b < first + own; b++) {
        if (b < first && (b >= 0 || first || !own)) continue;
        const size_t bytes = state->copy(state->of, b, NULL, false);
        to->block[1 + b] = malloc(bytes);
        assert_int_equal(state->copy(state->of, b, to->block[1 + b], false), bytes);
    }
}

static void put_back(const lam_state *state, const kept *from) {
    int64_t first, own;
    state->team->own(state->team, state->blocks, &first, &own);
    state->copy(state->of, LAM_STATE_COMMON, from->block[0], true);
    for (int64_t b = first; b < first + own; b++)
        state->copy(state->of, b, from->block[1 + b], true);
}

static void forget(kept *all) {
    for (size_t i = 0; i < sizeof all->block / sizeof *all->block; i++) free(all->block[i]);
}

static bool stop_in_second_epoch(void *state, const lam_autoencoder_position *position) {
    (void)state;
    return position->steps < 4;
}

static void start(lam_autoencoder *a, const float *rows) {
    lam_autoencoder_start(a, rows, ROWS, SEED, LAYER);
    // Two of three blocks begin sparse, the others dense.
    for (int64_t j = 0; j < a->own_latents; j++)
        a->encoder_bias.value[j] = (a->first_block + j / LAM_LATENT_BLOCK) % 3 ? -1.3f : 0;
}

// Trains as a rank of team and puts its part into all. With `to`, until the second epoch's first
// step is done: then to holds its part of the state. With `from`, from there on.
static void run_from(const lam_team *team, const lam_autoencoder_options *with, const float *rows,
                     const kept *from, kept *to, outcome *all) {
    lam_arena arena = {0};
    lam_error error;
    lam_autoencoder *a;
    const lam_autoencoder_progress progress = {stop_in_second_epoch, NULL};
    lam_autoencoder_curves *curves = make_curves(&all->curves);
    succeed(lam_autoencoder_create(&a, with, team, &arena, &error), &error);
    lam_training training = {.autoencoder = a, .curves = curves};
    lam_state state = lam_training_state(&training);
    if (from)
        put_back(&state, from);
    else
        start(a, rows);
    succeed(
        lam_autoencoder_train(a, rows, ROWS, SEED, LAYER, to ? &progress : NULL, curves, &error),
        &error);
    state = lam_training_state(&training);
    if (to) {
        assert_int_equal(curves->status, LAM_AUTOENCODER_STOPPED);
        assert_int_equal(state.position, 4);
        keep(&state, to);
    } else {
        char text[LAM_STATE_TEXT];
        state.tell(state.of, text);
        assert_string_equal(text, "the end of its training");
        succeed(lam_autoencoder_measure(a, rows, ROWS, &all->measures, &error), &error);
        collect(a, all->weights);
    }
    lam_arena_destroy(&arena);
}

// Trains as a rank of team and puts its part into all.
static void run(const lam_team *team, const lam_autoencoder_options *with, const float *rows,
                const lam_autoencoder_progress *progress, outcome *all) {
    lam_arena arena = {0};
    lam_error error;
    const lam_autoencoder_options options = *with;
    lam_autoencoder *a;
    succeed(lam_autoencoder_create(&a, &options, team, &arena, &error), &error);
    assert_int_equal(arena.used, lam_autoencoder_bytes(&options, team, omp_get_max_threads()));
    start(a, rows);
    lam_autoencoder_curves *curves = make_curves(&all->curves);
    do succeed(lam_autoencoder_train(a, rows, ROWS, SEED, LAYER, progress, curves, &error), &error);
    while (curves->status == LAM_AUTOENCODER_STOPPED);
    assert_int_equal(curves->status, LAM_AUTOENCODER_TRAINED);
    assert_int_equal(a->position.epoch, EPOCHS);
    succeed(lam_autoencoder_measure(a, rows, ROWS, &all->measures, &error), &error);
    collect(a, all->weights);
    lam_arena_destroy(&arena);
}

static outcome run_alone(const lam_autoencoder_options *options, const float *rows, int threads,
                         const lam_autoencoder_progress *progress) {
    outcome all;
    make_room(&all);
    const int before = omp_get_max_threads();
    omp_set_num_threads(threads);
    run(&lam_team_alone, options, rows, progress, &all);
    omp_set_num_threads(before);
    return all;
}

// The bits would be worth little if nothing were learnt, or all blocks were computed alike.
static void check_sense(const outcome *all) {
    const double *loss = all->curves.values[0];
    assert_true(loss[1] < loss[0]);
    assert_true(all->measures.density > 0.1 && all->measures.density < 0.4);
    assert_int_equal(all->measures.flags, 0);
}

static void test_threads(void **state) {
    (void)state;
    float *rows = make_rows(ROWS, WIDTH, 1);
    const lam_autoencoder_options options = options_of();
    outcome one = run_alone(&options, rows, 1, NULL);
    check_sense(&one);
    for (int threads = 2; threads <= 5; threads++) {
        outcome more = run_alone(&options, rows, threads, NULL);
        assert_true(equal(&one, &more));
        free(more.weights);
    }
    free(one.weights);
    free(rows);
}

static bool stop_always(void *state, const lam_autoencoder_position *position) {
    ++*(int *)state;
    assert_true(position->epoch <= EPOCHS && position->batch <= (ROWS + BATCH - 1) / BATCH);
    return false;
}

static void test_stops_and_goes_on(void **state) {
    (void)state;
    float *rows = make_rows(ROWS, WIDTH, 1);
    int calls = 0;
    lam_autoencoder_progress progress = {stop_always, &calls};
    const lam_autoencoder_options options = options_of();
    outcome whole = run_alone(&options, rows, 2, NULL);
    outcome pieces = run_alone(&options, rows, 2, &progress);
    assert_int_equal(calls, EPOCHS * 3);
    assert_true(equal(&whole, &pieces));
    free(whole.weights);
    free(pieces.weights);
    free(rows);
}

static void test_seed_and_layer_matter(void **state) {
    (void)state;
    float *rows = make_rows(20, WIDTH, 1);
    lam_arena arena = {0};
    lam_autoencoder_options options = options_of();
    lam_autoencoder *a = make_autoencoder(&options, &arena),
                    *b = make_autoencoder(&options, &arena);
    const size_t bytes = (size_t)(LATENTS * a->stride) * sizeof(float);
    lam_autoencoder_start(a, rows, 20, 1, 0);
    lam_autoencoder_start(b, rows, 20, 1, 0);
    assert_memory_equal(a->encoder, b->encoder, bytes);
    assert_memory_equal(a->encoder, a->decoder, bytes);
    lam_autoencoder_start(b, rows, 20, 2, 0);
    assert_memory_not_equal(a->encoder, b->encoder, bytes);
    lam_autoencoder_start(b, rows, 20, 1, 1);
    assert_memory_not_equal(a->encoder, b->encoder, bytes);
    double sum = 0;
    for (int64_t i = 0; i < LATENTS * a->stride; i++)
        sum += (double)a->encoder[i] * (double)a->encoder[i];
    assert_near("variance", 0, sum / (LATENTS * WIDTH), 1.0 / WIDTH, 0.02 / WIDTH);
    free(rows);
    lam_arena_destroy(&arena);
}

// ---------------------------------------------------------------- ranks, played by threads

typedef struct crew {
    int ranks;
    bool differ;
    const lam_autoencoder_options *options;
    bool in_two; // run_from, with
    const kept *from;
    kept *to;
    pthread_barrier_t barrier;
    struct rank *rank;
} crew;

typedef struct rank {
    crew *crew;
    int number;
    const float *rows;
    outcome *all;
    void *shown; // what the others may look at between two barriers
    pthread_t thread;
} rank;

static void own_share(const lam_team *team, int64_t blocks, int64_t *first, int64_t *count) {
    const rank *r = team->state;
    *first = blocks * r->number / r->crew->ranks;
    *count = blocks * (r->number + 1) / r->crew->ranks - *first;
}

// The array of the node first .. first + count - 1, if some rank has it.
static const float *node_of(const crew *c, int64_t blocks, int64_t first, int64_t count,
                            int64_t length) {
    for (int i = 0; i < c->ranks; i++) {
        lam_team team = {.state = &c->rank[i]};
        lam_team_node nodes[LAM_TEAM_NODES];
        int64_t own_first, own_count;
        own_share(&team, blocks, &own_first, &own_count);
        int64_t found = lam_team_nodes(blocks, own_first, own_count, nodes);
        for (int64_t n = 0; n < found; n++)
            if (nodes[n].first == first && nodes[n].count == count)
                return (const float *)c->rank[i].shown + n * length;
    }
    return NULL;
}

// out [length] = the sum of a node of the given size at first.
static void sum_node(const crew *c, int64_t blocks, int64_t first, int64_t size, int64_t length,
                     float *out) {
    const int64_t count = size < blocks - first ? size : blocks - first;
    const float *known = node_of(c, blocks, first, count, length);
    if (known) {
        memcpy(out, known, (size_t)length * sizeof *out);
        return;
    }
    assert_true(size > 1);
    sum_node(c, blocks, first, size / 2, length, out);
    if (first + size / 2 >= blocks) return;
    float *right = malloc((size_t)length * sizeof *right);
    sum_node(c, blocks, first + size / 2, size / 2, length, right);
    for (int64_t i = 0; i < length; i++) out[i] += right[i];
    free(right);
}

static lam_code sum_crew(const lam_team *team, int64_t blocks, float *parts, int64_t length,
                         lam_error *error) {
    (void)error;
    rank *r = team->state;
    int64_t size = 1;
    while (size < blocks) size *= 2;
    float *total = malloc((size_t)length * sizeof *total);
    r->shown = parts;
    pthread_barrier_wait(&r->crew->barrier);
    sum_node(r->crew, blocks, 0, size, length, total);
    pthread_barrier_wait(&r->crew->barrier);
    memcpy(parts, total, (size_t)length * sizeof *total);
    free(total);
    return LAM_OK;
}

static lam_code share_crew(const lam_team *team, int64_t blocks, double *values, int64_t length,
                           lam_error *error) {
    (void)error;
    rank *r = team->state;
    r->shown = values;
    pthread_barrier_wait(&r->crew->barrier);
    for (int i = 0; i < r->crew->ranks; i++) {
        if (i == r->number) continue;
        lam_team other = {.state = &r->crew->rank[i]};
        int64_t first, count;
        own_share(&other, blocks, &first, &count);
        memcpy(values + first * length, (double *)r->crew->rank[i].shown + first * length,
               (size_t)(count * length) * sizeof *values);
    }
    pthread_barrier_wait(&r->crew->barrier);
    return LAM_OK;
}

// Ranks put what they have together one after the other. Each must have the same curves and
// measures.
static void join(rank *r, const outcome *mine) {
    for (int i = 0; i < r->crew->ranks; i++) {
        if (i == r->number) {
            lam_team team = {.state = r};
            int64_t first, count;
            own_share(&team, (LATENTS + LAM_LATENT_BLOCK - 1) / LAM_LATENT_BLOCK, &first, &count);
            const int64_t from = first * LAM_LATENT_BLOCK, to = (first + count) * LAM_LATENT_BLOCK;
            for (int64_t j = from; j < to && j < LATENTS; j++) {
                memcpy(r->all->weights->encoder[j], mine->weights->encoder[j], STRIDE * 4);
                memcpy(r->all->weights->decoder[j], mine->weights->decoder[j], STRIDE * 4);
                r->all->weights->encoder_bias[j] = mine->weights->encoder_bias[j];
            }
            memcpy(r->all->weights->decoder_bias, mine->weights->decoder_bias, STRIDE * 4);
            if (i &&
                (memcmp(r->all->curves.values, mine->curves.values, sizeof mine->curves.values) ||
                 memcmp(&r->all->measures, &mine->measures, sizeof mine->measures)))
                r->crew->differ = true;
            r->all->curves = mine->curves;
            r->all->measures = mine->measures;
        }
        pthread_barrier_wait(&r->crew->barrier);
    }
}

static void *run_rank(void *argument) {
    rank *r = argument;
    lam_team team = {.own = own_share, .sum = sum_crew, .share = share_crew, .state = r};
    omp_set_num_threads(1);
    outcome mine;
    make_room(&mine);
    if (r->crew->in_two)
        run_from(&team, r->crew->options, r->rows, r->crew->from, r->crew->to, &mine);
    else
        run(&team, r->crew->options, r->rows, NULL, &mine);
    join(r, &mine);
    free(mine.weights);
    return NULL;
}

static void run_crew(crew *c, const float *rows, outcome *all) {
    c->rank = calloc((size_t)c->ranks, sizeof(rank));
    pthread_barrier_init(&c->barrier, NULL, (unsigned)c->ranks);
    for (int i = 0; i < c->ranks; i++) {
        c->rank[i] = (rank){.crew = c, .number = i, .rows = rows, .all = all};
        if (i) pthread_create(&c->rank[i].thread, NULL, run_rank, &c->rank[i]);
    }
    // Here as the first rank: a failed assertion must leave by this thread.
    const int before = omp_get_max_threads();
    run_rank(&c->rank[0]);
    omp_set_num_threads(before);
    for (int i = 1; i < c->ranks; i++) pthread_join(c->rank[i].thread, NULL);
    assert_false(c->differ);
    pthread_barrier_destroy(&c->barrier);
    free(c->rank);
}

static void check_crew(int ranks, const lam_autoencoder_options *options, const float *rows,
                       const outcome *alone) {
    outcome all;
    make_room(&all);
    crew c = {.ranks = ranks, .options = options};
    run_crew(&c, rows, &all);
    assert_true(equal(alone, &all));
    free(all.weights);
}

// Begun by so many ranks, gone on with by so many others.
static void check_crews(int before, int after, const lam_autoencoder_options *options,
                        const float *rows, const outcome *alone) {
    outcome all;
    kept state = {{0}};
    make_room(&all);
    crew begin = {.ranks = before, .options = options, .in_two = true, .to = &state};
    run_crew(&begin, rows, &all);
    crew end = {.ranks = after, .options = options, .in_two = true, .from = &state};
    run_crew(&end, rows, &all);
    assert_true(equal(alone, &all));
    forget(&state);
    free(all.weights);
}

// 7 blocks over 1 to 9 ranks: halves of nodes, whole nodes, and ranks that own nothing.
static void test_ranks(void **state) {
    (void)state;
    float *rows = make_rows(ROWS, WIDTH, 1);
    const lam_autoencoder_options options = options_of();
    outcome alone = run_alone(&options, rows, 2, NULL);
    static const int ranks[] = {1, 2, 3, 5, 9};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++)
        check_crew(ranks[i], &options, rows, &alone);
    free(alone.weights);
    free(rows);
}

// The kinds and their options: threads, ranks, a training in pieces, and by several processes.
static void test_kinds(void **state) {
    (void)state;
    float *rows = make_rows(ROWS, WIDTH, 1);
    for (int kind = LAM_AUTOENCODER_RELU; kind <= LAM_AUTOENCODER_GATED; kind++) {
        const lam_autoencoder_options options = options_of_kind(kind);
        print_message("kind %d\n", kind);
        int calls = 0;
        lam_autoencoder_progress progress = {stop_always, &calls};
        outcome one = run_alone(&options, rows, 1, NULL);
        outcome more = run_alone(&options, rows, 3, &progress);
        assert_true(isfinite(one.curves.values[0][1]) && one.measures.density > 0);
        assert_int_equal(one.measures.flags, 0);
        assert_true(equal(&one, &more));
        check_crew(3, &options, rows, &one);
        check_crews(1, 3, &options, rows, &one);
        check_crews(3, 1, &options, rows, &one);
        free(one.weights);
        free(more.weights);
    }
    free(rows);
}

static void test_nodes(void **state) {
    (void)state;
    for (int64_t blocks = 1; blocks <= 40; blocks++)
        for (int64_t first = 0; first <= blocks; first++)
            for (int64_t count = 0; first + count <= blocks; count++) {
                lam_team_node nodes[LAM_TEAM_NODES];
                const int64_t found = lam_team_nodes(blocks, first, count, nodes);
                int64_t next = first;
                for (int64_t n = 0; n < found; n++) {
                    assert_int_equal(nodes[n].first, next);
                    next += nodes[n].count;
                    int64_t size = 1; // of the node, were all its blocks there
                    while (size < nodes[n].count) size *= 2;
                    assert_int_equal(nodes[n].first % size, 0);
                    if (size > nodes[n].count) assert_int_equal(next, blocks);
                }
                assert_int_equal(next, first + count);
                if (count == blocks) assert_int_equal(found, 1);
            }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_stops_and_goes_on),
        cmocka_unit_test(test_seed_and_layer_matter),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
