#include "io/run_layer.h"

#include "io/run_state.h"

#include <stdio.h>
#include <string.h>

static size_t row_bytes(const lam_group *group, size_t variable) {
    return (size_t)lam_group_row_count(group, variable) *
           lam_type_size(group->variables[variable].type);
}

// The rows of a layer, one behind the other: copied to bytes, or from it into the groups; with
// bytes NULL only counted. Returns how many bytes.
static size_t copy_rows(const lam_group *groups, size_t count, int64_t layer, char *bytes,
                        bool back) {
    size_t at = 0;
    for (size_t g = 0; g < count; g++)
        for (size_t v = 0; v < groups[g].variable_count; v++) {
            if (!lam_variable_has_layer(&groups[g].variables[v])) continue;
            const size_t size = row_bytes(&groups[g], v);
            void *row = lam_group_row(&groups[g], groups[g].variables[v].name, layer);
            if (bytes && size) memcpy(back ? row : bytes + at, back ? bytes + at : row, size);
            at += size;
        }
    return at;
}

void lam_run_layer_name(const char *profile, int64_t layer, char name[LAM_RUN_FILE_NAME]) {
    snprintf(name, LAM_RUN_FILE_NAME, "%s-%lld", profile, (long long)layer);
}

void lam_run_seen_name(const char *profile, int64_t layer, char name[LAM_RUN_FILE_NAME]) {
    snprintf(name, LAM_RUN_FILE_NAME, LAM_RUN_SEEN "%s-%lld", profile, (long long)layer);
}

lam_code lam_run_layer_pack(const char *profile, int64_t layer, const lam_group *groups,
                            size_t count, lam_run_file *file, lam_error *error) {
    char name[LAM_RUN_FILE_NAME];
    lam_run_layer_name(profile, layer, name);
    LAM_TRY(lam_run_file_create(file, name, copy_rows(groups, count, layer, NULL, false), error));
    copy_rows(groups, count, layer, file->content, false);
    return LAM_OK;
}

lam_code lam_run_layer_load(const lam_run_folder *folder, const char *profile, int64_t layer,
                            lam_group *groups, size_t count, bool *found, lam_error *error) {
    char name[LAM_RUN_FILE_NAME];
    lam_run_file file;
    lam_run_file_found there;
    lam_run_layer_name(profile, layer, name);
    LAM_TRY(lam_run_file_read(folder, name, &file, &there, error));
    *found =
        there == LAM_RUN_FILE_GOOD && file.bytes == copy_rows(groups, count, layer, NULL, true);
    if (*found)
        copy_rows(groups, count, layer, file.content, true);
    else if (there != LAM_RUN_FILE_NONE)
        fprintf(stderr, "laminar: %s/%s is damaged: the layer is done again\n", folder->path, name);
    lam_run_file_destroy(&file);
    return LAM_OK;
}
