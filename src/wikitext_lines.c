// Wikitext whose markup is resolved, line by line, laid out as plain text.
#include "wikitext_parts.h"

#include <string.h>

enum { HEADING_LEVELS = 6 };

typedef struct layout {
    char *out;
    size_t length;
    int newlines; // due before the next character: 0, 1, or 2 for an empty line
    bool space;   // likewise, where no newline is
    bool gone;    // something was left out since the last character
    bool emptied; // the last character is an opening bracket, and something after it was left out
    bool heading; // a heading is being written
    size_t empty_heading[HEADING_LEVELS];   // where headings begin that no text has followed yet
    int empty_level[HEADING_LEVELS], empty; // their levels, increasing; how many there are
} layout;

static void want_newlines(layout *page, int count) {
    if (page->newlines < count) page->newlines = count;
}

static bool ends_with(const layout *page, const char *text) {
    size_t bytes = strlen(text);
    return page->length >= bytes && memcmp(page->out + page->length - bytes, text, bytes) == 0;
}

// Length of the blank at text, a no-break space among them; 0 where there is none.
static size_t blank(const char *text, const char *end) {
    if (*text == ' ') return 1;
    return end - text >= 2 && memcmp(text, "\u00a0", 2) == 0 ? 2 : 0;
}

// Takes back the headings at the end of the text that are not above level.
static void drop_empty_headings(layout *page, int level) {
    while (page->empty > 0 && page->empty_level[page->empty - 1] >= level) {
        page->length = page->empty_heading[--page->empty];
        want_newlines(page, 2);
    }
}

static void write_gap(layout *page) {
    if (!page->heading) page->empty = 0;
    if (page->length > 0) {
        if (page->newlines > 0)
            memcpy(page->out + page->length, "\n\n", (size_t)page->newlines);
        else if (page->space)
            page->out[page->length] = ' ';
        page->length += page->newlines > 0 ? (size_t)page->newlines : page->space;
    }
    page->newlines = 0;
    page->space = false;
}

// Length of the bracket at text if it closes the one that stands last in the output, where what was
// in between is gone.
static size_t closes_nothing(const layout *page, const char *text, const char *end) {
    if (!page->emptied) return 0;
    if (*text == ')' && ends_with(page, "(")) return 1;
    bool wide = end - text >= 3 && memcmp(text, "\uff09", 3) == 0;
    return wide && ends_with(page, "\uff08") ? 3 : 0;
}

// Length of the comma or the like at text; 0: there is none.
static size_t divides(const char *text, const char *end) {
    static const char *const marks[] = {",", ";", ":", "、", "，", "；"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        size_t bytes = strlen(marks[i]);
        if ((size_t)(end - text) >= bytes && memcmp(text, marks[i], bytes) == 0) return bytes;
    }
    return 0;
}

static bool is_stop(char c) {
    return c && strchr(",.;:)", c);
}

// Characters that are no blanks, at least one, with the traces of what was left out before it
// mended: "( , b)" is written "(b)", "()" nothing, "a , b" "a, b".
static size_t write_word(layout *page, const char *text, const char *end) {
    size_t closing = closes_nothing(page, text, end);
    if (closing) {
        page->length -= closing;
        for (; ends_with(page, " ") || ends_with(page, "\n"); page->length--) {
            page->newlines += ends_with(page, "\n");
            page->space = true;
        }
        page->gone = true;
        page->emptied = false;
        return closing;
    }
    size_t stop = page->emptied ? divides(text, end) : 0;
    if (stop) return stop;
    if (page->emptied || (page->gone && is_stop(*text))) page->space = false;
    write_gap(page);
    page->gone = page->emptied = false;
    // The rest of the word along with it.
    size_t bytes = 1;
    while (text + bytes < end && text[bytes] != ' ' && text[bytes] != LAM_WIKI_GONE &&
           text[bytes] != LAM_WIKI_BREAK && (unsigned char)text[bytes] != 0xc2)
        bytes++;
    memcpy(page->out + page->length, text, bytes);
    page->length += bytes;
    return bytes;
}

static void write_text(layout *page, const char *text, const char *end) {
    while (text < end) {
        size_t gap = blank(text, end);
        if (gap) {
            page->space = true;
            text += gap;
        } else if (*text == LAM_WIKI_GONE) {
            page->gone = true;
            page->emptied |=
                page->newlines == 0 && (ends_with(page, "(") || ends_with(page, "\uff08"));
            text++;
        } else if (*text == LAM_WIKI_BREAK) {
            want_newlines(page, 1);
            page->emptied = false;
            text++;
        } else {
            text += write_word(page, text, end);
        }
    }
}

static void write_heading(layout *page, const char *text, const char *end, int level) {
    drop_empty_headings(page, level);
    want_newlines(page, 2);
    size_t start = page->length;
    page->heading = true;
    write_text(page, text, end);
    page->heading = false;
    if (page->length > start) {
        page->empty_level[page->empty] = level;
        page->empty_heading[page->empty++] = start;
    }
    want_newlines(page, 2);
}

static bool is_space(char c) {
    return c == ' ' || c == LAM_WIKI_GONE;
}

// The level of the heading that a trimmed line is, its text then being *text .. *end - 1; 0: none.
static int heading_level(const char **text, const char **end) {
    int level = 0;
    while (level<HEADING_LEVELS && * end - *text> 2 && **text == '=' && (*end)[-1] == '=') {
        ++*text, --*end;
        level++;
    }
    return level;
}

static void write_line(layout *page, const char *text, const char *end) {
    const char *from = text;
    bool gone = false;
    page->emptied = false;
    while (from < end && is_space(*from)) gone |= *from++ == LAM_WIKI_GONE;
    while (end > from && is_space(end[-1])) gone |= *--end == LAM_WIKI_GONE;
    bool indented = from > text && *text == ' ';
    const char *bullet = from;
    while (bullet < end && strchr("*#:;", *bullet)) bullet++;
    int level = bullet == from ? heading_level(&from, &end) : 0;
    if (from == end) {
        want_newlines(page, 2);
    } else if (level) {
        write_heading(page, from, end, level);
    } else if (*from == '|' || (end - bullet > 1 && memcmp(bullet, "{|", 2) == 0)) {
        want_newlines(page, 2); // what is left of a table
    } else if (end - from >= 4 && memcmp(from, "----", 4) == 0) {
        while (from < end && *from == '-') from++;
        want_newlines(page, 2);
        write_text(page, from, end);
    } else if (bullet > from || indented) {
        want_newlines(page, 1);
        write_text(page, bullet, end);
        want_newlines(page, 1);
    } else {
        // The next line of a paragraph.
        page->space = true;
        page->gone = gone;
        write_text(page, from, end);
    }
}

size_t lam_wiki_lay_out(const char *lines, size_t bytes, char *out) {
    layout page = {.out = out};
    const char *end = lines + bytes;
    while (lines < end) {
        const char *next = memchr(lines, '\n', (size_t)(end - lines));
        if (!next) next = end;
        write_line(&page, lines, next);
        lines = next + 1;
    }
    drop_empty_headings(&page, 1);
    while (page.length > 0 && (out[page.length - 1] == ' ' || out[page.length - 1] == '\n'))
        page.length--;
    if (page.length > 0) out[page.length++] = '\n';
    return page.length;
}
