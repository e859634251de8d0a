/* The record of a put: what parses is the one encoding of what was read. */
#include <stdlib.h>

#include "storage/put_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    AUTO_PUT_RECORD struct put_record record = {0};
    AUTO_BYTES struct bytes again = {0};
    if (put_record_parse(view_of(data, size), &record) != OK)
        return 0;
    if (put_record_encode(&record, &again) != OK ||
        !view_equal(bytes_view(&again), view_of(data, size)))
        abort();
    return 0;
}
