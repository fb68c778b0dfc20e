#include "io/npy.h"

#include "io/replace_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The header of any number of numbers: the first 10 bytes and a dictionary, filled with blanks.
enum { HEADER = 128, PREAMBLE = 10, PIECE = 1 << 16 };

struct lam_npy_writer {
    lam_replacement *file;
    size_t width, count;
    size_t due; // bytes in piece
    uint8_t piece[PIECE];
};

lam_code lam_npy_open(const char *path, size_t width, lam_npy_writer **writer, lam_error *error) {
    lam_npy_writer *made = calloc(1, sizeof *made);
    if (!made) return lam_fail(error, LAM_MEMORY, "no memory to write %s", path);
    made->width = width;
    made->due = HEADER; // its place
    lam_code code = lam_replacement_open(path, &made->file, error);
    if (code == LAM_OK)
        *writer = made;
    else
        free(made);
    return code;
}

static lam_code flush(lam_npy_writer *writer, lam_error *error) {
    size_t bytes = writer->due;
    writer->due = 0;
    return lam_replacement_write(writer->file, writer->piece, bytes, error);
}

lam_code lam_npy_add(lam_npy_writer *writer, uint64_t number, lam_error *error) {
    if (PIECE - writer->due < writer->width) LAM_TRY(flush(writer, error));
    for (size_t byte = 0; byte < writer->width; byte++)
        writer->piece[writer->due++] = (uint8_t)(number >> 8 * byte);
    writer->count++;
    return LAM_OK;
}

static lam_code write_header(lam_npy_writer *writer, lam_error *error) {
    static const uint8_t magic[] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, HEADER - PREAMBLE, 0};
    char header[HEADER];
    memset(header, ' ', sizeof header);
    memcpy(header, magic, sizeof magic);
    int length = snprintf(header + PREAMBLE, sizeof header - PREAMBLE,
                          "{'descr': '<u%zu', 'fortran_order': False, 'shape': (%zu,), }",
                          writer->width, writer->count);
    header[PREAMBLE + length] = ' ';
    header[HEADER - 1] = '\n';
    LAM_TRY(lam_replacement_rewind(writer->file, error));
    return lam_replacement_write(writer->file, header, HEADER, error);
}

lam_code lam_npy_finish(lam_npy_writer *writer, char sha256[LAM_SHA256_TEXT], lam_error *error) {
    LAM_TRY(flush(writer, error));
    LAM_TRY(write_header(writer, error));
    return lam_sha256_of_file(lam_replacement_temporary(writer->file), sha256, error);
}

size_t lam_npy_count(const lam_npy_writer *writer) {
    return writer->count;
}

lam_code lam_npy_commit(lam_npy_writer *writer, lam_error *error) {
    lam_replacement *file = writer->file;
    free(writer);
    return lam_replacement_commit(file, error);
}

void lam_npy_discard(lam_npy_writer *writer) {
    if (!writer) return;
    lam_replacement_discard(writer->file);
    free(writer);
}
