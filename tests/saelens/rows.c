// Autoencoders of made-up rows for SAELens to load: of each kind FOLDER/KIND/layer_0, by the writer
// of the profile sae, and FOLDER/KIND.safetensors with rows, latents and reconstruction as
// laminar has them. check.py compares.
//
//     saelens_rows FOLDER KIND...
#include "io/saelens.h"
#include "io/safetensors.h"
#include "src/autoencoder.h"
#include "src/autoencoder_published.h"
#include "src/random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ROWS = 2000, WIDTH = 48, LATENTS = 300, FACTORS = 100, EPOCHS = 20 }; // no round numbers

typedef struct data {
    float *row, *latents, *reconstruction; // [ROWS, WIDTH], [ROWS, LATENTS], [ROWS, WIDTH]
} data;

// A few of many directions in each row, about a mean, as a layer's activations have them.
static void make_rows(float *row) {
    lam_random basis = lam_random_key(1, LAM_RANDOM_SYNTH, 0, 1);
    lam_random factor = lam_random_key(1, LAM_RANDOM_SYNTH, 0, 2);
    for (int64_t i = 0; i < ROWS; i++) {
        float *x = row + i * WIDTH;
        for (int64_t d = 0; d < WIDTH; d++) x[d] = 0.3f * (float)(d % 5);
        for (int64_t f = 0; f < FACTORS; f++) {
            float much = lam_random_normal(&factor, (uint64_t)(i * FACTORS + f)) - 1.5f;
            for (int64_t d = 0; much > 0 && d < WIDTH; d++)
                x[d] += much * lam_random_normal(&basis, (uint64_t)(f * WIDTH + d));
        }
    }
}

static const char *const kinds[] = {"relu", "topk", "batchtopk", "jumprelu", "gated"};

static lam_code train(size_t kind, const data *rows, lam_autoencoder_parameters *parameters,
                      lam_arena *arena, lam_error *error) {
    lam_autoencoder_options options = lam_autoencoder_defaults(WIDTH);
    options.kind = (lam_autoencoder_kind)kind;
    options.latents = LATENTS;
    options.batch = 256;
    options.epochs = EPOCHS;
    lam_autoencoder *made;
    double curve[3 * EPOCHS];
    lam_autoencoder_curves curves = {
        .loss = curve, .mse = curve + EPOCHS, .density = curve + 2 * EPOCHS};
    LAM_TRY(lam_autoencoder_create(&made, &options, &lam_team_alone, arena, error));
    lam_autoencoder_start(made, rows->row, ROWS, 1, 0);
    LAM_TRY(lam_autoencoder_train(made, rows->row, ROWS, 1, 0, NULL, &curves, error));
    LAM_TRY(lam_autoencoder_latents(made, rows->row, ROWS, rows->latents, error));
    LAM_TRY(lam_autoencoder_reconstruct(made, rows->row, ROWS, rows->reconstruction, error));
    *parameters = lam_autoencoder_get(made);
    return LAM_OK;
}

static int falling(const void *a, const void *b) {
    float left = *(const float *)a, right = *(const float *)b;
    return (left < right) - (left > right);
}

// The published autoencoder by its definition: relu(W x), the entries below the k-th largest 0.
static void apply_published(const lam_published *made, const data *rows) {
    const float *weight = made->weight.value;
    for (int64_t i = 0; i < ROWS; i++) {
        const float *x = rows->row + i * WIDTH;
        float *z = rows->latents + i * LATENTS, sorted[LATENTS];
        for (int64_t l = 0; l < LATENTS; l++) {
            double sum = 0;
            for (int64_t d = 0; d < WIDTH; d++) sum += (double)weight[l * WIDTH + d] * x[d];
            z[l] = sum > 0 ? (float)sum : 0;
        }
        memcpy(sorted, z, sizeof sorted);
        qsort(sorted, LATENTS, sizeof *sorted, falling);
        for (int64_t l = 0; l < LATENTS; l++)
            if (z[l] < sorted[made->options.kept - 1]) z[l] = 0;
        for (int64_t d = 0; d < WIDTH; d++) {
            double sum = 0;
            for (int64_t l = 0; l < LATENTS; l++) sum += (double)weight[l * WIDTH + d] * z[l];
            rows->reconstruction[i * WIDTH + d] = (float)sum;
        }
    }
}

static lam_code train_published(const data *rows, lam_autoencoder_parameters *parameters,
                                lam_arena *arena, lam_error *error) {
    lam_published_options options = lam_published_defaults(WIDTH);
    options.latents = LATENTS;
    options.kept = LATENTS / 3;
    options.epochs = EPOCHS;
    lam_published *made;
    double curve[3 * EPOCHS];
    lam_autoencoder_curves curves = {
        .loss = curve, .mse = curve + EPOCHS, .density = curve + 2 * EPOCHS};
    LAM_TRY(lam_published_create(&made, &options, &lam_team_alone, arena, error));
    lam_published_start(made, 1, 0);
    LAM_TRY(lam_published_train(made, rows->row, ROWS, NULL, &curves, error));
    apply_published(made, rows);
    *parameters = lam_published_get(made);
    return LAM_OK;
}

static lam_code write_rows(const char *path, const data *rows, lam_error *error) {
    const lam_tensor tensors[] = {
        {.name = "rows", .dtype = LAM_DTYPE_F32, .dimensions = 2, .shape = {ROWS, WIDTH}},
        {.name = "latents", .dtype = LAM_DTYPE_F32, .dimensions = 2, .shape = {ROWS, LATENTS}},
        {.name = "reconstruction", .dtype = LAM_DTYPE_F32, .dimensions = 2, .shape = {ROWS, WIDTH}},
    };
    const float *values[] = {rows->row, rows->latents, rows->reconstruction};
    lam_safetensors_writer *writer;
    LAM_TRY(lam_safetensors_create(path, tensors, 3, &writer, error));
    for (size_t i = 0; i < 3; i++) {
        size_t bytes = (size_t)(tensors[i].shape[0] * tensors[i].shape[1]) * sizeof(float);
        lam_code code = lam_safetensors_write(writer, values[i], bytes, error);
        if (code != LAM_OK) return lam_safetensors_abandon(writer), code;
    }
    return lam_safetensors_finish(writer, error);
}

static lam_code make(const char *folder, const char *kind, lam_arena *arena, lam_error *error) {
    data rows;
    LAM_ALLOC(rows.row, arena, ROWS * WIDTH, error);
    LAM_ALLOC(rows.latents, arena, ROWS * LATENTS, error);
    LAM_ALLOC(rows.reconstruction, arena, ROWS * WIDTH, error);
    make_rows(rows.row);
    lam_autoencoder_parameters parameters;
    size_t index = 0, count = sizeof kinds / sizeof *kinds;
    while (index < count && strcmp(kinds[index], kind) != 0) index++;
    if (index < count)
        LAM_TRY(train(index, &rows, &parameters, arena, error));
    else if (strcmp(kind, "published") == 0)
        LAM_TRY(train_published(&rows, &parameters, arena, error));
    else
        return lam_fail(error, LAM_USAGE, "there is no kind %s", kind);
    const char *own = lam_arena_format(arena, error, "%s/%s", folder, kind);
    const char *path = lam_arena_format(arena, error, "%s/%s.safetensors", folder, kind);
    if (!own || !path) return LAM_MEMORY;
    lam_saelens_about about = {
        .model = "made-up", .site = LAM_SITE_MLP_OUT, .kind = kind, .context = ROWS, .seed = 1};
    LAM_TRY(lam_saelens_write(own, &about, &parameters, error));
    return write_rows(path, &rows, error);
}

int main(int argc, char **argv) {
    for (int i = 2; i < argc; i++) {
        lam_arena arena = {0};
        lam_error error = {0};
        lam_code code = make(argv[1], argv[i], &arena, &error);
        lam_arena_destroy(&arena);
        if (code == LAM_OK) continue;
        fprintf(stderr, "%s: %s\n", argv[i], error.text);
        return (int)code;
    }
    return 0;
}
