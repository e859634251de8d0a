#include "gateway.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_BYTES = 1024 };

static void make_line(char line[LINE_BYTES], const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void make_line(char line[LINE_BYTES], const char *format, va_list arguments) {
    int head = snprintf(line, LINE_BYTES, "Myelin: ");
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

static void log_warning(void *context, const char *line) {
    gateway_warn(context, "%s", line);
}

void gateway_log_warnings(struct gateway *gateway) {
    char error[ERROR_TEXT_BYTES];
    snprintf(error, sizeof error, "%s", error_text());
    myelin_take_warnings(gateway->session, log_warning, gateway);
    (void)FAIL(OK, "%s", error); /* this thread's error text is as it was */
}
