// The one global: where lines for people go. Only the rank that main chose prints.
#ifndef LAM_LOG_H
#define LAM_LOG_H

#include <stdbool.h>

typedef enum lam_log_level { LAM_QUIET, LAM_NORMAL, LAM_VERBOSE } lam_log_level;

// Lines above level, and all lines on a rank that does not speak, are dropped.
void lam_log_open(lam_log_level level, bool speaks);

// One line to standard error, "laminar: " before it; the newline is added.
__attribute__((format(printf, 2, 3))) void lam_log(lam_log_level level, const char *format, ...);

// The same on any rank.
__attribute__((format(printf, 2, 3))) void lam_log_any(lam_log_level level, const char *format,
                                                       ...);

// The level, LAM_QUIET on a rank that does not speak.
lam_log_level lam_log_level_now(void);

#endif
