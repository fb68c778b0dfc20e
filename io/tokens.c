#include "io/tokens.h"

#include "io/replace_file.h"
#include "io/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml.h>

static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0};
enum { PREAMBLE = sizeof magic + 2, MOST_HEADER = PREAMBLE + UINT16_MAX, MOST_MANIFEST = 1 << 20 };

// NAME.yaml for NAME.npy.
static lam_code manifest_path(const char *path, lam_arena *arena, char **manifest,
                              lam_error *error) {
    size_t length = strlen(path);
    if (length < 4 || strcmp(path + length - 4, ".npy") != 0)
        return lam_fail(error, LAM_USAGE, "%s: a file of tokens must be named NAME.npy", path);
    *manifest = lam_arena_format(arena, error, "%.*s.yaml", (int)(length - 4), path);
    return *manifest ? LAM_OK : LAM_MEMORY;
}

// --- writing

// The header and the ids, to be freed.
static lam_code make_npy(const char *path, const uint32_t *id, size_t count, size_t *width,
                         uint8_t **npy, size_t *bytes, lam_error *error) {
    uint32_t highest = 0;
    for (size_t i = 0; i < count; i++) highest = id[i] > highest ? id[i] : highest;
    *width = highest < 65536 ? 2 : 4;
    char words[128];
    int length =
        snprintf(words, sizeof words,
                 "{'descr': '<u%zu', 'fortran_order': False, 'shape': (%zu,), }", *width, count);
    size_t header = (PREAMBLE + (size_t)length + 1 + 63) / 64 * 64, dictionary = header - PREAMBLE;
    *bytes = header + count * *width;
    *npy = malloc(*bytes);
    if (!*npy)
        return lam_fail(error, LAM_MEMORY, "no memory to write %zu tokens to %s", count, path);
    memset(*npy, ' ', header);
    memcpy(*npy, magic, sizeof magic);
    (*npy)[8] = (uint8_t)dictionary;
    (*npy)[9] = (uint8_t)(dictionary >> 8);
    memcpy(*npy + PREAMBLE, words, (size_t)length);
    (*npy)[header - 1] = '\n';
    uint8_t *data = *npy + header;
    for (size_t i = 0; i < count; i++)
        for (size_t byte = 0; byte < *width; byte++) *data++ = (uint8_t)(id[i] >> 8 * byte);
    return LAM_OK;
}

// What libyaml's emitter has written so far.
typedef struct text {
    unsigned char *data;
    size_t count;
} text;

static int append(void *to, unsigned char *data, size_t bytes) {
    text *made = to;
    unsigned char *longer = realloc(made->data, made->count + bytes);
    if (!longer) return 0;
    memcpy(longer + made->count, data, bytes);
    made->data = longer;
    made->count += bytes;
    return 1;
}

// Texts are quoted: a digest can look like a number.
static bool add(yaml_document_t *document, int mapping, const char *key, const char *value,
                bool quoted) {
    int left = yaml_document_add_scalar(document, NULL, (const yaml_char_t *)key, -1,
                                        YAML_PLAIN_SCALAR_STYLE);
    int right = yaml_document_add_scalar(document, NULL, (const yaml_char_t *)value, -1,
                                         quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                                : YAML_PLAIN_SCALAR_STYLE);
    return left && right && yaml_document_append_mapping_pair(document, mapping, left, right);
}

// False: no memory, or a text that is not UTF-8.
static bool fill(yaml_document_t *document, const lam_token_manifest *m) {
    char count[32];
    snprintf(count, sizeof count, "%zu", m->tokens);
    int mapping = yaml_document_add_mapping(document, NULL, YAML_BLOCK_MAPPING_STYLE);
    return mapping && add(document, mapping, "source", m->source, true) &&
           add(document, mapping, "source_sha256", m->source_sha256, true) &&
           add(document, mapping, "tokenizer_sha256", m->tokenizer_sha256, true) &&
           add(document, mapping, "text_options", m->text_options, true) &&
           add(document, mapping, "tokens", count, false) &&
           add(document, mapping, "dtype", m->dtype, false) &&
           add(document, mapping, "npy_sha256", m->npy_sha256, true) &&
           add(document, mapping, "laminar", m->laminar, true);
}

// The manifest as YAML; made->data is to be freed, also on failure.
static lam_code make_manifest(const char *path, const lam_token_manifest *manifest, text *made,
                              lam_error *error) {
    yaml_emitter_t emitter;
    yaml_document_t document;
    if (!yaml_emitter_initialize(&emitter))
        return lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    yaml_emitter_set_output(&emitter, append, made);
    yaml_emitter_set_width(&emitter, -1);
    yaml_emitter_set_unicode(&emitter, 1);
    lam_code code = LAM_OK;
    if (!yaml_document_initialize(&document, NULL, NULL, NULL, 1, 1)) {
        code = lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    } else if (!fill(&document, manifest)) {
        yaml_document_delete(&document);
        code = lam_fail(
            error, LAM_INPUT,
            "%s cannot be written: the name of its source is not UTF-8: rename the source", path);
    } else if (!yaml_emitter_open(&emitter) || !yaml_emitter_dump(&emitter, &document) ||
               !yaml_emitter_close(&emitter)) { // dump deletes the document
        code = lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    }
    yaml_emitter_delete(&emitter);
    return code;
}

static lam_code write_both(const char *path, const char *beside, const uint8_t *npy, size_t bytes,
                           const lam_token_manifest *manifest, lam_error *error) {
    text made = {0};
    lam_code code = make_manifest(beside, manifest, &made, error);
    if (code == LAM_OK) code = lam_replace_check(beside, error);
    if (code == LAM_OK) code = lam_replace_file(path, npy, bytes, error);
    if (code == LAM_OK) {
        code = lam_replace_file(beside, made.data, made.count, error);
        if (code != LAM_OK) unlink(path);
    }
    free(made.data);
    return code;
}

lam_code lam_tokens_write(const char *path, const uint32_t *id, size_t count,
                          const lam_token_manifest *manifest, lam_error *error) {
    lam_arena arena = {0};
    char *beside = NULL, digest_text[LAM_SHA256_TEXT];
    uint8_t *npy = NULL, digest[LAM_SHA256_BYTES];
    size_t bytes, width;
    lam_code code = manifest_path(path, &arena, &beside, error);
    if (code == LAM_OK) code = make_npy(path, id, count, &width, &npy, &bytes, error);
    if (code == LAM_OK) code = lam_sha256_of(npy, bytes, digest, error);
    if (code == LAM_OK) {
        lam_sha256_text(digest, digest_text);
        lam_token_manifest full = *manifest;
        full.tokens = count;
        full.dtype = width == 2 ? "uint16" : "uint32";
        full.npy_sha256 = digest_text;
        code = write_both(path, beside, npy, bytes, &full, error);
    }
    free(npy);
    lam_arena_destroy(&arena);
    return code;
}

// --- reading

static lam_code bad(const char *path, const char *what, lam_error *error) {
    return lam_fail(error, LAM_INPUT, "%s %s: make it again with laminar tokenize", path, what);
}

// Opens a regular file for reading.
static lam_code open_file(const char *path, int *file, size_t *bytes, lam_error *error) {
    struct stat info;
    *file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // not to wait for a pipe's writer
    if (*file < 0)
        return lam_fail(error, LAM_IO,
                        "cannot open %s: %s: a text's tokens are NAME.npy and NAME.yaml", path,
                        strerror(errno));
    if (fstat(*file, &info) == 0 && S_ISREG(info.st_mode)) {
        *bytes = (size_t)info.st_size;
        return LAM_OK;
    }
    close(*file);
    return lam_fail(error, LAM_IO, "%s is not a regular file: name a file of tokens", path);
}

static lam_code map_file(const char *path, lam_tokens *tokens, lam_error *error) {
    int file;
    LAM_TRY(open_file(path, &file, &tokens->map_bytes, error));
    lam_code code = LAM_OK;
    if (tokens->map_bytes < PREAMBLE)
        code = bad(path, "is too short for a NumPy file", error);
    else {
        void *map = mmap(NULL, tokens->map_bytes, PROT_READ, MAP_PRIVATE, file, 0);
        if (map == MAP_FAILED)
            code = lam_fail(error, LAM_IO, "cannot map %s: %s", path, strerror(errno));
        else
            tokens->map = map;
    }
    close(file);
    return code;
}

// What stands after 'key': in the header's dictionary, or NULL.
static const char *value_of(const char *dictionary, const char *key) {
    const char *at = strstr(dictionary, key);
    if (!at) return NULL;
    at += strlen(key);
    return at + strspn(at, " ");
}

static lam_code read_header(const char *path, lam_tokens *tokens, lam_error *error) {
    const uint8_t *file = tokens->map;
    if (memcmp(file, magic, 6) != 0) return bad(path, "is not a NumPy file", error);
    if (memcmp(file, magic, sizeof magic) != 0)
        return bad(path, "is a NumPy file of another version than 1.0", error);
    size_t length = file[8] | (size_t)file[9] << 8;
    if (length > tokens->map_bytes - PREAMBLE) return bad(path, "ends within its header", error);
    char *dictionary = lam_arena_text(&tokens->arena, (const char *)file + PREAMBLE, length, error);
    if (!dictionary) return LAM_MEMORY;
    const char *type = value_of(dictionary, "'descr':"), *shape = value_of(dictionary, "'shape':");
    const char *order = value_of(dictionary, "'fortran_order':");
    if (!type || !shape || !order) return bad(path, "has no NumPy header that can be read", error);
    if (strncmp(type, "'<u2'", 5) != 0 && strncmp(type, "'<u4'", 5) != 0)
        return lam_fail(error, LAM_INPUT,
                        "%s has numbers of type %.*s: token ids are '<u2' or '<u4': make it again "
                        "with laminar tokenize",
                        path, (int)strcspn(type, ","), type);
    char *end = NULL;
    errno = 0;
    unsigned long long count =
        shape[0] == '(' && shape[1] >= '0' && shape[1] <= '9' ? strtoull(shape + 1, &end, 10) : 0;
    if (!end || strncmp(end, ",)", 2) != 0 || strncmp(order, "False", 5) != 0)
        return bad(path, "does not hold one row of numbers", error);
    tokens->width = (size_t)(type[3] - '0');
    size_t rest = tokens->map_bytes - PREAMBLE - length;
    if (errno || count > rest / tokens->width || count * tokens->width != rest)
        return lam_fail(
            error, LAM_INPUT,
            "%s has %zu bytes of token ids where its header speaks of %llu x %zu: it was cut "
            "short or changed: make it again with laminar tokenize",
            path, rest, count, tokens->width);
    tokens->count = (size_t)count;
    tokens->data = file + PREAMBLE + length;
    return LAM_OK;
}

// *value = the text under a key of the manifest, owned by the arena.
static lam_code get(const char *path, yaml_document_t *document, const char *key, lam_arena *arena,
                    const char **value, lam_error *error) {
    const yaml_node_t *root = yaml_document_get_root_node(document);
    if (!root || root->type != YAML_MAPPING_NODE) return bad(path, "is no list of keys", error);
    for (const yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        const yaml_node_t *left = yaml_document_get_node(document, pair->key);
        const yaml_node_t *right = yaml_document_get_node(document, pair->value);
        if (left->type != YAML_SCALAR_NODE || right->type != YAML_SCALAR_NODE ||
            strcmp((const char *)left->data.scalar.value, key) != 0)
            continue;
        *value = lam_arena_text(arena, (const char *)right->data.scalar.value,
                                right->data.scalar.length, error);
        return *value ? LAM_OK : LAM_MEMORY;
    }
    return lam_fail(error, LAM_INPUT, "%s has no %s: make it again with laminar tokenize", path,
                    key);
}

static lam_code read_fields(const char *path, yaml_document_t *document, lam_tokens *tokens,
                            lam_error *error) {
    lam_token_manifest *m = &tokens->manifest;
    const char *count;
    const struct {
        const char *key, **value;
    } field[] = {{"source", &m->source},
                 {"source_sha256", &m->source_sha256},
                 {"tokenizer_sha256", &m->tokenizer_sha256},
                 {"text_options", &m->text_options},
                 {"tokens", &count},
                 {"dtype", &m->dtype},
                 {"npy_sha256", &m->npy_sha256},
                 {"laminar", &m->laminar}};
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
        LAM_TRY(get(path, document, field[i].key, &tokens->arena, field[i].value, error));
    char right[32];
    snprintf(right, sizeof right, "%zu", tokens->count);
    m->tokens = tokens->count;
    if (strcmp(count, right) != 0)
        return lam_fail(error, LAM_INPUT,
                        "%s speaks of %.40s tokens, but its .npy has %s: make them again with "
                        "laminar tokenize",
                        path, count, right);
    if (strcmp(m->dtype, tokens->width == 2 ? "uint16" : "uint32") != 0)
        return lam_fail(error, LAM_INPUT,
                        "%s speaks of dtype %.40s, but its .npy has %zu bytes a token: make them "
                        "again with laminar tokenize",
                        path, m->dtype, tokens->width);
    return LAM_OK;
}

static lam_code parse_manifest(const char *path, const char *data, size_t bytes, lam_tokens *tokens,
                               lam_error *error) {
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return lam_fail(error, LAM_MEMORY, "no memory to read %s", path);
    yaml_parser_set_input_string(&parser, (const unsigned char *)data, bytes);
    lam_code code;
    if (yaml_parser_load(&parser, &document)) {
        code = read_fields(path, &document, tokens, error);
        yaml_document_delete(&document);
    } else {
        code = lam_fail(error, LAM_INPUT,
                        "%s is not valid YAML (line %zu: %s): make it again with laminar tokenize",
                        path, parser.problem_mark.line + 1, parser.problem ? parser.problem : "?");
    }
    yaml_parser_delete(&parser);
    return code;
}

static lam_code read_manifest(const char *path, lam_tokens *tokens, lam_error *error) {
    int file;
    size_t bytes, done = 0;
    LAM_TRY(open_file(path, &file, &bytes, error));
    char *data =
        bytes <= MOST_MANIFEST ? lam_arena_alloc(&tokens->arena, bytes + 1, 1, error) : NULL;
    lam_code code = data                    ? LAM_OK
                    : bytes > MOST_MANIFEST ? bad(path, "is too large for a manifest", error)
                                            : LAM_MEMORY;
    while (code == LAM_OK && done < bytes) {
        ssize_t got = read(file, data + done, bytes - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) code = lam_fail(error, LAM_IO, "cannot read %s: %s", path, strerror(errno));
        if (got <= 0) break;
        done += (size_t)got;
    }
    close(file);
    return code == LAM_OK ? parse_manifest(path, data, done, tokens, error) : code;
}

static lam_code check_digest(const char *path, const char *beside, const lam_tokens *tokens,
                             lam_error *error) {
    uint8_t digest[LAM_SHA256_BYTES];
    char made[LAM_SHA256_TEXT];
    LAM_TRY(lam_sha256_of(tokens->map, tokens->map_bytes, digest, error));
    lam_sha256_text(digest, made);
    if (strcmp(made, tokens->manifest.npy_sha256) == 0) return LAM_OK;
    return lam_fail(
        error, LAM_INPUT,
        "%s has the SHA-256 %s, but %s was made for %.64s: one of them was changed: make "
        "them again with laminar tokenize",
        path, made, beside, tokens->manifest.npy_sha256);
}

lam_code lam_tokens_open(const char *path, lam_tokens *tokens, lam_error *error) {
    lam_tokens made = {0};
    char *beside = NULL;
    lam_code code = manifest_path(path, &made.arena, &beside, error);
    if (code == LAM_OK) code = map_file(path, &made, error);
    if (code == LAM_OK) code = read_header(path, &made, error);
    if (code == LAM_OK) code = read_manifest(beside, &made, error);
    if (code == LAM_OK) code = check_digest(path, beside, &made, error);
    if (code == LAM_OK)
        *tokens = made;
    else
        lam_tokens_close(&made);
    return code;
}

void lam_tokens_close(lam_tokens *tokens) {
    if (tokens->map) munmap(tokens->map, tokens->map_bytes);
    lam_arena_destroy(&tokens->arena);
    *tokens = (lam_tokens){0};
}

void lam_tokens_copy(const lam_tokens *tokens, size_t first, size_t count, uint32_t *id) {
    const uint8_t *data = tokens->data + first * tokens->width;
    for (size_t i = 0; i < count; i++, data += tokens->width) {
        id[i] = data[0] | (uint32_t)data[1] << 8;
        if (tokens->width == 4) id[i] |= (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
    }
}
