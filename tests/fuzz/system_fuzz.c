/* System descriptions and certificates. The first byte says how the rest is read: as the file
 * (whose signature nobody can make up), as the body of its record, or as a certificate. */
#include <stdlib.h>
#include <string.h>

#include "net/tls.h"
#include "system/description.h"
#include "system/user.h"
#include "system/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_file(struct view wire) {
    AUTO_DESCRIPTION struct description description = {0};
    result parsed = description_parse("it", wire, NULL, &description);
    if (parsed == OK ? description.system == NULL : description.system != NULL)
        abort();
    if (parsed != OK && parsed != INTEGRITY && parsed != NO_MEMORY)
        abort();
}

static void try_certificate(struct view der) {
    uint8_t key[SIGN_PUBLIC_BYTES];
    struct public_key public_key;
    struct tls_peer peer;
    if (user_public_key(der, &public_key) == OK && g1_is_identity(&public_key.pk1))
        abort();
    if (x509_check_ca(der, "00000000000000000000000000000000", key) == OK)
        (void)!tls_peer_check(der, der, 0, &peer);
    (void)!x509_identity(der, key);
}

static void try_body(struct view body) {
    AUTO_FORMAT Myelin__System *system = NULL;
    if (format_parse_system(body, &system) != OK)
        return;
    if (system->k > system->n_storage || system->t > system->n_key || system->n_storage > 255)
        abort();
    try_certificate(format_view(system->ca_certificate));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct view rest = view_of(data + 1, size - 1);
    if (data[0] % 3 == 0)
        try_file(rest);
    else if (data[0] % 3 == 1)
        try_body(rest);
    else
        try_certificate(rest);
    return 0;
}
