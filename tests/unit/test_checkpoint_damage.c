#include "io/checkpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint_fixture.h"
#include "folder_fixture.h"

static void put_config(const char *from) {
    copy_file(in_folder(golden_path(from), "config.json"), in_folder(folder, "config.json"));
}

// Only the bytes of the part are looked at: what is broken elsewhere is another rank's to report.
static void test_only_the_part_is_read(void **state) {
    (void)state;
    const lam_checkpoint_part first = {0, 1, true, false, false};
    const lam_checkpoint_part second = {1, 1, false, false, false};
    const float nan = NAN;
    loaded model;
    put_config("gpt2-f32");
    copy *stored = copy_of(golden_path("gpt2-f32"));
    memcpy((char *)copy_find(stored, "transformer.h.1.mlp.c_fc.bias")->data + 8, &nan, 4);
    copy_write_all(stored, folder);
    assert_ok(load_part(folder, &first, &model, &error));
    unload(&model);
    assert_fails(load_part(folder, &second, &model, &error), LAM_NUMERIC,
                 "tensor transformer.h.1.mlp.c_fc.bias", "1 value is not finite");
    unload(&model);
    copy_free(stored);
}

// In every format, in what is copied, turned and put in order: how many and where, as stored.
static void test_not_finite(void **state) {
    (void)state;
    static const struct {
        lam_dtype dtype;
        const char *name;
        int64_t first, second;
        const char *where;
    } cases[] = {
        {LAM_DTYPE_F16, "gpt_neox.layers.1.attention.query_key_value.weight", 477 * 160 + 159,
         479 * 160 + 3, "the first at [477, 159]"},
        {LAM_DTYPE_BF16, "gpt_neox.layers.0.attention.query_key_value.bias", 81, 479,
         "the first at [81]"},
        {LAM_DTYPE_F32, "gpt_neox.layers.1.mlp.dense_4h_to_h.weight", 3 * 200 + 130, 4 * 200 + 2,
         "the first at [3, 130]"},
        {LAM_DTYPE_F32, "gpt_neox.embed_in.weight", 70 * 160 + 1, 70 * 160 + 2,
         "the first at [70, 1]"},
        {LAM_DTYPE_BF16, "gpt_neox.final_layer_norm.weight", 0, 159, "the first at [0]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        copy *made = odd_neox(cases[i].dtype, folder);
        char *data = (char *)copy_find(made, cases[i].name)->data;
        const size_t size = lam_dtype_size(cases[i].dtype);
        const uint32_t infinity = 0xFF800000u, quiet = 0x7FC00001u;
        const uint16_t half = 0xFC00, half_nan = 0x7C01;
        const uint16_t top = 0xFF80, top_nan = 0x7F81;
        const bool is_half = cases[i].dtype == LAM_DTYPE_F16;
        const void *a = size == 4 ? (const void *)&infinity : is_half ? &half : &top;
        const void *b = size == 4 ? (const void *)&quiet : is_half ? &half_nan : &top_nan;
        memcpy(data + (size_t)cases[i].first * size, a, size);
        memcpy(data + (size_t)cases[i].second * size, b, size);
        copy_write_all(made, folder);
        assert_fails(try_load(folder, &error), LAM_NUMERIC, cases[i].name, cases[i].where);
        assert_fails(try_load(folder, &error), LAM_NUMERIC, "2 values are not finite",
                     in_folder(folder, "model.safetensors"));
        copy_free(made);
    }
}

// The golden GPT-2 with one tensor changed.
static void change_tensor(const char *name, lam_dtype dtype, int dimensions, int64_t rows,
                          int64_t columns) {
    const int64_t shape[] = {rows, columns};
    copy *stored = copy_of(golden_path("gpt2-f32"));
    copy_drop(stored, name);
    if (dimensions) copy_add(stored, name, dtype, dimensions, shape, NULL);
    copy_write_all(stored, folder);
    copy_free(stored);
}

static void test_wrong_tensors(void **state) {
    (void)state;
    const char *fc = "transformer.h.3.mlp.c_fc.weight";
    const char *file = in_folder(folder, "model.safetensors");
    put_config("gpt2-f32");
    change_tensor(fc, LAM_DTYPE_F32, 2, 48, 190);
    assert_fails(try_load(folder, &error), LAM_INPUT, "tensor transformer.h.3.mlp.c_fc.weight in ",
                 "is [48, 190], config.json says [48, 192] (n_embd, n_inner)");
    assert_fails(try_load(folder, &error), LAM_INPUT, file, "download");
    change_tensor(fc, LAM_DTYPE_F32, 2, 192, 48); // as Linear would have it
    assert_fails(try_load(folder, &error), LAM_INPUT, fc, "is [192, 48]");
    change_tensor(fc, LAM_DTYPE_F32, 1, 48 * 192, 0);
    assert_fails(try_load(folder, &error), LAM_INPUT, fc, "is [9216]");
    change_tensor(fc, LAM_DTYPE_I64, 2, 48, 192);
    assert_fails(try_load(folder, &error), LAM_INPUT, fc, "is I64");
    change_tensor(fc, LAM_DTYPE_F64, 2, 48, 192);
    assert_fails(try_load(folder, &error), LAM_INPUT, file, "is F64");
    change_tensor(fc, 0, 0, 0, 0);
    assert_fails(try_load(folder, &error), LAM_INPUT, fc, "has no tensor");
    change_tensor("transformer.wte.weight", LAM_DTYPE_F32, 2, 96, 48);
    assert_fails(try_load(folder, &error), LAM_INPUT, "transformer.wte.weight",
                 "is [96, 48], config.json says [97, 48] (vocab_size, n_embd)");
    change_tensor("transformer.wpe.weight", LAM_DTYPE_F32, 2, 31, 48);
    assert_fails(try_load(folder, &error), LAM_INPUT, "transformer.wpe.weight",
                 "(n_positions, n_embd)");
    change_tensor("transformer.h.4.attn.c_attn.bias", LAM_DTYPE_F32, 1, 143, 0);
    assert_fails(try_load(folder, &error), LAM_INPUT, "is [143], config.json says [144]",
                 "(3 n_embd)");
}

// The right tensors under a config of another model.
static void test_wrong_config(void **state) {
    (void)state;
    const char *config = in_folder(folder, "config.json");
    copy *stored = copy_of(golden_path("gpt2-f32"));
    copy_write_all(stored, folder);
    copy_free(stored);
    write_text(config, "{\"model_type\": \"gpt2\", \"n_layer\": 5, \"n_embd\": 64, \"n_head\": 4,"
                       "\"n_positions\": 32, \"vocab_size\": 97}");
    assert_fails(try_load(folder, &error), LAM_INPUT, "is [97, 48], config.json says [97, 64]",
                 "transformer.wte.weight");
    write_text(config, "{\"model_type\": \"gpt2\", \"n_layer\": 6, \"n_embd\": 48, \"n_head\": 4,"
                       "\"n_positions\": 32, \"vocab_size\": 97}");
    assert_fails(try_load(folder, &error), LAM_INPUT, "has no tensor transformer.h.5.ln_1.weight",
                 folder);
    write_text(config, "{\"model_type\": \"bert\"}");
    assert_fails(try_load(folder, &error), LAM_INPUT, "model_type is bert", config);
    unlink(config);
    assert_fails(try_load(folder, &error), LAM_INPUT, "has no config.json", folder);
}

static void test_damaged_files(void **state) {
    (void)state;
    const char *file = in_folder(folder, "model.safetensors");
    put_config("gpt2-f32");
    size_t bytes;
    char *whole = read_bytes(in_folder(golden_path("gpt2-f32"), "model.safetensors"), &bytes);
    write_bytes(file, whole, bytes / 2);
    assert_fails(try_load(folder, &error), LAM_INPUT, file, "is cut short");
    write_bytes(file, whole, 100);
    assert_fails(try_load(folder, &error), LAM_INPUT, file, "cut short within its header");
    write_bytes(file, whole, 0);
    assert_fails(try_load(folder, &error), LAM_INPUT, file, "0 bytes");
    free(whole);
}

// A file that loses its end between opening and loading gives a line, not a signal.
static void test_file_shrinks(void **state) {
    (void)state;
    const char *file = in_folder(folder, "model.safetensors");
    const lam_checkpoint_part all = {0, 5, true, true, true};
    put_config("gpt2-f32");
    copy *stored = copy_of(golden_path("gpt2-f32"));
    copy_write_all(stored, folder);
    copy_free(stored);
    lam_checkpoint *checkpoint;
    lam_arena arena = {0};
    lam_model model;
    assert_ok(lam_checkpoint_open(folder, &checkpoint, &error));
    assert_int_equal(truncate(file, 8192), 0);
    assert_fails(lam_checkpoint_load(checkpoint, &all, &arena, &model, NULL, NULL, &error),
                 LAM_INPUT, file, "has become shorter");
    lam_checkpoint_close(checkpoint);
    lam_arena_destroy(&arena);
}

static void test_no_weights(void **state) {
    (void)state;
    char *empty = temp_dir();
    assert_non_null(empty);
    assert_fails(try_load(in_folder(empty, "none"), &error), LAM_IO, "/none", "No such file");
    assert_fails(try_load(empty, &error), LAM_INPUT, empty, "has no config.json");
    copy_file(in_folder(golden_path("gpt2-f32"), "config.json"), in_folder(empty, "config.json"));
    assert_fails(try_load(in_folder(empty, "config.json"), &error), LAM_INPUT, "/config.json",
                 "is not a folder");
    assert_fails(try_load(empty, &error), LAM_INPUT, empty, "neither model.safetensors nor");
    write_text(in_folder(empty, "pytorch_model.bin"), "x");
    write_text(in_folder(empty, "tf_model.h5"), "x");
    assert_fails(try_load(empty, &error), LAM_INPUT,
                 "has pytorch_model.bin but no model.safetensors", "download the safetensors");
    remove_tree(empty);
    free(empty);
}

// The golden shards in a folder of their own, and an index to be spoilt.
static char *copy_shards(void) {
    char *shards = temp_dir();
    const char *from = golden_path("gpt2-bf16-sharded");
    assert_non_null(shards);
    DIR *list = opendir(from);
    assert_non_null(list);
    for (const struct dirent *entry; (entry = readdir(list));)
        if (strstr(entry->d_name, "model") || strcmp(entry->d_name, "config.json") == 0)
            copy_file(in_folder(from, entry->d_name), in_folder(shards, entry->d_name));
    closedir(list);
    return shards;
}

// Replaces the first occurrence of one text in the index by another.
static void spoil_index(const char *shards, const char *from, const char *to) {
    const char *path = in_folder(shards, "model.safetensors.index.json");
    size_t bytes;
    char *text = read_bytes(path, &bytes), *at = strstr(text, from);
    assert_non_null(at);
    char *made = calloc(1, bytes + strlen(to) + 1);
    assert_non_null(made);
    memcpy(made, text, (size_t)(at - text));
    strcat(made, to);
    strcat(made, at + strlen(from));
    write_text(path, made);
    free(made);
    free(text);
}

static void test_damaged_shards(void **state) {
    (void)state;
    static const struct {
        const char *from, *to, *says, *names;
    } cases[] = {
        {"\"model-00004-of-00004.safetensors\"", "\"model-00009-of-00004.safetensors\"",
         "model-00009-of-00004.safetensors is missing", "index.json names"},
        {"\"model-00001-of-00004.safetensors\"", "\"../model-00001-of-00004.safetensors\"",
         "names the shard \"../model-00001", "index.json"},
        {"\"model-00001-of-00004.safetensors\"", "\"/etc/passwd\"",
         "names the shard \"/etc/passwd\"", "not a file of its folder"},
        {"\"model-00001-of-00004.safetensors\"", "\"..\"", "names the shard \"..\"", "index.json"},
        {"\"model-00001-of-00004.safetensors\"", "\"\"", "names the shard \"\"", "index.json"},
        {"\"model-00001-of-00004.safetensors\"", "\"config.json\"", "config.json", "header"},
        {"\"model-00001-of-00004.safetensors\"", "7", "names no file for the tensor", "index.json"},
        {"\"model-00001-of-00004.safetensors\"", "\"model-00004-of-00004.safetensors\"",
         "model-00004-of-00004.safetensors has no tensor", "places there"},
        {"\"transformer.wte.weight\"", "\"transformer.wtf.weight\"", "has no tensor",
         "transformer.wtf.weight"},
        {"\"weight_map\"", "\"weights\"", "has no weight_map", "index.json"},
        {"\"weight_map\": {", "\"weight_map\": 3, \"x\": {", "has no weight_map", "index.json"},
        {"{", "[", "not valid JSON", "index.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *shards = copy_shards();
        spoil_index(shards, cases[i].from, cases[i].to);
        assert_fails(try_load(shards, &error), LAM_INPUT, cases[i].says, cases[i].names);
        remove_tree(shards);
        free(shards);
    }
    char *shards = copy_shards();
    const char *gone = in_folder(shards, "model-00003-of-00004.safetensors");
    assert_ok(try_load(shards, &error));
    assert_int_equal(truncate(gone, 40000), 0);
    assert_fails(try_load(shards, &error), LAM_INPUT, gone, "is cut short");
    unlink(gone);
    assert_fails(try_load(shards, &error), LAM_INPUT, gone, "is missing");
    remove_tree(shards);
    free(shards);
}

// A tensor that no shard's entry in the index names, though a shard has it, is not found.
static void test_index_leaves_out(void **state) {
    (void)state;
    char *shards = copy_shards();
    spoil_index(shards, "\"transformer.ln_f.weight\": \"model-00004-of-00004.safetensors\",", "");
    assert_fails(try_load(shards, &error), LAM_INPUT, "has no tensor transformer.ln_f.weight",
                 shards);
    remove_tree(shards);
    free(shards);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_part_is_read),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_wrong_tensors),
        cmocka_unit_test(test_wrong_config),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_file_shrinks),
        cmocka_unit_test(test_no_weights),
        cmocka_unit_test(test_damaged_shards),
        cmocka_unit_test(test_index_leaves_out),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
