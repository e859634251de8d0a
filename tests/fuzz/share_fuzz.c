/* A share file from a disk that lies: refused, or one that was sealed under this key. */
#include <stdlib.h>

#include "base/secret.h"
#include "keys/share_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const uint8_t seal_key[SEAL_KEY_BYTES] = {1, 2, 3};
    static bool started;
    AUTO_SHARE struct share_record record = {0};
    if (!started && secret_start() != OK)
        abort();
    started = true;
    result opened = share_file_open(view_of(data, size), seal_key, "alice", 2, &record);
    if (opened == OK && (record.file == NULL || record.share == NULL || record.share->j != 2))
        abort();
    if (opened != OK && opened != INTEGRITY && opened != NO_MEMORY)
        abort();
    return 0;
}
