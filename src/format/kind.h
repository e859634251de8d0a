/*
 * The kinds of messages: one table with the bound, the domain and the rules of each. Inside
 * src/format only.
 */
#ifndef MYELIN_FORMAT_KIND_H
#define MYELIN_FORMAT_KIND_H

#include <stdbool.h>

#include "format/format.h"

struct format_kind {
    const ProtobufCMessageDescriptor *descriptor;
    const char *name;   /* in error texts */
    const char *domain; /* of its signature; NULL where it is no record */
    size_t limit;       /* of its encoding, in bytes */
    bool is_strict;     /* unknown fields are refused: records and files */
    bool is_secret;     /* parsed into secret memory */
    result (*check)(const void *message);
};

/* INTERNAL where the schema has a message that the table lacks. */
MUST_CHECK result format_kind_of(const ProtobufCMessageDescriptor *descriptor,
                                 const struct format_kind **out_kind);

/* Unpacks and checks. PROTOCOL, NO_MEMORY. */
MUST_CHECK result format_parse(const ProtobufCMessageDescriptor *descriptor, struct view wire,
                               ProtobufCMessage **out_message);

/* Verifies under the kind's domain, unpacks and checks. */
MUST_CHECK result format_open(const ProtobufCMessageDescriptor *descriptor,
                              const Myelin__Signed *record, const uint8_t identity[32],
                              ProtobufCMessage **out_message);

/* The rules of each message; texts begin with the field. */
#define FORMAT_CHECK(name) result format_check_##name(const void *message)
FORMAT_CHECK(system);
FORMAT_CHECK(envelope);
FORMAT_CHECK(manifest);
FORMAT_CHECK(commit);
FORMAT_CHECK(forward);
FORMAT_CHECK(revocation);
FORMAT_CHECK(removal);
FORMAT_CHECK(deletion);
FORMAT_CHECK(receipt);
FORMAT_CHECK(draw);
FORMAT_CHECK(dealing);
FORMAT_CHECK(acceptance);
FORMAT_CHECK(blinded);
FORMAT_CHECK(head);
FORMAT_CHECK(certificate_request);
FORMAT_CHECK(signed);
FORMAT_CHECK(object_meta);
FORMAT_CHECK(symbol);
FORMAT_CHECK(begin_put);
FORMAT_CHECK(draw_request);
FORMAT_CHECK(prepare_put);
FORMAT_CHECK(whole_put);
FORMAT_CHECK(whole_answer);
FORMAT_CHECK(delete_objects);
FORMAT_CHECK(image_answer);
FORMAT_CHECK(image_page);
FORMAT_CHECK(manifest_page);
FORMAT_CHECK(inbox_page);
FORMAT_CHECK(symbol_answer);
FORMAT_CHECK(check_answer);
FORMAT_CHECK(forward_page);
FORMAT_CHECK(image_state);
FORMAT_CHECK(index_page);
FORMAT_CHECK(repair_answer);
FORMAT_CHECK(enroll_share);
FORMAT_CHECK(user_answer);
FORMAT_CHECK(user_page);
FORMAT_CHECK(open_request);
FORMAT_CHECK(open_answer);
FORMAT_CHECK(rekey_request);
FORMAT_CHECK(rekey_answer);
FORMAT_CHECK(recover_request);
FORMAT_CHECK(recover_answer);
FORMAT_CHECK(care_request);
FORMAT_CHECK(care_state);
FORMAT_CHECK(care_offer);
FORMAT_CHECK(care_complaint);
FORMAT_CHECK(care_finish);
FORMAT_CHECK(care_restore);
FORMAT_CHECK(audit_page);
FORMAT_CHECK(audit_entry);
FORMAT_CHECK(audit_body);
FORMAT_CHECK(keystore);
FORMAT_CHECK(head_file);
FORMAT_CHECK(keystore_secrets);
FORMAT_CHECK(share_file);

#endif
