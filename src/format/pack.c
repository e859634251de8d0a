#include <string.h>

#include "format/kind.h"
#include "format/memory.h"

size_t format_packed_bytes(const void *message) {
    return protobuf_c_message_get_packed_size(message);
}

void format_pack_to(const void *message, uint8_t *out_wire) {
    protobuf_c_message_pack(message, out_wire);
}

result format_pack(const void *message, struct bytes *out_wire) {
    const ProtobufCMessage *base = message;
    const struct format_kind *kind;
    TRY(format_kind_of(base->descriptor, &kind));
    result checked = kind->check(message);
    if (checked != OK)
        return error_at(checked == PROTOCOL ? INVALID : checked, "%s", kind->name);
    size_t len = format_packed_bytes(message);
    if (len > kind->limit)
        return FAIL(INVALID, "%s: %zu bytes, at most %zu are allowed", kind->name, len,
                    kind->limit);
    if (len == 0) /* an empty page, say: `out_wire` may have no memory yet */
        return OK;
    TRY(bytes_reserve(out_wire, out_wire->len + len));
    format_pack_to(message, out_wire->data + out_wire->len);
    out_wire->len += len;
    return OK;
}

/* A Signed of this layer's own memory. */
static result signed_new(struct view body, const uint8_t signature[FORMAT_SIGNATURE_BYTES],
                         Myelin__Signed **out_signed) {
    struct format_budget budget = {.left = SIZE_MAX};
    ProtobufCAllocator allocator = format_allocator(&budget);
    Myelin__Signed *record = allocator.alloc(&budget, sizeof *record);
    if (record == NULL)
        return FAIL(NO_MEMORY, "no memory for a signed record");
    myelin__signed__init(record);
    record->body.data = allocator.alloc(&budget, body.len);
    record->signature.data = allocator.alloc(&budget, FORMAT_SIGNATURE_BYTES);
    if (record->body.data == NULL || record->signature.data == NULL) {
        format_free(record);
        return FAIL(NO_MEMORY, "no memory for a signed record of %zu bytes", body.len);
    }
    record->body.len = body.len;
    memcpy(record->body.data, body.data, body.len);
    record->signature.len = FORMAT_SIGNATURE_BYTES;
    memcpy(record->signature.data, signature, FORMAT_SIGNATURE_BYTES);
    *out_signed = record;
    return OK;
}

result format_sign(const struct sign_key *key, const void *record, Myelin__Signed **out_signed) {
    const ProtobufCMessage *base = record;
    const struct format_kind *kind;
    AUTO_BYTES struct bytes body = {0};
    uint8_t signature[FORMAT_SIGNATURE_BYTES];
    *out_signed = NULL;
    TRY(format_kind_of(base->descriptor, &kind));
    if (kind->domain == NULL)
        return FAIL(INTERNAL, "%s is not a record to be signed", kind->name);
    TRY(format_pack(record, &body));
    TRY(sign_message(key, kind->domain, bytes_view(&body), signature));
    return signed_new(bytes_view(&body), signature, out_signed);
}
