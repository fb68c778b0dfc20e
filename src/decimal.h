// Numbers as people write them in job files and on the command line, whatever the process's locale.
#ifndef LAM_DECIMAL_H
#define LAM_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

enum { LAM_REAL_ROOM = 40 };

// A decimal whole number, optionally signed, with an optional suffix k (or K), M or G: powers of
// 1024. False if text is anything else or does not fit 64 bits.
bool lam_integer_parse(const char *text, int64_t *value);

// A decimal number (1, -0.5, .5, 1e-3): no hexadecimal, no NaN, no infinity. False if text is
// anything else, or its magnitude is beyond a double's or rounds to zero without being zero.
bool lam_real_parse(const char *text, double *value);

// The shortest text that lam_real_parse reads as the same (finite) value; a float in YAML 1.1 too.
void lam_real_text(double value, char text[LAM_REAL_ROOM]);

// Seconds of a time like 30s, 5m, 1.5h, or of 0 and "never", which are 0. False if text is anything
// else.
bool lam_duration_parse(const char *text, double *seconds);

// The text that lam_duration_parse reads as the same seconds, in the largest unit that gives a
// whole number.
void lam_duration_text(double seconds, char text[LAM_REAL_ROOM]);

#endif
