#include "wording.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 64 }; // names longer than this are no typing mistakes

static bool same(char a, char b) {
    if (a >= 'A' && a <= 'Z') a = (char)(a - 'A' + 'a');
    if (b >= 'A' && b <= 'Z') b = (char)(b - 'A' + 'a');
    return (a == '-' ? '_' : a) == (b == '-' ? '_' : b);
}

static size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance_of(const char *a, size_t rows, const char *b, size_t columns) {
    size_t table[3][LONGEST + 1];
    size_t *before = table[0], *above = table[1], *row = table[2];
    for (size_t j = 0; j <= columns; j++) above[j] = j;
    for (size_t i = 1; i <= rows; i++) {
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            row[j] = smaller(above[j - 1] + !same(a[i - 1], b[j - 1]),
                             smaller(above[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]);
            if (swapped) row[j] = smaller(row[j], before[j - 2] + 1);
        }
        size_t *free_row = before;
        before = above, above = row, row = free_row;
    }
    return above[columns];
}

void lam_nearest_offer(lam_nearest *nearest, const char *name) {
    size_t wanted = strnlen(nearest->wanted, LONGEST + 1), length = strnlen(name, LONGEST + 1);
    if (wanted < 2 || wanted > LONGEST || length > LONGEST) return;
    size_t distance = distance_of(nearest->wanted, wanted, name, length);
    if (distance > ((wanted > length ? wanted : length) + 1) / 3) return;
    if (nearest->name && nearest->distance <= distance) return;
    nearest->name = name;
    nearest->distance = distance;
}

lam_hint lam_nearest_hint(const lam_nearest *nearest) {
    lam_hint hint = {""};
    if (nearest->name) snprintf(hint.text, sizeof hint.text, " (nearest: '%s')", nearest->name);
    return hint;
}

lam_excerpt lam_excerpt_of(const char *text) {
    lam_excerpt excerpt = {""};
    size_t room = sizeof excerpt.text - sizeof "...", length = strnlen(text, room + 1);
    bool cut = length > room;
    if (cut)
        for (length = room; length && ((unsigned char)text[length] & 0xC0) == 0x80;) length--;
    memcpy(excerpt.text, text, length);
    if (cut) strcpy(excerpt.text + length, "...");
    return excerpt;
}
