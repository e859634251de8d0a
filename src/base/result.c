#include "base/result.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

static _Thread_local char text[ERROR_TEXT_BYTES];

static const struct {
    const char *name;
    int exit_code;
    unsigned http_status;
} results[RESULT_COUNT] = {
    [OK] = {"ok", 0, 200},
    [INVALID] = {"invalid", 2, 400},
    [NO_MEMORY] = {"out of memory", 1, 503},
    [IO] = {"input/output error", 7, 507},
    [TIMEOUT] = {"timed out", 5, 504},
    [PROTOCOL] = {"protocol error", 1, 422},
    [DENIED] = {"denied", 4, 403},
    [INTEGRITY] = {"integrity error", 6, 412},
    [QUORUM] = {"too few servers", 5, 502},
    [NOT_FOUND] = {"not found", 3, 404},
    [CONFLICT] = {"conflict", 1, 409},
    [CRYPTO] = {"no answer", 1, 424},
    [INTERNAL] = {"internal error", 1, 500},
};

result error_set(result code, const char *format, ...) {
    /* An argument may point into `text`. A peer's words end up on a terminal and in logs. */
    char fresh[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fresh, sizeof fresh, format, arguments);
    va_end(arguments);
    text_show(fresh, text, sizeof text);
    return code;
}

result error_at(result code, const char *format, ...) {
    char where[ERROR_TEXT_BYTES], shown[ERROR_TEXT_BYTES];
    char whole[2 * ERROR_TEXT_BYTES + 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(where, sizeof where, format, arguments);
    va_end(arguments);
    text_show(where, shown, sizeof shown);
    snprintf(whole, sizeof whole, "%s: %s", shown, text);
    text_show(whole, text, sizeof text);
    return code;
}

const char *error_text(void) {
    return text;
}

const char *result_name(result code) {
    return code < RESULT_COUNT ? results[code].name : "unknown result";
}

int result_exit_code(result code) {
    return code < RESULT_COUNT ? results[code].exit_code : 1;
}

unsigned result_http_status(result code) {
    return code < RESULT_COUNT ? results[code].http_status : 500;
}

result result_from_http_status(unsigned status) {
    if (status >= 200 && status < 300)
        return OK;
    for (int code = INVALID; code < RESULT_COUNT; code++)
        if (results[code].http_status == status)
            return (result)code;
    return PROTOCOL;
}
