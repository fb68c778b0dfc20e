#include "wikitext_parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    DEEPEST = 4096,   // marks open at once; what opens beyond is text without its mark
    MOST_KEPT = 2000, // bytes of a link or a wrapping template: no more are ever moved
    MOST_TAG = 1000,  // bytes of a tag
    MOST_INDENT = 64, // bytes before a table's mark
    MOST_MAGIC = 40,  // bytes of a magic word
};

typedef enum mark_kind { TEMPLATE, TABLE, LINK, EXTERNAL, VARIANT, KINDS } mark_kind;

// What is open: its body begins at start in the output so far.
typedef struct mark {
    size_t start, text; // text: after a link's first bar; 0: it has none
    mark_kind kind;
    int braces;
} mark;

typedef struct scan {
    const char *at, *end, *line; // line: where the line that at is in begins
    char *out;                   // never longer than what was read
    size_t length;
    mark *stack; // [DEEPEST]
    int depth, open[KINDS];
    bool endless[LAM_WIKI_TAGS]; // tags whose end does not come any more
    const lam_wikitext_site *site;
} scan;

static void emit(scan *s, char c) {
    s->out[s->length++] = c;
}

static bool ahead(const scan *s, const char *text) {
    size_t bytes = strlen(text);
    return (size_t)(s->end - s->at) >= bytes && memcmp(s->at, text, bytes) == 0;
}

static const mark *top(const scan *s) {
    return s->depth ? &s->stack[s->depth - 1] : NULL;
}

static bool top_is(const scan *s, mark_kind kind) {
    return s->depth && top(s)->kind == kind;
}

static void push(scan *s, mark_kind kind, int braces) {
    if (s->depth == DEEPEST) return;
    s->stack[s->depth++] = (mark){.start = s->length, .kind = kind, .braces = braces};
    s->open[kind]++;
}

static mark pop(scan *s) {
    mark m = s->stack[--s->depth];
    s->open[m.kind]--;
    return m;
}

// Takes back what was written since start.
static void drop(scan *s, size_t start) {
    s->length = start;
    emit(s, LAM_WIKI_GONE);
}

// --- ends of what was open

static void end_table(scan *s) {
    mark m;
    do m = pop(s);
    while (m.kind != TABLE);
    drop(s, m.start);
}

static void end_template(scan *s) {
    mark m;
    do m = pop(s);
    while (m.kind != TEMPLATE);
    char *body = s->out + m.start;
    size_t bytes = s->length - m.start, kept_bytes;
    const char *kept;
    bool table = bytes < 16 && top_is(s, TABLE) && lam_wiki_ends_table(body, bytes);
    if (m.braces == 2 && bytes <= MOST_KEPT && lam_wiki_template(body, bytes, &kept, &kept_bytes) &&
        kept_bytes) {
        memmove(body, kept, kept_bytes);
        for (size_t i = 0; i < kept_bytes; i++)
            if (body[i] == '|') body[i] = ' ';
        s->length = m.start + kept_bytes;
    } else {
        drop(s, m.start);
    }
    if (table) end_table(s);
}

static void end_link(scan *s) {
    mark m = pop(s);
    char *body = s->out + m.start;
    size_t bytes = s->length - m.start;
    if (lam_wiki_link_dropped(body, bytes, s->site)) {
        drop(s, m.start);
        return;
    }
    if (bytes > MOST_KEPT || bytes == 0) return;
    size_t from = m.text ? m.text - m.start : body[0] == ':';
    if (from == bytes) from = 0, bytes -= 1; // [[name|]]
    memmove(body, body + from, bytes - from);
    s->length = m.start + bytes - from;
}

// -{zh-hans:first;zh-hant:second}-, -{text}-, -{T|of the title, not to be seen}-
static void end_variant(scan *s) {
    mark m = pop(s);
    char *body = s->out + m.start;
    size_t bytes = s->length - m.start;
    if (bytes > MOST_KEPT) return;
    char *bar = memchr(body, '|', bytes), *end = body + bytes;
    if (bar && memchr("THA-", body[0], 4)) {
        drop(s, m.start);
        return;
    }
    char *from = bar ? bar + 1 : body, *colon = memchr(from, ':', (size_t)(end - from));
    if (colon) {
        char *to = memchr(colon, ';', (size_t)(end - colon));
        from = colon + 1;
        if (to) end = to;
    }
    memmove(body, from, (size_t)(end - from));
    s->length = m.start + (size_t)(end - from);
}

// --- braces and brackets

// Whether only these characters stand in the line before at.
static bool begins_line(const scan *s, const char *allowed) {
    if (s->at - s->line > MOST_INDENT) return false;
    for (const char *c = s->line; c < s->at; c++)
        if (!strchr(allowed, *c) || !*c) return false;
    return true;
}

static void on_open_brace(scan *s) {
    size_t run = 1;
    while (s->at + run < s->end && s->at[run] == '{') run++;
    if (run == 1 && ahead(s, "{|") && begins_line(s, " \t:*#")) {
        push(s, TABLE, 0);
        emit(s, '{'); // where it is never closed, its line is known by that
        emit(s, '|');
        s->at += 2;
        return;
    }
    s->at += run;
    if (run == 1) {
        emit(s, '{');
        return;
    }
    // {{{name}}} is a parameter.
    for (; run > 3 || run == 2; run -= 2) push(s, TEMPLATE, 2);
    if (run == 3) push(s, TEMPLATE, 3);
}

static void on_close_brace(scan *s) {
    if (ahead(s, "}-") && top_is(s, VARIANT)) {
        end_variant(s);
        s->at += 2;
    } else if (ahead(s, "}}")) {
        bool parameter = top_is(s, TEMPLATE) && top(s)->braces == 3 && ahead(s, "}}}");
        s->at += parameter ? 3 : 2;
        if (s->open[TEMPLATE]) end_template(s);
    } else {
        emit(s, '}');
        s->at++;
    }
}

static void on_bar(scan *s) {
    if (ahead(s, "|}") && s->open[TABLE] && begins_line(s, " \t") &&
        (top_is(s, TABLE) || !ahead(s, "|}}"))) {
        end_table(s);
        s->at += 2;
        return;
    }
    emit(s, '|');
    s->at++;
    mark *m = s->depth ? &s->stack[s->depth - 1] : NULL;
    if (m && m->kind == LINK && !m->text) m->text = s->length;
}

static void on_open_bracket(scan *s) {
    static const char *const schemes[] = {"[http://", "[https://", "[//",   "[ftp://",
                                          "[mailto:", "[news:",    "[irc:", "[gopher://"};
    if (ahead(s, "[[")) {
        push(s, LINK, 0);
        s->at += 2;
        return;
    }
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        if (!ahead(s, schemes[i])) continue;
        push(s, EXTERNAL, 0);
        // The address goes, and the blank after it; a template may be part of it.
        while (s->at < s->end && !strchr(" \t\n]{<", *s->at)) s->at++;
        while (s->at < s->end && (*s->at == ' ' || *s->at == '\t')) s->at++;
        return;
    }
    emit(s, '[');
    s->at++;
}

static void on_close_bracket(scan *s) {
    if (top_is(s, EXTERNAL)) {
        mark m = pop(s);
        if (m.start == s->length) emit(s, LAM_WIKI_GONE);
        s->at++;
    } else if (ahead(s, "]]")) {
        if (top_is(s, LINK)) end_link(s);
        s->at += 2;
    } else {
        emit(s, ']');
        s->at++;
    }
}

// --- tags

// Where </name> begins and, in *after, ends; NULL if it does not come any more.
static const char *find_end(const scan *s, const char *from, const char *name, size_t bytes,
                            const char **after) {
    const char *at = from;
    while ((at = memchr(at, '<', (size_t)(s->end - at))) != NULL) {
        size_t left = (size_t)(s->end - at);
        if (left >= bytes + 3 && at[1] == '/' && strncasecmp(at + 2, name, bytes) == 0) {
            const char *close = at + 2 + bytes;
            while (close < s->end && (*close == ' ' || *close == '\n')) close++;
            if (close < s->end && *close == '>') return *after = close + 1, at;
        }
        at++;
    }
    return NULL;
}

static void emit_literal(scan *s, const char *from, const char *to, bool lines) {
    for (; from < to; from++) {
        if (*from == '&') {
            char utf8[4];
            size_t made, bytes = lam_wiki_entity(from, (size_t)(to - from), utf8, &made);
            if (bytes) {
                for (size_t i = 0; i < made; i++) emit(s, utf8[i]);
                from += bytes - 1;
                continue;
            }
        }
        if (*from == '\n')
            emit(s, lines ? LAM_WIKI_BREAK : ' ');
        else if ((unsigned char)*from >= 0x20)
            emit(s, lam_wiki_protect(*from));
        else
            emit(s, ' ');
    }
}

// What a tag with contents of its own does, tag_end being where it ends: goes on behind its end.
static void on_extension(scan *s, lam_wiki_tag_kind kind, size_t number, const char *name,
                         size_t bytes, const char *tag_end) {
    const char *after, *end = NULL;
    if (!s->endless[number]) end = find_end(s, tag_end, name, bytes, &after);
    if (!end) s->endless[number] = true;
    bool lines = strncasecmp(name, "pre", bytes) == 0; // which nowiki does not keep
    if (kind == LAM_WIKI_LITERAL)
        emit_literal(s, tag_end, end ? end : tag_end, lines);
    else
        emit(s, LAM_WIKI_GONE);
    s->at = end ? after : tag_end;
}

static void on_comment(scan *s) {
    const char *end = memmem(s->at + 4, (size_t)(s->end - s->at) - 4, "-->", 3);
    bool alone = begins_line(s, " \t");
    s->at = end ? end + 3 : s->end;
    if (!alone) return;
    // One that has lines of its own takes the last line's end along.
    if (s->at < s->end && *s->at == '\n') s->at++;
    s->line = s->at;
}

static void on_tag(scan *s) {
    if (ahead(s, "<!--")) {
        on_comment(s);
        return;
    }
    bool closing = ahead(s, "</");
    const char *name = s->at + 1 + closing, *after = name;
    while (after < s->end && after - name < 20 &&
           ((*after >= 'a' && *after <= 'z') || (*after >= 'A' && *after <= 'Z') ||
            (after > name && *after >= '0' && *after <= '9')))
        after++;
    size_t number, bytes = (size_t)(after - name), left = (size_t)(s->end - after);
    lam_wiki_tag_kind kind = bytes ? lam_wiki_tag(name, bytes, &number) : LAM_WIKI_TEXT;
    const char *end = memchr(after, '>', left < MOST_TAG ? left : MOST_TAG);
    bool whole = end && strchr(" \t\n/>", *after) && !memchr(after, '<', (size_t)(end - after));
    if (kind == LAM_WIKI_TEXT || !whole) {
        emit(s, '<');
        s->at++;
        return;
    }
    bool empty = end[-1] == '/';
    s->at = end + 1;
    if (kind == LAM_WIKI_BLOCK) {
        emit(s, '\n');
        emit(s, '\n');
        s->line = s->at;
    } else if (kind == LAM_WIKI_LINE) {
        emit(s, LAM_WIKI_BREAK);
    } else if (kind != LAM_WIKI_INLINE && !closing && !empty) {
        on_extension(s, kind, number, name, bytes, end + 1);
    } else if (kind == LAM_WIKI_DROPPED) {
        emit(s, LAM_WIKI_GONE);
    }
}

// --- characters

static void on_apostrophe(scan *s) {
    size_t run = 1;
    while (s->at + run < s->end && s->at[run] == '\'') run++;
    // Two are italic, three bold, five both; what is over is text.
    if (run == 1 || run == 4 || run > 5) emit(s, '\'');
    s->at += run;
}

static void on_ampersand(scan *s) {
    char utf8[4];
    size_t made, bytes = lam_wiki_entity(s->at, (size_t)(s->end - s->at), utf8, &made);
    if (bytes == 0) {
        emit(s, '&');
        s->at++;
        return;
    }
    for (size_t i = 0; i < made; i++) emit(s, utf8[i]);
    s->at += bytes;
}

// __NOTOC__ and its like, in the wiki's language too.
static void on_underscore(scan *s) {
    const char *c = s->at + 2;
    while (ahead(s, "__") && c < s->end && c - s->at < MOST_MAGIC &&
           ((*c >= 'A' && *c <= 'Z') || (unsigned char)*c >= 0x80))
        c++;
    if (ahead(s, "__") && c > s->at + 2 && s->end - c >= 2 && memcmp(c, "__", 2) == 0) {
        s->at = c + 2;
        emit(s, LAM_WIKI_GONE);
        return;
    }
    emit(s, '_');
    s->at++;
}

static void on_special(scan *s) {
    switch (*s->at) {
    case '{':
        on_open_brace(s);
        return;
    case '}':
        on_close_brace(s);
        return;
    case '[':
        on_open_bracket(s);
        return;
    case ']':
        on_close_bracket(s);
        return;
    case '|':
        on_bar(s);
        return;
    case '<':
        on_tag(s);
        return;
    case '&':
        on_ampersand(s);
        return;
    case '\'':
        on_apostrophe(s);
        return;
    case '_':
        on_underscore(s);
        return;
    case '\n':
        if (top_is(s, EXTERNAL)) pop(s);
        emit(s, '\n');
        s->line = ++s->at;
        return;
    case '-':
        if (ahead(s, "-{") && !ahead(s, "-{{") && !ahead(s, "-{|")) {
            push(s, VARIANT, 0);
            s->at += 2;
            return;
        }
        emit(s, '-');
        s->at++;
        return;
    case '\t':
        emit(s, ' '); // fall through
    default:
        s->at++; // a control character
    }
}

// Resolves the markup of all of the wikitext.
static void resolve(scan *s) {
    bool special[256] = {false};
    for (int c = 0; c < 0x20; c++) special[c] = true;
    for (const char *c = "{}[]|<&'_-"; *c; c++) special[(unsigned char)*c] = true;
    special[0x7f] = true;
    while (s->at < s->end) {
        const char *from = s->at;
        while (s->at < s->end && !special[(unsigned char)*s->at]) s->at++;
        memcpy(s->out + s->length, from, (size_t)(s->at - from));
        s->length += (size_t)(s->at - from);
        if (s->at < s->end) on_special(s);
    }
}

// --- the end

// Takes out what is left of pairs of marks, also of those that came together only now. Returns the
// new length.
static size_t drop_pairs(char *text, size_t bytes) {
    size_t length = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        if (length && c == text[length - 1] && c && strchr("{}[]'", c)) {
            length--;
            continue;
        }
        text[length++] = c;
        if ((c == 'f' || c == 'F') && length >= 4 && strncasecmp(text + length - 4, "<ref", 4) == 0)
            length -= 4;
    }
    return length;
}

// The plain text of what is resolved, in *text [2 * s->length + 3].
static size_t lay_out(scan *s, char *text) {
    // Before, so that no line is made of marks alone; and again, as lines have been joined.
    size_t length = lam_wiki_lay_out(s->out, drop_pairs(s->out, s->length), text);
    length = drop_pairs(text, length);
    while (length > 0 && strchr(" \n", text[length - 1]) && text[length - 1]) length--;
    if (length > 0) text[length++] = '\n';
    for (size_t i = 0; i < length; i++) text[i] = lam_wiki_unprotect(text[i]);
    text[length] = '\0';
    return length;
}

lam_code lam_wikitext_plain(const char *wikitext, size_t bytes, const lam_wikitext_site *site,
                            char **text, size_t *length, lam_error *error) {
    scan s = {.at = wikitext, .end = wikitext + bytes, .line = wikitext, .site = site};
    s.out = malloc(bytes + 1);
    s.stack = malloc(DEEPEST * sizeof *s.stack);
    *text = malloc(2 * bytes + 3);
    bool done = s.out && s.stack && *text;
    if (done) {
        resolve(&s);
        *length = lay_out(&s, *text);
    }
    free(s.out);
    free(s.stack);
    if (done) return LAM_OK;
    free(*text);
    *text = NULL;
    return lam_fail(error, LAM_MEMORY, "memory for a page of %.1f MB was refused",
                    (double)bytes / 1e6);
}
