// How well a model predicts each token from those before it.
#ifndef LAM_NEXT_TOKEN_H
#define LAM_NEXT_TOKEN_H

#include "forward.h"

enum { LAM_NEXT_TOKEN_ROWS = 128 }; // whose logits are held at a time

// Adds to *sum the cross-entropy of the next token, -log softmax(logits)[next] in nats, over all
// tokens of the batch but the last of each sequence, which predict one: in double precision and in
// the tokens' order, so that the bits do not depend on threads. residual [rows, width] after the
// last layer, which it changes; logits [LAM_NEXT_TOKEN_ROWS, vocabulary] is scratch. Needs the
// model's final norm and head.
LAM_CHECKED lam_code lam_next_token_loss(lam_forward *forward, const lam_model_config *config,
                                         const lam_batch *batch, float *residual, float *logits,
                                         double *sum, lam_error *error);

#endif
