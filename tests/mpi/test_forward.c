// ranks: 1 2 3 4 5 6
// Every hooked site of the golden models, through the pipeline, against the values that a reference
// computed in double precision. The models have 5 and 3 layers: 4 and 6 ranks are one more.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/checkpoint.h"
#include "io/safetensors.h"
#include "mpi/pipeline.h"
#include "tests/unit/fixture.h"

// The oracle's bound for single-precision programs, of the tensor's largest magnitude.
static const double bound = 2e-5;

static lam_comm comm;

typedef struct lam_case {
    lam_safetensors *expected;
    lam_checkpoint *checkpoint;
    lam_model model;
    lam_sequences sequences;
    lam_arena arena;
    int64_t compared; // tensors, by this rank
    char worst_name[64];
    double worst;
} lam_case;

static const lam_tensor *expect(const lam_case *c, const char *format, int64_t layer) {
    char name[64];
    snprintf(name, sizeof name, format, (long long)layer);
    const lam_tensor *tensor = lam_safetensors_find(c->expected, name);
    if (!tensor) fail_msg("the case has no tensor %s", name);
    return tensor;
}

static void note(lam_case *c, const char *name, int64_t layer, double difference, double largest) {
    double relative = difference / largest;
    c->compared++;
    if (relative <= c->worst) return;
    c->worst = relative;
    snprintf(c->worst_name, sizeof c->worst_name, "%s of layer %lld", name, (long long)layer);
}

static double largest_of(const lam_tensor *tensor) {
    double largest = 0;
    const float *value = tensor->data;
    for (size_t i = 0; i < tensor->bytes / sizeof *value; i++)
        largest = fmax(largest, fabs((double)value[i]));
    return largest;
}

// Where the reference keeps unit u of a token of the fused projection: GPT-NeoX keeps each head's
// q, k and v side by side.
static int64_t module_unit(const lam_model_config *m, int64_t u) {
    if (m->family == LAM_GPT2) return u;
    int64_t part = u / m->width, head = u % m->width / m->head_width, d = u % m->head_width;
    return (head * 3 + part) * m->head_width + d;
}

static void see_rows(lam_case *c, const lam_view *v, const char *format, bool fused) {
    const lam_tensor *tensor = expect(c, format, v->layer); // [batch, token, unit]
    const float *want = (const float *)tensor->data + v->sequence * v->length * v->width;
    double difference = 0;
    for (int64_t t = 0; t < v->rows; t++)
        for (int64_t u = 0; u < v->width; u++) {
            int64_t at = fused ? module_unit(&c->model.config, u) : u;
            difference = fmax(
                difference, fabs((double)v->data[t * v->row_stride + u] - want[t * v->width + at]));
        }
    note(c, format, v->layer, difference, largest_of(tensor));
}

static void see_heads(lam_case *c, const lam_view *v, const char *format) {
    const lam_model_config *m = &c->model.config;
    const lam_tensor *tensor = expect(c, format, v->layer); // [batch, head, token, head_width]
    const float *want = (const float *)tensor->data + v->sequence * v->length * m->width;
    double difference = 0;
    for (int64_t t = 0; t < v->rows; t++)
        for (int64_t u = 0; u < m->width; u++) {
            int64_t head = u / m->head_width, d = u % m->head_width;
            difference = fmax(difference, fabs((double)v->data[t * v->row_stride + u] -
                                               want[(head * v->length + t) * m->head_width + d]));
        }
    note(c, format, v->layer, difference, largest_of(tensor));
}

static void see_weights(lam_case *c, const lam_view *v) {
    const lam_tensor *tensor =
        expect(c, "layers.%lld.weights", v->layer); // [batch, head, query, key]
    const float *want = (const float *)tensor->data +
                        (v->sequence * c->model.config.heads + v->head) * v->length * v->length;
    double difference = 0;
    for (int64_t t = 0; t < v->rows; t++)
        for (int64_t k = 0; k < v->width; k++)
            difference = fmax(difference, fabs((double)v->data[t * v->row_stride + k] -
                                               want[(v->first_token + t) * v->length + k]));
#pragma omp critical
    note(c, "weights", v->layer, difference, 1);
}

static void see(void *user, const lam_view *view) {
    lam_case *c = user;
    switch (view->site) {
    case LAM_SITE_QKV:
        see_rows(c, view, "layers.%lld.qkv", true);
        break;
    case LAM_SITE_Q:
        see_heads(c, view, "layers.%lld.q");
        break;
    case LAM_SITE_K:
        see_heads(c, view, "layers.%lld.k");
        break;
    case LAM_SITE_V:
        see_heads(c, view, "layers.%lld.v");
        break;
    case LAM_SITE_WEIGHTS:
        see_weights(c, view);
        break;
    case LAM_SITE_ATTN_OUT:
        see_rows(c, view, "layers.%lld.attn_out", false);
        break;
    case LAM_SITE_MLP_FC:
        see_rows(c, view, "layers.%lld.mlp_fc", false);
        break;
    case LAM_SITE_MLP_OUT:
        see_rows(c, view, "layers.%lld.mlp_out", false);
        break;
    case LAM_SITE_RESID_PRE:
        see_rows(c, view, "hidden.%lld", false);
        break;
    default:
        fail_msg("a view of a site that was not asked for");
    }
}

// The last rank: final norm and logits.
static lam_code finish(void *user, lam_forward *forward, const lam_batch *batch, float *residual,
                       lam_error *error) {
    lam_case *c = user;
    int64_t rows = lam_batch_rows(batch), vocabulary = c->model.config.vocabulary;
    int64_t width = c->model.config.width, row = c->sequences.start[batch->first];
    float *logits;
    LAM_ALLOC(logits, &c->arena, rows * vocabulary, error);
    LAM_TRY(lam_forward_logits(forward, rows, residual, logits, error));
    const lam_tensor *hidden = expect(c, "hidden.%lld", c->model.config.layers);
    const lam_tensor *want = expect(c, "logits", 0);
    double of_hidden = 0, of_logits = 0;
    for (int64_t i = 0; i < rows * width; i++)
        of_hidden = fmax(
            of_hidden, fabs((double)residual[i] - ((const float *)hidden->data)[row * width + i]));
    for (int64_t i = 0; i < rows * vocabulary; i++)
        of_logits = fmax(
            of_logits, fabs((double)logits[i] - ((const float *)want->data)[row * vocabulary + i]));
    note(c, "final hidden", c->model.config.layers, of_hidden, largest_of(hidden));
    note(c, "logits", c->model.config.layers, of_logits, largest_of(want));
    return LAM_OK;
}

static void open_case(lam_case *c, const char *name, const lam_layout *layout) {
    lam_error error;
    char path[128];
    snprintf(path, sizeof path, "%s/expected.safetensors", name);
    if (lam_safetensors_open(golden_path(path), &c->expected, &error)) fail_msg("%s", error.text);
    const lam_place place = lam_layout_place(layout, comm.rank);
    lam_checkpoint_part part = {.first_layer = place.first_layer,
                                .layer_count = place.layer_count,
                                .embedding = place.team == 0,
                                .final_norm = place.team == layout->teams - 1,
                                .head = place.team == layout->teams - 1};
    if (lam_checkpoint_load(c->checkpoint, &part, &c->arena, &c->model, NULL, NULL, &error))
        fail_msg("%s", error.text);
    const lam_tensor *tokens = expect(c, "tokens", 0); // [batch, token]
    c->sequences.count = tokens->shape[0];
    c->sequences.start = lam_arena_alloc(&c->arena, (size_t)tokens->shape[0] + 1, 8, &error);
    assert_non_null(c->sequences.start);
    c->sequences.token = tokens->data;
    for (int64_t s = 0; s <= tokens->shape[0]; s++) c->sequences.start[s] = s * tokens->shape[1];
}

static void check(lam_case *c, const char *name, int64_t compared) {
    assert_int_equal(c->compared, compared);
    if (c->worst > bound)
        fail_msg("%s: %s is off by %.2g of the largest value, more than %.2g", name, c->worst_name,
                 c->worst, bound);
    c->compared = 0;
}

static void run_case(const char *name) {
    lam_error error;
    lam_case c = {0};
    if (lam_checkpoint_open(golden_path(name), &c.checkpoint, &error)) fail_msg("%s", error.text);
    lam_layout layout;
    if (lam_layout_create(&layout, lam_checkpoint_config(c.checkpoint)->layers, comm.size, NULL,
                          &c.arena, &error))
        fail_msg("%s", error.text);
    open_case(&c, name, &layout);
    const lam_site_set missing = LAM_SITE_BIT(LAM_SITE_SCORES) | LAM_SITE_BIT(LAM_SITE_MLP_ACT) |
                                 LAM_SITE_BIT(LAM_SITE_RESID_POST);
    lam_hooks hooks = {
        .sites = (LAM_SITE_BIT(LAM_SITE_COUNT) - 1) & ~missing, .see = see, .user = &c};
    lam_pipeline pipeline = {.comm = &comm,
                             .layout = &layout,
                             .model = &c.model,
                             .sequences = &c.sequences,
                             .hooks = &hooks,
                             .finish = finish,
                             .user = &c};
    if (lam_pipeline_run(&pipeline, &error)) fail_msg("%s", error.text);
    // 8 row sites a layer and sequence, and a view of weights for each head; all in the one
    // micro-batch that there is, at its worker.
    const lam_place place = lam_layout_place(&layout, comm.rank);
    int64_t heads = c.model.config.heads, layers = place.member ? 0 : place.layer_count;
    const bool last = place.team == layout.teams - 1 && place.member == 0;
    check(&c, name, 2 * (8 + heads) * layers + (last ? 2 : 0));
    // Each site alone, with no more computed than it needs.
    pipeline.finish = NULL;
    hooks.residual_unused = true;
    for (lam_site site = 0; site < LAM_SITE_COUNT; site++) {
        hooks.sites = LAM_SITE_BIT(site);
        if (hooks.sites & missing) continue;
        if (lam_pipeline_run(&pipeline, &error)) fail_msg("%s", error.text);
        check(&c, name, 2 * (site == LAM_SITE_WEIGHTS ? heads : 1) * layers);
    }
    if (layers)
        print_message("%s, rank %d of %d: worst %.2g, %s\n", name, comm.rank, comm.size, c.worst,
                      c.worst_name);
    lam_safetensors_close(c.expected);
    lam_checkpoint_close(c.checkpoint);
    lam_arena_destroy(&c.arena);
}

static void test_gpt2(void **state) {
    (void)state;
    run_case("gpt2-f32");
}

static void test_gpt2_half(void **state) {
    (void)state;
    run_case("gpt2-f16");
}

static void test_gpt2_bfloat_sharded(void **state) {
    (void)state;
    run_case("gpt2-bf16-sharded");
}

static void test_neox_parallel(void **state) {
    (void)state;
    run_case("neox-parallel");
}

static void test_neox_serial(void **state) {
    (void)state;
    run_case("neox-serial");
}

int main(int argc, char **argv) {
    lam_error error;
    if (lam_comm_create(&comm, &argc, &argv, &error)) return fprintf(stderr, "%s\n", error.text), 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gpt2),
        cmocka_unit_test(test_gpt2_half),
        cmocka_unit_test(test_gpt2_bfloat_sharded),
        cmocka_unit_test(test_neox_parallel),
        cmocka_unit_test(test_neox_serial),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    lam_comm_destroy(&comm);
    return failed;
}
