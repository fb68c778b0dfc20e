#include "tokenizer_fixture.h"

static void variants(void **state) {
    (void)state;
    char *folder = temp_dir();
    json_t *root = golden("tokens.json"), *list = json_object_get(root, "variants");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *variant = json_array_get(list, i);
        json_t *made = demo_json(json_is_true(json_object_get(variant, "pairs")));
        assert_non_null(made);
        assert_int_equal(json_object_update(made, json_object_get(variant, "change")), 0);
        write_json(folder, "tokenizer.json", made);
        lam_tokenizer *tokenizer = load(folder);
        assert_noise(tokenizer, variant);
        lam_tokenizer_destroy(tokenizer);
        json_decref(made);
    }
    assert_int_equal(json_array_size(list), 5);
    json_decref(root);
    remove_tree(folder);
    free(folder);
}

// tokenizer.json is preferred, and the digest is that of what was read.
static void which_files(void **state) {
    (void)state;
    char *folder = temp_dir();
    size_t vocab_bytes, merge_bytes;
    char *vocab = read_file(LAM_TEST_DEMO "/vocab.json", &vocab_bytes);
    char *merges = read_file(LAM_TEST_DEMO "/merges.txt", &merge_bytes);
    write_file(folder, "vocab.json", vocab, vocab_bytes);
    write_file(folder, "merges.txt", merges, merge_bytes);
    lam_sha256 *hash = lam_sha256_create();
    uint8_t digest[LAM_SHA256_BYTES];
    char text[LAM_SHA256_TEXT];
    lam_sha256_update(hash, vocab, vocab_bytes);
    lam_sha256_update(hash, merges, merge_bytes);
    lam_sha256_finish(hash, digest);
    lam_sha256_text(digest, text);
    lam_tokenizer *tokenizer = load(folder);
    assert_string_equal(lam_tokenizer_digest(tokenizer), text);
    assert_int_equal(lam_tokenizer_vocabulary(tokenizer), 4096);
    lam_tokenizer_destroy(tokenizer);

    json_t *json = demo_json(true);
    json_object_set_new(
        json, "added_tokens",
        json_pack("[{s:i, s:s, s:b}]", "id", 4096, "content", "<|more|>", "normalized", 0));
    write_json(folder, "tokenizer.json", json);
    tokenizer = load(folder);
    assert_string_not_equal(lam_tokenizer_digest(tokenizer), text);
    assert_int_equal(lam_tokenizer_vocabulary(tokenizer), 4097);
    assert_int_equal(lam_tokenizer_find(tokenizer, "<|more|>", 8), 4096);
    lam_tokenizer_destroy(tokenizer);
    json_decref(json);
    free(vocab);
    free(merges);
    remove_tree(folder);
    free(folder);
}

// --- hostile folders

static void assert_refused(const char *folder, lam_code code, const char *words) {
    lam_error error = {0};
    lam_tokenizer *tokenizer = NULL;
    lam_code got = lam_tokenizer_load(folder, &tokenizer, &error);
    if (got == LAM_OK) fail_msg("\"%s\" was expected, but it was read", words);
    if (!strstr(error.text, words) || !strstr(error.text, folder) || strchr(error.text, '\n'))
        fail_msg("\"%s\" was expected, not: %s", words, error.text);
    assert_int_equal(got, code);
    assert_int_equal(error.code, code);
    assert_null(tokenizer);
}

static void hostile_vocab_and_merges(void **state) {
    (void)state;
    static const char merges_start[] = "#version: 0.2\n";
    static const struct {
        const char *vocab, *merges; // NULL: the demo model's
        const char *words;
    } bad[] = {
        {"", NULL, "is not valid JSON"},
        {"\x80\x81PNG", NULL, "is not valid JSON"},
        {"{\"a\": 1", NULL, "is not valid JSON"},
        {"{\"a\": 1, \"a\": 2}", NULL, "duplicate object key"},
        {"[1, 2]", NULL, "holds no JSON object"},
        {"{\"a\": \"1\"}", NULL, "is no number from 0"},
        {"{\"a\": 1.5}", NULL, "is no number from 0"},
        {"{\"a\": -1}", NULL, "is no number from 0"},
        {"{\"a\": 1048576}", NULL, "is no number from 0"},
        {"{\"a\": 99999999999999999999}", NULL, "is not valid JSON"},
        {"{\"a\": 1, \"b\": 1}", NULL, "have the same id 1"},
        {"{\"a\": 0, \"b\": 1, \"ab\": 2}", "a b\n", "no token for the byte 0x00"},
        {"{}", NULL, "the vocabulary has not the first"},
        {NULL, "", "holds no merges"},
        {NULL, merges_start, "holds no merges"},
        {NULL, "h e\n\xff\xfe\x00\n", "merge 2 is not two tokens"},
        {NULL, "h e\n\nt h\n", "merge 2 is not two tokens"},
        {NULL, "h e t\n", "merge 1 is not two tokens"},
        {NULL, "zzzz h\n", "has not the first"},
        {NULL, "h zzzz\n", "has not the second"},
        {NULL, "#version: 0.2\nh \xff\n", "merge 2 joins"},
        {NULL, "z q\n", "has not the two as one"},
    };
    char *folder = temp_dir();
    char path[4096];
    assert_refused(folder, LAM_IO, "has neither tokenizer.json nor vocab.json");
    size_t vocab_bytes, merge_bytes;
    char *vocab = read_file(LAM_TEST_DEMO "/vocab.json", &vocab_bytes);
    char *merges = read_file(LAM_TEST_DEMO "/merges.txt", &merge_bytes);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *v = bad[i].vocab, *m = bad[i].merges;
        write_file(folder, "vocab.json", v ? v : vocab, v ? strlen(v) : vocab_bytes);
        write_file(folder, "merges.txt", m ? m : merges, m ? strlen(m) : merge_bytes);
        assert_refused(folder, LAM_INPUT, bad[i].words);
    }
    write_file(folder, "merges.txt", "h e\0x\n", 6); // NUL within the text
    assert_refused(folder, LAM_INPUT, "has not the second");
    write_file(folder, "added_tokens.json", "{}", 2);
    assert_refused(folder, LAM_INPUT, "save the tokenizer as tokenizer.json");
    snprintf(path, sizeof path, "%s/added_tokens.json", folder);
    assert_int_equal(unlink(path), 0);
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    assert_int_equal(unlink(path), 0);
    assert_refused(folder, LAM_IO, "merges.txt: No such file");
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(folder, LAM_IO, "merges.txt is not a regular file");
    snprintf(path, sizeof path, "%s/vocab.json", folder);
    assert_int_equal(truncate(path, 65 << 20), 0);
    assert_refused(folder, LAM_INPUT, "a tokenizer has at most");
    assert_int_equal(unlink(path), 0);
    assert_refused(folder, LAM_IO, "vocab.json: No such file");
    snprintf(path, sizeof path, "%s/merges.txt", folder);
    assert_refused(path, LAM_IO, "Not a directory");
    free(vocab);
    free(merges);
    remove_tree(folder);
    assert_refused(folder, LAM_IO, "has neither");
    free(folder);
}

// Sets what is under "a/b" of an object to a value in JSON; NULL removes it.
static void change(json_t *root, const char *path, const char *value) {
    const char *slash = strchr(path, '/');
    char name[64];
    snprintf(name, sizeof name, "%.*s", slash ? (int)(slash - path) : 60, path);
    json_t *owner = slash ? json_object_get(root, name) : root;
    const char *key = slash ? slash + 1 : path;
    if (!value)
        json_object_del(owner, key);
    else
        assert_int_equal(json_object_set_new(owner, key, json_loads(value, JSON_DECODE_ANY, NULL)),
                         0);
}

#define ADDED(id, content, more)                                                                   \
    "[{\"id\": " #id ", \"content\": \"" content "\", \"normalized\": false" more "}]"

static void hostile_tokenizer_json(void **state) {
    (void)state;
    static const struct {
        const char *path, *value, *words;
    } bad[] = {
        {"version", "\"2.0\"", "is not of version 1.0"},
        {"model", NULL, "has no model"},
        {"model", "[]", "has no model"},
        {"model/type", "\"WordPiece\"", "its model \"WordPiece\" is not supported"},
        {"model/type", "\"Unigram\"", "its model \"Unigram\" is not supported"},
        {"model/ignore_merges", "true", "\"ignore_merges\" is not supported"},
        {"model/dropout", "0.1", "\"dropout\" is not supported"},
        {"model/continuing_subword_prefix", "\"##\"", "\"continuing_subword_prefix\" is not"},
        {"model/end_of_word_suffix", "\"</w>\"", "\"end_of_word_suffix\" is not"},
        {"model/vocab", NULL, "has no vocabulary"},
        {"model/vocab", "{}", "the vocabulary has not the first"},
        {"model/merges", NULL, "has no merges"},
        {"model/merges", "{}", "has no merges"},
        {"model/merges", "[]", "holds no merges"},
        {"model/merges", "[[\"h\"]]", "has merges that are not two texts"},
        {"model/merges", "[[\"h\", \"e\", \"r\"]]", "has merges that are not two texts"},
        {"model/merges", "[[1, 2]]", "has merges that are not two texts"},
        {"model/merges", "[17]", "has merges that are not two texts"},
        {"model/merges", "[[\"h\", \"zzzz\"]]", "has not the second"},
        {"normalizer", "{\"type\": \"Lowercase\"}", "its normalizer \"Lowercase\""},
        {"normalizer", "{}", "its normalizer \"without type\""},
        {"normalizer", "{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}, {}]}",
         "its normalizer \"Sequence\""},
        {"pre_tokenizer", "null", "its pre_tokenizer \"null\""},
        {"pre_tokenizer", "{\"type\": \"Whitespace\"}", "its pre_tokenizer \"Whitespace\""},
        {"pre_tokenizer/add_prefix_space", "1", "settings are not true or false"},
        {"pre_tokenizer/use_regex", "\"yes\"", "settings are not true or false"},
        {"post_processor", "{\"type\": \"TemplateProcessing\", \"special_tokens\": {\"<s>\": {}}}",
         "its post_processor \"TemplateProcessing\""},
        {"decoder", "{\"type\": \"WordPiece\"}", "its decoder \"WordPiece\""},
        {"added_tokens", "{}", "added_tokens that are no list"},
        {"added_tokens", "[7]", "an added token without"},
        {"added_tokens", "[{\"id\": 0, \"content\": \"<|endoftext|>\"}]", "an added token without"},
        {"added_tokens", ADDED(0, "<|endoftext|>", ", \"lstrip\": true"), "\"lstrip\" is not"},
        {"added_tokens", ADDED(0, "<|endoftext|>", ", \"rstrip\": true"), "\"rstrip\" is not"},
        {"added_tokens", ADDED(0, "<|endoftext|>", ", \"single_word\": true"),
         "\"single_word\" is"},
        {"added_tokens", ADDED(1, "<|endoftext|>", ""), "the vocabulary gives it another"},
        {"added_tokens", ADDED(4097, "new", "new"), "is not valid JSON"},
        {"added_tokens", ADDED(4097, "<new>", ""), "are not in order"},
        {"added_tokens", ADDED(-1, "<new>", ""), "are not in order"},
        {"added_tokens", ADDED(4096, "", ""), "has 0 bytes"},
        {"added_tokens",
         "[{\"id\": 0, \"content\": \"<|endoftext|>\", \"normalized\": false},"
         " {\"id\": 0, \"content\": \"<|endoftext|>\", \"normalized\": true}]",
         "is given twice"},
    };
    char *folder = temp_dir();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (bad[i].value && strstr(bad[i].words, "not valid JSON")) {
            write_file(folder, "tokenizer.json", bad[i].value, strlen(bad[i].value));
        } else {
            json_t *made = demo_json(true);
            change(made, bad[i].path, bad[i].value);
            write_json(folder, "tokenizer.json", made);
            json_decref(made);
        }
        assert_refused(folder, LAM_INPUT, bad[i].words);
    }
    write_file(folder, "tokenizer.json", "", 0);
    assert_refused(folder, LAM_INPUT, "is not valid JSON");
    remove_tree(folder);
    free(folder);
}

// What older or other writers leave out, or add without a bearing on the ids.
static void harmless_tokenizer_json(void **state) {
    (void)state;
    static const struct {
        const char *path, *value;
    } good[] = {
        {"version", NULL},
        {"model/type", NULL},
        {"model/dropout", NULL},
        {"model/continuing_subword_prefix", "\"\""},
        {"normalizer", NULL},
        {"pre_tokenizer/use_regex", NULL},
        {"truncation", "{\"max_length\": 3}"},
        {"post_processor", "{\"type\": \"TemplateProcessing\", \"special_tokens\": {}}"},
        {"post_processor", "{\"type\": \"ByteLevel\", \"trim_offsets\": false}"},
    };
    char *folder = temp_dir();
    json_t *root = golden("tokens.json");
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        json_t *made = demo_json(i % 2);
        change(made, good[i].path, good[i].value);
        write_json(folder, "tokenizer.json", made);
        lam_tokenizer *tokenizer = load(folder);
        assert_noise(tokenizer, json_object_get(json_object_get(root, "noise"), "demo"));
        lam_tokenizer_destroy(tokenizer);
        json_decref(made);
    }
    json_decref(root);
    remove_tree(folder);
    free(folder);
}

// An id that no token has: the vocabulary is as large as the highest says.
static void gaps(void **state) {
    (void)state;
    char *folder = temp_dir();
    json_t *made = demo_json(true),
           *vocab = json_object_get(json_object_get(made, "model"), "vocab");
    size_t bytes;
    json_object_set_new(vocab, "zqzq", json_integer(5000));
    json_object_set_new(
        made, "added_tokens",
        json_pack("[{s:i, s:s, s:b}]", "id", 4097, "content", "<|more|>", "normalized", 0));
    write_json(folder, "tokenizer.json", made);
    lam_tokenizer *tokenizer = load(folder);
    assert_int_equal(lam_tokenizer_vocabulary(tokenizer), 5001);
    assert_null(lam_tokenizer_piece(tokenizer, 4999, &bytes));
    assert_int_equal(bytes, 0);
    assert_memory_equal(lam_tokenizer_piece(tokenizer, 5000, &bytes), "zqzq", 4);
    lam_ids ids = {0};
    encode(tokenizer, "zqzq<|more|>", 12, &ids); // no merge makes 5000
    assert_int_equal(ids.id[ids.count - 1], 4097);
    for (size_t i = 0; i < ids.count; i++) assert_int_not_equal(ids.id[i], 5000);
    lam_ids_destroy(&ids);
    lam_tokenizer_destroy(tokenizer);

    json_object_set_new(vocab, "zqzqz", json_integer(4098));
    write_json(folder, "tokenizer.json", made);
    assert_refused(folder, LAM_INPUT, "are not in order");
    json_object_set_new(json_array_get(json_object_get(made, "added_tokens"), 0), "id",
                        json_integer(4098));
    write_json(folder, "tokenizer.json", made);
    assert_refused(folder, LAM_INPUT, "gives that to another");
    json_decref(made);
    remove_tree(folder);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variants),
        cmocka_unit_test(which_files),
        cmocka_unit_test(hostile_vocab_and_merges),
        cmocka_unit_test(hostile_tokenizer_json),
        cmocka_unit_test(harmless_tokenizer_json),
        cmocka_unit_test(gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
