#include "gateway.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { LINE_BYTES = 1024 };
#define LINE_START "Myelin: "

static void make_line(char line[LINE_BYTES], const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void make_line(char line[LINE_BYTES], const char *format, va_list arguments) {
    int head = snprintf(line, LINE_BYTES, LINE_START);
    vsnprintf(line + head, (size_t)(LINE_BYTES - head), format, arguments);
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

void gateway_error(const struct gateway *gateway, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    make_line(line, format, arguments);
    va_end(arguments);
    OrthancPluginLogError(gateway->orthanc, line);
}

void gateway_warn(const struct gateway *gateway, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    make_line(line, format, arguments);
    va_end(arguments);
    OrthancPluginLogWarning(gateway->orthanc, line);
}

void gateway_notice(struct gateway *gateway, const char *format, ...) {
    char line[LINE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    make_line(line, format, arguments);
    va_end(arguments);
    OrthancPluginLogWarning(gateway->orthanc, line);
    struct gateway_notices *notices = &gateway->notices;
    pthread_mutex_lock(&notices->lock);
    struct gateway_notice *notice = &notices->lines[notices->count++ % GATEWAY_NOTICES];
    notice->time_ms = clock_date_ms();
    snprintf(notice->text, sizeof notice->text, "%.*s", GATEWAY_NOTICE_BYTES - 1,
             line + strlen(LINE_START));
    pthread_mutex_unlock(&notices->lock);
}

static void log_warning(void *context, const char *line) {
    gateway_warn(context, "%s", line);
}

void gateway_log_warnings(struct gateway *gateway) {
    char error[ERROR_TEXT_BYTES];
    snprintf(error, sizeof error, "%s", error_text());
    myelin_take_warnings(gateway->session, log_warning, gateway);
    (void)FAIL(OK, "%s", error); /* this thread's error text is as it was */
}
