#include "io/synth.h"

#include "io/checkpoint_names.h"
#include "io/model_config.h"
#include "io/number.h"

#include <omp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "checkpoint_fixture.h"

static char *base;

static int make_folder(void **state) {
    (void)state;
    base = temp_dir();
    return base ? 0 : -1;
}

static int drop_folder(void **state) {
    (void)state;
    remove_tree(base);
    free(base);
    return 0;
}

static const lam_synth_options plain = {.dtype = LAM_DTYPE_F32, .seed = 1};

static lam_model_config shape_of(const char *name) {
    lam_model_config config;
    assert_ok(lam_synth_shape(name, &config, &error));
    return config;
}

// A new folder in base with a checkpoint of that shape.
static const char *synth(const char *name, const char *shape, const lam_synth_options *options) {
    const lam_model_config config = shape_of(shape);
    assert_ok(lam_synth(&config, options, in_folder(base, name), &error));
    return in_folder(base, name);
}

// The published numbers of parameters, head and embedding counted once where they are tied.
static void test_shapes_have_their_parameters(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t parameters, head_width, rotary_width;
    } known[] = {
        {"gpt2-small", 124439808, 64, 0},     {"gpt2-medium", 354823168, 64, 0},
        {"gpt2-large", 774030080, 64, 0},     {"gpt2-xl", 1557611200, 64, 0},
        {"pythia-14m", 14067712, 32, 8},      {"pythia-31m", 30494720, 32, 8},
        {"pythia-70m", 70426624, 64, 16},     {"pythia-160m", 162322944, 64, 16},
        {"pythia-410m", 405334016, 64, 16},   {"pythia-1b", 1011781632, 256, 64},
        {"pythia-1.4b", 1414647808, 128, 32}, {"pythia-2.8b", 2775208960, 80, 20},
        {"pythia-6.9b", 6857302016, 128, 32}, {"pythia-12b", 11846072320, 128, 32},
    };
    const size_t count = sizeof known / sizeof *known;
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(lam_synth_shape_name(i), known[i].name);
        const lam_model_config config = shape_of(known[i].name);
        assert_ok(lam_model_config_check(&config, known[i].name, &error));
        assert_int_equal(config.head_width, known[i].head_width);
        assert_int_equal(config.rotary_width, known[i].rotary_width);
        lam_arena arena = {0};
        lam_weight *weight;
        size_t weights;
        int64_t parameters = 0;
        assert_ok(lam_weights_list(&config, &arena, &weight, &weights, &error));
        for (size_t k = 0; k < weights; k++)
            parameters += weight[k].shape[0] * (weight[k].dimensions > 1 ? weight[k].shape[1] : 1);
        assert_int_equal(parameters, known[i].parameters);
        lam_arena_destroy(&arena);
    }
    assert_null(lam_synth_shape_name(count));
}

static void test_given_numbers(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "gpt2",
                                        "gpt2-huge",
                                        "gpt2:",
                                        "gpt2:1x2",
                                        "gpt2:1x2x",
                                        "gpt2:1x2x3x4",
                                        "gpt2:1x2x3:",
                                        "gpt2:1x2x1:4:5:6",
                                        "gpt2: 1x2x1",
                                        "gpt2:-1x2x1",
                                        "gpt2:+1x2x1",
                                        "gpt2:1x2x1 ",
                                        "llama:1x2x1",
                                        "pythia-70M",
                                        "gpt2:99999999999999999999x2x1"};
    lam_model_config config = shape_of("gpt2:3x40x5:11:9");
    assert_int_equal(config.family, LAM_GPT2);
    assert_int_equal(config.layers, 3);
    assert_int_equal(config.width, 40);
    assert_int_equal(config.heads, 5);
    assert_int_equal(config.head_width, 8);
    assert_int_equal(config.mlp_width, 160);
    assert_int_equal(config.vocabulary, 11);
    assert_int_equal(config.positions, 9);
    assert_true(config.tied_head && config.attention_bias && config.scale_attention);
    config = shape_of("gpt_neox:2x24x2");
    assert_int_equal(config.vocabulary, 50304);
    assert_int_equal(config.positions, 2048);
    assert_int_equal(config.rotary_width, 2); // a quarter of 12 is 3, and 3 cannot be turned
    assert_true(config.parallel_residual && !config.tied_head);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_fails(lam_synth_shape(wrong[i], &config, &error), LAM_USAGE, wrong[i],
                     "gpt2-small, gpt2-medium");
    assert_fails(lam_synth_shape("gpt2:2x10x3", &config, &error), LAM_INPUT, "n_embd is 10",
                 "gpt2:2x10x3");
    assert_fails(lam_synth_shape("gpt2:0x10x2", &config, &error), LAM_INPUT, "n_layer is 0", "");
    assert_fails(lam_synth_shape("gpt2:1x0x0", &config, &error), LAM_INPUT, "n_embd is 0", "");
    assert_fails(lam_synth_shape("gpt_neox:1x9223372036854775807x1", &config, &error), LAM_INPUT,
                 "hidden_size is 9223372036854775807", "");
}

// Mean and standard deviation of a tensor, within six standard errors.
static void check_spread(copy *stored, const char *name, double deviation) {
    const lam_tensor *tensor = copy_find(stored, name);
    const int64_t count = (int64_t)(tensor->bytes / lam_dtype_size(tensor->dtype));
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++) {
        double x = value_at(tensor, i);
        sum += x, squares += x * x;
    }
    const double error = 6 * deviation / sqrt((double)count);
    if (!(fabs(sum / (double)count) < error) ||
        !(fabs(sqrt(squares / (double)count) - deviation) < error))
        fail_msg("%s: mean %g, root mean square %g, not 0 and %g", name, sum / (double)count,
                 sqrt(squares / (double)count), deviation);
}

static void check_constant(copy *stored, const char *name, double value) {
    const lam_tensor *tensor = copy_find(stored, name);
    for (int64_t i = 0; i < (int64_t)(tensor->bytes / lam_dtype_size(tensor->dtype)); i++)
        assert_true(value_at(tensor, i) == value);
}

static void test_scales(void **state) {
    (void)state;
    copy *gpt2 = copy_of(synth("scales2", "gpt2:4x96x4:997:64", &plain));
    check_spread(gpt2, "transformer.wte.weight", 0.02);
    check_spread(gpt2, "transformer.wpe.weight", 0.02);
    check_spread(gpt2, "transformer.h.0.attn.c_attn.weight", 0.02);
    check_spread(gpt2, "transformer.h.3.mlp.c_fc.weight", 0.02);
    check_spread(gpt2, "transformer.h.1.attn.c_proj.weight", 0.02 / sqrt(8));
    check_spread(gpt2, "transformer.h.2.mlp.c_proj.weight", 0.02 / sqrt(8));
    check_constant(gpt2, "transformer.h.2.mlp.c_proj.bias", 0);
    check_constant(gpt2, "transformer.h.0.attn.c_attn.bias", 0);
    check_constant(gpt2, "transformer.h.3.ln_1.weight", 1);
    check_constant(gpt2, "transformer.ln_f.weight", 1);
    check_constant(gpt2, "transformer.ln_f.bias", 0);
    assert_int_equal(gpt2->count, 2 + 4 * 12 + 2);
    // no two tensors of one shape are the same numbers
    assert_memory_not_equal(copy_find(gpt2, "transformer.h.0.mlp.c_fc.weight")->data,
                            copy_find(gpt2, "transformer.h.1.mlp.c_fc.weight")->data, 400);
    copy_free(gpt2);
    copy *neox = copy_of(synth("scalesx", "gpt_neox:4x96x4:997:64", &plain));
    check_spread(neox, "gpt_neox.embed_in.weight", sqrt(2 / (5 * 96.0)));
    check_spread(neox, "embed_out.weight", sqrt(2 / (5 * 96.0)));
    check_spread(neox, "gpt_neox.layers.2.attention.query_key_value.weight", sqrt(2 / (5 * 96.0)));
    check_spread(neox, "gpt_neox.layers.0.attention.dense.weight", 2 / (4 * sqrt(96)));
    check_spread(neox, "gpt_neox.layers.0.mlp.dense_4h_to_h.weight", 2 / (4 * sqrt(96)));
    check_constant(neox, "gpt_neox.layers.1.post_attention_layernorm.weight", 1);
    check_constant(neox, "gpt_neox.layers.1.mlp.dense_h_to_4h.bias", 0);
    assert_int_equal(neox->count, 1 + 4 * 12 + 3);
    copy_free(neox);
}

// Loads, and config.json says the same as the shape did.
static void test_loads(void **state) {
    (void)state;
    static const char *const shapes[] = {"gpt2:3x48x4:97:32", "gpt_neox:3x48x3:101:32"};
    for (int i = 0; i < 2; i++) {
        const lam_model_config shape = shape_of(shapes[i]);
        char name[] = "loads0";
        name[5] = (char)('0' + i);
        loaded model;
        assert_ok(load_part(synth(name, shapes[i], &plain), NULL, &model, &error));
        const lam_model_config *got = &model.model.config;
        assert_int_equal(got->family, shape.family);
        assert_int_equal(got->layers, shape.layers);
        assert_int_equal(got->width, shape.width);
        assert_int_equal(got->heads, shape.heads);
        assert_int_equal(got->mlp_width, shape.mlp_width);
        assert_int_equal(got->positions, shape.positions);
        assert_int_equal(got->vocabulary, shape.vocabulary);
        assert_int_equal(got->activation, shape.activation);
        assert_int_equal(got->tied_head, shape.tied_head);
        assert_int_equal(got->parallel_residual, shape.parallel_residual);
        assert_int_equal(got->rotary_width, shape.rotary_width);
        assert_true(got->norm_epsilon == shape.norm_epsilon);
        assert_true(got->rotary_base == shape.rotary_base);
        unload(&model);
    }
}

// The same bytes for any number of threads and however they are spread; others for another seed.
static void test_same_everywhere(void **state) {
    (void)state;
    const char *shape = "gpt2:3x112x4:9973:64"; // a tensor of more than one piece
    const int before = omp_get_max_threads();
    char one[LAM_SHA256_TEXT];
    lam_synth_options options = plain;
    omp_set_num_threads(1);
    strcpy(one, sha256_of(synth("same1", shape, &options)));
    omp_set_num_threads(3);
    assert_string_equal(sha256_of(synth("same3", shape, &options)), one);
    options.shard_bytes = 500000;
    const char *sharded = synth("shards", shape, &options);
    assert_string_equal(sha256_of(sharded), one);
    omp_set_num_threads(before);
    options.seed = 2;
    assert_string_not_equal(sha256_of(synth("seed2", shape, &options)), one);
    options.seed = UINT64_C(1) << 32 | 1;
    assert_string_not_equal(sha256_of(synth("seed3", shape, &options)), one);

    // every shard but those of one large tensor keeps to the size
    lam_safetensors *file;
    int shards = 0;
    DIR *list = opendir(sharded);
    assert_non_null(list);
    for (const struct dirent *entry; (entry = readdir(list));) {
        if (!strstr(entry->d_name, ".safetensors") || strstr(entry->d_name, ".json")) continue;
        size_t bytes = 0;
        assert_ok(lam_safetensors_open(in_folder(sharded, entry->d_name), &file, &error));
        for (size_t i = 0; i < lam_safetensors_count(file); i++)
            bytes += lam_safetensors_at(file, i)->bytes;
        assert_true(bytes <= 500000 || lam_safetensors_count(file) == 1);
        lam_safetensors_close(file);
        shards++;
    }
    closedir(list);
    assert_true(shards > 3);
}

// F16 and BF16 weights are the F32 ones, rounded.
static void test_dtypes(void **state) {
    (void)state;
    const char *shape = "gpt_neox:2x48x3:101:32";
    lam_synth_options options = plain;
    copy *full = copy_of(synth("f32", shape, &options));
    options.dtype = LAM_DTYPE_F16;
    copy *half = copy_of(synth("f16", shape, &options));
    options.dtype = LAM_DTYPE_BF16;
    copy *brain = copy_of(synth("bf16", shape, &options));
    for (size_t t = 0; t < full->count; t++) {
        const float *from = full->tensor[t].data;
        const uint16_t *a = copy_find(half, full->tensor[t].name)->data;
        const uint16_t *b = copy_find(brain, full->tensor[t].name)->data;
        for (size_t i = 0; i < full->tensor[t].bytes / 4; i++) {
            assert_int_equal(a[i], lam_half_of_float(from[i]));
            assert_int_equal(b[i], lam_bfloat_of_float(from[i]));
        }
    }
    copy_free(full);
    copy_free(half);
    copy_free(brain);
    options.dtype = LAM_DTYPE_F64;
    const lam_model_config config = shape_of(shape);
    assert_fails(lam_synth(&config, &options, in_folder(base, "f64"), &error), LAM_USAGE, "F64",
                 "BF16");
    assert_true(access(in_folder(base, "f64"), F_OK) != 0);
}

// An earlier synth's folder is replaced whole; anything else in it keeps it from being touched.
static void test_folders(void **state) {
    (void)state;
    const lam_model_config config = shape_of("gpt2:1x8x2:7:5");
    lam_synth_options options = plain;
    const char *folder = in_folder(base, "again");
    options.shard_bytes = 300;
    assert_ok(lam_synth(&config, &options, folder, &error));
    const int sharded = count_entries(folder);
    assert_true(sharded > 5);
    assert_ok(lam_synth(&config, &plain, folder, &error));
    assert_int_equal(count_entries(folder), 3); // weights, config.json, laminar-synth.json
    assert_ok(try_load(folder, &error));
    write_text(in_folder(folder, "notes.txt"), "mine");
    assert_fails(lam_synth(&config, &plain, folder, &error), LAM_USAGE, folder, "notes.txt");
    assert_int_equal(count_entries(folder), 4);
    assert_ok(try_load(folder, &error));

    assert_int_equal(mkdir(in_folder(base, "empty"), 0777), 0);
    assert_ok(lam_synth(&config, &plain, in_folder(base, "empty"), &error));
    assert_int_equal(mkdir(in_folder(base, "foreign"), 0777), 0);
    write_text(in_folder(base, "foreign/config.json"), "{}");
    assert_fails(lam_synth(&config, &plain, in_folder(base, "foreign"), &error), LAM_USAGE,
                 "config.json", "which synth did not write");
    assert_int_equal(count_entries(in_folder(base, "foreign")), 1);
    write_text(in_folder(base, "file"), "x");
    assert_fails(lam_synth(&config, &plain, in_folder(base, "file"), &error), LAM_IO, "/file",
                 "Not a directory");
    assert_fails(lam_synth(&config, &plain, in_folder(base, "no/such"), &error), LAM_IO, "/no/such",
                 "No such file");
}

// A marker that lists files elsewhere gets nothing removed there; one that is no JSON is an error.
static void test_marker_is_not_trusted(void **state) {
    (void)state;
    const lam_model_config config = shape_of("gpt2:1x8x2:7:5");
    const char *folder = in_folder(base, "marked"), *outside = in_folder(base, "precious");
    assert_int_equal(mkdir(folder, 0777), 0);
    write_text(outside, "keep");
    write_text(in_folder(folder, "laminar-synth.json"),
               "{\"files\": [\"../precious\", \"..\", 3, null, \"\"]}");
    lam_error failure = {0};
    (void)!lam_synth(&config, &plain, folder, &failure);
    assert_int_equal(access(outside, F_OK), 0);
    write_text(in_folder(folder, "laminar-synth.json"), "{");
    assert_fails(lam_synth(&config, &plain, folder, &error), LAM_INPUT, "laminar-synth.json",
                 "not valid JSON");
}

// What a synth that was killed left is not in the way.
static void test_after_a_kill(void **state) {
    (void)state;
    const lam_model_config config = shape_of("gpt2:1x8x2:7:5");
    const char *folder = in_folder(base, "killed");
    assert_int_equal(mkdir(folder, 0777), 0);
    assert_int_equal(mkdir(in_folder(folder, ".laminar-partial-1"), 0777), 0);
    write_text(in_folder(folder, ".laminar-partial-1/model.safetensors.partial-1"), "half");
    assert_ok(lam_synth(&config, &plain, folder, &error));
    assert_int_equal(count_entries(folder), 3);
}

static void test_tokenizer(void **state) {
    (void)state;
    const lam_model_config config = shape_of("gpt2:1x8x2:7:5");
    lam_synth_options options = plain;
    const char *source = in_folder(base, "source"), *folder = in_folder(base, "worded");
    assert_int_equal(mkdir(source, 0777), 0);
    options.tokenizer = source;
    assert_fails(lam_synth(&config, &options, folder, &error), LAM_USAGE, source,
                 "no tokenizer to copy");
    assert_true(access(folder, F_OK) != 0); // nothing is left
    write_text(in_folder(source, "vocab.json"), "{\"a\": 0}");
    assert_fails(lam_synth(&config, &options, folder, &error), LAM_USAGE, source,
                 "no tokenizer to copy");
    assert_true(access(folder, F_OK) != 0);
    write_text(in_folder(source, "merges.txt"), "#version: 0.2\n");
    write_text(in_folder(source, "README.md"), "not a tokenizer's");
    assert_ok(lam_synth(&config, &options, folder, &error));
    assert_int_equal(count_entries(folder), 5);
    size_t bytes;
    char *copied = read_bytes(in_folder(folder, "merges.txt"), &bytes);
    assert_string_equal(copied, "#version: 0.2\n");
    free(copied);
    assert_ok(lam_synth(&config, &plain, folder, &error)); // without: they are gone again
    assert_int_equal(count_entries(folder), 3);
}

// A limit on the length of files stands for a full disk.
static void test_no_room(void **state) {
    (void)state;
    const lam_model_config config = shape_of("gpt2:2x64x4:997:64");
    struct rlimit before, small;
    const char *folder = in_folder(base, "full");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1 << 16;
    signal(SIGXFSZ, SIG_IGN);
    for (int there = 0; there < 2; there++) {
        lam_error error = {0};
        if (there) assert_int_equal(mkdir(folder, 0777), 0);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        lam_code code = lam_synth(&config, &plain, folder, &error);
        setrlimit(RLIMIT_FSIZE, &before);
        assert_int_equal(code, LAM_IO);
        assert_non_null(strstr(error.text, "model.safetensors"));
        if (there)
            assert_int_equal(count_entries(folder), 0);
        else
            assert_true(access(folder, F_OK) != 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_have_their_parameters),
        cmocka_unit_test(test_given_numbers),
        cmocka_unit_test(test_scales),
        cmocka_unit_test(test_loads),
        cmocka_unit_test(test_same_everywhere),
        cmocka_unit_test(test_dtypes),
        cmocka_unit_test(test_folders),
        cmocka_unit_test(test_marker_is_not_trusted),
        cmocka_unit_test(test_after_a_kill),
        cmocka_unit_test(test_tokenizer),
        cmocka_unit_test(test_no_room),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
