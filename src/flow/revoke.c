#include "flow/revoke.h"

#include <stdio.h>

#include "flow/image.h"
#include "flow/pages.h"
#include "flow/serial.h"
#include "flow/slot_holders.h"
#include "flow/tell.h"

static result sign_revocation(struct session *session, const struct image *image,
                              const char *recipient, uint64_t serial_ms,
                              Myelin__Signed **out_record) {
    char owner[FORMAT_NAME_MAX + 1], name[FORMAT_NAME_MAX + 1];
    uint8_t tau[FORMAT_TAU_BYTES];
    snprintf(owner, sizeof owner, "%s", session->user);
    snprintf(name, sizeof name, "%s", recipient);
    g2_to_bytes(&image->tau, tau);
    Myelin__Revocation revocation = MYELIN__REVOCATION__INIT;
    revocation.owner = owner;
    revocation.recipient = name;
    revocation.tau = format_bytes(view_of(tau, sizeof tau));
    revocation.serial_ms = serial_ms;
    return format_sign(session->signing, &revocation, out_record);
}

static unsigned count_code(const struct session_answer answers[], unsigned count, result code) {
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++)
        found += answers[i].code == code;
    return found;
}

/* With a later serial, once, where one that is not older is there already. */
static result tell_storage(struct session *session, const struct image *image,
                           const char *recipient, struct session_answer answers[], unsigned *out_ok,
                           Myelin__Signed **out_record) {
    AUTO_FORMAT Myelin__Signed *record = NULL;
    char path[64 + IMAGE_HEX + FORMAT_NAME_MAX];
    uint64_t serial_ms = image->signing_ms;
    bool is_raised;
    snprintf(path, sizeof path, "/v1/images/%s/forwards/%s", image->hex, recipient);
    TRY(sign_revocation(session, image, recipient, serial_ms, &record));
    TRY(tell_all(session, SESSION_STORAGE, NULL, "DELETE", path, record, answers, out_ok, NULL));
    TRY(serial_learn(session, image, recipient, answers, &serial_ms, &is_raised));
    if (is_raised) {
        format_free(record);
        record = NULL;
        TRY(sign_revocation(session, image, recipient, serial_ms, &record));
        TRY(tell_all(session, SESSION_STORAGE, NULL, "DELETE", path, record, answers, out_ok,
                     NULL));
    }
    *out_record = record;
    record = NULL;
    return OK;
}

/* Whether so many of the recipient's key servers were not told that they could still open for him:
 * his t of those that hold his shares. The system's t of all where he cannot be looked up. */
static bool may_still_open(struct session *session, const char *recipient,
                           const struct session_answer key[]) {
    const struct session_user *user = NULL;
    bool is_known =
        session_find_user(session, recipient, &user) == OK && user->shares.commitments.t > 0;
    unsigned untold = 0;
    for (unsigned i = 0; i < session->m; i++)
        untold += key[i].code != OK && (!is_known || holders_has(&user->shares.holders, i + 1));
    return untold >= (is_known ? user->shares.commitments.t : session->t);
}

/* A slip in the name would leave the one who was meant with the image, and the user at ease. Whom
 * the key servers deny to know is revoked all the same. */
static void warn_of_stranger(struct session *session, const char *recipient) {
    const struct session_user *user = NULL;
    if (session_find_user(session, recipient, &user) == NOT_FOUND)
        session_warn(session, "no user %s is enrolled in this system: is that whom you mean?",
                     recipient);
}

result flow_revoke(struct session *session, const char *id, const char *recipient) {
    if (!format_is_name(recipient))
        return FAIL(INVALID, "'%s' is no user name", recipient);
    AUTO_IMAGE struct image image = {0};
    TRY(image_own(session, id, &image));
    AUTO_FORMAT Myelin__Signed *record = NULL;
    struct session_answer storage[FORMAT_SERVERS_MAX], key[FORMAT_SERVERS_MAX];
    unsigned ok = 0, key_ok = 0;
    bool was_forwarded;
    TRY(serial_was_signed(session, &image, recipient, &was_forwarded));
    TRY(tell_storage(session, &image, recipient, storage, &ok, &record));
    unsigned servers = session_server_count(session, SESSION_STORAGE);
    if (ok == 0 && count_code(storage, servers, NOT_FOUND) >= pages_needed(session))
        return FAIL(NOT_FOUND, "%s has no image '%s' that was forwarded to %s", session->user, id,
                    recipient);
    TRY(tell_all(session, SESSION_KEY, NULL, "POST", "/v1/revocations", record, key, &key_ok,
                 NULL));
    struct slot_holders holders;
    slot_holders_find(session, image.tau_bytes, NULL, 0, &holders);
    unsigned storage_untold = tell_warn(session, SESSION_STORAGE, "the revocation",
                                        holders.is_holder, storage, NOT_FOUND);
    unsigned key_untold = tell_warn(session, SESSION_KEY, "the revocation", NULL, key, OK);
    if (storage_untold >= session->k && key_untold > 0 && may_still_open(session, recipient, key))
        return FAIL(QUORUM,
                    "revoking: %u storage and %u key servers could not be told, so %s may still "
                    "open the image; run it again when they are back",
                    storage_untold, key_untold, recipient);
    warn_of_stranger(session, recipient);
    if (!was_forwarded)
        return FAIL(NOT_FOUND,
                    "'%s' was not forwarded to %s, as far as any storage server knows; should one "
                    "have missed it, he is refused there now",
                    id, recipient);
    return OK;
}
