/*
 * What owners have revoked, as this key server was told: one file for each (owner, recipient,
 * image), holding the owner's Signed Revocation with the highest serial.
 *
 *   FOLDER/<SHA-256 of owner 0x00 recipient 0x00 tau, in hexadecimal>.revocation
 */
#ifndef MYELIN_KEYS_REVOCATIONS_H
#define MYELIN_KEYS_REVOCATIONS_H

#include "format/format.h"

/* Safe from any thread. */
struct revocations;

/* Opens or makes `folder`. IO, NO_MEMORY. */
MUST_CHECK result revocations_open(const char *folder, struct revocations **out_revocations);
void revocations_close(struct revocations *revocations);

/* Keeps a revocation that `owner_identity` signed, durably; one with a lower serial than what is
 * stored changes nothing. INTEGRITY where the signature is not the owner's; PROTOCOL; IO. */
MUST_CHECK result revocations_add(struct revocations *revocations, const Myelin__Signed *record,
                                  const uint8_t owner_identity[SIGN_PUBLIC_BYTES]);

/* The serial below and at which the owner's forwards of `tau` to `recipient` are revoked: 0 where
 * they are not. INTEGRITY where the stored revocation was altered: then nothing may be opened. */
MUST_CHECK result revocations_serial(struct revocations *revocations, const char *owner,
                                     const uint8_t owner_identity[SIGN_PUBLIC_BYTES],
                                     const char *recipient, struct view tau,
                                     uint64_t *out_serial_ms);

#endif
