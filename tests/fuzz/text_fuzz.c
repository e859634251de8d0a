/* Words from outside, as they are shown: nothing in them acts on a terminal, whatever they were. */
#include <stdlib.h>
#include <string.h>

#include "base/result.h"
#include "base/text.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_shown(const char *shown) {
    for (const unsigned char *at = (const unsigned char *)shown; *at != '\0';) {
        uint32_t character = 0;
        size_t len = 0;
        if (!utf8_read(at, &character, &len) || character < 0x20 ||
            (character >= 0x7f && character < 0xa0) || (character >= 0x202a && character <= 0x202e))
            abort();
        at += len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    size_t room = 10 * size + 1; /* a byte is shown as four characters, a character as ten at most */
    char *shown = malloc(room), again[32];
    if (text == NULL || shown == NULL)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    text_show(text, shown, room);
    check_shown(shown);
    text_show(text, again, sizeof again);
    check_shown(again);
    if (strncmp(again, shown, strlen(again)) != 0 || (text[0] != '\0') != (shown[0] != '\0'))
        abort();
    (void)FAIL(INVALID, "%s", text);
    check_shown(error_text());
    free(text);
    free(shown);
    return 0;
}
