#include "tokenizer.h"

#include "normalizer.h"
#include "pretokenizer.h"
#include "stop.h"
#include "utf8.h"

#include <stdlib.h>
#include <string.h>

typedef struct pattern {
    lam_token_bytes text;
    uint32_t id;
} pattern;

// Added tokens that are looked for at the same step.
typedef struct pattern_set {
    pattern *pattern; // [count], longest first
    size_t count;
    uint8_t begins[65536 / 8]; // bit: whether a pattern begins with these two bytes
} pattern_set;

struct lam_tokenizer {
    lam_arena arena;
    lam_token_bytes *piece; // [vocabulary]
    size_t vocabulary;
    lam_bpe *bpe;
    pattern_set raw, normalized;
    bool nfc, prefix_space, split;
    char digest[LAM_TOKENIZER_DIGEST];
};

// The byte alphabet: in the files each byte is a visible character, itself where it is visible in
// Latin-1 and else one from U+0100 on (Radford et al. 2019, released code).
enum { ALPHABET_END = 0x100 + 68 };

static void make_alphabet(int16_t byte_of[ALPHABET_END]) {
    int next = 0x100;
    for (int i = 0; i < ALPHABET_END; i++) byte_of[i] = -1;
    for (int16_t byte = 0; byte < 256; byte++) {
        bool visible = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
        byte_of[visible ? byte : next++] = byte;
    }
}

// The bytes a token's text stands for; false, and the text itself, if not all of its characters are
// of the alphabet.
static bool spell(const int16_t byte_of[ALPHABET_END], const uint8_t *text, size_t bytes,
                  uint8_t *spelled, size_t *count) {
    *count = 0;
    for (size_t done = 0, length; done < bytes; done += length) {
        int32_t code = lam_utf8_decode(text + done, &length);
        if (code >= ALPHABET_END || byte_of[code] < 0) {
            memcpy(spelled, text, bytes);
            *count = bytes;
            return false;
        }
        spelled[(*count)++] = (uint8_t)byte_of[code];
    }
    return true;
}

static lam_code not_utf8(uint32_t id, lam_error *error) {
    return lam_fail(error, LAM_INPUT, "token %u is not UTF-8", id);
}

// The tokens' bytes, and an encoder of those that are spelled in the alphabet.
static lam_code make_tokens(lam_tokenizer *made, const lam_tokenizer_parts *parts,
                            lam_error *error) {
    int16_t byte_of[ALPHABET_END];
    make_alphabet(byte_of);
    lam_token_bytes *spelled;
    LAM_ALLOC(spelled, &made->arena, parts->token_count, error);
    for (size_t i = 0; i < parts->token_count; i++) {
        if (!parts->token[i]) continue;
        const uint8_t *text = (const uint8_t *)parts->token[i];
        size_t bytes = strlen(parts->token[i]);
        if (lam_utf8_valid(text, bytes) != bytes) return not_utf8((uint32_t)i, error);
        uint8_t *copy;
        LAM_ALLOC(copy, &made->arena, bytes, error);
        bool all = spell(byte_of, text, bytes, copy, &made->piece[i].bytes);
        made->piece[i].data = copy;
        if (all) spelled[i] = made->piece[i];
    }
    return lam_bpe_create(spelled, parts->token_count, parts->merge, parts->merge_count,
                          &made->arena, &made->bpe, error);
}

static bool is_added(const pattern_set *set, uint32_t id) {
    for (size_t i = 0; i < set->count; i++)
        if (set->pattern[i].id == id) return true;
    return false;
}

// Puts a pattern in its place by length.
static lam_code add_pattern(pattern_set *set, pattern added, lam_error *error) {
    const uint8_t *data = added.text.data;
    size_t bytes = added.text.bytes, place = set->count;
    for (size_t i = 0; i < set->count; i++)
        if (set->pattern[i].text.bytes == bytes && !memcmp(set->pattern[i].text.data, data, bytes))
            return lam_fail(error, LAM_INPUT, "added tokens %u and %u are the same text",
                            set->pattern[i].id, added.id);
    for (; place > 0 && set->pattern[place - 1].text.bytes < bytes; place--)
        set->pattern[place] = set->pattern[place - 1];
    set->pattern[place] = added;
    set->count++;
    for (unsigned second = 0; second < 256; second++) {
        unsigned two = data[0] | (bytes > 1 ? data[1] : second) << 8;
        set->begins[two >> 3] |= (uint8_t)(1 << (two & 7));
    }
    return LAM_OK;
}

static lam_code add_token(lam_tokenizer *made, const lam_added_token *added, lam_error *error) {
    const uint8_t *text = (const uint8_t *)added->text;
    if (added->bytes == 0 || added->bytes > LAM_LONGEST_ADDED_TOKEN)
        return lam_fail(error, LAM_INPUT, "added token %u has %zu bytes: it must have 1 to %d",
                        added->id, added->bytes, LAM_LONGEST_ADDED_TOKEN);
    if (lam_utf8_valid(text, added->bytes) != added->bytes) return not_utf8(added->id, error);
    if (is_added(&made->raw, added->id) || is_added(&made->normalized, added->id))
        return lam_fail(error, LAM_INPUT, "added token %u is given twice", added->id);
    lam_normalized composed = {0};
    if (made->nfc && added->normalized) {
        lam_code code = lam_nfc(text, added->bytes, &composed, error);
        if (code != LAM_OK) return lam_normalized_destroy(&composed), code;
    }
    size_t bytes = composed.data ? composed.count : added->bytes;
    char *copy = lam_arena_text(&made->arena, composed.data ? (char *)composed.data : added->text,
                                bytes, error);
    lam_normalized_destroy(&composed);
    if (!copy) return LAM_MEMORY;
    made->piece[added->id] = (lam_token_bytes){(const uint8_t *)copy, bytes};
    return add_pattern(added->normalized ? &made->normalized : &made->raw,
                       (pattern){made->piece[added->id], added->id}, error);
}

static lam_code make(lam_tokenizer *made, const lam_tokenizer_parts *parts, lam_error *error) {
    made->nfc = parts->nfc;
    made->prefix_space = parts->prefix_space;
    made->split = parts->split;
    memcpy(made->digest, parts->digest, sizeof made->digest - 1);
    made->vocabulary = parts->token_count;
    if (parts->added_count > LAM_MOST_ADDED_TOKENS)
        return lam_fail(error, LAM_INPUT, "it has %zu added tokens: %d are the most allowed",
                        parts->added_count, LAM_MOST_ADDED_TOKENS);
    for (size_t i = 0; i < parts->added_count; i++)
        if (parts->added[i].id >= made->vocabulary)
            made->vocabulary = (size_t)parts->added[i].id + 1;
    if (made->vocabulary > LAM_MOST_TOKENS)
        return lam_fail(error, LAM_INPUT, "its highest id is %zu: %d is the highest allowed",
                        made->vocabulary - 1, LAM_MOST_TOKENS - 1);
    LAM_ALLOC(made->piece, &made->arena, made->vocabulary, error);
    LAM_ALLOC(made->raw.pattern, &made->arena, parts->added_count, error);
    LAM_ALLOC(made->normalized.pattern, &made->arena, parts->added_count, error);
    LAM_TRY(make_tokens(made, parts, error));
    for (size_t i = 0; i < parts->added_count; i++)
        LAM_TRY(add_token(made, &parts->added[i], error));
    return LAM_OK;
}

lam_code lam_tokenizer_create(const lam_tokenizer_parts *parts, lam_tokenizer **tokenizer,
                              lam_error *error) {
    lam_tokenizer *made = calloc(1, sizeof *made);
    if (!made) return lam_fail(error, LAM_MEMORY, "no memory for a tokenizer");
    lam_code code = make(made, parts, error);
    if (code == LAM_OK)
        *tokenizer = made;
    else
        lam_tokenizer_destroy(made);
    return code;
}

void lam_tokenizer_destroy(lam_tokenizer *tokenizer) {
    if (!tokenizer) return;
    lam_arena_destroy(&tokenizer->arena);
    free(tokenizer);
}

// The first place from start on where a pattern stands, and the longest that does; bytes and NULL
// where there is none.
static size_t find_pattern(const pattern_set *set, const uint8_t *text, size_t bytes, size_t start,
                           const pattern **found) {
    *found = NULL;
    if (set->count == 0) return bytes;
    for (size_t at = start; at < bytes; at++) {
        unsigned two = text[at] | (at + 1 < bytes ? text[at + 1] : 0u) << 8;
        if (!(set->begins[two >> 3] >> (two & 7) & 1)) continue;
        for (const pattern *p = set->pattern; p < set->pattern + set->count; p++) {
            if (p->text.bytes > bytes - at || memcmp(p->text.data, text + at, p->text.bytes) != 0)
                continue;
            *found = p;
            return at;
        }
    }
    return bytes;
}

static lam_code encode_pieces(const lam_tokenizer *tokenizer, const uint8_t *text, size_t bytes,
                              lam_ids *ids, lam_error *error) {
    for (size_t start = 0, end; start < bytes; start = end) {
        LAM_TRY(lam_stop_check(error));
        end = tokenizer->split ? lam_pretokenizer_next(text, bytes, start) : bytes;
        LAM_TRY(lam_bpe_encode(tokenizer->bpe, text + start, end - start, ids, error));
    }
    return LAM_OK;
}

// A part between added tokens.
static lam_code encode_part(const lam_tokenizer *tokenizer, const uint8_t *text, size_t bytes,
                            lam_ids *ids, lam_error *error) {
    if (!tokenizer->prefix_space || bytes == 0 || text[0] == ' ')
        return encode_pieces(tokenizer, text, bytes, ids, error);
    uint8_t *prefixed = malloc(bytes + 1);
    if (!prefixed) return lam_fail(error, LAM_MEMORY, "no memory for %zu bytes of text", bytes + 1);
    prefixed[0] = ' ';
    memcpy(prefixed + 1, text, bytes);
    lam_code code = encode_pieces(tokenizer, prefixed, bytes + 1, ids, error);
    free(prefixed);
    return code;
}

typedef lam_code (*encoder)(const lam_tokenizer *, const uint8_t *, size_t, lam_ids *, lam_error *);

// Added tokens of the set, and what is between them by encode.
static lam_code encode_around(const pattern_set *set, encoder encode,
                              const lam_tokenizer *tokenizer, const uint8_t *text, size_t bytes,
                              lam_ids *ids, lam_error *error) {
    for (size_t start = 0; start < bytes;) {
        const pattern *found;
        size_t end = find_pattern(set, text, bytes, start, &found);
        LAM_TRY(encode(tokenizer, text + start, end - start, ids, error));
        start = end;
        if (!found) continue;
        LAM_TRY(lam_ids_reserve(ids, 1, error));
        ids->id[ids->count++] = found->id;
        start += found->text.bytes;
    }
    return LAM_OK;
}

// A part between added tokens that are not normalized.
static lam_code encode_composed(const lam_tokenizer *tokenizer, const uint8_t *text, size_t bytes,
                                lam_ids *ids, lam_error *error) {
    lam_normalized composed = {0};
    lam_code code = LAM_OK;
    if (tokenizer->nfc && lam_nfc_needed(text, bytes)) {
        code = lam_nfc(text, bytes, &composed, error);
        text = composed.data;
        bytes = composed.count;
    }
    if (code == LAM_OK)
        code =
            encode_around(&tokenizer->normalized, encode_part, tokenizer, text, bytes, ids, error);
    lam_normalized_destroy(&composed);
    return code;
}

lam_code lam_tokenizer_encode(const lam_tokenizer *tokenizer, const char *text, size_t bytes,
                              lam_ids *ids, lam_error *error) {
    size_t before = ids->count;
    char *valid = NULL;
    if (lam_utf8_valid(text, bytes) != bytes) {
        size_t length = lam_utf8_replace(text, bytes, NULL, NULL);
        valid = malloc(length);
        if (!valid) return lam_fail(error, LAM_MEMORY, "no memory for %zu bytes of text", length);
        bytes = lam_utf8_replace(text, bytes, valid, NULL);
        text = valid;
    }
    lam_code code = encode_around(&tokenizer->raw, encode_composed, tokenizer,
                                  (const uint8_t *)text, bytes, ids, error);
    free(valid);
    if (code != LAM_OK) ids->count = before;
    return code;
}

const char *lam_tokenizer_piece(const lam_tokenizer *tokenizer, uint32_t id, size_t *bytes) {
    *bytes = id < tokenizer->vocabulary ? tokenizer->piece[id].bytes : 0;
    return id < tokenizer->vocabulary ? (const char *)tokenizer->piece[id].data : NULL;
}

size_t lam_tokenizer_vocabulary(const lam_tokenizer *tokenizer) {
    return tokenizer->vocabulary;
}

static bool same(const lam_token_bytes *token, const char *text, size_t bytes) {
    return token->data && token->bytes == bytes && memcmp(token->data, text, bytes) == 0;
}

int64_t lam_tokenizer_find(const lam_tokenizer *tokenizer, const char *text, size_t bytes) {
    const pattern_set *sets[] = {&tokenizer->raw, &tokenizer->normalized};
    for (int s = 0; s < 2; s++)
        for (size_t i = 0; i < sets[s]->count; i++)
            if (same(&sets[s]->pattern[i].text, text, bytes)) return sets[s]->pattern[i].id;
    for (size_t i = 0; i < tokenizer->vocabulary; i++)
        if (same(&tokenizer->piece[i], text, bytes)) return (int64_t)i;
    return -1;
}

const char *lam_tokenizer_digest(const lam_tokenizer *tokenizer) {
    return tokenizer->digest;
}
