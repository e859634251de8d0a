/*
 * The manager's certificate authority: a folder with ca.crt.pem, ca.key.pem (mode 0600) and
 * issued/NAME.pem for every certificate it gave out, so that no name is ever given to two keys.
 */
#ifndef MYELIN_SYSTEM_CA_H
#define MYELIN_SYSTEM_CA_H

#include "format/format.h"
#include "net/tls.h"
#include "scheme/keygen.h"

/* The extension of users' certificates that carries PK: 48 + 96 bytes, not critical. */
#define CA_PUBLIC_KEY_OID "1.3.6.1.4.1.59999.1.1"

enum { CA_DAYS = 3650, CA_DEFAULT_DAYS = 730 };

struct ca;

#define AUTO_CA __attribute__((cleanup(ca_free_at)))
void ca_free_at(struct ca **ca);

/* Makes the folder (mode 0700) and a new CA in it: Ed25519, valid CA_DAYS, O=<system id in
 * hexadecimal>. CONFLICT where there is a CA key already; IO, NO_MEMORY. */
MUST_CHECK result ca_create(const char *folder, const uint8_t system_id[FORMAT_ID_BYTES],
                            struct ca **out_ca);

/* DENIED, saying that this is the manager's to do, where the folder holds no CA; INTEGRITY where
 * key and certificate are damaged or do not belong together; IO. */
MUST_CHECK result ca_load(const char *folder, struct ca **out_ca);

struct view ca_certificate(const struct ca *ca);  /* DER, the CA's own memory */
const uint8_t *ca_system_id(const struct ca *ca); /* 16 bytes */
const struct sign_key *ca_key(const struct ca *ca);

/* A server's certificate, DER, appended to `out_certificate`. `days` 0: CA_DEFAULT_DAYS. CONFLICT
 * where the name was given to another identity key; INVALID, IO. */
MUST_CHECK result ca_issue_server(const struct ca *ca, const char *name, enum tls_role role,
                                  const uint8_t identity[TLS_KEY_BYTES], unsigned days,
                                  struct bytes *out_certificate);

/* A certificate of the manager himself for a day, which issued/ does not keep: its key is gone with
 * the process that asks. IO. */
MUST_CHECK result ca_issue_manager(const struct ca *ca, const char *name,
                                   const uint8_t identity[TLS_KEY_BYTES],
                                   struct bytes *out_certificate);

/* What a user asks for: his name, identity key and PK, with the proof that he knows a1 and a2
 * (keygen_prove with the name as context). */
struct ca_request {
    const char *user;
    uint8_t identity[TLS_KEY_BYTES];
    struct public_key public_key;
    uint8_t possession[POSSESSION_BYTES];
};

/* A user's certificate, DER, appended to `out_certificate`. INTEGRITY where the proof does not
 * hold; CONFLICT where the name was given to another identity key or PK; INVALID, IO. Asking again
 * with the same keys gives a new certificate. */
MUST_CHECK result ca_issue_user(const struct ca *ca, const struct ca_request *request,
                                unsigned days, struct bytes *out_certificate);

/* The same for a user who has one: his name and keys for `days` from now. `certificate` (DER),
 * expired or not, stands for the proof, which was checked when this CA signed it. DENIED where it
 * did not, or not for a user; CONFLICT where the name was given to other keys since; INVALID,
 * PROTOCOL, IO. */
MUST_CHECK result ca_renew_user(const struct ca *ca, struct view certificate, unsigned days,
                                struct bytes *out_certificate);

/* The certificate that a name was given last, again, for the same keys and `days` from now: a
 * server's or a user's, expired or not. `out_role` says whose. NOT_FOUND where the name was given
 * to nobody; INTEGRITY, INVALID, IO. */
MUST_CHECK result ca_renew(const struct ca *ca, const char *name, unsigned days,
                           enum tls_role *out_role, struct bytes *out_certificate);

/* Takes a name's certificate out of issued/, for an enrolment that was broken off before any key
 * server took a share: the name is free again. NOT_FOUND, INVALID, IO. */
MUST_CHECK result ca_withdraw(const struct ca *ca, const char *name);

/* The same for a server of which no description tells and whose key was never kept; OK where there
 * is none, and where the name is a user's, who keeps it. INTEGRITY, IO. */
MUST_CHECK result ca_withdraw_server(const struct ca *ca, const char *name);

/* Enrolment away from the manager: the user makes a request ("MYELINCR", then the message
 * CertificateRequest, signed by his identity key), appended to `out_wire` ... */
MUST_CHECK result ca_request_make(const struct sign_key *identity,
                                  const uint8_t system_id[FORMAT_ID_BYTES],
                                  const struct ca_request *request, struct bytes *out_wire);

/* ... and the manager opens it: PROTOCOL where it does not parse, INTEGRITY where its signature or
 * proof does not hold, DENIED where it is for another system. Then it is ca_issue_user's. */
struct ca_asked {
    char user[FORMAT_NAME_MAX + 1];
    struct ca_request request; /* its `user` points there */
};
MUST_CHECK result ca_request_open(const struct ca *ca, struct view wire, struct ca_asked *out);

/* What user and manager compare by telephone: hexadecimal digits of a hash over name and keys. */
enum { CA_FINGERPRINT = 33 };
void ca_request_fingerprint(const struct ca_request *request, char out[CA_FINGERPRINT]);

/* Whether a certificate (DER) is for the identity key, and for that PK or, with NULL, for none. */
bool ca_is_for(struct view certificate, const uint8_t identity[TLS_KEY_BYTES],
               const struct public_key *public_key);

#endif
