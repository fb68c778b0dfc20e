#include "jobs/sae_export.h"

#include "io/saelens.h"
#include "src/hub_name.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

// The run's own folder.
static const char *folder_of(const lam_profile_run *run, const lam_sae_export *to, lam_arena *arena,
                             lam_error *error) {
    size_t end = strlen(to->folder);
    while (end > 1 && to->folder[end - 1] == '/') end--;
    return lam_arena_format(arena, error, "%.*s%s%s", (int)end, to->folder, *run->name ? "/" : "",
                            run->name);
}

// The model's name: the last part of its folder's path, or of its name on the hub.
static const char *model_name(const lam_profile_run *run, lam_arena *arena, lam_error *error) {
    const char *path = run->model_path;
    size_t pinned = lam_hub_pinned(path), end = pinned ? pinned : strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    return lam_arena_text(arena, path + begin, end - begin, error);
}

static lam_code check(const lam_profile_run *run, const lam_sae_export *to, lam_arena *arena,
                      lam_error *error) {
    struct stat info;
    const char *folder = folder_of(run, to, arena, error);
    if (!folder) return LAM_MEMORY;
    // What is not there yet is made in what is.
    if (*run->name && stat(to->folder, &info) != 0)
        return lam_saelens_check(to->folder, run->model->layers, error);
    return lam_saelens_check(folder, run->model->layers, error);
}

lam_code lam_sae_export_check(const lam_profile_run *run, const lam_sae_export *to,
                              lam_error *error) {
    lam_arena arena = {0};
    lam_code code = check(run, to, &arena, error);
    lam_arena_destroy(&arena);
    return code == LAM_OK ? LAM_OK : lam_fail_within(error, "sae.export");
}

static lam_code write_layer(const lam_profile_run *run, const lam_sae_export *to, int64_t layer,
                            const lam_autoencoder_parameters *parameters, lam_arena *arena,
                            lam_error *error) {
    lam_saelens_about about = {.model = model_name(run, arena, error),
                               .site = to->site,
                               .layer = layer,
                               .kind = to->kind,
                               .text = lam_input_text(run->input),
                               .context = run->input->length,
                               .dropped = to->dropped,
                               .seed = run->seed};
    const char *folder = folder_of(run, to, arena, error);
    if (!folder || !about.model) return LAM_MEMORY;
    if (*run->name && mkdir(to->folder, 0777) != 0 && errno != EEXIST)
        return lam_fail(error, LAM_IO, "cannot make the folder %s: %s", to->folder,
                        strerror(errno));
    return lam_saelens_write(folder, &about, parameters, error);
}

lam_code lam_sae_export_layer(const lam_profile_run *run, const lam_sae_export *to, int64_t layer,
                              const lam_autoencoder_parameters *parameters, lam_error *error) {
    lam_arena arena = {0};
    lam_code code = write_layer(run, to, layer, parameters, &arena, error);
    lam_arena_destroy(&arena);
    return code;
}
