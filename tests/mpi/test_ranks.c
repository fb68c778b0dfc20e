// ranks: 1 2 3 5 13
// What ranks do together: who owns which layers, agreement on errors, broadcasts, collection, and a
// pipeline in which one rank fails.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mpi/collect.h"
#include "mpi/pipeline.h"
#include "mpi/progress.h"
#include "tests/unit/fixture.h"

static lam_comm comm;

static lam_layout make_layout(int64_t layers, int ranks, const double *cost, lam_arena *arena) {
    lam_error error;
    lam_layout layout;
    if (lam_layout_create(&layout, layers, ranks, cost, arena, &error)) fail_msg("%s", error.text);
    return layout;
}

// Every rank is a member of one team, every layer one team's; all as even as can be, larger ones
// first.
static void test_layout(void **state) {
    (void)state;
    for (int64_t layers = 1; layers <= 40; layers++)
        for (int ranks = 1; ranks <= 45; ranks++) {
            lam_arena arena = {0};
            lam_layout layout = make_layout(layers, ranks, NULL, &arena);
            const int teams = ranks < layers ? ranks : (int)layers;
            int64_t layer = 0, most = layers, members = ranks;
            assert_int_equal(layout.teams, teams);
            for (int rank = 0; rank < ranks; rank++) {
                const lam_place place = lam_layout_place(&layout, rank);
                assert_int_equal(place.first_layer, layer);
                assert_int_equal(layout.lead[place.team], rank - place.member);
                assert_in_range(place.member, 0, place.members - 1);
                assert_in_range(place.layer_count, layers / teams, most);
                assert_in_range(place.members, ranks / teams, members);
                for (int64_t l = layer; l < layer + place.layer_count; l++)
                    assert_int_equal(lam_layout_owner(&layout, l), place.team);
                for (int64_t batch = 0; batch < 50; batch++)
                    assert_int_equal(lam_layout_worker(&layout, place.team, batch) == rank,
                                     batch % place.members == place.member);
                most = place.layer_count, members = place.members;
                if (place.member == place.members - 1) layer += place.layer_count;
            }
            assert_int_equal(layer, layers);
            assert_int_equal(most, layers / teams);
            lam_arena_destroy(&arena);
        }
}

// 36 layers on 144 ranks: four a layer.
static void test_teams(void **state) {
    (void)state;
    lam_arena arena = {0};
    lam_layout layout = make_layout(36, 144, NULL, &arena);
    for (int rank = 0; rank < 144; rank++) {
        const lam_place place = lam_layout_place(&layout, rank);
        assert_int_equal(place.first_layer, rank / 4);
        assert_int_equal(place.layer_count, 1);
        assert_int_equal(place.member, rank % 4);
        assert_int_equal(place.members, 4);
    }
    lam_arena_destroy(&arena);
}

// Layers that cost more have more ranks, ranks whose layers cost more have fewer: the costliest
// rank costs what an exhaustive search finds.
static void test_balance(void **state) {
    (void)state;
    static const double cost[] = {3, 1, 1, 1, 1, 1, 1, 7.5};
    static const struct {
        int ranks;
        double most;
    } cases[] = {{1, 16.5}, {2, 8.5},  {3, 7.5},  {4, 7.5},
                 {8, 7.5},  {9, 3.75}, {11, 2.5}, {12, 1.875}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lam_arena arena = {0};
        lam_layout layout = make_layout(8, cases[i].ranks, cost, &arena);
        double most = 0;
        for (int rank = 0; rank < cases[i].ranks; rank++) {
            const lam_place place = lam_layout_place(&layout, rank);
            double all = 0;
            for (int64_t l = 0; l < place.layer_count; l++) all += cost[place.first_layer + l];
            if (all / place.members > most) most = all / place.members;
        }
        if (most != cases[i].most)
            fail_msg("%d ranks: the costliest costs %g, not %g", cases[i].ranks, most,
                     cases[i].most);
        lam_arena_destroy(&arena);
    }
}

// Every rank in turn fails alone, then all from some rank on.
static void test_agree(void **state) {
    (void)state;
    lam_error error;
    assert_int_equal(lam_comm_agree(&comm, LAM_OK, &error), LAM_OK);
    for (int failing = 0; failing < comm.size; failing++)
        for (int all = 0; all < 2; all++) {
            bool fails = comm.rank == failing || (all && comm.rank > failing);
            lam_code code =
                fails ? lam_fail(&error, LAM_NUMERIC, "value %d is not finite", comm.rank) : LAM_OK;
            assert_int_equal(lam_comm_agree(&comm, code, &error), LAM_NUMERIC);
            char alone[64], want[64];
            snprintf(want, sizeof want, "value %d is not finite", failing);
            snprintf(alone, sizeof alone, "rank %d (", failing);
            assert_non_null(strstr(error.text, want));
            bool by_all = all ? failing == 0 : comm.size == 1;
            assert_int_equal(strncmp(error.text, alone, strlen(alone)) == 0, !by_all);
        }
}

// Rank 0's word counts, whatever the others bring.
static void test_follow(void **state) {
    (void)state;
    lam_error error = {0};
    lam_code mine = comm.rank == 0 ? LAM_OK : LAM_IO;
    assert_int_equal(lam_comm_follow(&comm, mine, &error), LAM_OK);
    mine = comm.rank == 0 ? lam_fail(&error, LAM_INPUT, "page.html is empty") : LAM_OK;
    assert_int_equal(lam_comm_follow(&comm, mine, &error), LAM_INPUT);
    assert_string_equal(error.text, "page.html is empty");
}

static void test_broadcast(void **state) {
    (void)state;
    lam_error error;
    for (int root = 0; root < comm.size; root++) {
        int64_t value[1000];
        for (int i = 0; i < 1000; i++) value[i] = comm.rank == root ? i * root : -1;
        assert_int_equal(lam_comm_broadcast(&comm, value, sizeof value, root, &error), LAM_OK);
        for (int i = 0; i < 1000; i++) assert_int_equal(value[i], i * root);
    }
}

static const lam_variable variables[] = {
    {"unit", LAM_INT, {"unit"}, "a unit", "1", NULL},
    {"beta", LAM_DOUBLE, {"layer", "unit"}, "a slope", "1", NULL},
    {"status", LAM_BYTE, {"layer"}, "a status", "1", "good bad"},
    {NULL},
};

static void test_collect(void **state) {
    (void)state;
    enum { LAYERS = 7, UNITS = 5 };
    lam_error error;
    lam_arena arena = {0};
    lam_layout layout = make_layout(LAYERS, comm.size, NULL, &arena);
    const lam_dimension dimensions[] = {{"layer", LAYERS}, {"unit", UNITS}};
    const lam_place place = lam_layout_place(&layout, comm.rank);
    const int64_t first = place.first_layer, count = place.layer_count;
    lam_group mine, whole = {0};
    assert_int_equal(
        lam_group_create(&mine, "made", variables, dimensions, 2, first, count, &arena, &error),
        LAM_OK);
    for (int64_t l = first; l < first + count; l++) {
        for (int u = 0; u < UNITS; u++)
            ((double *)lam_group_row(&mine, "beta", l))[u] = 100.0 * (double)l + u;
        *(int8_t *)lam_group_row(&mine, "status", l) = (int8_t)(l % 2);
    }
    if (comm.rank == 0)
        assert_int_equal(
            lam_group_create(&whole, "made", variables, dimensions, 2, 0, LAYERS, &arena, &error),
            LAM_OK);
    assert_int_equal(lam_collect_group(&comm, &layout, &mine, &whole, &error), LAM_OK);
    for (int64_t l = 0; comm.rank == 0 && l < LAYERS; l++) {
        for (int u = 0; u < UNITS; u++)
            assert_true(((double *)lam_group_row(&whole, "beta", l))[u] == 100.0 * (double)l + u);
        assert_int_equal(*(int8_t *)lam_group_row(&whole, "status", l), l % 2);
    }
    lam_arena_destroy(&arena);
}

// A model without weights that matter: every layer's matrices are zero, so the residual stays.
enum { LAYERS = 6, WIDTH = 8, VOCABULARY = 11, SEQUENCES = 9, LENGTH = 600 };

static void make_model(lam_model *model, const lam_layout *layout, lam_arena *arena,
                       lam_error *error) {
    static const float zero[WIDTH * 4 * WIDTH];
    *model = (lam_model){.config = {.family = LAM_GPT2,
                                    .layers = LAYERS,
                                    .width = WIDTH,
                                    .heads = 2,
                                    .head_width = WIDTH / 2,
                                    .mlp_width = 4 * WIDTH,
                                    .positions = LENGTH,
                                    .vocabulary = VOCABULARY,
                                    .norm_epsilon = 1e-5,
                                    .scale_attention = true},
                         .first_layer = lam_layout_place(layout, comm.rank).first_layer,
                         .layer_count = lam_layout_place(layout, comm.rank).layer_count};
    model->layer = lam_arena_alloc(arena, (size_t)model->layer_count, sizeof *model->layer, error);
    float *embedding = lam_arena_alloc(arena, VOCABULARY * WIDTH, sizeof *embedding, error);
    float *position = lam_arena_alloc(arena, LENGTH * WIDTH, sizeof *position, error);
    assert_true(model->layer && embedding && position);
    for (int i = 0; i < VOCABULARY * WIDTH; i++) embedding[i] = (float)(i % 13);
    for (int64_t l = 0; l < model->layer_count; l++)
        model->layer[l] =
            (lam_layer){zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero};
    model->token_embedding = embedding;
    model->position_embedding = position;
}

typedef struct arrivals {
    int64_t rows;
    const lam_sequences *sequences;
    int64_t wrong;
} arrivals;

static lam_code arrive(void *user, lam_forward *forward, const lam_batch *batch, float *residual,
                       lam_error *error) {
    (void)forward, (void)error;
    arrivals *a = user;
    int64_t first = a->sequences->start[batch->first];
    for (int64_t r = 0; r < lam_batch_rows(batch); r++)
        for (int i = 0; i < WIDTH; i++)
            a->wrong += residual[r * WIDTH + i] !=
                        (float)((a->sequences->token[first + r] * WIDTH + (uint32_t)i) % 13);
    a->rows += lam_batch_rows(batch);
    return LAM_OK;
}

static lam_code run_pipeline(uint32_t odd_token, arrivals *a, lam_error *error) {
    lam_arena arena = {0};
    lam_layout layout = make_layout(LAYERS, comm.size, NULL, &arena);
    lam_model model;
    make_model(&model, &layout, &arena, error);
    lam_sequences sequences = {.count = SEQUENCES};
    sequences.start = lam_arena_alloc(&arena, SEQUENCES + 1, sizeof(int64_t), error);
    uint32_t *token = lam_arena_alloc(&arena, SEQUENCES * LENGTH, sizeof *token, error);
    assert_true(sequences.start && token);
    sequences.token = token;
    for (int64_t s = 0; s < SEQUENCES; s++)
        sequences.start[s + 1] = sequences.start[s] + LENGTH - 50 * s;
    for (int i = 0; i < SEQUENCES * LENGTH; i++) token[i] = (uint32_t)i % VOCABULARY;
    token[2000] = odd_token;
    *a = (arrivals){.sequences = &sequences};
    lam_pipeline pipeline = {.comm = &comm,
                             .layout = &layout,
                             .model = &model,
                             .sequences = &sequences,
                             .finish = arrive,
                             .user = a};
    lam_code code = lam_pipeline_run(&pipeline, error);
    const bool last = lam_layout_place(&layout, comm.rank).team == layout.teams - 1;
    int64_t rows;
    MPI_Allreduce(&a->rows, &rows, 1, MPI_INT64_T, MPI_SUM, comm.mpi);
    if (code == LAM_OK) assert_int_equal(rows, sequences.start[SEQUENCES]);
    assert_int_equal(a->wrong, 0);
    assert_true(a->rows == 0 || last);
    lam_arena_destroy(&arena);
    return code;
}

static void test_pipeline(void **state) {
    (void)state;
    lam_error error;
    arrivals a;
    assert_int_equal(run_pipeline(3, &a, &error), LAM_OK);
}

// The first rank fails in the fourth of several micro-batches: all say what it says.
static void test_pipeline_failure(void **state) {
    (void)state;
    lam_error error;
    arrivals a;
    assert_int_equal(run_pipeline(VOCABULARY, &a, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "token 11 is beyond the model's vocabulary of 11"));
}

static void test_progress(void **state) {
    (void)state;
    lam_error error;
    lam_arena arena = {0};
    lam_progress *progress;
    assert_int_equal(lam_progress_create(&progress, &comm, LAM_PROGRESS_LINES, &arena, &error),
                     LAM_OK);
    // Stages one after the other, with no other meeting point between them.
    for (int stage = 0; stage < 5; stage++) {
        double seconds = -1;
        lam_progress_begin(progress, "stage", "steps", 10 * comm.size, 1);
        for (int i = 0; i < 10; i++) lam_progress_add(progress, 1, "step %d", i);
        assert_int_equal(lam_progress_end(progress, &seconds, &error), LAM_OK);
        assert_true(comm.rank != 0 || seconds >= 0);
        lam_progress_report(progress);
    }
    lam_arena_destroy(&arena);
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),           cmocka_unit_test(test_teams),
        cmocka_unit_test(test_balance),          cmocka_unit_test(test_agree),
        cmocka_unit_test(test_follow),           cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_collect),          cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_pipeline_failure), cmocka_unit_test(test_progress),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
