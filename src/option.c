#include "option.h"

#include "decimal.h"
#include "hub_name.h"
#include "utf8.h"
#include "wording.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_path(const lam_option *option) {
    return option->type == LAM_OPTION_PATH || option->type == LAM_OPTION_PATHS;
}

static bool is_list(const lam_option *option) {
    return option->type == LAM_OPTION_STRINGS || option->type == LAM_OPTION_PATHS ||
           option->type == LAM_OPTION_WORD_LISTS;
}

static bool takes_auto(const lam_option *option) {
    return option->fallback && !strcmp(option->fallback, "auto");
}

lam_code lam_options_default(const lam_option *table, void *options, lam_arena *arena,
                             lam_error *error) {
    static const size_t size[] = {
        [LAM_OPTION_BOOL] = sizeof(bool),         [LAM_OPTION_INTEGER] = sizeof(int64_t),
        [LAM_OPTION_REAL] = sizeof(double),       [LAM_OPTION_DURATION] = sizeof(double),
        [LAM_OPTION_CHOICE] = sizeof(int),        [LAM_OPTION_STRING] = sizeof(char *),
        [LAM_OPTION_PATH] = sizeof(char *),       [LAM_OPTION_STRINGS] = sizeof(lam_strings),
        [LAM_OPTION_PATHS] = sizeof(lam_strings), [LAM_OPTION_WORD_LISTS] = sizeof(lam_word_lists),
    };
    for (const lam_option *option = table; option->name; option++) {
        if (!option->fallback) {
            memset((char *)options + option->offset, 0, size[option->type]);
            continue;
        }
        lam_code code =
            lam_option_set(option, options, option->name, option->fallback, NULL, arena, error);
        if (code == LAM_USAGE) {
            lam_fail_within(error, "in the table of options");
            return error->code = LAM_INTERNAL;
        }
        LAM_TRY(code);
    }
    return LAM_OK;
}

const lam_option *lam_option_find(const lam_option *table, const char *name) {
    for (const lam_option *option = table; option->name; option++) {
        size_t i = 0;
        while (name[i] && (name[i] == '-' ? '_' : name[i]) == option->name[i]) i++;
        if (!name[i] && !option->name[i]) return option;
    }
    return NULL;
}

const char *lam_option_nearest(const lam_option *table, const char *name) {
    lam_nearest nearest = {.wanted = name};
    for (const lam_option *option = table; option->name; option++)
        lam_nearest_offer(&nearest, option->name);
    return nearest.name;
}

__attribute__((format(printf, 2, 3))) static void append(lam_description *to, const char *format,
                                                         ...) {
    size_t used = strlen(to->text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(to->text + used, sizeof to->text - used, format, arguments);
    va_end(arguments);
}

static void append_bounds(const lam_option *option, lam_description *to) {
    if (option->minimum == option->maximum) return;
    bool integer = option->type == LAM_OPTION_INTEGER;
    bool below = integer ? option->minimum > -0x1p63 : isfinite(option->minimum);
    bool above = integer ? option->maximum < 0x1p63 : isfinite(option->maximum);
    bool positive = !integer && option->minimum > 0 && option->minimum <= DBL_MIN;
    char low[LAM_REAL_ROOM] = "", high[LAM_REAL_ROOM] = "";
    if (integer) {
        if (below) snprintf(low, sizeof low, "%" PRId64, (int64_t)option->minimum);
        if (above) snprintf(high, sizeof high, "%" PRId64, (int64_t)option->maximum);
    } else {
        if (below) lam_real_text(option->minimum, low);
        if (above) lam_real_text(option->maximum, high);
    }
    if (positive)
        append(to, above ? " above 0, at most %s" : " above 0", high);
    else if (below && above)
        append(to, " from %s to %s", low, high);
    else if (below)
        append(to, " of %s or more", low);
    else if (above)
        append(to, " of %s or less", high);
}

static void append_choices(const lam_option *option, lam_description *to) {
    append(to, "one of ");
    for (size_t i = 0; option->choices[i]; i++)
        append(to, "%s%s", i ? ", " : "", option->choices[i]);
}

lam_description lam_option_describe(const lam_option *option) {
    lam_description to = {""};
    switch (option->type) {
    case LAM_OPTION_BOOL:
        append(&to, "true or false");
        break;
    case LAM_OPTION_INTEGER:
    case LAM_OPTION_REAL:
        append(&to, option->type == LAM_OPTION_REAL ? "a number" : "a whole number");
        append_bounds(option, &to);
        if (takes_auto(option)) append(&to, ", or auto");
        break;
    case LAM_OPTION_DURATION:
        append(&to, "a time like 30s, 5m or 1h, or never");
        break;
    case LAM_OPTION_CHOICE:
        append_choices(option, &to);
        break;
    case LAM_OPTION_STRING:
        append(&to, "a text");
        break;
    case LAM_OPTION_PATH:
        append(&to, "a path");
        break;
    case LAM_OPTION_STRINGS:
        if (option->choices)
            append_choices(option, &to);
        else
            append(&to, "a text");
        append(&to, ", or a list of them: [a, b]");
        break;
    case LAM_OPTION_PATHS:
        append(&to, "a path, or a list of them: [a, b]");
        break;
    case LAM_OPTION_WORD_LISTS:
        append(&to, "named lists of words: {name: [word, ...]}");
        break;
    }
    return to;
}

static lam_code fail_value(const lam_option *option, const char *key, const char *text,
                           lam_error *error) {
    lam_nearest nearest = {.wanted = text};
    for (size_t i = 0; option->choices && option->choices[i]; i++)
        lam_nearest_offer(&nearest, option->choices[i]);
    return lam_fail(error, LAM_USAGE, "'%s': '%s' is not %s%s", lam_excerpt_of(key).text,
                    lam_excerpt_of(text).text, lam_option_describe(option).text,
                    lam_nearest_hint(&nearest).text);
}

static bool parse_bool(const char *text, bool *value) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i])) continue;
        *value = i % 2;
        return true;
    }
    return false;
}

static bool in_bounds(const lam_option *option, double value) {
    if (option->minimum == option->maximum) return true;
    return value >= option->minimum && value <= option->maximum;
}

static bool parse_integer(const lam_option *option, const char *text, int64_t *value) {
    if (takes_auto(option) && !strcmp(text, "auto")) {
        *value = LAM_AUTO_INTEGER;
        return true;
    }
    int64_t number;
    if (!lam_integer_parse(text, &number) || number == LAM_AUTO_INTEGER) return false;
    if (!in_bounds(option, (double)number)) return false;
    *value = number;
    return true;
}

static bool parse_real(const lam_option *option, const char *text, double *value) {
    if (takes_auto(option) && !strcmp(text, "auto")) {
        *value = LAM_AUTO_REAL;
        return true;
    }
    double number;
    if (!lam_real_parse(text, &number) || number == LAM_AUTO_REAL) return false;
    if (!in_bounds(option, number)) return false;
    *value = number;
    return true;
}

static bool parse_choice(const lam_option *option, const char *text, int *value) {
    for (int i = 0; option->choices[i]; i++) {
        if (strcmp(option->choices[i], text)) continue;
        *value = i;
        return true;
    }
    return false;
}

// A copy of one text, put under folder if it is a relative path (a pinned model is none).
static lam_code copy_text(const lam_option *option, const char *key, const char *text,
                          const char *folder, const char **copy, lam_arena *arena,
                          lam_error *error) {
    size_t length = strlen(text);
    if (lam_utf8_valid(text, length) != length)
        return lam_fail(error, LAM_USAGE, "'%s': '%s' is not UTF-8 text%s", key,
                        lam_excerpt_of(text).text, is_path(option) ? ": rename the file" : "");
    if (is_path(option) && !length)
        return lam_fail(error, LAM_USAGE, "'%s' is empty, where a path is wanted", key);
    if (option->type == LAM_OPTION_STRINGS && option->choices) {
        int index;
        if (!parse_choice(option, text, &index)) return fail_value(option, key, text, error);
    }
    if (is_path(option) && folder && *folder && *text != '/' && !lam_hub_pinned(text))
        *copy = lam_arena_format(arena, error, "%s%s%s", folder,
                                 folder[strlen(folder) - 1] == '/' ? "" : "/", text);
    else
        *copy = lam_arena_text(arena, text, length, error);
    return *copy ? LAM_OK : LAM_MEMORY;
}

lam_code lam_option_set_list(const lam_option *option, void *options, const char *key,
                             const lam_strings *items, const char *folder, lam_arena *arena,
                             lam_error *error) {
    if (option->type != LAM_OPTION_STRINGS && option->type != LAM_OPTION_PATHS)
        return lam_fail(error, LAM_USAGE, "'%s' is a list, where %s is wanted", key,
                        lam_option_describe(option).text);
    lam_strings list = {.count = items->count};
    LAM_ALLOC(list.item, arena, list.count, error);
    for (size_t i = 0; i < list.count; i++)
        LAM_TRY(copy_text(option, key, items->item[i], folder, &list.item[i], arena, error));
    *(lam_strings *)((char *)options + option->offset) = list;
    return LAM_OK;
}

static lam_code set_flow(const lam_option *option, void *options, const char *key, const char *text,
                         const char *folder, lam_arena *arena, lam_error *error) {
    lam_yaml *value;
    lam_code code = lam_yaml_parse(text, strlen(text), NULL, &value, arena, error);
    if (code == LAM_USAGE)
        return lam_fail_within(error, "'%s': '%s'", key, lam_excerpt_of(text).text);
    LAM_TRY(code);
    return lam_option_set_yaml(option, options, key, value, folder, arena, error);
}

lam_code lam_option_set(const lam_option *option, void *options, const char *key, const char *text,
                        const char *folder, lam_arena *arena, lam_error *error) {
    void *field = (char *)options + option->offset;
    bool valid = false;
    switch (option->type) {
    case LAM_OPTION_BOOL:
        valid = parse_bool(text, field);
        break;
    case LAM_OPTION_INTEGER:
        valid = parse_integer(option, text, field);
        break;
    case LAM_OPTION_REAL:
        valid = parse_real(option, text, field);
        break;
    case LAM_OPTION_DURATION:
        valid = lam_duration_parse(text, field);
        break;
    case LAM_OPTION_CHOICE:
        valid = parse_choice(option, text, field);
        break;
    case LAM_OPTION_STRING:
    case LAM_OPTION_PATH:
        return copy_text(option, key, text, folder, field, arena, error);
    case LAM_OPTION_STRINGS:
    case LAM_OPTION_PATHS:
    case LAM_OPTION_WORD_LISTS:
        if (*text == '[' || *text == '{')
            return set_flow(option, options, key, text, folder, arena, error);
        if (option->type == LAM_OPTION_WORD_LISTS) break;
        return lam_option_set_list(option, options, key, &(lam_strings){.count = 1, .item = &text},
                                   folder, arena, error);
    }
    return valid ? LAM_OK : fail_value(option, key, text, error);
}

// The texts of a YAML list, or of a scalar as a list of one, by reference.
static lam_code gather(const char *key, const lam_yaml *value, lam_strings *texts, lam_arena *arena,
                       lam_error *error) {
    bool one = value->kind == LAM_YAML_SCALAR;
    texts->count = one ? 1 : value->count;
    LAM_ALLOC(texts->item, arena, texts->count, error);
    size_t i = 0;
    for (const lam_yaml *item = one ? value : value->first; item;
         item = one ? NULL : item->next, i++) {
        if (item->kind != LAM_YAML_SCALAR)
            return lam_fail(error, LAM_USAGE, "'%s' holds a %s where a plain item is wanted", key,
                            item->kind == LAM_YAML_LIST ? "list" : "mapping");
        if (item->plain && !*item->text)
            return lam_fail(error, LAM_USAGE, "'%s' has an empty item", key);
        texts->item[i] = item->text;
    }
    return LAM_OK;
}

static lam_code set_word_lists(const lam_option *option, void *options, const char *key,
                               const lam_yaml *value, lam_arena *arena, lam_error *error) {
    static const lam_option name = {.name = "a name", .type = LAM_OPTION_STRING};
    static const lam_option words = {.name = "words", .type = LAM_OPTION_STRINGS};
    lam_word_lists lists = {.count = value->count};
    LAM_ALLOC(lists.name, arena, lists.count, error);
    LAM_ALLOC(lists.words, arena, lists.count, error);
    size_t i = 0;
    for (const lam_yaml *list = value->first; list; list = list->next, i++) {
        if (!*list->key) return lam_fail(error, LAM_USAGE, "'%s' holds a list without a name", key);
        if (list->kind == LAM_YAML_MAPPING || lam_yaml_is_null(list))
            return lam_fail(error, LAM_USAGE, "'%s.%s' is not a list of words: [word, ...]", key,
                            lam_excerpt_of(list->key).text);
        const char *full_key =
            lam_arena_format(arena, error, "%s.%s", key, lam_excerpt_of(list->key).text);
        if (!full_key) return LAM_MEMORY;
        lam_strings texts;
        LAM_TRY(gather(full_key, list, &texts, arena, error));
        LAM_TRY(copy_text(&name, key, list->key, NULL, &lists.name[i], arena, error));
        LAM_TRY(lam_option_set_list(&words, &lists.words[i], full_key, &texts, NULL, arena, error));
    }
    *(lam_word_lists *)((char *)options + option->offset) = lists;
    return LAM_OK;
}

lam_code lam_option_set_yaml(const lam_option *option, void *options, const char *key,
                             const lam_yaml *value, const char *folder, lam_arena *arena,
                             lam_error *error) {
    if (!value || lam_yaml_is_null(value))
        return lam_fail(error, LAM_USAGE, "'%s' has no value: write %s, or leave the key out", key,
                        lam_option_describe(option).text);
    if (value->kind == LAM_YAML_MAPPING && option->type == LAM_OPTION_WORD_LISTS)
        return set_word_lists(option, options, key, value, arena, error);
    bool list = option->type == LAM_OPTION_STRINGS || option->type == LAM_OPTION_PATHS;
    if (value->kind != LAM_YAML_MAPPING && list) {
        lam_strings texts;
        LAM_TRY(gather(key, value, &texts, arena, error));
        return lam_option_set_list(option, options, key, &texts, folder, arena, error);
    }
    if (value->kind == LAM_YAML_SCALAR && !is_list(option))
        return lam_option_set(option, options, key, value->text, folder, arena, error);
    static const char *const kinds[] = {"one value", "a list", "a mapping"};
    return lam_fail(error, LAM_USAGE, "'%s' is %s, where %s is wanted", key, kinds[value->kind],
                    lam_option_describe(option).text);
}

static lam_code write_list(FILE *out, const lam_strings *list, lam_arena *arena, lam_error *error) {
    fputc('[', out);
    for (size_t i = 0; i < list->count; i++) {
        const char *item = lam_yaml_quote(list->item[i], arena, error);
        if (!item) return error->code;
        fprintf(out, "%s%s", i ? ", " : "", item);
    }
    fputc(']', out);
    return LAM_OK;
}

static lam_code write_value(FILE *out, const lam_option *option, const void *field,
                            lam_arena *arena, lam_error *error) {
    const char *text = "auto";
    char number[LAM_REAL_ROOM];
    switch (option->type) {
    case LAM_OPTION_BOOL:
        text = *(const bool *)field ? "true" : "false";
        break;
    case LAM_OPTION_INTEGER:
        if (*(const int64_t *)field == LAM_AUTO_INTEGER) break;
        snprintf(number, sizeof number, "%" PRId64, *(const int64_t *)field);
        text = number;
        break;
    case LAM_OPTION_REAL:
        if (*(const double *)field == LAM_AUTO_REAL) break;
        lam_real_text(*(const double *)field, number);
        text = number;
        break;
    case LAM_OPTION_DURATION:
        lam_duration_text(*(const double *)field, number);
        text = number;
        break;
    case LAM_OPTION_CHOICE:
        text = lam_yaml_quote(option->choices[*(const int *)field], arena, error);
        if (!text) return error->code;
        break;
    case LAM_OPTION_STRING:
    case LAM_OPTION_PATH:
        text = *(const char *const *)field;
        text = text ? lam_yaml_quote(text, arena, error) : "null";
        if (!text) return error->code;
        break;
    case LAM_OPTION_PATHS:
        if (!((const lam_strings *)field)->count) {
            text = "null";
            break;
        }
        return write_list(out, field, arena, error);
    case LAM_OPTION_STRINGS:
        return write_list(out, field, arena, error);
    case LAM_OPTION_WORD_LISTS: {
        const lam_word_lists *lists = field;
        for (size_t i = 0; i < lists->count; i++) {
            const char *name = lam_yaml_quote(lists->name[i], arena, error);
            if (!name) return error->code;
            fprintf(out, "%s%s: ", i ? ", " : "{", name);
            LAM_TRY(write_list(out, &lists->words[i], arena, error));
        }
        text = lists->count ? "}" : "{}";
        break;
    }
    }
    fputs(text, out);
    return LAM_OK;
}

char *lam_option_text(const lam_option *option, const void *options, lam_arena *arena,
                      lam_error *error) {
    char *buffer = NULL, *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&buffer, &length);
    lam_code code = LAM_MEMORY;
    if (out) {
        code = write_value(out, option, (const char *)options + option->offset, arena, error);
        bool whole = !ferror(out);
        if (fclose(out) || !whole) code = LAM_MEMORY;
    }
    if (code == LAM_OK)
        text = lam_arena_text(arena, buffer, length, error);
    else if (code == LAM_MEMORY)
        lam_fail(error, LAM_MEMORY, "no memory is left for the text of '%s'", option->name);
    free(buffer);
    return text;
}
