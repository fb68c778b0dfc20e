#include "io/charset.h"

#include "src/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_BYTES = 4096 };

// The first place in text where word begins, whatever its case, or NULL.
static const char *find_word(const char *text, const char *end, const char *word) {
    size_t length = strlen(word);
    for (; end - text >= (ptrdiff_t)length; text++)
        if (strncasecmp(text, word, length) == 0) return text;
    return NULL;
}

static const char *skip_blanks(const char *text, const char *end) {
    while (text < end && isspace((unsigned char)*text)) text++;
    return text;
}

// The value of key=... between two places, lower-cased; false if there is none.
static bool find_value(const char *text, const char *end, const char *key,
                       char value[LAM_CHARSET_NAME]) {
    text = find_word(text, end, key);
    if (!text) return false;
    text = skip_blanks(text + strlen(key), end);
    if (text == end || *text != '=') return false;
    text = skip_blanks(text + 1, end);
    if (text < end && (*text == '"' || *text == '\'')) text++;
    size_t length = 0;
    while (text < end && length < LAM_CHARSET_NAME - 1 &&
           (isalnum((unsigned char)*text) || strchr("-_.:", *text)) && *text)
        value[length++] = (char)tolower((unsigned char)*text++);
    value[length] = '\0';
    return length > 0;
}

void lam_charset_declared(const char *page, size_t bytes, char name[LAM_CHARSET_NAME]) {
    const char *end = page + (bytes < HEAD_BYTES ? bytes : HEAD_BYTES);
    name[0] = '\0';
    for (const char *at = page; (at = memchr(at, '<', (size_t)(end - at))) != NULL; at++) {
        const char *close = memchr(at, '>', (size_t)(end - at));
        if (!close) return;
        bool meta = close - at > 5 && strncasecmp(at, "<meta", 5) == 0;
        bool xml = close - at > 5 && strncasecmp(at, "<?xml", 5) == 0;
        if ((meta || xml) && find_value(at, close, meta ? "charset" : "encoding", name)) return;
    }
}

// Names that pages give to an encoding where they mean a larger one, as browsers take them
// (WHATWG Encoding Standard, 4.2, "Names and labels").
static const char *real_name(const char *name) {
    static const struct {
        const char *label, *name;
    } larger[] = {
        {"iso-8859-1", "windows-1252"},
        {"iso8859-1", "windows-1252"},
        {"latin1", "windows-1252"},
        {"us-ascii", "windows-1252"},
        {"ascii", "windows-1252"},
        {"iso-8859-9", "windows-1254"},
        {"gb2312", "gb18030"},
        {"gbk", "gb18030"},
        {"shift_jis", "cp932"},
        {"shift-jis", "cp932"},
        {"x-sjis", "cp932"},
        {"sjis", "cp932"},
        {"euc-kr", "cp949"},
        {"ks_c_5601-1987", "cp949"},
        {"big5", "big5-hkscs"},
        {"tis-620", "cp874"},
    };
    for (size_t i = 0; i < sizeof larger / sizeof larger[0]; i++)
        if (strcmp(name, larger[i].label) == 0) return larger[i].name;
    return name;
}

typedef struct growing {
    char *data;
    size_t length, room;
} growing;

// Room for at least more bytes and a NUL after what is there.
static bool reserve(growing *text, size_t more) {
    if (text->room - text->length > more) return true;
    size_t room = text->room * 2 + more + 1;
    char *data = realloc(text->data, room);
    if (!data) return false;
    text->data = data;
    text->room = room;
    return true;
}

// All of page through an open converter; what cannot be converted becomes U+FFFD byte by byte.
static bool convert(iconv_t converter, const char *page, size_t bytes, growing *text,
                    size_t *replaced) {
    char *in = (char *)page; // iconv's prototype wants it, and leaves it alone
    size_t left = bytes;
    while (true) {
        if (!reserve(text, left + 64)) return false;
        char *out = text->data + text->length;
        size_t room = text->room - text->length - 1;
        // A last call without input brings out what the converter still holds.
        bool last = left == 0;
        size_t result = iconv(converter, last ? NULL : &in, last ? NULL : &left, &out, &room);
        int problem = result == (size_t)-1 ? errno : 0;
        text->length = (size_t)(out - text->data);
        if (problem == EILSEQ || problem == EINVAL) {
            if (!reserve(text, 3)) return false;
            memcpy(text->data + text->length, "\xef\xbf\xbd", 3);
            text->length += 3;
            ++*replaced;
            if (!last) in++, left--;
        }
        if (last && problem != E2BIG) break;
    }
    return true;
}

// The text by the encoding that the page declares; *known is false where it declares none, or none
// that is to be used.
static bool decode_declared(const char *page, size_t bytes, growing *text, size_t *replaced,
                            bool *known) {
    char name[LAM_CHARSET_NAME];
    lam_charset_declared(page, bytes, name);
    // A declaration that can be read byte by byte cannot be in 16 or 32 bits a character.
    *known = name[0] && strncmp(name, "utf", 3) != 0 && strncmp(name, "ucs", 3) != 0;
    if (!*known) return true;
    iconv_t converter = iconv_open("UTF-8", real_name(name));
    *known = converter != (iconv_t)-1;
    if (!*known) return true;
    bool done = convert(converter, page, bytes, text, replaced);
    iconv_close(converter);
    return done;
}

lam_code lam_charset_decode(const char *page, size_t bytes, char **text, size_t *length,
                            size_t *replaced, lam_error *error) {
    growing made = {0};
    *replaced = 0;
    // ISO-2022-JP and its kin are pure ASCII with escapes in it.
    bool sure = lam_utf8_valid(page, bytes) == bytes && !memchr(page, 0x1b, bytes), known = false;
    bool done = sure || decode_declared(page, bytes, &made, replaced, &known);
    if (done && !known) {
        if (bytes >= 3 && memcmp(page, "\xef\xbb\xbf", 3) == 0) page += 3, bytes -= 3;
        done = reserve(&made, lam_utf8_replace(page, bytes, NULL, NULL));
        if (done) made.length = lam_utf8_replace(page, bytes, made.data, replaced);
    }
    if (!done) {
        free(made.data);
        return lam_fail(error, LAM_MEMORY, "memory for a page of %.1f MB was refused",
                        (double)bytes / 1e6);
    }
    made.data[made.length] = '\0';
    *text = made.data;
    *length = made.length;
    return LAM_OK;
}
