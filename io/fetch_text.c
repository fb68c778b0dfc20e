#include "io/fetch.h"

#include "io/dump.h"

#include <string.h>

static const int64_t largest_text = (int64_t)2 << 30, largest_dump = (int64_t)64 << 30; // bytes

lam_code lam_fetch_texts(const lam_fetch *fetch, const lam_strings *urls, lam_corpus *corpus,
                         lam_error *error) {
    lam_wanted *wanted;
    size_t missing;
    LAM_ALLOC(wanted, fetch->arena, urls->count, error);
    for (size_t i = 0; i < urls->count; i++) {
        const char *url = urls->item[i];
        LAM_TRY(lam_url_check(url, error));
        wanted[i] = (lam_wanted){.key = url,
                                 .entry = {.name = url, .url = url},
                                 .any_ending = true,
                                 .largest = lam_dump_named(url) ? largest_dump : largest_text,
                                 .size = -1};
    }
    LAM_TRY(lam_fetch_recall(fetch, "texts", wanted, urls->count, &missing, error));
    LAM_TRY(lam_fetch_files(fetch, "texts", wanted, urls->count, error));
    for (size_t i = 0; i < urls->count; i++)
        LAM_TRY(lam_corpus_add(corpus, &wanted[i].entry, fetch->arena, error));
    return LAM_OK;
}
