#include "system/user.h"

#include <string.h>

#include "net/tls.h"
#include "system/ca.h"
#include "system/x509.h"

result user_public_key(struct view certificate, struct public_key *out_public_key) {
    AUTO_X509 gnutls_x509_crt_t parsed = NULL;
    uint8_t value[3 + PUBLIC_KEY_BYTES];
    uint8_t second[1];
    size_t len = sizeof value;
    size_t second_len = sizeof second;
    unsigned critical = 0;
    TRY(x509_certificate_parse(certificate, &parsed));
    int code =
        gnutls_x509_crt_get_extension_by_oid(parsed, CA_PUBLIC_KEY_OID, 0, value, &len, &critical);
    if (code < 0 || len != sizeof value || value[0] != 0x04 || value[1] != 0x81 ||
        value[2] != PUBLIC_KEY_BYTES)
        return FAIL(PROTOCOL, "a certificate without a public key PK");
    code = gnutls_x509_crt_get_extension_by_oid(parsed, CA_PUBLIC_KEY_OID, 1, second, &second_len,
                                                &critical);
    if (code != GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
        return FAIL(PROTOCOL, "a certificate with two public keys");
    return public_key_parse("certificate", view_of(value + 3, PUBLIC_KEY_BYTES), out_public_key);
}

result user_from_certificate(struct view certificate, const struct description *description,
                             const char *name, time_t now, struct user *out_user) {
    struct tls_peer peer;
    struct user user = {0};
    TRY(tls_peer_check(certificate, format_view(description->system->ca_certificate), now, &peer));
    if (strcmp(peer.system, description->id) != 0)
        return FAIL(DENIED, "the certificate of %s is of another system", peer.name);
    if (peer.role != TLS_ROLE_USER)
        return FAIL(DENIED, "%s is no user but a %s", peer.name, tls_role_name(peer.role));
    if (strcmp(peer.name, name) != 0)
        return FAIL(INTEGRITY, "the certificate of %s was given for that of %s", peer.name, name);
    result read = user_public_key(certificate, &user.public_key);
    if (read != OK)
        return error_at(read, "%s", name);
    memcpy(user.name, peer.name, sizeof user.name);
    memcpy(user.identity, peer.identity, sizeof user.identity);
    user.expires = peer.expires;
    *out_user = user;
    return OK;
}
