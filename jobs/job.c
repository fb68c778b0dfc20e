#include "job.h"

#include "src/wording.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const char *const mode_choices[] = {"standard", "published", NULL}; // lam_mode
static const char *const html_choices[] = {"auto", "clip", "article", NULL};
static const char *const documents_choices[] = {"join", "within", NULL}; // lam_job_documents
static const char *const select_choices[] = {"auto", "random", "first", NULL};

const lam_option lam_global_options[] = {
    {"model", LAM_OPTION_PATHS, offsetof(lam_job_globals, model), NULL, 0, 0, NULL,
     "the checkpoint folder, or NAME@COMMIT of the model hub, which laminar fetch has put into the "
     "cache; a list sweeps them"},
    {"mode", LAM_OPTION_CHOICE, offsetof(lam_job_globals, mode), "standard", 0, 0, mode_choices,
     "the correct and complete procedure, or the published one with its slips"},
    {"seed", LAM_OPTION_INTEGER, offsetof(lam_job_globals, seed), "1", 0, 0x1p63, NULL,
     "what all random numbers follow from"},
    {"output", LAM_OPTION_PATH, offsetof(lam_job_globals, output), "profile.nc", 0, 0, NULL,
     "the netCDF file to write"},
    {"threads", LAM_OPTION_INTEGER, offsetof(lam_job_globals, threads), "auto", 1, 4096, NULL,
     "threads of each rank; auto: the processors that it is bound to"},
    {"watchdog", LAM_OPTION_DURATION, offsetof(lam_job_globals, watchdog), "5m", 0, 0, NULL,
     "after what silence of a rank, whose host or network is down, the run ends; never: it waits"},
    {"distribute", LAM_OPTION_INTEGER, offsetof(lam_job_globals, distribute), "8192", 2,
     LAM_GRID_ALONE_MOST, NULL,
     "rows from which on a matrix of rsa, tuning or spectrum is shared by all ranks (ScaLAPACK): "
     "those results hold to 1e-8 and not to the last bit"},
    {"checkpoint", LAM_OPTION_DURATION, offsetof(lam_job_globals, checkpoint), "5m", 0, 0, NULL,
     "how often what has passed the model and autoencoders in training are kept, for --resume; "
     "never: finished layers alone are"},
    {0},
};

const lam_option lam_input_options[] = {
    {"text", LAM_OPTION_PATHS, offsetof(lam_input, text), NULL, 0, 0, NULL,
     "the text: FILE.txt, FILE.html, a wiki's dump (.xml, .bz2), a manifest of laminar fetch "
     "(.yaml), or a token file; a list sweeps them"},
    {"html", LAM_OPTION_CHOICE, offsetof(lam_input, html), "auto", 0, 0, html_choices,
     "what is taken of a page: the published cut with its tags, or the readable article; auto: "
     "clip in published mode, article in standard mode"},
    {"sequences", LAM_OPTION_INTEGER, offsetof(lam_input, sequences), "10", 0, 0x1p31, NULL,
     "sequences taken from the text; 0: all that it has; attention and heads take a text shorter "
     "than one as a whole, "
     "and in published mode one sequence"},
    {"length", LAM_OPTION_INTEGER, offsetof(lam_input, length), "auto", 1, 0x1p31, NULL,
     "tokens of a sequence; auto: 1024, or the model's positions where they are fewer"},
    {"select", LAM_OPTION_CHOICE, offsetof(lam_input, select), "auto", 0, 0, select_choices,
     "which sequences: drawn by the seed, or the first; auto: first in published mode, random in "
     "standard mode"},
    {"limit", LAM_OPTION_INTEGER, offsetof(lam_input, limit), "0", 0, 0x1p31, NULL,
     "of a dump: how many articles are read, the first ones; 0: all"},
    {"sample", LAM_OPTION_INTEGER, offsetof(lam_input, sample), "0", 0, 0x1p31, NULL,
     "of a dump: how many articles are drawn from all, by the seed; 0: no draw"},
    {"end_of_text", LAM_OPTION_BOOL, offsetof(lam_input, end_of_text), "no", 0, 0, NULL,
     "of a manifest or a dump: put the token <|endoftext|> between documents"},
    {"documents", LAM_OPTION_CHOICE, offsetof(lam_input, documents), "join", 0, 0,
     documents_choices,
     "a manifest's texts, a dump's articles, the documents of a token file: join, a sequence may "
     "run from one into the next; within, it may not"},
    {0},
};

lam_code lam_job_begin(lam_job *job, size_t most_sections, lam_arena *arena, lam_error *error) {
    *job = (lam_job){0};
    LAM_ALLOC(job->section, arena, most_sections, error);
    LAM_TRY(lam_options_default(lam_global_options, &job->globals, arena, error));
    return lam_options_default(lam_input_options, &job->globals.input, arena, error);
}

lam_code lam_job_add_section(lam_job *job, const lam_profile *profile, lam_arena *arena,
                             lam_error *error) {
    lam_job_section *section = &job->section[job->section_count++];
    section->profile = profile;
    section->options = lam_arena_alloc(arena, 1, profile->options_size, error);
    if (!section->options) return LAM_MEMORY;
    return lam_options_default(profile->options, section->options, arena, error);
}

const lam_option *lam_job_find(lam_job *job, lam_job_section *section, const char *name,
                               void **base) {
    *base = section ? section->options : &job->globals;
    const lam_option *option =
        lam_option_find(section ? section->profile->options : lam_global_options, name);
    if (option) return option;
    *base = section ? &section->input : &job->globals.input;
    return lam_option_find(lam_input_options, name);
}

// Where a name belongs that is known, but not here; "" where it is not known at all.
static void say_where(const lam_job_section *section, const char *name,
                      const lam_profile *const *registry, char *text, size_t room) {
    *text = '\0';
    if (section && lam_option_find(lam_global_options, name)) {
        snprintf(text, room, ": it stands at the top of the job file, not in a section");
        return;
    }
    for (; *registry; registry++) {
        if (!section && !strcmp((*registry)->name, name))
            snprintf(text, room, ": it is a section, whose keys are written %s.key", name);
        else if ((!section || *registry != section->profile) &&
                 lam_option_find((*registry)->options, name))
            snprintf(text, room, ": it is a key of the section '%s'", (*registry)->name);
        if (*text) return;
    }
}

// " (known: a, b, c)".
static void list_known(const lam_option *const tables[2], const lam_profile *const *registry,
                       char *text, size_t room) {
    size_t used = (size_t)snprintf(text, room, " (known: ");
    const char *comma = "";
    for (size_t i = 0; i < 2; i++)
        for (const lam_option *option = tables[i]; option && option->name && used < room;
             option++, comma = ", ")
            used += (size_t)snprintf(text + used, room - used, "%s%s", comma, option->name);
    for (; registry && *registry && used < room; registry++, comma = ", ")
        used += (size_t)snprintf(text + used, room - used, "%s%s", comma, (*registry)->name);
    if (used < room) snprintf(text + used, room - used, ")");
}

lam_code lam_job_unknown(const lam_job_section *section, const char *what, const char *name,
                         const lam_profile *const *registry, lam_error *error) {
    bool profile = !strcmp(what, "profile");
    const lam_option *tables[2] = {section ? section->profile->options : lam_global_options,
                                   lam_input_options};
    char rest[768], where[LAM_HINT_ROOM] = "";
    lam_nearest nearest = {.wanted = name};
    for (size_t i = 0; i < 2; i++)
        for (const lam_option *option = tables[i]; option->name; option++)
            lam_nearest_offer(&nearest, option->name);
    for (size_t i = 0; !section && registry[i]; i++) lam_nearest_offer(&nearest, registry[i]->name);
    if (section) snprintf(where, sizeof where, " in '%s'", section->profile->name);
    say_where(section, name, registry, rest, sizeof rest);
    if (!*rest && nearest.name)
        snprintf(rest, sizeof rest, "%s", lam_nearest_hint(&nearest).text);
    else if (!*rest)
        list_known(profile ? (const lam_option *[2]){NULL} : tables, section ? NULL : registry,
                   rest, sizeof rest);
    return lam_fail(error, LAM_USAGE, "unknown %s '%s'%s%s", what, lam_excerpt_of(name).text, where,
                    rest);
}

static lam_job_section *section_of(lam_job *job, const char *name) {
    for (size_t i = 0; i < job->section_count; i++)
        if (!strcmp(job->section[i].profile->name, name)) return &job->section[i];
    return NULL;
}

static lam_code fail_section(const char *name, const lam_profile *const *registry,
                             lam_error *error) {
    for (size_t i = 0; registry[i]; i++)
        if (!strcmp(registry[i]->name, name))
            return lam_fail(error, LAM_USAGE,
                            "the job has no section '%s': add '%s: {}' to the job file", name,
                            name);
    return lam_job_unknown(NULL, "profile", name, registry, error);
}

// One "section.key=value"; before holds those that were given before it.
static lam_code apply_set(lam_job *job, lam_job_section *section, const char *set,
                          const lam_strings *before, const lam_profile *const *registry,
                          lam_arena *arena, lam_error *error) {
    size_t length = strcspn(set, "=");
    if (!set[length])
        return lam_fail(error, LAM_USAGE, "'%s' is not section.key=value",
                        lam_excerpt_of(set).text);
    char *full = lam_arena_text(arena, set, length, error);
    char *name = full ? lam_arena_text(arena, set, length, error) : NULL;
    if (!name) return LAM_MEMORY;
    char *dot = strchr(name, '.'), *key = dot ? dot + 1 : name;
    if (dot) *dot = '\0';
    if (dot && !section && !section_of(job, name)) return fail_section(name, registry, error);
    if ((dot ? section_of(job, name) : NULL) != section) return LAM_OK;
    void *base;
    const lam_option *option = lam_job_find(job, section, key, &base);
    if (!option) return lam_job_unknown(section, "key", key, registry, error);
    bool list = option->type == LAM_OPTION_STRINGS || option->type == LAM_OPTION_PATHS ||
                option->type == LAM_OPTION_WORD_LISTS;
    for (size_t i = 0; list && i < before->count; i++)
        if (!strncmp(before->item[i], set, length + 1))
            return lam_fail(error, LAM_USAGE, "'%s' is given twice: write a list as '[a, b]'",
                            full);
    return lam_option_set(option, base, full, set + length + 1, NULL, arena, error);
}

lam_code lam_job_apply_sets(lam_job *job, lam_job_section *section, const lam_strings *sets,
                            const lam_profile *const *registry, lam_arena *arena,
                            lam_error *error) {
    for (size_t i = 0; sets && i < sets->count; i++) {
        lam_strings before = {.count = i, .item = sets->item};
        lam_code code = apply_set(job, section, sets->item[i], &before, registry, arena, error);
        if (code == LAM_USAGE) return lam_fail_within(error, "--set");
        LAM_TRY(code);
    }
    return LAM_OK;
}

// What "laminar PROFILE" takes, with the storage its description needs.
struct profile_command {
    lam_command command;
    lam_option_group groups[4];
    char first_example[160], second_example[160];
    const char *examples[3];
};

static void describe_command(struct profile_command *to, const lam_profile *profile, void *options,
                             lam_job_globals *globals) {
    snprintf(to->first_example, sizeof to->first_example,
             "laminar %s --model models/gpt2 --text page.html -o page.nc", profile->name);
    snprintf(to->second_example, sizeof to->second_example,
             "laminar %s --model '[models/gpt2, models/gpt2-large]' --text page.html",
             profile->name);
    to->examples[0] = to->first_example;
    to->examples[1] = to->second_example;
    to->examples[2] = NULL;
    to->groups[0] = (lam_option_group){"Profile", profile->options, options};
    to->groups[1] = (lam_option_group){"Text", lam_input_options, &globals->input};
    to->groups[2] = (lam_option_group){"Run", lam_global_options, globals};
    to->groups[3] = (lam_option_group){0};
    to->command = (lam_command){.name = profile->name,
                                .operands = "--model PATH [options]",
                                .summary = profile->summary,
                                .groups = to->groups,
                                .takes_sets = true,
                                .takes_resume = true,
                                .examples = to->examples};
}

lam_code lam_job_from_arguments(const lam_profile *profile, int argc, const char *const *argv,
                                lam_arguments *arguments, lam_job *job, lam_arena *arena,
                                lam_error *error) {
    const lam_profile *const registry[] = {profile, NULL};
    LAM_TRY(lam_job_begin(job, 1, arena, error));
    LAM_TRY(lam_job_add_section(job, profile, arena, error));
    struct profile_command description;
    describe_command(&description, profile, job->section->options, &job->globals);
    LAM_TRY(lam_arguments_parse(&description.command, argc, argv, arguments, arena, error));
    if (arguments->help || arguments->version) return LAM_OK;
    lam_code code = lam_job_apply_sets(job, NULL, &arguments->sets, registry, arena, error);
    job->section->input = job->globals.input;
    if (code == LAM_OK)
        code = lam_job_apply_sets(job, job->section, &arguments->sets, registry, arena, error);
    if (code == LAM_OK && !job->globals.model.count)
        code = lam_fail(error, LAM_USAGE, "--model is missing: name a checkpoint folder");
    return code == LAM_USAGE ? lam_usage_hint(&description.command, error) : code;
}

void lam_job_help(FILE *out, const lam_profile *profile) {
    struct profile_command description;
    lam_job_globals globals; // what the options would be set in: the help does not look into it
    describe_command(&description, profile, &globals, &globals);
    lam_help_print(out, &description.command);
}

// One line for each option that has a value; with unlike, for those whose value differs from that.
static lam_code write_keys(FILE *out, const char *indent, const lam_option *table,
                           const void *options, const void *unlike, size_t *lines, lam_arena *arena,
                           lam_error *error) {
    for (const lam_option *option = table; option->name; option++) {
        const char *text = lam_option_text(option, options, arena, error);
        const char *other = unlike ? lam_option_text(option, unlike, arena, error) : "null";
        if (!text || !other) return error->code;
        if (!strcmp(text, other)) continue;
        fprintf(out, "%s%s: %s\n", indent, option->name, text);
        ++*lines;
    }
    return LAM_OK;
}

static lam_code write_job(FILE *out, const lam_job *job, lam_arena *arena, lam_error *error) {
    size_t lines = 0;
    const lam_input *shared = &job->globals.input;
    LAM_TRY(write_keys(out, "", lam_global_options, &job->globals, NULL, &lines, arena, error));
    LAM_TRY(write_keys(out, "", lam_input_options, shared, NULL, &lines, arena, error));
    for (size_t i = 0; i < job->section_count; i++) {
        const lam_job_section *section = &job->section[i];
        fprintf(out, "%s:\n", section->profile->name);
        lines = 0;
        LAM_TRY(write_keys(out, "  ", lam_input_options, &section->input, shared, &lines, arena,
                           error));
        LAM_TRY(write_keys(out, "  ", section->profile->options, section->options, NULL, &lines,
                           arena, error));
        if (!lines) fputs("  {}\n", out);
    }
    return LAM_OK;
}

char *lam_job_yaml(const lam_job *job, lam_arena *arena, lam_error *error) {
    char *buffer = NULL, *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&buffer, &length);
    lam_code code = LAM_MEMORY;
    if (out) {
        code = write_job(out, job, arena, error);
        bool whole = !ferror(out);
        if (fclose(out) || !whole) code = LAM_MEMORY;
    }
    if (code == LAM_OK)
        text = lam_arena_text(arena, buffer, length, error);
    else if (code == LAM_MEMORY)
        lam_fail(error, LAM_MEMORY, "no memory is left for the text of the job");
    free(buffer);
    return text;
}
