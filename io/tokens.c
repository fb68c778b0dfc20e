#include "io/tokens.h"

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

// A NumPy file as it lies in memory.
typedef struct npy {
    void *map;
    size_t bytes;
    size_t count, width;
    const uint8_t *data;
} npy;

static lam_code map_file(const char *path, npy *array, lam_error *error) {
    int file;
    LAM_TRY(open_file(path, &file, &array->bytes, error));
    lam_code code = LAM_OK;
    if (array->bytes < PREAMBLE)
        code = bad(path, "is too short for a NumPy file", error);
    else {
        void *map = mmap(NULL, array->bytes, PROT_READ, MAP_PRIVATE, file, 0);
        if (map == MAP_FAILED)
            code = lam_fail(error, errno == ENOMEM ? LAM_MEMORY : LAM_IO, "cannot map %s: %s", path,
                            strerror(errno));
        else
            array->map = map;
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

// types: those that are allowed, in words.
static lam_code read_header(const char *path, npy *array, const char *types, lam_arena *arena,
                            lam_error *error) {
    const uint8_t *file = array->map;
    if (memcmp(file, magic, 6) != 0) return bad(path, "is not a NumPy file", error);
    if (memcmp(file, magic, sizeof magic) != 0)
        return bad(path, "is a NumPy file of another version than 1.0", error);
    size_t length = file[8] | (size_t)file[9] << 8;
    if (length > array->bytes - PREAMBLE) return bad(path, "ends within its header", error);
    char *dictionary = lam_arena_text(arena, (const char *)file + PREAMBLE, length, error);
    if (!dictionary) return LAM_MEMORY;
    const char *type = value_of(dictionary, "'descr':"), *shape = value_of(dictionary, "'shape':");
    const char *order = value_of(dictionary, "'fortran_order':");
    if (!type || !shape || !order) return bad(path, "has no NumPy header that can be read", error);
    char known[6] = "";
    strncpy(known, type, 5);
    if (strlen(known) < 5 || !strstr(types, known))
        return lam_fail(error, LAM_INPUT,
                        "%s has numbers of type %.*s: they must be %s: make it again with laminar "
                        "tokenize",
                        path, (int)strcspn(type, ","), type, types);
    char *end = NULL;
    errno = 0;
    unsigned long long count =
        shape[0] == '(' && shape[1] >= '0' && shape[1] <= '9' ? strtoull(shape + 1, &end, 10) : 0;
    if (!end || strncmp(end, ",)", 2) != 0 || strncmp(order, "False", 5) != 0)
        return bad(path, "does not hold one row of numbers", error);
    array->width = (size_t)(type[3] - '0');
    size_t rest = array->bytes - PREAMBLE - length;
    if (errno || count > rest / array->width || count * array->width != rest)
        return lam_fail(
            error, LAM_INPUT,
            "%s has %zu bytes of numbers where its header speaks of %llu x %zu: it was cut "
            "short or changed: make it again with laminar tokenize",
            path, rest, count, array->width);
    array->count = (size_t)count;
    array->data = file + PREAMBLE + length;
    return LAM_OK;
}

// *value = the text under a key of the manifest, owned by the arena; NULL if an optional one is not
// there.
static lam_code get(const char *path, yaml_document_t *document, const char *key, bool optional,
                    lam_arena *arena, const char **value, lam_error *error) {
    const yaml_node_t *root = yaml_document_get_root_node(document);
    *value = NULL;
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
    if (optional) return LAM_OK;
    return lam_fail(error, LAM_INPUT, "%s has no %s: make it again with laminar tokenize", path,
                    key);
}

static lam_code read_fields(const char *path, yaml_document_t *document, lam_tokens *tokens,
                            lam_error *error) {
    lam_token_manifest *m = &tokens->manifest;
    const char *count;
    const struct {
        const char *key, **value;
        bool optional;
    } field[] = {{"source", &m->source, false},
                 {"source_sha256", &m->source_sha256, false},
                 {"tokenizer_sha256", &m->tokenizer_sha256, false},
                 {"text_options", &m->text_options, false},
                 {"tokens", &count, false},
                 {"dtype", &m->dtype, false},
                 {"npy_sha256", &m->npy_sha256, false},
                 {"documents_sha256", &m->documents_sha256, true},
                 {"laminar", &m->laminar, false}};
    for (size_t i = 0; i < sizeof field / sizeof field[0]; i++)
        LAM_TRY(get(path, document, field[i].key, field[i].optional, &tokens->arena, field[i].value,
                    error));
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

static lam_code check_digest(const char *path, const char *beside, const npy *array,
                             const char *expected, lam_error *error) {
    uint8_t digest[LAM_SHA256_BYTES];
    char made[LAM_SHA256_TEXT];
    LAM_TRY(lam_sha256_of(array->map, array->bytes, digest, error));
    lam_sha256_text(digest, made);
    if (strcmp(made, expected) == 0) return LAM_OK;
    return lam_fail(
        error, LAM_INPUT,
        "%s has the SHA-256 %s, but %s was made for %.64s: one of them was changed: make "
        "them again with laminar tokenize",
        path, made, beside, expected);
}

static lam_code open_ids(const char *path, lam_tokens *tokens, lam_error *error) {
    npy array = {0};
    char *beside = NULL;
    LAM_TRY(lam_tokens_beside(path, ".yaml", &tokens->arena, &beside, error));
    lam_code code = map_file(path, &array, error);
    tokens->map = array.map; // to be unmapped, whatever comes
    tokens->map_bytes = array.bytes;
    if (code == LAM_OK) code = read_header(path, &array, "'<u2' or '<u4'", &tokens->arena, error);
    tokens->count = array.count;
    tokens->width = array.width;
    tokens->data = array.data;
    if (code == LAM_OK) code = read_manifest(beside, tokens, error);
    return code == LAM_OK ? check_digest(path, beside, &array, tokens->manifest.npy_sha256, error)
                          : code;
}

static lam_code open_documents(const char *path, lam_tokens *tokens, lam_error *error) {
    npy array = {0};
    char *beside = NULL, *documents = NULL;
    LAM_TRY(lam_tokens_beside(path, ".yaml", &tokens->arena, &beside, error));
    LAM_TRY(lam_tokens_beside(path, ".documents.npy", &tokens->arena, &documents, error));
    lam_code code = map_file(documents, &array, error);
    tokens->document_map = array.map;
    tokens->document_map_bytes = array.bytes;
    if (code == LAM_OK) code = read_header(documents, &array, "'<u8'", &tokens->arena, error);
    if (code == LAM_OK)
        code = check_digest(documents, beside, &array, tokens->manifest.documents_sha256, error);
    if (code != LAM_OK) return code;
    tokens->document = array.data;
    tokens->manifest.documents = array.count ? array.count - 1 : 0;
    bool right = array.count && lam_tokens_document(tokens, 0) == 0;
    for (size_t i = 1; right && i < array.count; i++)
        right = lam_tokens_document(tokens, i - 1) <= lam_tokens_document(tokens, i);
    if (right && lam_tokens_document(tokens, array.count - 1) == tokens->count) return LAM_OK;
    return bad(documents, "does not say where the documents of these tokens begin", error);
}

lam_code lam_tokens_open(const char *path, lam_tokens *tokens, lam_error *error) {
    lam_tokens made = {0};
    lam_code code = open_ids(path, &made, error);
    if (code == LAM_OK && made.manifest.documents_sha256) code = open_documents(path, &made, error);
    if (code == LAM_OK)
        *tokens = made;
    else
        lam_tokens_close(&made);
    return code;
}

void lam_tokens_close(lam_tokens *tokens) {
    if (tokens->map) munmap(tokens->map, tokens->map_bytes);
    if (tokens->document_map) munmap(tokens->document_map, tokens->document_map_bytes);
    lam_arena_destroy(&tokens->arena);
    *tokens = (lam_tokens){0};
}

size_t lam_tokens_document(const lam_tokens *tokens, size_t document) {
    uint64_t start = 0;
    for (size_t byte = 0; byte < 8; byte++)
        start |= (uint64_t)tokens->document[8 * document + byte] << 8 * byte;
    return (size_t)start;
}

void lam_tokens_copy(const lam_tokens *tokens, size_t first, size_t count, uint32_t *id) {
    const uint8_t *data = tokens->data + first * tokens->width;
    for (size_t i = 0; i < count; i++, data += tokens->width) {
        id[i] = data[0] | (uint32_t)data[1] << 8;
        if (tokens->width == 4) id[i] |= (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
    }
}
