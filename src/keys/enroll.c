/* A user's share comes in, and what everybody may know of him goes out. */
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"
#include "keys/caller.h"
#include "system/user.h"

enum { USERS_PAGE = 1000 };

/* The share against the commitments, and the commitments against the public key. */
static result check_share(const struct key_service *service, const Myelin__EnrollShare *enroll,
                          const struct public_key *public_key) {
    const Myelin__System *system = service->description->system;
    AUTO_COMMITMENTS struct share_commitments commitments = {0};
    AUTO_SECRET struct key_share *share = NULL;
    struct holders holders;
    holders_of(enroll->holders, (unsigned)system->n_key, &holders);
    if (!holders_has(&holders, enroll->index) || holders.index[holders.count - 1] > system->n_key)
        return FAIL(PROTOCOL,
                    "the holders are others than the %zu key servers of version %llu of the system "
                    "description, which is the newest here",
                    system->n_key, (unsigned long long)system->version);
    if (enroll->n_commitment1 != system->t)
        return FAIL(PROTOCOL, "%zu commitments, expected t = %u", enroll->n_commitment1, system->t);
    TRY(format_commitments_parse(enroll->n_commitment1, enroll->commitment1, enroll->n_commitment2,
                                 enroll->commitment2, &commitments));
    TRY(secret_new(sizeof *share, (void **)&share));
    share->j = enroll->index;
    TRY(scalar_parse("s1", format_view(enroll->s1), &share->s1));
    TRY(scalar_parse("s2", format_view(enroll->s2), &share->s2));
    return share_check(public_key, &commitments, system->t, (unsigned)system->n_key, share);
}

/* Whether the share on disk came with a certificate of the same identity key and PK as this one:
 * then only its validity differs. */
static bool certificate_is_renewed(struct key_service *service, const struct tls_peer *peer,
                                   const struct public_key *public_key) {
    AUTO_SHARE struct share_record record = {0};
    struct public_key stored;
    uint8_t identity[SIGN_PUBLIC_BYTES];
    return share_store_get(service->shares, peer->name, &record) == OK &&
           caller_identity_of(service, peer->name, identity) == OK &&
           memcmp(identity, peer->identity, sizeof identity) == 0 &&
           user_public_key(format_view(record.file->certificate), &stored) == OK &&
           g1_equal(&stored.pk1, &public_key->pk1) && g2_equal(&stored.pk2, &public_key->pk2);
}

static result enroll_parsed(struct key_service *service, const struct tls_peer *peer,
                            const Myelin__EnrollShare *enroll) {
    struct public_key public_key;
    TRY(user_public_key(peer->certificate, &public_key));
    TRY(keygen_verify(&public_key, view_of_string(peer->name), format_view(enroll->proof)));
    TRY(check_share(service, enroll, &public_key));
    return share_store_put(service->shares, enroll, peer->certificate,
                           certificate_is_renewed(service, peer, &public_key), clock_date_ms());
}

/* Only what is refused goes to the access log here: a share counts once it is active. */
result service_enroll(struct key_service *service, const struct tls_peer *peer, struct view body) {
    static const struct access access = {.action = "enroll", .owner = "", .recipient = ""};
    AUTO_FORMAT Myelin__EnrollShare *enroll = NULL;
    TRY(caller_check_user(service, peer));
    TRY(format_parse_enroll_share(body, &enroll));
    if (enroll->index != service->index)
        return FAIL(INVALID, "a share for key server %u; this is number %u", enroll->index,
                    service->index);
    result enrolled = strcmp(enroll->user, peer->name) == 0
                          ? enroll_parsed(service, peer, enroll)
                          : FAIL(DENIED, "%s may not enrol %s", peer->name, enroll->user);
    return enrolled == OK ? OK : caller_settle(service, peer, &access, enrolled);
}

/* Whether an active share came with another, no later certificate for the keys of this one. Times
 * are in seconds, so two may end at the same one; an older one that is still valid does not take a
 * newer one's place. */
static bool brings_new_certificate(struct key_service *service, const struct tls_peer *peer) {
    AUTO_SHARE struct share_record record = {0};
    struct public_key public_key;
    struct tls_peer stored;
    struct view ca = format_view(service->description->system->ca_certificate);
    return share_store_get(service->shares, peer->name, &record) == OK && record.file->active &&
           tls_peer_check_untimed(format_view(record.file->certificate), ca, &stored) == OK &&
           stored.expires <= peer->expires &&
           !view_equal(format_view(record.file->certificate), peer->certificate) &&
           user_public_key(peer->certificate, &public_key) == OK &&
           certificate_is_renewed(service, peer, &public_key);
}

static result renew(struct key_service *service, const struct tls_peer *peer) {
    static const struct access access = {.action = "renew", .owner = "", .recipient = ""};
    return caller_settle(service, peer, &access,
                         share_store_renew(service->shares, peer->name, peer->certificate));
}

result service_activate(struct key_service *service, const struct tls_peer *peer) {
    static const struct access access = {.action = "enroll", .owner = "", .recipient = ""};
    TRY(caller_check_user(service, peer));
    if (brings_new_certificate(service, peer))
        return renew(service, peer);
    result activated = share_store_activate(service->shares, peer->name, peer->certificate);
    if (activated == OK)
        atomic_fetch_add(&service->counters.enrolments, 1);
    return caller_settle(service, peer, &access, activated);
}

result service_user(struct key_service *service, const struct tls_peer *peer, const char *user,
                    struct bytes *out_answer) {
    AUTO_SHARE struct share_record record = {0};
    TRY(caller_check_member(service, peer));
    TRY(share_store_get(service->shares, user, &record));
    if (!record.file->active)
        return FAIL(NOT_FOUND, "%s has no share here", user);
    Myelin__UserAnswer answer = MYELIN__USER_ANSWER__INIT;
    answer.certificate = record.file->certificate;
    answer.enrolled_ms = record.file->enrolled_ms;
    if (!share_file_holds(record.file))
        return format_pack(&answer, out_answer);
    answer.epoch = record.file->epoch;
    answer.holders = record.file->holders;
    answer.n_commitment1 = record.file->n_commitment1;
    answer.commitment1 = record.file->commitment1;
    answer.n_commitment2 = record.file->n_commitment2;
    answer.commitment2 = record.file->commitment2;
    return format_pack(&answer, out_answer);
}

result service_users(struct key_service *service, const struct tls_peer *peer, const char *after,
                     struct bytes *out_page) {
    TRY(caller_check_member(service, peer));
    if (after[0] != '\0' && !format_is_name(after))
        return FAIL(INVALID, "after: not a user's name");
    return share_store_page(service->shares, after, USERS_PAGE, out_page);
}
