#include "decimal.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool lam_integer_parse(const char *text, int64_t *value) {
    const char *digits = text + (*text == '+' || *text == '-');
    if (!is_digit(*digits)) return false;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno) return false;
    int64_t unit = 1;
    switch (*end) {
    case 'k':
    case 'K':
        unit = INT64_C(1) << 10, end++;
        break;
    case 'M':
        unit = INT64_C(1) << 20, end++;
        break;
    case 'G':
        unit = INT64_C(1) << 30, end++;
        break;
    }
    return !*end && !__builtin_mul_overflow((int64_t)number, unit, value);
}

// Whether text is [sign] digits [. digits] [e [sign] digits], with a digit before or after the dot.
static bool is_decimal(const char *text) {
    text += *text == '+' || *text == '-';
    size_t digits = 0;
    while (is_digit(*text)) text++, digits++;
    if (*text == '.')
        for (text++; is_digit(*text); text++) digits++;
    if (!digits) return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        text += *text == '+' || *text == '-';
        if (!is_digit(*text)) return false;
        while (is_digit(*text)) text++;
    }
    return !*text;
}

bool lam_real_parse(const char *text, double *value) {
    if (!is_decimal(text)) return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain) return false;
    errno = 0;
    *value = strtod_l(text, NULL, plain);
    bool vanished = errno == ERANGE && *value == 0;
    freelocale(plain);
    return isfinite(*value) && !vanished;
}

void lam_real_text(double value, char text[LAM_REAL_ROOM]) {
    if (fabs(value) < 1e15 && value == trunc(value)) {
        snprintf(text, LAM_REAL_ROOM, "%.0f", value);
        return;
    }
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), usual = uselocale(plain);
    double again;
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, LAM_REAL_ROOM, "%.*g", digits, value);
        if (lam_real_parse(text, &again) && again == value) break;
    }
    uselocale(usual);
    freelocale(plain);
    // YAML 1.1 wants a dot before an exponent.
    char *exponent = strchr(text, 'e');
    if (exponent && !strchr(text, '.')) {
        memmove(exponent + 2, exponent, strlen(exponent) + 1);
        memcpy(exponent, ".0", 2);
    }
}
