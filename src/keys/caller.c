#include "keys/caller.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "format/hash.h"

result caller_check_member(const struct key_service *service, const struct tls_peer *peer) {
    if (strcmp(peer->system, service->description->id) != 0)
        return FAIL(DENIED, "the certificate of %s is of another system", peer->name);
    return OK;
}

result caller_check_himself(const struct key_service *service, const struct tls_peer *peer) {
    uint8_t enrolled[SIGN_PUBLIC_BYTES];
    TRY(caller_check_user(service, peer));
    result got = caller_identity_of(service, peer->name, enrolled);
    if (got == NOT_FOUND || got == INTEGRITY)
        return OK;
    TRY(got);
    if (memcmp(enrolled, peer->identity, sizeof enrolled) != 0)
        return FAIL(DENIED, "%s enrolled with another identity key", peer->name);
    return OK;
}

result caller_check_user(const struct key_service *service, const struct tls_peer *peer) {
    TRY(caller_check_member(service, peer));
    if (peer->role != TLS_ROLE_USER)
        return FAIL(DENIED, "%s is a %s; this is for users", peer->name, tls_role_name(peer->role));
    return OK;
}

/* What a stored certificate, which was valid when it was stored, says today. */
static result stored_peer(const struct key_service *service, const Myelin__ShareFile *file,
                          struct tls_peer *out_peer) {
    struct view ca = format_view(service->description->system->ca_certificate);
    result read = tls_peer_check_untimed(format_view(file->certificate), ca, out_peer);
    return read == OK ? OK : error_at(INTEGRITY, "the stored certificate of %s", file->user);
}

result caller_share(const struct key_service *service, const struct tls_peer *peer,
                    struct share_record *out_record) {
    AUTO_SHARE struct share_record record = {0};
    TRY(caller_check_user(service, peer));
    result got = share_store_get(service->shares, peer->name, &record);
    if (got == NOT_FOUND || (got == OK && !record.file->active))
        return FAIL(DENIED, "%s has no share here: enrol first", peer->name);
    TRY(got);
    if (!view_equal(format_view(record.file->certificate), peer->certificate)) {
        struct tls_peer stored;
        TRY(stored_peer(service, record.file, &stored));
        if (memcmp(stored.identity, peer->identity, sizeof stored.identity) != 0)
            return FAIL(DENIED, "%s enrolled with another identity key", peer->name);
    }
    *out_record = record;
    record = (struct share_record){0};
    return OK;
}

result caller_identity_of(const struct key_service *service, const char *user,
                          uint8_t out_identity[SIGN_PUBLIC_BYTES]) {
    AUTO_SHARE struct share_record record = {0};
    struct tls_peer stored;
    TRY(share_store_get(service->shares, user, &record));
    if (!record.file->active)
        return FAIL(NOT_FOUND, "%s has no share here", user);
    TRY(stored_peer(service, record.file, &stored));
    memcpy(out_identity, stored.identity, SIGN_PUBLIC_BYTES);
    return OK;
}

/* Bounded copies, because messages take what is not const. */
struct record_text {
    char user[FORMAT_NAME_MAX + 1], owner[FORMAT_NAME_MAX + 1], recipient[FORMAT_NAME_MAX + 1];
    char action[FORMAT_NAME_MAX + 1], outcome[FORMAT_NAME_MAX + 1];
};

static result record_access(const struct key_service *service, const struct tls_peer *peer,
                            const struct access *access, result outcome) {
    struct record_text text;
    uint8_t image[DIGEST_BYTES];
    Myelin__AuditBody body;
    myelin__audit_body__init(&body);
    snprintf(text.user, sizeof text.user, "%s", peer->name);
    snprintf(text.owner, sizeof text.owner, "%s", access->owner);
    snprintf(text.recipient, sizeof text.recipient, "%s", access->recipient);
    snprintf(text.action, sizeof text.action, "%s", access->action);
    snprintf(text.outcome, sizeof text.outcome, "%s", result_name(outcome));
    body.time_ms = clock_date_ms();
    body.user = text.user;
    body.owner = text.owner;
    body.recipient = text.recipient;
    body.action = text.action;
    body.outcome = text.outcome;
    if (access->tau.len == FORMAT_TAU_BYTES) {
        format_image_id(access->tau.data, image);
        body.image = format_bytes(view_of(image, sizeof image));
    }
    return access_log_append(service->log, &body);
}

result caller_settle(const struct key_service *service, const struct tls_peer *peer,
                     const struct access *access, result outcome) {
    char why[ERROR_TEXT_BYTES];
    snprintf(why, sizeof why, "%s", error_text());
    result recorded = record_access(service, peer, access, outcome);
    log_event(outcome == OK ? LOG_INFO : LOG_WARNING, access->action,
              "user=%s owner=%s recipient=%s outcome=\"%s\"%s%s", peer->name, access->owner,
              access->recipient, result_name(outcome),
              outcome == OK ? "" : " error=", outcome == OK ? "" : why);
    if (outcome == OK)
        return recorded;
    return FAIL(outcome, "%s", why);
}
