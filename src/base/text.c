#include "base/text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

static bool is_harmless(uint32_t character) {
    if (character < 0x20 || (character >= 0x7f && character < 0xa0))
        return false;
    bool directs = character == 0x061c || (character >= 0x200b && character <= 0x200f) ||
                   (character >= 0x2028 && character <= 0x202e) ||
                   (character >= 0x2060 && character <= 0x206f) || character == 0xfeff ||
                   (character >= 0xe0000 && character <= 0xe0fff);
    return !directs;
}

size_t text_show_one(const char **text, char out[TEXT_SHOWN_MAX + 1]) {
    uint32_t character = 0;
    size_t len = 1;
    const char *from = *text;
    bool is_valid = utf8_read((const unsigned char *)from, &character, &len);
    if (!is_valid)
        len = 1;
    *text += len;
    if (is_valid && is_harmless(character)) {
        memcpy(out, from, len);
        out[len] = '\0';
        return len;
    }
    bool is_wide = is_valid && character >= 0x80;
    int written = is_wide ? snprintf(out, TEXT_SHOWN_MAX + 1, "\\u%04" PRIx32, character)
                          : snprintf(out, TEXT_SHOWN_MAX + 1, "\\x%02x", (unsigned char)*from);
    return (size_t)written;
}

void text_show(const char *text, char *out, size_t size) {
    char one[TEXT_SHOWN_MAX + 1];
    size_t used = 0;
    while (*text != '\0') {
        if (*text >= ' ' && *text <= '~' && used + 1 < size) { /* nearly always */
            out[used++] = *text++;
            continue;
        }
        size_t len = text_show_one(&text, one);
        if (used + len >= size)
            break;
        memcpy(out + used, one, len);
        used += len;
    }
    out[used] = '\0';
}
