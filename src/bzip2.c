// Own code, for libbz2 takes 3.2 to 3.8 times as long where blocks are of 900 kB: it goes back
// through the Burrows-Wheeler transform byte by byte and misses the cache at each, where a block
// can be gone back through from many places at once. The format: a block is runs (4 equal bytes and
// a count of more), sorted by that transform, moved to front, runs of the front as numbers, Huffman
// codes; bits come from the highest on.
#include "bzip2.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_BYTES = 900000, // of the largest block
    PACKED_BYTES = 1 << 16,
    CODES = 6,
    CODE_BITS = 20,    // of the longest code
    FAST_BITS = 10,    // codes up to here are looked up
    SYMBOLS = 258,     // two for runs, 255 places but the front, the end
    GROUP = 50,        // symbols by one code
    SELECTORS = 18002, // that a block can need: BLOCK_BYTES / GROUP + 2
    LANES = 16,        // of a walk
    STEP = 1024,       // between the places that a walk begins at
    SEGMENTS = BLOCK_BYTES / STEP + 1
};

// A canonical Huffman code.
typedef struct huffman {
    uint16_t fast[1 << FAST_BITS]; // symbol << 5 | length by the next bits; 0: longer, or none
    uint32_t limit[CODE_BITS + 1]; // of length: the first CODE_BITS bits that are beyond it
    uint32_t base[CODE_BITS + 1];  // of length: code - base is an index in symbol
    uint16_t symbol[SYMBOLS];      // by code
} huffman;

// What a walk passed on its way from one place to the next.
typedef struct segment {
    uint32_t lane, begin, length; // in what the lanes passed
    uint32_t next;                // segment
} segment;

typedef struct work {
    uint32_t table[BLOCK_BYTES]; // of a sorted rotation: the next's place << 8 | its first byte
    uint8_t block[BLOCK_BYTES];  // sorted; then as it was before
    uint8_t passed[LANES][BLOCK_BYTES];
    segment segments[SEGMENTS];
    huffman codes[CODES];
    uint8_t selectors[SELECTORS];
} work;

struct lam_bzip2 {
    lam_bzip2_source *source;
    void *user;
    work *work;
    lam_code code;          // of the source
    lam_error *error;       // of the call under way
    uint64_t position;      // of the end of packed
    const char *next, *end; // in packed
    uint64_t bits;          // the next ones, from the highest on; zeros behind them
    unsigned held;          // bits
    size_t limit;           // bytes of a block
    bool in_block;
    size_t length, at;                         // of the block, in work
    unsigned run, repeat;                      // equal bytes that were given; that are still to be
    uint8_t last;                              // byte given
    uint32_t check, block_check, stream_check; // of the bytes given; as the block has it; of blocks
    uint32_t crc[256];                         // CRC-32, highest bit first
    char packed[PACKED_BYTES];
};

lam_bzip2 *lam_bzip2_create(lam_bzip2_source *source, void *user) {
    lam_bzip2 *made = calloc(1, sizeof *made);
    work *space = malloc(sizeof *space);
    if (!made || !space) {
        free(made), free(space);
        return NULL;
    }
    made->source = source;
    made->user = user;
    made->work = space;
    for (uint32_t i = 0; i < 256; i++) {
        made->crc[i] = i << 24;
        for (int k = 0; k < 8; k++)
            made->crc[i] = made->crc[i] << 1 ^ (made->crc[i] >> 31 ? 0x04c11db7 : 0);
    }
    lam_bzip2_restart(made, 0);
    return made;
}

void lam_bzip2_destroy(lam_bzip2 *unpacker) {
    if (!unpacker) return;
    free(unpacker->work);
    free(unpacker);
}

void lam_bzip2_restart(lam_bzip2 *u, uint64_t position) {
    u->code = LAM_OK;
    u->position = position;
    u->next = u->end = u->packed;
    u->bits = u->held = 0;
}

uint64_t lam_bzip2_position(const lam_bzip2 *u) {
    return u->position - (uint64_t)(u->end - u->next) - u->held / 8;
}

// More packed bytes, where none are left. False: the source has ended, or failed.
static bool refill(lam_bzip2 *u) {
    size_t got = 0;
    u->code = u->source(u->user, u->packed, sizeof u->packed, &got, u->error);
    if (u->code != LAM_OK || got == 0) return false;
    u->next = u->packed;
    u->end = u->packed + got;
    u->position += got;
    return true;
}

// Holds so many bits, at most 57, and as many more as are at hand.
static bool hold(lam_bzip2 *u, unsigned count) {
    while (u->held <= 56) {
        if (u->next == u->end) {
            if (u->held >= count) return true;
            if (u->code != LAM_OK) return false;
            if (!refill(u)) {
                if (u->code == LAM_OK)
                    u->code = lam_fail(u->error, LAM_INPUT,
                                       "ends in the middle of its packed text: it was cut short: "
                                       "fetch it again");
                return false;
            }
        }
        u->bits |= (uint64_t)(uint8_t)*u->next++ << (56 - u->held);
        u->held += 8;
    }
    return true;
}

// The next bits, 1 to 32 of them; zeros where there are none.
static uint32_t take(lam_bzip2 *u, unsigned count) {
    if (u->held < count && !hold(u, count)) return 0;
    uint32_t value = (uint32_t)(u->bits >> (64 - count));
    u->bits <<= count;
    u->held -= count;
    return value;
}

// From the lengths [count]. Codes may be too few, or too many: the last ones then never come.
static void make_huffman(huffman *made, const uint8_t *lengths, unsigned count) {
    uint32_t code = 0, index = 0;
    memset(made->fast, 0, sizeof made->fast);
    for (unsigned length = 1; length <= CODE_BITS; length++) {
        made->base[length] = code - index;
        for (unsigned symbol = 0; symbol < count; symbol++) {
            if (lengths[symbol] != length) continue;
            unsigned same =
                length <= FAST_BITS && code >> length == 0 ? 1 << (FAST_BITS - length) : 0;
            for (uint32_t i = 0; i < same; i++)
                made->fast[code * same + i] = (uint16_t)(symbol << 5 | length);
            made->symbol[index++] = (uint16_t)symbol;
            code++;
        }
        made->limit[length] = code << (CODE_BITS - length);
        code <<= 1;
    }
}

// The bytes in use, in order: their number, 0 if there are none.
static unsigned read_bytes_in_use(lam_bzip2 *u, uint8_t *bytes) {
    unsigned count = 0, sixteens = take(u, 16);
    for (unsigned i = 0; i < 16; i++) {
        unsigned used = sixteens << i & 1 << 15 ? take(u, 16) : 0;
        for (unsigned k = 0; k < 16; k++)
            if (used << k & 1 << 15) bytes[count++] = (uint8_t)(16 * i + k);
    }
    return count;
}

// Which code each group of symbols has, moved to front: their number, 0 if they are wrong.
static unsigned read_selectors(lam_bzip2 *u, unsigned codes) {
    uint8_t order[CODES] = {0, 1, 2, 3, 4, 5};
    unsigned count = take(u, 15);
    for (unsigned i = 0; i < count; i++) {
        unsigned place = 0;
        while (place < codes && take(u, 1)) place++;
        if (place == codes) return 0;
        uint8_t code = order[place];
        memmove(order + 1, order, place);
        order[0] = code;
        if (i < SELECTORS) u->work->selectors[i] = code; // some packers have them for nothing
    }
    return count < SELECTORS ? count : SELECTORS;
}

static bool read_huffman(lam_bzip2 *u, huffman *code, unsigned symbols) {
    uint8_t lengths[SYMBOLS];
    unsigned length = take(u, 5);
    for (unsigned i = 0; i < symbols; i++) {
        while (length >= 1 && length <= CODE_BITS && take(u, 1)) length += take(u, 1) ? -1u : 1u;
        if (length < 1 || length > CODE_BITS) return false;
        lengths[i] = (uint8_t)length;
    }
    make_huffman(code, lengths, symbols);
    return true;
}

// The next symbol, and *length of its code in bits; SYMBOLS if it is none.
static inline unsigned look_up(const huffman *code, uint64_t bits, unsigned *length) {
    unsigned found = code->fast[bits >> (64 - FAST_BITS)];
    *length = found & 31;
    if (found) return found >> 5;
    uint32_t ahead = (uint32_t)(bits >> (64 - CODE_BITS));
    for (*length = FAST_BITS + 1; *length <= CODE_BITS; ++*length)
        if (ahead < code->limit[*length])
            return code->symbol[(ahead >> (CODE_BITS - *length)) - code->base[*length]];
    return SYMBOLS;
}

// The block as it was sorted, and how often each byte is in it. False: damaged, or u->code.
static bool read_block(lam_bzip2 *u, uint32_t *counts) {
    work *w = u->work;
    uint8_t front[256];
    unsigned used = read_bytes_in_use(u, front), codes = take(u, 3), length;
    if (used == 0 || codes < 2 || codes > CODES) return false;
    unsigned groups = read_selectors(u, codes);
    for (unsigned i = 0; i < codes; i++)
        if (!read_huffman(u, &w->codes[i], used + 2)) return false;
    size_t size = 0, run = 0;
    unsigned digit = 0; // of the run's length
    for (unsigned i = 0; i < GROUP * groups; i++) {
        if (u->held < CODE_BITS && !hold(u, CODE_BITS)) return false; // more follows any code
        unsigned symbol = look_up(&w->codes[w->selectors[i / GROUP]], u->bits, &length);
        if (symbol == SYMBOLS) return false;
        u->bits <<= length;
        u->held -= length;
        if (symbol <= 1) {
            run += (size_t)(symbol + 1) << digit++;
            if (run > u->limit - size) return false;
            continue;
        }
        if (run > 0) {
            memset(w->block + size, front[0], run);
            counts[front[0]] += (uint32_t)run;
            size += run;
            run = digit = 0;
        }
        if (symbol == used + 1) {
            u->length = size;
            return true;
        }
        if (size == u->limit) return false;
        uint8_t byte = front[symbol - 1];
        memmove(front + 1, front, symbol - 1);
        front[0] = byte;
        w->block[size++] = byte;
        counts[byte]++;
    }
    return false;
}

// A place of the sorted rotations to the next, each with its first byte.
static void link_rotations(work *w, size_t length, const uint32_t *counts) {
    uint32_t place[256], sum = 0;
    for (int i = 0; i < 256; i++) {
        place[i] = sum;
        sum += counts[i];
    }
    for (uint32_t i = 0; i < length; i++) w->table[place[w->block[i]]++] = i << 8 | w->block[i];
}

// The block as it was before it was sorted: length bytes from the place origin on. The places are
// in cycles, and this one and each STEP-th before and behind it cut theirs into segments, which are
// walked several at a time: a walk waits for memory at each place, but not for the other walks.
static void walk(work *w, uint32_t length, uint32_t origin) {
    const uint32_t first = origin % STEP, segments = (length - 1 - first) / STEP + 1;
    uint32_t at[LANES], of[LANES], begun = 0, ended = 0, passed = 0;
    for (int lane = 0; lane < LANES; lane++) {
        at[lane] = origin;
        of[lane] = SEGMENTS; // none: such a lane walks to no purpose
    }
    for (bool ends = true;;) {
        for (uint32_t lane = 0; ends && lane < LANES; lane++) {
            if ((at[lane] - first) % STEP != 0) continue;
            if (of[lane] < SEGMENTS) {
                segment *passed_by = &w->segments[of[lane]];
                passed_by->length = passed - passed_by->begin;
                passed_by->next = (at[lane] - first) / STEP;
                ended++;
            }
            of[lane] = begun < segments ? begun++ : SEGMENTS;
            if (of[lane] == SEGMENTS) continue;
            at[lane] = first + STEP * of[lane];
            w->segments[of[lane]] = (segment){.lane = lane, .begin = passed};
        }
        if (ended == segments) break;
        // One lane at least comes to a place that none has passed: so at most length times.
        ends = false;
        for (int lane = 0; lane < LANES; lane++) {
            uint32_t entry = w->table[at[lane]];
            w->passed[lane][passed] = (uint8_t)entry;
            at[lane] = entry >> 8;
            ends |= (at[lane] - first) % STEP == 0;
        }
        passed++;
    }
    uint32_t size = 0;
    for (const segment *s = &w->segments[origin / STEP]; size < length; s = &w->segments[s->next]) {
        uint32_t count = s->length < length - size ? s->length : length - size;
        memcpy(w->block + size, w->passed[s->lane] + s->begin, count);
        size += count;
    }
}

// The next block, made ready to be given, or the stream's end. False: damaged, or u->code.
static bool begin_block(lam_bzip2 *u, bool *end) {
    uint64_t kind = (uint64_t)take(u, 24) << 24;
    kind |= take(u, 24);
    uint32_t check = take(u, 32), counts[256] = {0};
    *end = kind == 0x177245385090;
    if (*end) {
        if (u->held % 8 > 0) take(u, u->held % 8);
        return check == u->stream_check && u->code == LAM_OK;
    }
    if (kind != 0x314159265359 || take(u, 1)) return false;
    uint32_t origin = take(u, 24);
    if (!read_block(u, counts) || origin >= u->length) return false;
    link_rotations(u->work, u->length, counts);
    walk(u->work, (uint32_t)u->length, origin);
    u->in_block = true;
    u->block_check = check;
    u->check = UINT32_MAX;
    u->at = 0;
    u->run = u->repeat = 0;
    return true;
}

// The next bytes of the block: their number.
static size_t give(lam_bzip2 *u, char *to, size_t room) {
    size_t count = 0;
    while (count < room) {
        if (u->repeat > 0) {
            u->repeat--;
        } else if (u->at == u->length) {
            break;
        } else {
            uint8_t byte = u->work->block[u->at++];
            if (u->run == 4) {
                u->repeat = byte;
                u->run = 0;
                continue;
            }
            u->run = byte == u->last ? u->run + 1 : 1;
            u->last = byte;
        }
        to[count++] = (char)u->last;
        u->check = u->check << 8 ^ u->crc[u->check >> 24 ^ u->last];
    }
    return count;
}

// That the block is whole, once all of it was given.
static bool end_block(lam_bzip2 *u) {
    u->in_block = false;
    u->stream_check = (u->stream_check << 1 | u->stream_check >> 31) ^ u->block_check;
    return u->run < 4 && ~u->check == u->block_check;
}

static lam_code failed(lam_bzip2 *u) {
    if (u->code != LAM_OK) return u->code;
    u->code = lam_fail(u->error, LAM_INPUT,
                       "is not what bzip2 packed, or damaged, near byte %llu: fetch it again",
                       (unsigned long long)lam_bzip2_position(u));
    return u->code;
}

lam_code lam_bzip2_begin(lam_bzip2 *u, bool *end, lam_error *error) {
    u->error = error;
    *end = u->held == 0 && u->next == u->end && !refill(u);
    if (*end) return u->code;
    for (const char *mark = "BZh"; *mark; mark++)
        if (take(u, 8) != (uint8_t)*mark) return failed(u);
    uint32_t level = take(u, 8) - '0';
    if (level < 1 || level > 9) return failed(u);
    u->limit = level * (BLOCK_BYTES / 9);
    u->in_block = false;
    u->stream_check = 0;
    return LAM_OK;
}

lam_code lam_bzip2_read(lam_bzip2 *u, char *to, size_t room, size_t *got, lam_error *error) {
    bool end = false;
    u->error = error;
    for (*got = 0; *got == 0 && !end;) {
        if (!u->in_block && !begin_block(u, &end)) return failed(u);
        if (!u->in_block) continue;
        *got = give(u, to, room);
        if (u->at == u->length && u->repeat == 0 && !end_block(u)) return failed(u);
    }
    return LAM_OK;
}
