#include <stdlib.h>
#include <string.h>

#include "format/kind.h"
#include "format/memory.h"

/* Unpacked, a message of many tiny fields is larger than its encoding: up to some forty bytes a
 * byte in a page of one-letter names. Beyond that it is an attack. */
enum { BUDGET_LEAST = 1 << 20, BUDGET_FACTOR = 40, BUDGET_MOST = 64 << 20 };

static size_t budget_for(size_t wire_len) {
    size_t budget = BUDGET_LEAST + BUDGET_FACTOR * wire_len;
    return budget < BUDGET_MOST ? budget : BUDGET_MOST;
}

/* Whether `wire` is the one encoding of what it was unpacked to. A size that differs shows a zero
 * byte in a text, a default written out, a number too long, or a field twice. */
static result check_canonical(const struct format_kind *kind, const ProtobufCMessage *message,
                              struct view wire) {
    if (protobuf_c_message_get_packed_size(message) != wire.len)
        return FAIL(PROTOCOL, "not encoded in the one way that is allowed");
    if (!kind->is_strict)
        return OK;
    if (message->n_unknown_fields > 0)
        return FAIL(PROTOCOL, "unknown field %u", message->unknown_fields[0].tag);
    AUTO_BYTES struct bytes again = {0};
    TRY(bytes_reserve(&again, wire.len));
    protobuf_c_message_pack(message, again.data);
    if (wire.len > 0 && memcmp(again.data, wire.data, wire.len) != 0)
        return FAIL(PROTOCOL, "not encoded in the one way that is allowed");
    return OK;
}

static result check_parts(const ProtobufCMessage *message);

static result check_part(const ProtobufCFieldDescriptor *field, const ProtobufCMessage *part) {
    if (part == NULL)
        return OK;
    if (part->n_unknown_fields > 0)
        return FAIL(PROTOCOL, "%s: unknown field %u", field->name, part->unknown_fields[0].tag);
    result checked = check_parts(part);
    return checked == OK ? OK : error_at(checked, "%s", field->name);
}

/* No unknown fields in any message inside `message`: at most two levels in this schema. */
static result check_parts(const ProtobufCMessage *message) {
    const uint8_t *base = (const uint8_t *)message;
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        const void *member = base + field->offset;
        if (field->label != PROTOBUF_C_LABEL_REPEATED) {
            TRY(check_part(field, *(ProtobufCMessage *const *)member));
            continue;
        }
        size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
        ProtobufCMessage *const *parts = *(ProtobufCMessage *const *const *)member;
        for (size_t j = 0; j < count; j++)
            TRY(check_part(field, parts[j]));
    }
    return OK;
}

static result check_unpacked(const struct format_kind *kind, const ProtobufCMessage *message,
                             struct view wire) {
    result checked = check_canonical(kind, message, wire);
    if (checked == OK && kind->is_strict)
        checked = check_parts(message);
    if (checked == OK)
        checked = kind->check(message);
    return checked == OK ? OK : error_at(checked, "%s", kind->name);
}

result format_parse(const ProtobufCMessageDescriptor *descriptor, struct view wire,
                    ProtobufCMessage **out_message) {
    const struct format_kind *kind;
    *out_message = NULL;
    TRY(format_kind_of(descriptor, &kind));
    if (wire.len > kind->limit)
        return FAIL(PROTOCOL, "%s: %zu bytes, at most %zu are allowed", kind->name, wire.len,
                    kind->limit);
    struct format_budget budget = {.left = budget_for(wire.len), .is_secret = kind->is_secret};
    ProtobufCAllocator allocator = format_allocator(&budget);
    static const uint8_t nothing[1];
    ProtobufCMessage *message = protobuf_c_message_unpack(descriptor, &allocator, wire.len,
                                                          wire.len > 0 ? wire.data : nothing);
    if (message == NULL && budget.is_refused)
        return error_at(NO_MEMORY, "%s", kind->name);
    if (message == NULL)
        return FAIL(PROTOCOL, "%s: %zu bytes do not parse", kind->name, wire.len);
    result checked = check_unpacked(kind, message, wire);
    if (checked != OK) {
        format_free(message);
        return checked;
    }
    *out_message = message;
    return OK;
}

result format_open(const ProtobufCMessageDescriptor *descriptor, const Myelin__Signed *record,
                   const uint8_t identity[32], ProtobufCMessage **out_message) {
    const struct format_kind *kind;
    *out_message = NULL;
    TRY(format_kind_of(descriptor, &kind));
    if (record == NULL || record->signature.len != FORMAT_SIGNATURE_BYTES ||
        record->body.len > kind->limit)
        return FAIL(PROTOCOL, "%s: missing, or of a wrong length", kind->name);
    TRY(sign_verify(identity, kind->domain, format_view(record->body), record->signature.data));
    return format_parse(descriptor, format_view(record->body), out_message);
}

/* The typed faces of the two functions above. */
#define PARSE(name, type)                                                                          \
    result format_parse_##name(struct view wire, type **out_##name) {                              \
        ProtobufCMessage *message = NULL;                                                          \
        result parsed = format_parse(&myelin__##name##__descriptor, wire, &message);               \
        *out_##name = (type *)message;                                                             \
        return parsed;                                                                             \
    }
#define OPEN(name, type)                                                                           \
    PARSE(name, type)                                                                              \
    result format_open_##name(const Myelin__Signed *record, const uint8_t identity[32],            \
                              type **out_##name) {                                                 \
        ProtobufCMessage *message = NULL;                                                          \
        result opened = format_open(&myelin__##name##__descriptor, record, identity, &message);    \
        *out_##name = (type *)message;                                                             \
        return opened;                                                                             \
    }

OPEN(system, Myelin__System)
OPEN(envelope, Myelin__Envelope)
OPEN(manifest, Myelin__Manifest)
OPEN(commit, Myelin__Commit)
OPEN(forward, Myelin__Forward)
OPEN(revocation, Myelin__Revocation)
OPEN(removal, Myelin__Removal)
OPEN(deletion, Myelin__Deletion)
OPEN(receipt, Myelin__Receipt)
OPEN(draw, Myelin__Draw)
OPEN(dealing, Myelin__Dealing)
OPEN(acceptance, Myelin__Acceptance)
OPEN(blinded, Myelin__Blinded)
OPEN(head, Myelin__Head)
PARSE(signed, Myelin__Signed)
PARSE(object_meta, Myelin__ObjectMeta)
PARSE(symbol, Myelin__Symbol)
PARSE(begin_put, Myelin__BeginPut)
PARSE(draw_request, Myelin__DrawRequest)
PARSE(prepare_put, Myelin__PreparePut)
PARSE(whole_put, Myelin__WholePut)
PARSE(whole_answer, Myelin__WholeAnswer)
PARSE(delete_objects, Myelin__DeleteObjects)
PARSE(image_answer, Myelin__ImageAnswer)
PARSE(image_page, Myelin__ImagePage)
PARSE(manifest_page, Myelin__ManifestPage)
PARSE(inbox_page, Myelin__InboxPage)
PARSE(symbol_answer, Myelin__SymbolAnswer)
PARSE(check_answer, Myelin__CheckAnswer)
PARSE(forward_page, Myelin__ForwardPage)
PARSE(image_state, Myelin__ImageState)
PARSE(index_page, Myelin__IndexPage)
PARSE(repair_answer, Myelin__RepairAnswer)
PARSE(enroll_share, Myelin__EnrollShare)
PARSE(user_answer, Myelin__UserAnswer)
PARSE(user_page, Myelin__UserPage)
PARSE(open_request, Myelin__OpenRequest)
PARSE(open_answer, Myelin__OpenAnswer)
PARSE(rekey_request, Myelin__RekeyRequest)
PARSE(rekey_answer, Myelin__RekeyAnswer)
PARSE(recover_request, Myelin__RecoverRequest)
PARSE(recover_answer, Myelin__RecoverAnswer)
PARSE(care_request, Myelin__CareRequest)
PARSE(care_state, Myelin__CareState)
PARSE(care_offer, Myelin__CareOffer)
PARSE(care_complaint, Myelin__CareComplaint)
PARSE(care_finish, Myelin__CareFinish)
PARSE(care_restore, Myelin__CareRestore)
PARSE(audit_page, Myelin__AuditPage)
PARSE(audit_entry, Myelin__AuditEntry)
PARSE(audit_body, Myelin__AuditBody)
PARSE(keystore, Myelin__Keystore)
PARSE(head_file, Myelin__HeadFile)
PARSE(keystore_secrets, Myelin__KeystoreSecrets)
PARSE(share_file, Myelin__ShareFile)

result format_open_certificate_request(const Myelin__Signed *record,
                                       Myelin__CertificateRequest **out_request) {
    ProtobufCMessage *claimed = NULL, *opened = NULL;
    *out_request = NULL;
    if (record == NULL)
        return FAIL(PROTOCOL, "certificate_request: missing");
    TRY(format_parse(&myelin__certificate_request__descriptor, format_view(record->body),
                     &claimed));
    result verified = format_open(&myelin__certificate_request__descriptor, record,
                                  ((Myelin__CertificateRequest *)claimed)->identity.data, &opened);
    format_free(claimed);
    *out_request = (Myelin__CertificateRequest *)opened;
    return verified;
}
