#include "log.h"

#include <stdarg.h>
#include <stdio.h>

static lam_log_level current_level = LAM_NORMAL;
static bool current_speaks = true;

void lam_log_open(lam_log_level level, bool speaks) {
    current_level = level;
    current_speaks = speaks;
}

lam_log_level lam_log_level_now(void) {
    return current_speaks ? current_level : LAM_QUIET;
}

static void print(const char *format, va_list arguments) {
    char line[2048];
    vsnprintf(line, sizeof line, format, arguments);
    fprintf(stderr, "laminar: %s\n", line);
}

void lam_log(lam_log_level level, const char *format, ...) {
    if (!current_speaks || level > current_level) return;
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
}

void lam_log_any(lam_log_level level, const char *format, ...) {
    if (level > current_level) return;
    va_list arguments;
    va_start(arguments, format);
    print(format, arguments);
    va_end(arguments);
}
