#include "io/synth.h"
#include "jobs/arguments.h"
#include "jobs/commands.h"
#include "src/log.h"
#include "src/stop.h"

#include <stdio.h>
#include <string.h>

static const lam_dtype dtypes[] = {LAM_DTYPE_F32, LAM_DTYPE_F16, LAM_DTYPE_BF16};
static const char *const dtype_choices[] = {"F32", "F16", "BF16", NULL};

typedef struct lam_synth_arguments {
    int dtype;
    int64_t seed, shard;
    const char *tokenizer;
} lam_synth_arguments;

static const lam_option synth_options[] = {
    {"dtype", LAM_OPTION_CHOICE, offsetof(lam_synth_arguments, dtype), "F32", 0, 0, dtype_choices,
     "type of the stored weights"},
    {"seed", LAM_OPTION_INTEGER, offsetof(lam_synth_arguments, seed), "1", 0, 0x1p63, NULL,
     "what the weights follow from"},
    {"shard", LAM_OPTION_INTEGER, offsetof(lam_synth_arguments, shard), "0", 0, 0x1p63, NULL,
     "bytes of one file at most, such as 1G; 0: one file"},
    {"tokenizer", LAM_OPTION_PATH, offsetof(lam_synth_arguments, tokenizer), NULL, 0, 0, NULL,
     "folder whose tokenizer files are copied in"},
    {NULL},
};

static const char *const examples[] = {
    "laminar synth gpt2-large big --tokenizer models/gpt2",
    "laminar synth gpt2:6x256x4 tiny --dtype F16",
    NULL,
};

static void print_shapes(void) {
    char list[512];
    size_t used = 0;
    for (size_t i = 0; lam_synth_shape_name(i) && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "",
                                 lam_synth_shape_name(i));
    puts("\nshapes:");
    lam_help_entry(stdout, "by name", list);
    lam_help_entry(stdout, "by numbers",
                   "FAMILY:LAYERSxWIDTHxHEADS[:VOCABULARY[:POSITIONS]], FAMILY gpt2 or gpt_neox");
}

static lam_code synth(const lam_command *command, const lam_arguments *arguments, lam_arena *arena,
                      lam_error *error) {
    (void)arena;
    const lam_synth_arguments *given = command->groups->options;
    const char *folder = arguments->operands.item[1];
    lam_model_config config;
    LAM_TRY(lam_stop_begin(error));
    LAM_TRY(lam_synth_shape(arguments->operands.item[0], &config, error));
    const lam_synth_options options = {.dtype = dtypes[given->dtype],
                                       .shard_bytes = given->shard,
                                       .seed = (uint64_t)given->seed,
                                       .tokenizer = given->tokenizer};
    LAM_TRY(lam_synth(&config, &options, folder, error));
    lam_log(LAM_NORMAL, "wrote %s", folder);
    return LAM_OK;
}

lam_code lam_command_synth(int argc, const char *const *argv, lam_error *error) {
    lam_synth_arguments given = {0};
    const lam_option_group groups[] = {{"Options", synth_options, &given}, {NULL, NULL, NULL}};
    const lam_command command = {
        .name = "synth",
        .operands = "SHAPE DIR [options]",
        .summary = "Make a checkpoint of any shape with seeded random weights of the published "
                   "initial scale, so that full sizes can be run and timed anywhere.",
        .fewest = 2,
        .most = 2,
        .groups = groups,
        .examples = examples,
        .help_end = print_shapes};
    return lam_command_alone(&command, synth, argc, argv, error);
}
