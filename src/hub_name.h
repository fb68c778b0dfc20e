// How models are named on a model hub: OWNER/NAME, or NAME alone, and pinned to a commit as
// NAME@COMMIT.
#ifndef LAM_HUB_NAME_H
#define LAM_HUB_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { LAM_COMMIT_DIGITS = 40 };

// Whether text [length] is a model's name ("gpt2", "EleutherAI/pythia-70m"), and as such safe in a
// path and in an address.
bool lam_hub_is_name(const char *text, size_t length);

// Whether text is a whole commit: 40 digits, lower case.
bool lam_hub_is_commit(const char *text);

// The length of NAME in a text NAME@COMMIT; 0 where the text is no such.
size_t lam_hub_pinned(const char *text);

#endif
