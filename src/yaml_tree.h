// A YAML text as a tree that keeps its line numbers, and the quoting of texts for YAML. The parser
// and emitter are libyaml's. Anchors, aliases and tags are refused, so a tree is never larger than
// its text; depth and number of values are bounded.
#ifndef LAM_YAML_TREE_H
#define LAM_YAML_TREE_H

#include "arena.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LAM_YAML_MAX_BYTES = 16 << 20,
    LAM_YAML_MAX_VALUES = 250000,
    LAM_YAML_MAX_DEPTH = 16,
};

typedef enum lam_yaml_kind { LAM_YAML_SCALAR, LAM_YAML_LIST, LAM_YAML_MAPPING } lam_yaml_kind;

typedef struct lam_yaml {
    lam_yaml_kind kind;
    int64_t line;           // where it begins, from 1; of a mapping's value: where its key begins
    const char *key;        // its name in the mapping it belongs to, unique there; else NULL
    const char *text;       // of a scalar, without NULs
    bool plain;             // a scalar without quotes
    size_t count;           // of a list's items or a mapping's values
    struct lam_yaml *first; // of those, in the text's order
    struct lam_yaml *next;  // in the list or mapping this belongs to
} lam_yaml;

// Parses a text of one document into *root, owned by arena, or NULL where the text holds no
// document. Errors (LAM_USAGE) begin with "name:line: ", with nothing where name is NULL.
LAM_CHECKED lam_code lam_yaml_parse(const char *text, size_t length, const char *name,
                                    lam_yaml **root, lam_arena *arena, lam_error *error);

// Whether a node is YAML's null: a plain scalar that is empty, ~ or null.
bool lam_yaml_is_null(const lam_yaml *node);

// The text as a flow scalar that any YAML reader takes for this text: plain where that is safe,
// else in double quotes. NULL, with LAM_USAGE for a text that is not UTF-8 or LAM_MEMORY in *error.
char *lam_yaml_quote(const char *text, lam_arena *arena, lam_error *error);

#endif
