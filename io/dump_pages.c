#include "io/dump_pages.h"

#include "src/arena.h"
#include "src/stop.h"

#include <libxml/parser.h>
#include <libxml/parserInternals.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PIECE = 1 << 16, MOST_FIELD = 1 << 12, MOST_NAMES = 64, FIRST_BYTES = 4 };

// What the characters between two tags are for.
typedef enum field { NOTHING, NAMESPACE_NAME, NAMESPACE, ID, MODEL, TEXT } field;

typedef struct pages {
    const char *path;
    lam_dump_bytes *bytes;
    lam_dump_take take;
    void *user;
    xmlParserCtxtPtr parser;
    int depth; // open elements
    field field;
    char *text; // of the field: [length], room for a NUL after it
    size_t length, room;
    int64_t page, id; // pages so far; the page's id, 0 where it has none
    bool in_page, in_revision, wanted;
    char *wikitext; // of the page's last revision
    size_t wikitext_bytes, wikitext_room;
    lam_arena names;
    const char *name[MOST_NAMES];
    lam_wikitext_site site;
    bool stop;
    lam_code code; // what went wrong in an event
    lam_error *error;
} pages;

static void halt(pages *p, lam_code code) {
    p->code = code;
    xmlStopParser(p->parser);
}

static const char *attribute(const xmlChar **attributes, const char *name) {
    for (; attributes && attributes[0]; attributes += 2)
        if (strcmp((const char *)attributes[0], name) == 0) return (const char *)attributes[1];
    return NULL;
}

static void begin_field(pages *p, field what) {
    p->field = what;
    p->length = 0;
}

static void begin_page(pages *p) {
    p->in_page = p->wanted = true;
    p->page++;
    p->id = 0;
    p->wikitext_bytes = 0;
}

static void on_start(void *context, const xmlChar *tag, const xmlChar **attributes) {
    pages *p = context;
    const char *name = (const char *)tag;
    int depth = ++p->depth;
    p->field = NOTHING;
    if (depth == 1 && strcmp(name, "mediawiki") != 0) {
        halt(p,
             lam_fail(p->error, LAM_INPUT,
                      "%s: is XML, but no dump of a wiki: it begins with <%.40s>", p->path, name));
    } else if (depth == 2) {
        if (strcmp(name, "page") == 0) begin_page(p);
    } else if (depth == 3 && p->in_page) {
        p->in_revision = strcmp(name, "revision") == 0;
        if (p->in_revision) p->wikitext_bytes = 0;
        if (strcmp(name, "redirect") == 0) p->wanted = false;
        if (strcmp(name, "ns") == 0) begin_field(p, NAMESPACE);
        if (strcmp(name, "id") == 0) begin_field(p, ID);
    } else if (depth == 4 && p->in_revision) {
        if (strcmp(name, "text") == 0) begin_field(p, TEXT);
        if (strcmp(name, "model") == 0) begin_field(p, MODEL);
    } else if (depth == 4 && !p->in_page && strcmp(name, "namespace") == 0) {
        const char *key = attribute(attributes, "key");
        if (key && (!strcmp(key, "6") || !strcmp(key, "14") || !strcmp(key, "-2")))
            begin_field(p, NAMESPACE_NAME);
    }
}

static void add_name(pages *p) {
    if (p->length == 0 || p->site.dropped_count == MOST_NAMES) return;
    const char *name = lam_arena_text(&p->names, p->text, p->length, p->error);
    if (!name)
        halt(p, LAM_MEMORY);
    else
        p->name[p->site.dropped_count++] = name;
}

static void end_page(pages *p) {
    p->in_page = p->in_revision = false;
    if (!p->wanted || p->code != LAM_OK || p->stop) return;
    if (p->wikitext_bytes >= 9 && strncasecmp(p->wikitext, "#REDIRECT", 9) == 0) return;
    p->site.dropped = p->name;
    lam_dump_article article = {.id = p->id > 0 ? p->id : -p->page,
                                .wikitext = p->wikitext_bytes ? p->wikitext : "",
                                .bytes = p->wikitext_bytes,
                                .site = &p->site,
                                .stream = lam_dump_bytes_stream(p->bytes)};
    lam_code code = p->take(p->user, &article, &p->stop, p->error);
    if (code != LAM_OK || p->stop) halt(p, code);
}

static void end_field(pages *p) {
    if (p->length < p->room) p->text[p->length] = '\0'; // else there is no text at all
    const char *text = p->length ? p->text : "";
    switch (p->field) {
    case NAMESPACE_NAME:
        add_name(p);
        break;
    case NAMESPACE:
        p->wanted &= strtol(text, NULL, 10) == 0;
        break;
    case ID:
        p->id = strtoll(text, NULL, 10);
        break;
    case MODEL:
        p->wanted &= strcmp(text, "wikitext") == 0;
        break;
    case TEXT: { // the buffers change places
        char *other = p->wikitext;
        size_t room = p->wikitext_room;
        p->wikitext = p->text, p->wikitext_room = p->room, p->wikitext_bytes = p->length;
        p->text = other, p->room = room;
        break;
    }
    case NOTHING:
        break;
    }
    p->field = NOTHING;
}

static void on_end(void *context, const xmlChar *tag) {
    (void)tag;
    pages *p = context;
    end_field(p);
    int depth = p->depth--;
    if (depth == 2 && p->in_page) end_page(p);
}

static void on_text(void *context, const xmlChar *characters, int count) {
    pages *p = context;
    size_t more = (size_t)count;
    if (p->field == NOTHING || p->code != LAM_OK) return;
    if (p->length + more > (p->field == TEXT ? LAM_DUMP_LONGEST : MOST_FIELD)) {
        halt(p, lam_fail(p->error, LAM_INPUT,
                         "%s: page number %lld has more than %d MiB of text, which no wiki allows: "
                         "the dump is damaged: fetch it again",
                         p->path, (long long)p->page, LAM_DUMP_LONGEST >> 20));
        return;
    }
    if (p->room - p->length <= more) {
        size_t room = 2 * (p->length + more) + MOST_FIELD;
        char *text = realloc(p->text, room);
        if (!text) {
            halt(p, lam_fail(p->error, LAM_MEMORY, "%s: memory for a page was refused", p->path));
            return;
        }
        p->text = text;
        p->room = room;
    }
    memcpy(p->text + p->length, characters, more);
    p->length += more;
}

// Entities that a dump would define for itself could grow without end: no dump has any.
static void on_declaration(void *context, const xmlChar *name, const xmlChar *external,
                           const xmlChar *system) {
    (void)name, (void)external, (void)system;
    pages *p = context;
    halt(p, lam_fail(p->error, LAM_INPUT,
                     "%s: has a document type declaration (<!DOCTYPE), which no dump of a wiki has",
                     p->path));
}

// After a piece was parsed: what went wrong, if anything did.
static lam_code check(const pages *p, lam_error *error) {
    if (p->code != LAM_OK || p->stop) return p->code;
    if (p->parser->wellFormed) return LAM_OK;
    const xmlError *problem = xmlCtxtGetLastError(p->parser);
    if (problem && problem->code == XML_ERR_NO_MEMORY)
        return lam_fail(error, LAM_MEMORY, "%s: memory for its XML was refused", p->path);
    const char *message = problem && problem->message ? problem->message : "unknown";
    return lam_fail(error, LAM_INPUT,
                    "%s: its XML is broken or cut short at line %d, after %lld pages (%.*s): fetch "
                    "it again",
                    p->path, problem ? problem->line : 0, (long long)p->page,
                    (int)strcspn(message, "\n"), message);
}

// Reads up to room bytes, fewer only at the end.
static lam_code read_whole(lam_dump_bytes *bytes, char *to, size_t room, size_t *got,
                           lam_error *error) {
    for (size_t more = *got = 0; *got < room; *got += more) {
        LAM_TRY(lam_dump_bytes_read(bytes, to + *got, room - *got, &more, error));
        if (more == 0) break;
    }
    return LAM_OK;
}

static lam_code parse(pages *p, bool whole, lam_error *error) {
    lam_dump_bytes *bytes = p->bytes;
    char piece[PIECE];
    size_t got;
    // The parser looks at the first bytes for the encoding.
    LAM_TRY(read_whole(bytes, piece, FIRST_BYTES, &got, error));
    if (got < FIRST_BYTES)
        return lam_fail(error, LAM_INPUT, "%s: is empty: give a dump of a wiki", p->path);
    xmlSAXHandler events = {.startElement = on_start,
                            .endElement = on_end,
                            .characters = on_text,
                            .cdataBlock = on_text,
                            .internalSubset = on_declaration};
    p->parser = xmlCreatePushParserCtxt(&events, p, piece, (int)got, NULL);
    if (!p->parser)
        return lam_fail(error, LAM_MEMORY, "%s: memory for libxml2's parser was refused", p->path);
    xmlCtxtUseOptions(p->parser, XML_PARSE_NONET);
    lam_code code = LAM_OK;
    do {
        code = lam_stop_check(error); // what draws a sample comes to no other place that asks
        if (code == LAM_OK) code = lam_dump_bytes_read(bytes, piece, sizeof piece, &got, error);
        if (code == LAM_OK && got > 0) xmlParseChunk(p->parser, piece, (int)got, 0);
        if (code == LAM_OK) code = check(p, error);
    } while (code == LAM_OK && got > 0 && !p->stop);
    // Of some streams alone the root's end need not be there.
    if (code == LAM_OK && whole && !p->stop) {
        xmlParseChunk(p->parser, NULL, 0, 1);
        code = check(p, error);
    }
    xmlFreeParserCtxt(p->parser);
    return code;
}

lam_code lam_dump_pages(const char *path, const lam_dump_stream *stream, size_t count,
                        lam_dump_take take, void *user, lam_error *error) {
    pages p = {.path = path, .take = take, .user = user, .error = error};
    bool whole = !stream || stream[count - 1].end == LAM_DUMP_TO_END;
    LAM_TRY(lam_dump_bytes_open(path, stream, count, &p.bytes, error));
    lam_code code = parse(&p, whole, error);
    lam_dump_bytes_close(p.bytes);
    lam_arena_destroy(&p.names);
    free(p.wikitext);
    free(p.text);
    return code;
}
