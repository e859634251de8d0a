/* A file of heads: what is accepted is written again as it was read, one head a server. */
#include <stdlib.h>
#include <string.h>

#include "audit/head.h"
#include "base/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static bool started;
    if (!started && secret_start() != OK)
        abort();
    started = true;
    AUTO_HEADS struct heads heads = {0}, again = {0};
    AUTO_BYTES struct bytes file = {0};
    if (heads_parse(view_of(data, size), &heads) != OK)
        return 0;
    for (size_t i = 0; i < heads.count; i++)
        if (heads_find(&heads, heads.of[i].server) != &heads.of[i])
            abort();
    if (heads_pack(&heads, &file) != OK || heads_parse(bytes_view(&file), &again) != OK ||
        again.count != heads.count)
        abort();
    return 0;
}
