#include "base/digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>

static void require(int gnutls_code) {
    if (gnutls_code >= 0)
        return;
    fprintf(stderr, "fatal: SHA-256: %s\n", gnutls_strerror(gnutls_code));
    abort();
}

void digest_sha256(struct view data, uint8_t out[DIGEST_BYTES]) {
    require(gnutls_hash_fast(GNUTLS_DIG_SHA256, data.data, data.len, out));
}

void digest_start(struct digest *digest) {
    gnutls_hash_hd_t handle;
    require(gnutls_hash_init(&handle, GNUTLS_DIG_SHA256));
    digest->handle = handle;
}

void digest_update(struct digest *digest, struct view part) {
    if (part.len > 0)
        require(gnutls_hash(digest->handle, part.data, part.len));
}

void digest_finish(struct digest *digest, uint8_t out[DIGEST_BYTES]) {
    gnutls_hash_deinit(digest->handle, out);
    digest->handle = NULL;
}

void digest_abandon(struct digest *digest) {
    if (digest->handle != NULL)
        gnutls_hash_deinit(digest->handle, NULL);
    digest->handle = NULL;
}

void digest_hmac_sha256(struct view key, struct view data, uint8_t out[DIGEST_BYTES]) {
    require(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data, key.len, data.data, data.len, out));
}

static gnutls_datum_t datum(struct view view) {
    /* GnuTLS takes a non-const pointer and does not write through it. */
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)view.data, (unsigned)view.len};
}

void digest_hkdf(struct view ikm, struct view salt, const char *info, uint8_t out[DIGEST_BYTES]) {
    uint8_t prk[DIGEST_BYTES];
    gnutls_datum_t key = datum(ikm), salt_datum = datum(salt);
    require(gnutls_hkdf_extract(GNUTLS_MAC_SHA256, &key, &salt_datum, prk));
    gnutls_datum_t prk_datum = {prk, sizeof prk}, info_datum = datum(view_of_string(info));
    require(gnutls_hkdf_expand(GNUTLS_MAC_SHA256, &prk_datum, &info_datum, out, DIGEST_BYTES));
    gnutls_memset(prk, 0, sizeof prk);
}
