/*
 * What a key server does for those who ask, apart from HTTP: each function is a route of
 * docs/PROTOCOL.md, takes the caller as TLS knows him and a message's bytes, and gives the answer's
 * bytes. All are safe from any thread.
 *
 * The caller's rights come from his certificate: its role, its system, and, once he has enrolled,
 * the identity key that he enrolled with. A certificate with the same name and another key, even
 * from the manager, opens nothing.
 */
#ifndef MYELIN_KEYS_SERVICE_H
#define MYELIN_KEYS_SERVICE_H

#include <stdatomic.h>

#include "keys/access_log.h"
#include "keys/gather.h"
#include "keys/revocations.h"
#include "keys/share_store.h"
#include "net/tls.h"
#include "system/description.h"

/* Since the start. */
struct key_counters {
    atomic_ullong opens_ok, opens_refused;
    atomic_ullong open_us; /* all openings together */
    atomic_ullong refreshes, replacements;
    atomic_ullong rekeys, recovers, revocations, enrolments;
};

struct key_service {
    const struct description *_Atomic description; /* the newest; older ones stay in memory */
    uint32_t index;                                /* j */
    struct share_store *shares;
    struct access_log *log;
    struct revocations *revocations;
    struct storage_fleet *_Atomic fleet;
    const struct tls_identity *identity;
    struct gatherer *gatherer;
    struct key_counters counters;
    const struct sign_key *signing; /* this server's identity key, for share care and the log's
                                       head: set by whoever opened the service; outlives it */
};

/* Opens all of a store folder (docs/FORMAT.md, "A key server's folder"), which the caller has
 * locked. `description` and `identity` must outlive the service. IO, NO_MEMORY. */
MUST_CHECK result key_service_open(const char *store, const uint8_t seal_key[SEAL_KEY_BYTES],
                                   uint32_t index, const struct description *description,
                                   const struct tls_identity *identity,
                                   struct key_service *out_service);
void key_service_close(struct key_service *service);

/* A newer version of the description takes the place of the one before, which must stay too:
 * requests under way go on with it. Not by two threads at once. NO_MEMORY. */
MUST_CHECK result key_service_update(struct key_service *service,
                                     const struct description *description);

/* POST /v1/shares: keeps the caller's share as pending, once it is shown to be his, this server's
 * and what the commitments say. CONFLICT where he has another one. */
MUST_CHECK result service_enroll(struct key_service *service, const struct tls_peer *peer,
                                 struct view body);

/* POST /v1/shares/activate. */
MUST_CHECK result service_activate(struct key_service *service, const struct tls_peer *peer);

/* GET /v1/users/{user}: an UserAnswer. NOT_FOUND also for a share that is pending only. */
MUST_CHECK result service_user(struct key_service *service, const struct tls_peer *peer,
                               const char *user, struct bytes *out_answer);

/* GET /v1/users?after=: an UserPage. */
MUST_CHECK result service_users(struct key_service *service, const struct tls_peer *peer,
                                const char *after, struct bytes *out_page);

/* POST /v1/open: an OpenAnswer. In the access log before this returns, refusals too. */
MUST_CHECK result service_open(struct key_service *service, const struct tls_peer *peer,
                               struct view body, struct bytes *out_answer);

/* POST /v1/rekey: a RekeyAnswer. */
MUST_CHECK result service_rekey(struct key_service *service, const struct tls_peer *peer,
                                struct view body, struct bytes *out_answer);

/* POST /v1/recover: a RecoverAnswer, the caller's own f1(j) sealed to his identity key. In the
 * access log, as "recover" and with the image and recipient that he names, before this returns. */
MUST_CHECK result service_recover(struct key_service *service, const struct tls_peer *peer,
                                  struct view body, struct bytes *out_answer);

/* POST /v1/revocations. */
MUST_CHECK result service_revoke(struct key_service *service, const struct tls_peer *peer,
                                 struct view body);

/* ------------------------------------------------------------------ share care
 *
 * Asked by the user himself or by the manager, who relays what the key servers tell each other and
 * can neither read nor alter it. Besides the errors named, all give DENIED for others; NOT_FOUND
 * where the user has no active share here; INTEGRITY, IO, NO_MEMORY. */

/* POST /v1/care/begin: a CareState, with this server's dealing. */
MUST_CHECK result service_care_begin(struct key_service *service, const struct tls_peer *peer,
                                     struct view body, struct bytes *out_state);

/* POST /v1/care/check: a CareComplaint, the dealers of a CareOffer who dealt this server wrongly.
 * CONFLICT where its share is of another generation. A server that has no share of the user
 * believes the offer what it is dealt from, as far as that is bound to his certificate. */
MUST_CHECK result service_care_check(struct key_service *service, const struct tls_peer *peer,
                                     struct view body, struct bytes *out_complaint);

/* POST /v1/care/accept: keeps the generation of a CareOffer beside the share and signs an
 * Acceptance of it, a Signed. INTEGRITY, naming the dealer; CONFLICT. */
MUST_CHECK result service_care_accept(struct key_service *service, const struct tls_peer *peer,
                                      struct view body, struct bytes *out_acceptance);

/* POST /v1/care/finish: the accepted generation becomes the share, or the share goes where this
 * server is no holder of that, once a CareFinish shows that enough key servers hold it. QUORUM;
 * CONFLICT. */
MUST_CHECK result service_care_finish(struct key_service *service, const struct tls_peer *peer,
                                      struct view body);

/* POST /v1/care/blind: a Blinded, a Signed, for the key server that the dealings of a CareOffer
 * name as lost. INTEGRITY, naming the dealer; CONFLICT. */
MUST_CHECK result service_care_blind(struct key_service *service, const struct tls_peer *peer,
                                     struct view body, struct bytes *out_blinded);

/* POST /v1/care/restore: makes this server's share of a CareRestore; a CareComplaint of those who
 * blinded wrongly. QUORUM where fewer than t blinded rightly, CONFLICT where there is a share. */
MUST_CHECK result service_care_restore(struct key_service *service, const struct tls_peer *peer,
                                       struct view body, struct bytes *out_complaint);

/* GET /v1/audit: an AuditPage of the caller's own entries. `image` is hexadecimal, or NULL for all.
 * DENIED for another identity key than he enrolled with. */
MUST_CHECK result service_audit(struct key_service *service, const struct tls_peer *peer,
                                const char *image, uint64_t after, struct bytes *out_page);

/* GET /v1/audit/head?at=SEQUENCE: a Signed Head, of the entry `*at` or, where that is NULL, of the
 * last one. NOT_FOUND where this server's disk has no such entry. */
MUST_CHECK result service_head(struct key_service *service, const struct tls_peer *peer,
                               const uint64_t *at, struct bytes *out_head);

/* GET /metrics: this module's own, as Prometheus text. NO_MEMORY. */
MUST_CHECK result service_metrics(struct key_service *service, struct bytes *out_text);

#endif
