#include "seal/seal.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "base/digest.h"
#include "base/secret.h"

enum { NONCE_BYTES = 12 };

/* Lives whole in secret memory. */
struct seal_key {
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t context[SEAL_CONTEXT_MAX];
    size_t context_len;
    gnutls_aead_cipher_hd_t cipher;
};

static result cipher_open(const uint8_t key[SEAL_KEY_BYTES], gnutls_aead_cipher_hd_t *out_cipher) {
    gnutls_datum_t datum = {(unsigned char *)(uintptr_t)key, SEAL_KEY_BYTES}; /* read only */
    int code = gnutls_aead_cipher_init(out_cipher, GNUTLS_CIPHER_AES_256_GCM, &datum);
    if (code < 0)
        return FAIL(INTERNAL, "AES-256-GCM: %s", gnutls_strerror(code));
    return OK;
}

void seal_key_destroy(struct seal_key *key) {
    if (key == NULL)
        return;
    if (key->cipher != NULL)
        gnutls_aead_cipher_deinit(key->cipher);
    secret_free(key);
}

void seal_key_destroy_at(struct seal_key **key) {
    seal_key_destroy(*key);
    *key = NULL;
}

void seal_key_clear(struct seal_key *key) {
    if (key->cipher != NULL)
        gnutls_aead_cipher_deinit(key->cipher);
    secret_wipe(key, sizeof *key);
}

static result key_fill(struct seal_key *key, const uint8_t content_key[SEAL_KEY_BYTES],
                       const uint8_t salt[SEAL_SALT_BYTES], struct view context) {
    digest_hkdf(view_of(content_key, SEAL_KEY_BYTES), view_of(salt, SEAL_SALT_BYTES),
                "MYELIN-V1-OBJECT-KEY", key->key);
    if (context.len > 0)
        memcpy(key->context, context.data, context.len);
    key->context_len = context.len;
    if (key->cipher != NULL)
        gnutls_aead_cipher_deinit(key->cipher);
    key->cipher = NULL;
    return cipher_open(key->key, &key->cipher);
}

result seal_key_renew(const uint8_t content_key[SEAL_KEY_BYTES],
                      const uint8_t salt[SEAL_SALT_BYTES], struct view context,
                      struct seal_key **key) {
    AUTO_SEAL_KEY struct seal_key *filled = *key;
    *key = NULL;
    if (context.len > SEAL_CONTEXT_MAX)
        return FAIL(INVALID, "a segment's context of %zu bytes: at most %d", context.len,
                    (int)SEAL_CONTEXT_MAX);
    if (filled == NULL)
        TRY(secret_new(sizeof *filled, (void **)&filled));
    TRY(key_fill(filled, content_key, salt, context));
    *key = filled;
    filled = NULL;
    return OK;
}

result seal_key_new(const uint8_t content_key[SEAL_KEY_BYTES], const uint8_t salt[SEAL_SALT_BYTES],
                    struct view context, struct seal_key **out_key) {
    struct seal_key *key = NULL;
    TRY(seal_key_renew(content_key, salt, context, &key));
    *out_key = key;
    return OK;
}

static void nonce_of(uint64_t number, bool is_last, uint8_t out[NONCE_BYTES]) {
    store_be64(out, number);
    memset(out + 8, 0, 3);
    out[11] = is_last;
}

result seal_segment(struct seal_key *key, uint64_t number, bool is_last, struct view plaintext,
                    uint8_t *out_sealed) {
    if (plaintext.len > SEAL_SEGMENT_BYTES_MAX)
        return FAIL(INVALID, "segment %llu has %zu bytes: at most %d", (unsigned long long)number,
                    plaintext.len, (int)SEAL_SEGMENT_BYTES_MAX);
    uint8_t nonce[NONCE_BYTES];
    nonce_of(number, is_last, nonce);
    size_t sealed_len = plaintext.len + SEAL_TAG_BYTES;
    int code = gnutls_aead_cipher_encrypt(key->cipher, nonce, sizeof nonce, key->context,
                                          key->context_len, SEAL_TAG_BYTES, plaintext.data,
                                          plaintext.len, out_sealed, &sealed_len);
    if (code < 0)
        return FAIL(INTERNAL, "sealing segment %llu: %s", (unsigned long long)number,
                    gnutls_strerror(code));
    return OK;
}

result seal_open_segment(struct seal_key *key, uint64_t number, bool is_last, struct view sealed,
                         uint8_t *out_plaintext) {
    if (sealed.len < SEAL_TAG_BYTES || sealed.len > SEAL_SEGMENT_BYTES_MAX + SEAL_TAG_BYTES)
        return FAIL(INTEGRITY, "segment %llu: %zu bytes are no sealed segment",
                    (unsigned long long)number, sealed.len);
    uint8_t nonce[NONCE_BYTES];
    nonce_of(number, is_last, nonce);
    size_t plaintext_len = sealed.len - SEAL_TAG_BYTES;
    int code = gnutls_aead_cipher_decrypt(key->cipher, nonce, sizeof nonce, key->context,
                                          key->context_len, SEAL_TAG_BYTES, sealed.data, sealed.len,
                                          out_plaintext, &plaintext_len);
    if (code < 0) {
        secret_wipe(out_plaintext, sealed.len - SEAL_TAG_BYTES);
        return FAIL(
            INTEGRITY,
            "segment %llu does not open: it was altered, moved or cut, or the key is another's",
            (unsigned long long)number);
    }
    return OK;
}

uint64_t seal_segments_count(uint64_t size, uint32_t segment_bytes) {
    return size == 0 ? 1 : (size - 1) / segment_bytes + 1;
}

uint32_t seal_segment_len(uint64_t size, uint32_t segment_bytes, uint64_t number) {
    if (number + 1 < seal_segments_count(size, segment_bytes))
        return segment_bytes;
    return (uint32_t)(size - number * segment_bytes);
}

/* One text's key, which exists for one call. */
static result text_cipher(const uint8_t content_key[SEAL_KEY_BYTES], const char *purpose,
                          const uint8_t *salt, gnutls_aead_cipher_hd_t *out_cipher) {
    uint8_t key[SEAL_KEY_BYTES];
    digest_hkdf(view_of(content_key, SEAL_KEY_BYTES), view_of(salt, SEAL_SALT_BYTES), purpose, key);
    result opened = cipher_open(key, out_cipher);
    secret_wipe(key, sizeof key);
    return opened;
}

static const uint8_t ZERO_NONCE[NONCE_BYTES];

result seal_text(const uint8_t content_key[SEAL_KEY_BYTES], const char *purpose,
                 struct view context, struct view text, struct bytes *out_box) {
    if (text.len > SEAL_TEXT_MAX)
        return FAIL(INVALID, "a text of %zu bytes: at most %d", text.len, (int)SEAL_TEXT_MAX);
    TRY(bytes_reserve(out_box, out_box->len + text.len + SEAL_TEXT_OVERHEAD));
    uint8_t *salt = out_box->data + out_box->len;
    secret_random(salt, SEAL_SALT_BYTES);
    gnutls_aead_cipher_hd_t cipher;
    TRY(text_cipher(content_key, purpose, salt, &cipher));
    size_t sealed_len = text.len + SEAL_TAG_BYTES;
    int code = gnutls_aead_cipher_encrypt(cipher, ZERO_NONCE, sizeof ZERO_NONCE, context.data,
                                          context.len, SEAL_TAG_BYTES, text.data, text.len,
                                          salt + SEAL_SALT_BYTES, &sealed_len);
    gnutls_aead_cipher_deinit(cipher);
    if (code < 0)
        return FAIL(INTERNAL, "sealing a text: %s", gnutls_strerror(code));
    out_box->len += text.len + SEAL_TEXT_OVERHEAD;
    return OK;
}

result seal_open_text(const uint8_t content_key[SEAL_KEY_BYTES], const char *purpose,
                      struct view context, struct view box, struct bytes *out_text) {
    if (box.len < SEAL_TEXT_OVERHEAD || box.len > SEAL_TEXT_MAX + SEAL_TEXT_OVERHEAD)
        return FAIL(INTEGRITY, "a sealed text of %zu bytes", box.len);
    size_t len = box.len - SEAL_TEXT_OVERHEAD;
    TRY(bytes_reserve(out_text, out_text->len + len + 1)); /* never NULL, for an empty text */
    gnutls_aead_cipher_hd_t cipher;
    TRY(text_cipher(content_key, purpose, box.data, &cipher));
    uint8_t *text = out_text->data + out_text->len;
    size_t text_len = len;
    int code = gnutls_aead_cipher_decrypt(cipher, ZERO_NONCE, sizeof ZERO_NONCE, context.data,
                                          context.len, SEAL_TAG_BYTES, box.data + SEAL_SALT_BYTES,
                                          box.len - SEAL_SALT_BYTES, text, &text_len);
    gnutls_aead_cipher_deinit(cipher);
    if (code < 0) {
        secret_wipe(text, len);
        return FAIL(
            INTEGRITY,
            "a sealed text does not open: it was altered or moved, or the key is another's");
    }
    out_text->len += len;
    return OK;
}
