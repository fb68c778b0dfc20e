// SHA-256 by OpenSSL, streamed.
#ifndef LAM_SHA256_H
#define LAM_SHA256_H

#include "src/error.h"

#include <stddef.h>
#include <stdint.h>

enum { LAM_SHA256_BYTES = 32, LAM_SHA256_TEXT = 65 };

typedef struct lam_sha256 lam_sha256;

// NULL: no memory.
lam_sha256 *lam_sha256_create(void);
void lam_sha256_update(lam_sha256 *hash, const void *data, size_t bytes);
// Ends, frees the hash, and gives the digest.
void lam_sha256_finish(lam_sha256 *hash, uint8_t digest[LAM_SHA256_BYTES]);
void lam_sha256_destroy(lam_sha256 *hash);

// Of bytes in memory. LAM_MEMORY if OpenSSL is refused memory.
LAM_CHECKED lam_code lam_sha256_of(const void *data, size_t bytes, uint8_t digest[LAM_SHA256_BYTES],
                                   lam_error *error);

// Of a file, in hexadecimal. LAM_IO, LAM_MEMORY.
LAM_CHECKED lam_code lam_sha256_of_file(const char *path, char text[LAM_SHA256_TEXT],
                                        lam_error *error);

// Lower-case hexadecimal, ended by a NUL.
void lam_sha256_text(const uint8_t digest[LAM_SHA256_BYTES], char text[LAM_SHA256_TEXT]);

#endif
