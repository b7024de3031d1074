/* SPDX-License-Identifier: BSD-3-Clause */
#include "tool/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

#define DRAW_MS 100
#define LINE_MS 5000
#define BAR_WIDTH 30

void progress_begin(struct progress *progress, const char *what, uint64_t bytes_total, bool is_quiet)
{
    *progress = (struct progress){.what = what,
                                  .bytes_total = bytes_total,
                                  .is_terminal = isatty(STDERR_FILENO) == 1,
                                  .is_quiet = is_quiet,
                                  .begun_ms = clock_now_ms()};
    progress->told_ms = progress->begun_ms;
}

static double megabytes(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void draw(struct progress *progress, int64_t now_ms)
{
    double seconds = (double)(now_ms - progress->begun_ms) / 1000;
    char bar[BAR_WIDTH + 1] = "";
    if (progress->is_terminal && progress->bytes_total > 0) {
        uint64_t filled = progress->bytes * BAR_WIDTH / progress->bytes_total;
        memset(bar, '.', BAR_WIDTH);
        memset(bar, '#', filled < BAR_WIDTH ? filled : BAR_WIDTH);
    }
    if (progress->is_terminal)
        fputs("\r\033[K", stderr);
    fprintf(stderr, "%s ", progress->what);
    if (bar[0])
        fprintf(stderr, "[%s] ", bar);
    if (progress->bytes_total > 0)
        fprintf(stderr, "%3.0f %% ", 100.0 * (double)progress->bytes / (double)progress->bytes_total);
    fprintf(stderr, "%.1f MB, %llu keys, %.1f s", megabytes(progress->bytes), (unsigned long long)progress->keys,
            seconds);
    fputs(progress->is_terminal ? "" : "\n", stderr);
    fflush(stderr);
    progress->told_ms = now_ms;
    progress->is_drawn = true;
}

void progress_tell(struct progress *progress)
{
    int64_t now_ms = clock_now_ms();
    if (!progress->is_quiet && now_ms - progress->told_ms >= (progress->is_terminal ? DRAW_MS : LINE_MS))
        draw(progress, now_ms);
}

void progress_end(struct progress *progress)
{
    if (progress->is_quiet || !progress->is_drawn)
        return;
    draw(progress, clock_now_ms());
    if (progress->is_terminal)
        fputs("\n", stderr);
}
