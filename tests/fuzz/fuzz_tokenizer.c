// libFuzzer over the tokenizers. The first byte says what the rest is: a text to be encoded with
// the demo model's tokenizer (its pieces must make the text again), a tokenizer.json, a merges.txt
// beside the demo model's vocab.json, or a vocab.json beside its merges.txt. From the project's
// folder:
//     clang-14 -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. -Isrc \
//         -DLAM_TEST_DEMO='"jobs/demo/model"' tests/fuzz/fuzz_tokenizer.c io/tokenizer_file.c \
//         io/sha256.c src/{arena,bpe,error,normalizer,pretokenizer,tokenizer,utf8}.c \
//         -ljansson -lcrypto -lutf8proc -o fuzz_tokenizer && ./fuzz_tokenizer -max_len=100000
#include "io/tokenizer_file.h"
#include "src/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds) {
    if (!holds) abort();
}

static lam_tokenizer *demo(void) {
    static lam_tokenizer *made;
    lam_error error = {0};
    if (!made) must(lam_tokenizer_load(LAM_TEST_DEMO, &made, &error) == LAM_OK);
    return made;
}

static void encode(const lam_tokenizer *tokenizer, const uint8_t *data, size_t bytes,
                   bool compare) {
    lam_ids ids = {0};
    lam_error error = {0};
    must(lam_tokenizer_encode(tokenizer, (const char *)data, bytes, &ids, &error) == LAM_OK);
    char *valid = malloc(3 * bytes + 1);
    must(valid != NULL);
    size_t count = lam_utf8_replace(data, bytes, valid, NULL);
    size_t done = 0, length;
    for (size_t i = 0; i < ids.count; i++, done += length) {
        const char *piece = lam_tokenizer_piece(tokenizer, ids.id[i], &length);
        must(piece != NULL);
        must(!compare || (done + length <= count && !memcmp(valid + done, piece, length)));
    }
    must(!compare || done == count);
    free(valid);
    lam_ids_destroy(&ids);
}

static void write_file(const char *folder, const char *name, const uint8_t *data, size_t bytes) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    FILE *file = fopen(path, "wb");
    must(file && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0);
}

// The demo model's own file of that name.
static void link_file(const char *folder, const char *name) {
    char own[4096], path[256], *real = realpath(LAM_TEST_DEMO, NULL);
    snprintf(own, sizeof own, "%s/%s", real, name);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    must(real && symlink(own, path) == 0);
    free(real);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char folder[] = "/dev/shm/laminar-fuzz-XXXXXX";
    static bool made;
    if (!made) must(made = mkdtemp(folder) != NULL);
    if (bytes == 0) return 0;
    uint8_t kind = data[0] % 4;
    data++, bytes--;
    if (kind == 0) {
        encode(demo(), data, bytes, true);
        return 0;
    }
    char json[64];
    snprintf(json, sizeof json, "%s/tokenizer.json", folder);
    unlink(json);
    if (kind == 1) write_file(folder, "tokenizer.json", data, bytes);
    if (kind == 2) link_file(folder, "vocab.json"), write_file(folder, "merges.txt", data, bytes);
    if (kind == 3) write_file(folder, "vocab.json", data, bytes), link_file(folder, "merges.txt");
    lam_tokenizer *tokenizer = NULL;
    lam_error error = {0};
    if (lam_tokenizer_load(folder, &tokenizer, &error) == LAM_OK)
        encode(tokenizer, data, bytes, false);
    lam_tokenizer_destroy(tokenizer);
    return 0;
}
