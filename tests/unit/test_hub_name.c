// Names of models on a hub, pinned ones, and where those lie in the cache.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/model_folder.h"
#include "src/hub_name.h"
#include "src/option.h"

#include <stdlib.h>
#include <string.h>

#define COMMIT "607a30d783dfa663caf39e06633721c8d4cfcd7e"

static void test_names(void **state) {
    (void)state;
    static const char *const good[] = {"gpt2", "EleutherAI/pythia-2.8b", "a/b_c.d-e", "0"};
    static const char *const bad[] = {"",   "/",    "a/",  "/a",   "a/b/c", "../x", ".git",
                                      "-x", "a/..", "a b", "a\nb", "a@b",   "a/.b", "é"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(lam_hub_is_name(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (lam_hub_is_name(bad[i], strlen(bad[i]))) fail_msg("'%s' is taken for a name", bad[i]);
    assert_true(lam_hub_is_name("gpt2@x", 4));
    assert_false(lam_hub_is_name("a/b", 2));
}

static void test_pinned(void **state) {
    (void)state;
    assert_true(lam_hub_is_commit(COMMIT));
    assert_int_equal(lam_hub_pinned("gpt2@" COMMIT), 4);
    assert_int_equal(lam_hub_pinned("openai-community/gpt2@" COMMIT), 21);
    static const char *const paths[] = {"gpt2",
                                        "gpt2@main",
                                        "gpt2@607a30d",
                                        "@" COMMIT,
                                        "gpt2@" COMMIT "0",
                                        "gpt2@" COMMIT "/x",
                                        "./gpt2@" COMMIT,
                                        "../gpt2@" COMMIT,
                                        "/models/gpt2@" COMMIT,
                                        "a/b/gpt2@" COMMIT};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (lam_hub_pinned(paths[i])) fail_msg("'%s' is taken for a pinned model", paths[i]);
}

// Paths of a job file are relative to it; a pinned name is no path.
static void test_in_a_job(void **state) {
    (void)state;
    lam_strings models = {0};
    lam_arena arena = {0};
    lam_error error;
    static const lam_option option = {"model", LAM_OPTION_PATHS, 0, NULL, 0, 0, NULL, ""};
    const char *given[] = {"gpt2", "a/gpt2@" COMMIT};
    const lam_strings items = {2, given};
    assert_int_equal(lam_option_set_list(&option, &models, "model", &items, "jobs", &arena, &error),
                     LAM_OK);
    assert_string_equal(models.item[0], "jobs/gpt2");
    assert_string_equal(models.item[1], "a/gpt2@" COMMIT);
    lam_arena_destroy(&arena);
}

static void test_folder(void **state) {
    (void)state;
    const char *folder = NULL;
    lam_arena arena = {0};
    lam_error error;
    setenv("LAMINAR_CACHE", "/nowhere", 1);
    assert_int_equal(lam_model_folder("models/gpt2", &folder, &arena, &error), LAM_OK);
    assert_string_equal(folder, "models/gpt2");
    assert_int_equal(lam_model_folder("a/gpt2@" COMMIT, &folder, &arena, &error), LAM_IO);
    assert_string_equal(
        error.text,
        "a/gpt2@" COMMIT
        " is not in the cache /nowhere: where there is a network, run 'laminar fetch "
        "model a/gpt2 --revision " COMMIT "', or say where the cache is by LAMINAR_CACHE");
    lam_arena_destroy(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_pinned),
        cmocka_unit_test(test_in_a_job),
        cmocka_unit_test(test_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
