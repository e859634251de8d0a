#include <sodium.h>
#include <string.h>

#include "base/secret.h"
#include "keys/share_store.h"

#define SHARE_MAGIC "MYELINSH"
enum {
    SHARE_MAGIC_BYTES = 8,
    SHARE_PLAIN_BYTES = 2 * SCALAR_BYTES,
    SHARE_BOX_BYTES = SHARE_PLAIN_BYTES + FORMAT_BOX_TAG_BYTES,
};

_Static_assert(FORMAT_BOX_NONCE_BYTES == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "nonce");
_Static_assert(FORMAT_BOX_TAG_BYTES == crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");
_Static_assert(SEAL_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");

void share_record_free(struct share_record *record) {
    format_free(record->file);
    secret_free(record->share);
    *record = (struct share_record){0};
}

/* What the box vouches for: the magic and the file with an empty box. */
static result associated_data(const Myelin__ShareFile *file, struct bytes *out) {
    Myelin__ShareFile boxless = *file;
    boxless.box = (ProtobufCBinaryData){0};
    size_t size = format_packed_bytes(&boxless);
    TRY(bytes_reserve(out, SHARE_MAGIC_BYTES + size));
    memcpy(out->data, SHARE_MAGIC, SHARE_MAGIC_BYTES);
    format_pack_to(&boxless, out->data + SHARE_MAGIC_BYTES);
    out->len = SHARE_MAGIC_BYTES + size;
    return OK;
}

static result open_box(const Myelin__ShareFile *file, const uint8_t seal_key[SEAL_KEY_BYTES],
                       struct key_share **out_share) {
    AUTO_BYTES struct bytes associated = {0};
    AUTO_SECRET uint8_t *plain = NULL;
    AUTO_SECRET struct key_share *share = NULL;
    if (file->box.len != SHARE_BOX_BYTES || file->nonce.len != FORMAT_BOX_NONCE_BYTES)
        return FAIL(INTEGRITY, "its box has a wrong size");
    TRY(associated_data(file, &associated));
    TRY(secret_new(SHARE_PLAIN_BYTES, (void **)&plain));
    TRY(secret_new(sizeof *share, (void **)&share));
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, NULL, NULL, file->box.data, file->box.len,
                                                   associated.data, associated.len,
                                                   file->nonce.data, seal_key) != 0)
        return FAIL(INTEGRITY, "it was altered, or another seal key sealed it");
    share->j = file->index;
    if (scalar_parse("s1", view_of(plain, SCALAR_BYTES), &share->s1) != OK ||
        scalar_parse("s2", view_of(plain + SCALAR_BYTES, SCALAR_BYTES), &share->s2) != OK)
        return FAIL(INTEGRITY, "it holds no share");
    *out_share = share;
    share = NULL;
    return OK;
}

static result open_file(struct view contents, const uint8_t seal_key[SEAL_KEY_BYTES],
                        const char *user, uint32_t index, struct share_record *out_record) {
    struct view magic;
    if (!view_take(&contents, SHARE_MAGIC_BYTES, &magic) ||
        !view_equal(magic, view_of(SHARE_MAGIC, SHARE_MAGIC_BYTES)))
        return FAIL(INTEGRITY, "it is no share file");
    AUTO_FORMAT Myelin__ShareFile *file = NULL;
    result parsed = format_parse_share_file(contents, &file);
    if (parsed != OK)
        return parsed == PROTOCOL ? INTEGRITY : parsed;
    if (strcmp(file->user, user) != 0)
        return FAIL(INTEGRITY, "it is the file of %s", file->user);
    if (file->index != index)
        return FAIL(INTEGRITY, "it is a share of key server %u", file->index);
    TRY(open_box(file, seal_key, &out_record->share));
    out_record->file = file;
    file = NULL;
    return OK;
}

result share_file_open(struct view contents, const uint8_t seal_key[SEAL_KEY_BYTES],
                       const char *user, uint32_t index, struct share_record *out_record) {
    *out_record = (struct share_record){0};
    result opened = open_file(contents, seal_key, user, index, out_record);
    return opened == OK ? OK : error_at(opened, "share file of %s", user);
}

static result make_box(const Myelin__ShareFile *file, const struct key_share *share,
                       const uint8_t seal_key[SEAL_KEY_BYTES], uint8_t out_box[SHARE_BOX_BYTES]) {
    AUTO_BYTES struct bytes associated = {0};
    AUTO_SECRET uint8_t *plain = NULL;
    TRY(associated_data(file, &associated));
    TRY(secret_new(SHARE_PLAIN_BYTES, (void **)&plain));
    scalar_to_bytes(&share->s1, plain);
    scalar_to_bytes(&share->s2, plain + SCALAR_BYTES);
    crypto_aead_xchacha20poly1305_ietf_encrypt(out_box, NULL, plain, SHARE_PLAIN_BYTES,
                                               associated.data, associated.len, NULL,
                                               file->nonce.data, seal_key);
    return OK;
}

result share_file_seal(const Myelin__ShareFile *file, const struct key_share *share,
                       const uint8_t seal_key[SEAL_KEY_BYTES], struct bytes *out_contents) {
    uint8_t nonce[FORMAT_BOX_NONCE_BYTES], box[SHARE_BOX_BYTES];
    Myelin__ShareFile sealed = *file;
    secret_random(nonce, sizeof nonce);
    sealed.nonce = format_bytes(view_of(nonce, sizeof nonce));
    TRY(make_box(&sealed, share, seal_key, box));
    sealed.box = format_bytes(view_of(box, sizeof box));
    TRY(bytes_append(out_contents, view_of(SHARE_MAGIC, SHARE_MAGIC_BYTES)));
    return format_pack(&sealed, out_contents);
}
