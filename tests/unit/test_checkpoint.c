#include "io/checkpoint.h"
#include "src/log.h"

#include <omp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "checkpoint_fixture.h"
#include "folder_fixture.h"

static const char *const golden[] = {"gpt2-f32", "gpt2-f16", "gpt2-bf16-sharded", "neox-parallel",
                                     "neox-serial"};
enum { GOLDEN = sizeof golden / sizeof *golden };

static void put_config(const char *from) {
    copy_file(in_folder(golden_path(from), "config.json"), in_folder(folder, "config.json"));
}

// Which value of the stored tensor stands at [row, column] of what is loaded.
typedef int64_t place(const lam_model_config *config, int64_t row, int64_t column);

static int64_t as_stored(const lam_model_config *config, int64_t row, int64_t column) {
    (void)config, (void)row;
    return column; // vectors
}

static int64_t width_by(const lam_model_config *config, int64_t row, int64_t column) {
    return row * config->width + column;
}

static int64_t qkv_by(const lam_model_config *config, int64_t row, int64_t column) {
    return row * 3 * config->width + column;
}

static int64_t mlp_by(const lam_model_config *config, int64_t row, int64_t column) {
    return row * config->mlp_width + column;
}

static int64_t turned_width(const lam_model_config *config, int64_t row, int64_t column) {
    return column * config->width + row;
}

static int64_t turned_mlp(const lam_model_config *config, int64_t row, int64_t column) {
    return column * config->mlp_width + row;
}

// Column c of Q, K and V is, head by head, row (head * 3 + which) * d + k of the stored matrix.
static int64_t head_row(const lam_model_config *config, int64_t column) {
    int64_t which = column / config->width, head = column % config->width / config->head_width;
    return (head * 3 + which) * config->head_width + column % config->head_width;
}

static int64_t by_head(const lam_model_config *config, int64_t row, int64_t column) {
    (void)row;
    return head_row(config, column);
}

static int64_t turned_by_head(const lam_model_config *config, int64_t row, int64_t column) {
    return head_row(config, column) * config->width + row;
}

static void compare(copy *stored, const lam_model_config *config, const char *prefix,
                    const char *name, const float *values, int64_t rows, int64_t columns,
                    place *where) {
    char full[200];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    const lam_tensor *tensor = copy_find(stored, full);
    assert_non_null(values);
    assert_int_equal((int64_t)(tensor->bytes / lam_dtype_size(tensor->dtype)), rows * columns);
    for (int64_t row = 0; row < rows; row++)
        for (int64_t column = 0; column < columns; column++)
            if ((double)values[row * columns + column] !=
                value_at(tensor, where(config, row, column)))
                fail_msg("%s at [%d, %d]", full, (int)row, (int)column);
}

static void compare_gpt2_layer(copy *stored, const lam_model_config *c, int64_t number,
                               const lam_layer *layer) {
    char p[100];
    const int64_t d = c->width, m = c->mlp_width;
    snprintf(p, sizeof p, "transformer.h.%d.", (int)number);
    compare(stored, c, p, "ln_1.weight", layer->norm1_weight, 1, d, as_stored);
    compare(stored, c, p, "ln_1.bias", layer->norm1_bias, 1, d, as_stored);
    compare(stored, c, p, "attn.c_attn.weight", layer->qkv_weight, d, 3 * d, qkv_by);
    compare(stored, c, p, "attn.c_attn.bias", layer->qkv_bias, 1, 3 * d, as_stored);
    compare(stored, c, p, "attn.c_proj.weight", layer->out_weight, d, d, width_by);
    compare(stored, c, p, "attn.c_proj.bias", layer->out_bias, 1, d, as_stored);
    compare(stored, c, p, "ln_2.weight", layer->norm2_weight, 1, d, as_stored);
    compare(stored, c, p, "ln_2.bias", layer->norm2_bias, 1, d, as_stored);
    compare(stored, c, p, "mlp.c_fc.weight", layer->fc_weight, d, m, mlp_by);
    compare(stored, c, p, "mlp.c_fc.bias", layer->fc_bias, 1, m, as_stored);
    compare(stored, c, p, "mlp.c_proj.weight", layer->proj_weight, m, d, width_by);
    compare(stored, c, p, "mlp.c_proj.bias", layer->proj_bias, 1, d, as_stored);
}

static void compare_neox_layer(copy *stored, const lam_model_config *c, int64_t number,
                               const lam_layer *layer) {
    char p[100];
    const int64_t d = c->width, m = c->mlp_width;
    snprintf(p, sizeof p, "gpt_neox.layers.%d.", (int)number);
    compare(stored, c, p, "input_layernorm.weight", layer->norm1_weight, 1, d, as_stored);
    compare(stored, c, p, "input_layernorm.bias", layer->norm1_bias, 1, d, as_stored);
    compare(stored, c, p, "attention.query_key_value.weight", layer->qkv_weight, d, 3 * d,
            turned_by_head);
    compare(stored, c, p, "attention.dense.weight", layer->out_weight, d, d, turned_width);
    if (c->attention_bias) {
        compare(stored, c, p, "attention.query_key_value.bias", layer->qkv_bias, 1, 3 * d, by_head);
        compare(stored, c, p, "attention.dense.bias", layer->out_bias, 1, d, as_stored);
    } else
        assert_true(!layer->qkv_bias && !layer->out_bias);
    compare(stored, c, p, "post_attention_layernorm.weight", layer->norm2_weight, 1, d, as_stored);
    compare(stored, c, p, "post_attention_layernorm.bias", layer->norm2_bias, 1, d, as_stored);
    compare(stored, c, p, "mlp.dense_h_to_4h.weight", layer->fc_weight, d, m, turned_width);
    compare(stored, c, p, "mlp.dense_h_to_4h.bias", layer->fc_bias, 1, m, as_stored);
    compare(stored, c, p, "mlp.dense_4h_to_h.weight", layer->proj_weight, m, d, turned_mlp);
    compare(stored, c, p, "mlp.dense_4h_to_h.bias", layer->proj_bias, 1, d, as_stored);
}

// Everything that is loaded is what the files hold, in the order of src/model.h.
static void compare_model(const char *path) {
    loaded whole;
    copy *stored = copy_of(path);
    assert_ok(load_part(path, NULL, &whole, &error));
    const lam_model_config *c = &whole.model.config;
    const lam_model *m = &whole.model;
    const bool gpt2 = c->family == LAM_GPT2;
    const char *p = gpt2 ? "transformer." : "gpt_neox.";
    assert_int_equal(m->first_layer, 0);
    assert_int_equal(m->layer_count, c->layers);
    for (int64_t i = 0; i < c->layers; i++)
        (gpt2 ? compare_gpt2_layer : compare_neox_layer)(stored, c, i, &m->layer[i]);
    compare(stored, c, p, gpt2 ? "wte.weight" : "embed_in.weight", m->token_embedding,
            c->vocabulary, c->width, width_by);
    if (gpt2)
        compare(stored, c, p, "wpe.weight", m->position_embedding, c->positions, c->width,
                width_by);
    else
        assert_null(m->position_embedding);
    compare(stored, c, p, gpt2 ? "ln_f.weight" : "final_layer_norm.weight", m->final_norm_weight, 1,
            c->width, as_stored);
    compare(stored, c, p, gpt2 ? "ln_f.bias" : "final_layer_norm.bias", m->final_norm_bias, 1,
            c->width, as_stored);
    if (c->tied_head)
        assert_ptr_equal(m->head_weight, m->token_embedding);
    else
        compare(stored, c, "", gpt2 ? "lm_head.weight" : "embed_out.weight", m->head_weight,
                c->vocabulary, c->width, width_by);
    copy_free(stored);
    unload(&whole);
}

static void test_golden_values(void **state) {
    (void)state;
    for (int i = 0; i < GOLDEN; i++) compare_model(golden_path(golden[i]));
}

static void test_odd_sizes(void **state) {
    (void)state;
    static const lam_dtype dtypes[] = {LAM_DTYPE_F32, LAM_DTYPE_F16, LAM_DTYPE_BF16};
    for (int i = 0; i < 3; i++) {
        copy *made = odd_neox(dtypes[i], folder);
        copy_write_all(made, folder);
        compare_model(folder);
        copy_free(made);
    }
}

// Data that begins at an odd place in the file, as old writers left it.
static void test_unaligned_data(void **state) {
    (void)state;
    static const lam_dtype dtypes[] = {LAM_DTYPE_F32, LAM_DTYPE_F16};
    const char *path = in_folder(folder, "model.safetensors");
    for (int i = 0; i < 2; i++) {
        copy *made = odd_neox(dtypes[i], folder);
        copy_write_all(made, folder);
        copy_free(made);
        size_t bytes;
        char *whole = read_bytes(path, &bytes), *moved = malloc(bytes + 1);
        assert_non_null(moved);
        uint64_t length;
        memcpy(&length, whole, sizeof length);
        memcpy(moved, whole, 8 + length);
        moved[8 + length] = ' ';
        memcpy(moved + 8 + length + 1, whole + 8 + length, bytes - 8 - length);
        length++;
        memcpy(moved, &length, sizeof length);
        write_bytes(path, moved, bytes + 1);
        compare_model(folder);
        free(whole);
        free(moved);
    }
}

static void test_without_attention_bias(void **state) {
    (void)state;
    copy *made = odd_neox(LAM_DTYPE_F16, folder);
    write_text(in_folder(folder, "config.json"),
               "{\"model_type\": \"gpt_neox\", \"num_hidden_layers\": 2, \"hidden_size\": 160,"
               "\"num_attention_heads\": 2, \"intermediate_size\": 200, \"vocab_size\": 71,"
               "\"max_position_embeddings\": 12, \"attention_bias\": false}");
    copy_drop(made, "gpt_neox.layers.0.attention.dense.bias");
    copy_drop(made, "gpt_neox.layers.1.attention.dense.bias");
    copy_drop(made, "gpt_neox.layers.0.attention.query_key_value.bias");
    copy_drop(made, "gpt_neox.layers.1.attention.query_key_value.bias");
    copy_write_all(made, folder);
    compare_model(folder);
    copy_free(made);
}

static void same_values(const float *a, const float *b, int64_t count) {
    assert_int_equal(a != NULL, b != NULL);
    if (a) assert_memory_equal(a, b, (size_t)count * sizeof *a);
}

static void same_layer(const lam_model_config *c, const lam_layer *a, const lam_layer *b) {
    same_values(a->norm1_weight, b->norm1_weight, c->width);
    same_values(a->norm1_bias, b->norm1_bias, c->width);
    same_values(a->qkv_weight, b->qkv_weight, 3 * c->width * c->width);
    same_values(a->qkv_bias, b->qkv_bias, 3 * c->width);
    same_values(a->out_weight, b->out_weight, c->width * c->width);
    same_values(a->out_bias, b->out_bias, c->width);
    same_values(a->norm2_weight, b->norm2_weight, c->width);
    same_values(a->norm2_bias, b->norm2_bias, c->width);
    same_values(a->fc_weight, b->fc_weight, c->width * c->mlp_width);
    same_values(a->fc_bias, b->fc_bias, c->mlp_width);
    same_values(a->proj_weight, b->proj_weight, c->width * c->mlp_width);
    same_values(a->proj_bias, b->proj_bias, c->width);
}

// Cut in two after every layer: the halves are the whole, and hold nothing else; their digests
// together give the whole's.
static void test_parts_are_the_whole(void **state) {
    (void)state;
    for (int g = 0; g < GOLDEN; g++) {
        const char *path = golden_path(golden[g]);
        loaded whole, low, high;
        assert_ok(load_part(path, NULL, &whole, &error));
        const lam_model_config *c = &whole.model.config;
        const size_t count = lam_checkpoint_tensor_count(whole.checkpoint);
        for (int64_t cut = 0; cut <= c->layers; cut++) {
            const lam_checkpoint_part first = {0, cut, true, false, false};
            const lam_checkpoint_part second = {cut, c->layers - cut, false, true, true};
            assert_ok(load_part(path, &first, &low, &error));
            assert_ok(load_part(path, &second, &high, &error));
            const lam_model *a = &low.model, *b = &high.model, *w = &whole.model;
            assert_int_equal(b->first_layer, cut);
            for (int64_t i = 0; i < cut; i++) same_layer(c, &a->layer[i], &w->layer[i]);
            for (int64_t i = cut; i < c->layers; i++)
                same_layer(c, &b->layer[i - cut], &w->layer[i]);
            assert_true(!a->final_norm_weight && !a->final_norm_bias && !a->head_weight);
            assert_true(!b->token_embedding && !b->position_embedding);
            same_values(a->token_embedding, w->token_embedding, c->vocabulary * c->width);
            same_values(a->position_embedding, w->position_embedding, c->positions * c->width);
            same_values(b->final_norm_weight, w->final_norm_weight, c->width);
            same_values(b->final_norm_bias, w->final_norm_bias, c->width);
            same_values(b->head_weight, w->head_weight, c->vocabulary * c->width);
            assert_int_equal(lam_checkpoint_part_bytes(low.checkpoint, &first), low.arena.used);
            for (size_t i = 0; i < count; i++) {
                assert_int_equal(low.present[i], lam_checkpoint_in_part(low.checkpoint, &first, i));
                for (size_t k = 0; k < LAM_SHA256_BYTES; k++) {
                    // as ranks gather them
                    low.digest[i][k] |= high.digest[i][k];
                    assert_int_equal(low.digest[i][k], whole.digest[i][k]);
                }
                low.present[i] = low.present[i] || high.present[i];
                assert_true(low.present[i]);
            }
            unload(&low);
            unload(&high);
        }
        unload(&whole);
    }
}

// A part that the model does not have is a fault of the caller, not a read beyond the end.
static void test_impossible_parts(void **state) {
    (void)state;
    static const lam_checkpoint_part parts[] = {
        {0, 6, false, false, false},         {5, 1, false, false, false},
        {-1, 1, false, false, false},        {0, -1, false, false, false},
        {INT64_MAX, 1, false, false, false}, {1, INT64_MAX, false, false, false}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        loaded model;
        assert_fails(load_part(golden_path("gpt2-f32"), &parts[i], &model, &error), LAM_INTERNAL,
                     "layers", "gpt2-f32");
        unload(&model);
    }
}

// The digests by themselves are those of loading; the whole is over the documented lines.
static void test_digest(void **state) {
    (void)state;
    for (int g = 0; g < GOLDEN; g++) {
        loaded whole;
        assert_ok(load_part(golden_path(golden[g]), NULL, &whole, &error));
        const lam_checkpoint *c = whole.checkpoint;
        const size_t count = lam_checkpoint_tensor_count(c);
        const lam_checkpoint_part all = {0, whole.model.config.layers, true, true, true};
        uint8_t(*digest)[LAM_SHA256_BYTES] = calloc(count, sizeof *digest);
        bool *present = calloc(count, sizeof *present);
        assert_true(digest && present);
        char text[LAM_SHA256_TEXT], expected[LAM_SHA256_TEXT];
        assert_fails(lam_checkpoint_sha256(c, digest, present, text, &error), LAM_INTERNAL,
                     "no rank hashed tensor", golden[g]);
        assert_ok(lam_checkpoint_digest(c, &all, digest, present, &error));
        assert_memory_equal(digest, whole.digest, count * sizeof *digest);

        char line[COPY_TENSORS][300], *order[COPY_TENSORS];
        copy *stored = copy_of(golden_path(golden[g]));
        for (size_t i = 0; i < count; i++) {
            const lam_checkpoint_tensor tensor = lam_checkpoint_tensor_at(c, i);
            const lam_tensor *same = copy_find(stored, tensor.name);
            uint8_t bytes[LAM_SHA256_BYTES];
            char shape[LAM_SHAPE_TEXT], hex[LAM_SHA256_TEXT];
            assert_ok(lam_sha256_of(same->data, same->bytes, bytes, &error));
            lam_sha256_text(bytes, hex);
            lam_shape_text(same->dimensions, same->shape, shape);
            snprintf(line[i], sizeof line[i], "%s %s %s %s\n", tensor.name, tensor.dtype, shape,
                     hex);
            size_t at = i; // insertion by name
            for (; at > 0 && strcmp(order[at - 1], line[i]) > 0; at--) order[at] = order[at - 1];
            order[at] = line[i];
        }
        copy_free(stored);
        lam_sha256 *hash = lam_sha256_create();
        uint8_t bytes[LAM_SHA256_BYTES];
        for (size_t i = 0; i < count; i++) lam_sha256_update(hash, order[i], strlen(order[i]));
        lam_sha256_finish(hash, bytes);
        lam_sha256_text(bytes, expected);
        assert_ok(lam_checkpoint_sha256(c, digest, present, text, &error));
        assert_string_equal(text, expected);
        free(digest);
        free(present);
        unload(&whole);
    }
}

static void test_threads_do_not_matter(void **state) {
    (void)state;
    const int before = omp_get_max_threads();
    char one[LAM_SHA256_TEXT];
    omp_set_num_threads(1);
    strcpy(one, sha256_of(golden_path("neox-parallel")));
    omp_set_num_threads(3);
    assert_string_equal(one, sha256_of(golden_path("neox-parallel")));
    compare_model(golden_path("neox-parallel"));
    omp_set_num_threads(before);
}

// How the tensors are spread, ordered and prefixed, and what buffers lie among them, is not the
// model.
static void test_digest_of_copies(void **state) {
    (void)state;
    static const int64_t mask[] = {1, 1, 4, 4};
    char sharded[LAM_SHA256_TEXT];
    strcpy(sharded, sha256_of(golden_path("gpt2-bf16-sharded")));
    put_config("gpt2-bf16-sharded");
    copy *stored = copy_of(golden_path("gpt2-bf16-sharded"));
    copy_write_all(stored, folder);
    assert_string_equal(sha256_of(folder), sharded);
    for (size_t i = 0; i < stored->count; i++) // without prefix
        memmove((char *)stored->tensor[i].name, stored->tensor[i].name + strlen("transformer."),
                strlen(stored->tensor[i].name + strlen("transformer.")) + 1);
    copy_write_all(stored, folder);
    assert_string_equal(sha256_of(folder), sharded);
    copy_add(stored, "h.0.attn.bias", LAM_DTYPE_BOOL, 4, mask, NULL);
    copy_add(stored, "h.0.attn.masked_bias", LAM_DTYPE_F32, 0, NULL, NULL);
    copy_add(stored, "lm_head.weight", LAM_DTYPE_F64, 1, mask, NULL); // tied: passed over
    copy_add(stored, "something.else", LAM_DTYPE_I64, 1, mask, NULL);
    copy_write_all(stored, folder);
    assert_string_equal(sha256_of(folder), sharded);
    ((char *)copy_find(stored, "h.3.ln_2.bias")->data)[6] ^= 1;
    copy_write_all(stored, folder);
    assert_string_not_equal(sha256_of(folder), sharded);
    copy_free(stored);
}

static void test_neox_buffers(void **state) {
    (void)state;
    static const int64_t size[] = {2};
    put_config("neox-serial");
    copy *stored = copy_of(golden_path("neox-serial"));
    copy_add(stored, "gpt_neox.layers.0.attention.bias", LAM_DTYPE_U8, 1, size, NULL);
    copy_add(stored, "gpt_neox.layers.0.attention.masked_bias", LAM_DTYPE_F16, 0, NULL, NULL);
    copy_add(stored, "gpt_neox.layers.0.attention.rotary_emb.inv_freq", LAM_DTYPE_F32, 1, size,
             NULL);
    copy_write_all(stored, folder);
    assert_string_equal(sha256_of(folder), sha256_of(golden_path("neox-serial")));
    copy_free(stored);
}

// What a verbose run says of tensors that are not of the model: unknown ones only.
static void test_unknown_tensors_are_logged(void **state) {
    (void)state;
    static const int64_t size[] = {2};
    const char *path = in_folder(folder, "log");
    put_config("gpt2-f32");
    copy *stored = copy_of(golden_path("gpt2-f32"));
    copy_add(stored, "h.0.attn.bias", LAM_DTYPE_U8, 1, size, NULL);
    copy_add(stored, "score.weight", LAM_DTYPE_F32, 1, size, NULL);
    copy_write_all(stored, folder);
    fflush(stderr);
    const int kept = dup(STDERR_FILENO), file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(file, STDERR_FILENO);
    lam_log_open(LAM_VERBOSE, true);
    lam_checkpoint *checkpoint;
    lam_error error = {0};
    lam_code code = lam_checkpoint_open(folder, &checkpoint, &error);
    lam_log_open(LAM_NORMAL, true);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(file);
    lam_checkpoint_close(checkpoint);
    assert_int_equal(code, LAM_OK);
    size_t bytes;
    char *log = read_bytes(path, &bytes);
    assert_non_null(strstr(log, "1 tensors are not of the model"));
    assert_non_null(strstr(log, "score.weight"));
    assert_null(strstr(log, "attn.bias"));
    free(log);
    unlink(path);
    copy_free(stored);
}

static void test_untied_gpt2(void **state) {
    (void)state;
    write_text(in_folder(folder, "config.json"),
               "{\"model_type\": \"gpt2\", \"n_layer\": 5, \"n_embd\": 48, \"n_head\": 4,"
               "\"n_positions\": 32, \"vocab_size\": 97, \"tie_word_embeddings\": false}");
    copy *stored = copy_of(golden_path("gpt2-f16"));
    copy_write_all(stored, folder);
    assert_fails(try_load(folder, &error), LAM_INPUT, "lm_head.weight", "tie_word_embeddings");
    const lam_tensor *embedding = copy_find(stored, "transformer.wte.weight");
    const int64_t shape[] = {97, 48};
    copy_add(stored, "lm_head.weight", LAM_DTYPE_F16, 2, shape, embedding->data);
    ((char *)copy_find(stored, "lm_head.weight")->data)[5] ^= 1;
    copy_write_all(stored, folder);
    compare_model(folder);
    copy_free(stored);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_values),
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_unaligned_data),
        cmocka_unit_test(test_without_attention_bias),
        cmocka_unit_test(test_parts_are_the_whole),
        cmocka_unit_test(test_impossible_parts),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_digest_of_copies),
        cmocka_unit_test(test_neox_buffers),
        cmocka_unit_test(test_unknown_tensors_are_logged),
        cmocka_unit_test(test_untied_gpt2),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
