// libFuzzer over the converter of wikitext. Where neither entities nor literal tags are in the
// input, no markup may be left; of valid UTF-8 the result is valid UTF-8, and no control character
// stands in it. From the project's folder:
//     clang-14 -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. \
//         $(xml2-config --cflags) tests/fuzz/fuzz_wikitext.c src/wikitext*.c src/error.c \
//         src/utf8.c -lxml2 -lutf8proc -o fuzz_wikitext && ./fuzz_wikitext -max_len=20000
#include "src/utf8.h"
#include "src/wikitext.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds) {
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const names[] = {"файл", "カテゴリ"};
    static const char *const marks[] = {"{{", "}}", "[[", "]]", "''", "<ref"};
    lam_wikitext_site site = {names, 2};
    lam_error error = {0};
    char *copy = malloc(bytes + 1), *text = NULL; // exactly as long as it is said to be, and a NUL
    size_t length = 0;
    must(copy != NULL);
    if (bytes) memcpy(copy, data, bytes);
    copy[bytes] = '\0';
    must(lam_wikitext_plain(copy, bytes, &site, &text, &length, &error) == LAM_OK);
    must(strlen(text) <= length && text[length] == '\0');
    if (lam_utf8_valid(copy, bytes) == bytes) must(lam_utf8_valid(text, length) == length);
    for (size_t i = 0; i < length; i++) must((uint8_t)text[i] >= 0x20 || text[i] == '\n');
    bool literal = memchr(copy, '&', bytes) || strcasestr(copy, "<nowiki") ||
                   strcasestr(copy, "<pre") || strlen(copy) < bytes;
    for (size_t i = 0; !literal && i < sizeof marks / sizeof marks[0]; i++)
        must(!strcasestr(text, marks[i]));
    free(text);
    free(copy);
    return 0;
}
