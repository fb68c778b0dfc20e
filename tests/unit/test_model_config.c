#include "io/model_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "safetensors_fixture.h"

#include "folder_fixture.h" // its global is a parameter's name above

static lam_code read_text(const char *text, lam_model_config *config, lam_error *error) {
    const char *path = in_folder(folder, "config.json");
    write_text(path, text);
    return lam_model_config_read(path, config, error);
}

static lam_model_config config_of(const char *text) {
    lam_model_config config;
    assert_ok(read_text(text, &config, &error));
    return config;
}

// What is absent is as transformers has it.
static void test_defaults(void **state) {
    (void)state;
    lam_model_config config = config_of("{\"model_type\": \"gpt2\"}");
    assert_int_equal(config.family, LAM_GPT2);
    assert_int_equal(config.layers, 12);
    assert_int_equal(config.width, 768);
    assert_int_equal(config.heads, 12);
    assert_int_equal(config.head_width, 64);
    assert_int_equal(config.mlp_width, 3072);
    assert_int_equal(config.positions, 1024);
    assert_int_equal(config.vocabulary, 50257);
    assert_true(config.norm_epsilon == 1e-5);
    assert_int_equal(config.activation, LAM_GELU_NEW);
    assert_true(config.tied_head && config.scale_attention && config.attention_bias);
    assert_false(config.scale_by_inverse_layer || config.parallel_residual);
    assert_int_equal(config.rotary_width, 0);

    config = config_of("{\"model_type\": \"gpt_neox\"}");
    assert_int_equal(config.family, LAM_GPT_NEOX);
    assert_int_equal(config.layers, 44);
    assert_int_equal(config.width, 6144);
    assert_int_equal(config.heads, 64);
    assert_int_equal(config.mlp_width, 24576);
    assert_int_equal(config.positions, 2048);
    assert_int_equal(config.vocabulary, 50432);
    assert_int_equal(config.activation, LAM_GELU);
    assert_true(config.parallel_residual && config.attention_bias && config.scale_attention);
    assert_false(config.tied_head);
    assert_int_equal(config.rotary_width, 24);
    assert_true(config.rotary_base == 10000);
}

static void test_given_gpt2(void **state) {
    (void)state;
    lam_model_config config = config_of(
        "{\"model_type\": \"gpt2\", \"n_layer\": 3, \"n_embd\": 40, \"n_head\": 5, \"n_inner\": 77,"
        "\"n_positions\": 9, \"vocab_size\": 11, \"layer_norm_epsilon\": 1e-6,"
        "\"activation_function\": \"relu\", \"tie_word_embeddings\": false,"
        "\"scale_attn_weights\": false, \"scale_attn_by_inverse_layer_idx\": true,"
        "\"add_cross_attention\": false, \"reorder_and_upcast_attn\": true, \"n_ctx\": 8}");
    assert_int_equal(config.layers, 3);
    assert_int_equal(config.head_width, 8);
    assert_int_equal(config.mlp_width, 77);
    assert_int_equal(config.positions, 9);
    assert_int_equal(config.vocabulary, 11);
    assert_true(config.norm_epsilon == 1e-6);
    assert_int_equal(config.activation, LAM_RELU);
    assert_true(config.scale_by_inverse_layer);
    assert_false(config.tied_head || config.scale_attention);
    config = config_of("{\"model_type\": \"gpt2\", \"n_embd\": 24, \"n_inner\": null}");
    assert_int_equal(config.mlp_width, 96);
}

// gpt_neox with heads of 16 and these keys more.
static lam_model_config neox(const char *more) {
    char text[1024];
    snprintf(text, sizeof text,
             "{\"model_type\": \"gpt_neox\", \"hidden_size\": 48, \"num_attention_heads\": 3%s}",
             more);
    return config_of(text);
}

// Every way the hubs have written the rotation.
static void test_rotation_spellings(void **state) {
    (void)state;
    static const struct {
        const char *more;
        int64_t width;
        double base;
    } cases[] = {
        {"", 4, 10000},
        {", \"rotary_pct\": 0.5, \"rotary_emb_base\": 500", 8, 500},
        {", \"rotary_pct\": 1.0", 16, 10000},
        {", \"rotary_pct\": 1", 16, 10000},
        {", \"partial_rotary_factor\": 0.5, \"rope_theta\": 500.0", 8, 500},
        {", \"rotary_pct\": 0.25, \"rotary_emb_base\": 10000, \"rope_theta\": 10000, "
         "\"partial_rotary_factor\": 0.25, \"rope_scaling\": null",
         4, 10000},
        {", \"rope_parameters\": {\"rope_type\": \"default\", \"partial_rotary_factor\": 1.0, "
         "\"rope_theta\": 2e4}",
         16, 20000},
        {", \"rope_parameters\": {\"rope_theta\": 77}", 4, 77},
        {", \"rope_parameters\": {}", 4, 10000},
        {", \"rope_parameters\": null", 4, 10000},
        {", \"rope_scaling\": {\"type\": \"default\"}", 4, 10000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lam_model_config config = neox(cases[i].more);
        assert_int_equal(config.rotary_width, cases[i].width);
        assert_true(config.rotary_base == cases[i].base);
    }
    assert_false(neox(", \"use_parallel_residual\": false").parallel_residual);
    assert_false(neox(", \"attention_bias\": false").attention_bias);
    assert_true(neox(", \"tie_word_embeddings\": true").tied_head);
}

static void test_activations(void **state) {
    (void)state;
    static const struct {
        const char *name;
        lam_activation activation;
    } cases[] = {
        {"gelu_new", LAM_GELU_NEW}, {"gelu_pytorch_tanh", LAM_GELU_NEW},
        {"gelu", LAM_GELU},         {"gelu_fast", LAM_GELU_FAST},
        {"relu", LAM_RELU},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"model_type\": \"gpt2\", \"activation_function\": \"%s\"}",
                 cases[i].name);
        assert_int_equal(config_of(text).activation, cases[i].activation);
        snprintf(text, sizeof text, ", \"hidden_act\": \"%s\"", cases[i].name);
        assert_int_equal(neox(text).activation, cases[i].activation);
    }
}

static void test_refusals(void **state) {
    (void)state;
#define GPT2(more) "{\"model_type\": \"gpt2\", " more "}"
#define NEOX(more)                                                                                 \
    "{\"model_type\": \"gpt_neox\", \"hidden_size\": 48, \"num_attention_heads\": 3, " more "}"
    static const struct {
        const char *text, *says, *names;
    } cases[] = {
        {"", "not valid JSON", "config.json"},
        {"{\"model_type\": \"gpt2\"", "not valid JSON (line 1, column 21", "config.json"},
        {"[]", "no JSON object", "config.json"},
        {"{\"model_type\": \"gpt2\", \"model_type\": \"gpt2\"}", "not valid JSON", "duplicate"},
        {"{}", "model_type is missing", "gpt2 and gpt_neox"},
        {"{\"model_type\": \"llama\"}", "model_type is llama", "gpt2 and gpt_neox"},
        {"{\"model_type\": \"GPT2\"}", "model_type is GPT2", "gpt2 and gpt_neox"},
        {"{\"model_type\": 2}", "model_type is 2", "a text"},
        {GPT2("\"n_layer\": \"12\""), "n_layer is \"12\"", "a whole number"},
        {GPT2("\"n_layer\": 12.0"), "n_layer is 12.0", "a whole number"},
        {GPT2("\"n_layer\": 0"), "n_layer is 0", "between 1 and"},
        {GPT2("\"n_layer\": 999999999999"), "n_layer is 999999999999", "between 1 and"},
        {GPT2("\"n_embd\": -768"), "n_embd is -768", "between 1 and"},
        {GPT2("\"n_embd\": 9223372036854775807"), "n_embd is 9223372036854775807", "between"},
        {GPT2("\"n_embd\": -9223372036854775808, \"n_head\": 1"), "n_embd is -92", "between"},
        {GPT2("\"n_embd\": 9223372036854775808"), "not valid JSON", "config.json"},
        {GPT2("\"n_head\": 0"), "n_head is 0", "between 1 and 768"},
        {GPT2("\"n_head\": 769"), "n_head is 769", "between 1 and 768"},
        {GPT2("\"n_head\": 7"), "n_embd is 768", "n_head, 7, does not divide"},
        {GPT2("\"n_inner\": 0"), "n_inner is 0", "between 1 and"},
        {GPT2("\"n_positions\": 0"), "n_positions is 0", "between 1 and"},
        {GPT2("\"vocab_size\": -1"), "vocab_size is -1", "between 1 and"},
        {GPT2("\"layer_norm_epsilon\": 0"), "layer_norm_epsilon is 0", "above 0"},
        {GPT2("\"layer_norm_epsilon\": true"), "layer_norm_epsilon is true", "a number"},
        {GPT2("\"activation_function\": \"silu\""), "activation_function is \"silu\"", "gelu_fast"},
        {GPT2("\"activation_function\": []"), "activation_function is []", "a text"},
        {GPT2("\"tie_word_embeddings\": 1"), "tie_word_embeddings is 1", "true or false"},
        {GPT2("\"add_cross_attention\": true"), "add_cross_attention is true",
         "cannot be profiled"},
        {GPT2("\"quantization_config\": {}"), "quantization_config", "download"},
        {NEOX("\"hidden_act\": \"swish\""), "hidden_act is \"swish\"", "gelu_fast"},
        {NEOX("\"num_hidden_layers\": -1"), "num_hidden_layers is -1", "between 1 and"},
        {NEOX("\"layer_norm_eps\": 1"), "layer_norm_eps is 1", "below 1"},
        {NEOX("\"rotary_pct\": 0"), "rotary_pct is 0", "above 0 and at most 1"},
        {NEOX("\"rotary_pct\": 1.5"), "rotary_pct is 1.5", "above 0 and at most 1"},
        {NEOX("\"rotary_pct\": 0.2"), "rotates 3 of the 16", "an even number"},
        {NEOX("\"rotary_pct\": 0.01"), "rotates 0 of the 16", "an even number"},
        {NEOX("\"rotary_pct\": \"0.25\""), "rotary_pct is \"0.25\"", "a number"},
        {NEOX("\"rotary_emb_base\": 0"), "rotary_emb_base", "above 1"},
        {NEOX("\"rotary_pct\": 0.25, \"partial_rotary_factor\": 0.5"),
         "rotary_pct is 0.25 and partial_rotary_factor is 0.5", "contradict"},
        {NEOX("\"rope_parameters\": {\"rope_theta\": 5}, \"rotary_emb_base\": 7"),
         "rope_theta is 5 and rotary_emb_base is 7", "contradict"},
        {NEOX("\"rope_scaling\": {\"type\": \"linear\", \"factor\": 2.0}"),
         "rope_scaling.type is \"linear\"", "only plain"},
        {NEOX("\"rope_parameters\": {\"rope_type\": \"yarn\"}"),
         "rope_parameters.rope_type is \"yarn\"", "only plain"},
        {NEOX("\"rope_parameters\": {\"factor\": 2.0}"), "rope_parameters.factor", "only plain"},
        {NEOX("\"rope_parameters\": 3"), "rope_parameters is 3", "an object"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lam_model_config config;
        assert_fails(read_text(cases[i].text, &config, &error), LAM_INPUT, cases[i].says,
                     cases[i].names);
        assert_fails(read_text(cases[i].text, &config, &error), LAM_INPUT, folder, "/config.json");
    }
}

static void test_not_files(void **state) {
    (void)state;
    lam_model_config config;
    const char *path = in_folder(folder, "large.json");
    assert_fails(lam_model_config_read(in_folder(folder, "none.json"), &config, &error), LAM_IO,
                 "/none.json", "No such file");
    assert_fails(lam_model_config_read(folder, &config, &error), LAM_IO, folder, "not a regular");
    write_text(path, "{}");
    assert_int_equal(truncate(path, (off_t)1 << 40), 0);
    assert_fails(lam_model_config_read(path, &config, &error), LAM_INPUT, path, "more than");
}

// What is written is read again as the same, and nothing written is overwritten.
static void test_written_is_read(void **state) {
    (void)state;
    static const lam_model_config configs[] = {
        {LAM_GPT2, 5, 48, 4, 12, 192, 32, 97, 1e-5, LAM_GELU_NEW, true, true, false, false, true, 0,
         0},
        {LAM_GPT2, 2, 20, 2, 10, 33, 8, 7, 3e-6, LAM_RELU, false, false, true, false, true, 0, 0},
        {LAM_GPT_NEOX, 3, 48, 3, 16, 128, 32, 101, 1e-5, LAM_GELU, false, true, false, true, true,
         4, 10000},
        {LAM_GPT_NEOX, 1, 58, 2, 29, 5, 6, 9, 1e-5, LAM_GELU_FAST, true, true, false, false, false,
         22, 25000},
    };
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        const char *path = in_folder(folder, "written.json");
        lam_model_config back;
        assert_ok(lam_model_config_write(&configs[i], LAM_DTYPE_F16, path, &error));
        assert_ok(lam_model_config_read(path, &back, &error));
        assert_int_equal(back.family, configs[i].family);
        assert_int_equal(back.layers, configs[i].layers);
        assert_int_equal(back.width, configs[i].width);
        assert_int_equal(back.heads, configs[i].heads);
        assert_int_equal(back.head_width, configs[i].head_width);
        assert_int_equal(back.mlp_width, configs[i].mlp_width);
        assert_int_equal(back.positions, configs[i].positions);
        assert_int_equal(back.vocabulary, configs[i].vocabulary);
        assert_true(back.norm_epsilon == configs[i].norm_epsilon);
        assert_int_equal(back.activation, configs[i].activation);
        assert_int_equal(back.tied_head, configs[i].tied_head);
        assert_int_equal(back.scale_attention, configs[i].scale_attention);
        assert_int_equal(back.scale_by_inverse_layer, configs[i].scale_by_inverse_layer);
        assert_int_equal(back.parallel_residual, configs[i].parallel_residual);
        assert_int_equal(back.attention_bias, configs[i].attention_bias);
        assert_int_equal(back.rotary_width, configs[i].rotary_width);
        assert_true(back.rotary_base == configs[i].rotary_base);
        assert_fails(lam_model_config_write(&configs[i], LAM_DTYPE_F16, path, &error), LAM_IO, path,
                     "File exists");
        unlink(path);
    }
}

// Any share of a head that can be rotated comes back from its decimal text.
static void test_every_rotary_width(void **state) {
    (void)state;
    const char *path = in_folder(folder, "rotary.json");
    static const int64_t heads[] = {2, 10, 29, 80, 97};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        for (int64_t rotary = 2, head = heads[i]; rotary <= head; rotary += 2) {
            lam_model_config config = {
                LAM_GPT_NEOX, 1,    head, 1,     head,  5,     6,      9,    1e-5,
                LAM_GELU,     true, true, false, false, false, rotary, 10000};
            assert_ok(lam_model_config_write(&config, LAM_DTYPE_F32, path, &error));
            assert_ok(lam_model_config_read(path, &config, &error));
            assert_int_equal(config.rotary_width, rotary);
            unlink(path);
        }
}

static void test_golden(void **state) {
    (void)state;
    lam_model_config config;
    assert_ok(lam_model_config_read(golden_path("gpt2-f32/config.json"), &config, &error));
    assert_int_equal(config.width, 48);
    assert_int_equal(config.mlp_width, 192);
    assert_ok(lam_model_config_read(golden_path("neox-parallel/config.json"), &config, &error));
    assert_true(config.parallel_residual);
    assert_int_equal(config.rotary_width, 4);
    assert_ok(lam_model_config_read(golden_path("neox-serial/config.json"), &config, &error));
    assert_false(config.parallel_residual);
    assert_int_equal(config.rotary_width, 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_given_gpt2),
        cmocka_unit_test(test_rotation_spellings),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_not_files),
        cmocka_unit_test(test_written_is_read),
        cmocka_unit_test(test_every_rotary_width),
        cmocka_unit_test(test_golden),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
