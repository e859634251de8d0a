#include "flow/object.h"

#include <limits.h>
#include <string.h>

#include "base/digest.h"
#include "codec/codec.h"
#include "flow/session.h"
#include "seal/seal.h"

static const char META_PURPOSE[] = "MYELIN-V1-META-KEY";

bool object_name_is_safe(const char *name) {
    if (!format_is_object_name(name))
        return false;
    size_t component = 0;
    for (const char *c = name; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return false;
        component = *c == '/' ? 0 : component + 1;
        if (component > NAME_MAX)
            return false;
    }
    return true;
}

result object_id_key(const struct scalar *a3, uint8_t **out_key) {
    uint8_t *key = NULL, bytes[SCALAR_BYTES];
    TRY(secret_new(DIGEST_BYTES, (void **)&key));
    scalar_to_bytes(a3, bytes);
    digest_hkdf(view_of(bytes, SCALAR_BYTES), view_of(NULL, 0), "MYELIN-V1-OBJECT-ID", key);
    secret_wipe(bytes, sizeof bytes);
    *out_key = key;
    return OK;
}

result object_id(const struct session *session, const uint8_t tau[FORMAT_TAU_BYTES],
                 const char *name, uint8_t out_id[FORMAT_ID_BYTES]) {
    AUTO_BYTES struct bytes input = {0};
    TRY(bytes_append(&input, view_of(tau, FORMAT_TAU_BYTES)));
    TRY(bytes_append(&input, view_of_string(name)));
    uint8_t mac[DIGEST_BYTES];
    digest_hmac_sha256(view_of(session->object_key, DIGEST_BYTES), bytes_view(&input), mac);
    memcpy(out_id, mac, FORMAT_ID_BYTES);
    return OK;
}

void object_context(const uint8_t tau[FORMAT_TAU_BYTES], const uint8_t id[FORMAT_ID_BYTES],
                    uint8_t out_context[OBJECT_CONTEXT_BYTES]) {
    memcpy(out_context, tau, FORMAT_TAU_BYTES);
    memcpy(out_context + FORMAT_TAU_BYTES, id, FORMAT_ID_BYTES);
}

result object_meta_seal(const uint8_t content_key[CONTENT_KEY_BYTES],
                        const uint8_t context[OBJECT_CONTEXT_BYTES], const Myelin__ObjectMeta *meta,
                        struct bytes *out_box) {
    AUTO_BYTES struct bytes wire = {0};
    TRY(format_pack(meta, &wire));
    return seal_text(content_key, META_PURPOSE, view_of(context, OBJECT_CONTEXT_BYTES),
                     bytes_view(&wire), out_box);
}

result object_meta_open(const uint8_t content_key[CONTENT_KEY_BYTES],
                        const Myelin__Manifest *manifest, Myelin__ObjectMeta **out_meta) {
    uint8_t context[OBJECT_CONTEXT_BYTES];
    object_context(manifest->tau.data, manifest->object.data, context);
    AUTO_BYTES struct bytes wire = {0};
    TRY(seal_open_text(content_key, META_PURPOSE, view_of(context, sizeof context),
                       format_view(manifest->sealed_meta), &wire));
    AUTO_FORMAT Myelin__ObjectMeta *meta = NULL;
    if (format_parse_object_meta(bytes_view(&wire), &meta) != OK)
        return error_at(INTEGRITY, "an object's description");
    enum codec_kind kind;
    TRY(codec_kind_check(meta->codec, &kind));
    if (!object_name_is_safe(meta->name))
        return FAIL(INTEGRITY, "the object's name '%.100s' is not safe as a file's", meta->name);
    *out_meta = meta;
    meta = NULL;
    return OK;
}
