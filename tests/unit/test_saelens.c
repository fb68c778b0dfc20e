// Autoencoders as SAELens folders: names, shapes, keys and values of each kind, and what is there.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/json_file.h"
#include "io/saelens.h"
#include "io/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// More latents than a piece of rows, no round numbers.
enum { WIDTH = 70, LATENTS = 131, STRIDE = 128 };

typedef struct scene {
    char *folder;     // temporary
    char target[512]; // where the autoencoders go
    lam_error error;
} scene;

// All arrays of all kinds; each value says which array and place it comes from.
static float encoder[LATENTS * STRIDE], decoder[LATENTS * STRIDE];
static float by_latent[5][LATENTS], decoder_bias[WIDTH];

static void fill(float *values, int64_t count, float first) {
    for (int64_t i = 0; i < count; i++) values[i] = first + (float)i * 0.25f;
}

static int set_up(void **state) {
    scene *s = calloc(1, sizeof *s);
    if (!s || !(s->folder = temp_dir())) return 1;
    snprintf(s->target, sizeof s->target, "%s/saes", s->folder);
    fill(encoder, LATENTS * STRIDE, 1);
    fill(decoder, LATENTS * STRIDE, -5000);
    for (int i = 0; i < 5; i++) fill(by_latent[i], LATENTS, 100.0f * (float)i);
    fill(decoder_bias, WIDTH, 7);
    *state = s;
    return 0;
}

static int tear_down(void **state) {
    scene *s = *state;
    remove_tree(s->folder);
    free(s->folder);
    free(s);
    return 0;
}

static lam_autoencoder_parameters parameters_of(lam_autoencoder_kind kind) {
    bool gated = kind == LAM_AUTOENCODER_GATED, jumps = kind == LAM_AUTOENCODER_JUMPRELU;
    return (lam_autoencoder_parameters){.kind = kind,
                                        .width = WIDTH,
                                        .latents = LATENTS,
                                        .stride = STRIDE,
                                        .k = kind == LAM_AUTOENCODER_TOPK ? 13 : 0,
                                        .encoder = encoder,
                                        .decoder = decoder,
                                        .encoder_bias = gated ? NULL : by_latent[0],
                                        .decoder_bias = decoder_bias,
                                        .threshold = jumps ? by_latent[1] : NULL,
                                        .gate_bias = gated ? by_latent[2] : NULL,
                                        .magnitude_scale = gated ? by_latent[3] : NULL,
                                        .magnitude_bias = gated ? by_latent[4] : NULL};
}

static lam_saelens_about about_layer(int64_t layer) {
    return (lam_saelens_about){.model = "gpt2",
                               .site = LAM_SITE_MLP_OUT,
                               .layer = layer,
                               .kind = "some",
                               .text = "page.html",
                               .context = 1024,
                               .dropped = 1,
                               .seed = UINT64_MAX};
}

static void write_well(scene *s, int64_t layer, lam_autoencoder_kind kind) {
    lam_saelens_about about = about_layer(layer);
    lam_autoencoder_parameters p = parameters_of(kind);
    if (lam_saelens_write(s->target, &about, &p, &s->error) != LAM_OK)
        fail_msg("%s", s->error.text);
}

static json_t *read_config(scene *s, int64_t layer) {
    char path[600];
    json_t *config;
    snprintf(path, sizeof path, "%s/layer_%lld/cfg.json", s->target, (long long)layer);
    if (lam_json_read(path, 1 << 20, &config, &s->error) != LAM_OK) fail_msg("%s", s->error.text);
    return config;
}

static lam_safetensors *open_weights(scene *s, int64_t layer) {
    static char path[600];
    lam_safetensors *file;
    snprintf(path, sizeof path, "%s/layer_%lld/sae_weights.safetensors", s->target,
             (long long)layer);
    if (lam_safetensors_open(path, &file, &s->error) != LAM_OK) fail_msg("%s", s->error.text);
    return file;
}

static const float *find(const lam_safetensors *file, const char *name, int64_t rows,
                         int64_t columns) {
    const lam_tensor *tensor = lam_safetensors_find(file, name);
    if (!tensor) fail_msg("there is no %s", name);
    assert_int_equal(tensor->dtype, LAM_DTYPE_F32);
    assert_int_equal(tensor->dimensions, columns ? 2 : 1);
    assert_int_equal(tensor->shape[0], rows);
    if (columns) assert_int_equal(tensor->shape[1], columns);
    return tensor->data;
}

static void expect_vector(const lam_safetensors *file, const char *name, const float *values) {
    assert_memory_equal(find(file, name, LATENTS, 0), values, LATENTS * sizeof *values);
}

static void expect_matrices(const lam_safetensors *file) {
    const float *w_enc = find(file, "W_enc", WIDTH, LATENTS);
    const float *w_dec = find(file, "W_dec", LATENTS, WIDTH);
    for (int64_t d = 0; d < WIDTH; d++)
        for (int64_t l = 0; l < LATENTS; l++) {
            assert_true(w_enc[d * LATENTS + l] == encoder[l * STRIDE + d]);
            assert_true(w_dec[l * WIDTH + d] == decoder[l * STRIDE + d]);
        }
}

static void expect_text(const json_t *object, const char *key, const char *text) {
    const char *found = json_string_value(json_object_get(object, key));
    if (!found) fail_msg("%s is no text", key);
    assert_string_equal(found, text);
}

// The keys and values that every kind has.
static void expect_config(const json_t *config, const char *architecture) {
    expect_text(config, "architecture", architecture);
    expect_text(config, "dtype", "float32");
    expect_text(config, "device", "cpu");
    expect_text(config, "normalize_activations", "none");
    expect_text(config, "reshape_activations", "none");
    assert_int_equal(json_integer_value(json_object_get(config, "d_in")), WIDTH);
    assert_int_equal(json_integer_value(json_object_get(config, "d_sae")), LATENTS);
    assert_true(json_is_true(json_object_get(config, "apply_b_dec_to_input")));
    const json_t *metadata = json_object_get(config, "metadata");
    expect_text(metadata, "model_name", "gpt2");
    expect_text(metadata, "hook_name", "blocks.3.hook_mlp_out");
    expect_text(metadata, "dataset_path", "page.html");
    expect_text(metadata, "laminar_kind", "some");
    expect_text(metadata, "laminar_site", "mlp_out");
    expect_text(metadata, "seed", "18446744073709551615");
    assert_int_equal(json_integer_value(json_object_get(metadata, "context_size")), 1024);
    assert_true(json_is_false(json_object_get(metadata, "prepend_bos")));
    // Versions below 6 are read in another way.
    assert_int_equal(json_string_value(json_object_get(metadata, "sae_lens_version"))[0], '6');
    const json_t *slice = json_object_get(metadata, "seqpos_slice");
    assert_int_equal(json_array_size(slice), 2);
    assert_int_equal(json_integer_value(json_array_get(slice, 0)), 1);
}

static void test_kinds(void **state) {
    scene *s = *state;
    static const struct {
        lam_autoencoder_kind kind;
        const char *architecture;
        size_t tensors;
        bool bias, threshold, gate, k;
    } cases[] = {
        {LAM_AUTOENCODER_RELU, "standard", 4, true, false, false, false},
        {LAM_AUTOENCODER_TOPK, "topk", 4, true, false, false, true},
        {LAM_AUTOENCODER_JUMPRELU, "jumprelu", 5, true, true, false, false},
        {LAM_AUTOENCODER_GATED, "gated", 6, false, false, true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_well(s, 3, cases[i].kind); // each takes the place of the one before
        json_t *config = read_config(s, 3);
        expect_config(config, cases[i].architecture);
        assert_int_equal(json_object_size(config), cases[i].k ? 10 : 9);
        assert_int_equal(json_integer_value(json_object_get(config, "k")), cases[i].k ? 13 : 0);
        json_decref(config);
        lam_safetensors *file = open_weights(s, 3);
        assert_int_equal(lam_safetensors_count(file), cases[i].tensors);
        expect_matrices(file);
        assert_memory_equal(find(file, "b_dec", WIDTH, 0), decoder_bias, sizeof decoder_bias);
        if (cases[i].bias) expect_vector(file, "b_enc", by_latent[0]);
        if (cases[i].threshold) expect_vector(file, "threshold", by_latent[1]);
        if (cases[i].gate) {
            expect_vector(file, "b_gate", by_latent[2]);
            expect_vector(file, "r_mag", by_latent[3]);
            expect_vector(file, "b_mag", by_latent[4]);
        }
        lam_safetensors_close(file);
    }
}

// Without biases they are zeros; a site that TransformerLens has no name for has no hook.
static void test_absent(void **state) {
    scene *s = *state;
    lam_saelens_about about = about_layer(0);
    lam_autoencoder_parameters p = parameters_of(LAM_AUTOENCODER_TOPK);
    p.encoder_bias = p.decoder_bias = NULL;
    about.site = LAM_SITE_QKV;
    about.text = NULL;
    about.dropped = 0;
    if (lam_saelens_write(s->target, &about, &p, &s->error) != LAM_OK)
        fail_msg("%s", s->error.text);
    lam_safetensors *file = open_weights(s, 0);
    static const float zeros[LATENTS];
    expect_vector(file, "b_enc", zeros);
    assert_memory_equal(find(file, "b_dec", WIDTH, 0), zeros, WIDTH * sizeof *zeros);
    lam_safetensors_close(file);
    json_t *config = read_config(s, 0), *metadata = json_object_get(config, "metadata");
    assert_true(json_is_null(json_object_get(metadata, "hook_name")));
    assert_true(json_is_null(json_object_get(metadata, "dataset_path")));
    assert_int_equal(json_array_size(json_object_get(metadata, "seqpos_slice")), 1);
    json_decref(config);
    char hook[LAM_SAELENS_HOOK];
    assert_true(lam_saelens_hook(LAM_SITE_RESID_PRE, 11, hook));
    assert_string_equal(hook, "blocks.11.hook_resid_pre");
    assert_true(lam_saelens_hook(LAM_SITE_MLP_FC, 0, hook));
    assert_string_equal(hook, "blocks.0.mlp.hook_pre");
    assert_false(lam_saelens_hook(LAM_SITE_WEIGHTS, 0, hook));
}

static void put_file(scene *s, const char *name, const char *text) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", s->target, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void refuse(scene *s, int64_t layers, const char *part) {
    assert_int_equal(lam_saelens_check(s->target, layers, &s->error), LAM_IO);
    if (!strstr(s->error.text, part)) fail_msg("'%s' does not say '%s'", s->error.text, part);
}

static void test_what_is_there(void **state) {
    scene *s = *state;
    char path[600];
    assert_int_equal(lam_saelens_check(s->target, 4, &s->error), LAM_OK);
    assert_int_not_equal(access(s->target, F_OK), 0); // it makes nothing
    write_well(s, 3, LAM_AUTOENCODER_RELU);
    assert_int_equal(lam_saelens_check(s->target, 4, &s->error), LAM_OK);
    refuse(s, 3, "layer_3 is there, where this model has 3 layers");

    // What laminar did not write, however much it looks like it, stays.
    snprintf(path, sizeof path, "%s/layer_2", s->target);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(lam_saelens_check(s->target, 4, &s->error), LAM_OK); // empty
    put_file(s, "layer_2/cfg.json", "{\"metadata\": {\"sae_lens_version\": \"6.54.0\"}}");
    refuse(s, 4, "layer_2 is there and is no autoencoder that laminar exported");
    lam_saelens_about about = about_layer(2);
    lam_autoencoder_parameters p = parameters_of(LAM_AUTOENCODER_RELU);
    assert_int_equal(lam_saelens_write(s->target, &about, &p, &s->error), LAM_IO);
    snprintf(path, sizeof path, "%s/layer_2/sae_weights.safetensors", s->target);
    assert_int_not_equal(access(path, F_OK), 0);
    put_file(s, "layer_2/cfg.json", "{\"metadata\": {\"laminar_version\": \"0.1.0\"}}");
    assert_int_equal(lam_saelens_check(s->target, 4, &s->error), LAM_OK);
    put_file(s, "layer_2/notes.txt", "mine");
    refuse(s, 4, "layer_2 is there and is no autoencoder");
    snprintf(path, sizeof path, "%s/layer_2", s->target);
    remove_tree(path);
    put_file(s, "layer_1", "a file");
    refuse(s, 4, "layer_1 is there and is no autoencoder");
    snprintf(path, sizeof path, "%s/layer_1", s->target);
    assert_int_equal(unlink(path), 0);
    put_file(s, "layer_1x", "another name");
    refuse(s, 4, "layer_1x is there");

    snprintf(s->target, sizeof s->target, "%s/missing/saes", s->folder);
    refuse(s, 4, "its folder does not exist");
    assert_int_equal(lam_saelens_write(s->target, &about, &p, &s->error), LAM_IO);
    snprintf(s->target, sizeof s->target, "%s/saes/layer_3/cfg.json", s->folder);
    refuse(s, 4, "cannot be used as a folder");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_kinds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_absent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_there, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
