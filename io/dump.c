#include "io/dump.h"

#include "io/dump_index.h"
#include "io/dump_pages.h"
#include "src/arena.h"
#include "src/random.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool lam_dump_named(const char *path) {
    size_t length = strlen(path);
    return length > 4 && (strcasecmp(path + length - 4, ".xml") == 0 ||
                          strcasecmp(path + length - 4, ".bz2") == 0);
}

// --- what is drawn

typedef struct drawn {
    double key; // the smallest are taken
    int64_t id;
    uint64_t offset; // of its stream, where there is an index
    bool article;    // there is an article of that id
} drawn;

// Those with the smallest keys, of all that were offered.
typedef struct draw {
    lam_random random;
    drawn *item; // [count], a heap, the largest key first
    size_t count, room, most;
    bool no_memory;
} draw;

static int by_key(const void *a, const void *b) {
    const drawn *left = a, *right = b;
    if (left->key != right->key) return left->key < right->key ? -1 : 1;
    return left->id < right->id ? -1 : left->id > right->id;
}

static int by_id(const void *a, const void *b) {
    const drawn *left = a, *right = b;
    return left->id < right->id ? -1 : left->id > right->id;
}

static int by_offset(const void *a, const void *b) {
    const drawn *left = a, *right = b;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

static void swap(drawn *a, drawn *b) {
    drawn kept = *a;
    *a = *b;
    *b = kept;
}

static void sift_up(drawn *item, size_t at) {
    for (; at > 0 && by_key(&item[(at - 1) / 2], &item[at]) < 0; at = (at - 1) / 2)
        swap(&item[(at - 1) / 2], &item[at]);
}

static void sift_down(drawn *item, size_t count) {
    for (size_t at = 0, child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && by_key(&item[child + 1], &item[child]) > 0) child++;
        if (by_key(&item[child], &item[at]) <= 0) break;
        swap(&item[child], &item[at]);
    }
}

static bool grow(draw *d) {
    size_t room = 2 * d->room + 64;
    if (room > d->most) room = d->most;
    drawn *item = realloc(d->item, room * sizeof *item);
    d->no_memory |= !item;
    if (!item) return false;
    d->item = item;
    d->room = room;
    return true;
}

static void offer(void *user, uint64_t offset, int64_t id) {
    draw *d = user;
    drawn one = {
        .key = lam_random_uniform_double(&d->random, (uint64_t)id), .id = id, .offset = offset};
    if (d->count == d->most) {
        if (by_key(&one, &d->item[0]) >= 0) return;
        d->item[0] = one;
        sift_down(d->item, d->count);
    } else if (d->count < d->room || grow(d)) {
        d->item[d->count] = one;
        sift_up(d->item, d->count++);
    }
}

static lam_code no_memory(const char *path, size_t count, lam_error *error) {
    return lam_fail(error, LAM_MEMORY, "%s: no memory to draw %zu articles: take a smaller sample",
                    path, count);
}

// --- reading what was drawn

// Passes on what was drawn, or only marks it; or the first of all.
typedef struct filter {
    lam_dump_take take; // NULL: mark
    void *user;
    draw *draw; // sorted by id; NULL: all
    int64_t taken, limit;
} filter;

static lam_code pass_on(void *user, const lam_dump_article *article, bool *stop, lam_error *error) {
    filter *f = user;
    drawn wanted = {.id = article->id}, *found = NULL;
    if (f->draw) {
        found = bsearch(&wanted, f->draw->item, f->draw->count, sizeof wanted, by_id);
        if (!found) return LAM_OK;
        found->article = true;
    }
    f->taken++;
    if (f->take) LAM_TRY(f->take(f->user, article, stop, error));
    *stop |= f->limit > 0 && f->taken == f->limit;
    return LAM_OK;
}

static lam_code offer_article(void *user, const lam_dump_article *article, bool *stop,
                              lam_error *error) {
    (void)stop, (void)error;
    offer(user, 0, article->id);
    return LAM_OK;
}

// Reads what was drawn, of all the dump or, with index, of the streams that may have it.
static lam_code read_drawn(const char *path, filter *f, bool index, lam_error *error) {
    draw *d = f->draw;
    uint64_t *stream = NULL;
    size_t streams = 0;
    if (index) {
        stream = malloc((d->count + 1) * sizeof *stream);
        if (!stream) return no_memory(path, d->count, error);
        qsort(d->item, d->count, sizeof *d->item, by_offset);
        stream[streams++] = 0; // the dump's beginning is there
        for (size_t i = 0; i < d->count; i++)
            if (d->item[i].offset != stream[streams - 1]) stream[streams++] = d->item[i].offset;
    }
    qsort(d->item, d->count, sizeof *d->item, by_id);
    lam_code code = lam_dump_pages(path, stream, streams, pass_on, f, error);
    free(stream);
    return code;
}

// Leaves of what was drawn those that are articles, at most count.
static void keep_articles(draw *d, size_t count) {
    size_t kept = 0;
    qsort(d->item, d->count, sizeof *d->item, by_key);
    for (size_t i = 0; i < d->count && kept < count; i++)
        if (d->item[i].article) d->item[kept++] = d->item[i];
    d->count = kept;
}

// Draws from the index. It has redirects and other namespaces as well, so that more are drawn than
// are wanted; if among those are too few articles, more again.
static lam_code draw_indexed(const char *path, const char *index, size_t sample, draw *d,
                             lam_error *error) {
    for (size_t most = 4 * sample + 64;; most *= 4) {
        d->count = 0;
        d->most = most;
        LAM_TRY(lam_dump_index_read(index, offer, d, error));
        if (d->no_memory) return no_memory(path, most, error);
        bool all = d->count < most;
        filter mark = {.draw = d};
        LAM_TRY(read_drawn(path, &mark, true, error));
        keep_articles(d, sample);
        if (all || d->count == sample) return LAM_OK;
    }
}

static lam_code read_sample(const char *path, const lam_dump_choice *choice, filter *f, draw *d,
                            lam_arena *arena, lam_error *error) {
    char *index;
    d->most = (size_t)choice->sample;
    d->random = lam_random_key(choice->seed, LAM_RANDOM_DUMP_SAMPLE, 0, 0);
    LAM_TRY(lam_dump_index_find(path, &index, arena, error));
    if (index) {
        LAM_TRY(draw_indexed(path, index, d->most, d, error));
    } else {
        LAM_TRY(lam_dump_pages(path, NULL, 0, offer_article, d, error));
        if (d->no_memory) return no_memory(path, d->most, error);
    }
    if (d->count == 0) return LAM_OK;
    f->draw = d;
    return read_drawn(path, f, index != NULL, error);
}

lam_code lam_dump_read(const char *path, const lam_dump_choice *choice, lam_dump_take take,
                       void *user, lam_error *error) {
    if (choice->limit > 0 && choice->sample > 0)
        return lam_fail(error, LAM_USAGE,
                        "limit takes the first articles of a dump, sample draws from all of them: "
                        "give one of the two");
    filter f = {.take = take, .user = user, .limit = choice->limit};
    if (choice->sample == 0) {
        LAM_TRY(lam_dump_pages(path, NULL, 0, pass_on, &f, error));
    } else {
        draw d = {0};
        lam_arena arena = {0};
        lam_code code = read_sample(path, choice, &f, &d, &arena, error);
        lam_arena_destroy(&arena);
        free(d.item);
        if (code != LAM_OK) return code;
    }
    if (f.taken == 0)
        return lam_fail(error, LAM_INPUT,
                        "%s: has no article: no page of the main namespace that is no redirect",
                        path);
    return LAM_OK;
}
