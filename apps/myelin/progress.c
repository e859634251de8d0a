#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"

enum { PATIENCE_MS = 1000, REDRAW_MS = 100, WIDTH = 40 };

/* session_progress is never called by two threads at once; progress_end after the flow. */
static uint64_t start_ms, drawn_ms;
static bool is_drawn;

static void erase(void) {
    if (is_drawn)
        fputs("\r\033[K", stderr);
    is_drawn = false;
}

static void draw(const char *step, uint64_t done, uint64_t total, uint64_t now) {
    double part = total > 0 ? (double)done / (double)total : 0;
    int filled = (int)(part * WIDTH);
    filled = filled > WIDTH ? WIDTH : filled;
    fprintf(stderr, "\r%-10.10s [", step);
    for (int i = 0; i < WIDTH; i++)
        fputc(i < filled ? '#' : '.', stderr);
    fprintf(stderr, "] %3d %%\033[K", (int)(part * 100));
    fflush(stderr);
    is_drawn = true;
    drawn_ms = now;
}

void progress_show(void *context, const char *step, uint64_t done, uint64_t total) {
    (void)context;
    uint64_t now = clock_ms();
    if (start_ms == 0)
        start_ms = now;
    if (done >= total)
        erase(); /* what the step was for is about to be printed */
    else if (now - start_ms >= PATIENCE_MS && now - drawn_ms >= REDRAW_MS && isatty(STDERR_FILENO))
        draw(step, done, total, now);
}

void progress_end(void) {
    erase();
    start_ms = 0;
}
