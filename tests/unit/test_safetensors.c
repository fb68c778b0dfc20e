#include "io/number.h"
#include "io/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "safetensors_fixture.h"

#include "folder_fixture.h" // its global is a parameter's name above

static lam_code open_and_close(const char *path, lam_error *error) {
    lam_safetensors *file;
    lam_code code = lam_safetensors_open(path, &file, error);
    if (code != LAM_OK) assert_null(file);
    lam_safetensors_close(file);
    return code;
}

static lam_code open_made(const char *header, size_t data_bytes, lam_error *error) {
    write_safetensors(in_folder(folder, "t.safetensors"), header, data_bytes);
    return open_and_close(in_folder(folder, "t.safetensors"), error);
}

static const struct hostile {
    const char *header;
    size_t data_bytes;
    const char *says;
} hostile[] = {
    {"", 0, "not a JSON object"},
    {"nonsense", 0, "not a JSON object"},
    {"[1, 2]", 0, "not a JSON object"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}", 1, "not a JSON object"},
    {"{\"a\":{},\"a\":{}}", 0, "not a JSON object"},
    {"{} x", 0, "not a JSON object"},
    {"{\"a\":7}", 0, "tensor a is not described by an object"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor a has no dtype"},
    {"{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "tensor a has no dtype"},
    {"{\"a\":{\"dtype\":\"F4\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4,
     "tensor a has the dtype F4"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "tensor a has a shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,4]}}", 4, "tensor a has a shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4,
     "tensor a has a shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4,
     "tensor a has a shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4,
     "tensor a has a shape"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "tensor a has data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
     "tensor a has data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4,
     "tensor a has data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4,
     "tensor a has data_offsets"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4,
     "tensor a has more than"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4,
     "tensor a ends before it begins"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 7, "is cut short"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4000000000000,4000000000008]}}", 8,
     "is cut short"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775807]}}", 8,
     "is cut short"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,9223372036854775808]}}", 8,
     "not a JSON object"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", 8, "another length"},
    {"{\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "another length"},
    // 2^62 x 4 x 4 bytes and 2^32 x 2^32 are 0 in 64 bits
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0,
     "another length"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     "another length"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
     12, "tensor b overlaps another"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
     8, "overlaps another"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
     "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}",
     12, "tensor b has unused bytes before it"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8,
     "tensor a has unused bytes before it"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 9,
     "5 bytes at its end belong to no tensor"},
    {"{}", 3, "3 bytes at its end belong to no tensor"},
    {"{\"__metadata__\":{\"format\":1}}", 0, "__metadata__"},
    {"{\"__metadata__\":[]}", 0, "__metadata__"},
};

static void test_lying_headers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        assert_fails(open_made(hostile[i].header, hostile[i].data_bytes, &error), LAM_INPUT,
                     hostile[i].says, "/t.safetensors");
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++)
        assert_fails(open_made(hostile[i].header, hostile[i].data_bytes, &error), LAM_INPUT,
                     "download", "");
}

static void test_lying_lengths(void **state) {
    (void)state;
    const char *path = in_folder(folder, "t.safetensors");
    write_bytes(path, "", 0);
    assert_fails(open_and_close(path, &error), LAM_INPUT, path, "has 0 bytes");
    write_bytes(path, "\7\0\0\0\0\0\0", 7);
    assert_fails(open_and_close(path, &error), LAM_INPUT, path, "has 7 bytes");
    write_bytes(path, "\x40\0\0\0\0\0\0\0{}", 10);
    assert_fails(open_and_close(path, &error), LAM_INPUT, path, "cut short within its header");
    write_bytes(path, "\x01\xe1\xf5\x05\0\0\0\0{}", 10); // 100,000,001
    assert_fails(open_and_close(path, &error), LAM_INPUT, path, "at most 100 MB");
    write_bytes(path, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10);
    assert_fails(open_and_close(path, &error), LAM_INPUT, path, "at most 100 MB");
}

// A header of more than 100 MB that really is there is not read either.
static void test_large_header(void **state) {
    (void)state;
    const char *path = in_folder(folder, "t.safetensors");
    const uint64_t length = 100000008;
    write_bytes(path, &length, sizeof length);
    assert_int_equal(truncate(path, (off_t)(8 + length)), 0);
    assert_fails(open_and_close(path, &error), LAM_INPUT, path, "at most 100 MB");
}

static void test_not_files(void **state) {
    (void)state;
    const char *pipe = in_folder(folder, "pipe");
    assert_fails(open_and_close(in_folder(folder, "none"), &error), LAM_IO, "/none",
                 "No such file");
    assert_fails(open_and_close(folder, &error), LAM_IO, folder, "not a regular file");
    assert_int_equal(mkfifo(pipe, 0600), 0);
    assert_fails(open_and_close(pipe, &error), LAM_IO, pipe, "not a regular file");
}

// Names from a file reach the screen: no line break or escape in them may.
static void test_names_stay_on_the_line(void **state) {
    (void)state;
    lam_error error = {0};
    open_made("{\"a\\n\\u001b[31mb\":7}", 0, &error);
    assert_int_equal(error.code, LAM_INPUT);
    assert_null(strpbrk(error.text, "\n\r\033"));
}

static const lam_tensor three[] = {
    {.name = "zeta", .dtype = LAM_DTYPE_F32, .dimensions = 2, .shape = {2, 3}},
    {.name = "alpha", .dtype = LAM_DTYPE_BF16, .dimensions = 1, .shape = {4}},
    {.name = "empty", .dtype = LAM_DTYPE_I64, .dimensions = 2, .shape = {0, 7}},
    {.name = "scalar", .dtype = LAM_DTYPE_F64, .dimensions = 0},
};

static void test_written_is_read(void **state) {
    (void)state;
    const char *path = in_folder(folder, "w.safetensors");
    unsigned char data[24 + 8 + 8];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (unsigned char)(i * 7 + 1);
    lam_safetensors_writer *writer;
    assert_ok(lam_safetensors_create(path, three, 4, &writer, &error));
    assert_true(access(path, F_OK) != 0); // only its temporary name is there yet
    assert_ok(lam_safetensors_write(writer, data, 5, &error));
    assert_ok(lam_safetensors_write(writer, data + 5, 0, &error));
    assert_ok(lam_safetensors_write(writer, data + 5, sizeof data - 5, &error));
    assert_ok(lam_safetensors_finish(writer, &error));
    assert_int_equal(count_entries(folder), 1);

    lam_safetensors *file;
    assert_ok(lam_safetensors_open(path, &file, &error));
    assert_string_equal(lam_safetensors_path(file), path);
    assert_int_equal(lam_safetensors_count(file), 4);
    static const char *const names[] = {"alpha", "empty", "scalar", "zeta"};
    for (size_t i = 0; i < 4; i++) {
        const lam_tensor *tensor = lam_safetensors_at(file, i);
        assert_string_equal(tensor->name, names[i]);
        assert_ptr_equal(lam_safetensors_find(file, names[i]), tensor);
    }
    const lam_tensor *zeta = lam_safetensors_find(file, "zeta");
    assert_int_equal(zeta->dtype, LAM_DTYPE_F32);
    assert_int_equal(zeta->dimensions, 2);
    assert_int_equal(zeta->shape[0], 2);
    assert_int_equal(zeta->shape[1], 3);
    assert_int_equal(zeta->bytes, 24);
    assert_memory_equal(zeta->data, data, 24);
    assert_int_equal((uintptr_t)zeta->data % 8, 0);
    assert_memory_equal(lam_safetensors_find(file, "alpha")->data, data + 24, 8);
    assert_memory_equal(lam_safetensors_find(file, "scalar")->data, data + 32, 8);
    assert_int_equal(lam_safetensors_find(file, "empty")->bytes, 0);
    assert_null(lam_safetensors_find(file, "beta"));
    lam_safetensors_fetch(file, zeta->data, zeta->bytes);
    lam_safetensors_drop(file, zeta->data, zeta->bytes);
    assert_memory_equal(zeta->data, data, 24); // it comes back
    lam_safetensors_close(file);
    unlink(path);
}

static void test_writer_keeps_its_word(void **state) {
    (void)state;
    const char *path = in_folder(folder, "w.safetensors");
    const lam_tensor twice[] = {three[0], three[0]};
    unsigned char data[64] = {0};
    lam_safetensors_writer *writer;
    assert_fails(lam_safetensors_create(path, twice, 2, &writer, &error), LAM_INTERNAL,
                 "two tensors are called zeta", path);
    assert_ok(lam_safetensors_create(path, three, 4, &writer, &error));
    assert_ok(lam_safetensors_write(writer, data, 39, &error));
    assert_fails(lam_safetensors_finish(writer, &error), LAM_INTERNAL, "39 bytes", "instead of 40");
    assert_int_equal(count_entries(folder), 0);
    assert_ok(lam_safetensors_create(path, three, 4, &writer, &error));
    assert_fails(lam_safetensors_write(writer, data, 41, &error), LAM_INTERNAL, path, "more data");
    lam_safetensors_abandon(writer);
    assert_int_equal(count_entries(folder), 0);
    assert_fails(lam_safetensors_create(in_folder(folder, "no/w"), three, 4, &writer, &error),
                 LAM_IO, "/no/w", "No such file");
}

// A file that was there stays as it was until the new one is whole.
static void test_writer_replaces_at_the_end(void **state) {
    (void)state;
    const char *path = in_folder(folder, "w.safetensors");
    lam_safetensors_writer *writer;
    write_text(path, "before");
    assert_ok(lam_safetensors_create(path, three, 1, &writer, &error));
    assert_ok(lam_safetensors_write(writer, "123456789012345678901234", 24, &error));
    lam_safetensors_abandon(writer);
    size_t bytes;
    char *kept = read_bytes(path, &bytes);
    assert_string_equal(kept, "before");
    free(kept);
    assert_ok(lam_safetensors_create(path, three, 1, &writer, &error));
    assert_ok(lam_safetensors_write(writer, "123456789012345678901234", 24, &error));
    assert_ok(lam_safetensors_finish(writer, &error));
    assert_ok(open_and_close(path, &error));
    assert_int_equal(count_entries(folder), 1);
    unlink(path);
}

// A limit on the length of files stands for a full disk: the same calls fail, with another word.
static void test_no_room(void **state) {
    (void)state;
    const char *path = in_folder(folder, "w.safetensors");
    const lam_tensor large = {
        .name = "large", .dtype = LAM_DTYPE_F32, .dimensions = 1, .shape = {1 << 20}};
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 1 << 16;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    lam_safetensors_writer *writer = NULL;
    lam_error error = {0};
    char *block = calloc(1 << 20, 4);
    assert_non_null(block);
    lam_code code = lam_safetensors_create(path, &large, 1, &writer, &error);
    if (code == LAM_OK) code = lam_safetensors_write(writer, block, 4 << 20, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    lam_safetensors_abandon(writer);
    free(block);
    assert_int_equal(code, LAM_IO);
    assert_non_null(strstr(error.text, path));
    assert_int_equal(count_entries(folder), 0);
}

static void test_recheck(void **state) {
    (void)state;
    const char *path = in_folder(folder, "t.safetensors");
    lam_safetensors *file;
    write_safetensors(path, "{\"a\":{\"dtype\":\"U8\",\"shape\":[100],\"data_offsets\":[0,100]}}",
                      100);
    assert_ok(lam_safetensors_open(path, &file, &error));
    assert_ok(lam_safetensors_recheck(file, &error));
    assert_int_equal(truncate(path, 60), 0);
    assert_fails(lam_safetensors_recheck(file, &error), LAM_INPUT, path, "has become shorter");
    lam_safetensors_close(file);
}

// Cut at every length, and with every byte of the header changed: either it opens or one line names
// the file. (Under the address sanitizer this looks for reads where there is nothing.)
static void test_every_cut_and_every_byte(void **state) {
    (void)state;
    const char *path = in_folder(folder, "t.safetensors");
    const char *header = "{\"__metadata__\":{\"format\":\"pt\"},"
                         "\"a\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                         "\"b\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[8,11]}}";
    write_safetensors(path, header, 11);
    assert_ok(open_and_close(path, &error));
    size_t bytes;
    char *whole = read_bytes(path, &bytes);
    for (size_t cut = 0; cut < bytes; cut++) {
        write_bytes(path, whole, cut);
        assert_fails(open_and_close(path, &error), LAM_INPUT, path, "download it again");
    }
    for (size_t i = 0; i < bytes - 11; i++)
        for (int change = 1; change < 256; change += 17) {
            lam_error error = {0};
            whole[i] ^= (char)change;
            write_bytes(path, whole, bytes);
            if (open_and_close(path, &error) != LAM_OK) {
                assert_int_equal(error.code, LAM_INPUT);
                assert_non_null(strstr(error.text, path));
                assert_null(strchr(error.text, '\n'));
            }
            whole[i] ^= (char)change;
        }
    free(whole);
}

static void test_golden_opens(void **state) {
    (void)state;
    static const char *const names[] = {"kde.safetensors", "logit.safetensors", "rsa.safetensors",
                                        "sae.safetensors", "gpt2-f16/expected.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lam_safetensors *file;
        assert_ok(lam_safetensors_open(golden_path(names[i]), &file, &error));
        assert_true(lam_safetensors_count(file) > 5);
        lam_safetensors_close(file);
    }
}

static void test_shape_text(void **state) {
    (void)state;
    char text[LAM_SHAPE_TEXT];
    int64_t huge[LAM_TENSOR_DIMENSIONS];
    for (int i = 0; i < LAM_TENSOR_DIMENSIONS; i++) huge[i] = INT64_MAX;
    lam_shape_text(2, (int64_t[]){48, 192}, text);
    assert_string_equal(text, "[48, 192]");
    lam_shape_text(0, NULL, text);
    assert_string_equal(text, "[]");
    lam_shape_text(LAM_TENSOR_DIMENSIONS, huge, text);
    assert_int_equal(strlen(text), 8 * 19 + 7 * 2 + 2);
}

// All F16 and BF16 values against their definition, and there and back.
static void test_half_to_float(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 65536; half++) {
        uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
        double sign = half >> 15 ? -1 : 1;
        float value = lam_float_of_bits(lam_bits_of_half((uint16_t)half));
        float brain = lam_float_of_bits(lam_bits_of_bfloat((uint16_t)half));
        if (exponent == 31 && fraction) {
            assert_true(isnan(value));
            continue;
        }
        double expected = exponent == 31 ? sign * INFINITY
                          : exponent     ? sign * ldexp(1024 + fraction, (int)exponent - 25)
                                         : sign * ldexp(fraction, -24);
        assert_true((double)value == expected);
        assert_true(!signbit(value) == !signbit(expected));
        assert_int_equal(lam_half_of_float(value), half);
        if (!isnan(brain)) assert_int_equal(lam_bfloat_of_float(brain), half);
    }
}

// Between two neighbours the nearer one is taken, and the even one from the middle.
static void test_float_to_half(void **state) {
    (void)state;
    for (uint32_t half = 0; half < 0x7C00; half++) { // each finite one and the next
        float low = lam_float_of_bits(lam_bits_of_half((uint16_t)half));
        float high =
            half == 0x7BFF ? 65536.0f : lam_float_of_bits(lam_bits_of_half((uint16_t)(half + 1)));
        float middle = (low + high) / 2;
        uint32_t even = half % 2 ? half + 1 : half;
        assert_int_equal(lam_half_of_float(middle), even);
        assert_int_equal(lam_half_of_float(-middle), even | 0x8000);
        assert_int_equal(lam_half_of_float(nextafterf(middle, 0)), half);
        assert_int_equal(lam_half_of_float(nextafterf(middle, INFINITY)), half + 1);
    }
    assert_int_equal(lam_half_of_float(INFINITY), 0x7C00);
    assert_int_equal(lam_half_of_float(-3e38f), 0xFC00);
    assert_true((lam_half_of_float(NAN) & 0x7FFF) > 0x7C00);
    for (uint32_t brain = 0; brain < 0x7F80; brain++) {
        float middle = lam_float_of_bits(brain << 16 | 0x8000);
        assert_int_equal(lam_bfloat_of_float(middle), brain % 2 ? brain + 1 : brain);
        assert_int_equal(lam_bfloat_of_float(nextafterf(middle, 0)), brain);
        assert_int_equal(lam_bfloat_of_float(-nextafterf(middle, INFINITY)), (brain + 1) | 0x8000);
    }
    assert_true((lam_bfloat_of_float(NAN) & 0x7FFF) > 0x7F80);
    assert_true((lam_bfloat_of_float(lam_float_of_bits(0x7F800001)) & 0x7FFF) > 0x7F80);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_is_read),
        cmocka_unit_test(test_writer_keeps_its_word),
        cmocka_unit_test(test_writer_replaces_at_the_end),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_lying_headers),
        cmocka_unit_test(test_lying_lengths),
        cmocka_unit_test(test_large_header),
        cmocka_unit_test(test_not_files),
        cmocka_unit_test(test_names_stay_on_the_line),
        cmocka_unit_test(test_recheck),
        cmocka_unit_test(test_every_cut_and_every_byte),
        cmocka_unit_test(test_golden_opens),
        cmocka_unit_test(test_shape_text),
        cmocka_unit_test(test_half_to_float),
        cmocka_unit_test(test_float_to_half),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
