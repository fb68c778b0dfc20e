// The states of trainings that are under way: weights, Adam's means, counters, position and the
// curves so far, by blocks of LAM_LATENT_BLOCK latents. Put back into one made with the same
// options (on other ranks, with other threads), the training goes on with the same bits.
#ifndef LAM_AUTOENCODER_STATE_H
#define LAM_AUTOENCODER_STATE_H

#include "autoencoder.h"
#include "autoencoder_published.h"
#include "state.h"

// One of the two autoencoders, and the curves of its epochs.
typedef struct lam_training {
    lam_autoencoder *autoencoder;
    lam_published *published;
    lam_autoencoder_curves *curves;
} lam_training;

// As it is now, or to be put back into; training and what it names must outlive it.
lam_state lam_training_state(lam_training *training);

#endif
