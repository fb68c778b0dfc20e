#include "io/sha256.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lam_sha256 {
    EVP_MD_CTX *context;
};

lam_sha256 *lam_sha256_create(void) {
    lam_sha256 *hash = malloc(sizeof *hash);
    if (!hash) return NULL;
    hash->context = EVP_MD_CTX_new();
    if (!hash->context || EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL) != 1) {
        lam_sha256_destroy(hash);
        return NULL;
    }
    return hash;
}

void lam_sha256_update(lam_sha256 *hash, const void *data, size_t bytes) {
    EVP_DigestUpdate(hash->context, data, bytes);
}

void lam_sha256_finish(lam_sha256 *hash, uint8_t digest[LAM_SHA256_BYTES]) {
    EVP_DigestFinal_ex(hash->context, digest, NULL);
    lam_sha256_destroy(hash);
}

void lam_sha256_destroy(lam_sha256 *hash) {
    if (!hash) return;
    EVP_MD_CTX_free(hash->context);
    free(hash);
}

lam_code lam_sha256_of(const void *data, size_t bytes, uint8_t digest[LAM_SHA256_BYTES],
                       lam_error *error) {
    if (EVP_Digest(data, bytes, digest, NULL, EVP_sha256(), NULL) != 1)
        return lam_fail(error, LAM_MEMORY, "OpenSSL could not compute a SHA-256");
    return LAM_OK;
}

lam_code lam_sha256_of_file(const char *path, char text[LAM_SHA256_TEXT], lam_error *error) {
    char piece[1 << 16];
    uint8_t digest[LAM_SHA256_BYTES];
    FILE *file = fopen(path, "rbe");
    if (!file) return lam_fail(error, LAM_IO, "%s: cannot be opened: %s", path, strerror(errno));
    lam_sha256 *hash = lam_sha256_create();
    size_t got = 0;
    while (hash && (got = fread(piece, 1, sizeof piece, file)) > 0)
        lam_sha256_update(hash, piece, got);
    int number = ferror(file) ? errno : 0;
    fclose(file);
    if (!hash) return lam_fail(error, LAM_MEMORY, "OpenSSL could not compute a SHA-256");
    lam_sha256_finish(hash, digest);
    lam_sha256_text(digest, text);
    return number ? lam_fail(error, LAM_IO, "%s: cannot be read: %s", path, strerror(number))
                  : LAM_OK;
}

void lam_sha256_text(const uint8_t digest[LAM_SHA256_BYTES], char text[LAM_SHA256_TEXT]) {
    static const char digit[] = "0123456789abcdef";
    for (int i = 0; i < LAM_SHA256_BYTES; i++) {
        text[2 * i] = digit[digest[i] >> 4];
        text[2 * i + 1] = digit[digest[i] & 15];
    }
    text[LAM_SHA256_TEXT - 1] = '\0';
}
