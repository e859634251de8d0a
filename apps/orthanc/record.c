#include "record.h"

#include <string.h>

bool record_is_uuid(const char *uuid) {
    size_t i = 0;
    for (; i < RECORD_UUID_BYTES && uuid[i] != '\0'; i++) {
        bool is_hyphen = i == 8 || i == 13 || i == 18 || i == 23;
        bool is_digit = (uuid[i] >= '0' && uuid[i] <= '9') || (uuid[i] >= 'a' && uuid[i] <= 'f');
        if (is_hyphen ? uuid[i] != '-' : !is_digit)
            return false;
    }
    return i == RECORD_UUID_BYTES && uuid[i] == '\0';
}

static result pack_text(const char *text, size_t limit, struct bytes *out) {
    size_t len = strlen(text);
    if (len > limit)
        return FAIL(INVALID, "a text of %zu bytes in a map record, at most %zu", len, limit);
    uint8_t head[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    TRY(bytes_append(out, view_of(head, sizeof head)));
    return bytes_append(out, view_of(text, len));
}

result record_pack(const struct record *record, struct bytes *out_text) {
    uint8_t head[10] = {(uint8_t)record->op, (uint8_t)record->flags};
    store_be64(head + 2, record->size);
    TRY(bytes_append(out_text, view_of(head, sizeof head)));
    TRY(pack_text(record->uuid, RECORD_UUID_BYTES, out_text));
    TRY(pack_text(record->owner, RECORD_OWNER_MAX, out_text));
    TRY(pack_text(record->image, RECORD_IMAGE_MAX, out_text));
    TRY(pack_text(record->name, RECORD_NAME_MAX, out_text));
    return pack_text(record->sop, RECORD_SOP_MAX, out_text);
}

static result take_text(struct view *cursor, size_t limit, char *out) {
    struct view head, text;
    if (!view_take(cursor, 2, &head))
        return FAIL(INTEGRITY, "a map record breaks off");
    size_t len = (size_t)head.data[0] << 8 | head.data[1];
    if (len > limit || !view_take(cursor, len, &text) || memchr(text.data, 0, len) != NULL)
        return FAIL(INTEGRITY, "a text in a map record is too long, or breaks off");
    memcpy(out, text.data, len);
    out[len] = '\0';
    return OK;
}

static bool has_uuid(enum record_op op) {
    return op == RECORD_ADD || op == RECORD_STORED || op == RECORD_INDEXED || op == RECORD_REMOVE;
}

result record_parse(struct view text, struct record *out_record) {
    struct view head;
    struct record record = {0};
    if (!view_take(&text, 10, &head) || head.data[0] < RECORD_ADD ||
        head.data[0] > RECORD_DELETED || head.data[1] > 15)
        return FAIL(INTEGRITY, "a map record has no known form");
    record.op = (enum record_op)head.data[0];
    record.flags = head.data[1];
    record.size = load_be64(head.data + 2);
    TRY(take_text(&text, RECORD_UUID_BYTES, record.uuid));
    TRY(take_text(&text, RECORD_OWNER_MAX, record.owner));
    TRY(take_text(&text, RECORD_IMAGE_MAX, record.image));
    TRY(take_text(&text, RECORD_NAME_MAX, record.name));
    TRY(take_text(&text, RECORD_SOP_MAX, record.sop));
    if (text.len != 0 || record.size > INT64_MAX)
        return FAIL(INTEGRITY, "a map record has no known form");
    if (has_uuid(record.op) ? !record_is_uuid(record.uuid) : record.image[0] == '\0')
        return FAIL(INTEGRITY, "a map record says nothing of what it is about");
    *out_record = record;
    return OK;
}
