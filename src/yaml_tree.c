#include "yaml_tree.h"

#include "utf8.h"
#include "wording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

// An open list or mapping, with the key read last whose value is still to come.
struct frame {
    lam_yaml *node, *last;
    const char *key;
    int64_t key_line;
};

struct builder {
    const char *name;
    lam_arena *arena;
    lam_yaml *root;
    size_t values, depth;
    struct frame open[LAM_YAML_MAX_DEPTH];
};

static int64_t line_of(yaml_mark_t mark) {
    return (int64_t)mark.line + 1;
}

// Puts "name:line: " before the error's text.
static lam_code at_line(const struct builder *builder, int64_t line, lam_error *error) {
    if (!builder->name) return error->code;
    return lam_fail_within(error, "%s:%lld", builder->name, (long long)line);
}

static lam_code refuse(const struct builder *builder, yaml_mark_t mark, const char *why,
                       lam_error *error) {
    lam_fail(error, LAM_USAGE, "%s", why);
    return at_line(builder, line_of(mark), error);
}

static int compare_keys(const void *left, const void *right) {
    const lam_yaml *a = *(lam_yaml *const *)left, *b = *(lam_yaml *const *)right;
    int order = strcmp(a->key, b->key);
    return order ? order : (a->line > b->line) - (a->line < b->line);
}

static lam_code check_keys_differ(const struct builder *builder, const lam_yaml *mapping,
                                  lam_error *error) {
    lam_yaml **sorted;
    LAM_ALLOC(sorted, builder->arena, mapping->count, error);
    size_t count = 0;
    for (lam_yaml *node = mapping->first; node; node = node->next) sorted[count++] = node;
    qsort(sorted, count, sizeof *sorted, compare_keys);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(sorted[i - 1]->key, sorted[i]->key)) continue;
        lam_fail(error, LAM_USAGE, "the key '%s' is given twice (first in line %lld)",
                 lam_excerpt_of(sorted[i]->key).text, (long long)sorted[i - 1]->line);
        return at_line(builder, sorted[i]->line, error);
    }
    return LAM_OK;
}

// Adds a node to the open list or mapping; the first one becomes the root.
static lam_code add(struct builder *builder, lam_yaml_kind kind, yaml_mark_t mark, lam_yaml **added,
                    lam_error *error) {
    if (++builder->values > LAM_YAML_MAX_VALUES)
        return refuse(builder, mark, "more than 250000 values: is this a job file?", error);
    lam_yaml *node;
    LAM_ALLOC(node, builder->arena, 1, error);
    node->kind = kind;
    node->line = line_of(mark);
    *added = node;
    if (!builder->depth) {
        builder->root = node;
        return LAM_OK;
    }
    struct frame *frame = &builder->open[builder->depth - 1];
    if (frame->node->kind == LAM_YAML_MAPPING) {
        if (!frame->key) return refuse(builder, mark, "a key has to be a plain word", error);
        node->key = frame->key;
        node->line = frame->key_line;
        frame->key = NULL;
    }
    *(frame->last ? &frame->last->next : &frame->node->first) = node;
    frame->last = node;
    frame->node->count++;
    return LAM_OK;
}

static lam_code open_collection(struct builder *builder, lam_yaml_kind kind, yaml_mark_t mark,
                                lam_error *error) {
    lam_yaml *node = NULL;
    LAM_TRY(add(builder, kind, mark, &node, error));
    if (builder->depth == LAM_YAML_MAX_DEPTH)
        return refuse(builder, mark, "lists and mappings are nested more than 16 deep", error);
    builder->open[builder->depth++] = (struct frame){.node = node};
    return LAM_OK;
}

static lam_code add_scalar(struct builder *builder, const yaml_event_t *event, lam_error *error) {
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    if (memchr(text, 0, length))
        return refuse(builder, event->start_mark, "a text holds a NUL character", error);
    const char *copy = lam_arena_text(builder->arena, text, length, error);
    if (!copy) return LAM_MEMORY;
    struct frame *frame = builder->depth ? &builder->open[builder->depth - 1] : NULL;
    if (frame && frame->node->kind == LAM_YAML_MAPPING && !frame->key) {
        frame->key = copy;
        frame->key_line = line_of(event->start_mark);
        return LAM_OK;
    }
    lam_yaml *node = NULL;
    LAM_TRY(add(builder, LAM_YAML_SCALAR, event->start_mark, &node, error));
    node->text = copy;
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    return LAM_OK;
}

static const char NO_ANCHORS[] =
    "anchors (&name) and aliases (*name) are not for job files: write the value out, or quote it";
static const char NO_TAGS[] =
    "tags (!name) are not for job files: leave it out, or quote the value";

static lam_code check_properties(const struct builder *builder, const yaml_event_t *event,
                                 const yaml_char_t *anchor, const yaml_char_t *tag,
                                 lam_error *error) {
    if (anchor) return refuse(builder, event->start_mark, NO_ANCHORS, error);
    if (tag) return refuse(builder, event->start_mark, NO_TAGS, error);
    return LAM_OK;
}

static lam_code take_event(struct builder *builder, const yaml_event_t *event, lam_error *error) {
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (!builder->root) return LAM_OK;
        return refuse(builder, event->start_mark,
                      "a second document begins here: a job file holds one", error);
    case YAML_ALIAS_EVENT:
        return refuse(builder, event->start_mark, NO_ANCHORS, error);
    case YAML_SCALAR_EVENT:
        LAM_TRY(check_properties(builder, event, event->data.scalar.anchor, event->data.scalar.tag,
                                 error));
        return add_scalar(builder, event, error);
    case YAML_SEQUENCE_START_EVENT:
        LAM_TRY(check_properties(builder, event, event->data.sequence_start.anchor,
                                 event->data.sequence_start.tag, error));
        return open_collection(builder, LAM_YAML_LIST, event->start_mark, error);
    case YAML_MAPPING_START_EVENT:
        LAM_TRY(check_properties(builder, event, event->data.mapping_start.anchor,
                                 event->data.mapping_start.tag, error));
        return open_collection(builder, LAM_YAML_MAPPING, event->start_mark, error);
    case YAML_MAPPING_END_EVENT:
        LAM_TRY(check_keys_differ(builder, builder->open[builder->depth - 1].node, error));
        builder->depth--;
        return LAM_OK;
    case YAML_SEQUENCE_END_EVENT:
        builder->depth--;
        return LAM_OK;
    default:
        return LAM_OK;
    }
}

static lam_code fail_parser(const struct builder *builder, const yaml_parser_t *parser,
                            lam_error *error) {
    const char *problem = parser->problem ? parser->problem : "it cannot be read";
    if (parser->error == YAML_MEMORY_ERROR)
        return lam_fail(error, LAM_MEMORY, "no memory is left for reading YAML");
    if (parser->error == YAML_READER_ERROR) {
        lam_fail(error, LAM_USAGE, "not a YAML text: %s at byte %zu", problem,
                 parser->problem_offset);
        return builder->name ? lam_fail_within(error, "%s", builder->name) : error->code;
    }
    lam_fail(error, LAM_USAGE, "not valid YAML: %s%s%s", parser->context ? parser->context : "",
             parser->context ? ", " : "", problem);
    return at_line(builder, line_of(parser->problem_mark), error);
}

// Such lines make libyaml compare each with all before it, and no tag is allowed anyway.
static bool has_tag_directive(const char *text, size_t length) {
    const char *found = text, *end = text + length;
    while (length && (found = memmem(found, (size_t)(end - found), "%TAG", 4))) {
        if (found == text || found[-1] == '\n' || found[-1] == '\r') return true;
        found++;
    }
    return false;
}

lam_code lam_yaml_parse(const char *text, size_t length, const char *name, lam_yaml **root,
                        lam_arena *arena, lam_error *error) {
    struct builder builder = {.name = name, .arena = arena};
    yaml_parser_t parser;
    *root = NULL;
    if (length > LAM_YAML_MAX_BYTES)
        return lam_fail(error, LAM_USAGE, "%s%slarger than 16 MB: is this a job file?",
                        name ? name : "", name ? ": " : "");
    if (has_tag_directive(text, length))
        return lam_fail(error, LAM_USAGE, "%s%s%s", name ? name : "", name ? ": " : "", NO_TAGS);
    if (!yaml_parser_initialize(&parser))
        return lam_fail(error, LAM_MEMORY, "no memory is left for reading YAML");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    lam_code code = LAM_OK;
    for (bool ended = false; code == LAM_OK && !ended;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            code = fail_parser(&builder, &parser, error);
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        code = take_event(&builder, &event, error);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (code == LAM_OK) *root = builder.root;
    return code;
}

bool lam_yaml_is_null(const lam_yaml *node) {
    if (node->kind != LAM_YAML_SCALAR || !node->plain) return false;
    return !*node->text || !strcmp(node->text, "~") || !strcasecmp(node->text, "null");
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Whether some reader would take a plain text for something else, or for another text.
static bool needs_quotes(const char *text) {
    static const char *const reserved[] = {"null", "true", "false", "yes", "no",
                                           "on",   "off",  "y",     "n"};
    bool path = *text == '/' || !strncmp(text, "./", 2) || !strncmp(text, "../", 3);
    if (!path && !is_letter(*text)) return true;
    for (const char *c = text; *c; c++)
        if (!is_letter(*c) && !strchr("0123456789/._-+", *c)) return true;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (!strcasecmp(text, reserved[i])) return true;
    return false;
}

static bool emit_event(yaml_emitter_t *emitter, yaml_event_t *event, int made) {
    return made && yaml_emitter_emit(emitter, event);
}

// One document of one scalar in double quotes, and a line break, into out; 0: no memory.
static size_t emit_quoted(const char *text, size_t length, unsigned char *out, size_t room) {
    yaml_emitter_t emitter;
    yaml_event_t event;
    size_t written = 0;
    if (!yaml_emitter_initialize(&emitter)) return 0;
    yaml_emitter_set_output_string(&emitter, out, room, &written);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    bool done = emit_event(&emitter, &event,
                           yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    done = done && emit_event(&emitter, &event,
                              yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
    done = done && emit_event(&emitter, &event,
                              yaml_scalar_event_initialize(&event, NULL, NULL,
                                                           (const yaml_char_t *)text, (int)length,
                                                           1, 1, YAML_DOUBLE_QUOTED_SCALAR_STYLE));
    done = done && emit_event(&emitter, &event, yaml_document_end_event_initialize(&event, 1));
    done = done && yaml_emitter_flush(&emitter);
    yaml_emitter_delete(&emitter);
    return done ? written : 0;
}

char *lam_yaml_quote(const char *text, lam_arena *arena, lam_error *error) {
    size_t length = strlen(text);
    if (lam_utf8_valid(text, length) != length) {
        lam_fail(error, LAM_USAGE, "'%s' is not UTF-8", lam_excerpt_of(text).text);
        return NULL;
    }
    if (length > LAM_YAML_MAX_BYTES) {
        lam_fail(error, LAM_USAGE, "a text of more than 16 MB: '%s'", lam_excerpt_of(text).text);
        return NULL;
    }
    if (!needs_quotes(text)) return lam_arena_text(arena, text, length, error);
    size_t room = 5 * length + 64; // a byte becomes at most the four of \xNN
    char *quoted = lam_arena_alloc(arena, room, 1, error);
    if (!quoted) return NULL;
    size_t written = emit_quoted(text, length, (unsigned char *)quoted, room - 1);
    if (!written) {
        lam_fail(error, LAM_MEMORY, "no memory is left for writing YAML");
        return NULL;
    }
    while (written && quoted[written - 1] == '\n') quoted[--written] = '\0';
    return quoted;
}
