// The layer function of the rsa profile by itself, on rows made by hand: what it says where it
// cannot say much.
#include "jobs/rsa.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WIDTH = 6, MADE_WORDS = 5 };

typedef struct world {
    lam_arena arena;
    lam_error error;
    lam_model_config model;
    rsa_options options;
    lam_profile_run run;
    lam_group group[2];
    int64_t ticks;
} world;

static bool count_tick(void *user, int64_t units, const char *detail) {
    assert_non_null(detail);
    ((world *)user)->ticks += units;
    return true;
}

static void begin_world(world *w, const char *categories) {
    *w = (world){.model = {.family = LAM_GPT2,
                           .layers = 2,
                           .width = WIDTH,
                           .heads = 2,
                           .head_width = WIDTH / 2,
                           .mlp_width = 4 * WIDTH,
                           .positions = 8,
                           .vocabulary = 9}};
    const lam_option *options = lam_profile_rsa.options;
    assert_int_equal(lam_options_default(options, &w->options, &w->arena, &w->error), LAM_OK);
    assert_int_equal(lam_option_set(lam_option_find(options, "categories"), &w->options,
                                    "categories", categories, NULL, &w->arena, &w->error),
                     LAM_OK);
    w->run = (lam_profile_run){.distribute = LAM_GRID_ALONE_MOST,
                               .profile = &lam_profile_rsa,
                               .seed = 1,
                               .model = &w->model,
                               .options = &w->options,
                               .team = &lam_team_alone};
    assert_int_equal(lam_profile_rsa.resolve(&w->run, &w->error), LAM_OK);
    lam_profile_group group[2];
    size_t count;
    assert_int_equal(lam_profile_rsa.groups(&w->run, group, 2, &count, &w->arena, &w->error),
                     LAM_OK);
    assert_int_equal(count, 2);
    assert_true(!group[0].unwritten && group[1].unwritten);
    for (int g = 0; g < 2; g++) {
        group[g].dimensions[group[g].dimension_count++] = (lam_dimension){"layer", 2};
        group[g].dimensions[group[g].dimension_count++] = (lam_dimension){"component", 3};
        lam_dimension *dimensions =
            lam_arena_alloc(&w->arena, group[g].dimension_count, sizeof *dimensions, &w->error);
        memcpy(dimensions, group[g].dimensions, group[g].dimension_count * sizeof *dimensions);
        assert_int_equal(lam_group_create(&w->group[g], group[g].name, group[g].variables,
                                          dimensions, group[g].dimension_count, 0, 2, &w->arena,
                                          &w->error),
                         LAM_OK);
    }
}

// One layer, whose rows [word, 3 WIDTH] are each seen as the last of two tokens.
static lam_code see_layer(world *w, int64_t layer, const float *rows, int64_t words) {
    lam_arena arena = {0};
    void *state;
    assert_int_equal(lam_profile_rsa.begin(&w->run, layer, &arena, &state, &w->error), LAM_OK);
    for (int64_t i = 0; i < words; i++) {
        float both[2 * 3 * WIDTH];
        for (int c = 0; c < 3 * WIDTH; c++) {
            both[c] = NAN;
            both[3 * WIDTH + c] = rows[i * 3 * WIDTH + c];
        }
        const lam_view view = {.site = LAM_SITE_QKV,
                               .layer = layer,
                               .sequence = i,
                               .length = 2,
                               .rows = 2,
                               .width = 3 * WIDTH,
                               .row_stride = 3 * WIDTH,
                               .data = both};
        lam_profile_rsa.see(&w->run, state, &view);
    }
    const lam_tick tick = {.add = count_tick, .user = w};
    const lam_code code =
        lam_profile_rsa.finish(&w->run, layer, state, w->group, &tick, &arena, &w->error);
    lam_arena_destroy(&arena);
    return code;
}

static lam_code finish_world(world *w, const float *rows) {
    return see_layer(w, 1, rows, MADE_WORDS);
}

static void end_world(world *w) {
    lam_arena_destroy(&w->arena);
}

static void random_rows(float *rows, uint32_t words) {
    for (uint32_t i = 0, x = 12345; i < words * 3 * WIDTH; i++) {
        x = x * 1664525u + 1013904223u;
        rows[i] = (float)(x >> 8) * 0x1p-24f + 0.1f;
    }
}

static double of_layer(const world *w, const char *name, int index) {
    return ((const double *)lam_group_row(&w->group[0], name, 1))[index];
}

static int32_t flags_of(const world *w, int k) {
    return ((const int32_t *)lam_group_row(&w->group[0], "undefined", 1))[k];
}

static void test_made(void **state) {
    (void)state;
    world w;
    float rows[MADE_WORDS * 3 * WIDTH];
    begin_world(&w, "{one: [a, b], two: [c, d, e]}");
    random_rows(rows, MADE_WORDS);
    assert_int_equal(finish_world(&w, rows), LAM_OK);
    assert_int_equal(w.ticks, lam_profile_rsa.units(&w.run));
    for (int k = 0; k < 3; k++) {
        assert_int_equal(flags_of(&w, k), 0);
        assert_true(isfinite(of_layer(&w, "rsa", k)) && isfinite(of_layer(&w, "cohens_d", k)));
    }
    end_world(&w);
}

// A team of one that notes what work is cut in parts for its members: resamples of both kinds, the
// pairs and the ranks of three components.
static int64_t resample_blocks, pair_gathers, rank_gathers;

static void note_own(const lam_team *team, int64_t blocks, int64_t *first, int64_t *count) {
    resample_blocks += blocks;
    lam_team_alone.own(team, blocks, first, count);
}

static lam_code note_gather(const lam_team *team, void *data, int64_t parts, const size_t *start,
                            lam_error *error) {
    const size_t pairs = MADE_WORDS * (MADE_WORDS - 1) / 2;
    pair_gathers += parts == 1 && start[parts] == pairs * sizeof(double);
    rank_gathers += parts == 3 && start[parts] == 3 * pairs * sizeof(int32_t);
    return lam_team_alone.gather(team, data, parts, start, error);
}

static void test_shared(void **state) {
    (void)state;
    world w;
    float rows[MADE_WORDS * 3 * WIDTH];
    lam_team noting = lam_team_alone;
    noting.own = note_own, noting.gather = note_gather;
    begin_world(&w, "{one: [a, b], two: [c, d, e]}");
    w.run.team = &noting;
    w.options.permutations = 31, w.options.bootstraps = 33; // in groups of 8, with the words' own
    random_rows(rows, MADE_WORDS);
    assert_int_equal(finish_world(&w, rows), LAM_OK);
    assert_int_equal(resample_blocks, 4 + 5);
    assert_int_equal(pair_gathers, 3);
    assert_int_equal(rank_gathers, 1);
    end_world(&w);
}

// A zero row in Q, equal rows in K: each measure is there or missing with a flag that says why.
static void test_flags(void **state) {
    (void)state;
    world w;
    float rows[MADE_WORDS * 3 * WIDTH];
    begin_world(&w, "{one: [a, b], two: [c, d, e]}");
    random_rows(rows, MADE_WORDS);
    for (int c = 0; c < WIDTH; c++) {
        rows[2 * 3 * WIDTH + c] = 0;
        for (int i = 0; i < MADE_WORDS; i++)
            rows[i * 3 * WIDTH + WIDTH + c] = (float)(c + i % 2 * c);
    }
    assert_int_equal(finish_world(&w, rows), LAM_OK);
    assert_int_equal(flags_of(&w, 0), LAM_RSA_UNDIRECTED);
    assert_int_equal(flags_of(&w, 1), LAM_RSA_FLAT | LAM_RSA_SPREAD);
    assert_int_equal(flags_of(&w, 2), 0);
    for (int p = 0; p < 3; p++) { // all pairs hold Q or K
        assert_true(isnan(of_layer(&w, "rsa", p)) && isnan(of_layer(&w, "rsa_spearman", p)));
        assert_true(isnan(of_layer(&w, "rsa_p_value", p)));
        assert_true(isnan(of_layer(&w, "rsa_interval", 2 * p)));
    }
    assert_true(isnan(of_layer(&w, "within", 0)) && isnan(of_layer(&w, "selectivity_p_value", 0)));
    assert_true(isnan(of_layer(&w, "selectivity_interval", 0)));
    assert_true(fabs(of_layer(&w, "selectivity", 1) - 1) <= 1e-12);
    assert_true(isnan(of_layer(&w, "cohens_d", 1)));
    assert_true(of_layer(&w, "selectivity_p_value", 1) == 1);
    assert_true(isfinite(of_layer(&w, "selectivity", 2)) && isfinite(of_layer(&w, "cohens_d", 2)));
    end_world(&w);
}

static void test_not_finite(void **state) {
    (void)state;
    world w;
    float rows[MADE_WORDS * 3 * WIDTH];
    begin_world(&w, "{one: [a, b], two: [c, d, e]}");
    random_rows(rows, MADE_WORDS);
    rows[3 * 3 * WIDTH + 2 * WIDTH + 1] = INFINITY;
    assert_int_equal(finish_world(&w, rows), LAM_NUMERIC);
    assert_non_null(strstr(w.error.text, "unit 13 for 'd' is inf"));
    end_world(&w);
}

// Published mode takes GPT-NeoX's fused projection as the module has it, head by head, and cuts it
// in three; standard mode takes Q, K and V.
static void test_module_order(void **state) {
    (void)state;
    static const float in_module[3 * WIDTH] = {0, 1, 2, 6, 7,  8,  12, 13, 14,
                                               3, 4, 5, 9, 10, 11, 15, 16, 17};
    float row[3 * WIDTH];
    for (int c = 0; c < 3 * WIDTH; c++) row[c] = (float)c;
    for (int published = 0; published < 2; published++) {
        world w;
        begin_world(&w, "{one: [a, b], two: [c, d, e]}");
        w.model.family = LAM_GPT_NEOX;
        w.run.mode = published ? LAM_PUBLISHED : LAM_STANDARD;
        void *made;
        assert_int_equal(lam_profile_rsa.begin(&w.run, 0, &w.arena, &made, &w.error), LAM_OK);
        const rsa_rows *rows = made;
        const lam_view view = {.site = LAM_SITE_QKV,
                               .sequence = 3,
                               .length = 1,
                               .rows = 1,
                               .width = 3 * WIDTH,
                               .row_stride = 3 * WIDTH,
                               .data = row};
        lam_profile_rsa.see(&w.run, made, &view);
        for (int k = 0; k < 3; k++)
            assert_memory_equal(rows->row + (k * MADE_WORDS + 3) * WIDTH,
                                (published ? in_module : row) + k * WIDTH, WIDTH * sizeof *row);
        end_world(&w);
    }
}

// More words than are compared between layers: the same ones are drawn in every layer. None are
// resampled unasked.
static void test_many_words(void **state) {
    (void)state;
    enum { WORDS_MADE = 1100, SAMPLE = 1000 };
    static char text[WORDS_MADE * 8];
    static float rows[WORDS_MADE * 3 * WIDTH];
    size_t length = (size_t)sprintf(text, "{one: [w0");
    for (int i = 1; i < WORDS_MADE; i++)
        length += (size_t)sprintf(text + length, i == 400 ? "], two: [w%d" : ", w%d", i);
    sprintf(text + length, "]}");
    world w;
    begin_world(&w, text);
    assert_int_equal(lam_group_find(&w.group[0], "rsa_p_value"), -1);
    assert_int_equal(lam_group_find(&w.group[0], "rsa_interval"), -1);
    random_rows(rows, WORDS_MADE);
    for (int64_t layer = 0; layer < 2; layer++)
        assert_int_equal(see_layer(&w, layer, rows, WORDS_MADE), LAM_OK);
    const int64_t pairs = SAMPLE * (SAMPLE - 1) / 2;
    assert_int_equal(lam_group_row_count(&w.group[1], 0), 3 * pairs);
    const float *first = lam_group_row(&w.group[1], "pairs", 0);
    const float *second = lam_group_row(&w.group[1], "pairs", 1);
    assert_memory_equal(first, second, (size_t)(3 * pairs) * sizeof *first);
    for (int64_t k = 0; k < 3; k++) {
        double squares = 0, sum = 0;
        for (int64_t p = k * pairs; p < (k + 1) * pairs; p++) {
            sum += (double)first[p];
            squares += (double)first[p] * (double)first[p];
        }
        assert_true(fabs(sum) <= 1e-3 && fabs(squares - 1) <= 1e-5);
        assert_int_equal(flags_of(&w, (int)k), 0);
    }
    end_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made),         cmocka_unit_test(test_shared),
        cmocka_unit_test(test_flags),        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_module_order), cmocka_unit_test(test_many_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
