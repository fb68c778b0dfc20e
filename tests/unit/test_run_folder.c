// The states of unfinished layers in a run folder: kept, put back by others, damaged, another's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/run_state.h"
#include "jobs/keeper.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCKS = 5, NEVER = 1000000 };

// A state whose blocks differ in size, and a rank's cut of it.
typedef struct work {
    int64_t first, count; // this rank's blocks
    int64_t position, block[BLOCKS][BLOCKS];
} work;

static size_t copy(void *of, int64_t block, char *bytes, bool back) {
    work *w = of;
    lam_state_cursor cursor = {.bytes = bytes, .back = back};
    if (block == LAM_STATE_COMMON)
        lam_state_move(&cursor, &w->position, sizeof w->position);
    else
        lam_state_move(&cursor, w->block[block], (size_t)(block + 1) * sizeof(int64_t));
    return cursor.at;
}

static void tell(const void *of, char text[LAM_STATE_TEXT]) {
    snprintf(text, LAM_STATE_TEXT, "step %lld", (long long)((const work *)of)->position);
}

static void own(const lam_team *team, int64_t blocks, int64_t *first, int64_t *count) {
    const work *w = team->state;
    assert_int_equal(blocks, BLOCKS);
    *first = w->first, *count = w->count;
}

static lam_state state_of(work *w, lam_team *team) {
    *team = (lam_team){.own = own, .share = lam_team_alone.share, .state = w};
    return (lam_state){team, BLOCKS, w->position, copy, tell, w};
}

// The work as it stands at a position.
static work work_at(int64_t position, int64_t first, int64_t count) {
    work w = {.first = first, .count = count, .position = position};
    for (int64_t b = first; b < first + count; b++)
        for (int64_t i = 0; i <= b; i++) w.block[b][i] = 1000 * position + 10 * b + i;
    return w;
}

typedef struct world {
    char *root;
    char path[4096];
    lam_run_folder folder;
    lam_keeper keeper;
    lam_error error;
} world;

static void open_folder(world *w, const char *identity) {
    bool found;
    assert_int_equal(lam_run_folder_open(&w->folder, identity, &found, &w->error), LAM_OK);
}

static void reopen(world *w) {
    lam_keeper_destroy(&w->keeper);
    lam_keeper_create(&w->keeper, &w->folder, NEVER, true);
}

static int set_up(void **state) {
    world *w = calloc(1, sizeof *w);
    w->root = temp_dir();
    snprintf(w->path, sizeof w->path, "%s/x.run", w->root);
    w->folder.path = w->path;
    open_folder(w, "seed: 1\n");
    reopen(w);
    *state = w;
    return 0;
}

static int tear_down(void **state) {
    world *w = *state;
    lam_keeper_destroy(&w->keeper);
    lam_run_folder_close(&w->folder);
    remove_tree(w->root);
    free(w->root);
    free(w);
    return 0;
}

// Where a new process finds the layer, -1: at its start; all of it must be of that position.
static int64_t found_at(world *w, int64_t layer) {
    work got = work_at(0, 0, BLOCKS);
    lam_team team;
    lam_state state = state_of(&got, &team);
    bool found;
    reopen(w);
    if (lam_keeper_restore(&w->keeper, "sae", layer, &state, &found, &w->error) != LAM_OK)
        fail_msg("%s", w->error.text);
    if (!found) return -1;
    const work wanted = work_at(got.position, 0, BLOCKS);
    assert_memory_equal(&got, &wanted, sizeof got);
    return got.position;
}

static void keep(world *w, int64_t position) {
    work now = work_at(position, 0, BLOCKS);
    lam_team team;
    const lam_state state = state_of(&now, &team);
    assert_int_equal(lam_keeper_state(&w->keeper, &state, true, &w->error), LAM_OK);
}

// Keeps layer 3 at positions 7, 8 and 100.
static void keep_three(world *w) {
    assert_int_equal(found_at(w, 3), -1);
    keep(w, 7), keep(w, 8), keep(w, 100);
    lam_keeper_destroy(&w->keeper);
}

static const char *path_of(const world *w, const char *name) {
    static char path[2][4200];
    static int turn;
    turn = 1 - turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", w->path, name);
    return path[turn];
}

static bool there(const world *w, const char *name) {
    return access(path_of(w, name), F_OK) == 0;
}

static void test_two_are_kept(void **state) {
    world *w = *state;
    keep_three(w);
    assert_false(there(w, "sae-3.7.0"));
    assert_true(there(w, "sae-3.8.0"));
    assert_true(there(w, "sae-3.100.0"));
    assert_true(lam_run_folder_holds(&w->folder));
    assert_int_equal(found_at(w, 3), 100);
    keep(w, 101);
    lam_keeper_destroy(&w->keeper);
    assert_false(there(w, "sae-3.8.0"));
    assert_int_equal(found_at(w, 3), 101);
    assert_int_equal(found_at(w, 30), -1);
}

static void test_a_finished_layer_takes_their_place(void **state) {
    world *w = *state;
    keep_three(w);
    assert_int_equal(found_at(w, 3), 100);
    lam_keeper_layer(&w->keeper, "sae", 3, NULL, 0);
    lam_keeper_destroy(&w->keeper);
    assert_true(there(w, "sae-3"));
    assert_false(there(w, "sae-3.8.0"));
    assert_false(there(w, "sae-3.100.0"));
    lam_run_folder_remove(&w->folder);
    assert_int_not_equal(access(w->path, F_OK), 0);
}

static long length_of(const char *path) {
    FILE *file = fopen(path, "r");
    fseek(file, 0, SEEK_END);
    const long length = ftell(file);
    fclose(file);
    return length;
}

static void flip(const char *path, long at) {
    FILE *file = fopen(path, "r+");
    fseek(file, at, SEEK_SET);
    const int byte = fgetc(file);
    fseek(file, at, SEEK_SET);
    fputc(byte ^ 4, file);
    fclose(file);
}

// Whatever byte is changed and wherever it is cut, the state before is taken; if that is bad too,
// the layer begins anew.
static void test_damage(void **state) {
    world *w = *state;
    keep_three(w);
    const long length = length_of(path_of(w, "sae-3.100.0"));
    for (long at = 0; at < length; at += 13) {
        flip(path_of(w, "sae-3.100.0"), at);
        assert_int_equal(found_at(w, 3), 8);
        flip(path_of(w, "sae-3.100.0"), at);
    }
    assert_int_equal(found_at(w, 3), 100);
    for (long at = length - 1; at > 0; at /= 2) {
        assert_int_equal(truncate(path_of(w, "sae-3.100.0"), at), 0);
        assert_int_equal(found_at(w, 3), 8);
    }
    assert_int_equal(truncate(path_of(w, "sae-3.100.0"), 0), 0);
    assert_int_equal(found_at(w, 3), 8);
    flip(path_of(w, "sae-3.8.0"), length - 1);
    assert_int_equal(found_at(w, 3), -1);
    // What is damaged goes with the next one.
    keep(w, 9);
    lam_keeper_destroy(&w->keeper);
    assert_false(there(w, "sae-3.100.0"));
    assert_int_equal(found_at(w, 3), 9);
}

static void test_what_is_another_s(void **state) {
    world *w = *state;
    keep_three(w);
    // of another position, of another layer
    assert_int_equal(rename(path_of(w, "sae-3.8.0"), path_of(w, "sae-3.300.0")), 0);
    assert_int_equal(found_at(w, 3), 100);
    assert_int_equal(rename(path_of(w, "sae-3.100.0"), path_of(w, "sae-4.100.0")), 0);
    assert_int_equal(found_at(w, 4), -1);
    assert_int_equal(rename(path_of(w, "sae-4.100.0"), path_of(w, "sae-3.100.0")), 0);
    assert_int_equal(found_at(w, 3), 100);
    // of another run
    w->folder.identity[0] ^= 1;
    assert_int_equal(found_at(w, 3), -1);
}

// Written by two ranks, read by three others.
static void test_other_cuts(void **state) {
    world *w = *state;
    static const int64_t cuts[][2] = {{0, 2}, {2, 3}},
                         others[][2] = {{0, 1}, {1, 3}, {4, 1}, {5, 0}};
    for (size_t i = 0; i < 2; i++) {
        work now = work_at(6, cuts[i][0], cuts[i][1]);
        lam_team team;
        const lam_state part = state_of(&now, &team);
        lam_run_file file;
        assert_int_equal(lam_run_state_pack(&part, "sae-1", &file, &w->error), LAM_OK);
        assert_int_equal(lam_run_file_write(&w->folder, &file, &w->error), LAM_OK);
        lam_run_file_destroy(&file);
    }
    assert_int_equal(lam_run_state_latest(&w->folder, "sae-1", INT64_MAX), 6);
    assert_int_equal(lam_run_state_latest(&w->folder, "sae-1", 6), -1);
    for (int missing = 0; missing < 2; missing++) {
        for (size_t i = 0; i < 4; i++) {
            work got = work_at(0, others[i][0], others[i][1]);
            const work wanted = work_at(6, others[i][0], others[i][1]);
            lam_team team;
            lam_state part = state_of(&got, &team);
            bool found;
            assert_int_equal(lam_run_state_load(&w->folder, "sae-1", 6, &part, &found, &w->error),
                             LAM_OK);
            // The second file has blocks 2 to 4.
            assert_int_equal(found, !missing || i == 0 || i == 3);
            if (found) assert_memory_equal(&got, &wanted, sizeof got);
        }
        unlink(path_of(w, "sae-1.6.2"));
    }
}

static void test_names(void **state) {
    (void)state;
    static const char *const good[] = {"sae-0.0.0", "sae-12.34567.8", "a-1.2.3", "seen-sae-0.32.0"};
    static const char *const bad[] = {"sae-0",
                                      "sae-0.1",
                                      "sae-0.1.",
                                      "sae-0.-1.0",
                                      "sae-0.01.0",
                                      "sae-0.1.0.tmp",
                                      ".laminar-1-2.tmp",
                                      "identity",
                                      "sae.1.2",
                                      "sae-0.1.0x",
                                      "sae-0.9999999999999999999.0"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!lam_run_state_is_name(good[i])) fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (lam_run_state_is_name(bad[i])) fail_msg("%s", bad[i]);
}

// The folder goes under the run: it goes on, and keeps no more.
static void test_no_folder(void **state) {
    world *w = *state;
    keep_three(w);
    assert_int_equal(found_at(w, 3), 100);
    lam_run_folder_remove(&w->folder);
    keep(w, 101);
    keep(w, 102);
    lam_keeper_destroy(&w->keeper);
    assert_false(w->keeper.states);
    assert_int_not_equal(access(w->path, F_OK), 0);
}

// A finished layer that cannot be written takes nothing with it.
static void test_a_layer_that_cannot_be_written(void **state) {
    world *w = *state;
    keep_three(w);
    assert_int_equal(found_at(w, 3), 100);
    assert_int_equal(mkdir(path_of(w, "sae-4"), 0777), 0);
    for (int64_t layer = 2; layer <= 5; layer++)
        if (layer != 3) lam_keeper_layer(&w->keeper, "sae", layer, NULL, 0);
    lam_keeper_destroy(&w->keeper);
    assert_true(w->keeper.told);
    assert_true(there(w, "sae-2"));
    assert_true(there(w, "sae-5"));
    assert_true(there(w, "identity"));
    assert_int_equal(found_at(w, 3), 100);
    rmdir(path_of(w, "sae-4"));
}

// What a layer has seen goes with its states once it is finished.
static void test_what_was_seen(void **state) {
    world *w = *state;
    work now = work_at(40, 0, BLOCKS);
    lam_team team;
    const lam_state seen = state_of(&now, &team);
    keep_three(w);
    assert_int_equal(found_at(w, 3), 100);
    lam_keeper_begin_seen(&w->keeper);
    lam_keeper_seen(&w->keeper, "sae", 3, -1, &seen);
    lam_keeper_seen(&w->keeper, "sae", 4, -1, &seen);
    lam_keeper_end_seen(&w->keeper);
    assert_int_equal(found_at(w, 3), 100);
    assert_true(there(w, "seen-sae-3.40.0"));
    lam_keeper_layer(&w->keeper, "sae", 3, NULL, 0);
    lam_keeper_destroy(&w->keeper);
    assert_false(there(w, "seen-sae-3.40.0"));
    assert_true(there(w, "seen-sae-4.40.0"));
}

// What the folder is of cannot be read: it is not taken for an empty one.
static void test_unreadable(void **state) {
    world *w = *state;
    char identity[4200];
    bool found;
    snprintf(identity, sizeof identity, "%s/identity", w->path);
    assert_int_equal(remove(identity), 0);
    assert_int_equal(symlink("identity", identity), 0); // to itself
    lam_run_folder_close(&w->folder);
    assert_int_equal(lam_run_folder_open(&w->folder, "seed: 1\n", &found, &w->error), LAM_IO);
    assert_non_null(strstr(w->error.text, "identity cannot be read"));
}

static const char *why_not(world *w) {
    lam_run_folder other = {.path = w->path};
    assert_int_equal(lam_run_folder_check(&other, true, &w->error), LAM_OK);
    assert_int_equal(lam_run_folder_check(&other, false, &w->error), LAM_USAGE);
    return w->error.text;
}

// Of the run that is at work in it, and then of one that has been.
static void test_one_run_at_a_time(void **state) {
    world *w = *state;
    assert_non_null(strstr(why_not(w), "is of a run that is at work"));
    lam_run_folder_close(&w->folder);
    assert_non_null(strstr(why_not(w), "is of a run that has not ended"));
    open_folder(w, "seed: 1\n"); // does not wait
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
        TEST(two_are_kept),
        TEST(a_finished_layer_takes_their_place),
        TEST(damage),
        TEST(what_is_another_s),
        TEST(other_cuts),
        TEST(names),
        TEST(no_folder),
        TEST(unreadable),
        TEST(what_was_seen),
        TEST(a_layer_that_cannot_be_written),
        TEST(one_run_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
