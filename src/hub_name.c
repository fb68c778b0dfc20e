#include "hub_name.h"

#include <string.h>

enum { LONGEST_PART = 96 };

static bool is_part(const char *text, size_t length) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    return length > 0 && length <= LONGEST_PART && strspn(text, letters) >= length &&
           *text != '.' && *text != '-';
}

bool lam_hub_is_name(const char *text, size_t length) {
    const char *slash = memchr(text, '/', length);
    size_t first = slash ? (size_t)(slash - text) : length;
    return is_part(text, first) && (!slash || is_part(slash + 1, length - first - 1));
}

bool lam_hub_is_commit(const char *text) {
    return strspn(text, "0123456789abcdef") == LAM_COMMIT_DIGITS && !text[LAM_COMMIT_DIGITS];
}

size_t lam_hub_pinned(const char *text) {
    const char *at = strchr(text, '@');
    if (!at || !lam_hub_is_commit(at + 1)) return 0;
    size_t length = (size_t)(at - text);
    return lam_hub_is_name(text, length) ? length : 0;
}
