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

static const struct {
    char name;
    double seconds;
} time_units[] = {{'h', 3600}, {'m', 60}, {'s', 1}};

enum { TIME_UNITS = sizeof time_units / sizeof *time_units };

bool lam_duration_parse(const char *text, double *seconds) {
    char number[LAM_REAL_ROOM];
    const size_t length = strlen(text);
    double count, unit = 0;
    if (!strcmp(text, "never") || !strcmp(text, "0")) {
        *seconds = 0;
        return true;
    }
    if (length < 2 || length > sizeof number) return false;
    memcpy(number, text, length - 1);
    number[length - 1] = '\0';
    for (int i = 0; i < TIME_UNITS; i++)
        if (text[length - 1] == time_units[i].name) unit = time_units[i].seconds;
    if (!unit || !lam_real_parse(number, &count) || count < 0 || !isfinite(count * unit))
        return false;
    *seconds = count * unit;
    return true;
}

void lam_duration_text(double seconds, char text[LAM_REAL_ROOM]) {
    int i = 0;
    while (i < TIME_UNITS - 1 && fmod(seconds, time_units[i].seconds) != 0) i++;
    if (seconds == 0) {
        snprintf(text, LAM_REAL_ROOM, "never");
        return;
    }
    lam_real_text(seconds / time_units[i].seconds, text);
    const size_t length = strlen(text);
    if (length + 1 < LAM_REAL_ROOM) text[length] = time_units[i].name, text[length + 1] = '\0';
}
