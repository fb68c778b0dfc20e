// Dumps for tests: made as asked for, and packed.
#ifndef LAM_DUMP_FIXTURE_H
#define LAM_DUMP_FIXTURE_H

#include "fixture.h"

#include <bzlib.h>
#include <stdarg.h>

// A path in a folder. Static storage.
static inline char *in_folder(const char *folder, const char *name) {
    static char path[4][4096];
    static unsigned next;
    char *made = path[next++ % 4];
    snprintf(made, sizeof path[0], "%s/%s", folder, name);
    return made;
}

static inline void write_bytes(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static inline char *read_bytes(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(file);
    rewind(file);
    char *data = calloc(*bytes + 1, 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *bytes, file), *bytes);
    fclose(file);
    return data;
}

// Appends what bzip2 makes of data, a stream of its own, and returns where it begins.
static inline size_t append_packed(FILE *file, const void *data, size_t bytes) {
    size_t start = (size_t)ftell(file);
    unsigned packed = (unsigned)(bytes + bytes / 50 + 700);
    char *made = malloc(packed);
    assert_non_null(made);
    assert_int_equal(
        BZ2_bzBuffToBuffCompress(made, &packed, (char *)data, (unsigned)bytes, 1, 0, 0), BZ_OK);
    assert_int_equal(fwrite(made, 1, packed, file), packed);
    free(made);
    return start;
}

static inline void write_packed(const char *path, const void *data, size_t bytes) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    append_packed(file, data, bytes);
    assert_int_equal(fclose(file), 0);
}

static const char dump_head[] = "<mediawiki><siteinfo><namespaces><namespace key=\"6\">File"
                                "</namespace></namespaces></siteinfo>\n";
static const char dump_tail[] = "</mediawiki>\n";

// A page of a made-up dump: every third is a redirect, every seventh of another namespace. Returns
// its length. room is enough for it.
static inline int made_page(char *page, size_t room, int64_t id) {
    return snprintf(page, room,
                    "<page><title>Page %lld</title><ns>%d</ns><id>%lld</id>%s<revision><text>"
                    "Page %lld is about '''mills''' of the [[year]] %lld.{{x|y}}\n\n== Part ==\n"
                    "It has %lld wheels &amp; more.</text></revision></page>\n",
                    (long long)id, id % 7 == 0 ? 4 : 0, (long long)id,
                    id % 3 == 0 ? "<redirect title=\"x\" />" : "", (long long)id,
                    (long long)(1000 + id), (long long)(id * id));
}

static inline bool made_article(int64_t id) {
    return id % 7 != 0 && id % 3 != 0;
}

// A dump of pages 1 .. count; packed in one stream if asked for.
static inline void write_dump(const char *path, int64_t count, bool packed) {
    char page[512];
    char *all = malloc((size_t)count * sizeof page + sizeof dump_head + sizeof dump_tail);
    assert_non_null(all);
    size_t length = (size_t)sprintf(all, "%s", dump_head);
    for (int64_t id = 1; id <= count; id++)
        length += (size_t)made_page(all + length, sizeof page, id);
    length += (size_t)sprintf(all + length, "%s", dump_tail);
    if (packed)
        write_packed(path, all, length);
    else
        write_bytes(path, all, length);
    free(all);
}

// The same as a multistream dump, so many pages a stream, with its index.
static inline void write_multistream(const char *path, const char *index, int64_t count,
                                     int64_t pages) {
    FILE *file = fopen(path, "wb"), *lines = fopen(index, "wb");
    char *all = malloc((size_t)pages * 512);
    assert_true(file && lines && all);
    append_packed(file, dump_head, strlen(dump_head));
    for (int64_t first = 1; first <= count; first += pages) {
        size_t length = 0;
        int64_t end = first + pages <= count + 1 ? first + pages : count + 1;
        for (int64_t id = first; id < end; id++) length += (size_t)made_page(all + length, 512, id);
        size_t start = append_packed(file, all, length);
        for (int64_t id = first; id < end; id++)
            fprintf(lines, "%zu:%lld:Page %lld: a title\n", start, (long long)id, (long long)id);
    }
    append_packed(file, dump_tail, strlen(dump_tail));
    assert_int_equal(fclose(file), 0);
    assert_int_equal(fclose(lines), 0);
    free(all);
}

#endif
