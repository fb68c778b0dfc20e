// How far a download is, for people: a line that is drawn over on a terminal, else a plain one
// every ten seconds.
#ifndef LAM_DOWNLOAD_METER_H
#define LAM_DOWNLOAD_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lam_meter {
    const char *what; // "pages"
    int64_t items, items_done;
    int64_t bytes_before; // of items that have ended
    int64_t bytes_found;  // that were there already, and say nothing of the rate
    bool terminal, drawn;
    double began, shown; // seconds
} lam_meter;

void lam_meter_begin(lam_meter *meter, const char *what, int64_t items);

// Whether it is time to show something.
bool lam_meter_due(const lam_meter *meter);

// bytes: there by now. expected: when all is there, -1 where that is not known.
void lam_meter_show(lam_meter *meter, int64_t bytes, int64_t expected);
void lam_meter_end(lam_meter *meter);

// "12 of 200 pages  45.2 of 120.0 MB  3.20 MB/s  23 s left", seconds after the beginning.
void lam_meter_text(const lam_meter *meter, int64_t bytes, int64_t expected, double seconds,
                    char *text, size_t room);

#endif
