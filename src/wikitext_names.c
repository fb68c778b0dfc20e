// The names that wikitext knows: tags, templates, namespaces, entities.
#include "wikitext_parts.h"

#include <libxml/HTMLparser.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

static const char masked[] = "{}[]'<>*#:;=|&!_-";
static const char masks[] = "\x01\x02\x03\x04\x05\x06\x07\x08\x0b\x0c\x0e\x0f\x10\x11\x12\x13\x14";

char lam_wiki_protect(char c) {
    const char *at = c ? strchr(masked, c) : NULL;
    return at ? masks[at - masked] : c;
}

char lam_wiki_unprotect(char c) {
    const char *at = c && (unsigned char)c < 0x20 ? strchr(masks, c) : NULL;
    return at ? masked[at - masks] : c;
}

static const struct {
    const char *name;
    lam_wiki_tag_kind kind;
} tags[] = {
    {"ref", LAM_WIKI_DROPPED},
    {"references", LAM_WIKI_DROPPED},
    {"math", LAM_WIKI_DROPPED},
    {"chem", LAM_WIKI_DROPPED},
    {"ce", LAM_WIKI_DROPPED},
    {"gallery", LAM_WIKI_DROPPED},
    {"source", LAM_WIKI_DROPPED},
    {"syntaxhighlight", LAM_WIKI_DROPPED},
    {"timeline", LAM_WIKI_DROPPED},
    {"score", LAM_WIKI_DROPPED},
    {"hiero", LAM_WIKI_DROPPED},
    {"imagemap", LAM_WIKI_DROPPED},
    {"graph", LAM_WIKI_DROPPED},
    {"mapframe", LAM_WIKI_DROPPED},
    {"maplink", LAM_WIKI_DROPPED},
    {"templatedata", LAM_WIKI_DROPPED},
    {"indicator", LAM_WIKI_DROPPED},
    {"templatestyles", LAM_WIKI_DROPPED},
    {"includeonly", LAM_WIKI_DROPPED},
    {"inputbox", LAM_WIKI_DROPPED},
    {"categorytree", LAM_WIKI_DROPPED},
    {"table", LAM_WIKI_DROPPED},
    {"style", LAM_WIKI_DROPPED},
    {"script", LAM_WIKI_DROPPED},
    {"nowiki", LAM_WIKI_LITERAL},
    {"pre", LAM_WIKI_LITERAL},
    {"br", LAM_WIKI_LINE},
    {"p", LAM_WIKI_BLOCK},
    {"div", LAM_WIKI_BLOCK},
    {"li", LAM_WIKI_BLOCK},
    {"ul", LAM_WIKI_BLOCK},
    {"ol", LAM_WIKI_BLOCK},
    {"dl", LAM_WIKI_BLOCK},
    {"dt", LAM_WIKI_BLOCK},
    {"dd", LAM_WIKI_BLOCK},
    {"blockquote", LAM_WIKI_BLOCK},
    {"center", LAM_WIKI_BLOCK},
    {"poem", LAM_WIKI_BLOCK},
    {"h1", LAM_WIKI_BLOCK},
    {"h2", LAM_WIKI_BLOCK},
    {"h3", LAM_WIKI_BLOCK},
    {"h4", LAM_WIKI_BLOCK},
    {"h5", LAM_WIKI_BLOCK},
    {"h6", LAM_WIKI_BLOCK},
    {"hr", LAM_WIKI_BLOCK},
    {"tr", LAM_WIKI_BLOCK},
    {"td", LAM_WIKI_BLOCK},
    {"th", LAM_WIKI_BLOCK},
    {"caption", LAM_WIKI_BLOCK},
    {"span", LAM_WIKI_INLINE},
    {"small", LAM_WIKI_INLINE},
    {"big", LAM_WIKI_INLINE},
    {"sub", LAM_WIKI_INLINE},
    {"sup", LAM_WIKI_INLINE},
    {"b", LAM_WIKI_INLINE},
    {"i", LAM_WIKI_INLINE},
    {"u", LAM_WIKI_INLINE},
    {"s", LAM_WIKI_INLINE},
    {"em", LAM_WIKI_INLINE},
    {"strong", LAM_WIKI_INLINE},
    {"code", LAM_WIKI_INLINE},
    {"tt", LAM_WIKI_INLINE},
    {"var", LAM_WIKI_INLINE},
    {"kbd", LAM_WIKI_INLINE},
    {"samp", LAM_WIKI_INLINE},
    {"abbr", LAM_WIKI_INLINE},
    {"cite", LAM_WIKI_INLINE},
    {"q", LAM_WIKI_INLINE},
    {"font", LAM_WIKI_INLINE},
    {"del", LAM_WIKI_INLINE},
    {"ins", LAM_WIKI_INLINE},
    {"strike", LAM_WIKI_INLINE},
    {"ruby", LAM_WIKI_INLINE},
    {"rb", LAM_WIKI_INLINE},
    {"rt", LAM_WIKI_INLINE},
    {"rp", LAM_WIKI_INLINE},
    {"rtc", LAM_WIKI_INLINE},
    {"bdi", LAM_WIKI_INLINE},
    {"bdo", LAM_WIKI_INLINE},
    {"wbr", LAM_WIKI_INLINE},
    {"mark", LAM_WIKI_INLINE},
    {"data", LAM_WIKI_INLINE},
    {"time", LAM_WIKI_INLINE},
    {"dfn", LAM_WIKI_INLINE},
    {"noinclude", LAM_WIKI_INLINE},
    {"onlyinclude", LAM_WIKI_INLINE},
    {"section", LAM_WIKI_INLINE},
    {"translate", LAM_WIKI_INLINE},
};
_Static_assert(sizeof tags / sizeof tags[0] <= LAM_WIKI_TAGS, "numbers of tags are below");

lam_wiki_tag_kind lam_wiki_tag(const char *name, size_t bytes, size_t *number) {
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++)
        if (strlen(tags[i].name) == bytes && strncasecmp(tags[i].name, name, bytes) == 0)
            return *number = i, tags[i].kind;
    return LAM_WIKI_TEXT;
}

// --- templates

static bool is_blank(char c) {
    return c == ' ' || c == '\n' || c == '\t' || c == LAM_WIKI_GONE;
}

static void trim(const char **text, size_t *bytes) {
    while (*bytes > 0 && is_blank((*text)[0])) ++*text, --*bytes;
    while (*bytes > 0 && is_blank((*text)[*bytes - 1])) --*bytes;
}

// The name of a template with this body, trimmed.
static void name_of(const char *body, size_t bytes, const char **name, size_t *length) {
    const char *bar = memchr(body, '|', bytes);
    *name = body;
    *length = bar ? (size_t)(bar - body) : bytes;
    trim(name, length);
}

static bool same_name(const char *name, size_t length, const char *known) {
    if (strlen(known) != length) return false;
    for (size_t i = 0; i < length; i++)
        if (strncasecmp(name + i, known + i, 1) != 0 && !(name[i] == '_' && known[i] == ' '))
            return false;
    return true;
}

// Templates that leave the text of one of their unnamed parameters.
enum { LAST = 0, TWO = -1 }; // the last one; the first two, a blank between them
static const struct {
    const char *name;
    int parameter;
} wrapping[] = {
    {"lang", 2},
    {"langx", 2},
    {"nowrap", 1},
    {"nobr", 1},
    {"transl", LAST},
    {"tlit", LAST},
    {"transliteration", LAST},
    {"abbr", 1},
    {"tooltip", 1},
    {"small", 1},
    {"smaller", 1},
    {"big", 1},
    {"em", 1},
    {"strong", 1},
    {"mvar", 1},
    {"var", 1},
    {"sup", 1},
    {"sub", 1},
    {"quote", 1},
    {"blockquote", 1},
    {"cquote", 1},
    {"quotation", 1},
    {"nihongo", 1},
    {"ill", 1},
    {"interlanguage link", 1},
    {"val", 1},
    {"convert", TWO},
    {"cvt", TWO},
};

// Templates that stand for characters.
static const struct {
    const char *name, *text;
} standing[] = {
    {"nbsp", " "},       {"spaces", " "},      {"ndash", "\u2013"}, {"endash", "\u2013"},
    {"mdash", "\u2014"}, {"emdash", "\u2014"}, {"snd", " \u2013 "}, {"spnd", " \u2013 "},
    {"'", "'"},          {"=", "\x0f"},        {"!", "\x10"},       {"*", "\u2022"},
    {"dot", " \u00b7 "},
};

// The unnamed parameter of that number, from 1; of LAST the last one. False: there is none.
static bool parameter_of(const char *body, size_t bytes, int wanted, const char **text,
                         size_t *length) {
    const char *end = body + bytes, *at = memchr(body, '|', bytes);
    int count = 0;
    bool found = false;
    while (at) {
        const char *from = at + 1;
        at = memchr(from, '|', (size_t)(end - from));
        const char *to = at ? at : end;
        bool first = to - from >= 2 && memcmp(from, "1=", 2) == 0;
        if (first)
            from += 2;
        else if (memchr(from, '=', (size_t)(to - from)))
            continue;
        count++;
        if (wanted != LAST && count != wanted) continue;
        *text = from;
        *length = (size_t)(to - from);
        trim(text, length);
        found = true;
        if (wanted != LAST) break;
    }
    return found;
}

// The first two parameters of convert where they are a number and a unit, in one text.
static bool quantity_of(const char *body, size_t bytes, const char **kept, size_t *kept_bytes) {
    const char *number, *unit;
    size_t digits, letters;
    if (!parameter_of(body, bytes, 1, &number, &digits) ||
        !parameter_of(body, bytes, 2, &unit, &letters) || !digits || !letters)
        return false;
    static const char *const ranges[] = {"-", "to", "x", "by", "and", "or", "\u2013"};
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (same_name(unit, letters, ranges[i])) return false;
    if (unit != number + digits + 1) return false; // named parameters or blanks between them
    *kept = number; // the bar between them is made a blank by the caller
    *kept_bytes = digits + 1 + letters;
    return true;
}

bool lam_wiki_template(const char *body, size_t bytes, const char **kept, size_t *kept_bytes) {
    const char *name;
    size_t length;
    name_of(body, bytes, &name, &length);
    for (size_t i = 0; i < sizeof standing / sizeof standing[0]; i++)
        if (same_name(name, length, standing[i].name)) {
            *kept = standing[i].text;
            *kept_bytes = strlen(*kept);
            return true;
        }
    if (length > 10 && strncasecmp(name, "formatnum:", 10) == 0) {
        *kept = name + 10;
        *kept_bytes = length - 10;
        return true;
    }
    if (length > 5 && strncasecmp(name, "lang-", 5) == 0)
        return parameter_of(body, bytes, 1, kept, kept_bytes);
    for (size_t i = 0; i < sizeof wrapping / sizeof wrapping[0]; i++)
        if (same_name(name, length, wrapping[i].name))
            return wrapping[i].parameter == TWO
                       ? quantity_of(body, bytes, kept, kept_bytes)
                       : parameter_of(body, bytes, wrapping[i].parameter, kept, kept_bytes);
    return false;
}

bool lam_wiki_ends_table(const char *body, size_t bytes) {
    const char *name;
    size_t length;
    name_of(body, bytes, &name, &length);
    return same_name(name, length, "end") || same_name(name, length, "s-end");
}

// --- links

static const char *const file_names[] = {
    "file",   "image",    "media",      "category", "bild",        "datei",    "imagen",
    "imagem", "immagine", "afbeelding", "grafika",  "изображение", "картинка", "画像",
    "图像",   "圖像",     "그림",       "תמונה",    "صورة",
};

// The next character in lower case, a blank for an underscore; 0 at the end.
static int32_t next_folded(const char **text, const char *end) {
    if (*text == end) return 0;
    utf8proc_int32_t c;
    utf8proc_ssize_t step = utf8proc_iterate((const utf8proc_uint8_t *)*text, end - *text, &c);
    if (step <= 0) c = (unsigned char)**text, step = 1;
    *text += step;
    return c == '_' ? ' ' : utf8proc_tolower(c);
}

static bool same_folded(const char *name, size_t bytes, const char *known) {
    const char *end = name + bytes, *known_end = known + strlen(known);
    while (name < end && known < known_end)
        if (next_folded(&name, end) != next_folded(&known, known_end)) return false;
    return name == end && known == known_end;
}

// "fr", "zh-yue", "simple": what links to the page in another language begin with.
static bool is_language(const char *name, size_t bytes) {
    static const char *const others[] = {"mw", "wmf", "doi", "rfc"};
    size_t letters = 0;
    while (letters < bytes && name[letters] >= 'a' && name[letters] <= 'z') letters++;
    if (bytes == 6 && memcmp(name, "simple", 6) == 0) return true;
    if (letters < 2 || letters > 3 || (letters < bytes && name[letters] != '-')) return false;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (same_name(name, bytes, others[i])) return false;
    for (size_t i = letters; i < bytes; i++)
        if (name[i] != '-' && (name[i] < 'a' || name[i] > 'z')) return false;
    return true;
}

bool lam_wiki_link_dropped(const char *body, size_t bytes, const lam_wikitext_site *site) {
    enum { LONGEST_NAME = 128 };
    const char *colon = memchr(body, ':', bytes < LONGEST_NAME ? bytes : LONGEST_NAME);
    if (!colon || colon == body) return false;
    size_t length = (size_t)(colon - body);
    const char *bar = memchr(body, '|', length);
    if (bar) return false;
    trim(&body, &length);
    if (is_language(body, length)) return true;
    for (size_t i = 0; i < sizeof file_names / sizeof file_names[0]; i++)
        if (same_folded(body, length, file_names[i])) return true;
    for (size_t i = 0; site && i < site->dropped_count; i++)
        if (same_folded(body, length, site->dropped[i])) return true;
    return false;
}

// --- entities

// The code point of "#8211" or "#x2013" or "ndash"; 0: none.
static uint32_t code_point(const char *name, size_t length) {
    uint32_t value = 0;
    if (name[0] != '#') {
        char text[16];
        if (length >= sizeof text) return 0;
        memcpy(text, name, length);
        text[length] = '\0';
        const htmlEntityDesc *known = htmlEntityLookup((const xmlChar *)text);
        return known ? known->value : 0;
    }
    bool hexadecimal = length > 1 && (name[1] == 'x' || name[1] == 'X');
    size_t i = hexadecimal ? 2 : 1;
    if (i == length) return 0;
    for (; i < length; i++) {
        char c = name[i], lower = (char)(c | 0x20);
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
                         : hexadecimal && lower >= 'a' && lower <= 'f'
                             ? (uint32_t)(lower - 'a') + 10
                             : 16;
        if (digit == 16 || value > 0x10FFFF) return 0;
        value = value * (hexadecimal ? 16 : 10) + digit;
    }
    return value;
}

size_t lam_wiki_entity(const char *text, size_t bytes, char utf8[4], size_t *made) {
    enum { LONGEST = 16 };
    const char *end = memchr(text, ';', bytes < LONGEST ? bytes : LONGEST);
    if (!end || end - text < 3) return 0;
    uint32_t c = code_point(text + 1, (size_t)(end - text) - 1);
    if (c == '\n' || c == '\t') c = ' ';
    if (c < 0x20 || c == 0x7f || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) return 0;
    *made = (size_t)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)utf8);
    if (*made == 1) utf8[0] = lam_wiki_protect(utf8[0]);
    return (size_t)(end - text) + 1;
}
