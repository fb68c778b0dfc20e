// The tokenizer of a checkpoint folder.
#ifndef LAM_TOKENIZER_FILE_H
#define LAM_TOKENIZER_FILE_H

#include "src/error.h"
#include "src/tokenizer.h"

// Reads folder's tokenizer, to be destroyed by lam_tokenizer_destroy: from tokenizer.json where
// there is one, as the owners' fast tokenizers do, else from vocab.json and merges.txt.
//
// tokenizer.json: byte-level BPE. Normalizer null or NFC; pre-tokenizer ByteLevel with any
// add_prefix_space and use_regex; decoder null or ByteLevel; a post-processor that adds nothing;
// each also as a Sequence of one. Merges are "a b" or ["a", "b"]. Added tokens may be special or
// not, normalized or not. What would give other ids is refused by its name: any other component,
// ignore_merges, dropout, prefixes and suffixes of subwords, lstrip, rstrip and single_word of
// added tokens, and ids of added tokens that the library `tokenizers` would number otherwise.
// Truncation and padding are matters of batches and passed over; so are unk_token and
// byte_fallback, because a token is required for every byte that can come.
//
// vocab.json and merges.txt: GPT-2's. "<|endoftext|>" in a text is one token if the vocabulary has
// it.
//
// model: its folder, or NAME@COMMIT in the cache (model_folder.h).
//
// The digest is that of tokenizer.json, or of vocab.json followed by merges.txt. Ids may have gaps.
// LAM_IO if a file is missing or cannot be read, LAM_INPUT if it is too large, malformed or not
// supported, LAM_MEMORY; each line names the file and the remedy.
LAM_CHECKED lam_code lam_tokenizer_load(const char *model, lam_tokenizer **tokenizer,
                                        lam_error *error);

#endif
