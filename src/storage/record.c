#include "storage/record.h"

#include <string.h>

#include "base/digest.h"

static const char magic[] = "MYELINST";
enum { MAGIC_BYTES = sizeof magic - 1 };

static void hash_record(const char *kind, struct view body, uint8_t out[DIGEST_BYTES]) {
    struct digest digest;
    digest_start(&digest);
    digest_update(&digest, view_of("myelin stored v1", sizeof "myelin stored v1"));
    digest_update(&digest, view_of(kind, strlen(kind) + 1));
    digest_update(&digest, body);
    digest_finish(&digest, out);
}

result record_wrap(const char *kind, struct view body, struct bytes *out_value) {
    uint8_t hash[DIGEST_BYTES];
    hash_record(kind, body, hash);
    TRY(bytes_reserve(out_value, RECORD_HEADER_BYTES + body.len));
    TRY(bytes_append(out_value, view_of(magic, MAGIC_BYTES)));
    TRY(bytes_append(out_value, view_of(hash, sizeof hash)));
    return bytes_append(out_value, body);
}

result record_put(struct store *store, const char *key, const char *kind, struct view body) {
    AUTO_BYTES struct bytes value = {0};
    TRY(record_wrap(kind, body, &value));
    return store_put(store, key, bytes_view(&value));
}

result record_replace(struct store *store, const char *key, const char *kind, struct view body) {
    AUTO_BYTES struct bytes value = {0};
    TRY(record_wrap(kind, body, &value));
    return store_replace(store, key, bytes_view(&value));
}

result record_seal(struct store *store, const char *prefix, const char *key, const char *kind,
                   struct view body) {
    AUTO_BYTES struct bytes value = {0};
    TRY(record_wrap(kind, body, &value));
    return store_seal(store, prefix, key, bytes_view(&value));
}

result record_get(struct store *store, const char *key, const char *kind, size_t limit,
                  struct bytes *out_body) {
    AUTO_BYTES struct bytes value = {0};
    TRY(store_get(store, key, limit + RECORD_HEADER_BYTES, &value));
    struct view rest = bytes_view(&value), head, stored;
    uint8_t hash[DIGEST_BYTES];
    if (!view_take(&rest, MAGIC_BYTES, &head) || !view_take(&rest, DIGEST_BYTES, &stored) ||
        !view_equal(head, view_of(magic, MAGIC_BYTES)))
        return FAIL(INTEGRITY, "%s is not a stored record", key);
    hash_record(kind, rest, hash);
    if (!view_equal(stored, view_of(hash, sizeof hash)))
        return FAIL(INTEGRITY, "%s is not what was stored", key);
    return bytes_append(out_body, rest);
}
