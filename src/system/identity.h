/*
 * What a server is in the system: its name, certificate and key, ready for TLS and for signing.
 * It comes from a folder with certificate.pem and key.pem.
 */
#ifndef MYELIN_SYSTEM_IDENTITY_H
#define MYELIN_SYSTEM_IDENTITY_H

#include "net/tls.h"
#include "system/description.h"

struct identity {
    char name[FORMAT_NAME_MAX + 1];
    enum tls_role role;
    struct tls_identity *tls; /* for src/net; holds the certificate and the CA's */
    struct sign_key *key;     /* for signing; secret memory */
};

#define AUTO_IDENTITY __attribute__((cleanup(identity_free)))
void identity_free(struct identity *identity);

/*
 * A server's identity of `role` (storage or key).
 *
 * NOT_FOUND  the folder has no credentials
 * INTEGRITY  they are damaged, or key and certificate do not belong together
 * DENIED     the certificate is expired, from another CA, of another role or system, or for a
 *            server that the description does not name with this key
 * IO, NO_MEMORY
 */
MUST_CHECK result identity_load_server(const char *folder, enum tls_role role,
                                       const struct description *description,
                                       struct identity *out_identity);

/* Writes a server's credentials: certificate.pem (mode 0644) and key.pem (0600) in `folder`, which
 * is made where missing. IO. */
MUST_CHECK result identity_write_server(const char *folder, struct view certificate,
                                        const struct sign_key *key);

#endif
