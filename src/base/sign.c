#include "base/sign.h"

#include <sodium.h>
#include <string.h>

#include "base/secret.h"

_Static_assert(crypto_sign_SECRETKEYBYTES == 64, "expanded is libsodium's secret key");
_Static_assert(crypto_box_SEALBYTES == SIGN_BOX_OVERHEAD, "overhead of a sealed box");

void sign_key_random(struct sign_key *out_key) {
    uint8_t seed[SIGN_SEED_BYTES];
    secret_random(seed, sizeof seed);
    sign_key_from_seed(seed, out_key);
    secret_wipe(seed, sizeof seed);
}

void sign_key_from_seed(const uint8_t seed[SIGN_SEED_BYTES], struct sign_key *out_key) {
    memcpy(out_key->seed, seed, SIGN_SEED_BYTES);
    crypto_sign_seed_keypair(out_key->public_key, out_key->expanded, seed);
}

static result domain_message(const char *domain, struct view message, struct bytes *out) {
    TRY(bytes_append(out, view_of(domain, strlen(domain) + 1)));
    return bytes_append(out, message);
}

result sign_message(const struct sign_key *key, const char *domain, struct view message,
                    uint8_t out_signature[SIGN_BYTES]) {
    AUTO_BYTES struct bytes whole = {0};
    TRY(domain_message(domain, message, &whole));
    crypto_sign_detached(out_signature, NULL, whole.data, whole.len, key->expanded);
    return OK;
}

result sign_verify(const uint8_t public_key[SIGN_PUBLIC_BYTES], const char *domain,
                   struct view message, const uint8_t signature[SIGN_BYTES]) {
    AUTO_BYTES struct bytes whole = {0};
    TRY(domain_message(domain, message, &whole));
    if (crypto_sign_verify_detached(signature, whole.data, whole.len, public_key) != 0)
        return FAIL(INTEGRITY, "the signature on a %s does not verify", domain);
    return OK;
}

result sign_box_seal(const uint8_t public_key[SIGN_PUBLIC_BYTES], struct view message,
                     struct bytes *out_box) {
    uint8_t box_key[crypto_box_PUBLICKEYBYTES];
    if (crypto_sign_ed25519_pk_to_curve25519(box_key, public_key) != 0)
        return FAIL(PROTOCOL, "the reader's identity key is not a valid point");
    TRY(bytes_reserve(out_box, message.len + SIGN_BOX_OVERHEAD));
    if (crypto_box_seal(out_box->data, message.data, message.len, box_key) != 0)
        return FAIL(INTERNAL, "a box cannot be sealed");
    out_box->len = message.len + SIGN_BOX_OVERHEAD;
    return OK;
}

/* The message of a box of at least SIGN_BOX_OVERHEAD bytes, into `out_message`. */
static result open_box(const struct sign_key *key, struct view box, uint8_t *out_message) {
    uint8_t box_public[crypto_box_PUBLICKEYBYTES], box_secret[crypto_box_SECRETKEYBYTES];
    if (crypto_sign_ed25519_pk_to_curve25519(box_public, key->public_key) != 0 ||
        crypto_sign_ed25519_sk_to_curve25519(box_secret, key->expanded) != 0)
        return FAIL(INTERNAL, "the identity key does not convert");
    int opened = crypto_box_seal_open(out_message, box.data, box.len, box_public, box_secret);
    secret_wipe(box_secret, sizeof box_secret);
    if (opened != 0)
        return FAIL(INTEGRITY, "a sealed box does not open with this identity key");
    return OK;
}

result sign_box_open(const struct sign_key *key, struct view box, struct bytes *out_message) {
    if (box.len < SIGN_BOX_OVERHEAD)
        return FAIL(INTEGRITY, "a sealed box of %zu bytes is too short", box.len);
    TRY(bytes_reserve(out_message, box.len - SIGN_BOX_OVERHEAD + 1));
    TRY(open_box(key, box, out_message->data));
    out_message->len = box.len - SIGN_BOX_OVERHEAD;
    return OK;
}

result sign_box_open_secret(const struct sign_key *key, struct view box, size_t len,
                            uint8_t *out_secret) {
    if (box.len != len + SIGN_BOX_OVERHEAD)
        return FAIL(INTEGRITY, "a sealed box of %zu bytes, expected %zu", box.len,
                    len + SIGN_BOX_OVERHEAD);
    return open_box(key, box, out_secret);
}
