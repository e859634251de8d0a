/* A keystore file: what is accepted asks for bounded memory and time, and has one encoding. */
#include <stdlib.h>
#include <string.h>

#include "system/keystore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_FORMAT Myelin__Keystore *file = NULL;
    AUTO_BYTES struct bytes again = {0};
    result parsed = keystore_parse(view_of(data, size), &file);
    if (parsed != OK) {
        if (file != NULL || (parsed != PROTOCOL && parsed != NO_MEMORY))
            abort();
        return 0;
    }
    if (file->memory_limit > FORMAT_KEYSTORE_MEMORY_MAX ||
        file->ops_limit > FORMAT_KEYSTORE_OPS_MAX || file->box.len != FORMAT_KEYSTORE_BOX_BYTES)
        abort();
    if (format_pack(file, &again) != OK ||
        !view_equal(bytes_view(&again), view_of(data + 8, size - 8)))
        abort();
    return 0;
}
