#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

static atomic_int lowest = LOG_INFO;

void log_set_level(enum log_level level) {
    lowest = (int)level;
}

void log_event(enum log_level level, const char *event, const char *format, ...) {
    static const char *const names[] = {"debug", "info", "warning", "error"};
    if ((int)level < lowest)
        return;
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);

    char line[2048], raw[1024];
    size_t used = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    used += (size_t)snprintf(line + used, sizeof line - used, ".%03ldZ level=%s event=%s ",
                             now.tv_nsec / 1000000, names[level], event);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(raw, sizeof raw, format, arguments);
    va_end(arguments);
    text_show(raw, line + used, sizeof line - used - 1);
    used += strlen(line + used);
    line[used++] = '\n';
    /* One write a line, so that threads do not mix theirs. */
    if (write(STDERR_FILENO, line, used) < 0)
        return; /* a log that cannot be written must not stop the server */
}
