/*
 * myelin with an owner who makes forwards that are none, as the servers see them in good order:
 *
 *     other-id          of another image's ID
 *     other-recipient   to a key that is nobody's
 *
 * and one who describes his objects to a recipient as they are not:
 *
 *     size=BYTES        of each object, whatever it has
 *     name=NAME         of each object, as no client would write it
 */
#include <stdlib.h>

#include "flow/object.h"
#include "lie.h"
#include "scheme/threshold_rekeygen.h"
#include "seal/seal.h"

result __real_threshold_rekeygen_request(const struct scalar *a3, struct view id,
                                         const struct public_key *recipient,
                                         struct rekey_request *out);
result __wrap_threshold_rekeygen_request(const struct scalar *a3, struct view id,
                                         const struct public_key *recipient,
                                         struct rekey_request *out);

result __wrap_threshold_rekeygen_request(const struct scalar *a3, struct view id,
                                         const struct public_key *recipient,
                                         struct rekey_request *out) {
    struct lie lie;
    struct public_key nobody = *recipient;
    lie_load(NULL, false, &lie);
    g2_mul(&nobody.pk2, &nobody.pk2, &nobody.pk2);
    if (lie_is(&lie, "other-id"))
        id = view_of_string("another image");
    if (lie_is(&lie, "other-recipient"))
        recipient = &nobody;
    return __real_threshold_rekeygen_request(a3, id, recipient, out);
}

result __real_object_meta_seal(const uint8_t content_key[CONTENT_KEY_BYTES],
                               const uint8_t context[OBJECT_CONTEXT_BYTES],
                               const Myelin__ObjectMeta *meta, struct bytes *out_box);
result __wrap_object_meta_seal(const uint8_t content_key[CONTENT_KEY_BYTES],
                               const uint8_t context[OBJECT_CONTEXT_BYTES],
                               const Myelin__ObjectMeta *meta, struct bytes *out_box);

result __wrap_object_meta_seal(const uint8_t content_key[CONTENT_KEY_BYTES],
                               const uint8_t context[OBJECT_CONTEXT_BYTES],
                               const Myelin__ObjectMeta *meta, struct bytes *out_box) {
    struct lie lie;
    Myelin__ObjectMeta told = *meta;
    char name[256], size[256];
    lie_load(NULL, false, &lie);
    if (lie_option(&lie, "size", size)[0] != '\0')
        told.size = strtoull(size, NULL, 10);
    if (lie_option(&lie, "name", name)[0] == '\0')
        return __real_object_meta_seal(content_key, context, &told, out_box);
    told.name = name; /* format_pack would not have it */
    AUTO_BYTES struct bytes wire = {0};
    TRY(bytes_reserve(&wire, myelin__object_meta__get_packed_size(&told)));
    wire.len = myelin__object_meta__pack(&told, wire.data);
    return seal_text(content_key, "MYELIN-V1-META-KEY", view_of(context, OBJECT_CONTEXT_BYTES),
                     bytes_view(&wire), out_box);
}
