#include "io/report.h"

#include "io/replace_file.h"
#include "io/report_parts.h"
#include "io/result_hash.h"
#include "io/sha256.h"
#include "src/log.h"
#include "src/stop.h"
#include "src/utf8.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

typedef struct page {
    FILE *out;
    const lam_figure_source *sources;
    size_t source_count;
    const lam_figure *figures;
    size_t figure_count;
    lam_arena *arena;
    lam_error *error;
} page;

void lam_html_put(FILE *out, const char *text) {
    size_t bytes = strlen(text);
    for (size_t i = 0, step; i < bytes; i += step) {
        bool valid;
        unsigned char first = (unsigned char)text[i];
        step = lam_utf8_step(text + i, bytes - i, &valid);
        if (!valid)
            fputs("\uFFFD", out);
        else if (strchr("&<>\"'", first))
            fprintf(out, "&#%d;", first);
        else if ((first < 0x20 && first != '\n') || first == 0x7f)
            putc(' ', out);
        else
            fwrite(text + i, 1, step, out);
    }
}

// "sha256-...": how a Content-Security-Policy names a script or style.
static lam_code put_policy_hash(page *p, const char *text, size_t bytes) {
    uint8_t digest[LAM_SHA256_BYTES];
    unsigned char encoded[2 * LAM_SHA256_BYTES];
    LAM_TRY(lam_sha256_of(text, bytes, digest, p->error));
    EVP_EncodeBlock(encoded, digest, LAM_SHA256_BYTES);
    fprintf(p->out, "'sha256-%s'; ", (const char *)encoded);
    return LAM_OK;
}

// One result's title, or the names of several, whose titles may be the same.
static void put_title(const page *p) {
    const lam_attribute *title = lam_result_attribute(&p->sources->file, "title");
    if (p->source_count == 1) {
        lam_html_put(p->out, title && title->text ? title->text : p->sources->label);
        return;
    }
    for (size_t i = 0; i < p->source_count; i++) {
        fputs(i ? ", " : "laminar profiles: ", p->out);
        lam_html_put(p->out, p->sources[i].label);
    }
}

static lam_code put_head(page *p) {
    FILE *out = p->out;
    fputs(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
        "base-uri 'none'; form-action 'none'; style-src ",
        out);
    LAM_TRY(put_policy_hash(p, lam_report_style, lam_report_style_bytes));
    fputs("script-src ", out);
    LAM_TRY(put_policy_hash(p, lam_report_script, lam_report_script_bytes));
    fputs("\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n"
          "<title>",
          out);
    put_title(p);
    fprintf(out, "</title>\n<style>%s</style>\n</head>\n", lam_report_style);
    return LAM_OK;
}

// --- tables of facts

typedef lam_code (*cell_writer)(page *p, size_t source, const void *what);

// A row: its name and a cell for each result.
static lam_code put_row(page *p, const char *name, cell_writer put, const void *what) {
    fputs("<tr><th scope=\"row\">", p->out);
    lam_html_put(p->out, name);
    for (size_t i = 0; i < p->source_count; i++) {
        fputs("<td>", p->out);
        LAM_TRY(put(p, i, what));
    }
    fputc('\n', p->out);
    return LAM_OK;
}

static void begin_facts(page *p, const char *caption) {
    fputs("<div class=\"scroll facts\" tabindex=\"0\" role=\"region\" aria-label=\"", p->out);
    lam_html_put(p->out, caption);
    fputs("\"><table><caption>", p->out);
    lam_html_put(p->out, caption);
    fputs("</caption><thead><tr><th scope=\"col\">Result", p->out);
    for (size_t i = 0; i < p->source_count; i++) {
        fputs("<th scope=\"col\">", p->out);
        lam_html_put(p->out, p->sources[i].label);
    }
    fputs("<tbody>\n", p->out);
}

static void end_facts(page *p) {
    fputs("</table></div>\n", p->out);
}

static void put_attribute(FILE *out, const lam_attribute *attribute) {
    if (attribute && attribute->text)
        lam_html_put(out, attribute->text);
    else if (attribute)
        fprintf(out, "%.10g", attribute->number);
}

static lam_code put_root(page *p, size_t source, const void *name) {
    put_attribute(p->out, lam_result_attribute(&p->sources[source].file, name));
    return LAM_OK;
}

static lam_code put_shape(page *p, size_t source, const void *unused) {
    (void)unused;
    const lam_result_file *file = &p->sources[source].file;
    put_root(p, source, "model_type");
    for (size_t i = 0; i < file->dimension_count; i++)
        if (strcmp(file->dimensions[i].name, "component") != 0) {
            fprintf(p->out, ", %lld ", (long long)file->dimensions[i].size);
            lam_html_put(p->out, file->dimensions[i].name);
            fputs(file->dimensions[i].size == 1 ? "" : "s", p->out);
        }
    return LAM_OK;
}

static lam_code put_digest(page *p, size_t source, const void *unused) {
    (void)unused;
    const lam_result_file *file = &p->sources[source].file;
    const lam_attribute *stored = lam_result_attribute(file, "profile_sha256");
    char computed[LAM_SHA256_TEXT];
    LAM_TRY(lam_result_hash_opened(file, computed, p->error));
    bool verified = stored && stored->text && strcmp(stored->text, computed) == 0;
    put_attribute(p->out, stored);
    if (verified) {
        fputs(" (verified)", p->out);
        return LAM_OK;
    }
    fprintf(p->out,
            "<br><span class=\"warn\">Not verified: the values have %s. They were changed "
            "after laminar wrote them.</span>",
            computed);
    lam_log(LAM_NORMAL,
            "warning: the values of %s do not match its profile_sha256: the report says so",
            file->path);
    return LAM_OK;
}

static lam_code put_facts(page *p) {
    static const char *const before[][2] = {
        {"Title", "title"}, {"Summary", "summary"}, {"Procedure", "mode"}, {"Model", "model"}};
    static const char *const after[][2] = {{"Model's SHA-256", "model_sha256"},
                                           {"Tokenizer's SHA-256", "tokenizer_sha256"},
                                           {"Text", "text_source"},
                                           {"Text's SHA-256", "text_sha256"},
                                           {"Made by", "source"},
                                           {"Made on", "date_created"},
                                           {"Ranks", "ranks"},
                                           {"Threads a rank", "threads_per_rank"},
                                           {"CPU", "cpu"},
                                           {"CPU's features", "cpu_features"},
                                           {"Seconds", "seconds"}};
    fputs("<section id=\"run\"><h2>What was run on what</h2>\n", p->out);
    begin_facts(p, "Model, text and machine");
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        LAM_TRY(put_row(p, before[i][0], put_root, before[i][1]));
    LAM_TRY(put_row(p, "Shape", put_shape, NULL));
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        LAM_TRY(put_row(p, after[i][0], put_root, after[i][1]));
    LAM_TRY(put_row(p, "Values' SHA-256", put_digest, NULL));
    end_facts(p);
    fputs("</section>\n", p->out);
    return LAM_OK;
}

// --- figures

static void put_key(page *p, const lam_panel *panel) {
    if (!panel->series_count || (!panel->layers && !*panel->series->name)) return;
    fputs("<ul class=\"key\" aria-label=\"Key\">", p->out);
    if (panel->layers) {
        fputs("<li class=\"scale\">layer 0<svg viewBox=\"0 0 96 10\" aria-hidden=\"true\">",
              p->out);
        for (int i = 0; i < 12; i++)
            fprintf(p->out, "<path class=\"l%d\" d=\"M%d 5h8\"/>", i, 8 * i);
        fprintf(p->out, "</svg>layer %zu</ul>\n", panel->series_count - 1);
        return;
    }
    for (size_t s = 0; s < panel->series_count; s++) {
        fprintf(p->out,
                "<li><svg viewBox=\"0 0 26 10\" aria-hidden=\"true\"><path class=\"curve c%d d%d\" "
                "d=\"M0 5h26\"/></svg>",
                panel->series[s].colour, panel->series[s].dash % 4);
        lam_html_put(p->out, panel->series[s].name);
    }
    fputs("</ul>\n", p->out);
}

static lam_code put_panel(page *p, const lam_figure *figure, size_t index) {
    LAM_TRY(lam_stop_check(p->error));
    const lam_panel *panel = &figure->panels[index];
    char id[300];
    snprintf(id, sizeof id, "%s-%zu", figure->name, index + 1);
    fputs("<figure><figcaption>", p->out);
    lam_html_put(p->out, panel->title);
    fputs("</figcaption>\n", p->out);
    lam_report_svg(p->out, panel, id);
    put_key(p, panel);
    fputs("<details><summary>Table: ", p->out);
    lam_html_put(p->out, panel->title);
    fprintf(p->out,
            "</summary>\n<p><button type=\"button\" data-csv=\"%s\" hidden>Download CSV"
            "</button></p>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"",
            id);
    lam_html_put(p->out, panel->title);
    fputs("\">", p->out);
    LAM_TRY(lam_report_table(p->out, panel, id, p->error));
    fputs("</div></details></figure>\n", p->out);
    return LAM_OK;
}

static lam_code put_figure(page *p, const lam_figure *figure) {
    fprintf(p->out, "<section id=\"figure-%s\"><h2>", figure->name);
    lam_html_put(p->out, figure->title);
    fputs("</h2>\n<p class=\"how\">", p->out);
    lam_html_put(p->out, figure->caption);
    fputs("</p>\n<div class=\"panels\">\n", p->out);
    for (size_t i = 0; i < figure->panel_count; i++) LAM_TRY(put_panel(p, figure, i));
    fputs("</div></section>\n", p->out);
    return LAM_OK;
}

// --- settings, and how to make it again

typedef struct setting {
    const char *group, *name;
} setting;

static lam_code put_setting(page *p, size_t source, const void *what) {
    const setting *wanted = what;
    const lam_group *group = lam_figure_group(&p->sources[source], wanted->group);
    for (size_t i = 0; group && i < group->attribute_count; i++)
        if (strcmp(group->attributes[i].name, wanted->name) == 0)
            put_attribute(p->out, &group->attributes[i]);
    return LAM_OK;
}

// The words of representational similarity, category by category.
static lam_code put_words(page *p, size_t source, const void *category) {
    const lam_group *group = lam_figure_group(&p->sources[source], "rsa");
    int64_t word = group ? lam_group_find(group, "word") : -1;
    int64_t of = group ? lam_group_find(group, "word_category") : -1;
    if (word < 0 || of < 0 || group->variables[word].type != LAM_STRING ||
        group->variables[of].type != LAM_INT)
        return LAM_OK;
    int64_t count = lam_group_value_count(group, (size_t)word);
    if (lam_group_value_count(group, (size_t)of) < count) return LAM_OK;
    bool first = true;
    for (int64_t i = 0; i < count; i++) {
        if (((const int32_t *)group->data[of])[i] != *(const int64_t *)category) continue;
        if (!first) fputs(", ", p->out);
        lam_html_put(p->out, ((const char *const *)group->data[word])[i]);
        first = false;
    }
    return LAM_OK;
}

static lam_code put_word_rows(page *p, const lam_group *group) {
    int64_t category = lam_group_find(group, "category");
    if (category < 0 || group->variables[category].type != LAM_STRING) return LAM_OK;
    for (int64_t c = 0; c < lam_group_value_count(group, (size_t)category); c++) {
        const char *name = lam_arena_format(p->arena, p->error, "words: %s",
                                            ((const char *const *)group->data[category])[c]);
        if (!name) return LAM_MEMORY;
        LAM_TRY(put_row(p, name, put_words, &c));
    }
    return LAM_OK;
}

// Attributes of one group, of the first result that has it, for all results.
static lam_code put_settings(page *p) {
    fputs("<section id=\"settings\"><h2>Settings of the profiles</h2>\n", p->out);
    for (size_t s = 0; s < p->source_count; s++)
        for (size_t g = 0; g < p->sources[s].file.group_count; g++) {
            const lam_group *group = &p->sources[s].groups[g];
            bool seen = false;
            for (size_t i = 0; i < s; i++)
                seen |= lam_figure_group(&p->sources[i], group->name) != NULL;
            if (seen) continue;
            begin_facts(p, group->name);
            for (size_t i = 0; i < group->attribute_count; i++) {
                setting wanted = {group->name, group->attributes[i].name};
                LAM_TRY(put_row(p, wanted.name, put_setting, &wanted));
            }
            if (strcmp(group->name, "rsa") == 0) LAM_TRY(put_word_rows(p, group));
            end_facts(p);
        }
    fputs("</section>\n", p->out);
    return LAM_OK;
}

static void put_again(page *p) {
    fputs("<section id=\"again\"><h2>How to make it again</h2>\n"
          "<p>With the same model, tokenizer and text (their SHA-256 stand above), save the job "
          "below as "
          "job.yaml, mend its paths, and run it on any number of ranks. On a CPU with the same "
          "features "
          "the values come out the same to the last bit: <code>laminar info</code> then shows the "
          "same "
          "profile_sha256, and <code>laminar compare</code> finds no difference.</p>\n"
          "<pre>mpirun -n 4 laminar sweep job.yaml -o again.nc\n"
          "laminar compare again.nc RESULT.nc</pre>\n",
          p->out);
    for (size_t i = 0; i < p->source_count; i++) {
        const lam_result_file *file = &p->sources[i].file;
        fputs("<h3>", p->out);
        lam_html_put(p->out, p->sources[i].label);
        fputs(": how it was made, and its job</h3>\n<pre>", p->out);
        put_attribute(p->out, lam_result_attribute(file, "history"));
        fputs("</pre>\n<pre>", p->out);
        put_attribute(p->out, lam_result_attribute(file, "job"));
        fputs("</pre>\n", p->out);
    }
    fputs("</section>\n", p->out);
}

static void put_contents(page *p) {
    fputs("<nav aria-label=\"Contents\"><ul>\n<li><a href=\"#run\">What was run on what</a>\n",
          p->out);
    for (size_t i = 0; i < p->figure_count; i++) {
        fprintf(p->out, "<li><a href=\"#figure-%s\">", p->figures[i].name);
        lam_html_put(p->out, p->figures[i].title);
        fputs("</a>\n", p->out);
    }
    fputs(
        "<li><a href=\"#settings\">Settings</a>\n<li><a href=\"#again\">How to make it again</a>\n"
        "</ul></nav>\n",
        p->out);
}

static lam_code put_page(page *p) {
    LAM_TRY(put_head(p));
    fputs("<body>\n<a class=\"skip\" href=\"#main\">To the figures</a>\n<header><h1>", p->out);
    put_title(p);
    fputs("</h1>\n<p>What every layer of the model does on a text. Point at a figure, or move "
          "through it "
          "with the arrow keys, to read its values; under each figure is its table. Values stand "
          "here with six digits, in the result file with all of them.</p>\n",
          p->out);
    put_contents(p);
    fputs("</header>\n<main id=\"main\">\n", p->out);
    LAM_TRY(put_facts(p));
    for (size_t i = 0; i < p->figure_count; i++) LAM_TRY(put_figure(p, &p->figures[i]));
    LAM_TRY(put_settings(p));
    put_again(p);
    fprintf(
        p->out,
        "</main>\n<div id=\"tip\" role=\"status\"></div>\n<script>%s</script>\n</body>\n</html>\n",
        lam_report_script);
    return LAM_OK;
}

lam_code lam_report_write(const char *path, const lam_figure_source *sources, size_t source_count,
                          const lam_figure *figures, size_t figure_count, lam_arena *arena,
                          lam_error *error) {
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return lam_fail(error, LAM_MEMORY, "memory for the report was refused");
    page p = {out, sources, source_count, figures, figure_count, arena, error};
    lam_code code = put_page(&p);
    bool failed = ferror(out) != 0;
    failed |= fclose(out) != 0;
    if (code == LAM_OK && failed)
        code = lam_fail(error, LAM_MEMORY, "memory for the report was refused");
    if (code == LAM_OK) code = lam_replace_file(path, text, bytes, error);
    free(text);
    return code;
}
