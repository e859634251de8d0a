#include "format/kind.h"

#define DESCRIPTOR(name) (&myelin__##name##__descriptor)

static const struct format_kind kinds[] = {
#define RECORD(name, limit)                                                                        \
    { DESCRIPTOR(name), #name, "myelin " #name " v1", limit, true, false, format_check_##name }
    RECORD(system, FORMAT_LIMIT_SYSTEM),
    RECORD(envelope, FORMAT_LIMIT_ENVELOPE),
    RECORD(manifest, FORMAT_LIMIT_MANIFEST),
    RECORD(commit, FORMAT_LIMIT_COMMIT),
    RECORD(forward, FORMAT_LIMIT_FORWARD),
    RECORD(revocation, FORMAT_LIMIT_REVOCATION),
    RECORD(removal, FORMAT_LIMIT_REMOVAL),
    RECORD(deletion, FORMAT_LIMIT_DELETION),
    RECORD(receipt, FORMAT_LIMIT_RECEIPT),
    RECORD(draw, FORMAT_LIMIT_DRAW),
    RECORD(dealing, FORMAT_LIMIT_DEALING),
    RECORD(acceptance, FORMAT_LIMIT_ACCEPTANCE),
    RECORD(blinded, FORMAT_LIMIT_BLINDED),
    RECORD(head, FORMAT_LIMIT_HEAD),
    {DESCRIPTOR(certificate_request), "certificate_request", "myelin request v1",
     FORMAT_LIMIT_CERTIFICATE_REQUEST, true, false, format_check_certificate_request},

#define MESSAGE(name, limit)                                                                       \
    { DESCRIPTOR(name), #name, NULL, limit, false, false, format_check_##name }
    MESSAGE(symbol, FORMAT_LIMIT_SYMBOL),
    MESSAGE(begin_put, FORMAT_LIMIT_BEGIN_PUT),
    MESSAGE(draw_request, FORMAT_LIMIT_DRAW_REQUEST),
    MESSAGE(prepare_put, FORMAT_LIMIT_PREPARE_PUT),
    MESSAGE(whole_put, FORMAT_LIMIT_WHOLE_PUT),
    MESSAGE(whole_answer, FORMAT_LIMIT_WHOLE_ANSWER),
    MESSAGE(delete_objects, FORMAT_LIMIT_DELETE_OBJECTS),
    MESSAGE(image_answer, FORMAT_LIMIT_IMAGE_ANSWER),
    MESSAGE(image_page, FORMAT_LIMIT_PAGE),
    MESSAGE(manifest_page, FORMAT_LIMIT_PAGE),
    MESSAGE(inbox_page, FORMAT_LIMIT_PAGE),
    MESSAGE(symbol_answer, FORMAT_LIMIT_SYMBOL_ANSWER),
    MESSAGE(check_answer, FORMAT_LIMIT_CHECK_ANSWER),
    MESSAGE(forward_page, FORMAT_LIMIT_PAGE),
    MESSAGE(image_state, FORMAT_LIMIT_IMAGE_STATE),
    MESSAGE(index_page, FORMAT_LIMIT_PAGE),
    MESSAGE(repair_answer, FORMAT_LIMIT_REPAIR_ANSWER),
    MESSAGE(user_answer, FORMAT_LIMIT_USER_ANSWER),
    MESSAGE(user_page, FORMAT_LIMIT_PAGE),
    MESSAGE(open_request, FORMAT_LIMIT_OPEN_REQUEST),
    MESSAGE(open_answer, FORMAT_LIMIT_OPEN_ANSWER),
    MESSAGE(rekey_request, FORMAT_LIMIT_REKEY_REQUEST),
    MESSAGE(rekey_answer, FORMAT_LIMIT_REKEY_ANSWER),
    MESSAGE(recover_request, FORMAT_LIMIT_RECOVER_REQUEST),
    MESSAGE(recover_answer, FORMAT_LIMIT_RECOVER_ANSWER),
    MESSAGE(care_request, FORMAT_LIMIT_CARE_REQUEST),
    MESSAGE(care_state, FORMAT_LIMIT_CARE_STATE),
    MESSAGE(care_offer, FORMAT_LIMIT_CARE_OFFER),
    MESSAGE(care_complaint, FORMAT_LIMIT_CARE_COMPLAINT),
    MESSAGE(care_finish, FORMAT_LIMIT_CARE_FINISH),
    MESSAGE(care_restore, FORMAT_LIMIT_CARE_RESTORE),
    MESSAGE(audit_page, FORMAT_LIMIT_PAGE),
    {DESCRIPTOR(enroll_share), "enroll_share", NULL, FORMAT_LIMIT_ENROLL_SHARE, false, true,
     format_check_enroll_share},

#define STORED(name, limit)                                                                        \
    { DESCRIPTOR(name), #name, NULL, limit, true, false, format_check_##name }
    STORED(signed, FORMAT_LIMIT_SIGNED),
    STORED(object_meta, FORMAT_LIMIT_OBJECT_META),
    STORED(audit_entry, FORMAT_LIMIT_AUDIT_ENTRY),
    STORED(audit_body, FORMAT_LIMIT_AUDIT_BODY),
    STORED(keystore, FORMAT_LIMIT_KEYSTORE),
    STORED(head_file, FORMAT_LIMIT_HEAD_FILE),
    STORED(share_file, FORMAT_LIMIT_SHARE_FILE),
    {DESCRIPTOR(keystore_secrets), "keystore_secrets", NULL, FORMAT_LIMIT_KEYSTORE_SECRETS, true,
     true, format_check_keystore_secrets},
};

result format_kind_of(const ProtobufCMessageDescriptor *descriptor,
                      const struct format_kind **out_kind) {
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].descriptor == descriptor) {
            *out_kind = &kinds[i];
            return OK;
        }
    return FAIL(INTERNAL, "%s is no message of its own", descriptor->short_name);
}
