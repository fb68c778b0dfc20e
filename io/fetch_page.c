#include "io/fetch.h"

#include "src/wording.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// A query may name 50 titles, and servers take some 8000 bytes of URL.
enum { TITLES_AT_ONCE = 50, BYTES_AT_ONCE = 4000, MOST_REDIRECTS = 5 };

static const int64_t largest_page = 64 << 20; // bytes

typedef struct page {
    const char *title; // as it was asked for
    const char *found; // as the wiki has it
    int64_t revision;
} page;

// The wiki's address for a language.
static lam_code base_of(const lam_fetch *fetch, const char *language, const char **base,
                        lam_error *error) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    size_t length = strlen(language);
    if (!length || length > 32 || strspn(language, letters) != length)
        return lam_fail(error, LAM_USAGE,
                        "'%s' is not a language as wikis have it: en, de, simple, zh-yue",
                        lam_excerpt_of(language).text);
    const char *mark = strstr(fetch->wiki, "{lang}");
    char *made = mark ? lam_arena_format(fetch->arena, error, "%.*s%s%s", (int)(mark - fetch->wiki),
                                         fetch->wiki, language, mark + 6)
                      : lam_arena_text(fetch->arena, fetch->wiki, strlen(fetch->wiki), error);
    if (!made) return LAM_MEMORY;
    for (size_t end = strlen(made); end && made[end - 1] == '/';) made[--end] = '\0';
    *base = made;
    return lam_url_check(made, error);
}

static bool same_text(const json_t *object, const char *key, const char *text) {
    const char *value = json_string_value(json_object_get(object, key));
    return value && strcmp(value, text) == 0;
}

// Where a list of {from, to} sends a title; itself where it is not in it.
static const char *sent_to(const json_t *list, const char *title) {
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        const char *to = json_string_value(json_object_get(item, "to"));
        const char *from = json_string_value(json_object_get(item, "from"));
        char *decoded = NULL;
        if (!to || !from) continue;
        if (json_is_true(json_object_get(item, "fromencoded")))
            decoded = curl_easy_unescape(NULL, from, 0, NULL);
        bool same = strcmp(decoded ? decoded : from, title) == 0;
        curl_free(decoded);
        if (same) return to;
    }
    return title;
}

// Finds a page in the answer to a query, by its title.
static lam_code take_page(const char *base, const json_t *answer, page *p, lam_arena *arena,
                          lam_error *error) {
    const json_t *query = json_object_get(answer, "query");
    const char *title = sent_to(json_object_get(query, "normalized"), p->title);
    for (int i = 0; i < MOST_REDIRECTS; i++)
        title = sent_to(json_object_get(query, "redirects"), title);
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(query, "pages"), i, item) {
        if (!same_text(item, "title", title)) continue;
        p->revision = json_integer_value(json_object_get(item, "lastrevid"));
        p->found = lam_arena_text(arena, title, strlen(title), error);
        if (!p->found) return LAM_MEMORY;
        if (p->revision > 0) return LAM_OK;
        return lam_fail(error, LAM_INPUT, "%s has no page '%s': check the title", base,
                        lam_excerpt_of(p->title).text);
    }
    const char *info = json_string_value(json_object_get(json_object_get(answer, "error"), "info"));
    return lam_fail(error, LAM_INPUT, "%s says nothing of a page '%s'%s%s: check the title", base,
                    lam_excerpt_of(p->title).text, info ? ": " : "",
                    info ? lam_excerpt_of(info).text : "");
}

// The query for titles from first on, as many as fit; *next: the first that does not.
static lam_code query_of(const char *base, page *const *pages, size_t count, size_t first,
                         size_t *next, const char **url, lam_arena *arena, lam_error *error) {
    *url = lam_arena_format(arena, error,
                            "%s/w/api.php?action=query&prop=info&redirects=1&format=json&"
                            "formatversion=2&titles=",
                            base);
    for (*next = first; *url && *next < count && *next - first < TITLES_AT_ONCE; ++*next) {
        const char *title = lam_url_escape(pages[*next]->title, arena, error);
        if (!title) return LAM_MEMORY;
        if (*next > first && strlen(*url) + strlen(title) > BYTES_AT_ONCE) break;
        *url = lam_arena_format(arena, error, "%s%s%s", *url, *next > first ? "%7C" : "", title);
    }
    return *url ? LAM_OK : LAM_MEMORY;
}

// The current revisions of pages.
static lam_code resolve(const lam_fetch *fetch, const char *base, page **pages, size_t count,
                        lam_error *error) {
    const char **urls;
    size_t *first, batches = 0;
    json_t **answers;
    LAM_ALLOC(urls, fetch->arena, count, error);
    LAM_ALLOC(answers, fetch->arena, count, error);
    LAM_ALLOC(first, fetch->arena, count + 1, error);
    for (; first[batches] < count; batches++)
        LAM_TRY(query_of(base, pages, count, first[batches], &first[batches + 1], &urls[batches],
                         fetch->arena, error));
    lam_code code = lam_fetch_json(fetch, "queries", urls, batches, false, answers, error);
    size_t absent = 0;
    for (size_t b = 0; b < batches; b++)
        for (size_t i = first[b]; i < first[b + 1] && (code == LAM_OK || absent); i++) {
            lam_error one;
            lam_code found = take_page(base, answers[b], pages[i], fetch->arena, &one);
            if (found == LAM_OK) continue;
            if (!absent++) *error = one, code = found;
        }
    for (size_t b = 0; b < batches; b++) json_decref(answers[b]);
    if (absent > 1) return lam_fail_within(error, "%zu of %zu titles", absent, count);
    return code;
}

// Checks that a revision is one of the page's.
static lam_code check_revision(const lam_fetch *fetch, const char *base, page *p,
                               lam_error *error) {
    json_t *answer = NULL;
    const char *url = lam_arena_format(fetch->arena, error,
                                       "%s/w/api.php?action=query&prop=info&format=json&"
                                       "formatversion=2&revids=%lld",
                                       base, (long long)p->revision);
    if (!url) return LAM_MEMORY;
    lam_code code = lam_fetch_json(fetch, "queries", &url, 1, false, &answer, error);
    json_t *item = json_array_get(json_object_get(json_object_get(answer, "query"), "pages"), 0);
    const char *title = json_string_value(json_object_get(item, "title"));
    char *wanted = lam_arena_text(fetch->arena, p->title, strlen(p->title), error);
    if (code == LAM_OK && !wanted) code = LAM_MEMORY;
    for (char *c = wanted; c && *c; c++)
        if (*c == '_') *c = ' ';
    if (code == LAM_OK && (!title || json_object_get(item, "missing")))
        code = lam_fail(error, LAM_INPUT, "%s has no revision %lld: check the number", base,
                        (long long)p->revision);
    // The first letter's case does not count.
    else if (code == LAM_OK && (strncasecmp(title, wanted, 1) || strcmp(title + 1, wanted + 1)))
        code = lam_fail(error, LAM_INPUT, "%s: revision %lld is of the page '%s', not of '%s'",
                        base, (long long)p->revision, lam_excerpt_of(title).text,
                        lam_excerpt_of(p->title).text);
    if (code == LAM_OK) p->found = lam_arena_text(fetch->arena, title, strlen(title), error);
    json_decref(answer);
    return code != LAM_OK ? code : p->found ? LAM_OK : LAM_MEMORY;
}

// The page's entry: its address with the revision in it.
static lam_code pin(const lam_fetch *fetch, const char *base, const char *language, const page *p,
                    lam_corpus_entry *entry, lam_error *error) {
    lam_arena *arena = fetch->arena;
    char *title = lam_arena_text(arena, p->found, strlen(p->found), error);
    for (char *c = title; c && *c; c++)
        if (*c == ' ') *c = '_';
    const char *escaped = title ? lam_url_escape(title, arena, error) : NULL;
    if (!escaped) return LAM_MEMORY;
    *entry = (lam_corpus_entry){.ending = ".html"};
    entry->name = lam_arena_format(arena, error, "%s:%s", language, p->found);
    entry->revision = lam_arena_format(arena, error, "%lld", (long long)p->revision);
    entry->url = lam_arena_format(arena, error, "%s/w/index.php?title=%s&oldid=%lld", base, escaped,
                                  (long long)p->revision);
    return entry->name && entry->revision && entry->url ? LAM_OK : LAM_MEMORY;
}

static lam_code resolve_missing(const lam_fetch *fetch, const char *base, const char *language,
                                page *pages, lam_wanted *wanted, size_t count, lam_error *error) {
    page **missing;
    size_t left = 0;
    LAM_ALLOC(missing, fetch->arena, count, error);
    for (size_t i = 0; i < count; i++)
        if (!wanted[i].found) missing[left++] = &pages[i];
    if (!left) return LAM_OK;
    if (pages->revision)
        LAM_TRY(check_revision(fetch, base, pages, error));
    else
        LAM_TRY(resolve(fetch, base, missing, left, error));
    for (size_t i = 0; i < count; i++)
        if (!wanted[i].found)
            LAM_TRY(pin(fetch, base, language, &pages[i], &wanted[i].entry, error));
    return LAM_OK;
}

lam_code lam_fetch_pages(const lam_fetch *fetch, const lam_strings *titles, const char *language,
                         int64_t revision, lam_corpus *corpus, lam_error *error) {
    const char *base = NULL;
    page *pages;
    lam_wanted *wanted;
    size_t missing, count = titles->count;
    LAM_TRY(base_of(fetch, language, &base, error));
    LAM_ALLOC(pages, fetch->arena, count, error);
    LAM_ALLOC(wanted, fetch->arena, count, error);
    for (size_t i = 0; i < count; i++) {
        const char *title = titles->item[i];
        if (!*title || strpbrk(title, "|#<>[]{}\n\r\t"))
            return lam_fail(error, LAM_USAGE, "'%s' is not a page's title",
                            lam_excerpt_of(title).text);
        pages[i] = (page){.title = title, .revision = revision};
        wanted[i] = (lam_wanted){
            .type = "text/html", .compressed = true, .largest = largest_page, .size = -1};
        wanted[i].key = lam_arena_format(fetch->arena, error, "page %s %lld %s", base,
                                         (long long)revision, title);
        if (!wanted[i].key) return LAM_MEMORY;
    }
    LAM_TRY(lam_fetch_recall(fetch, "pages", wanted, count, &missing, error));
    LAM_TRY(resolve_missing(fetch, base, language, pages, wanted, count, error));
    LAM_TRY(lam_fetch_files(fetch, "pages", wanted, count, error));
    for (size_t i = 0; i < count; i++)
        LAM_TRY(lam_corpus_add(corpus, &wanted[i].entry, fetch->arena, error));
    return LAM_OK;
}
