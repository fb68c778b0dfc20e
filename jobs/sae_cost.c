// What a layer's autoencoder takes.
#include "jobs/sae.h"
#include "src/autoencoder_published.h"

#include <omp.h>

// Bytes of a latent's weights, for each unit of the site's width, and of Adam's means.
enum { WEIGHTS = 2 * sizeof(float), MEANS = 4 * sizeof(float) };

// Operations of a step for each row, latent and unit: codes, reconstruction, its error by latent,
// and the gradients of both weights; every latent taken as active.
enum { STEP_OPERATIONS = 10 };

static void cost_published(const lam_profile_run *run, lam_profile_cost *cost) {
    const sae_options *o = sae_options_of(run);
    lam_published_options with = lam_published_defaults(lam_site_width(run->model, sae_site(run)));
    with.latents = o->latents, with.kept = o->latents / 3, with.epochs = o->epochs;
    cost->scratch = (double)lam_published_bytes(&with, run->team->members, omp_get_max_threads());
    // The encoder's weights are the decoder's.
    const double weights = (double)with.latents * (double)with.width;
    cost->state = weights * (WEIGHTS + MEANS) / 2;
    cost->exported = o->export ? weights * WEIGHTS : 0;
    cost->shared = true;
    // Of each step the rows' codes, their slopes and residuals, and the gradient.
    cost->sent = (double)with.epochs * sizeof(float) *
                 ((double)sae_all_rows(run) * (double)(with.width + 2 * with.latents) + weights);
}

static void cost_standard(const lam_profile_run *run, lam_profile_cost *cost) {
    const sae_options *o = sae_options_of(run);
    const lam_autoencoder_options with = sae_training_options(run);
    cost->scratch = (double)lam_autoencoder_bytes(&with, run->team, omp_get_max_threads());
    const double weights = (double)with.latents * (double)with.width;
    cost->state = weights * (WEIGHTS + MEANS);
    cost->exported = o->export ? weights * WEIGHTS : 0;
    cost->shared = cost->split = true;
    // The sums of each batch's reconstruction, there and back.
    cost->sent =
        2 * (double)sae_all_rows(run) * (double)with.epochs * (double)with.width * sizeof(float);
}

void sae_cost(const lam_profile_run *run, lam_profile_cost *cost) {
    const sae_options *o = sae_options_of(run);
    const double width = (double)lam_site_width(run->model, sae_site(run)),
                 rows = (double)sae_all_rows(run), latents = (double)o->latents,
                 batch = sae_published(run) ? rows : (double)o->batch;
    const bool gated = o->kinds.kind == LAM_AUTOENCODER_GATED && !sae_published(run);
    cost->kept = (double)sae_most_rows(run) * width * sizeof(float);
    cost->seen.of[LAM_WORK_VALUES] += 2 * rows * width;
    cost->work.of[LAM_WORK_TRAINING] +=
        (double)o->epochs * rows * STEP_OPERATIONS * (gated ? 1.5 : 1) * latents * width;
    // The weights and their means, read and written in every step; the measures.
    cost->work.of[LAM_WORK_VALUES] += 12 * (double)o->epochs * (rows / batch) * latents * width;
    cost->work.of[LAM_WORK_PRODUCTS] += 4 * (double)sae_last_rows(run) * latents * width;
    if (o->buffer) // the autoencoder waits for its chunks
        cost->kept += (WEIGHTS + MEANS) * latents * width +
                      (double)sae_row_count(run, 0, o->splice) * width * sizeof(float);
    if (sae_published(run))
        cost_published(run, cost);
    else
        cost_standard(run, cost);
    cost->remedy = o->buffer            ? "choose a smaller sae.buffer or use more ranks"
                   : sae_published(run) ? "take fewer sequences or use more ranks"
                                        : "let them pass in chunks, by sae.buffer (64k, say), "
                                          "take fewer sequences or use more ranks";
}
