#include "io/saelens.h"

#include "io/json_file.h"
#include "io/replace_file.h"
#include "io/safetensors.h"
#include "lam_version.h"
#include "src/arena.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// Where the form of the folder was taken from; it has not changed since 6.0.
#define SAELENS_VERSION "6.54.0"

static const char *const file_names[] = {"cfg.json", "sae_weights.safetensors"};
enum { FILES = 2, CONFIG_LIMIT = 1 << 20, PIECE_ROWS = 64, MOST_TENSORS = 6 };

bool lam_saelens_hook(lam_site site, int64_t layer, char name[LAM_SAELENS_HOOK]) {
    static const char *const hooks[LAM_SITE_COUNT] = {
        [LAM_SITE_Q] = "attn.hook_q",
        [LAM_SITE_K] = "attn.hook_k",
        [LAM_SITE_V] = "attn.hook_v",
        [LAM_SITE_ATTN_OUT] = "hook_attn_out",
        [LAM_SITE_MLP_FC] = "mlp.hook_pre",
        [LAM_SITE_MLP_ACT] = "mlp.hook_post",
        [LAM_SITE_MLP_OUT] = "hook_mlp_out",
        [LAM_SITE_RESID_PRE] = "hook_resid_pre",
        [LAM_SITE_RESID_POST] = "hook_resid_post",
    };
    if (!hooks[site]) return false;
    snprintf(name, LAM_SAELENS_HOOK, "blocks.%lld.%s", (long long)layer, hooks[site]);
    return true;
}

static lam_code cannot_write(const char *path, lam_error *error) {
    return lam_fail(error, LAM_IO, "cannot write %s: %s", path, strerror(errno));
}

// --- what is there

// Whether a folder is one that laminar exported: nothing in it but the two files, and a config that
// says so. An empty folder is what a broken replacement leaves.
static bool is_ours(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) return false;
    bool known = true, has_config = false, has_weights = false;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        bool config = strcmp(entry->d_name, file_names[0]) == 0;
        bool weights = strcmp(entry->d_name, file_names[1]) == 0;
        has_config = has_config || config;
        has_weights = has_weights || weights;
        known = known && (config || weights);
    }
    closedir(folder);
    if (!known || !has_config) return known && !has_weights;
    lam_arena arena = {0};
    lam_error none;
    json_t *config = NULL;
    const char *file = lam_arena_format(&arena, &none, "%s/%s", path, file_names[0]);
    bool ours = file && lam_json_read(file, CONFIG_LIMIT, &config, &none) == LAM_OK &&
                json_object_get(json_object_get(config, "metadata"), "laminar_version");
    json_decref(config);
    lam_arena_destroy(&arena);
    return ours;
}

// The number of "layer_3"; -1 for any other name.
static int64_t layer_of(const char *name) {
    char *end;
    if (strncmp(name, "layer_", 6) != 0 || name[6] < '0' || name[6] > '9') return -1;
    long long layer = strtoll(name + 6, &end, 10);
    return *end ? -1 : layer;
}

static lam_code check_entry(const char *folder, const char *name, int64_t layers,
                            lam_error *error) {
    if (name[0] == '.') return LAM_OK; // ".", "..", and what another process is making
    lam_arena arena = {0};
    int64_t layer = layer_of(name);
    const char *path = lam_arena_format(&arena, error, "%s/%s", folder, name);
    lam_code code = LAM_OK;
    if (!path)
        code = LAM_MEMORY;
    else if (layer < 0 || !is_ours(path))
        code = lam_fail(error, LAM_IO,
                        "%s is there and is no autoencoder that laminar exported: remove it or "
                        "choose another folder",
                        path);
    else if (layer >= layers)
        code =
            lam_fail(error, LAM_IO,
                     "%s is there, where this model has %lld layers: remove it or choose another "
                     "folder",
                     path, (long long)layers);
    lam_arena_destroy(&arena);
    return code;
}

static lam_code check_entries(const char *folder, int64_t layers, lam_error *error) {
    DIR *opened = opendir(folder);
    if (!opened)
        return lam_fail(error, LAM_IO, "%s cannot be used as a folder: %s", folder,
                        strerror(errno));
    lam_code code = LAM_OK;
    for (struct dirent *entry; code == LAM_OK && (entry = readdir(opened));)
        code = check_entry(folder, entry->d_name, layers, error);
    closedir(opened);
    return code;
}

lam_code lam_saelens_check(const char *folder, int64_t layers, lam_error *error) {
    struct stat info;
    // A folder that is not there is a name to be made in the one it lies in.
    if (stat(folder, &info) != 0) return lam_replace_check(folder, error);
    LAM_TRY(check_entries(folder, layers, error));
    lam_arena arena = {0};
    const char *probe = lam_arena_format(&arena, error, "%s/.layer", folder);
    lam_code code = probe ? lam_replace_check(probe, error) : LAM_MEMORY;
    lam_arena_destroy(&arena);
    return code;
}

// --- cfg.json

static const char *architecture_of(lam_autoencoder_kind kind) {
    switch (kind) {
    case LAM_AUTOENCODER_RELU:
        return "standard";
    case LAM_AUTOENCODER_TOPK:
        return "topk";
    case LAM_AUTOENCODER_BATCHTOPK: // not once trained
    case LAM_AUTOENCODER_JUMPRELU:
        return "jumprelu";
    case LAM_AUTOENCODER_GATED:
        return "gated";
    }
    return "standard";
}

static json_t *make_metadata(const lam_saelens_about *about) {
    char hook[LAM_SAELENS_HOOK];
    bool named = lam_saelens_hook(about->site, about->layer, hook);
    json_t *dropped =
        about->dropped ? json_pack("[I, n]", (json_int_t)about->dropped) : json_pack("[n]");
    // A slice of the positions, as Python has it. SAELens did not do the training.
    return json_pack("{s:s, s:s?, s:s, s:s?, s:I, s:b, s:o, s:s, s:n, s:s, s:s, s:s, s:I, s:o}",
                     "model_name", about->model, "hook_name", named ? hook : NULL,
                     "model_class_name", "HookedTransformer", "dataset_path", about->text,
                     "context_size", (json_int_t)about->context, "prepend_bos", 0, "seqpos_slice",
                     dropped, "sae_lens_version", SAELENS_VERSION, "sae_lens_training_version",
                     "laminar_version", LAM_VERSION, "laminar_kind", about->kind, "laminar_site",
                     lam_site_name(about->site), "layer", (json_int_t)about->layer, "seed",
                     json_sprintf("%ju", (uintmax_t)about->seed));
}

static lam_code write_config(const char *path, const lam_saelens_about *about,
                             const lam_autoencoder_parameters *p, lam_error *error) {
    json_t *object = json_pack("{s:s, s:I, s:I, s:s, s:s, s:b, s:s, s:s, s:o}", "architecture",
                               architecture_of(p->kind), "d_in", (json_int_t)p->width, "d_sae",
                               (json_int_t)p->latents, "dtype", "float32", "device", "cpu",
                               "apply_b_dec_to_input", 1, "normalize_activations", "none",
                               "reshape_activations", "none", "metadata", make_metadata(about));
    bool made = object;
    if (made && p->kind == LAM_AUTOENCODER_TOPK)
        made = json_object_set_new(object, "k", json_integer((json_int_t)p->k)) == 0;
    lam_code code = made ? lam_json_write(path, object, error)
                         : lam_fail(error, LAM_MEMORY, "no memory for %s", path);
    json_decref(object);
    return code;
}

// --- sae_weights.safetensors

typedef struct content { // of one tensor: rows of columns values
    const char *name;
    const float *data; // NULL: zeros
    int64_t rows, columns, stride;
    bool turned; // data is [columns, stride], and is written as its transpose
} content;

static size_t list_contents(const lam_autoencoder_parameters *p, content list[MOST_TENSORS]) {
    size_t n = 0;
    int64_t latents = p->latents;
    list[n++] = (content){"W_enc", p->encoder, p->width, latents, p->stride, true};
    list[n++] = (content){"W_dec", p->decoder, latents, p->width, p->stride, false};
    list[n++] = (content){"b_dec", p->decoder_bias, 1, p->width, p->width, false};
    if (p->kind == LAM_AUTOENCODER_GATED) {
        list[n++] = (content){"b_gate", p->gate_bias, 1, latents, latents, false};
        list[n++] = (content){"r_mag", p->magnitude_scale, 1, latents, latents, false};
        list[n++] = (content){"b_mag", p->magnitude_bias, 1, latents, latents, false};
        return n;
    }
    list[n++] = (content){"b_enc", p->encoder_bias, 1, latents, latents, false};
    if (p->kind == LAM_AUTOENCODER_JUMPRELU || p->kind == LAM_AUTOENCODER_BATCHTOPK)
        list[n++] = (content){"threshold", p->threshold, 1, latents, latents, false};
    return n;
}

// Rows first .. first + rows - 1 of what is written, in piece.
static void fill_piece(const content *c, int64_t first, int64_t rows, float *piece) {
    if (!c->data) {
        memset(piece, 0, (size_t)(rows * c->columns) * sizeof *piece);
    } else if (c->turned) {
        for (int64_t j = 0; j < c->columns; j++)
            for (int64_t i = 0; i < rows; i++)
                piece[i * c->columns + j] = c->data[j * c->stride + first + i];
    } else {
        for (int64_t i = 0; i < rows; i++)
            memcpy(piece + i * c->columns, c->data + (first + i) * c->stride,
                   (size_t)c->columns * sizeof *piece);
    }
}

static lam_code put_content(lam_safetensors_writer *writer, const content *c, lam_error *error) {
    float *piece = malloc((size_t)(PIECE_ROWS * c->columns) * sizeof *piece);
    if (!piece) return lam_fail(error, LAM_MEMORY, "no memory to write %s", c->name);
    lam_code code = LAM_OK;
    for (int64_t first = 0; first < c->rows && code == LAM_OK; first += PIECE_ROWS) {
        int64_t rows = c->rows - first < PIECE_ROWS ? c->rows - first : PIECE_ROWS;
        fill_piece(c, first, rows, piece);
        code = lam_safetensors_write(writer, piece, (size_t)(rows * c->columns) * sizeof *piece,
                                     error);
    }
    free(piece);
    return code;
}

static lam_code write_weights(const char *path, const lam_autoencoder_parameters *p,
                              lam_error *error) {
    content list[MOST_TENSORS];
    lam_tensor tensors[MOST_TENSORS] = {0};
    size_t count = list_contents(p, list);
    for (size_t i = 0; i < count; i++) {
        bool matrix = i < 2;
        tensors[i] = (lam_tensor){
            .name = list[i].name,
            .dtype = LAM_DTYPE_F32,
            .dimensions = matrix ? 2 : 1,
            .shape = {matrix ? list[i].rows : list[i].columns, matrix ? list[i].columns : 0}};
    }
    lam_safetensors_writer *writer;
    LAM_TRY(lam_safetensors_create(path, tensors, count, &writer, error));
    for (size_t i = 0; i < count; i++) {
        lam_code code = put_content(writer, &list[i], error);
        if (code != LAM_OK) return lam_safetensors_abandon(writer), code;
    }
    return lam_safetensors_finish(writer, error);
}

// --- the folder

typedef struct place {
    const char *folder, *target, *made;      // made: what the target is called until it is whole
    const char *from[FILES], *before[FILES]; // the files in made, and in target
} place;

static lam_code find_place(const char *folder, int64_t layer, place *at, lam_arena *arena,
                           lam_error *error) {
    at->folder = folder;
    at->target = lam_arena_format(arena, error, "%s/layer_%lld", folder, (long long)layer);
    at->made = lam_arena_format(arena, error, "%s/.layer_%lld-%ld", folder, (long long)layer,
                                (long)getpid());
    if (!at->target || !at->made) return LAM_MEMORY;
    for (size_t i = 0; i < FILES; i++) {
        at->from[i] = lam_arena_format(arena, error, "%s/%s", at->made, file_names[i]);
        at->before[i] = lam_arena_format(arena, error, "%s/%s", at->target, file_names[i]);
        if (!at->from[i] || !at->before[i]) return LAM_MEMORY;
    }
    return LAM_OK;
}

static void sync_folder(const char *path) {
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    (void)!fsync(descriptor); // the files are whole either way
    close(descriptor);
}

// Takes the place of an older export, whose config goes first: what is left of it at any moment is
// no autoencoder. A folder can be renamed over an empty one.
static lam_code move_in(const place *at, lam_error *error) {
    struct stat info;
    if (stat(at->target, &info) == 0) {
        if (!is_ours(at->target))
            return lam_fail(error, LAM_IO,
                            "%s is there and is no autoencoder that laminar exported: remove it or "
                            "choose another folder",
                            at->target);
        for (size_t i = 0; i < FILES; i++)
            if (unlink(at->before[i]) != 0 && errno != ENOENT)
                return cannot_write(at->before[i], error);
    }
    if (rename(at->made, at->target) != 0) return cannot_write(at->target, error);
    sync_folder(at->folder);
    return LAM_OK;
}

static lam_code write_layer(const place *at, const lam_saelens_about *about,
                            const lam_autoencoder_parameters *parameters, lam_error *error) {
    if (mkdir(at->folder, 0777) != 0 && errno != EEXIST) return cannot_write(at->folder, error);
    if (mkdir(at->made, 0777) != 0) return cannot_write(at->made, error);
    lam_code code = write_config(at->from[0], about, parameters, error);
    if (code == LAM_OK) code = write_weights(at->from[1], parameters, error);
    if (code == LAM_OK) sync_folder(at->made);
    if (code == LAM_OK) code = move_in(at, error);
    if (code == LAM_OK) return LAM_OK;
    for (size_t i = 0; i < FILES; i++) unlink(at->from[i]);
    rmdir(at->made);
    return code;
}

lam_code lam_saelens_write(const char *folder, const lam_saelens_about *about,
                           const lam_autoencoder_parameters *parameters, lam_error *error) {
    lam_arena arena = {0};
    place at;
    lam_code code = find_place(folder, about->layer, &at, &arena, error);
    if (code == LAM_OK) code = write_layer(&at, about, parameters, error);
    lam_arena_destroy(&arena);
    return code;
}
