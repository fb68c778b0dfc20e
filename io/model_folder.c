#include "io/model_folder.h"

#include "io/cache.h"
#include "src/hub_name.h"

lam_code lam_model_folder_whole(const char *folder, bool *whole, lam_arena *arena,
                                lam_error *error) {
    lam_error none;
    lam_corpus corpus;
    *whole = false;
    const char *manifest = lam_arena_format(arena, error, "%s/source.yaml", folder);
    if (!manifest) return LAM_MEMORY;
    if (lam_corpus_read(manifest, &corpus, arena, &none) != LAM_OK) return LAM_OK;
    for (size_t i = 0; i < corpus.count; i++) {
        const char *path = lam_arena_format(arena, error, "%s/%s", folder, corpus.entry[i].name);
        if (!path) return LAM_MEMORY;
        if (!lam_cache_has(path, corpus.entry[i].size)) return LAM_OK;
    }
    *whole = corpus.count > 0;
    return LAM_OK;
}

lam_code lam_model_folder(const char *model, const char **folder, lam_arena *arena,
                          lam_error *error) {
    size_t length = lam_hub_pinned(model);
    const char *cache = NULL, *commit = model + length + 1;
    bool whole;
    *folder = model;
    if (!length) return LAM_OK;
    LAM_TRY(lam_cache_folder(NULL, &cache, arena, error));
    *folder =
        lam_arena_format(arena, error, "%s/models/%.*s/%s", cache, (int)length, model, commit);
    if (!*folder) return LAM_MEMORY;
    LAM_TRY(lam_model_folder_whole(*folder, &whole, arena, error));
    if (whole) return LAM_OK;
    return lam_fail(error, LAM_IO,
                    "%s is not in the cache %s: where there is a network, run 'laminar fetch model "
                    "%.*s --revision %s', or say where the cache is by LAMINAR_CACHE",
                    model, cache, (int)length, model, commit);
}
