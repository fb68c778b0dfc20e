// A made-up result with every type, a nested group, root and own dimensions, missing values, a
// variable large enough to be deflated, and texts.
#ifndef LAM_RESULT_FIXTURE_H
#define LAM_RESULT_FIXTURE_H

// After cmocka.h.
#include "fixture.h"
#include "io/result_file.h"
#include "io/result_hash.h"
#include "src/schema.h"

#include <dirent.h>
#include <math.h>
#include <netcdf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 12, HEADS = 4, EPOCHS = 3, UNITS = 12288, WORDS = 5 };

static const lam_dimension made_dimensions[] = {
    {"layer", LAYERS}, {"head", HEADS}, {"component", 3},        {"epoch", EPOCHS},
    {"unit", UNITS},   {"word", WORDS}, {"other_layer", LAYERS}, {"nothing", 0}};

static const lam_variable made_sae[] = {
    {"epoch", LAM_INT, {"epoch"}, "epoch, from 1", "1", NULL},
    {"mse", LAM_DOUBLE, {"layer"}, "mean squared error", "1", NULL},
    {"epoch_loss", LAM_FLOAT, {"layer", "epoch"}, "loss by epoch", "nat", NULL},
    {"rows", LAM_INT64, {"layer"}, "rows", "1", NULL},
    {"entropy", LAM_DOUBLE, {"layer", "head"}, "entropy", "nat", NULL},
    {0},
};
static const lam_variable made_tuning[] = {
    {"unit", LAM_INT, {"unit"}, "unit", "1", NULL},
    {"beta", LAM_DOUBLE, {"layer", "unit"}, "slope", "1", NULL},
    {"status", LAM_BYTE, {"layer", "unit"}, "of the fit", "1", "fitted constant separated"},
    {"component_failed", LAM_INT, {"layer", "component"}, "failed fits", "1", NULL},
    {0},
};
static const lam_variable made_rsa[] = {
    {"word", LAM_STRING, {"word"}, "word", NULL, NULL},
    {"similarity", LAM_FLOAT, {"layer", "component", "word", "word"}, "cosine", "1", NULL},
    {"layer_rsa", LAM_DOUBLE, {"component", "layer", "other_layer"}, "by layers", "1", NULL},
    {"none", LAM_DOUBLE, {"nothing"}, "no values at all", "1", NULL},
    {"one", LAM_DOUBLE, {NULL}, "a single value", "1", NULL},
    {0},
};

static const char *const made_words[WORDS] = {"galaxy", "", "Ł𝛼 ", NULL, "grape jelly"};

// A number for value i (global, over all layers) of a variable; some are missing.
static inline double made_value(const char *name, int64_t i) {
    double value = (double)((uint64_t)(i + 1) * 2654435761u % 1000003u) / 7.0 + name[0];
    return i % 13 == 5 ? NAN : i % 13 == 7 ? -0.0 : value;
}

static inline void put_made_value(void *data, lam_type type, int64_t at, double value) {
    double whole = isnan(value) ? -1 : value;
    switch (type) {
    case LAM_DOUBLE:
        ((double *)data)[at] = value;
        break;
    case LAM_FLOAT:
        ((float *)data)[at] = (float)value;
        break;
    case LAM_INT:
        ((int32_t *)data)[at] = (int32_t)whole;
        break;
    case LAM_INT64:
        ((int64_t *)data)[at] = (int64_t)(whole * 1e12);
        break;
    case LAM_BYTE:
        ((int8_t *)data)[at] = (int8_t)((int64_t)fabs(whole) % 3);
        break;
    case LAM_STRING:
        break;
    }
}

static inline void fill_made_group(lam_group *group) {
    for (size_t v = 0; v < group->variable_count; v++) {
        const lam_variable *variable = &group->variables[v];
        int64_t offset = lam_variable_has_layer(variable)
                             ? group->first_layer * lam_group_row_count(group, v)
                             : 0;
        for (int64_t i = 0; i < lam_group_value_count(group, v); i++)
            if (variable->type == LAM_STRING)
                ((const char **)group->data[v])[i] = made_words[i];
            else
                put_made_value(group->data[v], variable->type, i,
                               made_value(variable->name, offset + i));
    }
}

// Ends the test program if the library itself fails: what follows would test nothing.
static inline lam_group make_group(const char *name, const lam_variable *variables, int64_t first,
                                   int64_t layers, lam_arena *arena) {
    lam_group group;
    lam_error error;
    if (lam_group_create(&group, name, variables, made_dimensions,
                         sizeof made_dimensions / sizeof *made_dimensions, first, layers, arena,
                         &error) != LAM_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    fill_made_group(&group);
    return group;
}

static const lam_attribute made_attributes[] = {
    {.name = "laminar_version", .text = "0.1.0"},
    {.name = "job", .text = "model: \"../models/caf\xe9\"\nseed: 1\n"}, // not UTF-8
    {.name = "mode", .text = "standard"},
    {.name = "model", .text = "../models/gpt2-small"},
    {.name = "model_type", .text = "gpt2"},
    {.name = "model_sha256",
     .text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
    {.name = "text_source", .text = "https://example.org/wiki/Page?oldid=1"},
    {.name = "text_sha256",
     .text = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"},
    {.name = "ranks", .number = 2, .integer = true},
    {.name = "threads_per_rank", .number = 1, .integer = true},
    {.name = "cpu", .text = "Some CPU \033[31mred"},
    {.name = "seconds", .text = "load: 0.1\nforward: 2.5\n"},
    {.name = "l1", .number = 1e-3},
};

typedef struct made_result {
    lam_arena arena;
    lam_group groups[3];
    lam_result result;
} made_result;

static inline void make_result(made_result *made) {
    *made = (made_result){.arena = {0}};
    lam_error error;
    made->groups[0] = make_group("tuning/qkv", made_tuning, 0, LAYERS, &made->arena);
    made->groups[1] = make_group("sae", made_sae, 0, LAYERS, &made->arena);
    made->groups[2] = make_group("rsa", made_rsa, 0, LAYERS, &made->arena);
    if (lam_group_text(&made->groups[1], "site", "mlp_out", &error) != LAM_OK ||
        lam_group_number(&made->groups[1], "latents", 512, true, &error) != LAM_OK ||
        lam_group_number(&made->groups[1], "l1", 1e-3, false, &error) != LAM_OK)
        abort();
    made->result = (lam_result){.title = "A made-up result",
                                .summary = "to be read back",
                                .history = "made",
                                .source = "a test",
                                .date = "2001-02-03T04:05:06Z",
                                .attributes = made_attributes,
                                .attribute_count = sizeof made_attributes / sizeof *made_attributes,
                                .layers = LAYERS,
                                .heads = HEADS,
                                .groups = made->groups,
                                .group_count = 3};
}

// A test's own folder, a path in it, and the result.
typedef struct scene {
    char *folder;
    char path[4096];
    made_result made;
} scene;

static inline int set_up(void **state) {
    scene *here = calloc(1, sizeof *here);
    *state = here;
    here->folder = temp_dir();
    if (!here->folder) return -1;
    snprintf(here->path, sizeof here->path, "%s/result.nc", here->folder);
    make_result(&here->made);
    return 0;
}

static inline int tear_down(void **state) {
    scene *here = *state;
    remove_tree(here->folder);
    free(here->folder);
    lam_arena_destroy(&here->made.arena);
    free(here);
    return 0;
}

static inline void write_well(const char *path, const lam_result *result) {
    lam_error error = {0};
    if (lam_result_write(path, result, &error) != LAM_OK) fail_msg("%s", error.text);
}

static inline int files_in(const char *folder) {
    int count = 0;
    DIR *entries = opendir(folder);
    assert_non_null(entries);
    for (struct dirent *entry; (entry = readdir(entries));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return count;
}

static inline void digest_of(const lam_result *result, char text[LAM_SHA256_TEXT]) {
    lam_error error = {0};
    if (lam_result_hash(result->groups, result->group_count, text, &error) != LAM_OK)
        fail_msg("%s", error.text);
}

static inline int group_id(int root, const char *name) {
    int id;
    assert_int_equal(nc_inq_grp_full_ncid(root, name, &id), NC_NOERR);
    return id;
}

static inline void expect_text(int id, int variable, const char *name, const char *expected) {
    size_t length;
    char text[512] = "";
    assert_int_equal(nc_inq_attlen(id, variable, name, &length), NC_NOERR);
    assert_in_range(length, 0, sizeof text - 1);
    assert_int_equal(nc_get_att_text(id, variable, name, text), NC_NOERR);
    assert_string_equal(text, expected);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
