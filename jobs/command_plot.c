#include "io/figure.h"
#include "io/plot.h"
#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "src/log.h"
#include "src/wording.h"

#include <string.h>

typedef struct lam_plot_options {
    const char *format;
    int depth;
    bool script;
} lam_plot_options;

static const char *const format_names[] = {"svg", "png", "pdf"};
static const char *const depth_choices[] = {"layer", "fraction", NULL};

static const lam_option plot_options[] = {
    {"format", LAM_OPTION_STRING, offsetof(lam_plot_options, format), "svg", 0, 0, NULL,
     "svg, png or pdf, or several of them: svg,pdf"},
    {"depth", LAM_OPTION_CHOICE, offsetof(lam_plot_options, depth), "layer", 0, 0, depth_choices,
     "depth as the layer's number, or from 0 for the first to 1 for the last, which lays models of "
     "different depth over each other"},
    {"script", LAM_OPTION_BOOL, offsetof(lam_plot_options, script), "no", 0, 0, NULL,
     "leave gnuplot's script and data beside the pictures"},
    {NULL},
};

static const char *const examples[] = {"laminar plot led.nc -o figures --format png,pdf",
                                       "laminar plot small.nc large.nc --depth fraction -o figures",
                                       NULL};

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

static lam_code plot(const lam_arguments *arguments, const lam_plot_options *options,
                     lam_arena *arena, lam_error *error) {
    size_t count = arguments->operands.count, figure_count;
    int formats;
    LAM_TRY(formats_of(options->format, &formats, error));
    lam_figure_source *sources = NULL;
    lam_figure *figures;
    lam_code code = lam_figure_open(arguments->operands.item, count, &sources, arena, error);
    if (code == LAM_OK)
        code = lam_figures_make(sources, count, options->depth == 1, &figures, &figure_count, arena,
                                error);
    if (code == LAM_OK)
        code = lam_plot(figures, figure_count, formats, options->script,
                        arguments->output ? arguments->output : ".", arena, error);
    lam_figure_close(sources, count);
    return code;
}

lam_code lam_command_plot(int argc, const char *const *argv, lam_error *error) {
    lam_plot_options options = {0};
    const lam_option_group groups[] = {{"Options", plot_options, &options}, {NULL, NULL, NULL}};
    const lam_command command = {
        .name = "plot",
        .operands = "RESULT.nc... [-o DIR] [options]",
        .summary = "Draw the figures of one result, or of several in one, by gnuplot: a file for "
                   "each, named like sae.svg, into the folder -o (made if it is not there; else "
                   "the current one).",
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
        code = plot(&arguments, &options, &arena, error);
    }
    lam_arena_destroy(&arena);
    return code;
}
