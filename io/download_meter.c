#include "io/download_meter.h"

#include "io/transfer.h"
#include "src/log.h"

#include <stdio.h>
#include <unistd.h>

static const double draw_every = 0.2, line_every = 10.0; // seconds

enum { BAR = 24 };

void lam_meter_begin(lam_meter *meter, const char *what, int64_t items) {
    double now = lam_transfer_clock();
    *meter = (lam_meter){.what = what,
                         .items = items,
                         .terminal = isatty(STDERR_FILENO),
                         .began = now,
                         .shown = now};
}

bool lam_meter_due(const lam_meter *meter) {
    if (lam_log_level_now() == LAM_QUIET) return false;
    return lam_transfer_clock() - meter->shown >= (meter->terminal ? draw_every : line_every);
}

static double share_of(const lam_meter *meter, int64_t bytes, int64_t expected) {
    if (expected > 0) return (double)bytes / (double)expected;
    return meter->items > 0 ? (double)meter->items_done / (double)meter->items : 1;
}

void lam_meter_text(const lam_meter *meter, int64_t bytes, int64_t expected, double seconds,
                    char *text, size_t room) {
    double rate = seconds > 0 ? (double)(bytes - meter->bytes_found) / seconds : 0;
    double left = -1;
    char size[64], time[32] = "? left";
    if (expected >= 0 && rate > 0)
        left = (double)(expected - bytes) / rate;
    else if (meter->items_done > 0)
        left = seconds * (double)(meter->items - meter->items_done) / (double)meter->items_done;
    if (left >= 7200)
        snprintf(time, sizeof time, "%.1f h left", left / 3600);
    else if (left >= 120)
        snprintf(time, sizeof time, "%.0f min left", left / 60);
    else if (left >= 0)
        snprintf(time, sizeof time, "%.0f s left", left);
    if (expected >= 0)
        snprintf(size, sizeof size, "%.1f of %.1f MB", (double)bytes / 1e6, (double)expected / 1e6);
    else
        snprintf(size, sizeof size, "%.1f MB", (double)bytes / 1e6);
    snprintf(text, room, "%lld of %lld %s  %s  %.2f MB/s  %s", (long long)meter->items_done,
             (long long)meter->items, meter->what, size, rate / 1e6, time);
}

void lam_meter_show(lam_meter *meter, int64_t bytes, int64_t expected) {
    char text[256], bar[BAR + 1] = "";
    double share = share_of(meter, bytes, expected);
    lam_meter_text(meter, bytes, expected, lam_transfer_clock() - meter->began, text, sizeof text);
    for (int i = 0; i < BAR; i++) bar[i] = i < share * BAR ? '#' : '.';
    if (meter->terminal) {
        fprintf(stderr, "\r[%s] %s\033[K", bar, text);
        fflush(stderr);
        meter->drawn = true;
    } else {
        lam_log(LAM_NORMAL, "%s", text);
    }
    meter->shown = lam_transfer_clock();
}

void lam_meter_end(lam_meter *meter) {
    if (meter->drawn) fputs("\r\033[K", stderr);
    meter->drawn = false;
}
