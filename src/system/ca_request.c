/* Enrolment away from the manager. */
#include <string.h>

#include "base/digest.h"
#include "system/ca.h"

static const char magic[] = "MYELINCR";
enum { MAGIC_BYTES = sizeof magic - 1 };

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
    TRY(bytes_append(out_wire, view_of(magic, MAGIC_BYTES)));
    return format_pack(record, out_wire);
}

static result check_proof(const Myelin__CertificateRequest *message, struct ca_request *request) {
    memcpy(request->identity, message->identity.data, sizeof request->identity);
    memcpy(request->possession, message->possession.data, sizeof request->possession);
    TRY(g1_parse("certificate_request: pk1", format_view(message->pk1), &request->public_key.pk1));
    TRY(g2_parse("certificate_request: pk2", format_view(message->pk2), &request->public_key.pk2));
    return keygen_verify(&request->public_key, view_of_string(request->user),
                         view_of(request->possession, sizeof request->possession));
}

result ca_request_open(const struct ca *ca, struct view wire, struct ca_asked *out) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    AUTO_FORMAT Myelin__CertificateRequest *message = NULL;
    struct view head;
    if (!view_take(&wire, MAGIC_BYTES, &head) || !view_equal(head, view_of(magic, MAGIC_BYTES)))
        return FAIL(PROTOCOL, "not a request");
    TRY(format_parse_signed(wire, &record));
    TRY(format_open_certificate_request(record, &message));
    if (memcmp(message->system_id.data, ca_system_id(ca), FORMAT_ID_BYTES) != 0)
        return FAIL(DENIED, "the request of %s is for another system", message->user);
    memcpy(out->user, message->user, strlen(message->user) + 1);
    out->request.user = out->user;
    return check_proof(message, &out->request);
}

void ca_request_fingerprint(const struct ca_request *request, char out[CA_FINGERPRINT]) {
    static const char domain[] = "myelin fingerprint v1";
    uint8_t pk[PUBLIC_KEY_BYTES], hash[DIGEST_BYTES];
    struct digest digest;
    public_key_to_bytes(&request->public_key, pk);
    digest_start(&digest);
    digest_update(&digest, view_of(domain, sizeof domain)); /* with its zero byte */
    digest_update(&digest, view_of(request->user, strlen(request->user) + 1));
    digest_update(&digest, view_of(request->identity, sizeof request->identity));
    digest_update(&digest, view_of(pk, sizeof pk));
    digest_finish(&digest, hash);
    hex_encode(view_of(hash, CA_FINGERPRINT / 2), out);
}
