// Two classes of words in running text, as the profiles that compare them are asked for them: their
// keys, which tokens they are, and the windows the model sees them in.
#ifndef LAM_WORD_CLASSES_H
#define LAM_WORD_CLASSES_H

#include "jobs/profile.h"
#include "src/targets.h"

typedef struct lam_word_classes {
    lam_target_class negative, positive; // labels 0 and 1
    int64_t before, after, folds;
} lam_word_classes;

// The keys, in the options of a profile whose struct has a lam_word_classes named classes.
#define LAM_WORD_CLASS_OPTIONS(type)                                                               \
    {"positive_class",                                                                             \
     LAM_OPTION_STRINGS,                                                                           \
     offsetof(type, classes.positive.words),                                                       \
     "[not, cannot, nor, never]",                                                                  \
     0,                                                                                            \
     0,                                                                                            \
     NULL,                                                                                         \
     "words with label 1, as a token stripped and lower-cased (default: negations)"},              \
        {"positive_class_contains",                                                                \
         LAM_OPTION_STRINGS,                                                                       \
         offsetof(type, classes.positive.contains),                                                \
         "[\"'t\"]",                                                                               \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "tokens that contain one of these have label 1 too"},                                     \
        {"positive_class_not_before",                                                              \
         LAM_OPTION_STRINGS,                                                                       \
         offsetof(type, classes.positive.not_before),                                              \
         "[]",                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "but not if the next token is one of these, space and all"},                              \
        {"negative_class",                                                                         \
         LAM_OPTION_STRINGS,                                                                       \
         offsetof(type, classes.negative.words),                                                   \
         "[agree, always, allow, can, certainly, could, definitely, may, might, shall, should]",   \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "words with label 0 (default: affirmations)"},                                            \
        {"negative_class_contains",                                                                \
         LAM_OPTION_STRINGS,                                                                       \
         offsetof(type, classes.negative.contains),                                                \
         "[]",                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "tokens that contain one of these have label 0 too"},                                     \
        {"negative_class_not_before",                                                              \
         LAM_OPTION_STRINGS,                                                                       \
         offsetof(type, classes.negative.not_before),                                              \
         "[\" not\"]",                                                                             \
         0,                                                                                        \
         0,                                                                                        \
         NULL,                                                                                     \
         "but not if the next token is one of these, space and all"},                              \
        {"before",                                                                                 \
         LAM_OPTION_INTEGER,                                                                       \
         offsetof(type, classes.before),                                                           \
         "90",                                                                                     \
         0,                                                                                        \
         0x1p24,                                                                                   \
         NULL,                                                                                     \
         "tokens before the word that the model sees with it"},                                    \
    {                                                                                              \
        "after", LAM_OPTION_INTEGER, offsetof(type, classes.after), "10", 0, 0x1p24, NULL,         \
            "tokens after it"                                                                      \
    }

// That the classes have words and the window fits the model. LAM_USAGE names the key.
LAM_CHECKED lam_code lam_word_classes_check(const lam_profile_run *run,
                                            const lam_word_classes *classes, lam_error *error);

// The targets' windows, labelled: class 0's, then class 1's. Owned by arena. LAM_INPUT where the
// text has fewer of a class than least, or than folds.
LAM_CHECKED lam_code lam_word_classes_take(const lam_profile_run *run,
                                           const lam_word_classes *classes, int64_t least,
                                           const lam_source *source, lam_sequences *windows,
                                           lam_arena *arena, lam_error *error);

#endif
