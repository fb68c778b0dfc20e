#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fixture.h"
#include "io/tokens.h"

#include <dirent.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define DIGEST_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define DIGEST_1 "1111111111111111111111111111111111111111111111111111111111111111"

static const lam_token_manifest manifest = {.source = "pages/caf\xc3\xa9 \"a: b\" # c.html",
                                            .source_sha256 = DIGEST_A,
                                            .tokenizer_sha256 = DIGEST_1,
                                            .text_options = "html: clip",
                                            .laminar = "0.1.0"};

static char *in(const char *folder, const char *name) {
    static char path[4][4096];
    static unsigned next;
    char *made = path[next++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", folder, name);
    return made;
}

static size_t files_in(const char *folder) {
    DIR *opened = opendir(folder);
    assert_non_null(opened);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(opened));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(opened);
    return count;
}

static void write_tokens(const char *path, const uint32_t *id, size_t count) {
    lam_error error = {0};
    if (lam_tokens_write(path, id, count, &manifest, &error) != LAM_OK) fail_msg("%s", error.text);
}

static char *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    struct stat info;
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &info), 0);
    *bytes = (size_t)info.st_size;
    char *data = calloc(*bytes + 1, 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

static void write_file(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void assert_round_trip(const char *path, const uint32_t *id, size_t count, size_t width) {
    lam_tokens tokens = {0};
    lam_error error = {0};
    uint32_t copy[300] = {0};
    write_tokens(path, id, count);
    if (lam_tokens_open(path, &tokens, &error) != LAM_OK) fail_msg("%s", error.text);
    assert_int_equal(tokens.count, count);
    assert_int_equal(tokens.width, width);
    assert_int_equal(tokens.manifest.tokens, count);
    assert_string_equal(tokens.manifest.dtype, width == 2 ? "uint16" : "uint32");
    assert_string_equal(tokens.manifest.source, manifest.source);
    assert_string_equal(tokens.manifest.source_sha256, manifest.source_sha256);
    assert_string_equal(tokens.manifest.tokenizer_sha256, manifest.tokenizer_sha256);
    assert_string_equal(tokens.manifest.text_options, manifest.text_options);
    assert_string_equal(tokens.manifest.laminar, manifest.laminar);
    assert_int_equal(strlen(tokens.manifest.npy_sha256), 64);
    lam_tokens_copy(&tokens, 0, count, copy);
    assert_memory_equal(copy, id, count * sizeof *id);
    if (count > 2) {
        lam_tokens_copy(&tokens, count - 2, 2, copy);
        assert_memory_equal(copy, id + count - 2, 2 * sizeof *id);
    }
    lam_tokens_close(&tokens);
    assert_null(tokens.map);
}

static void round_trips(void **state) {
    (void)state;
    char *folder = temp_dir();
    uint32_t id[300];
    for (uint32_t i = 0; i < 300; i++) id[i] = i * 219; // to 65481
    assert_round_trip(in(folder, "a.npy"), id, 300, 2);
    assert_round_trip(in(folder, "a.npy"), id, 0, 2);
    id[7] = 65535;
    assert_round_trip(in(folder, "a.npy"), id, 300, 2);
    id[7] = 65536;
    assert_round_trip(in(folder, "a.npy"), id, 300, 4);
    id[299] = UINT32_MAX;
    assert_round_trip(in(folder, "a.npy"), id, 300, 4);
    assert_int_equal(files_in(folder), 2);
    remove_tree(folder);
    free(folder);
}

// Byte by byte what numpy.save writes of numpy.array([1, 258], "<u2"), format 1.0.
static void bytes_of_the_file(void **state) {
    (void)state;
    char *folder = temp_dir();
    size_t bytes;
    static const char words[] = "{'descr': '<u2', 'fortran_order': False, 'shape': (2,), }";
    write_tokens(in(folder, "a.npy"), (uint32_t[]){1, 258}, 2);
    char *data = read_file(in(folder, "a.npy"), &bytes);
    assert_int_equal(bytes, 128 + 4);
    assert_memory_equal(data, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(data + 10, words, strlen(words));
    for (size_t i = 10 + strlen(words); i < 127; i++) assert_int_equal(data[i], ' ');
    assert_int_equal(data[127], '\n');
    assert_memory_equal(data + 128, "\x01\x00\x02\x01", 4);
    free(data);
    data = read_file(in(folder, "a.yaml"), &bytes);
    assert_non_null(strstr(data, "\ntokens: 2\n"));
    assert_non_null(strstr(data, "\ntokenizer_sha256: \"" DIGEST_1 "\"\n"));
    assert_non_null(strstr(data, "\ndtype: uint16\n"));
    free(data);
    remove_tree(folder);
    free(folder);
}

static void assert_refused(const char *path, lam_code code, const char *words) {
    lam_tokens tokens = {0};
    lam_error error = {0};
    lam_code got = lam_tokens_open(path, &tokens, &error);
    if (got == LAM_OK) fail_msg("\"%s\" was expected, but it was read", words);
    if (!strstr(error.text, words) || strchr(error.text, '\n'))
        fail_msg("\"%s\" was expected, not: %s", words, error.text);
    assert_int_equal(got, code);
    assert_null(tokens.map);
}

// Puts other bytes over those at an offset of a good file of four tokens.
static void hostile_npy(void **state) {
    (void)state;
    static const struct {
        size_t offset;
        const char *put, *words;
    } bad[] = {
        {1, "X", "is not a NumPy file"},
        {6, "\x02", "of another version than 1.0"},
        {8, "\xff\xff", "ends within its header"},
        {10, "{'Descr'", "no NumPy header that can be read"},
        {20, "'<i8'", "has numbers of type '<i8'"},
        {20, "'>u2'", "has numbers of type '>u2'"},
        {20, "'<u4'", "8 bytes of numbers where its header speaks of 4 x 4"},
        {44, "True ", "does not hold one row"},
        {60, "(9,), }", "8 bytes of numbers where its header speaks of 9 x 2"},
        {60, "(4,1),}", "does not hold one row"},
        {60, "(-4,),}", "does not hold one row"},
        {60, "4, },  ", "does not hold one row"},
        {60, "(99999999999999999999999999,), }", "where its header speaks of"},
        {60, "(9223372036854775810,), }", "where its header speaks of"},
        {130, "\x07", "has the SHA-256"},
    };
    char *folder = temp_dir(), *path = strdup(in(folder, "a.npy"));
    size_t bytes;
    write_tokens(path, (uint32_t[]){1, 2, 3, 4}, 4);
    char *data = read_file(path, &bytes);
    assert_memory_equal(data + 60, "(4,), }", 7);
    char *changed = malloc(bytes + 1);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        memcpy(changed, data, bytes);
        memcpy(changed + bad[i].offset, bad[i].put, strlen(bad[i].put));
        write_file(path, changed, bytes);
        assert_refused(path, LAM_INPUT, bad[i].words);
    }
    for (size_t length = 0; length < bytes; length++) {
        write_file(path, data, length);
        assert_refused(path, LAM_INPUT, "make it again with laminar tokenize");
    }
    memcpy(changed, data, bytes);
    write_file(path, changed, bytes + 1);
    assert_refused(path, LAM_INPUT, "9 bytes of numbers");
    assert_int_equal(unlink(path), 0);
    assert_refused(path, LAM_IO, "cannot open");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, LAM_IO, "is not a regular file");
    assert_refused(in(folder, "a.txt"), LAM_USAGE, "must be named NAME.npy");
    assert_refused("", LAM_USAGE, "must be named NAME.npy");
    free(changed);
    free(data);
    free(path);
    remove_tree(folder);
    free(folder);
}

static void hostile_manifest(void **state) {
    (void)state;
    static const struct {
        const char *find, *put, *words;
    } bad[] = {
        {"tokens: 4", "tokens: 5", "speaks of 5 tokens, but its .npy has 4"},
        {"tokens: 4", "tokens: [4]", "has no tokens"},
        {"tokens: 4", "token_: 4", "has no tokens"},
        {"dtype: uint16", "dtype: uint32", "speaks of dtype uint32"},
        {"source_sha256", "source-sha256", "has no source_sha256"},
        {"npy_sha256: \"", "npy_sha256: \"0", "was made for 0"},
        {"laminar", "Laminar", "has no laminar"},
        {"source:", "\"source:", "is not valid YAML"},
        {"source:", "source", "has no source"},
        {"source:", "- source:", "is not valid YAML"},
        {"source:", "\x01ource:", "is not valid YAML"},
    };
    char *folder = temp_dir(), *path = strdup(in(folder, "a.npy"));
    char *beside = strdup(in(folder, "a.yaml"));
    size_t bytes;
    write_tokens(path, (uint32_t[]){1, 2, 3, 4}, 4);
    char *data = read_file(beside, &bytes);
    char *changed = malloc(bytes + 64);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *at = strstr(data, bad[i].find);
        assert_non_null(at);
        sprintf(changed, "%.*s%s%s", (int)(at - data), data, bad[i].put, at + strlen(bad[i].find));
        write_file(beside, changed, strlen(changed));
        assert_refused(path, LAM_INPUT, bad[i].words);
    }
    static const char *const whole[] = {"", "- a\n- b\n", "text\n", "# nothing\n"};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        write_file(beside, whole[i], strlen(whole[i]));
        assert_refused(path, LAM_INPUT, "is no list of keys");
    }
    write_file(beside, "\xff\xfe\x00", 3);
    assert_refused(path, LAM_INPUT, "make it again with laminar tokenize");
    assert_int_equal(truncate(beside, 2 << 20), 0);
    assert_refused(path, LAM_INPUT, "is too large for a manifest");
    assert_int_equal(unlink(beside), 0);
    assert_refused(path, LAM_IO, "a.yaml: No such file");
    free(changed);
    free(data);
    free(path);
    free(beside);
    remove_tree(folder);
    free(folder);
}

static void assert_unwritten(const char *path, lam_code code, const char *words) {
    static const uint32_t id[70000] = {1, 2, 3};
    lam_error error = {0};
    assert_int_equal(lam_tokens_write(path, id, 70000, &manifest, &error), code);
    if (!strstr(error.text, words)) fail_msg("\"%s\" was expected, not: %s", words, error.text);
}

static void cannot_write(void **state) {
    (void)state;
    char *folder = temp_dir();
    assert_unwritten(in(folder, "a.bin"), LAM_USAGE, "must be named NAME.npy");
    assert_unwritten(in(folder, "none/a.npy"), LAM_IO, "a.");
    assert_int_equal(files_in(folder), 0);

    // A disk that is full after 64 KiB, as far as this process can tell.
    struct rlimit before, little = {65536, 65536};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    little.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    assert_unwritten(in(folder, "a.npy"), LAM_IO, "a.npy");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(files_in(folder), 0);

    // A manifest that cannot be: the ids are not written either.
    assert_int_equal(mkdir(in(folder, "a.yaml"), 0777), 0);
    assert_unwritten(in(folder, "a.npy"), LAM_IO, "a.yaml");
    assert_int_equal(files_in(folder), 1);

    lam_token_manifest bad = manifest;
    bad.source = "\xff.txt";
    lam_error error = {0};
    assert_int_equal(lam_tokens_write(in(folder, "b.npy"), NULL, 0, &bad, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "is not UTF-8: rename the source"));
    assert_int_equal(files_in(folder), 1);
    remove_tree(folder);
    free(folder);
}

static void write_documents(const char *path) {
    lam_token_writer *writer;
    lam_error error = {0};
    if (lam_token_writer_open(path, 1000, true, &writer, &error) != LAM_OK)
        fail_msg("%s", error.text);
    assert_int_equal(lam_token_writer_add(writer, (uint32_t[]){1, 2, 3}, 3, &error), LAM_OK);
    assert_int_equal(lam_token_writer_end_document(writer, &error), LAM_OK);
    assert_int_equal(lam_token_writer_end_document(writer, &error), LAM_OK);
    assert_int_equal(lam_token_writer_add(writer, (uint32_t[]){999}, 1, &error), LAM_OK);
    assert_int_equal(lam_token_writer_end_document(writer, &error), LAM_OK);
    assert_int_equal(lam_token_writer_count(writer), 4);
    if (lam_token_writer_commit(writer, &manifest, &error) != LAM_OK) fail_msg("%s", error.text);
}

// Three documents, the second of them empty; then their file damaged.
static void documents(void **state) {
    (void)state;
    char *folder = temp_dir(), *path = in(folder, "d.npy");
    lam_tokens tokens = {0};
    lam_error error = {0};
    uint32_t id[4];
    write_documents(path);
    assert_int_equal(files_in(folder), 3);
    if (lam_tokens_open(path, &tokens, &error) != LAM_OK) fail_msg("%s", error.text);
    assert_int_equal(tokens.count, 4);
    assert_int_equal(tokens.manifest.documents, 3);
    static const size_t starts[] = {0, 3, 3, 4};
    for (size_t i = 0; i < 4; i++) assert_int_equal(lam_tokens_document(&tokens, i), starts[i]);
    lam_tokens_copy(&tokens, 0, 4, id);
    assert_memory_equal(id, ((uint32_t[]){1, 2, 3, 999}), sizeof id);
    lam_tokens_close(&tokens);

    size_t bytes;
    char *data = read_file(in(folder, "d.documents.npy"), &bytes);
    assert_int_equal(bytes, 128 + 4 * 8);
    assert_non_null(strstr(data + 10, "'<u8'"));
    data[bytes - 1] = 1;
    write_file(in(folder, "d.documents.npy"), data, bytes);
    assert_refused(path, LAM_INPUT, "one of them was changed");
    remove(in(folder, "d.documents.npy"));
    assert_refused(path, LAM_IO, "d.documents.npy: No such file");
    // One that was discarded leaves nothing.
    lam_token_writer *writer;
    assert_int_equal(lam_token_writer_open(in(folder, "e.npy"), 1000, true, &writer, &error),
                     LAM_OK);
    lam_token_writer_discard(writer);
    assert_int_equal(files_in(folder), 2);
    free(data);
    remove_tree(folder);
    free(folder);
}

// More ids than a piece holds.
static void many_ids(void **state) {
    (void)state;
    enum { MANY = 200000 };
    char *folder = temp_dir(), *path = in(folder, "m.npy");
    uint32_t *id = calloc(MANY, sizeof *id), *copy = calloc(MANY, sizeof *copy);
    lam_tokens tokens = {0};
    lam_error error = {0};
    assert_true(id && copy);
    for (uint32_t i = 0; i < MANY; i++) id[i] = i;
    write_tokens(path, id, MANY);
    if (lam_tokens_open(path, &tokens, &error) != LAM_OK) fail_msg("%s", error.text);
    assert_int_equal(tokens.width, 4);
    lam_tokens_copy(&tokens, 0, MANY, copy);
    assert_memory_equal(id, copy, MANY * sizeof *id);
    assert_int_equal(tokens.manifest.documents, 0);
    lam_tokens_close(&tokens);
    remove_tree(folder);
    free(folder);
    free(id);
    free(copy);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),  cmocka_unit_test(bytes_of_the_file),
        cmocka_unit_test(hostile_npy),  cmocka_unit_test(hostile_manifest),
        cmocka_unit_test(cannot_write), cmocka_unit_test(documents),
        cmocka_unit_test(many_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
