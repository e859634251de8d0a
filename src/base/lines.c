#include "base/lines.h"

#include <stdarg.h>
#include <stdio.h>

result lines_add(struct bytes *out, const char *format, ...) {
    char piece[LINES_PIECE_MAX + 1];
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(piece, sizeof piece, format, arguments);
    va_end(arguments);
    if (len < 0 || (size_t)len >= sizeof piece)
        return FAIL(INTERNAL, "a piece of text of %d bytes", len);
    return bytes_append(out, view_of(piece, (size_t)len));
}
