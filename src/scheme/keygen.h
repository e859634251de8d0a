/*
 * KeyGen: a user's keys, and the proof that whoever publishes a public key knows its secrets.
 *
 * The proof is Schnorr's, for both exponents under one challenge, made non-interactive
 * (Fiat-Shamir): T1 = g^w1, T2 = h^w2, c = H(PK1, PK2, T1, T2, SHA-256(context)), z1 = w1 + c a1,
 * z2 = w2 + c a2 with H = scalar_hash under "MYELIN-V1-POSSESSION"; its bytes are c || z1 || z2.
 */
#ifndef MYELIN_SCHEME_KEYGEN_H
#define MYELIN_SCHEME_KEYGEN_H

#include "group/g1.h"
#include "group/g2.h"

/* SK. Keep it in memory from secret_new; after ShareKeyGen only a3 stays anywhere. */
struct secret_key {
    struct scalar a1, a2, a3; /* none is 0 */
};

/* PK. */
struct public_key {
    struct g1 pk1; /* g^a1 */
    struct g2 pk2; /* h^a2 */
};

enum { PUBLIC_KEY_BYTES = G1_BYTES + G2_BYTES, POSSESSION_BYTES = 3 * SCALAR_BYTES };

/* A new key pair. */
void keygen(struct secret_key *out_secret, struct public_key *out_public);

/* The public key of a secret one: KeyGen without its randomness. */
void keygen_public(const struct secret_key *secret, struct public_key *out_public);

/* A proof of possession bound to `context`: the user's name, so that nobody can enrol with another
 * user's proof. */
void keygen_prove(const struct secret_key *secret, const struct public_key *public_key,
                  struct view context, uint8_t out_proof[POSSESSION_BYTES]);

/* PROTOCOL where `proof` does not parse; INTEGRITY where it does not hold for this key and context.
 */
MUST_CHECK result keygen_verify(const struct public_key *public_key, struct view context,
                                struct view proof);

/* PK1 || PK2, as certificates carry it. */
void public_key_to_bytes(const struct public_key *public_key, uint8_t out[PUBLIC_KEY_BYTES]);

/* Exactly 144 bytes, both halves validated. PROTOCOL, naming `field`. */
MUST_CHECK result public_key_parse(const char *field, struct view bytes,
                                   struct public_key *out_public);

#endif
