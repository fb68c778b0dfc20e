// Target words in running text: the tokens of two classes of words, each with the window of tokens
// around it.
#ifndef LAM_TARGETS_H
#define LAM_TARGETS_H

#include "arena.h"
#include "error.h"
#include "option.h"
#include "sequences.h"
#include "tokenizer.h"

// Which tokens belong to a class. A token's word is its text (bytes that are not UTF-8 as U+FFFD)
// stripped and lower-cased, as Python's str.strip().lower() has it.
typedef struct lam_target_class {
    lam_strings words;      // the word is one of these (themselves stripped and lower-cased) ...
    lam_strings contains;   // ... or contains one of these (lower-cased) ...
    lam_strings not_before; // ... and the text of the next token is none of these
} lam_target_class;

typedef struct lam_target_rule {
    lam_target_class class[2]; // by label
    int64_t before, after;     // tokens of the window on either side of the target
} lam_target_rule;

typedef struct lam_targets {
    int64_t count[2];  // of each class
    int64_t *position; // those of class 0 in the text's order, then those of class 1
} lam_targets;

// Finds the targets of a text: tokens of either class whose window lies within one document
// and whose next token begins with a space (so that they end a word). Owned by arena. LAM_INPUT if
// there is no tokenizer (NULL), if it does not know an id, if no document is as long as a window,
// if either class has no target, or if a target is of both; LAM_MEMORY.
LAM_CHECKED lam_code lam_targets_find(const lam_target_rule *rule, const lam_tokenizer *tokenizer,
                                      const lam_running *text, lam_targets *targets,
                                      lam_arena *arena, lam_error *error);

// The targets' windows as sequences of before + 1 + after tokens, in their order, labelled with
// their class. Owned by arena, but for token, which is kept by reference. LAM_MEMORY.
LAM_CHECKED lam_code lam_targets_windows(const lam_target_rule *rule, const lam_targets *targets,
                                         const uint32_t *token, lam_sequences *sequences,
                                         lam_arena *arena, lam_error *error);

// A text of bytes stripped (where asked for) and lower-cased as above, ended by a NUL and owned by
// arena. NULL, with LAM_MEMORY in *error, if memory is refused.
char *lam_target_word(const char *text, size_t bytes, bool strip, lam_arena *arena,
                      lam_error *error);

#endif
