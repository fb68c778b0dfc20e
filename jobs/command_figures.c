// plot and report: the same figures, as files and on a page.
#include "io/figure.h"
#include "io/plot.h"
#include "io/replace_file.h"
#include "io/report.h"
#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "src/log.h"
#include "src/stop.h"
#include "src/wording.h"

#include <string.h>

typedef struct lam_figure_options {
    int depth;
    const char *format; // of plot, as script
    bool script;
} lam_figure_options;

static const char *const format_names[] = {"svg", "png", "pdf"};
static const char *const depth_choices[] = {"layer", "fraction", NULL};

static const lam_option figure_options[] = {
    {"depth", LAM_OPTION_CHOICE, offsetof(lam_figure_options, depth), "layer", 0, 0, depth_choices,
     "depth as the layer's number, or from 0 for the first to 1 for the last, which lays models of "
     "different depth over each other"},
    {NULL},
};

static const lam_option file_options[] = {
    {"format", LAM_OPTION_STRING, offsetof(lam_figure_options, format), "svg", 0, 0, NULL,
     "svg, png or pdf, or several of them: svg,pdf"},
    {"script", LAM_OPTION_BOOL, offsetof(lam_figure_options, script), "no", 0, 0, NULL,
     "leave gnuplot's script and data beside the pictures"},
    {NULL},
};

static const char *const plot_examples[] = {
    "laminar plot led.nc -o figures --format png,pdf",
    "laminar plot small.nc large.nc --depth fraction -o figures", NULL};

static const char *const report_examples[] = {
    "laminar report led.nc -o led.html", "laminar report standard.nc published.nc -o both.html",
    NULL};

// Results and their figures, the arena's but for the open files.
typedef struct lam_figures {
    lam_figure_source *sources;
    size_t source_count;
    lam_figure *figures;
    size_t count;
} lam_figures;

// The figures of the results that the operands name; their sources are to be closed, also after an
// error.
static lam_code open_figures(const lam_command *command, const lam_arguments *arguments,
                             lam_figures *all, lam_arena *arena, lam_error *error) {
    const lam_figure_options *options = command->groups->options;
    *all = (lam_figures){.source_count = arguments->operands.count};
    LAM_TRY(
        lam_figure_open(arguments->operands.item, all->source_count, &all->sources, arena, error));
    return lam_figures_make(all->sources, all->source_count, options->depth == 1, &all->figures,
                            &all->count, arena, error);
}

// "svg,png" as the sum that lam_plot takes.
static lam_code formats_of(const char *text, int *formats, lam_error *error) {
    *formats = 0;
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t length = strcspn(at, ","), f = 0;
        while (f < 3 &&
               (strlen(format_names[f]) != length || strncmp(at, format_names[f], length) != 0))
            f++;
        if (f == 3)
            return lam_fail(error, LAM_USAGE,
                            "--format: '%s' is not svg, png or pdf, or several of them such as "
                            "svg,pdf (see 'laminar plot --help')",
                            lam_excerpt_of(text).text);
        *formats |= 1 << f;
    }
    return LAM_OK;
}

static lam_code plot(const lam_command *command, const lam_arguments *arguments, lam_arena *arena,
                     lam_error *error) {
    const lam_figure_options *options = command->groups->options;
    const char *folder = arguments->output ? arguments->output : ".";
    int formats;
    LAM_TRY(formats_of(options->format, &formats, error));
    LAM_TRY(lam_stop_begin(error));
    lam_figures all;
    lam_code code = open_figures(command, arguments, &all, arena, error);
    if (code == LAM_OK)
        code = lam_plot(all.figures, all.count, formats, options->script, folder, arena, error);
    lam_figure_close(all.sources, all.source_count);
    return code;
}

static lam_code report(const lam_command *command, const lam_arguments *arguments, lam_arena *arena,
                       lam_error *error) {
    const char *path = arguments->output ? arguments->output : "report.html";
    LAM_TRY(lam_stop_begin(error));
    LAM_TRY(lam_replace_check(path, error));
    lam_figures all;
    lam_code code = open_figures(command, arguments, &all, arena, error);
    if (code == LAM_OK)
        code = lam_report_write(path, all.sources, all.source_count, all.figures, all.count, arena,
                                error);
    if (code == LAM_OK) lam_log(LAM_NORMAL, "wrote %s", path);
    lam_figure_close(all.sources, all.source_count);
    return code;
}

lam_code lam_command_plot(int argc, const char *const *argv, lam_error *error) {
    lam_figure_options options = {0};
    const lam_option_group groups[] = {{"Options", figure_options, &options},
                                       {"Files", file_options, &options},
                                       {NULL, NULL, NULL}};
    const lam_command command = {
        .name = "plot",
        .operands = "RESULT.nc... [-o DIR] [options]",
        .summary = "Draw the figures of one result, or of several in one, by gnuplot: a file for "
                   "each, named like sae.svg, into the folder -o (made if it is not there; else "
                   "the current one).",
        .fewest = 1,
        .most = 24, // more make pictures that Cairo does not draw
        .groups = groups,
        .takes_output = true,
        .examples = plot_examples};
    return lam_command_alone(&command, plot, argc, argv, error);
}

lam_code lam_command_report(int argc, const char *const *argv, lam_error *error) {
    lam_figure_options options = {0};
    const lam_option_group groups[] = {{"Options", figure_options, &options}, {NULL, NULL, NULL}};
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
        .examples = report_examples};
    return lam_command_alone(&command, report, argc, argv, error);
}
