// The results that figures are made of, and their texts.
#include "io/figure.h"
#include "io/info_parts.h"
#include "src/utf8.h"
#include "src/wording.h"

#include <string.h>

const char *lam_figure_text(const char *text, lam_arena *arena, lam_error *error) {
    size_t bytes = strlen(text);
    char *clean = lam_arena_alloc(arena, 3 * bytes + 1, 1, error);
    if (!clean) return NULL;
    size_t length = lam_utf8_replace(text, bytes, clean, NULL);
    for (size_t i = 0; i < length; i++) {
        unsigned char *at = (unsigned char *)clean + i;
        if (*at < 0x20 || *at == 0x7f) *at = ' ';
        if (*at == 0xc2 && at[1] < 0xa0) at[0] = at[1] = ' '; // the controls after ASCII
    }
    const char *excerpt = lam_excerpt_of(clean).text;
    return lam_arena_text(arena, excerpt, strlen(excerpt), error);
}

static const char *label_of(const char *path, lam_arena *arena, lam_error *error) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name);
    if (length > 3 && strcmp(name + length - 3, ".nc") == 0) length -= 3;
    const char *copy = lam_arena_text(arena, name, length, error);
    return copy ? lam_figure_text(copy, arena, error) : NULL;
}

static lam_code open_one(const char *path, lam_figure_source *source, lam_arena *arena,
                         lam_error *error) {
    LAM_TRY(lam_result_open(path, &source->file, error));
    if (lam_info_is_sweep(&source->file))
        return lam_fail(error, LAM_INPUT,
                        "%s is the summary of a sweep: name the results that it lists", path);
    LAM_ALLOC(source->groups, arena, source->file.group_count, error);
    for (size_t i = 0; i < source->file.group_count; i++)
        LAM_TRY(lam_result_load(&source->file, i, &source->groups[i], arena, error));
    source->label = label_of(path, arena, error);
    return source->label ? LAM_OK : LAM_MEMORY;
}

lam_code lam_figure_open(const char *const *paths, size_t count, lam_figure_source **sources,
                         lam_arena *arena, lam_error *error) {
    LAM_ALLOC(*sources, arena, count, error);
    lam_figure_source *made = *sources;
    for (size_t i = 0; i < count; i++) made[i].file.id = -1;
    for (size_t i = 0; i < count; i++) LAM_TRY(open_one(paths[i], &made[i], arena, error));
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            if (k != i && strcmp(made[i].label, label_of(paths[k], arena, error)) == 0)
                made[i].label = lam_figure_text(paths[i], arena, error);
    return LAM_OK;
}

void lam_figure_close(lam_figure_source *sources, size_t count) {
    for (size_t i = 0; sources && i < count; i++) lam_result_close(&sources[i].file);
}

const lam_group *lam_figure_group(const lam_figure_source *source, const char *name) {
    for (size_t i = 0; i < source->file.group_count; i++)
        if (strcmp(source->groups[i].name, name) == 0) return &source->groups[i];
    return NULL;
}
