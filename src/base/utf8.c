#include "base/utf8.h"

bool utf8_read(const unsigned char *text, uint32_t *out_character, size_t *out_len) {
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = text[0];
    size_t len = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 0;
    if (len == 0 || first >= 0xf8)
        return false;
    uint32_t character = len == 1 ? first : first & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return false;
        character = character << 6 | (text[i] & 0x3f);
    }
    *out_character = character;
    *out_len = len;
    return character >= lowest[len] && character <= 0x10ffff &&
           !(character >= 0xd800 && character <= 0xdfff);
}
