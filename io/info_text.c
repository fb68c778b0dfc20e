#include "io/info_parts.h"
#include "src/columns.h"
#include "src/utf8.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL = 13,
    NAME = 24,
    NUMBER = 10,
    FIGURES = NAME + 3 * NUMBER + 4, // columns before the curve
    CURVE = LAM_INFO_COLUMNS - FIGURES
};

typedef lam_info_page page;

static bool locale_has_utf8(void) {
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    if (!locale) return false;
    bool utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
    freelocale(locale);
    return utf8;
}

int lam_info_put(const lam_info_page *to, const char *text, size_t length) {
    int columns = 0;
    for (size_t i = 0, step; i < length; i += step, columns++) {
        bool valid;
        step = lam_utf8_step(text + i, length - i, &valid);
        unsigned char first = (unsigned char)text[i];
        bool control = first < 0x20 || first == 0x7f ||
                       (first == 0xc2 && step == 2 && (unsigned char)text[i + 1] < 0xa0);
        if (!valid || control || (step > 1 && !to->utf8))
            fputc('?', to->out);
        else
            fwrite(text + i, 1, step, to->out);
    }
    return columns;
}

// A label, then words wrapped at the page's width beside it; line breaks in the text are kept.
static void print_labelled(const page *to, const char *label, const char *text) {
    int column = fprintf(to->out, "  %-*s", LABEL - 2, label);
    for (const char *at = text; *at;) {
        size_t blanks = strspn(at, " "), word = strcspn(at + blanks, " \n");
        if (column > LABEL && column + (int)(blanks + word) > to->columns)
            column = fprintf(to->out, "\n%*s", LABEL, "") - 1, at += blanks, blanks = 0;
        column += lam_info_put(to, at, blanks + word);
        at += blanks + word;
        if (*at == '\n') {
            at++;
            if (*at) column = fprintf(to->out, "\n%*s", LABEL, "") - 1;
        }
    }
    fputc('\n', to->out);
}

static const char *text_of(const page *to, const char *name) {
    const lam_attribute *attribute = lam_result_attribute(to->file, name);
    return attribute && attribute->text ? attribute->text : "";
}

static double number_of(const page *to, const char *name) {
    const lam_attribute *attribute = lam_result_attribute(to->file, name);
    return attribute && !attribute->text ? attribute->number : NAN;
}

// "text; sha256 0123456789abcdef...", or what of it is known.
static lam_code print_source(const page *to, const char *label, const char *text,
                             const char *digest_name, lam_error *error) {
    const char *digest = text_of(to, digest_name);
    if (!*text && !*digest) return LAM_OK;
    lam_arena arena = {0};
    const char *line = *digest ? lam_arena_format(&arena, error, "%s%ssha256 %.16s...", text,
                                                  *text ? "; " : "", digest)
                               : text;
    if (line) print_labelled(to, label, line);
    lam_arena_destroy(&arena);
    return line ? LAM_OK : LAM_MEMORY;
}

// "gpt2, 12 layers, 12 heads; sha256 ...": what of it is known.
static lam_code print_model(const page *to, lam_error *error) {
    lam_arena arena = {0};
    const char *line = text_of(to, "model_type");
    for (size_t i = 0; i < to->file->dimension_count && line; i++) {
        const lam_dimension *dimension = &to->file->dimensions[i];
        if (strcmp(dimension->name, "layer") == 0 || strcmp(dimension->name, "head") == 0)
            line = lam_arena_format(&arena, error, "%s%s%lld %s%s", line, *line ? ", " : "",
                                    (long long)dimension->size, dimension->name,
                                    dimension->size == 1 ? "" : "s");
    }
    lam_code code = line ? print_source(to, "model", line, "model_sha256", error) : LAM_MEMORY;
    lam_arena_destroy(&arena);
    return code;
}

static void print_digest(const page *to, const lam_info_digest *digest) {
    fprintf(to->out, "  profile_sha256, %s:\n%*s%s\n",
            digest->verified ? "verified" : "NOT VERIFIED, the values have", LABEL, "",
            digest->computed);
    if (!digest->verified && *digest->stored) print_labelled(to, "not", digest->stored);
}

static lam_code print_head(const page *to, lam_error *error) {
    const char *version = text_of(to, "laminar_version");
    lam_info_put(to, to->file->path, strlen(to->file->path));
    fprintf(to->out, ": result of laminar%s", *version ? " " : "");
    lam_info_put(to, version, strlen(version));
    fprintf(to->out, ", %.4g MB\n", (double)to->file->bytes / 1e6);
    static const char *const shown[][2] = {
        {"title", "title"}, {"summary", "summary"}, {"mode", "mode"}, {"checkpoint", "model"}};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        if (*text_of(to, shown[i][1])) print_labelled(to, shown[i][0], text_of(to, shown[i][1]));
    LAM_TRY(print_model(to, error));
    LAM_TRY(print_source(to, "tokenizer", "", "tokenizer_sha256", error));
    LAM_TRY(print_source(to, "text", text_of(to, "text_source"), "text_sha256", error));
    if (*text_of(to, "date_created")) print_labelled(to, "made", text_of(to, "date_created"));
    if (number_of(to, "ranks") > 0) {
        char ranks[100];
        double count = number_of(to, "ranks"), threads = number_of(to, "threads_per_rank");
        snprintf(ranks, sizeof ranks, "%.0f rank%s x %.0f thread%s", count, count == 1 ? "" : "s",
                 threads, threads == 1 ? "" : "s");
        print_labelled(to, "by", ranks);
    }
    if (*text_of(to, "cpu")) print_labelled(to, "cpu", text_of(to, "cpu"));
    if (*text_of(to, "seconds")) print_labelled(to, "seconds", text_of(to, "seconds"));
    return LAM_OK;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(((const lam_attribute *)a)->name, ((const lam_attribute *)b)->name);
}

// The group's name, then its attributes, but for digests, in the order of their names (the file
// does not keep another): "  batch 1024, epochs 75, ...", wrapped.
static void print_group_line(const page *to, lam_group *group) {
    fputc('\n', to->out);
    lam_info_put(to, group->name, strlen(group->name));
    qsort(group->attributes, group->attribute_count, sizeof *group->attributes, compare_names);
    int column = to->columns;
    for (size_t i = 0; i < group->attribute_count; i++) {
        const lam_attribute *attribute = &group->attributes[i];
        if (strstr(attribute->name, "sha256")) continue;
        char number[32] = "";
        if (!attribute->text) snprintf(number, sizeof number, "%.10g", attribute->number);
        const char *value = attribute->text ? attribute->text : number;
        size_t length = strcspn(value, "\n"), room = to->columns / 2;
        if (length > room) length = room;
        if (column + (int)(strlen(attribute->name) + length) + 3 > to->columns)
            column = fprintf(to->out, "%s\n ", column < to->columns ? "," : "") - 1;
        else
            column += fprintf(to->out, ",");
        fputc(' ', to->out);
        column += 2 + lam_info_put(to, attribute->name, strlen(attribute->name));
        fputc(' ', to->out);
        column += lam_info_put(to, value, length);
    }
    fputc('\n', to->out);
}

// "beta[2304]": the name, and how many values there are along each dimension but layer. The rest of
// the line starts at one column; a long name has a line to itself.
static void print_name(const page *to, const lam_group *group, size_t index) {
    const lam_variable *variable = &group->variables[index];
    fputs("  ", to->out);
    int column = lam_info_put(to, variable->name, strlen(variable->name));
    int first = lam_variable_has_layer(variable), i = first;
    for (; i < LAM_MAX_DIMENSIONS && variable->dimensions[i]; i++)
        column += fprintf(to->out, "%s%lld", i == first ? "[" : "x",
                          (long long)lam_group_dimension(group, variable->dimensions[i]));
    if (i > first) column += fprintf(to->out, "]");
    if (column >= NAME) column = fprintf(to->out, "\n  ") - 3;
    fprintf(to->out, "%*s", NAME - column, "");
}

// A narrow page has none.
static bool has_curve(const page *to) {
    return to->columns - FIGURES >= CURVE / 2;
}

// The median of each layer as heights between the lowest and the highest of them; where there are
// more layers than columns, the mean of neighbours.
static lam_code print_curve(const page *to, const lam_group *group, size_t index,
                            lam_error *error) {
    static const char *const block[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double height[CURVE], lowest = INFINITY, highest = -INFINITY;
    int64_t row = lam_group_row_count(group, index);
    const int room = to->columns - FIGURES;
    int columns = group->layers < room ? (int)group->layers : room;
    for (int i = 0; i < columns; i++) {
        double sum = 0;
        int64_t from = i * group->layers / columns, to_layer = (i + 1) * group->layers / columns;
        for (int64_t layer = from; layer < to_layer; layer++) {
            lam_summary summary;
            LAM_TRY(lam_summarise(group, index, layer * row, row, &summary, error));
            sum += summary.median;
        }
        height[i] = sum / (double)(to_layer - from);
        if (!isfinite(height[i])) continue;
        lowest = fmin(lowest, height[i]);
        highest = fmax(highest, height[i]);
    }
    fputs("  ", to->out);
    for (int i = 0; i < columns; i++) {
        double part = highest > lowest ? (height[i] - lowest) / (highest - lowest) : 0;
        int level = isfinite(height[i]) ? (int)fmin(7, 8 * part) : -1;
        if (level < 0)
            fputc('.', to->out);
        else if (to->utf8)
            fputs(block[level], to->out);
        else
            fputc('1' + level, to->out);
    }
    return LAM_OK;
}

// Of a status variable: how many values have each meaning, in their order.
static void print_flags(const page *to, const lam_group *group, size_t index) {
    const char *at = group->variables[index].flag_meanings;
    int64_t count = lam_group_value_count(group, index);
    for (int flag = 0; *(at += strspn(at, " ")); flag++) {
        size_t length = strcspn(at, " ");
        int64_t found = 0;
        for (int64_t i = 0; i < count; i++)
            found += lam_group_value(group, index, i) == (double)flag;
        if (flag) fputs(", ", to->out);
        lam_info_put(to, at, length);
        fprintf(to->out, " %lld", (long long)found);
        at += length;
    }
    fputc('\n', to->out);
}

// As many of the texts as the line holds.
static void print_texts(const page *to, const lam_group *group, size_t index) {
    const char *const *texts = group->data[index];
    int64_t count = lam_group_value_count(group, index);
    int column = NAME + 2;
    for (int64_t i = 0; i < count; i++) {
        size_t length = strlen(texts[i]);
        if (i && length + 5 > (size_t)(to->columns - column)) {
            fputs(" ...", to->out);
            break;
        }
        if (i) column += fprintf(to->out, " ");
        column += lam_info_put(to, texts[i], length);
    }
    fputc('\n', to->out);
}

static lam_code print_variable(const page *to, const lam_group *group, size_t index,
                               lam_error *error) {
    const lam_variable *variable = &group->variables[index];
    print_name(to, group, index);
    if (variable->type == LAM_STRING) {
        print_texts(to, group, index);
        return LAM_OK;
    }
    if (variable->flag_meanings) {
        print_flags(to, group, index);
        return LAM_OK;
    }
    lam_summary summary;
    LAM_TRY(lam_summarise(group, index, 0, lam_group_value_count(group, index), &summary, error));
    if (summary.missing == summary.count) {
        fputs(summary.count ? "all missing\n" : "no values\n", to->out);
        return LAM_OK;
    }
    int digits = variable->type == LAM_DOUBLE || variable->type == LAM_FLOAT ? 4 : 9;
    fprintf(to->out, " %*.*g %*.*g %*.*g", NUMBER - 1, digits, summary.minimum, NUMBER - 1, digits,
            summary.median, NUMBER - 1, digits, summary.maximum);
    if (lam_variable_has_layer(variable) && has_curve(to))
        LAM_TRY(print_curve(to, group, index, error));
    if (summary.missing)
        fprintf(to->out, "\n%*s%lld of %lld missing", NAME + 5, "", (long long)summary.missing,
                (long long)summary.count);
    fputc('\n', to->out);
    return LAM_OK;
}

static lam_code print_group(const page *to, lam_group *group, lam_error *error) {
    print_group_line(to, group);
    for (int by_layer = 1; by_layer >= 0; by_layer--) {
        bool headed = false;
        for (size_t i = 0; i < group->variable_count; i++) {
            if (lam_variable_has_layer(&group->variables[i]) != by_layer) continue;
            if (!headed)
                fprintf(to->out, "  %-*s%*s%*s%*s", NAME, by_layer ? "by layer" : "for all layers",
                        NUMBER, "lowest", NUMBER, "median", NUMBER, "highest");
            if (!headed && by_layer && has_curve(to))
                fprintf(to->out, "  layers 0 to %lld", (long long)group->layers - 1);
            if (!headed) fputc('\n', to->out);
            headed = true;
            LAM_TRY(print_variable(to, group, i, error));
        }
    }
    return LAM_OK;
}

lam_code lam_info_print(const lam_result_file *file, const lam_info_digest *digest, FILE *out,
                        lam_error *error) {
    page to = {.out = out,
               .utf8 = locale_has_utf8(),
               .columns = lam_columns(fileno(out), LAM_INFO_NARROWEST, LAM_INFO_COLUMNS),
               .file = file};
    LAM_TRY(print_head(&to, error));
    print_digest(&to, digest);
    if (lam_info_is_sweep(file)) return lam_info_print_sweep(&to, error);
    for (size_t i = 0; i < file->group_count; i++) {
        lam_arena arena = {0};
        lam_group group;
        lam_code code = lam_result_load(file, i, &group, &arena, error);
        if (code == LAM_OK) code = print_group(&to, &group, error);
        lam_arena_destroy(&arena);
        LAM_TRY(code);
    }
    return LAM_OK;
}
