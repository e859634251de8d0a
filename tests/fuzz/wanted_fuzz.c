/* The list of objects of one request for slices: what parses is the one way to write what was read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct image_wanted wanted[], size_t count, char *out, size_t room) {
    size_t len = 0;
    for (size_t i = 0; i < count && len < room; i++)
        len += (size_t)snprintf(out + len, room - len, "%s%s.%u", i == 0 ? "" : ",",
                                wanted[i].object.hex, wanted[i].slot);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct image_wanted wanted[IMAGE_WANTED_MAX];
    size_t count = 0;
    char again[IMAGE_WANTED_MAX * (2 * FORMAT_ID_BYTES + 8)] = "";
    char *text = malloc(size + 1);
    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (image_wanted_parse(text, wanted, &count) == OK) {
        if (count == 0 || count > IMAGE_WANTED_MAX)
            abort();
        write_again(wanted, count, again, sizeof again);
        if (strcmp(text, again) != 0)
            abort();
    }
    free(text);
    return 0;
}
