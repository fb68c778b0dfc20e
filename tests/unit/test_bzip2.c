// What bzip2 packed, against libbz2: every kind of content, every cut, every flipped bit, streams
// made by hand that libbz2 never makes.
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/bzip2.h"

#include <bzlib.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 3 << 20 };

// Packed bytes, given so many at a time, that end or fail there.
typedef struct packed {
    const uint8_t *data;
    size_t bytes, at, piece;
    bool fails;
} packed;

static lam_code give(void *user, char *to, size_t room, size_t *got, lam_error *error) {
    packed *p = user;
    *got = p->bytes - p->at;
    if (*got == 0 && p->fails) return lam_fail(error, LAM_IO, "the source fails");
    if (*got > room) *got = room;
    if (*got > p->piece) *got = p->piece;
    if (*got > 0) memcpy(to, p->data + p->at, *got);
    p->at += *got;
    return LAM_OK;
}

static uint8_t *pack(const uint8_t *data, size_t bytes, int level, size_t *length) {
    unsigned room = (unsigned)(bytes + bytes / 50 + 700);
    uint8_t *made = malloc(room);
    assert_non_null(made);
    assert_int_equal(
        BZ2_bzBuffToBuffCompress((char *)made, &room, (char *)data, (unsigned)bytes, level, 0, 0),
        BZ_OK);
    *length = room;
    return made;
}

// Unpacks all streams, room bytes at a time, into out [ROOM].
static lam_code unpack(lam_bzip2 *unpacker, packed *source, size_t room, uint8_t *out,
                       size_t *length, lam_error *error) {
    bool end;
    size_t got;
    source->at = *length = 0;
    lam_bzip2_restart(unpacker, 0);
    while (true) {
        LAM_TRY(lam_bzip2_begin(unpacker, &end, error));
        if (end) return LAM_OK;
        do {
            assert_true(*length + room <= ROOM);
            LAM_TRY(lam_bzip2_read(unpacker, (char *)out + *length, room, &got, error));
            assert_true(got <= room);
            *length += got;
        } while (got > 0);
    }
}

// The same by libbz2. False: it is damaged or cut short.
static bool oracle(const uint8_t *data, size_t bytes, uint8_t *out, size_t *length) {
    *length = 0;
    while (bytes > 0) {
        bz_stream stream = {.next_in = (char *)data, .avail_in = (unsigned)bytes};
        assert_int_equal(BZ2_bzDecompressInit(&stream, 0, 0), BZ_OK);
        stream.next_out = (char *)out + *length;
        stream.avail_out = (unsigned)(ROOM - *length);
        int result = BZ2_bzDecompress(&stream);
        *length = ROOM - stream.avail_out;
        data += bytes - stream.avail_in;
        bytes = stream.avail_in;
        BZ2_bzDecompressEnd(&stream);
        if (result != BZ_STREAM_END) return false;
    }
    return true;
}

static struct {
    lam_bzip2 *unpacker;
    packed source;
    uint8_t *data, *out, *expected;
} t;

static int set_up(void **state) {
    (void)state;
    t.unpacker = lam_bzip2_create(give, &t.source);
    t.data = malloc(ROOM);
    t.out = malloc(ROOM);
    t.expected = malloc(ROOM);
    return t.unpacker && t.data && t.out && t.expected ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    lam_bzip2_destroy(t.unpacker);
    free(t.data), free(t.out), free(t.expected);
    return 0;
}

// data as it was, through pieces and rooms of this size.
static void assert_returns(const uint8_t *data, size_t bytes, int level, size_t piece,
                           size_t room) {
    size_t length, made;
    uint8_t *stream = pack(data, bytes, level, &made);
    lam_error error = {0};
    t.source = (packed){.data = stream, .bytes = made, .piece = piece};
    if (unpack(t.unpacker, &t.source, room, t.out, &length, &error) != LAM_OK)
        fail_msg("%zu bytes, level %d: %s", bytes, level, error.text);
    assert_int_equal(length, bytes);
    assert_memory_equal(t.out, data, bytes);
    assert_int_equal(lam_bzip2_position(t.unpacker), made);
    free(stream);
}

// Numbers that look random, the same in every run.
static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

// Words of which few are frequent.
static void write_text(uint8_t *to, size_t bytes) {
    static const char *const words[] = {"the ",   "of ",     "and ", "mill ", "wheel ",
                                        "water ", "grinds ", "[[",   "]]",    "&lt;\n"};
    uint32_t seed = 7;
    for (size_t at = 0; at < bytes;) {
        unsigned draw = next(&seed) % 100;
        const char *word = words[draw * draw / 1000];
        for (; *word && at < bytes; word++) to[at++] = (uint8_t)*word;
        if (draw == 99) t.data[at - 1] = (uint8_t)next(&seed);
    }
}

static void test_small(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 3, 1000};
    for (int i = 0; i < 3; i++) {
        assert_returns(t.data, 0, 9, sizes[i], sizes[i]);
        for (int byte = 0; byte < 256; byte++) {
            *t.data = (uint8_t)byte;
            assert_returns(t.data, 1, 1, sizes[i], sizes[i]);
        }
        for (size_t run = 2; run < 1030; run += run < 262 ? 1 : 127) {
            memset(t.data, 'r', run);
            memset(t.data + run, 'e', 5);
            assert_returns(t.data, run, 9, sizes[i], sizes[i]);
            assert_returns(t.data, run + 5, 9, sizes[i], sizes[i]);
        }
        for (int byte = 0; byte < 256; byte++) t.data[byte] = (uint8_t)(byte * 37);
        assert_returns(t.data, 256, 5, sizes[i], sizes[i]);
    }
}

static void test_blocks(void **state) {
    (void)state;
    for (int level = 1; level <= 9; level++) {
        size_t bytes = (size_t)level * 100000 * 5 / 2; // two blocks and a half
        write_text(t.data, bytes);
        assert_returns(t.data, bytes, level, 1 << 16, 10007);
    }
    write_text(t.data, 250000);
    assert_returns(t.data, 250000, 1, 1, 1 << 16);
    assert_returns(t.data, 250000, 1, 1 << 16, 1);
    uint32_t seed = 1;
    for (size_t i = 0; i < 1000000; i++) t.data[i] = (uint8_t)next(&seed);
    assert_returns(t.data, 1000000, 9, 1 << 16, 1 << 16);
    // Rotations that are equal: the places of a block are in many cycles.
    static const size_t periods[] = {1, 2, 3, 64, 1024, 1000, 50000};
    for (size_t i = 0; i < sizeof periods / sizeof periods[0]; i++) {
        for (size_t k = 0; k < 200000; k++) t.data[k] = (uint8_t)("abcdefg"[k % periods[i] % 7]);
        assert_returns(t.data, 200000, 2, 1 << 16, 1 << 16);
        assert_returns(t.data, 199990, 1, 1 << 16, 1 << 16);
    }
    // Around the places that walks begin at.
    write_text(t.data, 40000);
    for (size_t bytes = 1000; bytes < 40000; bytes += bytes % 1024 < 1000 ? 500 : 7)
        assert_returns(t.data, bytes, 1, 1 << 16, 1 << 16);
}

static void test_streams(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 200000, 0, 17};
    enum { STREAMS = sizeof sizes / sizeof sizes[0] };
    uint8_t *all = malloc(ROOM);
    size_t end[STREAMS], bytes = 0, length, got;
    bool ended;
    lam_error error = {0};
    assert_non_null(all);
    write_text(t.data, 200000);
    for (int i = 0; i < STREAMS; i++) {
        uint8_t *stream = pack(t.data, sizes[i], 1, &length);
        memcpy(all + bytes, stream, length);
        end[i] = bytes += length;
        free(stream);
    }
    for (size_t piece = 1; piece <= ROOM; piece = piece * 5 + 2) {
        t.source = (packed){.data = all, .bytes = bytes, .piece = piece};
        lam_bzip2_restart(t.unpacker, 0);
        for (int i = 0; i < STREAMS; i++) {
            assert_int_equal(lam_bzip2_begin(t.unpacker, &ended, &error), LAM_OK);
            assert_false(ended);
            length = 0;
            do {
                assert_int_equal(
                    lam_bzip2_read(t.unpacker, (char *)t.out + length, 5000, &got, &error), LAM_OK);
                length += got;
            } while (got > 0);
            assert_int_equal(length, sizes[i]);
            assert_memory_equal(t.out, t.data, length);
            assert_int_equal(lam_bzip2_position(t.unpacker), end[i]);
        }
        assert_int_equal(lam_bzip2_begin(t.unpacker, &ended, &error), LAM_OK);
        assert_true(ended);
    }
    // From the third one on, and what is behind the last is a stream or an error.
    t.source = (packed){.data = all, .bytes = bytes, .piece = ROOM, .at = end[1]};
    lam_bzip2_restart(t.unpacker, end[1]);
    assert_int_equal(lam_bzip2_begin(t.unpacker, &ended, &error), LAM_OK);
    assert_int_equal(lam_bzip2_read(t.unpacker, (char *)t.out, 10, &got, &error), LAM_OK);
    assert_memory_equal(t.out, t.data, got);
    all[bytes] = '\n';
    t.source = (packed){.data = all, .bytes = bytes + 1, .piece = ROOM};
    assert_int_equal(unpack(t.unpacker, &t.source, 5000, t.out, &length, &error), LAM_INPUT);
    assert_non_null(strstr(error.text, "is not what bzip2 packed"));
    assert_int_equal(length, 200018);
    t.source.bytes = bytes;
    t.source.fails = true;
    assert_int_equal(unpack(t.unpacker, &t.source, 5000, t.out, &length, &error), LAM_IO);
    assert_string_equal(error.text, "the source fails");
    free(all);
}

// Cut anywhere it is cut short; with any bit flipped it is refused, or as libbz2 has it.
static void test_damage(void **state) {
    (void)state;
    size_t bytes, length, expected;
    lam_error error = {0};
    write_text(t.data, 4000);
    memset(t.data + 1000, 'r', 700);
    uint8_t *stream = pack(t.data, 4000, 1, &bytes);
    t.source = (packed){.data = stream, .piece = ROOM};
    for (t.source.bytes = 1; t.source.bytes < bytes; t.source.bytes++) {
        assert_int_equal(unpack(t.unpacker, &t.source, 4000, t.out, &length, &error), LAM_INPUT);
        assert_non_null(strstr(error.text, "it was cut short"));
    }
    size_t kept = 0;
    for (size_t bit = 0; bit < 8 * bytes; bit++) {
        stream[bit / 8] ^= (uint8_t)(1 << bit % 8);
        bool whole = oracle(stream, bytes, t.expected, &expected);
        lam_code code = unpack(t.unpacker, &t.source, 4000, t.out, &length, &error);
        if (whole != (code == LAM_OK)) fail_msg("bit %zu: libbz2 %d, %s", bit, whole, error.text);
        assert_true(code == LAM_OK || code == LAM_INPUT);
        assert_memory_equal(t.out, t.expected, length < expected ? length : expected);
        if (code == LAM_OK) {
            assert_int_equal(length, 4000);
            assert_memory_equal(t.out, t.data, length);
            kept++;
        }
        stream[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    // The size of blocks, lengths of codes that never come, the bits behind the end.
    assert_in_range(kept, 1, 60);
    free(stream);
}

// A stream made by hand, of one block.
typedef struct made {
    uint64_t bits; // written
    uint8_t data[5000];
} made;

static void put(made *m, unsigned count, uint64_t value) {
    while (count-- > 0) {
        if (value >> count & 1) m->data[m->bits / 8] |= (uint8_t)(0x80 >> m->bits % 8);
        m->bits++;
    }
}

// What the blocks made by hand have in common: the letters a to t, which after "t" stand in order
// in the last column of the sorted rotations of "abc..t", so that each symbol comes once.
enum { LETTERS = 20, CODED = LETTERS + 2 };

typedef struct recipe {
    uint8_t lengths[CODED];
    unsigned random, origin, codes, selectors;
    uint64_t run; // of the letter a, before them
    bool alone;   // it is all there is
} recipe;

static void add_to_crc(uint32_t *crc, char byte) {
    *crc ^= (uint32_t)byte << 24;
    for (int k = 0; k < 8; k++) *crc = *crc << 1 ^ (*crc >> 31 ? 0x04c11db7 : 0);
}

// Of the letters; of a run alone as it is unpacked, where each fifth a counts 97 more.
static uint32_t crc_of(const recipe *r) {
    uint32_t crc = UINT32_MAX;
    for (int i = 0; i < LETTERS && !r->alone; i++) add_to_crc(&crc, (char)('a' + i));
    for (uint64_t i = 0; i < r->run && r->alone; i++)
        for (int k = 0; k < (i % 5 == 4 ? 'a' : 1); k++) add_to_crc(&crc, 'a');
    return ~crc;
}

static void put_symbol(made *m, const uint8_t *lengths, unsigned symbol) {
    uint32_t code = 0;
    for (unsigned length = 1; length <= lengths[symbol]; length++) {
        code <<= 1;
        for (unsigned i = 0; i < CODED; i++)
            if (lengths[i] == length && (length < lengths[symbol] || i < symbol)) code++;
    }
    put(m, lengths[symbol], code);
}

static made make(const recipe *r) {
    made m = {0};
    uint32_t crc = crc_of(r);
    put(&m, 32, 0x425a6831);
    put(&m, 48, 0x314159265359);
    put(&m, 32, crc);
    put(&m, 1, r->random);
    put(&m, 24, r->origin);
    put(&m, 16, 3 << 8); // 0x60 to 0x7f
    put(&m, 16, 0x7fff);
    put(&m, 16, 0xf800);
    put(&m, 3, r->codes);
    put(&m, 15, r->selectors);
    for (unsigned i = 0; i < r->selectors; i++) put(&m, 1, 0);
    for (unsigned i = 0; i < r->codes; i++) {
        unsigned length = r->lengths[0];
        put(&m, 5, length);
        for (unsigned k = 0; k < CODED; k++) {
            for (; length < r->lengths[k]; length++) put(&m, 2, 2);
            for (; length > r->lengths[k]; length--) put(&m, 2, 3);
            put(&m, 1, 0);
        }
    }
    for (uint64_t run = r->run; run > 0; run = (run - 1) / 2)
        put_symbol(&m, r->lengths, run % 2 == 0);
    if (!r->alone) put_symbol(&m, r->lengths, LETTERS);
    for (unsigned symbol = 2; symbol <= LETTERS && !r->alone; symbol++)
        put_symbol(&m, r->lengths, symbol);
    put_symbol(&m, r->lengths, LETTERS + 1);
    put(&m, 48, 0x177245385090);
    put(&m, 32, crc);
    return m;
}

static const recipe longest = {
    .lengths = {2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 20},
    .codes = 2,
    .selectors = 1,
};

static void assert_made(const recipe *r, bool whole, const char *words) {
    made m = make(r);
    size_t length, bytes = (m.bits + 7) / 8;
    lam_error error = {0};
    t.source = (packed){.data = m.data, .bytes = bytes, .piece = ROOM};
    lam_code code = unpack(t.unpacker, &t.source, 100, t.out, &length, &error);
    if (whole != (code == LAM_OK) || !strstr(error.text, words))
        fail_msg("\"%s\" was expected, not: %s", words, error.text);
    assert_int_equal(oracle(m.data, bytes, t.expected, &bytes), whole || r->random);
    if (!whole) return;
    assert_int_equal(length, r->alone ? r->run / 5 * 101 : LETTERS);
    assert_int_equal(bytes, length);
    assert_memory_equal(t.out, r->alone ? "aaaa" : "abcdefghijklmnopqrst", r->alone ? 4 : LETTERS);
    assert_memory_equal(t.expected, t.out, length);
}

static void test_made(void **state) {
    (void)state;
    static const char damaged[] = "is not what bzip2 packed, or damaged, near byte ";
    assert_made(&longest, true, "");
    recipe r = longest;
    memset(r.lengths, 5, CODED); // ten codes mean nothing
    assert_made(&r, true, "");
    memset(r.lengths, 20, CODED);
    assert_made(&r, true, "");
    memset(r.lengths, 4, CODED); // of more symbols than there are codes: the end has none
    assert_made(&r, false, "it was cut short");
    r.lengths[3] = 21;
    assert_made(&r, false, damaged);
    r = longest;
    r.random = 1;
    assert_made(&r, false, damaged);
    r = longest;
    r.origin = LETTERS;
    assert_made(&r, false, damaged);
    r.origin = 0xffffff;
    assert_made(&r, false, damaged);
    r.origin = 1; // rotated: the check of the bytes
    assert_made(&r, false, damaged);
    r = longest;
    r.codes = 1;
    assert_made(&r, false, damaged);
    r.codes = 7;
    assert_made(&r, false, damaged);
    r = longest;
    r.selectors = 0;
    assert_made(&r, false, damaged);
    r.selectors = 20; // more than are needed
    assert_made(&r, true, "");
    r.selectors = 32767; // more than any block needs
    assert_made(&r, true, "");
    r = longest;
    r.run = 1; // the check of the bytes
    assert_made(&r, false, damaged);
    r.run = 131071;
    assert_made(&r, false, damaged);
    r.selectors = 2;
    r.run = ((uint64_t)1 << 60) - 1;
    assert_made(&r, false, damaged);
    r.alone = true;
    r.run = 100000; // a full block
    assert_made(&r, true, "");
    r.run = 100001;
    assert_made(&r, false, damaged);
    r.run = 5;
    assert_made(&r, true, "");
    r.run = 4; // no count of more
    assert_made(&r, false, damaged);
    r.run = 0;
    assert_made(&r, false, damaged);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small),   cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_streams), cmocka_unit_test(test_damage),
        cmocka_unit_test(test_made),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
