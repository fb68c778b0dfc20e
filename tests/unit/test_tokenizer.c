#include "tokenizer_fixture.h"

#include "src/normalizer.h"
#include "src/pretokenizer.h"
#include "src/utf8.h"

// --- ids

static void assert_strings(const char *file, const char *name) {
    const char *folder = folder_of(name);
    if (!folder) skip_without_shared();
    lam_tokenizer *tokenizer = load(folder);
    json_t *root = golden(file), *strings = json_object_get(root, "strings");
    lam_ids ids = {0};
    for (size_t i = 0; i < json_array_size(strings); i++) {
        const json_t *text = json_array_get(strings, i);
        const json_t *expected = json_array_get(json_object_get(root, name), i);
        ids.count = 0;
        encode(tokenizer, json_string_value(text), json_string_length(text), &ids);
        assert_int_equal(ids.count, json_array_size(expected));
        for (size_t j = 0; j < ids.count; j++)
            assert_int_equal(ids.id[j], json_integer_value(json_array_get(expected, j)));
    }
    assert_true(json_array_size(strings) > 20);
    lam_ids_destroy(&ids);
    json_decref(root);
    lam_tokenizer_destroy(tokenizer);
}

static void strings_gpt2(void **state) {
    (void)state;
    assert_strings("tokenization.json", "gpt2");
}

static void strings_pythia(void **state) {
    (void)state;
    assert_strings("tokenization.json", "pythia");
}

static void strings_demo(void **state) {
    (void)state;
    assert_strings("tokenization-demo.json", "demo");
}

static void assert_library_noise(const char *name) {
    const char *folder = folder_of(name);
    if (!folder) skip_without_shared();
    lam_tokenizer *tokenizer = load(folder);
    json_t *root = golden("tokens.json");
    assert_noise(tokenizer, json_object_get(json_object_get(root, "noise"), name));
    json_decref(root);
    lam_tokenizer_destroy(tokenizer);
}

static void noise_gpt2(void **state) {
    (void)state;
    assert_library_noise("gpt2");
}

static void noise_pythia(void **state) {
    (void)state;
    assert_library_noise("pythia");
}

static void noise_demo(void **state) {
    (void)state;
    assert_library_noise("demo");
}

static void every_shared_text(void **state) {
    (void)state;
    if (!shared_path("data")) skip_without_shared();
    json_t *root = golden("tokens.json"), *by_name, *expected;
    const char *file, *name;
    char path[256];
    size_t done = 0;
    lam_ids ids = {0};
    static const char *const known[] = {"gpt2", "pythia", "demo"};
    lam_tokenizer *tokenizer[3];
    for (int i = 0; i < 3; i++) tokenizer[i] = load(folder_of(known[i]));
    json_object_foreach(json_object_get(root, "files"), file, by_name) {
        size_t bytes;
        snprintf(path, sizeof path, "data/%s", file);
        char *text = read_file(shared_path(path), &bytes);
        json_object_foreach(by_name, name, expected) {
            int i = strcmp(name, "gpt2") == 0 ? 0 : strcmp(name, "pythia") == 0 ? 1 : 2;
            ids.count = 0;
            encode(tokenizer[i], text, bytes, &ids);
            assert_ids(&ids, expected);
            done++;
        }
        free(text);
    }
    assert_int_equal(done, 3 * 23);
    for (int i = 0; i < 3; i++) lam_tokenizer_destroy(tokenizer[i]);
    lam_ids_destroy(&ids);
    json_decref(root);
}

// --- pieces

static void pieces_and_find(void **state) {
    (void)state;
    lam_tokenizer *tokenizer = load(LAM_TEST_DEMO);
    size_t bytes, found = 0;
    assert_int_equal(lam_tokenizer_find(tokenizer, "<|endoftext|>", 13), 0);
    assert_int_equal(lam_tokenizer_find(tokenizer, "no such token", 13), -1);
    assert_int_equal(lam_tokenizer_find(tokenizer, "", 0), -1);
    assert_null(lam_tokenizer_piece(tokenizer, 4096, &bytes));
    assert_null(lam_tokenizer_piece(tokenizer, UINT32_MAX, &bytes));
    for (uint32_t id = 0; id < 4096; id++) {
        const char *piece = lam_tokenizer_piece(tokenizer, id, &bytes);
        assert_non_null(piece);
        found += lam_tokenizer_find(tokenizer, piece, bytes) == id;
    }
    assert_int_equal(found, 4096);
    lam_tokenizer_destroy(tokenizer);
}

static void assert_pieces(const lam_tokenizer *tokenizer, const lam_ids *ids, const uint8_t *text,
                          size_t bytes) {
    size_t done = 0;
    for (size_t i = 0; i < ids->count; i++) {
        size_t length;
        const char *piece = lam_tokenizer_piece(tokenizer, ids->id[i], &length);
        assert_non_null(piece);
        assert_true(length <= bytes - done);
        assert_memory_equal(piece, text + done, length);
        done += length;
    }
    assert_int_equal(done, bytes);
}

static void pieces_make_the_text(void **state) {
    (void)state;
    static uint8_t text[NOISE_PARTS * 64];
    static char valid[3 * sizeof text];
    lam_error error = {0};
    lam_tokenizer *plain = load(LAM_TEST_DEMO);
    char *folder = temp_dir();
    json_t *json = demo_json(false);
    json_object_set_new(json, "normalizer", json_pack("{s:s}", "type", "NFC"));
    json_object_del(json, "added_tokens"); // between them, parts are composed one by one
    write_json(folder, "tokenizer.json", json);
    lam_tokenizer *composing = load(folder);
    uint64_t random = 1;
    lam_ids ids = {0};
    lam_normalized composed = {0};
    for (int i = 0; i < NOISE_TEXTS; i++) {
        size_t bytes = noise(&random, text);
        size_t valid_bytes = lam_utf8_replace(text, bytes, valid, NULL);
        composed.count = 0;
        assert_int_equal(lam_nfc((uint8_t *)valid, valid_bytes, &composed, &error), LAM_OK);
        ids.count = 0;
        encode(plain, text, bytes, &ids);
        assert_pieces(plain, &ids, (uint8_t *)valid, valid_bytes);
        ids.count = 0;
        encode(composing, text, bytes, &ids);
        assert_pieces(composing, &ids, composed.data, composed.count);
    }
    lam_normalized_destroy(&composed);
    lam_ids_destroy(&ids);
    lam_tokenizer_destroy(plain);
    lam_tokenizer_destroy(composing);
    json_decref(json);
    remove_tree(folder);
    free(folder);
}

// --- Unicode

static void every_code_point(void **state) {
    (void)state;
    static uint8_t expected[0x110000];
    json_t *root = golden("unicode.json");
    static const char *const kind[] = {"space", "letter", "number"};
    memset(expected, LAM_OTHER, sizeof expected);
    for (uint8_t k = LAM_SPACE; k <= LAM_NUMBER; k++) {
        json_t *ranges = json_object_get(root, kind[k]), *range;
        size_t i;
        json_array_foreach(ranges, i, range) {
            json_int_t first = json_integer_value(json_array_get(range, 0));
            json_int_t last = json_integer_value(json_array_get(range, 1));
            for (json_int_t code = first; code <= last; code++) expected[code] = k;
        }
    }
    for (int32_t code = 0; code < 0x110000; code++) {
        if (code >= 0xD800 && code < 0xE000) continue;
        if (lam_character_of(code) != expected[code])
            fail_msg("U+%04X is %d, not %d: is utf8proc newer than Unicode 16?", (unsigned)code,
                     lam_character_of(code), expected[code]);
    }
    json_decref(root);
}

// make_tokens.py's sweep(): each code point between marks, and before a trailing consonant.
static void every_code_point_composed(void **state) {
    (void)state;
    lam_sha256 *before = lam_sha256_create(), *after = lam_sha256_create();
    uint8_t *line = malloc(4096 * 18 + 1);
    lam_normalized composed = {0};
    lam_error error = {0};
    assert_non_null(line);
    for (uint32_t first = 0x80; first < 0x110000; first += 4096) {
        size_t bytes = 0;
        for (uint32_t code = first; code < first + 4096 && code < 0x110000; code++) {
            if (code >= 0xD800 && code < 0xE000) continue;
            line[bytes++] = 'x';
            bytes += put(line + bytes, code);
            bytes += put(line + bytes, 0x345);
            bytes += put(line + bytes, 0x334);
            bytes += put(line + bytes, 0x301);
            bytes += put(line + bytes, code);
            bytes += put(line + bytes, 0x11A8);
        }
        line[bytes++] = '\n';
        lam_sha256_update(before, line, bytes);
        composed.count = 0;
        assert_int_equal(lam_nfc(line, bytes, &composed, &error), LAM_OK);
        lam_sha256_update(after, composed.data, composed.count);
    }
    json_t *root = golden("unicode.json");
    assert_digest(before, root, "sweep_sha256"); // else the two make different lines
    assert_digest(after, root, "nfc_sha256");
    json_decref(root);
    lam_normalized_destroy(&composed);
    free(line);
}

// --- size and threads

// Ten megabytes without a place to split: what is not in proportion to the size would not end.
static void endless_pieces(void **state) {
    (void)state;
    enum { BYTES = 10 * 1000 * 1000 };
    lam_tokenizer *tokenizer = load(LAM_TEST_DEMO);
    uint8_t *text = malloc(BYTES), *first = text;
    lam_ids ids = {0};
    lam_error error = {0};
    assert_non_null(text);
    memset(text, 'a', BYTES);
    encode(tokenizer, text, BYTES, &ids);
    assert_pieces(tokenizer, &ids, text, BYTES);
    memset(text, ' ', BYTES);
    ids.count = 0;
    encode(tokenizer, text, BYTES, &ids);
    assert_pieces(tokenizer, &ids, text, BYTES);
    for (size_t i = 0; i + 1 < BYTES; i += 2) memcpy(text + i, "<|", 2);
    ids.count = 0;
    encode(tokenizer, text, BYTES, &ids);
    assert_pieces(tokenizer, &ids, text, BYTES);
    lam_ids_destroy(&ids);
    lam_tokenizer_destroy(tokenizer);

    // Marks that all change places, and that utf8proc would sort in the square of their number.
    for (size_t i = 0; i + 3 < BYTES; i += 4) memcpy(text + i, "\xcc\x81\xcc\x96", 4);
    lam_normalized composed = {0};
    assert_int_equal(lam_nfc(text, BYTES, &composed, &error), LAM_OK);
    assert_int_equal(composed.count, BYTES);
    for (size_t i = 0; i < BYTES; i += 2)
        assert_memory_equal(composed.data + i, i < BYTES / 2 ? "\xcc\x96" : "\xcc\x81", 2);
    lam_normalized_destroy(&composed);
    free(first);
}

static void threads_share_a_tokenizer(void **state) {
    (void)state;
    lam_tokenizer *tokenizer = load(LAM_TEST_DEMO);
    json_t *root = golden("tokens.json");
    const json_t *expected = json_object_get(json_object_get(root, "noise"), "demo");
    size_t count[4] = {0};
    int failed = 0;
#pragma omp parallel for num_threads(4) reduction(+ : failed)
    for (int t = 0; t < 4; t++) {
        uint8_t text[NOISE_PARTS * 64];
        uint64_t random = 1;
        lam_ids ids = {0};
        lam_error error = {0};
        for (int i = 0; i < NOISE_TEXTS; i++)
            failed += lam_tokenizer_encode(tokenizer, (char *)text, noise(&random, text), &ids,
                                           &error) != LAM_OK;
        count[t] = ids.count;
        lam_ids_destroy(&ids);
    }
    assert_int_equal(failed, 0);
    for (int t = 0; t < 4; t++)
        assert_int_equal(count[t], json_integer_value(json_object_get(expected, "tokens")));
    json_decref(root);
    lam_tokenizer_destroy(tokenizer);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_gpt2),
        cmocka_unit_test(strings_pythia),
        cmocka_unit_test(strings_demo),
        cmocka_unit_test(noise_gpt2),
        cmocka_unit_test(noise_pythia),
        cmocka_unit_test(noise_demo),
        cmocka_unit_test(every_shared_text),
        cmocka_unit_test(pieces_and_find),
        cmocka_unit_test(pieces_make_the_text),
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(every_code_point_composed),
        cmocka_unit_test(endless_pieces),
        cmocka_unit_test(threads_share_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
