// Text to token ids, as the owners' fast tokenizers of GPT-2 and GPT-NeoX (the library
// `tokenizers`) give them, to the last one. The way of a text:
//   1. What is not UTF-8 becomes U+FFFD (utf8.h).
//   2. Added tokens that are not normalized ("<|endoftext|>") are found: leftmost, then longest.
//   3. What is between them is composed (NFC) if the tokenizer says so.
//   4. Added tokens that are normalized (runs of blanks in Pythia's) are found in that, likewise.
//   5. What is between those is split into pieces (pretokenizer.h), each of them encoded (bpe.h).
#ifndef LAM_TOKENIZER_H
#define LAM_TOKENIZER_H

#include "bpe.h"
#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_tokenizer lam_tokenizer;

enum { LAM_TOKENIZER_DIGEST = 65 }; // SHA-256 in hexadecimal and a NUL
enum { LAM_MOST_TOKENS = 1 << 20 }; // ids are below
enum { LAM_MOST_ADDED_TOKENS = 1 << 14, LAM_LONGEST_ADDED_TOKEN = 1 << 10 }; // bytes

typedef struct lam_added_token {
    uint32_t id;
    const char *text; // UTF-8
    size_t bytes;
    bool normalized;
} lam_added_token;

// What a tokenizer is made of.
typedef struct lam_tokenizer_parts {
    const char *const *token; // [token_count], in the byte alphabet; NULL where an id is not used
    size_t token_count;
    const lam_merge *merge; // [merge_count], first rank first
    size_t merge_count;
    const lam_added_token *added; // [added_count]; their ids may be those of tokens above
    size_t added_count;
    bool nfc;
    bool prefix_space;                 // a blank is put before each part that begins with none
    bool split;                        // into pieces; else each part is one
    char digest[LAM_TOKENIZER_DIGEST]; // of the files it came from
} lam_tokenizer_parts;

// Makes a tokenizer; the parts are copied. LAM_INPUT if they do not fit together (bpe.h; an added
// token that is empty, too long, no UTF-8 or given twice; too many of them; an id of
// LAM_MOST_TOKENS or more), LAM_MEMORY.
LAM_CHECKED lam_code lam_tokenizer_create(const lam_tokenizer_parts *parts,
                                          lam_tokenizer **tokenizer, lam_error *error);
void lam_tokenizer_destroy(lam_tokenizer *tokenizer);

// Appends the ids of text, which need not end with a NUL and may hold any bytes. Each call is a
// text of its own: a text cut in two may give other ids at the cut. Takes time and memory in
// proportion to bytes; any number of threads may use one tokenizer at once. LAM_MEMORY; LAM_INPUT
// for 4 GiB without a space in them. On an error ids keeps what it held before.
LAM_CHECKED lam_code lam_tokenizer_encode(const lam_tokenizer *tokenizer, const char *text,
                                          size_t bytes, lam_ids *ids, lam_error *error);

// The bytes a token stands for, owned by the tokenizer, not ended by a NUL; a token can be part of
// a character. NULL where there is no such id. The pieces of all ids of a text, one after the
// other, are the text as it was after steps 1 and 3 (with the blanks that prefix_space adds).
const char *lam_tokenizer_piece(const lam_tokenizer *tokenizer, uint32_t id, size_t *bytes);

// The highest id + 1: an embedding needs so many rows.
size_t lam_tokenizer_vocabulary(const lam_tokenizer *tokenizer);

// The id of the token that stands for exactly these bytes, an added token first; -1 if there is
// none.
int64_t lam_tokenizer_find(const lam_tokenizer *tokenizer, const char *text, size_t bytes);

// The SHA-256 of the files the tokenizer came from, in hexadecimal.
const char *lam_tokenizer_digest(const lam_tokenizer *tokenizer);

#endif
