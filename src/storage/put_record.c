#include "storage/put_record.h"

#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "storage/record.h"
#include "storage/slots.h"

static const char kind[] = "put";
enum { FORMAT_FIRST = 1, FORMAT_VERSION = 2, FLAG_CREATES = 1 };

void put_record_clean_up(struct put_record *record) {
    free(record->objects);
    bytes_free(&record->commit);
    *record = (struct put_record){0};
}

static result append_be32(struct bytes *out, size_t value) {
    uint8_t text[4];
    store_be32(text, (uint32_t)value);
    return bytes_append(out, view_of(text, sizeof text));
}

static result append_be64(struct bytes *out, uint64_t value) {
    uint8_t text[8];
    store_be64(text, value);
    return bytes_append(out, view_of(text, sizeof text));
}

result put_record_encode(const struct put_record *record, struct bytes *out_body) {
    /* One form for each record: one without a slot is of the first version. */
    const uint8_t head[2] = {record->slot == SLOT_ANY ? FORMAT_FIRST : FORMAT_VERSION,
                             record->creates ? FLAG_CREATES : 0};
    const uint8_t caller_len = (uint8_t)strlen(record->caller);
    TRY(bytes_append(out_body, view_of(head, sizeof head)));
    if (head[0] != FORMAT_FIRST)
        TRY(append_be32(out_body, record->slot));
    TRY(bytes_append(out_body, view_of(record->image.bytes, sizeof record->image.bytes)));
    TRY(bytes_append(out_body, view_of(record->contents, sizeof record->contents)));
    TRY(append_be64(out_body, record->prepared_ms));
    TRY(append_be64(out_body, record->sealed_bytes));
    TRY(append_be64(out_body, record->symbol_bytes));
    TRY(bytes_append(out_body, view_of(&caller_len, 1)));
    TRY(bytes_append(out_body, view_of(record->caller, caller_len)));
    TRY(append_be32(out_body, record->object_count));
    for (size_t i = 0; i < record->object_count; i++)
        TRY(bytes_append(out_body, view_of(record->objects[i].bytes, FORMAT_ID_BYTES)));
    TRY(append_be32(out_body, record->commit.len));
    return bytes_append(out_body, bytes_view(&record->commit));
}

static bool take_be32(struct view *cursor, uint32_t *out) {
    struct view head;
    if (!view_take(cursor, 4, &head))
        return false;
    *out = load_be32(head.data);
    return true;
}

static bool take_be64(struct view *cursor, uint64_t *out) {
    struct view head;
    if (!view_take(cursor, 8, &head))
        return false;
    *out = load_be64(head.data);
    return true;
}

static bool take_bytes(struct view *cursor, uint8_t *out, size_t len) {
    struct view head;
    if (!view_take(cursor, len, &head))
        return false;
    memcpy(out, head.data, len);
    return true;
}

static bool take_fixed(struct view *cursor, struct put_record *record) {
    uint8_t head[2], caller_len;
    record->slot = SLOT_ANY;
    if (!take_bytes(cursor, head, 2) || (head[0] != FORMAT_VERSION && head[0] != FORMAT_FIRST) ||
        (head[0] == FORMAT_VERSION && !take_be32(cursor, &record->slot)) ||
        !take_bytes(cursor, record->image.bytes, DIGEST_BYTES) ||
        !take_bytes(cursor, record->contents, DIGEST_BYTES) ||
        !take_be64(cursor, &record->prepared_ms) || !take_be64(cursor, &record->sealed_bytes) ||
        !take_be64(cursor, &record->symbol_bytes) || !take_bytes(cursor, &caller_len, 1) ||
        caller_len > FORMAT_NAME_MAX || !take_bytes(cursor, (uint8_t *)record->caller, caller_len))
        return false;
    if (head[1] > FLAG_CREATES ||
        (head[0] == FORMAT_VERSION && record->slot >= FORMAT_SERVERS_MAX) ||
        strlen(record->caller) != caller_len)
        return false;
    record->creates = head[1] == FLAG_CREATES;
    hex_encode(view_of(record->image.bytes, DIGEST_BYTES), record->image.hex);
    return format_is_name(record->caller);
}

static result take_objects(struct view *cursor, struct put_record *record) {
    uint32_t count;
    if (!take_be32(cursor, &count) || count > PUT_RECORD_OBJECTS_MAX)
        return FAIL(INTEGRITY, "the record of a put does not parse");
    record->objects = calloc(count == 0 ? 1 : count, sizeof *record->objects);
    if (record->objects == NULL)
        return FAIL(NO_MEMORY, "no memory for %u objects", count);
    for (record->object_count = 0; record->object_count < count; record->object_count++) {
        struct short_id *object = &record->objects[record->object_count];
        if (!take_bytes(cursor, object->bytes, FORMAT_ID_BYTES))
            return FAIL(INTEGRITY, "the record of a put is short");
        hex_encode(view_of(object->bytes, FORMAT_ID_BYTES), object->hex);
    }
    return OK;
}

static result decode(struct view body, struct put_record *record) {
    uint32_t commit_len;
    struct view commit;
    if (!take_fixed(&body, record))
        return FAIL(INTEGRITY, "the record of a put does not parse");
    TRY(take_objects(&body, record));
    if (!take_be32(&body, &commit_len) || !view_take(&body, commit_len, &commit) || body.len > 0)
        return FAIL(INTEGRITY, "the record of a put is short");
    return bytes_append(&record->commit, commit);
}

result put_record_parse(struct view body, struct put_record *out_record) {
    AUTO_PUT_RECORD struct put_record record = {0};
    TRY(decode(body, &record));
    *out_record = record;
    record = (struct put_record){0};
    return OK;
}

result put_record_put(struct store *store, const char *key, const struct put_record *record) {
    AUTO_BYTES struct bytes body = {0};
    TRY(put_record_encode(record, &body));
    return record_put(store, key, kind, bytes_view(&body));
}

result put_record_replace(struct store *store, const char *key, const struct put_record *record) {
    AUTO_BYTES struct bytes body = {0};
    TRY(put_record_encode(record, &body));
    return record_replace(store, key, kind, bytes_view(&body));
}

result put_record_wrap(const struct put_record *record, struct bytes *out_value) {
    AUTO_BYTES struct bytes body = {0};
    TRY(put_record_encode(record, &body));
    return record_wrap(kind, bytes_view(&body), out_value);
}

result put_record_seal(struct store *store, const char *prefix, const char *key,
                       const struct put_record *record) {
    AUTO_BYTES struct bytes body = {0};
    TRY(put_record_encode(record, &body));
    return record_seal(store, prefix, key, kind, bytes_view(&body));
}

result put_record_get(struct store *store, const char *key, struct put_record *out_record) {
    AUTO_BYTES struct bytes body = {0};
    TRY(record_get(store, key, kind, PUT_RECORD_LIMIT, &body));
    result parsed = put_record_parse(bytes_view(&body), out_record);
    return parsed == OK ? OK : error_at(parsed, "%s", key);
}
