#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "jobs/job_file.h"

#include <sys/stat.h>

typedef struct alpha {
    int site;
    int64_t latents, epochs;
    double learning_rate;
    bool exact;
    lam_strings sites;
} alpha;

typedef struct beta {
    const char *template;
    lam_word_lists categories;
} beta;

static const char *const site_choices[] = {"mlp_out", "mlp_fc", NULL};

static const lam_option alpha_options[] = {
    {"site", LAM_OPTION_CHOICE, offsetof(alpha, site), "mlp_out", 0, 0, site_choices, "the site"},
    {"latents", LAM_OPTION_INTEGER, offsetof(alpha, latents), "auto", 1, 1 << 20, NULL,
     "latents of each; auto: four times the width"},
    {"epochs", LAM_OPTION_INTEGER, offsetof(alpha, epochs), "75", 1, 1e9, NULL, "passes"},
    {"learning_rate", LAM_OPTION_REAL, offsetof(alpha, learning_rate), "1e-3", 0, 1, NULL,
     "Adam's step"},
    {"exact", LAM_OPTION_BOOL, offsetof(alpha, exact), "no", 0, 0, NULL, "sum directly"},
    {"sites", LAM_OPTION_STRINGS, offsetof(alpha, sites), "[mlp_fc]", 0, 0, site_choices, "sites"},
    {0},
};
static const lam_option beta_options[] = {
    {"template", LAM_OPTION_STRING, offsetof(beta, template), "The next word is {}", 0, 0, NULL,
     "the prompt"},
    {"categories", LAM_OPTION_WORD_LISTS, offsetof(beta, categories),
     "{space: [moon, star], fruit: [pear, \"seed, or stone\"]}", 0, 0, NULL, "the words"},
    {0},
};
static const lam_option no_options[] = {{0}};

static const lam_profile alpha_profile = {.name = "alpha",
                                          .summary = "One autoencoder a layer.",
                                          .options = alpha_options,
                                          .options_size = sizeof(alpha)};
static const lam_profile beta_profile = {.name = "beta",
                                         .summary = "Likeness of words.",
                                         .options = beta_options,
                                         .options_size = sizeof(beta)};
static const lam_profile gamma_profile = {
    .name = "gamma", .summary = "Nothing.", .options = no_options};
static const lam_profile *const registry[] = {&alpha_profile, &beta_profile, &gamma_profile, NULL};

typedef struct world {
    lam_arena arena;
    lam_error error;
    lam_job job;
} world;

static int set_up(void **state) {
    return !(*state = calloc(1, sizeof(world)));
}

static int tear_down(void **state) {
    world *w = *state;
    lam_arena_destroy(&w->arena);
    free(w);
    return 0;
}

static lam_code parse(world *w, const char *text, const char *folder, const lam_strings *sets,
                      const char *output) {
    return lam_job_parse(text, strlen(text), "job.yaml", folder, sets, output, registry, &w->job,
                         &w->arena, &w->error);
}

static void accept_job(world *w, const char *text) {
    if (parse(w, text, NULL, NULL, NULL) != LAM_OK) fail_msg("%s", w->error.text);
}

static void refuse_job(world *w, const char *text, const char *line) {
    assert_int_equal(parse(w, text, NULL, NULL, NULL), LAM_USAGE);
    assert_string_equal(w->error.text, line);
}

static const char *yaml_of(world *w) {
    const char *text = lam_job_yaml(&w->job, &w->arena, &w->error);
    assert_non_null(text);
    return text;
}

static const char whole_job[] =
    "model: [../models/a, /models/b]   # two\n"
    "mode: published\n"
    "seed: 9223372036854775807\n"
    "text: pages/LED.html\n"
    "html: clip\n"
    "sequences: 4\n"
    "length: 512\n"
    "select: first\n"
    "output: led.nc\n"
    "threads: 3\n"
    "checkpoint: 1.5m\n"
    "beta: {text: passage.txt, template: 'a {}', categories: {x: [y]}}\n"
    "alpha:\n"
    "  site: mlp_fc\n"
    "  latents: 2k\n"
    "  learning_rate: 2.5e-4\n"
    "  length: auto\n";

static void test_a_whole_job(void **state) {
    world *w = *state;
    if (parse(w, whole_job, "studies", NULL, NULL) != LAM_OK) fail_msg("%s", w->error.text);
    const lam_job_globals *globals = &w->job.globals;
    assert_int_equal(globals->model.count, 2);
    assert_string_equal(globals->model.item[0], "studies/../models/a");
    assert_string_equal(globals->model.item[1], "/models/b");
    assert_int_equal(globals->mode, LAM_PUBLISHED);
    assert_true(globals->seed == INT64_MAX);
    assert_string_equal(globals->output, "studies/led.nc");
    assert_int_equal(globals->threads, 3);
    assert_true(globals->checkpoint == 90);
    assert_string_equal(globals->input.text.item[0], "studies/pages/LED.html");
    assert_int_equal(globals->input.html, LAM_JOB_HTML_CLIP);
    assert_int_equal(globals->input.select, LAM_JOB_SELECT_FIRST);
    // the registry's order, not the file's
    assert_int_equal(w->job.section_count, 2);
    const lam_job_section *first = &w->job.section[0], *second = &w->job.section[1];
    assert_ptr_equal(first->profile, &alpha_profile);
    assert_ptr_equal(second->profile, &beta_profile);
    const alpha *a = first->options;
    assert_int_equal(a->site, 1);
    assert_int_equal(a->latents, 2048);
    assert_int_equal(a->epochs, 75);
    assert_true(a->learning_rate == 2.5e-4);
    assert_string_equal(first->input.text.item[0], "studies/pages/LED.html");
    assert_true(first->input.length == LAM_AUTO_INTEGER);
    assert_int_equal(first->input.sequences, 4);
    assert_string_equal(second->input.text.item[0], "studies/passage.txt");
    assert_int_equal(second->input.length, 512);
    const beta *b = second->options;
    assert_string_equal(b->template, "a {}");
    assert_int_equal(b->categories.count, 1);
    assert_string_equal(b->categories.words[0].item[0], "y");
}

static void test_defaults(void **state) {
    world *w = *state;
    accept_job(w, "model: m\nalpha:\n");
    assert_int_equal(w->job.globals.mode, LAM_STANDARD);
    assert_int_equal(w->job.globals.seed, 1);
    assert_string_equal(w->job.globals.output, "profile.nc");
    assert_true(w->job.globals.threads == LAM_AUTO_INTEGER);
    const lam_input *input = &w->job.section[0].input;
    assert_int_equal(input->text.count, 0);
    assert_int_equal(input->html, LAM_JOB_HTML_AUTO);
    assert_int_equal(input->select, LAM_JOB_SELECT_AUTO);
    assert_int_equal(input->sequences, 10);
    assert_true(input->length == LAM_AUTO_INTEGER);
    static const char *const ways[] = {"alpha: {}", "alpha:", "alpha: ~", "alpha: null"};
    for (size_t i = 0; i < 4; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s\nmodel: m\n", ways[i]);
        accept_job(w, text);
        assert_int_equal(w->job.section_count, 1);
    }
}

static void test_unknown_names(void **state) {
    world *w = *state;
    refuse_job(w, "model: m\nlenght: 5\nalpha: {}\n",
               "job.yaml:2: unknown key 'lenght' (nearest: 'length')");
    refuse_job(w, "model: m\nalpha:\n  epochs: 1\n  learning-rate: 5\n",
               "job.yaml:4: unknown key 'learning-rate' in 'alpha' (nearest: 'learning_rate')");
    refuse_job(w, "model: m\nalhpa: {epochs: 1}\n",
               "job.yaml:2: unknown profile 'alhpa' (nearest: 'alpha')");
    refuse_job(w, "model: m\nspectra:\n",
               "job.yaml:2: unknown profile 'spectra' (known: alpha, beta, gamma)");
    refuse_job(w, "model: m\nquux: 1\n",
               "job.yaml:2: unknown key 'quux' (known: model, mode, seed, output, threads, "
               "watchdog, distribute, checkpoint, text, "
               "html, sequences, length, select, limit, sample, end_of_text, documents, alpha, "
               "beta, gamma)");
    refuse_job(w, "model: m\nepochs: 1\nalpha:\n",
               "job.yaml:2: unknown key 'epochs': it is a key of the section 'alpha'");
    refuse_job(w, "model: m\nalpha: {seed: 1}\n",
               "job.yaml:2: unknown key 'seed' in 'alpha': it stands at the top of the job file, "
               "not in a section");
    refuse_job(w, "model: m\nalpha: {template: x}\n",
               "job.yaml:2: unknown key 'template' in 'alpha': it is a key of the section 'beta'");
    refuse_job(w, "model: m\n<<: {a: b}\n",
               "job.yaml:2: unknown profile '<<' (known: alpha, beta, "
               "gamma)");
    refuse_job(w, "'': m\nalpha:\n",
               "job.yaml:1: unknown key '' (known: model, mode, seed, output, threads, watchdog, "
               "distribute, checkpoint, "
               "text, html, "
               "sequences, length, select, limit, sample, end_of_text, documents, alpha, "
               "beta, gamma)");
}

static void test_wrong_values(void **state) {
    world *w = *state;
    refuse_job(w, "model: m\nalpha:\n  epochs: 5.5\n",
               "job.yaml:3: 'alpha.epochs': '5.5' is not a whole number from 1 to 1000000000");
    refuse_job(w, "model: m\nseed: -1\nalpha:\n",
               "job.yaml:2: 'seed': '-1' is not a whole number of 0 or more");
    refuse_job(
        w, "model: m\nalpha: {length: 0}\n",
        "job.yaml:2: 'alpha.length': '0' is not a whole number from 1 to 2147483648, or auto");
    refuse_job(w, "model: m\nmode: standrad\nalpha:\n",
               "job.yaml:2: 'mode': 'standrad' is not one of standard, published (nearest: "
               "'standard')");
    refuse_job(w, "model: m\nseed: [1, 2]\nalpha:\n",
               "job.yaml:2: 'seed' is a list, where a whole number of 0 or more is wanted");
    refuse_job(w, "model: m\nseed:\n  a: 1\nalpha:\n",
               "job.yaml:2: 'seed' is a mapping, where a whole number of 0 or more is wanted");
    refuse_job(
        w, "model: {a: b}\nalpha:\n",
        "job.yaml:1: 'model' is a mapping, where a path, or a list of them: [a, b] is wanted");
    refuse_job(
        w, "model: m\ntext:\nalpha:\n",
        "job.yaml:2: 'text' has no value: write a path, or a list of them: [a, b], or leave the "
        "key out");
    refuse_job(w, "model: m\ntext: ''\nalpha:\n",
               "job.yaml:2: 'text' is empty, where a path is wanted");
    refuse_job(w, "model: m\nalpha: 5\n",
               "job.yaml:2: 'alpha' is a profile's section: write 'alpha: {key: value, ...}', or "
               "'alpha: {}'");
    refuse_job(w, "model: m\nalpha: [epochs]\n",
               "job.yaml:2: 'alpha' is a profile's section: write 'alpha: {key: value, ...}', or "
               "'alpha: {}'");
    refuse_job(w, "model: m\nalpha:\n  sites: [mlp_fc, mlp_uot]\n",
               "job.yaml:3: 'alpha.sites': 'mlp_uot' is not one of mlp_out, mlp_fc, or a list of "
               "them: [a, b] (nearest: 'mlp_out')");
    refuse_job(w, "model: m\nbeta:\n  categories: moon\n",
               "job.yaml:3: 'beta.categories' is one value, where named lists of words: {name: "
               "[word, ...]} is wanted");
    refuse_job(w, "model: m\nbeta: {template: a}\nbeta: {template: b}\n",
               "job.yaml:3: the key 'beta' is given twice (first in line 2)");
}

static void test_incomplete_jobs(void **state) {
    world *w = *state;
    refuse_job(w, "", "job.yaml is empty: a job names at least a model and a profile");
    refuse_job(w, "# later\n", "job.yaml is empty: a job names at least a model and a profile");
    refuse_job(w, "alpha: {}\n",
               "job.yaml: the key 'model' is missing: write 'model: FOLDER', a checkpoint's");
    refuse_job(w, "model: []\nalpha: {}\n",
               "job.yaml: the key 'model' is missing: write 'model: FOLDER', a checkpoint's");
    refuse_job(w, "model: m\n",
               "job.yaml: no profile is asked for: add a section, such as 'alpha: {}' (profiles: "
               "alpha, beta, gamma)");
    refuse_job(w, "\n- model\n",
               "job.yaml:2: a job file holds keys and values, such as 'model: "
               "FOLDER'");
    refuse_job(w, "model\n",
               "job.yaml:1: a job file holds keys and values, such as 'model: FOLDER'");
}

static void test_sets(void **state) {
    world *w = *state;
    const char *items[] = {"alpha.epochs=3",         "sequences=7",         "alpha.text=other.txt",
                           "alpha.learning-rate=.5", "alpha.epochs=4",      "alpha.sites=[mlp_out]",
                           "output=ignored.nc",      "beta.template=a=b {}"};
    lam_strings sets = {8, items};
    if (parse(w, whole_job, "studies", &sets, "mine.nc") != LAM_OK) fail_msg("%s", w->error.text);
    const alpha *a = w->job.section[0].options;
    assert_int_equal(a->epochs, 4);
    assert_true(a->learning_rate == 0.5);
    assert_string_equal(a->sites.item[0], "mlp_out");
    assert_string_equal(w->job.globals.output, "mine.nc");
    // global ones reach the sections that have no value of their own; paths are the command line's
    assert_int_equal(w->job.section[0].input.sequences, 7);
    assert_string_equal(w->job.section[0].input.text.item[0], "other.txt");
    assert_string_equal(w->job.section[1].input.text.item[0], "studies/passage.txt");
    assert_string_equal(((const beta *)w->job.section[1].options)->template, "a=b {}");
    const char *length[] = {"length=99"};
    sets = (lam_strings){1, length};
    assert_int_equal(parse(w, whole_job, NULL, &sets, NULL), LAM_OK);
    assert_true(w->job.section[0].input.length == LAM_AUTO_INTEGER);
    assert_int_equal(w->job.section[1].input.length, 99);
}

static void test_wrong_sets(void **state) {
    world *w = *state;
    static const char *const cases[][2] = {
        {"seed", "--set: 'seed' is not section.key=value"},
        {"alpha.epochs=0", "--set: 'alpha.epochs': '0' is not a whole number from 1 to 1000000000"},
        {"alpha.epcohs=1", "--set: unknown key 'epcohs' in 'alpha' (nearest: 'epochs')"},
        {"aplha.epochs=1", "--set: unknown profile 'aplha' (nearest: 'alpha')"},
        {"gamma.length=1",
         "--set: the job has no section 'gamma': add 'gamma: {}' to the job file"},
        {"epochs=1", "--set: unknown key 'epochs': it is a key of the section 'alpha'"},
        {"alpha={}",
         "--set: unknown key 'alpha': it is a section, whose keys are written alpha.key"},
        {"=1", "--set: unknown key '' (known: model, mode, seed, output, threads, watchdog, "
               "distribute, checkpoint, text, html, "
               "sequences, length, select, limit, sample, end_of_text, documents, alpha, "
               "beta, gamma)"},
        {"text=", "--set: 'text' is empty, where a path is wanted"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *item = cases[i][0];
        lam_strings sets = {1, &item};
        assert_int_equal(parse(w, whole_job, NULL, &sets, NULL), LAM_USAGE);
        assert_string_equal(w->error.text, cases[i][1]);
    }
    const char *twice[] = {"model=a", "model=b"};
    lam_strings sets = {2, twice};
    assert_int_equal(parse(w, whole_job, NULL, &sets, NULL), LAM_USAGE);
    assert_string_equal(w->error.text, "--set: 'model' is given twice: write a list as '[a, b]'");
    assert_int_equal(parse(w, whole_job, NULL, NULL, ""), LAM_USAGE);
    assert_string_equal(w->error.text, "'-o' is empty, where a path is wanted");
}

static void test_the_text_of_a_job(void **state) {
    world *w = *state;
    accept_job(w, whole_job);
    const char *text = yaml_of(w);
    assert_string_equal(text, "model: [../models/a, /models/b]\n"
                              "mode: published\n"
                              "seed: 9223372036854775807\n"
                              "output: led.nc\n"
                              "threads: 3\n"
                              "watchdog: 5m\n"
                              "distribute: 8192\n"
                              "checkpoint: 90s\n"
                              "text: [pages/LED.html]\n"
                              "html: clip\n"
                              "sequences: 4\n"
                              "length: 512\n"
                              "select: first\n"
                              "limit: 0\n"
                              "sample: 0\n"
                              "end_of_text: false\n"
                              "documents: join\n"
                              "alpha:\n"
                              "  length: auto\n"
                              "  site: mlp_fc\n"
                              "  latents: 2048\n"
                              "  epochs: 75\n"
                              "  learning_rate: 0.00025\n"
                              "  exact: false\n"
                              "  sites: [mlp_fc]\n"
                              "beta:\n"
                              "  text: [passage.txt]\n"
                              "  template: \"a {}\"\n"
                              "  categories: {x: [\"y\"]}\n");
    accept_job(w, text);
    assert_string_equal(yaml_of(w), text);
    accept_job(w, "model: \"a b: #c\\n\"\ngamma:\nbeta: {template: \"null\"}\n");
    text = yaml_of(w);
    assert_non_null(strstr(text, "\ngamma:\n  {}\n"));
    assert_null(strstr(text, "\ntext:"));
    accept_job(w, text);
    assert_string_equal(yaml_of(w), text);
    assert_string_equal(w->job.globals.model.item[0], "a b: #c\n");
}

// Jobs with bytes changed, cut or repeated are refused in one line or come back from their text.
static void test_mutated_jobs(void **state) {
    world *w = *state;
    uint64_t bits = 1;
    int accepted = 0;
    for (int i = 0; i < 4000; i++) {
        char text[sizeof whole_job + 8];
        strcpy(text, whole_job);
        size_t length = strlen(text);
        for (int j = 0; j < 1 + i % 3; j++) {
            bits = bits * 6364136223846793005u + 1442695040888963407u;
            size_t at = (bits >> 33) % length;
            static const char marks[] = ":-[]{}#&*!|>'\"%@`, \n\t?~0a\x80\xff";
            if (i % 4 == 0)
                text[at] = '\0', length = at ? at : 1;
            else if (i % 4 == 1)
                memmove(text + at, text + at + 1, strlen(text + at));
            else
                text[at] = marks[(bits >> 20) % (sizeof marks - 1)];
        }
        lam_arena arena = {0};
        lam_job job;
        lam_code code = lam_job_parse(text, strlen(text), "x", "f", NULL, NULL, registry, &job,
                                      &arena, &w->error);
        assert_true(code == LAM_OK || code == LAM_USAGE);
        if (code == LAM_OK) {
            accepted++;
            const char *first = lam_job_yaml(&job, &arena, &w->error);
            assert_non_null(first);
            assert_int_equal(lam_job_parse(first, strlen(first), "x", NULL, NULL, NULL, registry,
                                           &job, &arena, &w->error),
                             LAM_OK);
            assert_string_equal(lam_job_yaml(&job, &arena, &w->error), first);
        }
        lam_arena_destroy(&arena);
    }
    assert_in_range(accepted, 100, 3900); // both ways are walked
}

static char *write_file(const char *folder, const char *name, const char *text) {
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void refuse_file(world *w, const char *path, lam_code code, const char *part) {
    assert_int_equal(lam_job_read(path, NULL, NULL, registry, &w->job, &w->arena, &w->error), code);
    if (!strstr(w->error.text, part) || !strstr(w->error.text, path))
        fail_msg("'%s' does not name '%s' and '%s'", w->error.text, path, part);
}

static void test_files(void **state) {
    world *w = *state;
    char *folder = temp_dir(), expected[4200];
    assert_non_null(folder);
    char *path = write_file(folder, "job.yaml", whole_job);
    assert_int_equal(lam_job_read(path, NULL, "x.nc", registry, &w->job, &w->arena, &w->error),
                     LAM_OK);
    snprintf(expected, sizeof expected, "%s/pages/LED.html", folder);
    assert_string_equal(w->job.globals.input.text.item[0], expected);
    assert_string_equal(w->job.globals.output, "x.nc");
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(lam_job_read("job.yaml", NULL, NULL, registry, &w->job, &w->arena, &w->error),
                     LAM_OK);
    assert_string_equal(w->job.globals.input.text.item[0], "pages/LED.html");
    assert_int_equal(chdir("/"), 0);

    refuse_file(w, write_file(folder, "bad.yaml", "model: m\nalpha: {epochs: x}\n"), LAM_USAGE,
                "bad.yaml:2: 'alpha.epochs'");
    refuse_file(w,
                write_file(folder, "noise",
                           "\x7f"
                           "ELF\x02\x01"),
                LAM_USAGE, "not a YAML text");
    refuse_file(w, write_file(folder, "empty", ""), LAM_USAGE, "is empty");
    path = write_file(folder, "huge", "model: ");
    assert_int_equal(truncate(path, 100 << 20), 0); // sparse
    refuse_file(w, path, LAM_USAGE, "larger than 16 MB");
    refuse_file(w, "/dev/zero", LAM_USAGE, "larger than 16 MB");
    refuse_file(w, folder, LAM_IO, "cannot be read: Is a directory");
    refuse_file(w, "/nowhere/job.yaml", LAM_IO, "cannot be opened: No such file or directory");
    remove_tree(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)
        TEST(a_whole_job),     TEST(defaults), TEST(unknown_names), TEST(wrong_values),
        TEST(incomplete_jobs), TEST(sets),     TEST(wrong_sets),    TEST(the_text_of_a_job),
        TEST(mutated_jobs),    TEST(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
