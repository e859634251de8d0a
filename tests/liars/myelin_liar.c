/*
 * myelin with an owner who makes forwards that are none, as the servers see them in good order:
 *
 *     other-id          of another image's ID
 *     other-recipient   to a key that is nobody's
 */
#include "lie.h"
#include "scheme/threshold_rekeygen.h"

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
