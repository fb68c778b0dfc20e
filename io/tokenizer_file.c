#include "io/tokenizer_file.h"

#include "io/model_folder.h"
#include "io/sha256.h"
#include "src/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(LAM_TOKENIZER_DIGEST == (int)LAM_SHA256_TEXT, "a digest's text");
enum { MOST_BYTES = 64 << 20 }; // of one file; the largest in use have some 20 MB

// What is held while a tokenizer is read.
typedef struct reading {
    const char *path; // of the file in hand
    lam_arena arena;
    lam_sha256 *hash;
    json_t *root;           // of vocab.json or tokenizer.json
    const json_t *vocab;    // text -> id
    size_t longest;         // text in vocab, bytes
    char *joined;           // [longest]
    lam_merge *merge;       // [parts.merge_count]
    lam_added_token *added; // [parts.added_count]
    lam_tokenizer_parts parts;
} reading;

static lam_code malformed(const reading *r, lam_error *error, const char *what) {
    return lam_fail(error, LAM_INPUT, "%s %s: download it again", r->path, what);
}

static lam_code unsupported(const reading *r, lam_error *error, const char *what,
                            const char *kind) {
    return lam_fail(error, LAM_INPUT,
                    "%s: its %s \"%s\" is not supported: use a tokenizer of GPT-2's or GPT-NeoX's "
                    "kind (byte-level BPE)",
                    r->path, what, kind);
}

// The file in memory, owned by the arena and ended by a NUL; adds it to the hash.
static lam_code read_file(reading *r, const char *path, char **data, size_t *bytes,
                          lam_error *error) {
    r->path = path;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // not to wait for a pipe's writer
    if (file < 0)
        return lam_fail(error, LAM_IO, "cannot open %s: %s: copy the model's tokenizer there", path,
                        strerror(errno));
    struct stat info = {0};
    lam_code code = LAM_OK;
    size_t done = 0;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        code = lam_fail(error, LAM_IO, "%s is not a regular file: copy the model's tokenizer there",
                        path);
    else if (info.st_size > MOST_BYTES)
        code = lam_fail(error, LAM_INPUT,
                        "%s has %jd bytes: a tokenizer has at most %d: download it "
                        "again",
                        path, (intmax_t)info.st_size, MOST_BYTES);
    else if (!(*data = lam_arena_alloc(&r->arena, (size_t)info.st_size + 1, 1, error)))
        code = LAM_MEMORY;
    while (code == LAM_OK && done < (size_t)info.st_size) {
        ssize_t got = read(file, *data + done, (size_t)info.st_size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            code = lam_fail(error, LAM_IO, "cannot read %s: %s", path,
                            got < 0 ? strerror(errno) : "it became shorter meanwhile: try again");
        else
            done += (size_t)got;
    }
    close(file);
    if (code != LAM_OK) return code;
    *bytes = done;
    lam_sha256_update(r->hash, *data, done);
    return LAM_OK;
}

static lam_code read_json(reading *r, const char *path, lam_error *error) {
    char *data;
    size_t bytes;
    LAM_TRY(read_file(r, path, &data, &bytes, error));
    json_error_t where;
    r->root = json_loadb(data, bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
    if (!r->root)
        return lam_fail(error, LAM_INPUT,
                        "%s is not valid JSON (line %d, column %d: %s): download it again", path,
                        where.line, where.column, where.text);
    if (!json_is_object(r->root)) return malformed(r, error, "holds no JSON object");
    return LAM_OK;
}

// The id of a text in the vocabulary, or -1.
static int64_t find(const reading *r, const char *text, size_t bytes) {
    const json_t *id = json_object_getn(r->vocab, text, bytes);
    return id ? json_integer_value(id) : -1;
}

static lam_code read_vocab(reading *r, lam_error *error) {
    const char *text;
    json_t *value;
    if (!json_is_object(r->vocab)) return malformed(r, error, "has no vocabulary");
    json_object_foreach((json_t *)r->vocab, text, value) {
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= LAM_MOST_TOKENS)
            return lam_fail(error, LAM_INPUT,
                            "%s: the id of \"%.60s\" is no number from 0 to %d: download it again",
                            r->path, text, LAM_MOST_TOKENS - 1);
        if ((size_t)id >= r->parts.token_count) r->parts.token_count = (size_t)id + 1;
        size_t bytes = strlen(text);
        if (bytes > r->longest) r->longest = bytes;
    }
    const char **token;
    LAM_ALLOC(token, &r->arena, r->parts.token_count, error);
    json_object_foreach((json_t *)r->vocab, text, value) {
        size_t id = (size_t)json_integer_value(value);
        if (token[id])
            return lam_fail(error, LAM_INPUT,
                            "%s: \"%.60s\" and \"%.60s\" have the same id %zu: download it again",
                            r->path, token[id], text, id);
        token[id] = text;
    }
    r->parts.token = token;
    LAM_ALLOC(r->joined, &r->arena, r->longest + 1, error);
    return LAM_OK;
}

// The next merge of the list, which has room for it; number is its place or line.
static lam_code add_merge(reading *r, const char *left, size_t left_bytes, const char *right,
                          size_t right_bytes, size_t number, lam_error *error) {
    int64_t left_id = find(r, left, left_bytes), right_id = find(r, right, right_bytes);
    int64_t result = -1;
    if (left_id >= 0 && right_id >= 0 && left_bytes + right_bytes <= r->longest) {
        memcpy(r->joined, left, left_bytes);
        memcpy(r->joined + left_bytes, right, right_bytes);
        result = find(r, r->joined, left_bytes + right_bytes);
    }
    if (result < 0)
        return lam_fail(error, LAM_INPUT,
                        "%s: merge %zu joins \"%.*s\" and \"%.*s\", but the vocabulary has not %s: "
                        "take both from the same model",
                        r->path, number, left_bytes < 60 ? (int)left_bytes : 60, left,
                        right_bytes < 60 ? (int)right_bytes : 60, right,
                        left_id < 0    ? "the first"
                        : right_id < 0 ? "the second"
                                       : "the two as one");
    r->merge[r->parts.merge_count++] =
        (lam_merge){(uint32_t)left_id, (uint32_t)right_id, (uint32_t)result};
    return LAM_OK;
}

// "a b", or the line with the version of the format.
static lam_code add_merge_line(reading *r, const char *line, size_t bytes, size_t number,
                               lam_error *error) {
    static const char version[] = "#version";
    if (bytes >= sizeof version - 1 && memcmp(line, version, sizeof version - 1) == 0)
        return LAM_OK;
    const char *blank = memchr(line, ' ', bytes);
    size_t left = blank ? (size_t)(blank - line) : 0, right = blank ? bytes - left - 1 : 0;
    if (!blank || memchr(blank + 1, ' ', right))
        return lam_fail(error, LAM_INPUT,
                        "%s: merge %zu is not two tokens with a blank between: download it again",
                        r->path, number);
    return add_merge(r, line, left, blank + 1, right, number, error);
}

static lam_code read_merge_lines(reading *r, const char *path, lam_error *error) {
    char *data;
    size_t bytes, lines = 1;
    LAM_TRY(read_file(r, path, &data, &bytes, error));
    for (size_t i = 0; i < bytes; i++) lines += data[i] == '\n';
    LAM_ALLOC(r->merge, &r->arena, lines, error);
    const char *end = data + bytes;
    size_t number = 1;
    for (const char *line = data, *next; line < end; line = next, number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        next = stop ? stop + 1 : end;
        if (!stop) stop = end;
        if (stop > line && stop[-1] == '\r') stop--;
        LAM_TRY(add_merge_line(r, line, (size_t)(stop - line), number, error));
    }
    return LAM_OK;
}

static lam_code read_merge_array(reading *r, const json_t *merges, lam_error *error) {
    if (!json_is_array(merges)) return malformed(r, error, "has no merges");
    LAM_ALLOC(r->merge, &r->arena, json_array_size(merges), error);
    for (size_t i = 0; i < json_array_size(merges); i++) {
        const json_t *merge = json_array_get(merges, i);
        const json_t *left = json_array_get(merge, 0), *right = json_array_get(merge, 1);
        if (json_is_string(merge))
            LAM_TRY(add_merge_line(r, json_string_value(merge), json_string_length(merge), i + 1,
                                   error));
        else if (json_array_size(merge) == 2 && json_is_string(left) && json_is_string(right))
            LAM_TRY(add_merge(r, json_string_value(left), json_string_length(left),
                              json_string_value(right), json_string_length(right), i + 1, error));
        else
            return malformed(r, error, "has merges that are not two texts each");
    }
    return LAM_OK;
}

// A component's "type", "null" for none.
static const char *kind_of(const json_t *component) {
    const char *kind = json_string_value(json_object_get(component, "type"));
    return kind ? kind : !component || json_is_null(component) ? "null" : "without type";
}

static bool is_kind(const json_t *component, const char *kind) {
    return strcmp(kind_of(component), kind) == 0;
}

// The only member of a Sequence, which has them under list, or the component itself.
static const json_t *unwrap(const json_t *component, const char *list) {
    const json_t *members = json_object_get(component, list);
    bool one = is_kind(component, "Sequence") && json_array_size(members) == 1;
    return one ? json_array_get(members, 0) : component;
}

// A setting that must be false, empty, zero, null or absent.
static lam_code refuse_setting(const reading *r, const json_t *owner, const char *name,
                               lam_error *error) {
    const json_t *value = json_object_get(owner, name);
    bool off = !value || json_is_null(value) || json_is_false(value) ||
               (json_is_string(value) && json_string_length(value) == 0) ||
               (json_is_number(value) && json_number_value(value) == 0);
    return off ? LAM_OK : unsupported(r, error, "setting", name);
}

static lam_code read_components(reading *r, lam_error *error) {
    const json_t *normalizer = unwrap(json_object_get(r->root, "normalizer"), "normalizers");
    const json_t *splitter = unwrap(json_object_get(r->root, "pre_tokenizer"), "pretokenizers");
    const json_t *post = unwrap(json_object_get(r->root, "post_processor"), "processors");
    const json_t *decoder = unwrap(json_object_get(r->root, "decoder"), "decoders");
    r->parts.nfc = is_kind(normalizer, "NFC");
    if (!r->parts.nfc && !is_kind(normalizer, "null"))
        return unsupported(r, error, "normalizer", kind_of(normalizer));
    if (!is_kind(splitter, "ByteLevel"))
        return unsupported(r, error, "pre_tokenizer", kind_of(splitter));
    const json_t *space = json_object_get(splitter, "add_prefix_space");
    const json_t *split = json_object_get(splitter, "use_regex");
    if (!json_is_boolean(space) || (split && !json_is_boolean(split)))
        return malformed(r, error, "has a pre_tokenizer whose settings are not true or false");
    r->parts.prefix_space = json_is_true(space);
    r->parts.split = !json_is_false(split);
    // A template without special tokens is one that adds nothing.
    bool template = is_kind(post, "TemplateProcessing") &&
                    json_object_size(json_object_get(post, "special_tokens")) == 0;
    if (!template && !is_kind(post, "ByteLevel") && !is_kind(post, "null"))
        return unsupported(r, error, "post_processor", kind_of(post));
    if (!is_kind(decoder, "ByteLevel") && !is_kind(decoder, "null"))
        return unsupported(r, error, "decoder", kind_of(decoder));
    return LAM_OK;
}

// The library numbers added tokens itself: by the vocabulary, else on from its count of tokens.
static lam_code read_added_token(reading *r, const json_t *token, json_int_t *next,
                                 lam_error *error) {
    static const char *const refused[] = {"single_word", "lstrip", "rstrip"};
    const json_t *content = json_object_get(token, "content"), *id = json_object_get(token, "id");
    const json_t *normalized = json_object_get(token, "normalized");
    if (!json_is_string(content) || !json_is_integer(id) || !json_is_boolean(normalized))
        return malformed(r, error, "has an added token without content, id or normalized");
    for (int i = 0; i < 3; i++) LAM_TRY(refuse_setting(r, token, refused[i], error));
    const char *text = json_string_value(content);
    size_t bytes = json_string_length(content);
    int64_t known = find(r, text, bytes);
    json_int_t right = known >= 0 ? known : (*next)++;
    bool taken = known < 0 && (size_t)right < r->parts.token_count && r->parts.token[right];
    if (json_integer_value(id) != right || taken)
        return lam_fail(error, LAM_INPUT,
                        "%s: added token \"%.60s\" has id %" JSON_INTEGER_FORMAT ", but %s: "
                        "download it again or save it anew with the library it comes from",
                        r->path, text, json_integer_value(id),
                        known >= 0 ? "the vocabulary gives it another"
                        : json_integer_value(id) != right
                            ? "the ids after the vocabulary are not in order"
                            : "the vocabulary gives that to another");
    r->added[r->parts.added_count++] =
        (lam_added_token){(uint32_t)right, text, bytes, json_is_true(normalized)};
    return LAM_OK;
}

static lam_code read_added(reading *r, const json_t *list, lam_error *error) {
    if (list && !json_is_array(list))
        return malformed(r, error, "has added_tokens that are no list");
    json_int_t next = (json_int_t)json_object_size(r->vocab);
    LAM_ALLOC(r->added, &r->arena, json_array_size(list), error);
    for (size_t i = 0; i < json_array_size(list); i++)
        LAM_TRY(read_added_token(r, json_array_get(list, i), &next, error));
    return LAM_OK;
}

static lam_code read_tokenizer_json(reading *r, const char *path, lam_error *error) {
    static const char *const refused[] = {"dropout", "ignore_merges", "continuing_subword_prefix",
                                          "end_of_word_suffix"};
    LAM_TRY(read_json(r, path, error));
    const json_t *model = json_object_get(r->root, "model");
    const json_t *version = json_object_get(r->root, "version");
    if (version && strcmp(json_is_string(version) ? json_string_value(version) : "", "1.0") != 0)
        return malformed(r, error, "is not of version 1.0");
    if (!json_is_object(model)) return malformed(r, error, "has no model");
    // older files leave it out
    if (json_object_get(model, "type") && !is_kind(model, "BPE"))
        return unsupported(r, error, "model", kind_of(model));
    for (int i = 0; i < 4; i++) LAM_TRY(refuse_setting(r, model, refused[i], error));
    LAM_TRY(read_components(r, error));
    r->vocab = json_object_get(model, "vocab");
    LAM_TRY(read_vocab(r, error));
    LAM_TRY(read_merge_array(r, json_object_get(model, "merges"), error));
    return read_added(r, json_object_get(r->root, "added_tokens"), error);
}

static lam_code read_vocab_and_merges(reading *r, const char *vocab, const char *merges,
                                      lam_error *error) {
    static const char end_of_text[] = "<|endoftext|>";
    size_t bytes = sizeof end_of_text - 1;
    LAM_TRY(read_json(r, vocab, error));
    r->vocab = r->root;
    LAM_TRY(read_vocab(r, error));
    LAM_TRY(read_merge_lines(r, merges, error));
    LAM_ALLOC(r->added, &r->arena, 1, error);
    int64_t id = find(r, end_of_text, bytes);
    if (id >= 0)
        r->added[r->parts.added_count++] =
            (lam_added_token){(uint32_t)id, end_of_text, bytes, false};
    r->parts.split = true;
    return LAM_OK;
}

static bool is_there(const char *path) {
    return access(path, F_OK) == 0 || errno != ENOENT;
}

static lam_code read_folder(reading *r, const char *folder, lam_error *error) {
    static const char *const name[] = {"tokenizer.json", "vocab.json", "merges.txt",
                                       "added_tokens.json"};
    char *path[4];
    for (int i = 0; i < 4; i++) {
        path[i] = lam_arena_format(&r->arena, error, "%s/%s", folder, name[i]);
        if (!path[i]) return LAM_MEMORY;
    }
    r->hash = lam_sha256_create();
    if (!r->hash) return lam_fail(error, LAM_MEMORY, "no memory for a SHA-256");
    if (is_there(path[0])) return read_tokenizer_json(r, path[0], error);
    if (!is_there(path[1]) && !is_there(path[2]))
        return lam_fail(error, LAM_IO,
                        "%s has neither tokenizer.json nor vocab.json and merges.txt: copy the "
                        "model's tokenizer there",
                        folder);
    if (is_there(path[3]))
        return lam_fail(error, LAM_INPUT,
                        "%s is not read: save the tokenizer as tokenizer.json (its fast form)",
                        path[3]);
    return read_vocab_and_merges(r, path[1], path[2], error);
}

static lam_code make(reading *r, lam_tokenizer **tokenizer, lam_error *error) {
    uint8_t digest[LAM_SHA256_BYTES];
    lam_sha256_finish(r->hash, digest);
    r->hash = NULL;
    lam_sha256_text(digest, r->parts.digest);
    r->parts.merge = r->merge;
    r->parts.added = r->added;
    if (r->parts.merge_count == 0) return malformed(r, error, "holds no merges");
    lam_code code = lam_tokenizer_create(&r->parts, tokenizer, error);
    return code == LAM_INPUT
               ? lam_fail_within(error, "%s cannot be used (download it again)", r->path)
               : code;
}

lam_code lam_tokenizer_load(const char *model, lam_tokenizer **tokenizer, lam_error *error) {
    reading r = {.path = model};
    const char *folder = NULL;
    lam_code code = lam_model_folder(model, &folder, &r.arena, error);
    if (code == LAM_OK) code = read_folder(&r, folder, error);
    if (code == LAM_OK) code = make(&r, tokenizer, error);
    lam_sha256_destroy(r.hash);
    json_decref(r.root);
    lam_arena_destroy(&r.arena);
    return code;
}
