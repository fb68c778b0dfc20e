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

// --- reading what was planned

typedef struct reading {
    const lam_dump_plan *plan;
    size_t first, step;
    bool header;   // the list of streams begins with one that is read for the dump's beginning
    bool *article; // [plan->ids] there is an article of that id; NULL: not asked
    lam_dump_take take;
    void *user;
    int64_t count;
} reading;

static int compare_ids(const void *a, const void *b) {
    const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static lam_code pass_on(void *user, const lam_dump_article *article, bool *stop, lam_error *error) {
    reading *r = user;
    const lam_dump_plan *plan = r->plan;
    lam_dump_article mine = *article;
    if (plan->streams && r->header && article->stream == 0) {
        if (r->first != 0) return LAM_OK; // the first one's
    } else if (plan->streams) {
        mine.stream = r->first + (article->stream - r->header) * r->step;
    }
    if (plan->id) {
        const int64_t *found =
            bsearch(&article->id, plan->id, plan->ids, sizeof *found, compare_ids);
        if (!found) return LAM_OK;
        if (r->article) r->article[found - plan->id] = true;
    }
    r->count++;
    if (r->take) LAM_TRY(r->take(r->user, &mine, stop, error));
    *stop |= plan->limit > 0 && r->count == plan->limit;
    return LAM_OK;
}

// The reader's own streams, behind the one with the dump's beginning.
static lam_code read_streams(reading *r, lam_error *error) {
    const lam_dump_plan *plan = r->plan;
    size_t count = 0;
    lam_dump_stream *list = malloc((plan->streams + 1) * sizeof *list);
    if (!list)
        return lam_fail(error, LAM_MEMORY, "%s: no memory for its %zu streams", plan->path,
                        plan->streams);
    r->header = r->first > 0 || plan->stream[0] > 0;
    if (r->header)
        list[count++] =
            (lam_dump_stream){.end = plan->all_streams && plan->stream[0] ? plan->stream[0] : 0};
    for (size_t i = r->first; i < plan->streams; i += r->step)
        list[count++] = (lam_dump_stream){.begin = plan->stream[i],
                                          .end = !plan->all_streams      ? 0
                                                 : i + 1 < plan->streams ? plan->stream[i + 1]
                                                                         : LAM_DUMP_TO_END};
    lam_code code = lam_dump_pages(plan->path, list, count, pass_on, r, error);
    free(list);
    return code;
}

static lam_code read_all(reading *r, lam_error *error) {
    if (r->plan->streams) return read_streams(r, error);
    return lam_dump_pages(r->plan->path, NULL, 0, pass_on, r, error);
}

lam_code lam_dump_plan_read(const lam_dump_plan *plan, size_t first, size_t step,
                            lam_dump_take take, void *user, int64_t *count, lam_error *error) {
    reading r = {.plan = plan, .first = first, .step = step, .take = take, .user = user};
    lam_code code = read_all(&r, error);
    *count = r.count;
    return code;
}

void lam_dump_plan_destroy(lam_dump_plan *plan) {
    free(plan->stream);
    free(plan->id);
    *plan = (lam_dump_plan){0};
}

// --- planning

static lam_code offer_article(void *user, const lam_dump_article *article, bool *stop,
                              lam_error *error) {
    (void)stop, (void)error;
    offer(user, 0, article->id);
    return LAM_OK;
}

// What was drawn, as a plan; leaves it sorted by id.
static lam_code plan_drawn(lam_dump_plan *plan, draw *d, bool index, lam_error *error) {
    free(plan->stream);
    free(plan->id);
    plan->streams = plan->ids = 0;
    plan->stream = index ? malloc((d->count + 1) * sizeof *plan->stream) : NULL;
    plan->id = malloc((d->count + 1) * sizeof *plan->id);
    if (!plan->id || (index && !plan->stream)) return no_memory(plan->path, d->count, error);
    qsort(d->item, d->count, sizeof *d->item, by_offset);
    for (size_t i = 0; index && i < d->count; i++)
        if (!plan->streams || d->item[i].offset != plan->stream[plan->streams - 1])
            plan->stream[plan->streams++] = d->item[i].offset;
    qsort(d->item, d->count, sizeof *d->item, by_id);
    for (size_t i = 0; i < d->count; i++) plan->id[plan->ids++] = d->item[i].id;
    return LAM_OK;
}

// Leaves of what was drawn, sorted by id, those that are articles, at most count.
static void keep_articles(draw *d, const bool *article, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < d->count; i++)
        if (article[i]) d->item[kept++] = d->item[i];
    qsort(d->item, kept, sizeof *d->item, by_key);
    d->count = kept < count ? kept : count;
}

// Which of the plan's pages are articles, each of the share looking into some streams.
static lam_code find_articles(const lam_dump_plan *plan, const lam_dump_share *share, bool *article,
                              lam_error *error) {
    reading r = {.plan = plan,
                 .first = share ? share->rank : 0,
                 .step = share ? share->size : 1,
                 .article = article};
    lam_code code = read_all(&r, error);
    return share ? share->any(share->user, code, article, plan->ids, error) : code;
}

// Draws from the index. It has redirects and other namespaces as well, so that more are drawn than
// are wanted; if among those are too few articles, more again.
static lam_code draw_indexed(lam_dump_plan *plan, const char *index, const lam_dump_share *share,
                             size_t sample, draw *d, lam_error *error) {
    for (size_t most = 4 * sample + 64;; most *= 4) {
        d->count = 0;
        d->most = most;
        LAM_TRY(lam_dump_index_read(index, offer, d, error));
        if (d->no_memory) return no_memory(plan->path, most, error);
        bool all = d->count < most;
        if (d->count == 0) return LAM_OK;
        LAM_TRY(plan_drawn(plan, d, true, error));
        bool *article = calloc(d->count, sizeof *article);
        if (!article) return no_memory(plan->path, most, error);
        lam_code code = find_articles(plan, share, article, error);
        keep_articles(d, article, sample);
        free(article);
        LAM_TRY(code);
        if (all || d->count == sample) return LAM_OK;
    }
}

static lam_code plan_sample(lam_dump_plan *plan, const char *index, const lam_dump_choice *choice,
                            const lam_dump_share *share, lam_error *error) {
    draw d = {.most = (size_t)choice->sample,
              .random = lam_random_key(choice->seed, LAM_RANDOM_DUMP_SAMPLE, 0, 0)};
    lam_code code = index ? draw_indexed(plan, index, share, d.most, &d, error)
                          : lam_dump_pages(plan->path, NULL, 0, offer_article, &d, error);
    if (code == LAM_OK && d.no_memory) code = no_memory(plan->path, d.most, error);
    if (code == LAM_OK && d.count == 0) code = lam_dump_no_article(plan->path, error);
    if (code == LAM_OK) code = plan_drawn(plan, &d, index != NULL, error);
    free(d.item);
    return code;
}

typedef struct stream_list {
    lam_dump_plan *plan;
    size_t room;
    bool no_memory, descends;
} stream_list;

static void add_stream(void *user, uint64_t offset, int64_t id) {
    (void)id;
    stream_list *list = user;
    lam_dump_plan *plan = list->plan;
    if (plan->streams && plan->stream[plan->streams - 1] == offset) return;
    list->descends |= plan->streams && plan->stream[plan->streams - 1] > offset;
    if (plan->streams == list->room) {
        size_t room = 2 * list->room + 256;
        uint64_t *larger = realloc(plan->stream, room * sizeof *larger);
        list->no_memory |= !larger;
        if (!larger) return;
        plan->stream = larger;
        list->room = room;
    }
    plan->stream[plan->streams++] = offset;
}

static lam_code plan_all(lam_dump_plan *plan, const char *index, lam_error *error) {
    stream_list list = {.plan = plan};
    plan->all_streams = true;
    LAM_TRY(lam_dump_index_read(index, add_stream, &list, error));
    if (list.no_memory)
        return lam_fail(error, LAM_MEMORY, "%s: no memory for its streams", plan->path);
    if (!list.descends) return LAM_OK;
    return lam_fail(
        error, LAM_INPUT,
        "%s: its streams are not in the order of the dump: fetch it again, or remove it "
        "to read the dump in one go",
        index);
}

lam_code lam_dump_plan_create(const char *path, const char *index, const lam_dump_choice *choice,
                              const lam_dump_share *share, lam_dump_plan *plan, lam_error *error) {
    lam_arena arena = {0};
    char *beside = NULL;
    *plan = (lam_dump_plan){.path = path, .limit = choice->limit};
    if (choice->limit > 0 && choice->sample > 0)
        return lam_fail(error, LAM_USAGE,
                        "limit takes the first articles of a dump, sample draws from all of them: "
                        "give one of the two");
    lam_code code = index ? LAM_OK : lam_dump_index_find(path, &beside, &arena, error);
    if (!index) index = beside;
    if (code == LAM_OK && choice->sample > 0)
        code = plan_sample(plan, index, choice, share, error);
    else if (code == LAM_OK && index && choice->limit == 0)
        code = plan_all(plan, index, error);
    lam_arena_destroy(&arena);
    return code;
}

lam_code lam_dump_no_article(const char *path, lam_error *error) {
    return lam_fail(error, LAM_INPUT,
                    "%s: has no article: no page of the main namespace that is no redirect", path);
}

lam_code lam_dump_read(const char *path, const lam_dump_choice *choice, lam_dump_take take,
                       void *user, lam_error *error) {
    lam_dump_plan plan;
    int64_t count = 0;
    lam_code code = lam_dump_plan_create(path, NULL, choice, NULL, &plan, error);
    if (code == LAM_OK) code = lam_dump_plan_read(&plan, 0, 1, take, user, &count, error);
    lam_dump_plan_destroy(&plan);
    return code == LAM_OK && count == 0 ? lam_dump_no_article(path, error) : code;
}
