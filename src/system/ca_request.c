/* Enrolment away from the manager. */
#include <string.h>

#include "system/ca.h"

result ca_request_make(const struct sign_key *identity, const uint8_t system_id[FORMAT_ID_BYTES],
                       const struct ca_request *request, struct bytes *out_wire) {
    uint8_t pk[PUBLIC_KEY_BYTES];
    char user[FORMAT_NAME_MAX + 1];
    AUTO_FORMAT Myelin__Signed *record = NULL;
    Myelin__CertificateRequest message = MYELIN__CERTIFICATE_REQUEST__INIT;
    if (!format_is_name(request->user))
        return FAIL(INVALID, "'%.64s' is not a name", request->user);
    memcpy(user, request->user, strlen(request->user) + 1);
    public_key_to_bytes(&request->public_key, pk);
    message.user = user;
    message.system_id = format_bytes(view_of(system_id, FORMAT_ID_BYTES));
    message.identity = format_bytes(view_of(identity->public_key, sizeof identity->public_key));
    message.pk1 = format_bytes(view_of(pk, G1_BYTES));
    message.pk2 = format_bytes(view_of(pk + G1_BYTES, G2_BYTES));
    message.possession = format_bytes(view_of(request->possession, sizeof request->possession));
    TRY(format_sign(identity, &message, &record));
    return format_pack(record, out_wire);
}

result ca_sign_request(const struct ca *ca, struct view wire, unsigned days,
                       struct bytes *out_certificate) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__CertificateRequest *message = NULL;
    struct ca_request request;
    TRY(format_parse_signed(wire, &record));
    TRY(format_open_certificate_request(record, &message));
    if (memcmp(message->system_id.data, ca_system_id(ca), FORMAT_ID_BYTES) != 0)
        return FAIL(DENIED, "the request of %s is for another system", message->user);
    request.user = message->user;
    memcpy(request.identity, message->identity.data, sizeof request.identity);
    memcpy(request.possession, message->possession.data, sizeof request.possession);
    TRY(g1_parse("certificate_request: pk1", format_view(message->pk1), &request.public_key.pk1));
    TRY(g2_parse("certificate_request: pk2", format_view(message->pk2), &request.public_key.pk2));
    return ca_issue_user(ca, &request, days, out_certificate);
}
