#include "io/report.h"

#include "io/figure.h"
#include "io/replace_file.h"
#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "src/log.h"

#include <string.h>

typedef struct lam_report_options {
    int depth;
} lam_report_options;

static const char *const depth_choices[] = {"layer", "fraction", NULL};

static const lam_option report_options[] = {
    {"depth", LAM_OPTION_CHOICE, offsetof(lam_report_options, depth), "layer", 0, 0, depth_choices,
     "depth as the layer's number, or from 0 for the first to 1 for the last, which lays models of "
     "different depth over each other"},
    {NULL},
};

static const char *const examples[] = {"laminar report led.nc -o led.html",
                                       "laminar report standard.nc published.nc -o both.html",
                                       NULL};

static lam_code report(const lam_arguments *arguments, const lam_report_options *options,
                       lam_arena *arena, lam_error *error) {
    size_t count = arguments->operands.count, figure_count;
    const char *path = arguments->output ? arguments->output : "report.html";
    lam_figure_source *sources = NULL;
    lam_figure *figures;
    LAM_TRY(lam_replace_check(path, error));
    lam_code code = lam_figure_open(arguments->operands.item, count, &sources, arena, error);
    if (code == LAM_OK)
        code = lam_figures_make(sources, count, options->depth == 1, &figures, &figure_count, arena,
                                error);
    if (code == LAM_OK)
        code = lam_report_write(path, sources, count, figures, figure_count, arena, error);
    if (code == LAM_OK) lam_log(LAM_NORMAL, "wrote %s", path);
    lam_figure_close(sources, count);
    return code;
}

lam_code lam_command_report(int argc, const char *const *argv, lam_error *error) {
    lam_report_options options = {0};
    const lam_option_group groups[] = {{"Options", report_options, &options}, {NULL, NULL, NULL}};
    const lam_command command = {
        .name = "report",
        .operands = "RESULT.nc... [-o report.html] [options]",
        .summary = "Write one self-contained page about one result, or several in one: what was "
                   "run on what, every figure with its table, and how to make it again. It opens "
                   "in any browser and asks the network for nothing.",
        .fewest = 1,
        .most = 64,
        .groups = groups,
        .takes_output = true,
        .examples = examples};
    lam_arena arena = {0};
    lam_arguments arguments;
    bool ended = false;
    lam_code code = lam_arguments_open(&command, argc, argv, &arguments, &ended, &arena, error);
    if (code == LAM_OK && !ended) {
        lam_log_open(arguments.level, true);
        code = report(&arguments, &options, &arena, error);
    }
    lam_arena_destroy(&arena);
    return code;
}
