#include "io/result_compare.h"
#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "src/log.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct lam_compare_options {
    double rtol;
} lam_compare_options;

static const lam_option compare_options[] = {
    {"rtol", LAM_OPTION_REAL, offsetof(lam_compare_options, rtol), "0", 0, 1, NULL,
     "relative tolerance, of the larger magnitude; 0: the same bits"},
    {NULL},
};

static const char *const examples[] = {"laminar compare today.nc yesterday.nc",
                                       "laminar compare one.nc other.nc --rtol 1e-6", NULL};

static lam_code fail_different(const char *const *path, const lam_comparison *found,
                               lam_error *error) {
    char groups[64] = "";
    if (found->lone_groups)
        snprintf(groups, sizeof groups, " and in %" PRId64 " groups that only one has",
                 found->lone_groups);
    return lam_fail(error, LAM_DIFFERENT,
                    "%s and %s differ in %" PRId64 " variables%s, the first: %s", path[0], path[1],
                    found->different_variables, groups, found->first);
}

static lam_code compare(const lam_command *command, const lam_arguments *arguments,
                        lam_arena *arena, lam_error *error) {
    (void)arena;
    const lam_compare_options *options = command->groups->options;
    const char *const *path = arguments->operands.item;
    const bool quiet = arguments->level < LAM_NORMAL;
    lam_comparison found;
    LAM_TRY(
        lam_result_compare(path[0], path[1], options->rtol, quiet ? NULL : stdout, &found, error));
    if (found.different_variables || found.lone_groups) return fail_different(path, &found, error);
    if (!quiet)
        printf("equal: %" PRId64 " values of %" PRId64 " variables\n", found.values,
               found.variables);
    return LAM_OK;
}

lam_code lam_command_compare(int argc, const char *const *argv, lam_error *error) {
    lam_compare_options options = {0};
    const lam_option_group groups[] = {{"Options", compare_options, &options}, {NULL, NULL, NULL}};
    const lam_command command = {
        .name = "compare",
        .operands = "RESULT.nc OTHER.nc [options]",
        .summary = "Compare the values of two results: says which variables differ, how many of "
                   "their values, and the first one's layer and index. Attributes, which say who "
                   "made the values and when, are left out.",
        .fewest = 2,
        .most = 2,
        .groups = groups,
        .examples = examples};
    return lam_command_alone(&command, compare, argc, argv, error);
}
