#include "jobs/sae_kinds.h"

const char *const sae_kind_choices[] = {"relu", "topk", "batchtopk", "jumprelu", "gated", NULL};
const char *const sae_decoder_norm_choices[] = {"auto", "free", "unit", NULL};

enum {
    RELU = 1 << LAM_AUTOENCODER_RELU,
    CHOOSING = 1 << LAM_AUTOENCODER_TOPK | 1 << LAM_AUTOENCODER_BATCHTOPK,
    JUMPRELU = 1 << LAM_AUTOENCODER_JUMPRELU,
    GATED = 1 << LAM_AUTOENCODER_GATED,
    OPTIONS = 6,
};

typedef struct kind_option {
    const char *name;
    unsigned kinds;   // that it applies to
    double *real;     // the field: one of the two,
    int64_t *integer; // which is auto where nothing was given
    double fallback;
} kind_option;

// The options of some kinds alone. It is for reading too: the fields are the caller's.
static void list_options(sae_kinds *k, kind_option list[OPTIONS]) {
    const kind_option all[OPTIONS] = {
        {"l1", RELU | GATED, &k->l1, NULL, 1e-3},
        {"k", CHOOSING, NULL, &k->k, 32},
        {"aux_coefficient", CHOOSING, &k->aux_coefficient, NULL, 1.0 / 32},
        {"dead_after", CHOOSING, NULL, &k->dead_after, 0},
        {"l0", JUMPRELU, &k->l0, NULL, 1e-3},
        {"bandwidth", JUMPRELU, &k->bandwidth, NULL, 1e-3},
    };
    for (int i = 0; i < OPTIONS; i++) list[i] = all[i];
}

static bool given(const kind_option *o) {
    return o->real ? *o->real != LAM_AUTO_REAL : *o->integer != LAM_AUTO_INTEGER;
}

static bool applies(const sae_kinds *kinds, const kind_option *o) {
    return o->kinds >> kinds->kind & 1;
}

static void fall_back(const kind_option *o) {
    if (given(o)) return;
    if (o->real)
        *o->real = o->fallback;
    else
        *o->integer = (int64_t)o->fallback;
}

lam_code sae_kinds_refuse_published(const sae_kinds *kinds, lam_error *error) {
    sae_kinds copy = *kinds;
    kind_option list[OPTIONS];
    list_options(&copy, list);
    const char *name = kinds->kind != LAM_AUTOENCODER_RELU    ? "kind"
                       : kinds->warmup > 0                    ? "warmup"
                       : kinds->decay > 0                     ? "decay"
                       : kinds->decoder_norm != SAE_NORM_AUTO ? "decoder_norm"
                       : kinds->resample > 0                  ? "resample"
                                                              : NULL;
    for (int i = 0; i < OPTIONS; i++)
        if (given(&list[i])) name = list[i].name;
    if (!name) return LAM_OK;
    return lam_fail(error, LAM_USAGE,
                    "sae.%s: published mode has its own: leave it out or use mode: standard", name);
}

lam_code sae_kinds_resolve(sae_kinds *kinds, int64_t latents, lam_error *error) {
    kind_option list[OPTIONS];
    list_options(kinds, list);
    for (int i = 0; i < OPTIONS; i++)
        if (given(&list[i]) && !applies(kinds, &list[i]))
            return lam_fail(error, LAM_USAGE,
                            "sae.%s does not apply to kind %s: leave it out or choose another kind",
                            list[i].name, sae_kind_choices[kinds->kind]);
    if (given(&list[1]) && kinds->k > latents)
        return lam_fail(error, LAM_USAGE, "sae.k is %lld, but there are %lld latents: choose fewer",
                        (long long)kinds->k, (long long)latents);
    if (kinds->warmup + kinds->decay > 1)
        return lam_fail(error, LAM_USAGE,
                        "sae.warmup and sae.decay are %g and %g of the training: together they "
                        "must not be above 1",
                        kinds->warmup, kinds->decay);
    if (applies(kinds, &list[1]) && kinds->k == LAM_AUTO_INTEGER && latents < 32)
        kinds->k = latents;
    for (int i = 0; i < OPTIONS; i++)
        if (applies(kinds, &list[i]) && list[i].integer != &kinds->dead_after) fall_back(&list[i]);
    if (kinds->decoder_norm == SAE_NORM_AUTO)
        kinds->decoder_norm = kinds->kind == LAM_AUTOENCODER_GATED ? SAE_NORM_UNIT : SAE_NORM_FREE;
    return LAM_OK;
}

static int64_t dead_after(const sae_kinds *kinds, int64_t rows) {
    return kinds->dead_after == LAM_AUTO_INTEGER ? rows : kinds->dead_after;
}

// What is still auto does not apply to the kind.
void sae_kinds_apply(const sae_kinds *kinds, int64_t rows, lam_autoencoder_options *options) {
    options->kind = (lam_autoencoder_kind)kinds->kind;
    if (kinds->l1 != LAM_AUTO_REAL) options->l1 = kinds->l1;
    if (kinds->k != LAM_AUTO_INTEGER) options->k = kinds->k;
    if (kinds->aux_coefficient != LAM_AUTO_REAL) options->aux_coefficient = kinds->aux_coefficient;
    if (kinds->l0 != LAM_AUTO_REAL) options->l0 = kinds->l0;
    if (kinds->bandwidth != LAM_AUTO_REAL) options->bandwidth = kinds->bandwidth;
    options->dead_after = dead_after(kinds, rows);
    options->warmup = kinds->warmup;
    options->decay = kinds->decay;
    options->unit_decoder = kinds->decoder_norm == SAE_NORM_UNIT;
    options->resample = kinds->resample;
}

lam_code sae_kinds_describe(const sae_kinds *kinds, int64_t rows, lam_group *group,
                            lam_error *error) {
    sae_kinds copy = *kinds;
    copy.dead_after = dead_after(kinds, rows);
    kind_option list[OPTIONS];
    list_options(&copy, list);
    LAM_TRY(lam_group_text(group, "kind", sae_kind_choices[kinds->kind], error));
    for (int i = 0; i < OPTIONS; i++)
        if (applies(kinds, &list[i]))
            LAM_TRY(lam_group_number(group, list[i].name,
                                     list[i].real ? *list[i].real : (double)*list[i].integer,
                                     !list[i].real, error));
    LAM_TRY(lam_group_text(group, "decoder_norm", sae_decoder_norm_choices[kinds->decoder_norm],
                           error));
    LAM_TRY(lam_group_number(group, "warmup", kinds->warmup, false, error));
    LAM_TRY(lam_group_number(group, "decay", kinds->decay, false, error));
    return lam_group_number(group, "resample", (double)kinds->resample, true, error);
}
