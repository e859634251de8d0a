/*
 * Certificates: who a peer is, and what this process shows to its own peers.
 *
 * A certificate is an Ed25519 X.509 certificate that the system's CA signed directly, with the
 * subject CN=<name>, OU=<role>, O=<system id in hexadecimal> and the name once more as the DNS name
 * in its subject alternative name. Connections are TLS 1.3 only (RFC 8446), certificates on both
 * sides.
 */
#ifndef MYELIN_NET_TLS_H
#define MYELIN_NET_TLS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/bytes.h"
#include "base/result.h"

enum {
    TLS_NAME_MAX = 63,
    TLS_SYSTEM_MAX = 64,
    TLS_KEY_BYTES = 32,         /* an Ed25519 public key or seed */
    TLS_CERTIFICATE_MAX = 8192, /* the longest DER that is looked at */
};

enum tls_role { TLS_ROLE_STORAGE, TLS_ROLE_KEY, TLS_ROLE_USER, TLS_ROLE_MANAGER };

/* Who a checked certificate speaks for. */
struct tls_peer {
    char name[TLS_NAME_MAX + 1];
    enum tls_role role;
    char system[TLS_SYSTEM_MAX + 1]; /* the O of the subject; empty where it has none */
    uint8_t identity[TLS_KEY_BYTES]; /* its Ed25519 public key */
    time_t expires;
    struct view certificate; /* the DER that was checked: the caller's own memory */
};

/* "storage", "key", "user", "manager". */
const char *tls_role_name(enum tls_role role);

/* [a-z0-9][a-z0-9._-]{0,62} */
bool tls_name_is_valid(const char *name);

/* Checks one certificate (DER) against the CA's (DER) at the time `now`: signed by that CA, within
 * its validity and the CA's, Ed25519, a valid name (repeated as DNS name) and role.
 * DENIED, with a text such as "the certificate of alice expired on 2026-01-01" or "the certificate
 * of alice is from another CA"; PROTOCOL where the bytes are no certificate; INVALID for a broken
 * CA certificate. `out_peer->certificate` refers to `certificate`. */
MUST_CHECK result tls_peer_check(struct view certificate, struct view ca, time_t now,
                                 struct tls_peer *out_peer);

/* The same without the clock, for a process's own certificate. */
MUST_CHECK result tls_peer_check_untimed(struct view certificate, struct view ca,
                                         struct tls_peer *out_peer);

/* What a process shows to its peers, and the CA by which it judges theirs. Immutable, so threads,
 * clients and servers may share one; it must outlive them. The key lies in secret memory and in a
 * sealed anonymous file (libcurl takes keys by path only) that no other process can reach by name;
 * never on a disk. */
struct tls_identity;

/* `certificate` and `ca` are DER, `seed` the Ed25519 seed to the certificate's key; all are copied.
 * The validity in time is not looked at: a peer will. INVALID where the parts do not fit together;
 * NO_MEMORY, IO. */
MUST_CHECK result tls_identity_new(struct view certificate, const uint8_t seed[TLS_KEY_BYTES],
                                   struct view ca, struct tls_identity **out_identity);
/* Wipes and frees; NULL is fine. */
void tls_identity_free(struct tls_identity *identity);
void tls_identity_free_at(struct tls_identity **identity);
#define AUTO_TLS_IDENTITY __attribute__((cleanup(tls_identity_free_at)))

/* The identity's own certificate as checked when it was made, and the CA's DER. */
const struct tls_peer *tls_identity_self(const struct tls_identity *identity);
struct view tls_identity_ca(const struct tls_identity *identity);

/* For server.c and client.c: PEM texts (ending in a zero byte), and paths under /proc/self/fd that
 * hold the same. */
const char *tls_identity_certificate_pem(const struct tls_identity *identity);
const char *tls_identity_key_pem(const struct tls_identity *identity);
const char *tls_identity_ca_pem(const struct tls_identity *identity);
const char *tls_identity_certificate_path(const struct tls_identity *identity);
const char *tls_identity_key_path(const struct tls_identity *identity);
const char *tls_identity_ca_path(const struct tls_identity *identity);

#endif
