// What the tests of tokenizers share: loading, golden files, noise, and a tokenizer.json of the
// demo model's tokens.
#ifndef LAM_TOKENIZER_FIXTURE_H
#define LAM_TOKENIZER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/sha256.h"
#include "io/tokenizer_file.h"

#include <jansson.h>
#include <sys/stat.h>

// A golden file that LAMINAR_GOLDEN may not have: then this project's own.
static inline json_t *golden(const char *name) {
    const char *path = golden_path(name);
    char own[4096];
    snprintf(own, sizeof own, "%s/%s", LAM_TEST_GOLDEN, name);
    json_error_t where;
    json_t *made = json_load_file(access(path, R_OK) == 0 ? path : own, JSON_ALLOW_NUL, &where);
    if (!made) fail_msg("%s: %s", path, where.text);
    return made;
}

// NULL where the folder is not there.
static inline const char *folder_of(const char *tokenizer) {
    if (strcmp(tokenizer, "demo") == 0) return LAM_TEST_DEMO;
    char name[64];
    snprintf(name, sizeof name, "data/%s", tokenizer);
    return shared_path(name);
}

static inline lam_tokenizer *load(const char *folder) {
    lam_error error = {0};
    lam_tokenizer *made = NULL;
    if (lam_tokenizer_load(folder, &made, &error) != LAM_OK) fail_msg("%s", error.text);
    return made;
}

static inline void encode(const lam_tokenizer *tokenizer, const void *text, size_t bytes,
                          lam_ids *ids) {
    lam_error error = {0};
    if (lam_tokenizer_encode(tokenizer, text, bytes, ids, &error) != LAM_OK)
        fail_msg("%s", error.text);
}

static inline void skip_without_shared(void) {
    print_message("the shared texts and tokenizers are not beside the project\n");
    skip();
}

static inline char *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    struct stat info;
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &info), 0);
    *bytes = (size_t)info.st_size;
    char *data = malloc(*bytes + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

static inline void write_file(const char *folder, const char *name, const void *data,
                              size_t bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline void hash_ids(lam_sha256 *hash, const lam_ids *ids) {
    for (size_t i = 0; i < ids->count; i++) {
        uint32_t id = ids->id[i];
        uint8_t byte[] = {(uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16),
                          (uint8_t)(id >> 24)};
        lam_sha256_update(hash, byte, sizeof byte);
    }
}

static inline void assert_digest(lam_sha256 *hash, const json_t *expected, const char *key) {
    uint8_t digest[LAM_SHA256_BYTES];
    char text[LAM_SHA256_TEXT];
    lam_sha256_finish(hash, digest);
    lam_sha256_text(digest, text);
    assert_string_equal(text, json_string_value(json_object_get(expected, key)));
}

// {"tokens": count, "sha256": of the ids}
static inline void assert_ids(const lam_ids *ids, const json_t *expected) {
    lam_sha256 *hash = lam_sha256_create();
    assert_int_equal(ids->count, json_integer_value(json_object_get(expected, "tokens")));
    hash_ids(hash, ids);
    assert_digest(hash, expected, "sha256");
}

// The parts of noise() that make_tokens.py, beside the golden files, makes in the same way.
static const char *const fragment[] = {
    "<|endoftext|>",
    "<|padding|>",
    "<|endoftext|",
    "<|",
    "|>",
    " ",
    "  ",
    "   ",
    "\n",
    "\r\n",
    "\t",
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    "'",
    " the",
    " of",
    "tion",
    "12",
    "...",
    "============================================================",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "                              ",
    "\xc2\xa0",
    "\xe3\x80\x80",
    "\xe2\x80\x99s",
    "e\xcc\x81",
    "\xed\xa0\x80",
    "\xf0\x9f\x98",
    "\xc0\x80",
    "\xf4\x90\x80\x80"};
enum { FRAGMENTS = sizeof fragment / sizeof fragment[0], NOISE_TEXTS = 2000, NOISE_PARTS = 100 };

// Surrogates as UTF-8 would write them.
static inline size_t put(uint8_t *to, uint32_t code) {
    if (code < 0x80) return to[0] = (uint8_t)code, 1;
    size_t bytes = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = bytes; i-- > 1; code >>= 6) to[i] = (uint8_t)(0x80 | (code & 0x3F));
    to[0] = (uint8_t)(lead[bytes] | code);
    return bytes;
}

// One text; *state starts as 1. Room for NOISE_PARTS * 64 bytes.
static inline size_t noise(uint64_t *state, uint8_t *text) {
    size_t bytes = 0;
    for (int part = 0; part < NOISE_PARTS; part++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        uint32_t rest = *state >> 33 & 0xFFFFFFF;
        const char *piece = fragment[rest % FRAGMENTS];
        switch (*state >> 61) {
        case 0:
            text[bytes++] = (uint8_t)rest;
            break;
        case 1:
            bytes += put(text + bytes, rest % 0x110000);
            break;
        case 2:
            bytes += put(text + bytes, rest % 0x250);
            break;
        case 3:
            bytes += put(text + bytes, 0x300 + rest % 0x70);
            break;
        case 4:
            bytes += put(text + bytes, 0x1100 + rest % 0x100);
            break;
        case 5:
            memcpy(text + bytes, piece, strlen(piece));
            bytes += strlen(piece);
            break;
        case 6:
            bytes += put(text + bytes, 0x900 + rest % 0x1700);
            break;
        default:
            text[bytes++] = (uint8_t)(0x20 + rest % 95);
        }
    }
    return bytes;
}

static inline void assert_noise(const lam_tokenizer *tokenizer, const json_t *expected) {
    static uint8_t text[NOISE_PARTS * 64];
    uint64_t state = 1;
    lam_ids ids = {0};
    for (int i = 0; i < NOISE_TEXTS; i++) encode(tokenizer, text, noise(&state, text), &ids);
    assert_ids(&ids, expected);
    lam_ids_destroy(&ids);
}

// A tokenizer.json made of the demo model's tokens; merges are pairs or texts.
static inline json_t *demo_json(bool pairs) {
    size_t bytes;
    char *merges = read_file(LAM_TEST_DEMO "/merges.txt", &bytes);
    json_t *vocab = json_load_file(LAM_TEST_DEMO "/vocab.json", 0, NULL), *list = json_array();
    merges[bytes] = '\0';
    for (char *line = strtok(merges, "\n"); line; line = strtok(NULL, "\n")) {
        char *blank = strchr(line, ' ');
        if (strncmp(line, "#version", 8) == 0) continue;
        json_array_append_new(list, pairs ? json_pack("[s%s]", line, (int)(blank - line), blank + 1)
                                          : json_string(line));
    }
    free(merges);
    return json_pack("{s:s, s:n, s:n, s:[{s:i, s:s, s:b, s:b, s:b, s:b, s:b}], s:n,"
                     " s:{s:s, s:b, s:b, s:b}, s:n, s:n, s:{s:s, s:n, s:b, s:o, s:o}}",
                     "version", "1.0", "truncation", "padding", "added_tokens", "id", 0, "content",
                     "<|endoftext|>", "special", 1, "normalized", 0, "single_word", 0, "lstrip", 0,
                     "rstrip", 0, "normalizer", "pre_tokenizer", "type", "ByteLevel",
                     "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1, "post_processor",
                     "decoder", "model", "type", "BPE", "dropout", "ignore_merges", 0, "vocab",
                     vocab, "merges", list);
}

static inline void write_json(const char *folder, const char *name, const json_t *value) {
    char *text = json_dumps(value, 0);
    assert_non_null(text);
    write_file(folder, name, text, strlen(text));
    free(text);
}

#endif
