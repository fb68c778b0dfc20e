// One table of options serves the job file, the command line, --help, the manual and the
// provenance in the result. A table describes the fields of one struct.
#ifndef LAM_OPTION_H
#define LAM_OPTION_H

#include "arena.h"
#include "error.h"
#include "yaml_tree.h"

#include <stddef.h>
#include <stdint.h>

// A list of texts, and a list of named lists of words (rsa's categories).
typedef struct lam_strings {
    size_t count;
    const char **item;
} lam_strings;

typedef struct lam_word_lists {
    size_t count;
    const char **name;
    lam_strings *words;
} lam_word_lists;

typedef enum lam_option_type { // the field's C type
    LAM_OPTION_BOOL,           // bool
    LAM_OPTION_INTEGER,        // int64_t; accepts 64k, 2M (powers of 1024) and, where allowed, auto
    LAM_OPTION_REAL,           // double; auto as above
    LAM_OPTION_DURATION,       // double, seconds; 30s, 5m, 1h, and never, which is 0
    LAM_OPTION_CHOICE,         // int, an index into choices
    LAM_OPTION_STRING,         // const char *, NULL if not given and without fallback
    LAM_OPTION_PATH,           // const char *, made relative to the job file's folder
    LAM_OPTION_STRINGS,        // lam_strings; a single text is a list of one
    LAM_OPTION_PATHS,          // lam_strings, each as LAM_OPTION_PATH
    LAM_OPTION_WORD_LISTS,     // lam_word_lists
} lam_option_type;

typedef struct lam_option {
    const char *name;
    lam_option_type type;
    size_t offset;           // of the field in the options struct
    const char *fallback;    // as --set would write it ("[a, b]" a list); NULL: none (zero bytes)
    double minimum, maximum; // of numbers but durations, both included; equal: no bounds; DBL_MIN:
                             // above 0; an infinity, or 2^63 for integers: no bound on that side
    const char *const *choices; // ended by NULL; of CHOICE, and of STRINGS limited to these
    const char *help;           // one line, for --help and the manual
} lam_option;                   // a table ends with a NULL name

// Values of INTEGER and REAL that were left to the program ("auto" in the job file): what depends
// on the model is filled in once the model is known. Only options whose fallback is "auto" take it.
#define LAM_AUTO_INTEGER INT64_MIN
#define LAM_AUTO_REAL ((double)-__DBL_MAX__)

// Sets every field of *options to its fallback.
LAM_CHECKED lam_code lam_options_default(const lam_option *table, void *options, lam_arena *arena,
                                         lam_error *error);

// The entry of that name ('-' stands for '_'), or NULL.
const lam_option *lam_option_find(const lam_option *table, const char *name);

// Of the names in the table, the one nearest to a mistyped one (edit distance), or NULL if none is
// near.
const char *lam_option_nearest(const lam_option *table, const char *name);

// What an option takes, for messages: "a whole number of 1 or more, or auto".
enum { LAM_DESCRIPTION_ROOM = 256 };
typedef struct lam_description {
    char text[LAM_DESCRIPTION_ROOM];
} lam_description;
lam_description lam_option_describe(const lam_option *option);

// Parses one value, as --set writes it, into its field: a scalar as it stands, without quotes; of
// lists also YAML's "[a, b]" and "{name: [a, b]}", else a list of one. Paths are put under folder
// (NULL: left alone). Texts are copied to the arena and have to be UTF-8. Errors (LAM_USAGE) name
// the key, what was given and what would be right; key is its full name ("sae.latents").
LAM_CHECKED lam_code lam_option_set(const lam_option *option, void *options, const char *key,
                                    const char *text, const char *folder, lam_arena *arena,
                                    lam_error *error);

// The same for a list of texts, without YAML in them, and for a value in a job file.
LAM_CHECKED lam_code lam_option_set_list(const lam_option *option, void *options, const char *key,
                                         const lam_strings *items, const char *folder,
                                         lam_arena *arena, lam_error *error);
LAM_CHECKED lam_code lam_option_set_yaml(const lam_option *option, void *options, const char *key,
                                         const lam_yaml *value, const char *folder,
                                         lam_arena *arena, lam_error *error);

// The value as YAML flow text (quoted where YAML needs it), for the provenance; "null" for a text
// or paths that were not given. NULL: no memory, or a text that is not UTF-8.
char *lam_option_text(const lam_option *option, const void *options, lam_arena *arena,
                      lam_error *error);

#endif
