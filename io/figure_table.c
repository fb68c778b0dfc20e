#include "io/figure.h"

// One curve of one variable, against depth.
#define BY_LAYER(heading, variable, axis)                                                          \
    { .kind = LAM_BY_LAYER, .title = heading, .variables = {variable}, .label = axis }
#define BY_HEAD(heading, variable, axis)                                                           \
    { .kind = LAM_MAP, .title = heading, .variables = {variable}, .x_label = "head", .label = axis }

static const lam_panel_entry attention[] = {
    {.kind = LAM_MAP,
     .title = "Last token on earlier ones",
     .variables = {"final_density"},
     .x = "grid",
     .x_label = "attention weight",
     .label = "density",
     .logarithmic = true},
    {.kind = LAM_MAP,
     .title = "Each token on itself",
     .variables = {"self_density"},
     .x = "grid",
     .x_label = "attention weight",
     .label = "density",
     .logarithmic = true},
    {.kind = LAM_CURVES,
     .title = "Last token on earlier ones",
     .variables = {"final_density"},
     .x = "grid",
     .x_label = "attention weight",
     .label = "density",
     .logarithmic = true},
    {.kind = LAM_CURVES,
     .title = "Each token on itself",
     .variables = {"self_density"},
     .x = "grid",
     .x_label = "attention weight",
     .label = "density",
     .logarithmic = true},
    {.kind = LAM_BY_LAYER,
     .title = "Mean weight",
     .variables = {"final_mean", "self_mean"},
     .names = {"last on earlier", "on itself"},
     .label = "mean attention weight"},
    {.kind = LAM_BY_LAYER,
     .title = "Weights above one half",
     .variables = {"final_share_above_half", "self_share_above_half"},
     .names = {"last on earlier", "on itself"},
     .label = "share above 0.5"},
    {0}};

static const lam_panel_entry attention_heads[] = {
    BY_HEAD("On itself", "self_weight", "mean weight"),
    BY_HEAD("On the first token", "first_token_weight", "mean weight"),
    BY_HEAD("On the previous token", "previous_token_weight", "mean weight"),
    BY_HEAD("Entropy", "entropy", "mean entropy (nats)"),
    {0}};

static const lam_panel_entry heads[] = {
    {.kind = LAM_CURVES,
     .title = "Same head",
     .variables = {"same_density"},
     .x = "score",
     .x_label = "raw score q.k",
     .label = "density",
     .logarithmic = true},
    {.kind = LAM_CURVES,
     .title = "Different heads",
     .variables = {"different_density"},
     .x = "score",
     .x_label = "raw score q.k",
     .label = "density",
     .logarithmic = true},
    {.kind = LAM_BY_LAYER,
     .title = "Mean score",
     .variables = {"same_mean", "different_mean"},
     .names = {"same head", "different heads"},
     .label = "mean raw score"},
    {.kind = LAM_BY_LAYER,
     .title = "Spread of the scores",
     .variables = {"same_sd", "different_sd"},
     .names = {"same head", "different heads"},
     .label = "standard deviation"},
    {.kind = LAM_BY_LAYER,
     .title = "Scores below zero",
     .variables = {"same_negative_share", "different_negative_share"},
     .names = {"same head", "different heads"},
     .label = "share below 0"},
    {0}};

static const lam_panel_entry heads_by_head[] = {
    BY_HEAD("Spread of queries", "q_sd", "standard deviation"),
    BY_HEAD("Spread of keys", "k_sd", "standard deviation"),
    BY_HEAD("Last query, earlier keys", "same_head_mean", "mean raw score"),
    BY_HEAD("Last query, earlier keys: below zero", "same_head_negative_share", "share below 0"),
    BY_HEAD("All causal pairs, rotated", "causal_score_mean", "mean score"),
    BY_HEAD("All causal pairs, rotated: below zero", "causal_score_negative_share",
            "share below 0"),
    {0}};

static const lam_panel_entry selectivity[] = {
    {.kind = LAM_BY_LAYER,
     .title = "Category selectivity",
     .variables = {"selectivity"},
     .interval = "selectivity_interval",
     .label = "within / between"},
    BY_LAYER("Within less between", "difference", "difference of similarity"),
    BY_LAYER("Effect size", "cohens_d", "Cohen's d"),
    BY_LAYER("Similarity within categories", "within", "mean similarity"),
    BY_LAYER("Similarity between categories", "between", "mean similarity"),
    {.kind = LAM_BY_LAYER,
     .title = "Permutation test",
     .variables = {"selectivity_p_value"},
     .label = "one-sided p",
     .logarithmic = true},
    {0}};

static const lam_panel_entry categories[] = {
    BY_LAYER("Within each category", "within_category", "mean similarity"), {0}};

static const lam_panel_entry rsa[] = {
    {.kind = LAM_BY_LAYER,
     .title = "RSA",
     .variables = {"rsa"},
     .interval = "rsa_interval",
     .label = "Pearson correlation"},
    BY_LAYER("RSA by ranks", "rsa_spearman", "Spearman correlation"),
    {.kind = LAM_BY_LAYER,
     .title = "Permutation test",
     .variables = {"rsa_p_value"},
     .label = "one-sided p",
     .logarithmic = true},
    {0}};

static const lam_panel_entry rsa_layers[] = {{.kind = LAM_MAP,
                                              .title = "Layer by layer",
                                              .variables = {"layer_rsa"},
                                              .x = "other_layer",
                                              .label = "Pearson correlation"},
                                             {0}};

static const lam_panel_entry sae[] = {
    BY_LAYER("Density", "density", "share of latents > 0"),
    BY_LAYER("L0", "l0", "latents > 0 a row"),
    BY_LAYER("Error", "mse", "mean squared error"),
    BY_LAYER("Unexplained", "fvu", "fraction of variance unexplained"),
    BY_LAYER("Cosine", "cosine", "cosine with the original"),
    BY_LAYER("Dead latents", "dead_share", "share never active"),
    BY_LAYER("Density x activation", "density_activation", "mean product"),
    BY_LAYER("Loss recovered", "loss_recovered", "share of the loss"),
    {0}};

#define TRAINING(heading, variable, axis, log)                                                     \
    {                                                                                              \
        .kind = LAM_CURVES, .title = heading, .variables = {variable}, .x = "epoch",               \
        .x_label = "epoch", .label = axis, .logarithmic = log                                      \
    }
static const lam_panel_entry sae_training[] = {
    TRAINING("Loss", "epoch_loss", "mean loss of the batches", true),
    TRAINING("Error", "epoch_mse", "mean squared error", true),
    TRAINING("Density", "epoch_density", "share of latents > 0", false),
    {0}};

static const lam_panel_entry tuning[] = {
    BY_LAYER("Significant (Bonferroni)", "component_share_significant", "share of units"),
    BY_LAYER("Significant (false discovery rate)", "component_share_significant_fdr",
             "share of units"),
    {.kind = LAM_BY_LAYER,
     .title = "Accuracy",
     .variables = {"component_mean_accuracy"},
     .label = "mean accuracy",
     .level = "majority_baseline"},
    {.kind = LAM_BY_LAYER,
     .title = "Significant, all units",
     .variables = {"share_significant", "share_significant_fdr"},
     .names = {"Bonferroni", "false discovery rate"},
     .label = "share of units"},
    {.kind = LAM_BY_LAYER,
     .title = "Accuracy, all units",
     .variables = {"mean_accuracy", "joint_held_out_accuracy"},
     .names = {"unit by unit", "all units at once, held out"},
     .label = "accuracy",
     .level = "majority_baseline"},
    BY_LAYER("Without a fit", "component_failed", "units"),
    {0}};

static const lam_panel_entry spectrum[] = {
    {.kind = LAM_CURVES,
     .title = "Eigenvalues",
     .variables = {"eigenvalue"},
     .x = "order",
     .x_label = "place, 0 the largest",
     .label = "eigenvalue of the covariance",
     .logarithmic = true},
    BY_LAYER("Effective dimensions", "participation_ratio", "participation ratio"),
    BY_LAYER("Components for 99%", "components_99", "components"),
    BY_LAYER("Variance", "total_variance", "sum of the eigenvalues"),
    BY_LAYER("Separation: the direction's spread", "top_eigenvalue",
             "largest generalized eigenvalue"),
    {.kind = LAM_BY_LAYER,
     .title = "Separation: the classes along it",
     .variables = {"held_out_t", "training_t"},
     .names = {"held out", "in training"},
     .label = "Student's t"},
    {0}};

const lam_figure_entry lam_figure_table[] = {
    {"attention", "attention", "Attention weights",
     "How attention weights are distributed in each layer, all heads together. Maps: a row is a "
     "layer, "
     "bright where weights of that size are common; the scale is logarithmic and ends at 1/100,000 "
     "of the highest density. The same as curves, dark for the first layers and light for the "
     "last. "
     "A density that hugs zero means that most tokens are ignored; a tail to the right means that "
     "some "
     "heads look at one token alone.",
     2, attention},
    {"attention_by_head", "attention", "Attention by head",
     "A row is a layer, a column a head. Bright cells are heads that look at the token itself, at "
     "the very first token (where heads rest that have nothing to say), or at the token before. "
     "High entropy: the head spreads its attention evenly; near 0: it looks at one token.",
     2, attention_heads},
    {"heads", "heads", "Raw scores",
     "Products of the last token's query with earlier tokens' keys, before scaling, rotation and "
     "softmax: of one head's query and key, and of two heads'. Where the two differ, queries and "
     "keys of a head are made for each other.",
     3, heads},
    {"heads_by_head", "heads", "Queries, keys and scores by head",
     "A row is a layer, a column a head. Spread: the standard deviation of the head's queries or "
     "keys over tokens. Scores: their mean, and the share of them below zero.",
     2, heads_by_head},
    {"selectivity", "rsa", "Category selectivity",
     "Whether words of one category (Q, K and V vectors of the last token) are more alike than "
     "words "
     "of different ones. Above 1 (the ratio) or 0 (difference, Cohen's d): the layer groups words "
     "as the categories do. Bands are 95% intervals over resampled words; p is the chance of such "
     "a "
     "difference when categories are dealt at random, without correction for the number of layers.",
     3, selectivity},
    {"categories", "rsa", "Similarity within each category",
     "Mean similarity of the words of each category: which of them the layer draws together.", 3,
     categories},
    {"rsa", "rsa", "Representational similarity",
     "Whether two of Q, K and V see the same words as alike: the correlation of their similarity "
     "matrices over all pairs of words. 1: the same picture; 0: nothing in common. Bands are 95% "
     "intervals over resampled words.",
     3, rsa},
    {"rsa_layers", "rsa", "Representational similarity, layer by layer",
     "The correlation of two layers' similarity matrices. Bright blocks along the diagonal are "
     "stretches of layers that see the words in the same way; dark edges between them are where "
     "the representation changes.",
     3, rsa_layers},
    {"sae", "sae", "Sparse autoencoders",
     "A sparse autoencoder was trained on each layer's activations. Density: how many of its "
     "latents a token uses. Error and unexplained variance: what the reconstruction misses. A "
     "layer with "
     "high density and high error is hard to take apart into few parts. Dead latents are never "
     "used.",
     4, sae},
    {"sae_training", "sae", "Training of the autoencoders",
     "A curve is a layer, dark for the first and light for the last, over the epochs of training. "
     "Curves "
     "that still fall at the right end say that more epochs would change the values above.",
     3, sae_training},
    {"tuning", "tuning/", "Units that tell two classes of words apart",
     "A logistic regression for each unit: can its activation tell the two classes of target words "
     "apart? Share of units for which it can (corrected for the number of units by Bonferroni, or "
     "by the false discovery rate), and how often the significant units are right. Compare "
     "accuracy with the "
     "majority baseline, the score of always naming the larger class.",
     3, tuning},
    {"spectrum", "spectrum/", "Spectrum of the activations",
     "Eigenvalues of the covariance of a layer's activations over tokens, the largest first, on a "
     "logarithmic scale; a curve is a layer. A curve that falls fast, or few effective dimensions: "
     "the activations fill only few directions. Separation: the direction along which one class of "
     "target words spreads most against the other, and how far it tells the classes apart (t): on "
     "the words it was found with, and, what counts, on others.",
     3, spectrum},
    {0}};
