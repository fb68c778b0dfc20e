// What the files of the rsa profile share.
#ifndef LAM_RSA_PROFILE_H
#define LAM_RSA_PROFILE_H

#include "jobs/profile.h"
#include "src/rsa.h"

typedef struct rsa_options {
    const char *template;
    lam_word_lists categories;
    int distance; // lam_similarity_kind
    int site;     // index into the sites
    int64_t permutations, bootstraps;
    bool similarity;
} rsa_options;

// More words than MANY_WORDS are not resampled unasked, and layer_rsa looks at so many of them
// only; pairs of more than MOST_WORDS could not be numbered in 32 bits.
enum { LAM_RSA_MANY_WORDS = 1000, LAM_RSA_MOST_WORDS = 1 << 16 };

int64_t lam_rsa_word_count(const rsa_options *options);

// Words that layer_rsa looks at.
int64_t lam_rsa_sample_size(const rsa_options *options);

// LAM_USAGE where the template has no place for the word, or the categories are too few or too
// small, or hold an empty word or one word twice.
LAM_CHECKED lam_code lam_rsa_check_words(const rsa_options *options, lam_error *error);

// A sequence a word: the template with the word in it, tokenized as a whole, labelled with the
// number of its tokens that hold a part of the word. Owned by arena. LAM_INPUT for a prompt beyond
// the model's positions.
LAM_CHECKED lam_code lam_rsa_take(const lam_profile_run *run, const lam_source *source,
                                  lam_sequences *sequences, lam_arena *arena, lam_error *error);

// What a layer keeps: each word's row, at the prompt's last token.
typedef struct rsa_rows {
    lam_categories categories;
    int components;
    int64_t width;
    float *row;    // [component, word, width]
    float *module; // published mode of qkv: a row in the module's own order; else NULL
    int64_t seen;  // words
} rsa_rows;

// The site whose rows are compared, and its components: Q, K and V, or itself alone.
lam_site lam_rsa_site(const lam_profile_run *run);
int lam_rsa_component_count(const lam_profile_run *run);

// Owned by arena. LAM_MEMORY.
LAM_CHECKED lam_code lam_rsa_make_categories(const rsa_options *options, lam_categories *categories,
                                             lam_arena *arena, lam_error *error);

// Whether the words are so many that all ranks share their similarities; lam_rsa_finish then leaves
// all but layer_rsa to lam_rsa_finish_together (profile.h). LAM_USAGE where what is asked for is
// not to be had of them; before what is auto is filled in.
bool lam_rsa_outgrows(const lam_profile_run *run);
LAM_CHECKED lam_code lam_rsa_check_shared(const lam_profile_run *run, lam_error *error);
LAM_CHECKED lam_code lam_rsa_finish_together(const lam_profile_run *run, int64_t layer, void *state,
                                             lam_group *group, const lam_grid *grid,
                                             lam_error *error);

// The quantile levels of the intervals.
extern const double lam_rsa_levels[2];

// The layer function, whose words and resamples the members of the run's team share. group [2]: the
// result's, and what layer_rsa is made of.
LAM_CHECKED lam_code lam_rsa_finish(const lam_profile_run *run, int64_t layer, void *state,
                                    lam_group *group, const lam_tick *tick, lam_arena *arena,
                                    lam_error *error);

#endif
