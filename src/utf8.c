#include "utf8.h"

#include <stdint.h>
#include <string.h>

// The bytes that may follow a lead byte (table 3-7 of the Unicode Standard): how many, and the
// bounds of the first of them. The rest are 80..BF.
static size_t followers(uint8_t lead, uint8_t *low, uint8_t *high) {
    *low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    *high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (lead >= 0xc2 && lead <= 0xdf) return 1;
    if (lead >= 0xe0 && lead <= 0xef) return 2;
    if (lead >= 0xf0 && lead <= 0xf4) return 3;
    return 0;
}

size_t lam_utf8_step(const void *text, size_t bytes, bool *valid) {
    const uint8_t *byte = text;
    uint8_t low, high;
    size_t wanted = followers(byte[0], &low, &high), found = 0;
    *valid = byte[0] < 0x80 || wanted > 0;
    while (found < wanted) {
        if (found + 1 >= bytes || byte[found + 1] < low || byte[found + 1] > high) {
            *valid = false;
            break;
        }
        found++;
        low = 0x80;
        high = 0xbf;
    }
    return 1 + found;
}

size_t lam_utf8_valid(const void *text, size_t bytes) {
    const char *byte = text;
    size_t at = 0;
    while (at < bytes) {
        uint64_t eight;
        if (bytes - at >= sizeof eight) { // most text is ASCII: skip over it eight bytes at a time
            memcpy(&eight, byte + at, sizeof eight);
            if (!(eight & 0x8080808080808080u)) {
                at += sizeof eight;
                continue;
            }
        }
        bool valid;
        size_t step = lam_utf8_step(byte + at, bytes - at, &valid);
        if (!valid) return at;
        at += step;
    }
    return bytes;
}

size_t lam_utf8_replace(const void *text, size_t bytes, char *out, size_t *replaced) {
    static const char replacement[] = "\xef\xbf\xbd";
    const char *byte = text;
    size_t at = 0, length = 0, count = 0;
    for (;;) {
        size_t good = lam_utf8_valid(byte + at, bytes - at);
        if (out && good) memcpy(out + length, byte + at, good);
        at += good;
        length += good;
        if (at == bytes) break;
        bool valid;
        at += lam_utf8_step(byte + at, bytes - at, &valid);
        if (out) memcpy(out + length, replacement, 3);
        length += 3;
        count++;
    }
    if (replaced) *replaced = count;
    return length;
}
