#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *lam_code_text(lam_code code) {
    switch (code) {
#define X(name, status, text)                                                                      \
    case name:                                                                                     \
        return text;
        LAM_CODES(X)
#undef X
    }
    return "an unknown code";
}

// File names and words from outside may hold anything: the line stays one line.
static void keep_one_line(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = ' ';
}

lam_code lam_fail(lam_error *error, lam_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    keep_one_line(error->text);
    error->passed_on = false;
    return error->code = code;
}

lam_code lam_fail_within(lam_error *error, const char *format, ...) {
    if (error->code == LAM_INTERRUPTED) return error->code;
    char before[sizeof error->text / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(before, sizeof before, format, arguments);
    va_end(arguments);
    size_t length = strlen(before), room = sizeof error->text - length - sizeof ": ";
    error->text[room] = '\0'; // a text too long for the line loses its end, not the new beginning
    memmove(error->text + length + 2, error->text, strlen(error->text) + 1);
    memcpy(error->text, before, length);
    memcpy(error->text + length, ": ", 2);
    keep_one_line(error->text);
    return error->code;
}
