// The command line of a subcommand, and its help, from the same description.
#ifndef LAM_ARGUMENTS_H
#define LAM_ARGUMENTS_H

#include "src/arena.h"
#include "src/error.h"
#include "src/log.h"
#include "src/option.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// Options of one struct under one heading of the help. An entry learning_rate is --learning-rate
// (or --learning_rate) VALUE on the command line; a boolean needs no value. With options NULL the
// entries are keys of the job file: the help shows them, the command line does not take them.
typedef struct lam_option_group {
    const char *title;
    const lam_option *table;
    void *options;
} lam_option_group; // a command's groups end with a NULL table

typedef struct lam_command {
    const char *name;     // "synth"
    const char *operands; // "SHAPE DIR [options]": what follows the name, for the usage line
    const char *summary;
    size_t fewest, most;            // operands
    const lam_option_group *groups; // NULL: none
    bool takes_output;              // -o FILE, where no group has a key output
    bool takes_sets;                // --set section.key=value
    bool takes_job_file;            // as its operand; its keys are no options
    bool takes_resume;              // --resume, --checkpoint TIME
    const char *const *examples;    // whole lines, ended by NULL; NULL: none
    void (*help_end)(void);         // prints what else its help says; NULL: nothing
} lam_command;

typedef struct lam_arguments {
    bool help, version;  // where one of them is set, nothing else is looked at
    lam_log_level level; // -q, -v
    bool resume;
    const char *output; // NULL: not given, or put into a group
    lam_strings sets;   // the values of --set, in order
    lam_strings operands;
} lam_arguments;

// Parses argv[0..argc-1], what follows the subcommand's name, into *arguments and the structs of
// the command's groups (which hold their defaults already). Given twice, the last value holds;
// lists are refused twice. Texts are kept by reference or copied to arena. LAM_USAGE, ending with
// where the help is, for an unknown option (with the nearest known one), a value that is missing or
// wrong, and too few or too many operands.
LAM_CHECKED lam_code lam_arguments_parse(const lam_command *command, int argc,
                                         const char *const *argv, lam_arguments *arguments,
                                         lam_arena *arena, lam_error *error);

// For a command whose groups are all its own: sets their defaults, parses, and gives the help or
// the version where that is asked for. *ended: it was, and nothing is left to do. Errors as above,
// and LAM_MEMORY.
LAM_CHECKED lam_code lam_arguments_open(const lam_command *command, int argc,
                                        const char *const *argv, lam_arguments *arguments,
                                        bool *ended, lam_arena *arena, lam_error *error);

// What a command does; arena goes away when it returns.
typedef lam_code lam_command_work(const lam_command *command, const lam_arguments *arguments,
                                  lam_arena *arena, lam_error *error);

// The whole of such a command on one rank: opens its arguments and the log, and works if there is
// something left to do. Errors as above, and those of work.
LAM_CHECKED lam_code lam_command_alone(const lam_command *command, lam_command_work *work, int argc,
                                       const char *const *argv, lam_error *error);

// Adds " (see 'laminar NAME --help')" to the error's text and returns its code.
lam_code lam_usage_hint(const lam_command *command, lam_error *error);

// Prints the command's help, 80 columns wide, or as a narrower terminal is.
void lam_help_print(FILE *out, const lam_command *command);

// The keys of a table as a job file has them, "learning_rate: X", under a title.
void lam_help_keys(FILE *out, const char *title, const lam_option *table);

// One line of a list in a help text: the term, then its text wrapped in the column beside it.
void lam_help_entry(FILE *out, const char *term, const char *text);

#endif
