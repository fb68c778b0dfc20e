// Token shards: a text as token ids in NAME.npy, and NAME.yaml beside it, the manifest that says
// where they come from.
//
// NAME.npy is NumPy's format 1.0 (numpy.lib.format), one dimension, little-endian: uint16 if all
// ids are below 65536, else uint32. numpy.load(NAME.npy, mmap_mode="r") reads it. Of several
// documents (the articles of a dump) NAME.documents.npy, uint64 [documents + 1], says where each
// begins, the number of all tokens last.
#ifndef LAM_TOKENS_H
#define LAM_TOKENS_H

#include "src/arena.h"
#include "src/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The manifest; its keys have the fields' names. Digests are SHA-256 in hexadecimal.
typedef struct lam_token_manifest {
    const char *source; // path of the text, as it was given
    const char *source_sha256;
    const char *tokenizer_sha256; // lam_tokenizer_digest
    const char *text_options;     // how the source was read: "html: clip"; "" for plain text
    const char *laminar;          // the version that made it
    // These are the writer's to give.
    size_t tokens;
    const char *dtype; // "uint16" or "uint32"
    const char *npy_sha256;
    size_t documents;             // 0: the text is one
    const char *documents_sha256; // of NAME.documents.npy; NULL where there is none
} lam_token_manifest;

typedef struct lam_tokens {
    lam_token_manifest manifest;
    size_t count;
    size_t width;        // bytes an id: 2 or 4
    const uint8_t *data; // [count, width], little-endian
    void *map;           // the file
    size_t map_bytes;
    const uint8_t *document; // [manifest.documents + 1, 8], little-endian; NULL: none
    void *document_map;
    size_t document_map_bytes;
    lam_arena arena; // of the manifest's texts
} lam_tokens;

// Writes count ids to path, which must end in ".npy", and the manifest beside it. Each appears
// whole or not at all (replace_file.h); if the manifest cannot be written the ids are removed
// again. Not collective. LAM_USAGE for another ending, LAM_INPUT if a text of the manifest is not
// UTF-8, LAM_IO, LAM_MEMORY.
LAM_CHECKED lam_code lam_tokens_write(const char *path, const uint32_t *id, size_t count,
                                      const lam_token_manifest *manifest, lam_error *error);

// The same piece by piece, for ids that are all below vocabulary: it says their width. With
// documents, each is ended by end_document. path must outlive the writer. Either commit, which adds
// the manifest, or discard (NULL is left alone) frees it. Errors as above.
typedef struct lam_token_writer lam_token_writer;
LAM_CHECKED lam_code lam_token_writer_open(const char *path, size_t vocabulary, bool documents,
                                           lam_token_writer **writer, lam_error *error);
LAM_CHECKED lam_code lam_token_writer_add(lam_token_writer *writer, const uint32_t *id,
                                          size_t count, lam_error *error);
LAM_CHECKED lam_code lam_token_writer_end_document(lam_token_writer *writer, lam_error *error);
size_t lam_token_writer_count(const lam_token_writer *writer); // ids so far
LAM_CHECKED lam_code lam_token_writer_commit(lam_token_writer *writer,
                                             const lam_token_manifest *manifest, lam_error *error);
void lam_token_writer_discard(lam_token_writer *writer);

// Maps the ids of path into memory and checks everything: header, length, manifest and that the
// file's SHA-256 is the manifest's (which reads it once). To be closed by lam_tokens_close. Not
// collective. LAM_USAGE for another ending, LAM_IO if a file is missing or cannot be read,
// LAM_INPUT if it is not what it says, LAM_MEMORY; each line names the file and the remedy.
LAM_CHECKED lam_code lam_tokens_open(const char *path, lam_tokens *tokens, lam_error *error);
void lam_tokens_close(lam_tokens *tokens);

// id[0 .. count - 1] = tokens first .. first + count - 1, which must be there.
void lam_tokens_copy(const lam_tokens *tokens, size_t first, size_t count, uint32_t *id);

// Where a document begins, 0 .. manifest.documents; of the last of these numbers: where all end.
size_t lam_tokens_document(const lam_tokens *tokens, size_t document);

// *beside = path with ending in the place of ".npy", owned by arena. LAM_USAGE where path does not
// end so.
LAM_CHECKED lam_code lam_tokens_beside(const char *path, const char *ending, lam_arena *arena,
                                       char **beside, lam_error *error);

#endif
